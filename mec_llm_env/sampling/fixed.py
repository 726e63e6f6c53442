"""What a configuration fixes: fields that all its scenarios share, and sources of all.

Values in SI; server m takes entry m of a tuple, in turn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.config import ScenarioConfig, ruled
from mec_llm_env.scenario import FIELD_LIMITS
from mec_llm_env.workload.adapters import adapter_size_bit

_ADAPTER = (
    *("workload.model", "workload.layers", "workload.width", "workload.bottleneck"),
    *("workload.lora_rank", "workload.lora_targets"),
)
_LAYERS = ("workload.model", "workload.layers")
_DATA = ("workload.tokens", "workload.sequences")

#: The parameters of the configuration that each field of a scenario comes from.
PARAMETERS = {
    "workload_flop": (*_DATA, "workload.epochs", *_ADAPTER),
    "data_bit": (*_DATA, "workload.token_bit"),
    "adapter_bit": (*_ADAPTER, "workload.adapter_parameter_bit"),
    "user_flop_per_cycle": ("device.cores", "device.flop_per_cycle_per_core"),
    "user_frequency_max_hz": ("device.frequency_max_ghz",),
    "user_power_coefficient": ("device.power_w", "device.power_reference_ghz"),
    "transmit_power_max_w": ("radio.transmit_power_max_w",),
    "local_fraction_min": _LAYERS,
    "local_fraction_max": _LAYERS,
    "server_flop_per_cycle": ("server.cores", "server.flop_per_cycle_per_core"),
    "server_frequency_max_hz": ("server.frequency_ghz",),
    "server_power_coefficient": ("server.power_w", "server.frequency_ghz"),
    "bandwidth_max_hz": ("radio.bandwidth_mhz",),
    "downlink_power_w": ("radio.downlink_power_w",),
    "noise_rise": ("server.noise_rise_db",),
    "noise_density_w_per_hz": (
        "radio.noise_density_dbm_per_hz",
        "radio.noise_figure_db",
        "server.noise_rise_db",
    ),
}


def constant_fields(config: ScenarioConfig) -> dict[str, Array]:
    """Returns the fields that every scenario of a configuration shares, unbatched."""
    server, radio, work = config.server, config.radio, config.workload
    n, m = config.users, config.servers
    frequency_hz = 1e9 * _in_turn(server.frequency_ghz, m)
    noise_dbm = radio.noise_density_dbm_per_hz + radio.noise_figure_db
    decoder = work.decoder
    adapter_bit = adapter_size_bit(
        decoder=decoder,
        adapter=work.adapters,
        parameter_bit=work.adapter_parameter_bit,
    )
    fields = {
        "adapter_bit": np.full(n, float(adapter_bit)),
        "local_fraction_min": np.full(n, 1 / decoder.layers),
        "local_fraction_max": np.full(n, 1 - 1 / decoder.layers),
        "server_flop_per_cycle": _in_turn(server.flop_per_cycle_per_core, m)
        * _in_turn(server.cores, m),
        "server_frequency_max_hz": frequency_hz,
        "server_power_coefficient": _in_turn(server.power_w, m) / frequency_hz**3,
        "bandwidth_max_hz": 1e6 * _in_turn(radio.bandwidth_mhz, m),
        "downlink_power_w": _in_turn(radio.downlink_power_w, m),
        "max_users": _in_turn(server.max_users, m, none=n),
        "noise_density_w_per_hz": np.asarray(10 ** (noise_dbm / 10 - 3)),
    }
    noise_rise = noise_rises(config)
    if noise_rise is not None:
        fields["noise_rise"] = noise_rise
    if work.whole_layers is not None:
        fields["layers"] = np.full(n, float(decoder.layers))
    return fields | _places(config)


def _places(config: ScenarioConfig) -> dict[str, Array]:
    """Returns the positions and gains that every scenario has.

    Beside given gains, positions would only mislead unless they are given, too.
    """
    gain_db, layout = config.radio.channel_gain_db, config.layout
    places: dict[str, Array] = {}
    if layout.user_position_m is not None:
        places["user_position_m"] = np.array(layout.user_position_m, dtype=np.float64)
    if layout.server_position_m is not None:
        given = np.array(layout.server_position_m, dtype=np.float64)
        places["server_position_m"] = given
    elif gain_db is None:
        places["server_position_m"] = _server_positions_m(config)
    if gain_db is not None:
        gain = 10 ** (np.array(gain_db, dtype=np.float64) / 10)
        # -300 dB is 1e-30, up to rounding.
        places["channel_gain"] = np.clip(gain, *FIELD_LIMITS["channel_gain"])
    return places


def noise_rises(config: ScenarioConfig) -> Array | None:
    """Returns [M], the noise rise of every server; None where none has any."""
    rise_db = _in_turn(config.server.noise_rise_db, config.servers)
    return 10 ** (rise_db / 10) if rise_db.any() else None


def _in_turn(value: Any, m: int, none: float = math.nan) -> Array:
    """Returns [M]: one value for all servers, or server m's entry m, in turn."""
    entries = value if isinstance(value, tuple) else (value,)
    numbers = [float(none if entry is None else entry) for entry in entries]
    return np.array(numbers)[np.arange(m) % len(numbers)]


def parameters_of_users(
    config: ScenarioConfig,
) -> tuple[dict[str, Array], Array | None, Any]:
    """Returns what differs between users: by key, and their lists of cores.

    Entries are [N], or [2, N] of lowest and highest; lists [N, ·], filled up, and their
    lengths [N].
    """
    given = {
        key: value
        for key, (rule, value) in ruled(config).items()
        if rule.per == "user" and not rule.always_each and rule.gives_each(value)
    }
    cores = given.pop("device.cores", None)
    each = {key: np.array(value).T for key, value in given.items()}
    if cores is None:
        return each, None, None
    counts = np.array([len(choices) for choices in cores])
    choices = np.zeros((len(cores), counts.max()))
    for row, own in zip(choices, cores, strict=True):
        row[: len(own)] = own
    return each, choices, counts


def _server_positions_m(config: ScenarioConfig) -> Array:
    """Returns [M, 2]: evenly on a ring, or one server at the centre."""
    m = config.servers
    if m == 1:
        return np.zeros((1, 2))
    ring_m = config.layout.server_ring_ratio * config.layout.cell_radius_m
    angle = 2 * math.pi * np.arange(m) / m
    return ring_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
