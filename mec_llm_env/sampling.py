"""Scenario sampling: one block of uniforms in, one scenario out.

A scenario is a pure function of a fixed-length block of uniforms, by inverse
distribution functions. So scalar and batched environments share their random streams,
and a batch is one array operation.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from mec_llm_env._array import Array, like, namespace, ndtri
from mec_llm_env.channel import mean_log_gain, shadowing_nepers
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.ranges import Limits, integer_argument, shorten
from mec_llm_env.scenario import FIELD_LIMITS, GPU_POWER_W, Scenario
from mec_llm_env.workload import adapter_size_bit, dataset_size_bit, training_flop

#: Uniforms are kept this far from 0 and 1: gains stay positive and finite. It changes
#: the distributions by 2e-9 in total variation.
EDGE = 1e-9

#: Drawn gains are kept in this range, as shadowing and fading have no bounds of their
#: own: below it nothing arrives, above it more would than was sent. `Scenario` takes
#: them and observations hold them.
GAIN_LIMITS = Limits(1e-26, 1.0)

_PER_USER = 8  # radius, angle, power, cores, frequency, GPU power, tokens, sequences


def sample_scenario(
    config: ScenarioConfig,
    rng: np.random.Generator,
    batch_shape: tuple[int, ...] = (),
) -> Scenario:
    """Draws a scenario, or a batch in the order in which single ones would be drawn.

    `sample_scenario(config, np.random.default_rng(k))` is the scenario of
    `env.reset(seed=k)`.

    Args:
        config: what to draw from.
        rng: the generator that the random numbers are taken from.
        batch_shape: `[...]` of the result; () for a single scenario.

    Returns:
        A scenario of float64 NumPy arrays with the given batch shape.

    Raises:
        ValueError: an argument is of another kind, or the parameters do not fit
            together; see `ScenarioSampler`.
    """
    if not isinstance(config, ScenarioConfig):
        raise ValueError(
            f"`config` must be a mec_llm_env.ScenarioConfig; got {shorten(config)}. "
            "`ScenarioConfig.preset` has the named ones."
        )
    checked_generator(rng)
    batch_shape = checked_batch_shape(batch_shape, "scenario")
    sampler = scenario_sampler(config)
    return sampler.from_uniforms(rng.random((*batch_shape, sampler.block_size)))


def checked_generator(rng: Any) -> None:
    """Refuses what is no generator of random numbers.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"`rng` must be a numpy.random.Generator; got {shorten(rng)}. Make one "
            "with `numpy.random.default_rng(seed)`."
        )


def checked_batch_shape(batch_shape: Any, what: str) -> tuple[int, ...]:
    """Returns the batch shape of what is to be drawn.

    Raises:
        ValueError: it is not a tuple of sizes.
    """
    if not isinstance(batch_shape, tuple | list):
        raise ValueError(
            f"`batch_shape` must be a tuple of sizes, () for a single {what}; got "
            f"{shorten(batch_shape)}."
        )
    return tuple(
        integer_argument("batch_shape", size, 0, 10**9) for size in batch_shape
    )


