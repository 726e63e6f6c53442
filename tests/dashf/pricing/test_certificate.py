"""The certificate of a bound, against U itself."""

from __future__ import annotations

import numpy as np
import pytest

from dashf.common.arrays import Array
from dashf.common.clock import Clock, OutOfTime
from dashf.pricing.bound import Problem
from dashf.pricing.certificate import certify
from mec_llm_env import Scenario
from tests.dashf.extremes import random_objective, random_scenario

TOLERANCE = 1e-5


def random_problem(seed: int) -> tuple[Problem, Array, Array]:
    """A problem, a ratio far from or near the root, and prices, some of them 0."""
    rng = np.random.default_rng(seed)
    s, o = random_scenario(rng), random_objective(rng)
    problem = Problem.of(s, o)
    shape = problem.options.capacity.shape
    price = 10 ** rng.uniform(-2, 3, shape) * (rng.random(shape) < 0.9)
    ratio = problem.first_ratio() * 10 ** rng.uniform(-3, 3, shape[0])
    return problem, ratio, price


def surplus(p: Problem, ratio: float, price: Array) -> float:
    """U(y, π) of a single scenario."""
    benefit = p.options.respond(np.array([ratio]), price, p.constants).benefit
    return float((p.options.capacity * price).sum() + benefit.max(axis=-1).sum())


def root(p: Problem, price: Array) -> float:
    """The y at which U(y, π) = 0, by halving of its logarithm."""
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        positive = surplus(p, float(np.exp(middle)), price) > 0
        low, high = (middle, high) if positive else (low, middle)
    return float(np.exp(high))


@pytest.mark.parametrize("count", [30, pytest.param(3_000, marks=pytest.mark.slow)])
def test_the_bound_is_the_root_from_above(count):
    loose = 0
    for seed in range(count):
        p, ratio, price = random_problem(seed)
        v = certify(p.options, ratio, price, p.constants, TOLERANCE)
        at = root(p, price)
        assert at * (1 - 1e-9) <= v.value[0] <= at * (1 + 1e-3), seed
        loose += int(v.value[0] > at * (1 + TOLERANCE))
        first = p.options.respond(ratio, price, p.constants).benefit
        np.testing.assert_array_equal(v.benefit.reshape(first.shape), first)
    assert loose <= count // 100  # `MOST_HALVED` intervals, at prices far from good


def test_scenarios_of_a_batch_do_not_know_of_each_other():
    rng = np.random.default_rng(5)
    many = Scenario.stack([random_scenario(rng, 6, 3) for _ in range(9)])
    p = Problem.of(many, random_objective(rng))
    price = 10 ** rng.uniform(-1, 2, p.options.capacity.shape)
    ratio = p.first_ratio() * 10 ** rng.uniform(-2, 2, 9)
    v = certify(p.options, ratio, price, p.constants, TOLERANCE)
    for i in range(9):
        only = slice(i, i + 1)
        options = p.options.take(only)
        one = certify(options, ratio[only], price[only], p.constants, TOLERANCE)
        assert one.value[0] == v.value[i]
        assert one.ratio[0] == v.ratio[i]
        assert one.steps[0] == v.steps[i]


def test_users_of_a_large_scenario_are_asked_in_two_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for seed in range(5):
        p, ratio, price = random_problem(seed)
        found = []
        for large, many in ((1e9, 1e9), (0, 0)):
            monkeypatch.setattr("dashf.pricing.certificate.LARGE", large)
            monkeypatch.setattr("dashf.pair.backend._MANY", many)
            v = certify(p.options, ratio, price, p.constants, TOLERANCE)
            found.append((v.value[0], v.ratio[0], v.steps[0], v.benefit.tobytes()))
        assert found[0] == found[1], seed


def test_it_ends_when_time_is_over():
    rng = np.random.default_rng(0)
    p = Problem.of(random_scenario(rng), random_objective(rng), Clock(end=0.0))
    price = np.ones(p.options.capacity.shape)
    with pytest.raises(OutOfTime):
        certify(p.options, p.first_ratio(), price, p.constants, TOLERANCE)
