import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from dashf.alternating.convex import ConvexProgram
from dashf.alternating.resources import shadow_prices
from dashf.common.capacity import fit_capacity
from dashf.pair.coefficients import local_frequency
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from tests.dashf.cases import (
    OBJECTIVE,
    OBJECTIVES,
    assert_feasible,
    benchmark_scenario,
    failing_solver,
    improve_resources,
    random_allocation,
    start,
    surplus_of,
)


@pytest.mark.parametrize("objective", OBJECTIVES[:3])
def test_local_frequency_is_the_numerical_optimum(objective):
    for number in range(5):
        s = benchmark_scenario(number)
        z = start(s)
        found = local_frequency(s, objective)

        def costs(frequency, s=s, z=z):
            z = dataclasses.replace(z, user_frequency_hz=frequency)
            return evaluate(s, z, objective).cost

        for n in range(s.n_users):

            def cost(share, n=n, s=s, costs=costs):
                return costs(share * s.user_frequency_max_hz)[n]

            best = minimize_scalar(
                cost, bounds=(1e-3, 1), method="bounded", options={"xatol": 1e-10}
            )
            assert costs(found)[n] <= best.fun * (1 + 1e-12)
            assert found[n] / s.user_frequency_max_hz[n] == pytest.approx(
                best.x, abs=1e-5
            )


def test_local_frequency_by_hand():
    # ω_t'/(2 ω_e' κ) = (0.5/100) / (2 · (0.5/200) κ) = 1/κ, so f = κ^(−1/3).
    s = benchmark_scenario(0, users=2)
    s = type(s)(**s.to_dict() | {"user_power_coefficient": [1e-27, 1e-24]})
    assert local_frequency(s, OBJECTIVE) == pytest.approx(
        [s.user_frequency_max_hz[0], 1e8]
    )
    no_energy = ObjectiveConfig(energy_weight=0.0)
    assert np.array_equal(local_frequency(s, no_energy), s.user_frequency_max_hz)


