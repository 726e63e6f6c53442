import numpy as np
import pytest

from dashf.pricing.dual import solve_dual, solve_dual_batch
from dashf.pricing.sharing import share_resources
from dashf.result import Status
from mec_llm_env import (
    ObjectiveConfig,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    violations,
)
from tests.dashf.extremes import random_configuration, with_layers
from tests.dashf.searches import local_search

DEFAULT = ObjectiveConfig()


def scenario(seed=0, batch=(), **config):
    return sample_scenario(ScenarioConfig(**config), np.random.default_rng(seed), batch)


def test_the_result_is_that_of_evaluate_and_feasible():
    s = scenario()
    result = solve_dual(s)
    bound = result.bound
    assert result.scr == evaluate(s, result.allocation, DEFAULT).scr
    assert max(v.max() for v in violations(s, result.allocation).values()) < 1e-9
    assert [row.scr for row in result.history] == sorted(
        row.scr for row in result.history
    )
    assert result.scr <= bound.value


@pytest.mark.parametrize("layers", [False, True])
def test_the_history_ends_with_the_answer(layers):
    for seed in range(12):
        s, objective = random_configuration(seed)
        s = with_layers(s, np.random.default_rng(seed)) if layers else s
        result = solve_dual(s, objective, nodes=20)
        last, outcome = result.history[-1], evaluate(s, result.allocation, objective)
        expected = (outcome.scr - result.bound.ratio) * outcome.cost.sum()
        assert last.scr == result.scr == pytest.approx(outcome.scr, rel=1e-12)
        assert last.ratio == result.bound.ratio
        assert last.surplus == pytest.approx(expected, rel=1e-9)
        stages = {row.block for row in result.history}
        assert {"start", "rounding", "polish"} <= stages
        assert ("layers" in stages) == layers


def test_a_batch_finds_what_its_members_find():
    s = scenario(batch=(2, 3))
    batch = solve_dual_batch(s)
    allocation, scr, bound = batch.allocation, batch.scr, batch.bound
    assert scr.shape == bound.value.shape == (2, 3)
    assert allocation.association.shape == (2, 3, 10, 2)
    one = solve_dual(s[1, 2])
    assert one.scr == pytest.approx(scr[1, 2], rel=1e-5)


def test_moves_only_improve():
    s = scenario(batch=(20,))
    batch = solve_dual_batch(s, rounds=0, nodes=0)
    rounded = batch.scr
    batch = solve_dual_batch(s, rounds=3, nodes=0)
    moved = batch.scr
    assert (moved >= rounded * (1 - 1e-12)).all()


@pytest.mark.parametrize("seed", range(3))
def test_sharing_is_not_beaten_by_local_search(seed):
    s = scenario(seed, users=4)
    x = np.eye(2)[[0, 1, 1, 0]]
    shared = evaluate(s, share_resources(s, x, DEFAULT), DEFAULT).scr
    rng = np.random.default_rng(seed)
    assert local_search(s, DEFAULT, x, rng, starts=6) <= shared * (1 + 1e-5)


def test_sharing_at_a_given_split():
    s = scenario(3, users=4)
    x, fraction = np.eye(2)[[0, 1, 1, 0]], np.array([0.1, 0.5, 0.3, 0.9])
    found = share_resources(s, x, DEFAULT, local_fraction=fraction)
    assert np.array_equal(found.local_fraction, fraction)
    free = share_resources(s, x, DEFAULT)
    scr = [evaluate(s, z, DEFAULT).scr for z in (found, free)]
    assert scr[0] <= scr[1]


def test_server_capacity_is_left_idle_where_energy_costs():
    s = scenario(users=1, servers=1)
    s = type(s)(**s.to_dict() | {"server_power_coefficient": [1e-24]})
    z = share_resources(s, np.ones((1, 1)), DEFAULT)
    assert z.server_frequency_hz[0] < 0.5 * s.server_frequency_max_hz[0]
    assert z.bandwidth_hz[0] == pytest.approx(s.bandwidth_max_hz[0])


def test_the_status_says_whether_rounds_ended_the_moves():
    s = scenario()
    few = solve_dual(s, rounds=0, nodes=0)
    bound = few.bound
    assert few.scr < bound.value * (1 - 1e-5)  # so moves would have been tried
    assert few.status is Status.ITERATION_LIMIT
    many = solve_dual(s, rounds=30)
    assert many.status is Status.CONVERGED


def test_a_batch_is_refused_by_the_single_solver():
    with pytest.raises(ValueError, match="must be a single one"):
        solve_dual(scenario(batch=(2,)))


@pytest.mark.parametrize(
    ("change", "text"),
    [({"rounds": -1}, "`rounds` must"), ({"candidates": 0}, "`candidates` must")],
)
def test_wrong_numbers_are_refused(change, text):
    with pytest.raises(ValueError, match=text):
        solve_dual(scenario(), **change)
