import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from dashf.alternating.continuous import evaluated, optimise_continuous, split_alone
from dashf.common.budget import Budget
from dashf.pair.coefficients import local_frequency
from dashf.result import Status
from mec_llm_env import evaluate
from tests.dashf.cases import (
    OBJECTIVE,
    OBJECTIVES,
    assert_feasible,
    benchmark_scenario,
    failing_solver,
    start,
)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_direction_improves_the_result(objective):
    """A stationary point: SciPy, over everything at once, gains next to nothing."""
    s = benchmark_scenario(2, users=4)
    result = optimise_continuous(s, start(s, objective), objective, tolerance=1e-9)
    z, n, x = result.point[0], s.n_users, result.point[0].association
    assert_feasible(s, z)
    limits = {
        "local_fraction": np.ones(n),
        "transmit_power_w": s.transmit_power_max_w,
        "bandwidth_hz": x @ s.bandwidth_max_hz,
        "server_frequency_hz": x @ s.server_frequency_max_hz,
        "user_frequency_hz": s.user_frequency_max_hz,
    }

    def loss(shares):
        amounts = shares.reshape(5, n) * np.stack(list(limits.values()))
        moved = dataclasses.replace(z, **dict(zip(limits, amounts, strict=True)))
        return -float(evaluate(s, moved, objective, check=False).scr)

    def unused(shares):
        parts = shares.reshape(5, n)
        return np.concatenate([1 - x.T @ parts[2], 1 - x.T @ parts[3]])

    box = list(zip(s.local_fraction_min, s.local_fraction_max, strict=True))
    polished = minimize(
        loss,
        np.concatenate([getattr(z, k) / limit for k, limit in limits.items()]),
        method="SLSQP",
        bounds=box + [(1e-4, 1)] * (4 * n),
        constraints={"type": "ineq", "fun": unused},
        options={"maxiter": 300, "ftol": 1e-12},
    )
    feasible = unused(polished.x).min() > -1e-9
    assert not feasible or -polished.fun < result.scr * (1 + 1e-5)


def test_climbs_from_a_bad_start():
    s = benchmark_scenario(1)
    first = dataclasses.replace(
        start(s), transmit_power_w=0.02 * s.transmit_power_max_w
    )
    seen: list[float] = []
    result = optimise_continuous(
        s, first, OBJECTIVE, on_pass=lambda point, ratio: seen.append(ratio)
    )
    assert result.status == Status.CONVERGED
    assert np.diff(seen).min() >= 0
    assert len(seen) == result.passes
    usual = optimise_continuous(s, start(s), OBJECTIVE)
    assert result.scr == pytest.approx(usual.scr, rel=1e-3)
    assert np.array_equal(
        result.point[0].user_frequency_hz, local_frequency(s, OBJECTIVE)
    )


def test_a_fixed_split_stays():
    s = benchmark_scenario(1)
    result = optimise_continuous(s, start(s), OBJECTIVE, fixed_split=True)
    assert (result.point[0].local_fraction == 0.3).all()
    free = optimise_continuous(s, start(s), OBJECTIVE)
    assert free.scr > result.scr


def test_hopeless_associations_are_given_up_early():
    s = benchmark_scenario(1)
    full = optimise_continuous(s, start(s), OBJECTIVE)
    hopeless = optimise_continuous(
        s, start(s), OBJECTIVE, hopeless_below=1.2 * full.scr
    )
    assert hopeless.passes < full.passes
    within_reach = optimise_continuous(
        s, start(s), OBJECTIVE, hopeless_below=0.999 * full.scr
    )
    assert within_reach.scr == full.scr


def test_without_solvers_the_split_still_improves(monkeypatch):
    s = benchmark_scenario(1)
    failing_solver(monkeypatch, "CLARABEL", "SCS")
    result = optimise_continuous(s, start(s), OBJECTIVE)
    assert result.status == Status.SOLVER_FAILED
    assert result.scr > evaluate(s, start(s), OBJECTIVE).scr
    assert np.array_equal(result.point[0].bandwidth_hz, start(s).bandwidth_hz)


def test_without_time_the_start_comes_back():
    s = benchmark_scenario(1)
    budget = Budget(0.1)
    while not budget.spent():
        pass
    result = optimise_continuous(s, start(s), OBJECTIVE, budget=budget)
    assert result.status == Status.TIME_LIMIT
    assert result.scr == evaluate(s, start(s), OBJECTIVE).scr
    assert budget.programs == 0


def test_the_split_alone_beats_every_other_split():
    s, rng = benchmark_scenario(1), np.random.default_rng(0)
    point = split_alone(s, evaluated(s, start(s), OBJECTIVE), OBJECTIVE)
    low, high = s.local_fraction_min, s.local_fraction_max
    others = [low, high, *(low + (high - low) * rng.random((50, s.n_users)))]
    for split in others:
        z = dataclasses.replace(point[0], local_fraction=split)
        assert evaluate(s, z, OBJECTIVE).scr <= point[1].scr * (1 + 1e-9)
