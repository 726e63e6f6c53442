"""Scenarios and objectives at and beyond the edges, to test solvers with."""

from __future__ import annotations

import numpy as np

from mec_llm_env import ObjectiveConfig, Scenario, ScenarioConfig, sample_scenario


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
