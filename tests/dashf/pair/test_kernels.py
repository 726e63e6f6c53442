"""The kernels as plain functions: what is quick agrees with what is thorough."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dashf.pair import kernels
from dashf.pair.coefficients import make_pairs, score_constants
from dashf.pair.newton import solve_nearby
from dashf.pair.split import best_split
from dashf.pair.terms import Bracket, Priced, Score
from dashf.pricing.fast_sharing import best_phi
from dashf.pricing.interior_step import longest, solve_symmetric
from mec_llm_env import ObjectiveConfig
from tests.dashf.extremes import random_objective, random_scenario


def random_pair(seed, *, power=False):
    """A pair with any objective, at any ratio and prices; what drew them."""
    rng = np.random.default_rng(seed)
    s, objective = random_scenario(rng), random_objective(rng)
    if not power and objective.score_weight_power > 0:
        objective = ObjectiveConfig(score_sensitivity=objective.score_sensitivity)
    n, m = int(rng.integers(s.n_users)), int(rng.integers(s.n_servers))
    cost = [float(v[n, m]) for v in make_pairs(s, objective).arrays()]
    at = [float(10 ** rng.uniform(0, 2.5)) for _ in range(3)]
    return Priced(*at, *cost, *score_constants(objective)), rng


@pytest.mark.parametrize("seed", range(40))
def test_from_nearby_the_same_shares_are_found(seed):
    """For a given φ the problem is concave: from anywhere there is one answer."""
    o, rng = random_pair(seed)
    phi = float(rng.uniform(0.05, 0.95))
    thorough = kernels.anywhere(phi, o)
    found = 0
    for distance in (0.1, 1.0):
        x, F = thorough.shares.x, thorough.shares.F
        near = phi, x * np.exp(distance * rng.normal()), min(1.0, F * np.exp(distance))
        reached, quick = solve_nearby(phi, phi, o, near)
        found += reached
        if reached:
            scale = 1 + abs(thorough.benefit)
            assert abs(quick.benefit - thorough.benefit) < 1e-9 * scale
            assert quick.cost == pytest.approx(thorough.cost, rel=1e-5)
    assert found >= 1


@pytest.mark.parametrize("seed", range(20))
def test_following_finds_no_more_than_the_best_and_seldom_less(seed):
    o, rng = random_pair(seed)
    before = kernels.solve_interval(0.1, 0.6, o)
    prices = (float(v * np.exp(0.1 * rng.normal())) for v in o[:3])
    there = Priced(*prices, *o[3:])
    best = kernels.solve_interval(0.1, 0.6, there)
    near = before.phi, before.shares.x, before.shares.F
    reached, followed = solve_nearby(0.1, 0.6, there, near)
    assert reached
    assert followed.benefit == pytest.approx(best.benefit, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_interval_bound_is_above_what_scipy_finds(seed):
    o, _ = random_pair(seed, power=True)
    low, high = 0.2, 0.4

    def loss(phi):
        return -kernels.anywhere(phi, o).benefit

    found = -minimize_scalar(loss, bounds=(low, high), method="bounded").fun
    near = 0.3, o.x_full, 0.5
    value, _, attained = kernels.interval_bound(low, high, 0.0, 1.0, o, near)
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
        o, rng = random_pair(seed, power=True)
        shares = rng.uniform(0.05, 1, 3)
        p, b, F = shares
        quality = 1 + o.w2 * (o.wp * p + o.wb * b + o.wc * F + o.wo)
        upload = (o.wt + o.e * p) / (b * np.log1p(o.snr * p / b))
        slope = o.local + o.up1 * upload - (o.cs / F + o.es * F * F + o.cd / b)
        expected = best_split(-o.y * slope, quality, o.w2 * o.wo, o.w1, 0.1, 0.8)
        k = Score(*o[13:])
        ours = best_phi(np.array([0.1, 0.8, *o[3:13]]), k, o.y, shares)
        assert ours == pytest.approx(float(expected), rel=1e-12)


def test_constants_are_of_one_type_whatever_is_configured():
    whole = {"score_sensitivity": 10, "delay_weight": 1, "energy_weight": 0}
    weights = dict.fromkeys(("power", "bandwidth", "compute"), 0) | {"offload": 1}
    whole |= {f"score_weight_{name}": value for name, value in weights.items()}
    assert {type(v) for v in score_constants(ObjectiveConfig(**whole))} == {float}


def test_the_illinois_method_keeps_a_root_between_its_ends():
    def slope(x):
        return 1 - x**5  # falls through zero at 1

    k = Bracket(0.2, 4.0, slope(0.2), slope(4.0), 0)
    for _ in range(30):
        guess = kernels.secant(k)
        assert k.left <= guess <= k.right
        k = kernels.narrowed(k, guess, slope(guess))
        assert slope(k.left) >= 0 >= slope(k.right)
    assert guess == pytest.approx(1, rel=1e-12)
    # Of f = 4 at 0 and −2 at 3: 2. An end that stays a second time counts half.
    k = Bracket(0.0, 3.0, 4.0, -2.0, 0)
    assert kernels.secant(k) == 2
    once = kernels.narrowed(k, 1.0, 3.0)
    assert once == (1.0, 3.0, 3.0, -2.0, 1)
    assert kernels.narrowed(once, 2.0, 1.0) == (2.0, 3.0, 1.0, -1.0, 1)
    assert kernels.narrowed(once, 2.0, -1.0) == (1.0, 2.0, 3.0, -1.0, -1)
