"""The kernels as plain functions: what is quick agrees with what is thorough."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dashf.pair import kernels
from dashf.pair.coefficients import make_pairs, score_constants
from dashf.pair.split import best_split
from dashf.pricing.fast_sharing import best_phi
from dashf.pricing.interior_point import longest, solve_symmetric
from mec_llm_env import ObjectiveConfig
from tests.dashf.extremes import random_objective, random_scenario


def random_pair(seed, *, power=False):
    """A pair, constants, and a ratio and prices to ask it at."""
    rng = np.random.default_rng(seed)
    s, objective = random_scenario(rng), random_objective(rng)
    if not power and objective.score_weight_power > 0:
        objective = ObjectiveConfig(score_sensitivity=objective.score_sensitivity)
    n, m = int(rng.integers(s.n_users)), int(rng.integers(s.n_servers))
    c = kernels.Pair(*(float(v[n, m]) for v in make_pairs(s, objective).arrays()))
    at = kernels.At(*(float(10 ** rng.uniform(0, 2.5)) for _ in range(3)))
    return c, score_constants(objective), at, rng


@pytest.mark.parametrize("seed", range(40))
def test_from_nearby_the_same_shares_are_found(seed):
    """For a given φ the problem is concave: from anywhere there is one answer."""
    c, k, at, rng = random_pair(seed)
    phi = float(rng.uniform(0.05, 0.95))
    thorough = kernels.anywhere(phi, at, c, k)
    found = 0
    for distance in (0.1, 1.0):
        x, F = thorough.shares.x, thorough.shares.F
        near = phi, x * np.exp(distance * rng.normal()), min(1.0, F * np.exp(distance))
        reached, quick = kernels.solve_nearby(phi, phi, at, c, k, near)
        found += reached
        if reached:
            scale = 1 + abs(thorough.benefit)
            assert abs(quick.benefit - thorough.benefit) < 1e-9 * scale
            assert quick.cost == pytest.approx(thorough.cost, rel=1e-5)
    assert found >= 1


@pytest.mark.parametrize("seed", range(20))
def test_following_finds_no_more_than_the_best_and_seldom_less(seed):
    c, k, at, rng = random_pair(seed)
    before = kernels.solve_interval(0.1, 0.6, at, c, k)
    there = kernels.At(*(float(v * np.exp(0.1 * rng.normal())) for v in at))
    best = kernels.solve_interval(0.1, 0.6, there, c, k)
    near = before.phi, before.shares.x, before.shares.F
    reached, followed = kernels.solve_nearby(0.1, 0.6, there, c, k, near)
    assert reached
    assert followed.benefit == pytest.approx(best.benefit, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_interval_bound_is_above_what_scipy_finds(seed):
    c, k, at, _ = random_pair(seed, power=True)
    low, high = 0.2, 0.4

    def loss(phi):
        return -kernels.anywhere(phi, at, c, k).benefit

    found = -minimize_scalar(loss, bounds=(low, high), method="bounded").fun
    power = (0.0, 1.0)
    near = 0.3, c.x_full, 0.5
    value, _, attained = kernels.interval_bound((low, high), power, at, c, k, near)
    scale = 1e-9 * (1 + abs(found))
    assert attained <= found + scale
    assert value >= found - scale


def test_linear_systems_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 30):
        factor = rng.normal(size=(size, size))
        matrix = factor @ factor.T + 0.1 * np.eye(size)
        matrix *= np.outer(scale := 10 ** rng.uniform(-3, 3, size), scale)
        one, other = rng.normal(size=(2, size)) * scale
        expected = np.linalg.solve(matrix, np.stack([one, other], axis=-1))
        solve_symmetric(np.tril(matrix), one, other)
        np.testing.assert_allclose(np.stack([one, other], axis=-1), expected, rtol=1e-6)


def test_the_longest_step_that_keeps_a_value_positive():
    assert longest(np.inf, 2.0, -4.0) == 0.5  # 2 − 4·0.5 = 0
    assert longest(0.3, 2.0, -4.0) == 0.3
    assert longest(np.inf, 2.0, 4.0) == np.inf


def test_the_split_of_a_row_is_that_of_arrays():
    for seed in range(20):
        c, k, at, rng = random_pair(seed, power=True)
        shares = rng.uniform(0.05, 1, 3)
        p, b, F = shares
        quality = 1 + k.w2 * (k.wp * p + k.wb * b + k.wc * F + k.wo)
        upload = (k.wt + c.e * p) / (b * np.log1p(c.snr * p / b))
        slope = c.local + c.up1 * upload - (c.cs / F + c.es * F * F + c.cd / b)
        expected = best_split(-at.y * slope, quality, k.w2 * k.wo, k.w1, 0.1, 0.8)
        ours = best_phi(np.array([0.1, 0.8, *c]), k, at.y, shares)
        assert ours == pytest.approx(float(expected), rel=1e-12)


def test_constants_are_of_one_type_whatever_is_configured():
    whole = {"score_sensitivity": 10, "delay_weight": 1, "energy_weight": 0}
    weights = dict.fromkeys(("power", "bandwidth", "compute"), 0) | {"offload": 1}
    whole |= {f"score_weight_{name}": value for name, value in weights.items()}
    assert {type(v) for v in score_constants(ObjectiveConfig(**whole))} == {float}
