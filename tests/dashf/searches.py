"""Allocations found without the solvers under test, to hold bounds against."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

import dashf
from dashf.pair.coefficients import local_frequency
from dashf.pricing.sharing import share_resources
from dashf.rules import random_association
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from tests.dashf.cases import assert_feasible

#: What solves a scenario, `rucaa` and `gucaa` apart.
SEARCHES = ("dashf", "dual", "exact", "gucro", "aauco", "local", "edge", "random")


def allocation_of(scenario, objective, association, z):
    """Maps numbers in [0, 1], [..., 4, N], to allocations that use all bandwidth."""
    s = scenario
    fraction, power, band, compute = np.moveaxis(z, -2, 0)
    low, high = s.local_fraction_min, s.local_fraction_max

    def used(weight):
        total = np.einsum("...nm,...n->...m", association, weight)
        return np.einsum("...nm,...m->...n", association, total)

    band = 1e-4 + band
    compute = 1e-4 + compute
    return Allocation.unchecked(
        association=association,
        local_fraction=low + (high - low) * fraction,
        transmit_power_w=(1e-3 + (1 - 1e-3) * power) * s.transmit_power_max_w,
        bandwidth_hz=band / used(band) * (association @ s.bandwidth_max_hz),
        user_frequency_hz=local_frequency(s, objective)
        + np.zeros(association.shape[:-1]),
        server_frequency_hz=compute
        / np.maximum(used(compute), 1)
        * (association @ s.server_frequency_max_hz),
    )


def associations(scenario: Scenario) -> list[np.ndarray]:
    """All feasible associations [N, M] of a small scenario."""
    n, m = scenario.n_users, scenario.n_servers
    every = itertools.product(range(m), repeat=n)
    ones = [np.eye(m)[list(server)] for server in every]
    return [x for x in ones if (x.sum(axis=0) <= scenario.max_users).all()]


def random_best(
    scenario: Scenario,
    objective: ObjectiveConfig,
    rng: np.random.Generator,
    tries: int = 300,
) -> float:
    """The highest SCR of random allocations."""
    batch = Scenario.stack([scenario] * tries)
    x = random_association(batch, rng)
    z = rng.random((tries, 4, scenario.n_users))
    z[: tries // 3, 0] = np.round(z[: tries // 3, 0])  # φ at its ends
    z[::2, 1] = 1.0
    allocation = allocation_of(scenario, objective, x, z)
    return float(evaluate(batch, allocation, objective).scr.max())


def local_search(
    scenario: Scenario,
    objective: ObjectiveConfig,
    association: np.ndarray,
    rng: np.random.Generator,
    starts: int = 2,
) -> float:
    """The highest SCR that SciPy finds for an association from random starts."""
    shape = (4, scenario.n_users)

    def loss(z):
        allocation = allocation_of(scenario, objective, association, z.reshape(shape))
        return -evaluate(scenario, allocation, objective, check=False).scr

    best = 0.0
    for _ in range(starts):
        found = minimize(
            loss,
            rng.random(shape).reshape(-1),
            bounds=[(0, 1)] * (4 * scenario.n_users),
            method="L-BFGS-B",
        )
        z = np.clip(found.x.reshape(shape), 0, 1)
        allocation = allocation_of(scenario, objective, association, z)
        best = max(best, float(evaluate(scenario, allocation, objective).scr))
    return best


def compare_with_all(
    s: Scenario, objective: ObjectiveConfig, rng: np.random.Generator
) -> None:
    """Compares bounds and solvers with all associations and random allocations."""
    every = associations(s)
    many = Scenario.stack([s] * len(every))
    best = evaluate(many, share_resources(many, np.stack(every), objective), objective)
    highest = max(best.scr.max(), random_best(s, objective, rng))
    assert dashf.upper_bound(s, objective).value >= highest * (1 - 1e-9)
    for solver in SEARCHES:
        result = dashf.solve(s, objective, solver=solver)
        assert_feasible(s, result.allocation)
        found = evaluate(s, result.allocation, objective)
        assert result.scr == pytest.approx(found.scr, rel=1e-12)
        if solver in ("dashf", "dual", "exact"):
            assert result.scr >= highest * (1 - 2e-3), solver
        if result.bound is not None:
            assert result.bound.value >= highest * (1 - 1e-9), solver