class ScenarioSampler:
    """Turns blocks of uniforms into scenarios of one configuration.

    `block_size` is the number of uniforms a scenario is made of.

    Raises:
        ValueError: the parameters, each in its range, give a field of the scenario that
            is not; the text names the parameters, the field and its range.
    """

    def __init__(self, config: ScenarioConfig) -> None:
        self.config = config
        n, m = config.users, config.servers
        self.block_size = _PER_USER * n + 2 * n * m
        self._constants = _constant_fields(config)
        for value in self._constants.values():
            value.flags.writeable = False  # single scenarios share them
        self._check_fields()

    def from_uniforms(self, uniforms: Array) -> Scenario:
        """Maps uniforms in [0, 1), `[..., block_size]`, to scenarios `[...]`.

        They are NumPy's or, as in `jax_env`, of another library, and so is the result.
        """
        batch = uniforms.shape[:-1]
        per_user, shadowing, fading = self.split(uniforms)
        x_m, y_m = self.places(*per_user[:2])
        return Scenario.unchecked(
            channel_gain=self.channel_gain(
                x_m, y_m, self.shadowing_db(shadowing), fading
            ),
            user_position_m=namespace(x_m).stack([x_m, y_m], axis=-1),
            **self.user_fields(*per_user[2:]),
            **self.constants(batch, uniforms),
        )

    def split(self, uniforms: Array) -> tuple[list[Array], Array, Array]:
        """Returns the parts of blocks: users' [..., N] each, shadowing's and fading's.

        The users' are radius and angle, then the arguments of `user_fields`; those of
        shadowing and fading are [..., N, M]. They are kept from 0 and 1.
        """
        per_user, shadowing, fading = self.views(_inside(uniforms))
        return [part.copy() for part in per_user], shadowing.copy(), fading.copy()

    def views(self, blocks: Array) -> tuple[list[Array], Array, Array]:
        """Returns the parts of blocks as `split` does, as they are, without copying."""
        n, m = self.config.users, self.config.servers
        per_user = [blocks[..., i * n : (i + 1) * n] for i in range(_PER_USER)]
        per_pair = blocks[..., _PER_USER * n :].reshape(*blocks.shape[:-1], 2, n, m)
        return per_user, per_pair[..., 0, :, :], per_pair[..., 1, :, :]

    def places(self, radius: Array, angle: Array) -> tuple[Array, Array]:
        """Returns x and y, m, from uniforms: uniform in the disc."""
        # The square of the distance from the centre is uniform.
        xp = namespace(radius)
        distance_m = self.config.layout.cell_radius_m * xp.sqrt(radius)
        turn = 2 * math.pi * angle
        return distance_m * xp.cos(turn), distance_m * xp.sin(turn)

    def constants(
        self, batch: tuple[int, ...], uniforms: Array | None = None
    ) -> dict[str, Array]:
        """Returns the fields that all scenarios share; they cannot be written to.

        They are NumPy's, or of the library that the uniforms are of.
        """
        constants, xp = self._constants, np
        if uniforms is not None and type(uniforms) is not np.ndarray:
            constants = {k: like(uniforms, v) for k, v in constants.items()}
            xp = namespace(uniforms)
        return {
            name: xp.broadcast_to(value, (*batch, *value.shape)) if batch else value
            for name, value in constants.items()
        }

    def shadowing_db(self, uniforms: Array) -> Array:
        """Returns normal shadowing from uniforms."""
        return self.config.radio.shadowing_std_db * ndtri(uniforms)

    def user_fields(
        self,
        power_max: Array,
        cores: Array,
        frequency: Array,
        power: Array,
        tokens: Array,
        sequences: Array,
    ) -> dict[str, Array]:
        """Returns the fields of users from their uniforms, in each of which they climb.

        Only `cores` picks from a list in the order that it has.
        """
        radio, device, work = (
            self.config.radio,
            self.config.device,
            self.config.workload,
        )
        n_tokens = _uniform_integer(tokens, work.tokens)
        n_sequences = _uniform_integer(sequences, work.sequences)
        core_choices = np.asarray(device.cores, dtype=np.float64)
        xp = namespace(cores)
        pick = xp.astype(cores * len(core_choices), xp.int32)
        n_cores = like(cores, core_choices)[pick]
        gpu_power_w = _uniform(power, device.power_w)
        return {
            "workload_flop": training_flop(
                n_tokens,
                sequences=n_sequences,
                epochs=work.epochs,
                layers=work.layers,
                width=work.width,
                bottleneck=work.bottleneck,
            ),
            "data_bit": dataset_size_bit(
                n_tokens, sequences=n_sequences, token_bit=work.token_bit
            ),
            "user_flop_per_cycle": n_cores * device.flop_per_cycle_per_core,
            "user_frequency_max_hz": 1e9
            * _uniform(frequency, device.frequency_max_ghz),
            "user_power_coefficient": gpu_power_w
            / (1e9 * device.power_reference_ghz) ** 3,
            "transmit_power_max_w": _uniform(power_max, radio.transmit_power_max_w),
        }

    def channel_gain(
        self, x_m: Array, y_m: Array, shadowing_db: Array, fading: Array
    ) -> Array:
        """Returns gains [..., N, M] of places, shadowing and uniforms of fading."""
        layout, radio = self.config.layout, self.config.radio
        xp = namespace(x_m)
        server_x_m, server_y_m = like(x_m, self._constants["server_position_m"].T)
        distance_m = xp.sqrt(  # a tenth of the time of np.hypot
            (x_m[..., None] - server_x_m) ** 2 + (y_m[..., None] - server_y_m) ** 2
        )
        log_gain = mean_log_gain(
            xp.maximum(distance_m, layout.distance_min_m),
            path_loss_intercept_db=radio.path_loss_intercept_db,
            path_loss_slope_db=radio.path_loss_slope_db,
        )
        gain = xp.exp(log_gain + shadowing_nepers(shadowing_db))
        if radio.fading == "rayleigh":  # unit-mean exponential power
            gain = gain * -xp.log1p(-_inside(fading))
        return _clipped(gain, *GAIN_LIMITS)

    def field_limits(self) -> dict[str, Limits]:
        """Returns the lowest and highest value that each field is ever drawn with."""
        n_cores = len(self.config.device.cores)
        edges = np.array([0.0, 1.0, *((np.arange(n_cores) + 0.5) / n_cores)])
        fields = self.user_fields(*[np.clip(edges, EDGE, 1 - EDGE)] * 6)
        fields |= {k: v for k, v in self._constants.items() if k in PARAMETERS}
        limits = {k: Limits(float(v.min()), float(v.max())) for k, v in fields.items()}
        return limits | {"channel_gain": GAIN_LIMITS}

    def explain(self, field: str, value: float) -> str:
        """Returns what gives a field of the scenario such a value, to tell the user."""
        parameters = self.config.to_dict()
        sources = (f"`{k}` = {parameters[k]}" for k in PARAMETERS[field])
        return f"`{field}` = {value:g} from {', '.join(sources)}"

    def _check_fields(self) -> None:
        drawn = self.field_limits()
        for name, limits in FIELD_LIMITS.items():
            for value in drawn.get(name, ()):
                if not limits.lowest <= value <= limits.highest:
                    raise ValueError(
                        f"A field of the scenario must be from {limits}; got "
                        f"{self.explain(name, value)}."
                    )
        for owner in ("user", "server"):
            coefficient, hz = f"{owner}_power_coefficient", f"{owner}_frequency_max_hz"
            for c, f in zip(drawn[coefficient], drawn[hz], strict=True):
                if not GPU_POWER_W.lowest <= c * f**3 <= GPU_POWER_W.highest:
                    raise ValueError(
                        "A GPU at full speed must draw a power from "
                        f"{GPU_POWER_W} W; got {c * f**3:g} W, {self.explain(hz, f)}, "
                        f"{self.explain(coefficient, c)}."
                    )


