"""Scenarios and allocations to test solvers with."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.reductions.solvers.solving_chain import SolvingChain

from dashf.alternating.cone_data import solve_cones
from dashf.alternating.resources import improve_once, surplus
from dashf.rules import starting_allocation, strongest_channel
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    violations,
)

OBJECTIVE = ObjectiveConfig()

#: Objectives at the ends of their ranges.
OBJECTIVES = [
    OBJECTIVE,
    ObjectiveConfig(energy_weight=0.0),
    ObjectiveConfig(delay_weight=0.9, energy_weight=0.1),
    ObjectiveConfig(score_weight_power=0.2, score_weight_offload=0.2),
    ObjectiveConfig(
        score_weight_bandwidth=0.5, score_weight_compute=0.5, score_weight_offload=0.0
    ),
]


def benchmark_scenario(
    number: int, preset: str = "paper-10x2", **overrides: Any
) -> Scenario:
    """The benchmark's test scenario of that number, optionally of another size."""
    config = ScenarioConfig.preset(preset).with_overrides(overrides)
    return sample_scenario(config, np.random.default_rng(20_000_000 + number))


def start(scenario: Scenario, objective: ObjectiveConfig = OBJECTIVE) -> Allocation:
    return starting_allocation(scenario, strongest_channel(scenario), objective)


def random_allocation(scenario: Scenario, rng: np.random.Generator) -> Allocation:
    """Strongest channels, the best frequency, and everything else at random."""
    z, n = start(scenario), scenario.n_users
    x = z.association
    weight, request = rng.uniform(0.2, 1, n), rng.uniform(0.1, 1, n)
    return dataclasses.replace(
        z,
        local_fraction=rng.uniform(0.1, 0.9, n),
        transmit_power_w=scenario.transmit_power_max_w * rng.uniform(0.1, 1, n),
        bandwidth_hz=(x @ scenario.bandwidth_max_hz) * weight / (x @ (x.T @ weight)),
        server_frequency_hz=(x @ scenario.server_frequency_max_hz)
        * request
        / np.maximum(x @ (x.T @ request), 1),
    )


def surplus_of(
    scenario: Scenario, allocation: Allocation, objective: ObjectiveConfig, ratio: float
) -> float:
    outcome = evaluate(scenario, allocation, objective)
    return float(outcome.score.sum() - ratio * outcome.cost.sum())


def assert_feasible(scenario: Scenario, allocation: Allocation) -> None:
    worst = violations(scenario, allocation)
    assert all(np.all(value <= 1e-6) for value in worst.values()), worst


def assert_climbs(history: Any) -> None:
    """SCR never decreases, nor does G at the y of its pass; 1e-9 relative."""
    for before, after in itertools.pairwise(history):
        assert after.scr >= before.scr * (1 - 1e-9)
        assert after.ratio >= before.ratio * (1 - 1e-9)
        assert after.time_s >= before.time_s
        # Each pass begins at its y, where G = 0.
        assert np.isclose(after.ratio, before.scr, rtol=1e-9)
        assert after.surplus >= -1e-9 * after.ratio


def failing_solver(monkeypatch: Any, *names: str, times: int = 10**9) -> list[str]:
    """Makes convex solvers fail, with and without CVXPY; returns the log of calls."""
    genuine, log = SolvingChain.solve_via_data, []

    def solve_via_data(self: SolvingChain, *arguments: Any, **options: Any) -> Any:
        log.append(self.solver.name())
        if log[-1] in names and sum(name in names for name in log) <= times:
            raise cp.SolverError(f"{log[-1]} is made to fail")
        return genuine(self, *arguments, **options)

    def without_cvxpy(*data: Any) -> Any:
        log.append("CLARABEL")
        if "CLARABEL" in names and sum(name in names for name in log) <= times:
            raise cp.SolverError("CLARABEL is made to fail")
        return solve_cones(*data)

    monkeypatch.setattr(SolvingChain, "solve_via_data", solve_via_data)
    monkeypatch.setattr("dashf.alternating.cone_data.solve_cones", without_cvxpy)
    return log


@dataclasses.dataclass
class Improved:
    """What block 2 ends with at a fixed y, and G at the start and after each pass."""

    allocation: Allocation
    ratio: float
    surplus: list[float]


def improve_resources(s, z, objective, ratio=None, tolerance=1e-9, passes=100):
    """Repeats the passes of block 2 until G gains no more than a part of Σ score."""
    outcome = evaluate(s, z, objective)
    y = float(outcome.scr) if ratio is None else ratio
    values = [float(surplus(outcome, y))]
    for _ in range(passes):
        found = improve_once(s, z, outcome, objective, y)
        if found is not None:
            z, outcome = found
            values.append(float(surplus(outcome, y)))
        gained = values[-1] - values[-2] if len(values) > 1 else 0.0
        if found is None or gained <= tolerance * float(outcome.score.sum()):
            break
    return Improved(z, y, values)


def all_alike(users, servers):
    """A scenario in which all users are alike, and all servers."""
    s = sample_scenario(ScenarioConfig(users=1, servers=1), np.random.default_rng(0))
    fields = s.to_dict() | {"user_position_m": None, "server_position_m": None}
    for name, value in fields.items():
        if value is not None and value.shape == (1,):
            count = servers if "server" in name or "max" in name[:13] else users
            fields[name] = np.repeat(value, count)
    for name in ("bandwidth_max_hz", "downlink_power_w"):
        fields[name] = np.repeat(s.to_dict()[name], servers)
    for name in ("user_frequency_max_hz", "transmit_power_max_w"):
        fields[name] = np.repeat(s.to_dict()[name], users)
    fields["max_users"] = np.full(servers, users)
    fields["channel_gain"] = np.full((users, servers), s.channel_gain[0, 0])
    return Scenario(**fields)
