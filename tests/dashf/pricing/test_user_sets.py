import numpy as np
import pytest

from dashf.common.clock import ENDLESS
from dashf.pricing.bound import Problem
from dashf.pricing.branch_and_bound import Search
from dashf.pricing.dual import solve_dual, upper_bound
from dashf.pricing.priced_search import PricedSearch
from dashf.pricing.sharing import share_resources
from dashf.pricing.user_sets import UserSets
from mec_llm_env import (
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import (
    random_configuration,
    random_objective,
    random_scenario,
    with_layers,
    with_serving,
)
from tests.dashf.searches import associations


def enumerated(s, objective):
    """SCR of every association with its resources shared out, [2^…]."""
    every = np.stack(list(associations(s)))
    batch = Scenario.stack([s] * len(every))
    found = share_resources(batch, every, objective)
    return every.argmax(axis=-1), evaluate(batch, found, objective).scr


def sets_of(s, objective, close=1e-4):
    search = PricedSearch(s, objective, ENDLESS, tolerance=1e-5)
    search.improve(ENDLESS)
    problem = search.problem.row(0)
    assert search.prices is not None
    return UserSets(problem, search.prices.row(0), close), search


def small_case(seed):
    rng = np.random.default_rng([21, seed])
    users, servers = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    s, objective = random_scenario(rng, users, servers), random_objective(rng)
    if rng.random() < 0.3:
        s = with_serving(s, rng)
    if rng.random() < 0.2:
        s = with_layers(s, rng)
    return s, objective, rng


@pytest.mark.parametrize("seed", range(1, 11))
def test_never_below_any_association(seed):
    s, objective, rng = small_case(seed)
    server, scr = enumerated(s, objective)
    sets, search = sets_of(s, objective)
    best = scr.max()
    start = search.best.allocation()[0].server
    for y in best * np.array([0.7, 1.0, 1.01, 1.3]):
        found = sets.search(y, start)
        assert found is not None
        assert sets.bound(y, found.surplus) >= best
        # Whatever cannot be anywhere with more than y is at no association above y.
        users, servers = np.nonzero(sets.apart())
        for user, m in zip(users, servers, strict=True):
            assert (scr[server[:, user] == m] <= y * (1 + 1e-9)).all()
    # Any multipliers bound, not only the best ones.
    sets.search(best, start)
    for _ in range(5):
        u = sets.u + rng.normal(size=len(sets.u)) * rng.choice([0.1, 1.0, 10.0])
        assert sets.bound(best, sets._surplus(u)[0]) >= best


def test_closes_what_prices_leave_open():
    """About as many users as servers: 5 to 8 % by prices, proven optimal by sets."""
    for seed in (981, 266):
        s, objective = random_configuration(seed)
        s = with_serving(s, np.random.default_rng([14, seed]))
        prices = upper_bound(s, objective, nodes=0)
        search = PricedSearch(s, objective, ENDLESS, tolerance=1e-5)
        search.improve(ENDLESS)
        scr = float(search.best.scr[0])
        assert prices.value > 1.04 * scr
        search.branch(None, 400)
        assert search.best.scr[0] >= scr
        assert search.bound.value <= search.best.scr[0] * 1.002


def test_an_association_that_sets_propose_is_taken():
    s = sample_scenario(ScenarioConfig(users=6, servers=4), np.random.default_rng(3))
    objective = ObjectiveConfig()
    problem = Problem.of(s, objective)
    best = solve_dual(s, objective, nodes=100)
    poor = np.zeros((6, 4))
    poor[np.arange(6), [0, 0, 0, 1, 2, 3]] = 1
    allocation = share_resources(s, poor, objective)
    scr = float(evaluate(s, allocation, objective).scr)
    search = PricedSearch(s, objective, ENDLESS, tolerance=1e-5)
    assert search.prices is not None
    assert scr < 0.98 * best.scr
    tree = Search(problem, allocation, scr, float(search.bound.value), gap=1e-2)
    tree.combine(search.prices)
    assert tree.scr >= best.scr * (1 - 1e-3)
    assert best.scr <= tree.value * (1 + 1e-9)


@pytest.mark.parametrize("seed", [55, 230])
def test_keeping_users_from_servers_leaves_the_best(seed):
    """Where sets do not close the gap, `combine` narrows the tree: with care."""
    s, objective = random_configuration(seed)
    s = with_serving(s, np.random.default_rng([14, seed]))
    search = PricedSearch(s, objective, ENDLESS, tolerance=1e-5)
    search.improve(ENDLESS)
    scr, problem = float(search.best.scr[0]), search.whole().row(0)
    value = float(search.bound.value)
    tree = Search(problem, search.best.allocation()[0], scr, value, gap=1e-2)
    tree.combine(search.prices.row(0))
    if tree.open:
        kept = tree.open[0].options.allowed[0].reshape(s.n_users, s.n_servers, -1)
        assert kept.any(axis=-1).sum() < s.n_users * s.n_servers
        own = kept.any(axis=-1)[np.arange(s.n_users), tree.allocation.server]
        assert own.all() or tree.done >= tree.scr
    assert tree.scr >= scr
    assert tree.scr <= tree.value <= value
