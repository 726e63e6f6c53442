import numpy as np
import pytest

from dashf.pair.backend import respond
from dashf.pair.coefficients import make_pairs, score_constants
from dashf.pricing.bound import Problem
from dashf.pricing.dual import gap, solve_dual, solve_dual_batch, upper_bound
from dashf.pricing.interior_point import find_prices
from dashf.pricing.options import Options
from dashf.rules import average_allocation, random_association, strongest_channel
from mec_llm_env import (
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import random_objective, random_scenario
from tests.dashf.searches import local_search, random_best

DEFAULT = ObjectiveConfig()


def test_scenarios(preset, count):
    config = ScenarioConfig.preset(preset)
    return Scenario.stack(
        [
            sample_scenario(config, np.random.default_rng(20_000_000 + i))
            for i in range(count)
        ]
    )


test_scenarios.__test__ = False  # type: ignore[attr-defined]


def check_validity(seed, *, local):
    rng = np.random.default_rng(seed)
    s, objective = random_scenario(rng), random_objective(rng)
    result = solve_dual(s, objective)
    bound = result.bound
    limit = bound.value * (1 + 1e-6)
    assert result.scr <= limit, seed
    assert random_best(s, objective, rng) <= limit, seed
    if local:
        for x in (result.allocation.association, random_association(s, rng)):
            assert local_search(s, objective, x, rng) <= limit, seed
    return result.scr / bound.value


@pytest.mark.parametrize("block", range(3))
def test_no_allocation_exceeds_the_bound(block):
    shares = [check_validity(10 * block + i, local=i < 2) for i in range(10)]
    assert np.median(shares) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("block", range(50))
def test_no_allocation_exceeds_the_bound_on_a_thousand_scenarios(block):
    for i in range(20):
        check_validity(1000 + 20 * block + i, local=i % 2 == 0)


def test_the_inner_maximum_is_bounded_from_above_and_tightly():
    """Against a fine grid over φ and the (b, F) that the kernel finds there."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        s, objective = random_scenario(rng), random_objective(rng)
        pairs, k = make_pairs(s, objective), score_constants(objective)
        count = pairs.local.size
        low, high = pairs.phi_min.reshape(-1), pairs.phi_max.reshape(-1)
        c = tuple(a.reshape(-1) for a in pairs.arrays())
        y, price_b, price_f = (rng.uniform(1, top, count) for top in (40, 300, 200))
        grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 41)
        at = respond(
            *(grid, grid, y[:, None], price_b[:, None], price_f[:, None]),
            tuple(a[:, None] for a in c),
            k,
        )
        best = at.benefit.max(axis=1)
        slack = 1e-3 * (1 + np.abs(best))
        # As many scenarios of one user, one option and one server.
        price = np.stack([price_b, price_f], axis=-1)[:, None]
        options = Options(
            table=np.stack([low, high, *c], axis=-1)[:, None, None],
            server=np.zeros((count, 1, 1), dtype=int),
            allowed=np.ones((count, 1, 1), dtype=bool),
            least_cost=pairs.least_cost().reshape(-1, 1, 1),
            capacity=np.ones((count, 1, 2)),
        )
        ours = options.benefits_from_above(y, price, k, slack, np.zeros(count))[:, 0, 0]
        assert (ours >= best - 1e-9 * np.abs(best)).all()
        # The grid itself misses some of the maximum: of second order in its step.
        assert (ours <= best + 2 * slack + 0.02 * (1 + np.abs(best))).all()


def test_what_is_compiled_certifies_as_plain_python_does(monkeypatch):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        s = random_scenario(rng, 2, 2)
        objective = ObjectiveConfig(energy_weight=float(seed % 2))
        problem = Problem.of(s, objective)
        prices = find_prices(problem.options, problem.constants, problem.first_ratio())
        value, _ = problem.certify(prices, 1e-3)
        with monkeypatch.context() as patch:
            patch.setattr("dashf.pricing.certificate.compiled", lambda loop: loop)
            plain, _ = problem.certify(prices, 1e-3)
        np.testing.assert_allclose(value, plain, rtol=1e-9)


@pytest.mark.parametrize(
    ("preset", "count", "mean", "worst"),
    [("paper-10x2", 30, 0.008, 0.02), ("medium-50x10", 1, 0.008, 0.02)],
)
def test_gap_of_dual_without_branching(preset, count, mean, worst):
    s = test_scenarios(preset, count)
    batch = solve_dual_batch(s)
    scr, bound = batch.scr, batch.bound
    gaps = bound.value / scr - 1
    assert gaps.min() >= 0
    assert gaps.mean() <= mean
    assert gaps.max() <= worst


def test_one_user_and_one_server_leave_no_gap():
    s = sample_scenario(ScenarioConfig(users=1, servers=1), np.random.default_rng(0))
    result = solve_dual(s)
    bound = result.bound
    assert bound.value / result.scr - 1 < 5e-5


def test_a_batch_is_its_members():
    s = test_scenarios("tiny-4x2", 6)
    shaped = s.map(lambda a: a.reshape(2, 3, *a.shape[1:]))
    whole = upper_bound(shaped)
    assert whole.value.shape == (2, 3)
    assert whole.bandwidth_price.shape == (2, 3, 2)
    one = upper_bound(shaped[1, 2])
    assert one.value == pytest.approx(whole.value[1, 2], rel=1e-6)


def test_a_tighter_tolerance_gives_no_higher_bound():
    s = test_scenarios("paper-10x2", 3)
    loose, tight = (upper_bound(s, tolerance=t).value for t in (1e-2, 1e-6))
    assert (tight <= loose).all()


def test_gap_of_an_allocation():
    s = test_scenarios("tiny-4x2", 2)
    average = average_allocation(s, strongest_channel(s))
    scr = evaluate(s, average, DEFAULT).scr
    expected = upper_bound(s).value / scr - 1
    np.testing.assert_allclose(gap(s, average), expected, rtol=1e-9)


def test_the_gap_to_a_foreign_bound_is_refused():
    s = test_scenarios("tiny-4x2", 2)
    best = solve_dual_batch(s)
    order = np.argsort(best.scr)
    low, high = s[order[0]], s[order[1]]
    with pytest.raises(ValueError, match="`bound` must be of this scenario"):
        gap(high, best.allocation[order[1]], bound=upper_bound(low))


def test_slots_lower_the_bound_and_keep_it_valid():
    s = test_scenarios("tiny-4x2", 4)
    tight = Scenario(**s.to_dict() | {"max_users": np.full((4, 2), 2)})
    free, limited = upper_bound(s).value, solve_dual_batch(tight)
    assert (limited.bound.value <= free * (1 + 1e-4)).all()
    assert (limited.scr <= limited.bound.value).all()
    assert (limited.allocation.association.sum(axis=-2) == 2).all()
    assert (limited.bound.slot_price >= 0).all()


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 2.0, float("nan")])
def test_a_wrong_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match="`tolerance` must be in"):
        upper_bound(test_scenarios("tiny-4x2", 1), tolerance=tolerance)
