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
