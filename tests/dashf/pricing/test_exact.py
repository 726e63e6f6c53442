import numpy as np
import pytest

from dashf.pricing.branch_and_bound import Search
from dashf.pricing.dual import solve_dual
from dashf.pricing.exact import solve_exact
from dashf.pricing.price_search import search_prices
from dashf.pricing.sharing import share_resources
from dashf.result import Status
from mec_llm_env import (
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import random_objective, random_scenario
from tests.dashf.searches import associations

DEFAULT = ObjectiveConfig()


def enumerated(scenario, objective):
    every = associations(scenario)
    batch = Scenario.stack([scenario] * len(every))
    found = share_resources(batch, np.stack(every), objective)
    return evaluate(batch, found, objective).scr.max()


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_enumeration_of_all_associations(seed):
    config = ScenarioConfig.preset("tiny-4x2")
    s = sample_scenario(config, np.random.default_rng(20_000_000 + seed))
    result = solve_exact(s, DEFAULT, gap=1e-3)
    bound = result.bound
    assert result.status is Status.CONVERGED
    best = enumerated(s, DEFAULT)
    assert best <= bound.value
    assert bound.value <= result.scr * (1 + 1e-3)
    assert result.scr >= best * (1 - 1e-3)
    assert result.scr == evaluate(s, result.allocation, DEFAULT).scr


@pytest.mark.parametrize("seed", range(100, 103))
def test_random_scenarios_are_closed(seed):
    rng = np.random.default_rng(seed)
    s, objective = random_scenario(rng, 3, 2), random_objective(rng)
    result = solve_exact(s, objective, gap=5e-3, time_limit_s=5)
    bound = result.bound
    assert enumerated(s, objective) <= bound.value * (1 + 1e-9)
    assert result.scr <= bound.value


def test_time_limit_leaves_a_valid_bound():
    # Large enough that no machine closes it to 1e-6 in the tenth of a second it gets.
    config = ScenarioConfig(users=30, servers=5)
    s = sample_scenario(config, np.random.default_rng(20_000_000))
    known = solve_dual(s, DEFAULT)
    result = solve_exact(s, DEFAULT, gap=1e-6, time_limit_s=1e-6)
    bound = result.bound
    assert result.status is Status.TIME_LIMIT
    assert result.scr <= known.bound.value
    assert known.scr <= bound.value
    assert bound.gap == pytest.approx(bound.value / result.scr - 1)


def test_no_more_nodes_are_opened_than_the_time_is_enough_for(monkeypatch):
    """On a clock on which bounding a node takes 1 s, and nothing else takes time.

    Without sets of users, which close this scenario before the first node.
    """
    now, batches = 0.0, []

    def slow(options, *rest, **more):
        nonlocal now
        batches.append(len(options.low))
        now += len(options.low)
        return search_prices(options, *rest, **more)

    monkeypatch.setattr("dashf.pricing.branch_and_bound.search_prices", slow)
    monkeypatch.setattr(Search, "combine", lambda *_: None)
    monkeypatch.setattr("dashf.common.clock.time.perf_counter", lambda: now)
    config = ScenarioConfig.preset("medium-50x10")
    s = sample_scenario(config, np.random.default_rng(20_000_000))
    result = solve_exact(s, DEFAULT, gap=1e-6, time_limit_s=5.0)
    assert result.status is Status.TIME_LIMIT
    assert batches == [1, 2, 2]  # of four that are open in the end
    assert result.solve_time_s == 5.0


def test_sets_of_users_close_ten_servers():
    """The tree alone is 0.3 % from closing this after 350 nodes; sets need none."""
    config = ScenarioConfig.preset("medium-50x10")
    s = sample_scenario(config, np.random.default_rng(20_000_000))
    result = solve_exact(s, DEFAULT, gap=1e-3, time_limit_s=None)
    assert result.status is Status.CONVERGED
    assert result.iterations == 1  # the root
    assert result.scr <= result.bound.value <= result.scr * (1 + 1e-3)


def test_slots_are_respected():
    s = sample_scenario(ScenarioConfig.preset("tiny-4x2"), np.random.default_rng(5))
    s = Scenario(**s.to_dict() | {"max_users": [1, 3]})
    result = solve_exact(s, DEFAULT, gap=2e-3, time_limit_s=20)
    bound = result.bound
    assert result.allocation.association.sum(axis=0).tolist() == [1, 3]
    assert enumerated(s, DEFAULT) <= bound.value


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"gap": 0.0}, "`gap` must be in"),
        ({"time_limit_s": 0.0}, "`time_limit_s` must"),
    ],
)
def test_wrong_numbers_are_refused(change, text):
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    with pytest.raises(ValueError, match=text):
        solve_exact(s, DEFAULT, **change)


def test_a_batch_is_refused():
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (2,))
    with pytest.raises(ValueError, match=r"batch shape \(\); got batch shape \(2,\)"):
        solve_exact(s)