def scipy_optimum(s, z, objective, y):
    """The best G over shares of power, bandwidth and compute near z, by SLSQP."""
    n, x = s.n_users, z.association
    limits = (s.transmit_power_max_w, x @ s.bandwidth_max_hz)
    limits = (*limits, x @ s.server_frequency_max_hz)
    names = ("transmit_power_w", "bandwidth_hz", "server_frequency_hz")

    def allocation(shares):
        parts = shares.reshape(3, n)
        amounts = {k: a * b for k, a, b in zip(names, parts, limits, strict=True)}
        return dataclasses.replace(z, **amounts)

    def loss(shares):
        outcome = evaluate(s, allocation(shares), objective, check=False)
        return -(outcome.score.sum() - y * outcome.cost.sum()) / 100

    def unused(shares):
        return np.concatenate([1 - x.T @ shares[n : 2 * n], 1 - x.T @ shares[2 * n :]])

    first = [getattr(z, k) / limit for k, limit in zip(names, limits, strict=True)]
    result = minimize(
        loss,
        np.concatenate(first),
        method="SLSQP",
        bounds=[(1e-4, 1)] * (3 * n),
        constraints={"type": "ineq", "fun": unused},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    return fit_capacity(s, allocation(np.clip(result.x, 1e-4, 1)))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_block_2_agrees_with_an_independent_optimiser(objective):
    for number in range(2):
        s = benchmark_scenario(number, users=4)
        z = random_allocation(s, np.random.default_rng(number))
        result = improve_resources(s, z, objective)
        y, reached = result.ratio, result.surplus[-1]
        assert_feasible(s, result.allocation)
        assert reached == pytest.approx(
            surplus_of(s, result.allocation, objective, y), rel=1e-9
        )
        scale = evaluate(s, z, objective).score.sum()
        by_scipy = surplus_of(s, scipy_optimum(s, z, objective, y), objective, y)
        assert by_scipy > result.surplus[0] + 1e-3 * scale  # there was work to do
        assert abs(by_scipy - reached) < 1e-5 * scale
        # SciPy, started at the stationary point, finds nothing better near it.
        polished = scipy_optimum(s, result.allocation, objective, y)
        assert surplus_of(s, polished, objective, y) < reached + 1e-6 * scale


def test_surplus_never_falls_and_only_resources_change():
    for number in range(3):
        s = benchmark_scenario(number)
        z = random_allocation(s, np.random.default_rng(number))
        result = improve_resources(s, z, OBJECTIVE, ratio=80.0, tolerance=1e-12)
        assert np.diff(result.surplus).min() >= 0
        assert len(result.surplus) > 5
        for name in ("association", "local_fraction", "user_frequency_hz"):
            assert np.array_equal(getattr(result.allocation, name), getattr(z, name))


def test_an_empty_server_has_no_price():
    s = benchmark_scenario(0)
    z = start(s)
    everyone_at_0 = np.eye(2)[np.zeros(10, dtype=int)]
    z = fit_capacity(s, dataclasses.replace(z, association=everyone_at_0))
    for price in shadow_prices(s, z, OBJECTIVE, ratio=80.0):
        assert np.isfinite(price[0])
        assert np.isnan(price[1])


def test_prices_of_a_batch_are_those_of_its_members():
    scenarios = [benchmark_scenario(i) for i in range(3)]
    allocations = [start(s) for s in scenarios]
    ratios = np.array([80.0, 90.0, 100.0])
    together = shadow_prices(
        Scenario.stack(scenarios),
        Allocation.stack(allocations),
        OBJECTIVE,
        ratio=ratios,
    )
    for i in range(3):
        alone = shadow_prices(scenarios[i], allocations[i], OBJECTIVE, ratio=ratios[i])
        for price, expected in zip(together, alone, strict=True):
            assert price[i] == pytest.approx(expected, rel=1e-9)


def test_fit_capacity_fills_the_band_and_leaves_compute_idle():
    s = benchmark_scenario(0, users=2, servers=1)
    z = dataclasses.replace(
        start(s),
        bandwidth_hz=np.array([1e6, 3e6]),  # of 10 MHz
        server_frequency_hz=np.array([0.1e9, 0.2e9]),  # of 1.3 GHz
    )
    fitted = fit_capacity(s, z)
    assert fitted.bandwidth_hz == pytest.approx([2.5e6, 7.5e6], rel=1e-12)
    assert fitted.server_frequency_hz.tolist() == [0.1e9, 0.2e9]
    above = dataclasses.replace(z, server_frequency_hz=np.array([1.3e9, 3.9e9]))
    assert fit_capacity(s, above).server_frequency_hz == pytest.approx(
        [0.325e9, 0.975e9]
    )


def test_a_failure_is_tried_again_from_another_z(monkeypatch):
    s = benchmark_scenario(0)
    expected = improve_resources(s, start(s), OBJECTIVE)
    log = failing_solver(monkeypatch, "CLARABEL", times=1)
    result = improve_resources(s, start(s), OBJECTIVE)
    assert log[:2] == ["CLARABEL", "CLARABEL"]
    assert "SCS" not in log
    assert result.surplus[-1] == pytest.approx(expected.surplus[-1], rel=1e-5)


def test_scs_takes_over_when_clarabel_always_fails(monkeypatch):
    s = benchmark_scenario(0)
    expected = improve_resources(s, start(s), OBJECTIVE)
    log = failing_solver(monkeypatch, "CLARABEL")
    result = improve_resources(s, start(s), OBJECTIVE, passes=6)
    assert log[:3] == ["CLARABEL", "CLARABEL", "SCS"]
    assert_feasible(s, result.allocation)
    assert np.diff(result.surplus).min() >= 0
    assert result.surplus[-1] == pytest.approx(expected.surplus[-1], rel=1e-2)


def test_nothing_solved_returns_the_start(monkeypatch):
    s = benchmark_scenario(0)
    failing_solver(monkeypatch, "CLARABEL", "SCS")
    result = improve_resources(s, start(s), OBJECTIVE)
    assert result.surplus == [0.0]
    assert np.array_equal(result.allocation.bandwidth_hz, start(s).bandwidth_hz)


def test_a_worse_answer_of_a_solver_is_not_taken(monkeypatch):
    s = benchmark_scenario(0)

    def solve(self, solver, time_limit_s=None):
        for variable in self.problem.variables():
            variable.value = np.full(variable.shape, 0.1)
        return True

    monkeypatch.setattr(ConvexProgram, "solve", solve)
    result = improve_resources(s, start(s), OBJECTIVE)
    assert result.surplus == [0.0, 0.0]
    assert np.array_equal(result.allocation.bandwidth_hz, start(s).bandwidth_hz)
