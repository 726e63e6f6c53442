import numpy as np
import pytest

from dashf.rules import (
    average_allocation,
    balanced_association,
    compute_greedy,
    random_allocation,
    random_association,
    strongest_channel,
)
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.assignment import round_assignment
from tests.dashf.cases import assert_feasible


def scenario(users=6, servers=3, max_users=None, batch=(5,), seed=0):
    config = ScenarioConfig(users=users, servers=servers)
    config = config.with_overrides({"server.max_users": max_users})
    return sample_scenario(config, np.random.default_rng(seed), batch)


def test_rounding_takes_the_best_server_and_the_lower_number_on_ties():
    benefit = np.array([[1.0, 2.0], [3.0, 3.0], [5.0, 4.0]])
    assert round_assignment(benefit, np.array([3, 3])).tolist() == [
        [0, 1],
        [1, 0],
        [1, 0],
    ]


def test_rounding_with_slots_is_the_best_assignment():
    # Both like server 0, which has one slot. Moving user 0 costs 1, user 1 costs 3.
    benefit = np.array([[5.0, 4.0], [5.0, 2.0]])
    assert round_assignment(benefit, np.array([1, 2])).tolist() == [[0, 1], [1, 0]]


def test_rounding_treats_every_batch_member_with_its_own_limits():
    benefit = np.broadcast_to([[5.0, 4.0], [5.0, 2.0]], (2, 2, 2))
    rounded = round_assignment(benefit, np.array([[2, 2], [1, 1]]))
    assert rounded.tolist() == [[[1, 0], [1, 0]], [[0, 1], [1, 0]]]


def test_too_few_slots_are_refused():
    with pytest.raises(ValueError, match="at least 3 slots, one for each user; got 2"):
        round_assignment(np.zeros((3, 2)), np.array([1, 1]))


def test_strongest_channel():
    s = scenario()
    assert np.array_equal(strongest_channel(s).argmax(-1), s.channel_gain.argmax(-1))
    tight = scenario(max_users=2)
    association = strongest_channel(tight)
    assert np.array_equal(association.sum(-2), np.full((5, 3), 2.0))


@pytest.mark.parametrize("max_users", [None, 2, 3])
def test_random_association_is_feasible_and_reproducible(max_users):
    s = scenario(max_users=max_users)
    first, second, other = (
        random_association(s, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    evaluate(s, average_allocation(s, first), ScenarioConfig().objective)


@pytest.mark.parametrize("max_users", [None, 4])
def test_random_association_is_uniform(max_users):
    s = scenario(max_users=max_users, batch=(4000,))
    share = random_association(s, np.random.default_rng(0)).mean(axis=0)
    assert np.abs(share - 1 / 3).max() < 0.03  # 4 standard deviations


def test_average_allocation_by_hand():
    s = scenario(users=3, servers=2, batch=())
    association = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    z = average_allocation(s, association)
    assert z.bandwidth_hz.tolist() == [5e6, 5e6, 1e7]
    assert z.server_frequency_hz.tolist() == [0.65e9, 0.65e9, 1.59e9]
    assert np.array_equal(z.transmit_power_w, s.transmit_power_max_w)
    assert np.array_equal(z.user_frequency_hz, s.user_frequency_max_hz)
    assert z.local_fraction.tolist() == [0.5] * 3


def test_average_split_is_clipped_to_its_box():
    s = scenario(users=3, servers=2, batch=())
    s = type(s)(**s.to_dict() | {"local_fraction_max": [0.4, 0.6, 0.3]})
    z = average_allocation(s, strongest_channel(s))
    assert z.local_fraction.tolist() == [0.4, 0.5, 0.3]


def test_balanced_association_spreads_the_users():
    s = scenario(users=7, servers=3)
    balanced = balanced_association(s)
    assert (balanced.sum(-2) <= 3).all()
    best = strongest_channel(s)
    few = (best.sum(-2) <= 3).all(axis=-1)
    assert np.array_equal(balanced[few], best[few])


def test_balanced_association_respects_smaller_servers():
    s = scenario(users=7, servers=3, batch=())
    s = type(s)(**s.to_dict() | {"max_users": [1, 7, 7]})
    # ⌈7/3⌉ = 3 would leave 1 + 3 + 3 = 7 slots: just enough.
    assert balanced_association(s).sum(0).tolist() == [1, 3, 3]
    s = type(s)(**s.to_dict() | {"max_users": [1, 1, 7]})
    assert balanced_association(s).sum(0).tolist() == [1, 1, 5]


def test_compute_greedy_by_hand():
    s = scenario(users=3, servers=2, batch=())
    # 4096 × 1.3 GHz and 5120 × 1.59 GHz: 5.3 and 8.1 TFLOP/s. In order of workload:
    # 5.3 < 8.1, so server 1; 5.3 > 8.1/2, so server 0; 5.3/2 < 8.1/2, so server 1.
    s = type(s)(**s.to_dict() | {"workload_flop": [2e14, 3e14, 1e14]})
    assert compute_greedy(s).argmax(-1).tolist() == [0, 1, 1]
    s = type(s)(**s.to_dict() | {"max_users": [2, 1]})
    assert compute_greedy(s).argmax(-1).tolist() == [0, 1, 0]
    batch = scenario(users=6, servers=3, max_users=2, batch=(2, 3))
    assert (compute_greedy(batch).sum(-2) == 2).all()


@pytest.mark.parametrize("max_users", [None, 2])
def test_random_allocation_is_feasible_and_reproducible(max_users):
    s = scenario(max_users=max_users)
    first, second = (random_allocation(s, np.random.default_rng(7)) for _ in "ab")
    assert_feasible(s, first)
    assert np.array_equal(first.bandwidth_hz, second.bandwidth_hz)
    assert np.unique(first.local_fraction).size == first.local_fraction.size
