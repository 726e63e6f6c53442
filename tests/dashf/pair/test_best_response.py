import numpy as np
import pytest
from scipy.optimize import minimize

from dashf.pair import kernels
from dashf.pair.backend import respond
from dashf.pair.best_response import best_response
from dashf.pair.coefficients import make_pairs, score_constants
from dashf.pair.terms import Priced
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import random_objective, random_scenario

DEFAULT = ObjectiveConfig()
POWER = ObjectiveConfig(
    score_weight_power=0.3,
    score_weight_bandwidth=0.2,
    score_weight_compute=0.3,
    score_weight_offload=0.2,
)


def default_scenario(seed, batch=()):
    return sample_scenario(ScenarioConfig(), np.random.default_rng(seed), batch)


def random_prices(rng, scenario):
    shape = (*scenario.batch_shape, scenario.n_servers)
    ratio = rng.uniform(1, 40, scenario.batch_shape)
    return ratio, rng.uniform(1, 400, shape), rng.uniform(0, 200, shape)


def priced(scenario, objective, prices, response, n, m):
    """The priced benefit of a pair from `evaluate`, by the response's own numbers."""
    outcome, z = evaluate_pair(scenario, objective, response, n, m)
    ratio, price_b, price_f = prices
    rent = price_b[m] * z.bandwidth_hz[n] / scenario.bandwidth_max_hz[m]
    rent += price_f[m] * z.server_frequency_hz[n] / scenario.server_frequency_max_hz[m]
    return outcome.score[n] - ratio * outcome.cost[n] - rent, outcome.cost[n]


def evaluate_pair(scenario, objective, response, n, m):
    fields = ("local_fraction", "transmit_power_w", "bandwidth_hz")
    fields += ("user_frequency_hz", "server_frequency_hz")
    z = Allocation.from_server(
        np.full(scenario.n_users, m),
        scenario.n_servers,
        **{name: getattr(response, name)[:, m] for name in fields},
    )
    return evaluate(scenario, z, objective, check=False), z


def respond_at(scenario, objective, prices, **options):
    names = ("ratio", "bandwidth_price", "compute_price")
    return best_response(
        scenario, objective, **dict(zip(names, prices, strict=True)), **options
    )


@pytest.mark.parametrize("objective", [DEFAULT, POWER])
def test_benefit_and_cost_are_those_of_evaluate(objective):
    s = default_scenario(3)
    prices = random_prices(np.random.default_rng(0), s)
    r = respond_at(s, objective, prices)
    for n in range(s.n_users):
        for m in range(s.n_servers):
            benefit, cost = priced(s, objective, prices, r, n, m)
            assert r.benefit[n, m] == pytest.approx(benefit, rel=1e-10, abs=1e-10)
            assert r.cost[n, m] == pytest.approx(cost, rel=1e-10)


def multi_start(scenario, objective, prices, n, m, rng, starts=12):
    """The best priced benefit that SciPy finds from many starts, by `evaluate`."""
    s = scenario
    ratio, price_b, price_f = prices
    low = np.array([s.local_fraction_min[n], 1e-6, 1e-6, 1e-6, 1e-2])
    high = np.array([s.local_fraction_max[n], 1, 1, 1, 1])
    one = type(s).unchecked(
        **{
            name: value
            if value is None or name == "noise_density_w_per_hz"
            else (
                value[n : n + 1, m : m + 1]
                if name == "channel_gain"
                else value[m : m + 1]
                if name.startswith(("server", "bandwidth", "downlink", "max_users"))
                else value[n : n + 1]
            )
            for name, value in s.to_dict().items()
        }
    )

    def loss(z):
        point = Allocation.unchecked(
            association=np.ones((1, 1)),
            local_fraction=z[:1],
            transmit_power_w=z[1:2] * one.transmit_power_max_w,
            bandwidth_hz=z[2:3] * one.bandwidth_max_hz,
            server_frequency_hz=z[3:4] * one.server_frequency_max_hz,
            user_frequency_hz=z[4:] * one.user_frequency_max_hz,
        )
        o = evaluate(one, point, objective, check=False)
        return -(o.score[0] - ratio * o.cost[0] - price_b[m] * z[2] - price_f[m] * z[3])

    best = -np.inf
    for _ in range(starts):
        start = low + (high - low) * rng.random(5) ** 2
        found = minimize(
            loss, start, bounds=list(zip(low, high, strict=True)), method="L-BFGS-B"
        )
        best = max(best, -found.fun)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_no_multi_start_search_finds_more(seed):
    rng = np.random.default_rng(seed)
    objective = [DEFAULT, POWER, random_objective(rng)][seed % 3]
    s = default_scenario(seed) if seed < 6 else random_scenario(rng, 4, 2)
    prices = random_prices(rng, s)
    r = respond_at(s, objective, prices)
    n, m = int(rng.integers(s.n_users)), int(rng.integers(s.n_servers))
    found = multi_start(s, objective, prices, n, m, rng)
    scale = abs(found) + 1
    assert found <= r.benefit[n, m] + 1e-6 * scale


