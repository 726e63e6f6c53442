import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dashf.alternating.association import offers
from dashf.pair.split import optimal_split, own_terms, pair_terms
from mec_llm_env import evaluate
from tests.dashf.cases import (
    OBJECTIVE,
    OBJECTIVES,
    benchmark_scenario,
    random_allocation,
)


@pytest.fixture(params=range(len(OBJECTIVES)))
def objective(request):
    return OBJECTIVES[request.param]


def test_the_terms_of_a_pair_are_those_of_evaluate(objective):
    s, rng = benchmark_scenario(0, servers=3, **{"server.max_users": None}), None
    rng = np.random.default_rng(0)
    z = random_allocation(s, rng)
    options = offers(s, z, objective, 80.0)
    terms = pair_terms(s, options, z.user_frequency_hz, objective)
    server = rng.integers(3, size=s.n_users)
    x, users = np.eye(3)[server], np.arange(s.n_users)
    split = rng.uniform(0.1, 0.9, s.n_users)
    names = ("transmit_power_w", "bandwidth_hz", "server_frequency_hz")
    moved = dataclasses.replace(
        z,
        association=x,
        local_fraction=split,
        **{name: getattr(options, name)[users, server] for name in names},
    )
    outcome = evaluate(s, moved, objective, check=False)
    chosen = terms.at(x)
    assert chosen.score(split) == pytest.approx(outcome.score, rel=1e-10)
    cost = chosen.cost + chosen.cost_slope * split
    assert cost == pytest.approx(outcome.cost, rel=1e-10)
    value = outcome.score - 80.0 * outcome.cost - options.rent[users, server]
    assert chosen.value(split, 80.0) == pytest.approx(value, rel=1e-9)


def test_slope_and_curvature_are_the_derivatives_of_the_score(objective):
    s = benchmark_scenario(1)
    terms = own_terms(s, random_allocation(s, np.random.default_rng(1)), objective)
    h, phi = 1e-5, np.linspace(0.1, 0.9, s.n_users)
    slope = (terms.score(phi + h) - terms.score(phi - h)) / (2 * h)
    assert terms.score_slope(phi) == pytest.approx(slope, rel=1e-6, abs=1e-6)
    bend = (terms.score_slope(phi + h) - terms.score_slope(phi - h)) / (2 * h)
    assert terms.score_curvature(phi) == pytest.approx(-bend, rel=1e-6, abs=1e-6)
    assert (
        np.diff([terms.score_curvature(p) for p in (0.1, 0.5, 0.9)], axis=0) >= 0
    ).all()


def test_the_best_split_is_the_numerical_optimum(objective):
    at_a_limit = interior = 0
    for number in range(4):
        s = benchmark_scenario(number)
        z = random_allocation(s, np.random.default_rng(number))
        y = float(evaluate(s, z, objective).scr)
        found = optimal_split(s, z, objective, y)

        def parts(split, s=s, z=z, y=y):
            z = dataclasses.replace(z, local_fraction=np.full(s.n_users, split))
            outcome = evaluate(s, z, objective, check=False)
            return outcome.score - y * outcome.cost

        reached = evaluate(s, found, objective)
        reached = reached.score - y * reached.cost
        for n in range(s.n_users):
            box = s.local_fraction_min[n], s.local_fraction_max[n]
            best = minimize_scalar(
                lambda split, n=n, parts=parts: -parts(split)[n],
                bounds=box,
                method="bounded",
                options={"xatol": 1e-9},
            )
            assert reached[n] >= -best.fun - 1e-7
            assert found.local_fraction[n] == pytest.approx(best.x, abs=1e-4)
            inside = box[0] < found.local_fraction[n] < box[1]
            interior, at_a_limit = interior + inside, at_a_limit + (not inside)
    assert at_a_limit > 0
    if objective.score_weight_offload:
        assert interior > 0


def test_equal_limits_leave_no_choice():
    s = benchmark_scenario(0)
    half = np.full(s.n_users, 0.5)
    pinned = dataclasses.replace(s, local_fraction_min=half, local_fraction_max=half)
    z = random_allocation(pinned, np.random.default_rng(0))
    assert np.array_equal(
        optimal_split(pinned, z, OBJECTIVE, 80.0).local_fraction, half
    )
