"""Every solver charges the migration of training states, and bounds with it hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import dashf
from dashf.pair.best_response import best_response
from dashf.pair.coefficients import make_pairs
from dashf.pricing.sharing import share_resources
from mec_llm_env import Scenario, ScenarioConfig, evaluate, sample_scenario
from tests.dashf.cases import OBJECTIVE
from tests.dashf.extremes import random_objective, random_scenario, with_serving
from tests.dashf.searches import compare_with_all


def bound_up(s: Scenario, factor: float) -> Scenario:
    """A scenario in which moving costs more than anything else."""
    return dataclasses.replace(
        s,
        migration_delay_s=factor * (1 + s.migration_delay_s),
        migration_energy_j=factor * (1 + s.migration_energy_j),
    )


@pytest.mark.parametrize("seed", range(6))
def test_pairs_cost_what_evaluate_says(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    s = with_serving(random_scenario(rng), rng)
    objective = random_objective(rng)
    plain = dataclasses.replace(s, serving=None)
    m = s.n_servers
    own, without = make_pairs(s, objective), make_pairs(plain, objective)
    assert (own.least_cost() >= without.least_cost()).all()
    for server in range(m):
        x = np.tile(np.eye(m)[server], (s.n_users, 1))
        z = share_resources(plain, x, objective) if _fits(s, x) else None
        if z is not None:
            paid = evaluate(s, z, objective).cost - evaluate(plain, z, objective).cost
            np.testing.assert_allclose(own.migration[:, server], paid, atol=1e-9)
    # At prices, what a user would do does not change; what it is worth does.
    y, price = 50.0, rng.uniform(1, 50, (2, m))
    at = {"ratio": y, "bandwidth_price": price[0], "compute_price": price[1]}
    here, there = (
        best_response(s, objective, **at),
        best_response(plain, objective, **at),
    )
    np.testing.assert_array_equal(here.bandwidth_hz, there.bandwidth_hz)
    np.testing.assert_allclose(here.cost, there.cost + own.migration, rtol=1e-12)
    np.testing.assert_allclose(
        here.benefit, there.benefit - y * own.migration, rtol=1e-9, atol=1e-9
    )


def _fits(s: Scenario, x: np.ndarray) -> bool:
    return bool((x.sum(axis=0) <= s.max_users).all())


@pytest.mark.parametrize("seed", range(8))
def test_against_enumeration(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    s = with_serving(random_scenario(rng, users=3), rng)
    objective = random_objective(rng) if seed % 2 else OBJECTIVE
    compare_with_all(s, objective, rng)


@pytest.mark.parametrize("solver", ["dashf", "dual", "exact", "aauco"])
def test_nobody_moves_where_it_costs_everything(solver: str) -> None:
    rng = np.random.default_rng(3)
    s = with_serving(sample_scenario(ScenarioConfig(users=6, servers=3), rng), rng)
    s = bound_up(s, 1e6)
    z = dashf.solve(s, solver=solver).allocation
    assert (z.association >= s.serving).all()


def test_free_moves_change_nothing() -> None:
    rng = np.random.default_rng(4)
    plain = sample_scenario(ScenarioConfig(), rng, (5,))
    s = dataclasses.replace(
        with_serving(plain, rng),
        migration_delay_s=np.zeros((5, 10)),
        migration_energy_j=np.zeros((5, 10)),
    )
    for solver in ("dashf", "dual"):
        one, other = (dashf.solve_batch(x, solver=solver) for x in (s, plain))
        np.testing.assert_array_equal(one.scr, other.scr)


def test_the_myopic_optimum_minds_migration() -> None:
    rng = np.random.default_rng(5)
    s = with_serving(sample_scenario(ScenarioConfig(), rng, (8,)), rng)
    plain = Scenario(**s.to_dict() | {"serving": None})
    minding = dashf.solve_batch(s, solver="dashf").scr
    ignoring = dashf.solve_batch(plain, solver="dashf").allocation
    assert (minding >= evaluate(s, ignoring).scr * (1 - 1e-6)).all()
    assert minding.mean() > 1.01 * evaluate(s, ignoring).scr.mean()
