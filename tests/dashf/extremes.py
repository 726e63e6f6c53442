"""Scenarios and objectives at and beyond the edges, to test solvers with."""

from __future__ import annotations

from typing import Any

import numpy as np

from mec_llm_env import ObjectiveConfig, Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.channel.path_loss import LAWS
from mec_llm_env.workload.llms import DECODERS


def random_objective(rng: np.random.Generator) -> ObjectiveConfig:
    """Unequal weights; often one that is zero, sometimes a score for power."""
    weights = rng.dirichlet(np.ones(4))
    weights *= rng.random(4) > 0.25
    if rng.random() < 0.6:
        weights[0] = 0.0
    if weights.sum() == 0:
        weights[rng.integers(1, 4)] = 1.0
    weights /= weights.sum()
    return ObjectiveConfig(
        delay_weight=float(rng.uniform(0.05, 1)),
        energy_weight=float(rng.choice([0.0, rng.uniform(0.05, 1)], p=[0.2, 0.8])),
        score_sensitivity=float(10 ** rng.uniform(-1, 2)),
        score_weight_power=float(weights[0]),
        score_weight_bandwidth=float(weights[1]),
        score_weight_compute=float(weights[2]),
        score_weight_offload=float(weights[3]),
    )


def random_scenario(
    rng: np.random.Generator, users: int | None = None, servers: int | None = None
) -> Scenario:
    """1×1 to 5×3; very weak and very strong channels, tiny and huge workloads."""
    users = int(rng.integers(1, 6)) if users is None else users
    servers = int(rng.integers(1, 4)) if servers is None else servers
    base = sample_scenario(ScenarioConfig(users=users, servers=servers), rng)
    fields = base.to_dict()
    spread = rng.choice([0.0, 1.0, 3.0])
    fields["channel_gain"] = base.channel_gain * 10 ** (
        spread * rng.uniform(-1.5, 1.5, base.channel_gain.shape)
    )
    for name in ("workload_flop", "data_bit", "adapter_bit"):
        spread = rng.choice([0.0, 0.0, 2.0])
        fields[name] = fields[name] * 10 ** (spread * rng.uniform(-1, 1, users))
    if rng.random() < 0.3:
        low = rng.uniform(0.05, 0.9, users)
        fields["local_fraction_min"] = low
        fields["local_fraction_max"] = (
            low if rng.random() < 0.5 else low + (0.95 - low) * rng.random(users)
        )
    if rng.random() < 0.3:
        slots = np.full(servers, -(-users // servers))
        fields["max_users"] = slots + rng.integers(0, 2, servers)
    return Scenario(**fields)


def with_serving(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """Most users have a state at a random server; moving it costs up to ten slots."""
    s = scenario
    batch, (n, m) = s.batch_shape, s.channel_gain.shape[-2:]
    server = rng.integers(-1, m, (*batch, n))
    scale = 10 ** rng.uniform(-1, 1)
    return Scenario(
        **s.to_dict()
        | {
            "serving": 1.0 * (server[..., None] == np.arange(m)),
            "migration_delay_s": 75 * scale * rng.uniform(0, 2, (*batch, n)),
            "migration_energy_j": 150 * scale * rng.uniform(0, 2, (*batch, n)),
        }
    )


def with_layers(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """Whole layers, 2 to 40 of each user or of all; often a narrower range of φ."""
    s = scenario
    shape = s.workload_flop.shape
    layers = np.full(shape, float(rng.choice([2, 3, 4, 16, 24, 32])))
    if rng.random() < 0.5:
        layers = np.floor(rng.uniform(2, 41, shape))
    low, high = np.ones(shape), layers - 1
    if rng.random() < 0.4:
        low = np.floor(rng.uniform(1, layers))
        high = np.floor(rng.uniform(low, layers))
    limits = {"local_fraction_min": low / layers, "local_fraction_max": high / layers}
    return Scenario(**s.to_dict() | limits | {"layers": layers})


def random_workload(rng: np.random.Generator) -> dict[str, Any]:
    """A decoder, known or not, adapters of a kind, and sometimes whole layers."""
    changes: dict[str, Any] = {}
    if rng.random() < 0.7:
        changes["workload.model"] = str(rng.choice(list(DECODERS)))
    else:
        changes["workload.layers"] = int(rng.integers(2, 60))
        changes["workload.width"] = int(rng.choice([512, 2048, 4096]))
    changes["workload.bottleneck"] = int(rng.choice([8, 64, 256]))
    if rng.random() < 0.5:
        names = rng.permutation(["q", "k", "v", "o", "up", "down"])
        changes["workload.adapter"] = "lora"
        changes["workload.lora_rank"] = int(rng.choice([1, 8, 64]))
        changes["workload.lora_targets"] = names[: rng.integers(1, 7)].tolist()
    if rng.random() < 0.5:
        changes["workload.split"] = "whole_layers"
    return changes


def random_channel(rng: np.random.Generator) -> dict[str, Any]:
    """Any law of path loss with any of its parameters, antennas, and what is heard."""
    law = str(rng.choice(list(LAWS)))
    options: dict[str, Any] = {"radio.path_loss": law}
    values = {
        "path_loss_intercept_db": rng.uniform(100, 140),
        "path_loss_slope_db": rng.uniform(20, 45),
        "carrier_ghz": 10 ** rng.uniform(*np.log10(LAWS[law].carrier_ghz or (1, 1))),
        "server_height_m": rng.uniform(2, 60),
        "user_height_m": rng.uniform(1.5, 13),
        "water_vapour_g_per_m3": rng.uniform(0, 30),
    }
    options |= {
        f"radio.{name}": float(values[name])
        for name in LAWS[law].takes
        if rng.random() < 0.6
    }
    states = LAWS[law].shadowing_std_db is not None
    if rng.random() < 0.3:
        name = "state_shadowing_std_db" if states else "shadowing_std_db"
        one = float(rng.uniform(0, 12))
        options[f"radio.{name}"] = [one, one + 2] if states else one
    if rng.random() < 0.7:
        options["radio.antenna_gain_db"] = float(rng.uniform(-10, 40))
    if rng.random() < 0.6:
        count = int(rng.integers(1, 4))
        rises = rng.uniform(0, 20, count) * (rng.random(count) < 0.8)
        options["server.noise_rise_db"] = rises.tolist() if count > 1 else rises[0]
    if rng.random() < 0.6:
        share = 1.0 if rng.random() < 0.5 else float(rng.random())
        options["objective.downlink_energy_share"] = share
    if rng.random() < 0.3:
        options["radio.downlink_power_w"] = float(10 ** rng.uniform(-1, 3))
    return {k: v.item() if hasattr(v, "item") else v for k, v in options.items()}


def random_configuration(
    seed: int, *, channel: bool = False
) -> tuple[Scenario, ObjectiveConfig]:
    """1×1 to 20×8: any of weights, slots, scored power, presets, users alike, radio.

    With `channel` the channel is any that there is, too.
    """
    rng = np.random.default_rng([11, seed])
    kind = rng.choice(["sizes", "weights", "slots", "power", "preset", "alike"])
    users, servers = int(rng.integers(1, 21)), int(rng.integers(1, 9))
    if kind == "preset":
        users, servers = int(rng.choice([4, 10])), 2
    changes: dict[str, Any] = {"users": users, "servers": servers}
    if rng.random() < 0.5 or kind == "weights":
        delay = float(rng.choice([0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95]))
        changes["objective.delay_weight"] = delay
        changes["objective.energy_weight"] = 1 - delay if rng.random() < 0.85 else 0.0
        changes["objective.score_sensitivity"] = float(10 ** rng.uniform(-1, 2))
    if kind in ("weights", "power"):
        weights = rng.dirichlet(np.ones(4)) * (rng.random(4) > 0.25)
        least = rng.choice([0.1, 0.4])
        weights[0] = max(weights[0], least) if kind == "power" else 0.0
        weights[1] += weights.sum() == 0
        for name, weight in zip(
            ("power", "bandwidth", "compute", "offload"),
            weights / weights.sum(),
            strict=True,
        ):
            changes[f"objective.score_weight_{name}"] = float(weight)
    if kind == "slots" or rng.random() < 0.2:
        changes["server.max_users"] = int(-(-users // servers) + rng.integers(0, 2))
    if rng.random() < 0.2:
        changes["radio.fading"] = "none"
    if rng.random() < 0.2:
        changes["radio.bandwidth_mhz"] = float(10 ** rng.uniform(-1, 2))
    if rng.random() < 0.2:
        changes["layout.cell_radius_m"] = float(10 ** rng.uniform(1.7, 3.2))
    if channel:
        changes |= random_channel(np.random.default_rng([12, seed]))
    config = ScenarioConfig().with_overrides(changes)
    scenario = sample_scenario(config, rng)
    if kind == "alike":
        scenario = _alike(scenario, rng)
    return scenario, config.objective


def _alike(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """Gives all users the first one's data, and often servers one another's."""
    fields = {k: v for k, v in scenario.to_dict().items() if "position" not in k}
    for name, value in fields.items():
        if value.shape == (scenario.n_users,):
            fields[name] = np.full_like(value, value[0])
    gain = fields["channel_gain"]
    one = gain[0, 0] if rng.random() < 0.5 else gain[:1]
    fields["channel_gain"] = np.broadcast_to(one, gain.shape)
    if rng.random() < 0.5:
        for name in list(fields):
            if name.startswith("server_"):
                fields[name] = np.full_like(fields[name], fields[name][0])
    return Scenario(**fields)


def odd_scenario(seed: int) -> Scenario:
    """1×1 to 6×4 with magnitudes anywhere in their ranges, equal or mixed."""
    rng = np.random.default_rng([7, seed])
    users, servers = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    config = ScenarioConfig(users=users, servers=servers)
    fields = sample_scenario(config, rng).to_dict()
    for name, (low, high) in _MAGNITUDES.items():
        kind = rng.choice(["usual", "usual", "usual", "equal", "mixed", "ends"])
        shape = fields[name].shape
        exponent = {
            "equal": np.full(shape, rng.uniform(low, high)),
            "mixed": rng.uniform(low, high, shape),
            "ends": rng.choice([low, high], shape),
        }.get(str(kind))
        if exponent is None:
            continue
        before, fields[name] = fields[name], 10.0**exponent
        if name.endswith("frequency_max_hz"):  # the same power at full speed
            coefficient = name.replace("frequency_max_hz", "power_coefficient")
            fields[coefficient] = fields[coefficient] * (before / fields[name]) ** 3
    return Scenario(**fields)


#: Powers of ten between which `odd_scenario` draws.
_MAGNITUDES = {
    "workload_flop": (0, 24),
    "data_bit": (0, 18),
    "adapter_bit": (0, 18),
    "channel_gain": (-30, 0),
    "bandwidth_max_hz": (0, 13),
    "noise_density_w_per_hz": (-30, -6),
    "user_flop_per_cycle": (-3, 18),
    "user_frequency_max_hz": (0, 15),
    "server_flop_per_cycle": (-3, 18),
    "server_frequency_max_hz": (0, 15),
    "transmit_power_max_w": (-9, 6),
    "downlink_power_w": (-9, 6),
}


def varied(number: int) -> tuple[Scenario, ObjectiveConfig]:
    """1×1 to 20×8: presets, limits, users alike, odd magnitudes, all objectives."""
    rng = np.random.default_rng(77_000 + number)
    users, servers = int(rng.integers(1, 21)), int(rng.integers(1, 9))
    kind = rng.integers(0, 6)
    if kind == 0:
        preset = ("paper-10x2", "tiny-4x2")[int(rng.integers(2))]
        s = sample_scenario(ScenarioConfig.preset(preset), rng)
    else:
        overrides = {"users": users, "servers": servers}
        if rng.random() < 0.4:
            least = -(-users // servers)
            overrides["server.max_users"] = int(rng.integers(least, users + 1))
        s = sample_scenario(ScenarioConfig().with_overrides(overrides), rng)
    if kind == 1:
        s = random_scenario(rng, users, servers)
    if kind == 2:
        s = alike(s)
    default = rng.random() < 0.15
    return s, ObjectiveConfig() if default else random_objective(rng)


def alike(s: Scenario) -> Scenario:
    """The scenario with every user like the first."""
    per_user = ("channel_gain", "workload_flop", "data_bit", "adapter_bit")
    per_user += ("user_flop_per_cycle", "user_frequency_max_hz")
    per_user += ("user_power_coefficient", "transmit_power_max_w")
    per_user += ("local_fraction_min", "local_fraction_max")
    first = {name: np.repeat(getattr(s, name)[:1], s.n_users, 0) for name in per_user}
    return Scenario(**s.to_dict() | first)