_ADAPTER = ("workload.layers", "workload.width", "workload.bottleneck")
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
    "local_fraction_min": ("workload.layers",),
    "local_fraction_max": ("workload.layers",),
    "server_flop_per_cycle": ("server.cores", "server.flop_per_cycle_per_core"),
    "server_frequency_max_hz": ("server.frequency_ghz",),
    "server_power_coefficient": ("server.power_w", "server.frequency_ghz"),
    "bandwidth_max_hz": ("radio.bandwidth_mhz",),
    "downlink_power_w": ("radio.downlink_power_w",),
    "noise_density_w_per_hz": (
        "radio.noise_density_dbm_per_hz",
        "radio.noise_figure_db",
    ),
}


@functools.lru_cache(maxsize=32)
def scenario_sampler(config: ScenarioConfig) -> ScenarioSampler:
    """Returns the sampler of a configuration, made once."""
    return ScenarioSampler(config)


def _constant_fields(config: ScenarioConfig) -> dict[str, Array]:
    """Returns the fields that every scenario of a configuration shares, unbatched."""
    server, radio, work = config.server, config.radio, config.workload
    n, m = config.users, config.servers
    turn = np.arange(m) % len(server.cores)
    frequency_hz = 1e9 * np.asarray(server.frequency_ghz)[turn]
    slots = n if server.max_users is None else server.max_users
    noise_dbm = radio.noise_density_dbm_per_hz + radio.noise_figure_db
    adapter_bit = adapter_size_bit(
        layers=work.layers,
        width=work.width,
        bottleneck=work.bottleneck,
        parameter_bit=work.adapter_parameter_bit,
    )
    return {
        "adapter_bit": np.full(n, float(adapter_bit)),
        "local_fraction_min": np.full(n, 1 / work.layers),
        "local_fraction_max": np.full(n, 1 - 1 / work.layers),
        "server_flop_per_cycle": server.flop_per_cycle_per_core
        * np.asarray(server.cores, dtype=np.float64)[turn],
        "server_frequency_max_hz": frequency_hz,
        "server_power_coefficient": np.asarray(server.power_w)[turn] / frequency_hz**3,
        "bandwidth_max_hz": np.full(m, 1e6 * radio.bandwidth_mhz),
        "downlink_power_w": np.full(m, float(radio.downlink_power_w)),
        "max_users": np.full(m, float(slots)),
        "noise_density_w_per_hz": np.asarray(10 ** (noise_dbm / 10 - 3)),
        "server_position_m": _server_positions_m(config),
    }


def _server_positions_m(config: ScenarioConfig) -> Array:
    """Returns [M, 2]: evenly on a ring, or one server at the centre."""
    m = config.servers
    if m == 1:
        return np.zeros((1, 2))
    ring_m = config.layout.server_ring_ratio * config.layout.cell_radius_m
    angle = 2 * math.pi * np.arange(m) / m
    return ring_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _uniform(u: Array, limits: tuple[float, float]) -> Array:
    return limits[0] + (limits[1] - limits[0]) * u


def _uniform_integer(u: Array, limits: tuple[int, int]) -> Array:
    """Maps uniforms to whole numbers from lowest to highest, both included."""
    xp = namespace(u)
    number = xp.floor(limits[0] + (limits[1] - limits[0] + 1) * u)
    return xp.minimum(number, float(limits[1]))  # float32 rounds up to one more


def _inside(uniforms: Array) -> Array:
    """Returns uniforms that are kept from 0 and 1."""
    rounding = float(namespace(uniforms).finfo(uniforms.dtype).eps)
    return _clipped(uniforms, EDGE, 1 - max(EDGE, rounding))  # float32 ends before 1


def _clipped(values: Array, lowest: float, highest: float) -> Array:
    if type(values) is np.ndarray:  # twice as fast
        return np.clip(values, lowest, highest)
    xp = namespace(values)
    return xp.minimum(xp.maximum(values, lowest), highest)
