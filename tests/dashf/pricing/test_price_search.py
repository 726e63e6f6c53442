"""Interior point and column generation against one another and against SciPy."""

from functools import partial

import numpy as np
import pytest
from scipy.optimize import minimize

from dashf.pricing.bound import Problem
from dashf.pricing.column_generation import refine
from dashf.pricing.interior_point import find_prices
from dashf.pricing.price_search import search_prices
from mec_llm_env import ObjectiveConfig, ScenarioConfig, sample_scenario
from tests.dashf.extremes import random_configuration


def problem_of(seed):
    return Problem.of(*random_configuration(seed))


def root(problem, price):
    """y with U(y, price) = 0 by bisection: the bound that these prices give."""
    o, k = problem.options, problem.constants

    def surplus(y):
        a = o.respond(np.array([y]), price, k)
        return float((o.capacity * price).sum() + a.benefit.max(axis=-1).sum())

    low, high = 1e-6, 1e6
    for _ in range(80):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if surplus(middle) > 0 else (low, middle)
    return high


@pytest.mark.parametrize("seed", [0, 5, 9, 20, 28, 38, 174])
def test_the_prices_are_optimal_and_the_mixture_proves_it(seed):
    p = problem_of(seed)
    found = search_prices(p.options, p.constants, p.first_ratio())
    value = root(p, found.price)
    assert value == pytest.approx(found.mixture[0], rel=3e-5)
    assert found.residual[0] <= 1e-5
    assert found.choice.sum(axis=-1) == pytest.approx(1)
    # Prices beside them give no lower bound.
    rng = np.random.default_rng(seed)
    for _ in range(6):
        beside = found.price * np.exp(0.05 * rng.normal(size=found.price.shape))
        assert root(p, beside) >= value * (1 - 1e-6)


def test_no_other_minimiser_finds_a_lower_bound():
    s = sample_scenario(ScenarioConfig(users=4, servers=2), np.random.default_rng(3))
    p = Problem.of(s, ObjectiveConfig())
    found = search_prices(p.options, p.constants, p.first_ratio())
    value = root(p, found.price)

    def bound(log_price):
        return root(p, np.exp(log_price).reshape(found.price.shape))

    start = np.log(20.0) * np.ones(4)
    other = minimize(bound, start, method="Nelder-Mead", options={"maxfev": 600})
    assert other.fun >= value * (1 - 1e-6)
    assert other.fun == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("seed", [0, 2, 10, 47])
def test_both_methods_find_the_same_prices(seed):
    p = problem_of(seed)
    smooth = find_prices(p.options, p.constants, p.first_ratio())
    assert smooth.residual[0] < 1e-5
    columns = refine(p.options, p.constants, smooth.row(0), close=1e-7)
    assert columns.ratio[0] == pytest.approx(root(p, smooth.price), rel=1e-5)
    assert columns.mixture[0] <= columns.ratio[0] * (1 + 1e-9)


@pytest.mark.parametrize("seed", [28, 53, 58])
def test_few_of_the_users_alike_are_split(seed):
    """A vertex of the master program splits at most as many as capacities bind."""
    p = problem_of(seed)
    found = search_prices(p.options, p.constants, p.first_ratio())
    split = (found.choice[0].max(axis=-1) < 1 - 1e-6).sum()
    assert split <= p.options.capacity[0].size
    assert split < p.scenario.n_users


def test_columns_start_from_prices_that_are_far_too_low():
    p = problem_of(2)
    poor = find_prices(p.options, p.constants, p.first_ratio(), max_iterations=1)
    low = type(poor)(
        ratio=poor.ratio,
        price=1e-3 * poor.price,
        iterations=poor.iterations,
        choice=poor.choice,
        mixture=poor.mixture,
        residual=poor.residual,
    )
    found = refine(p.options, p.constants, low, close=1e-4)
    good = search_prices(p.options, p.constants, p.first_ratio())
    assert found.residual[0] <= 1e-4
    assert found.ratio[0] == pytest.approx(good.mixture[0], rel=2e-4)


def test_a_target_ends_column_generation_early():
    p = problem_of(174)
    start = find_prices(p.options, p.constants, p.first_ratio()).row(0)
    full = refine(p.options, p.constants, start, close=1e-6)
    far = refine(p.options, p.constants, start, close=1e-6, target=1e3)
    assert far.iterations[0] < full.iterations[0]
    assert far.ratio[0] <= 1e3


def plain_python(loop):
    """The loop as it is written; fields are attributes, as numba has it by itself."""

    def run(first, last, batch, *arguments):
        batch = batch._replace(now=batch.now.view(np.recarray))
        loop(first, last, batch, *arguments)

    return run


@pytest.mark.parametrize("seed", [0, 5, 28])
def test_what_is_compiled_finds_the_prices_of_plain_python(seed, monkeypatch):
    p = problem_of(seed)
    find = partial(find_prices, p.options, p.constants, p.first_ratio())
    compiled, again = find(max_iterations=4), find(max_iterations=4)
    np.testing.assert_array_equal(compiled.price, again.price)
    monkeypatch.setattr("dashf.pricing.interior_point.compiled", plain_python)
    plain = find(max_iterations=4)
    np.testing.assert_allclose(compiled.price, plain.price, rtol=1e-7)
    np.testing.assert_allclose(compiled.ratio, plain.ratio, rtol=1e-9)