def test_what_is_compiled_gives_the_numbers_of_plain_python():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        s, objective = random_scenario(rng), random_objective(rng)
        y, band, compute = random_prices(rng, s)
        c, k = make_pairs(s, objective).arrays(), score_constants(objective)
        n, m = int(rng.integers(s.n_users)), int(rng.integers(s.n_servers))
        at = (0.0625, 0.9375, float(y), float(band[m]), float(compute[m]))
        own = tuple(value[n, m] for value in c)
        answer = respond(*map(np.float64, at), own, k)
        pair = Priced(*at[2:], *map(float, own), *k)
        plain = kernels.respond_to(*at[:2], pair, (0.0, 1.0, 1.0), False)
        np.testing.assert_allclose(answer, plain, rtol=1e-9, atol=1e-9)


def test_a_batch_is_its_members():
    s = default_scenario(5, (2, 3))
    prices = random_prices(np.random.default_rng(1), s)
    whole = respond_at(s, DEFAULT, prices)
    part = respond_at(s[1, 2], DEFAULT, [value[1, 2] for value in prices])
    np.testing.assert_allclose(whole.benefit[1, 2], part.benefit, rtol=1e-12)


def test_response_at_a_given_split():
    s = default_scenario(2)
    prices = random_prices(np.random.default_rng(2), s)
    given = np.full((10, 2), 0.4)
    r = respond_at(
        s, DEFAULT, prices, local_fraction_min=given, local_fraction_max=given
    )
    assert np.array_equal(r.local_fraction, given)
    assert (r.benefit <= respond_at(s, DEFAULT, prices).benefit + 1e-9).all()


@pytest.mark.parametrize("low", [0.0625, 0.3])
def test_second_derivatives_are_those_of_finite_differences(low):
    s = default_scenario(4)
    pairs, k = make_pairs(s, DEFAULT), score_constants(DEFAULT)
    point = np.array([20.0, 150.0, 60.0])  # y, λ, μ
    c = pairs.arrays()

    def gradient(at):  # by y, λ and μ
        r = respond(np.float64(low), np.float64(0.9), *at, c, k)
        return -np.stack([r.cost, r.band, r.compute])

    r = respond(np.float64(low), np.float64(0.9), *point, c, k)
    step = 1e-4 * point
    by_y, by_b, by_f = (
        (gradient(point + h) - gradient(point - h)) / (2 * h.sum())
        for h in np.diag(step)
    )
    for ours, theirs in (
        (r.bend_bb, by_b[1]),
        (r.bend_bf, by_b[2]),
        (r.bend_ff, by_f[2]),
        (r.bend_by, by_y[1]),
        (r.bend_fy, by_y[2]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_wrong_price_is_refused(wrong):
    s = default_scenario(0)
    with pytest.raises(
        ValueError, match=f"`compute_price` .* got {wrong} for server 1"
    ):
        respond_at(s, DEFAULT, (20.0, np.ones(2), np.array([1.0, wrong])))
