from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mec_llm_env import (
    Allocation,
    MobileConfig,
    Scenario,
    Trajectory,
    evaluate,
    sample_trajectory,
)
from mec_llm_env.mobile.mobility import mobility_sampler
from tests.mec_llm_env.cases import damaged, equal_allocation

SMALL = MobileConfig().with_overrides({"users": 3, "mobility.slots": 6})


def drawn(seed: int, *batch: int) -> Trajectory:
    return sample_trajectory(SMALL, np.random.default_rng(seed), batch)


def assert_equal(one: Trajectory, other: Trajectory) -> None:
    for name, value in one.to_dict().items():
        if name != "scenario":
            np.testing.assert_array_equal(value, getattr(other, name), name)
    for name, value in one.scenario.to_dict().items():
        given = getattr(other.scenario, name)
        assert (value is None) == (given is None), name
        if value is not None:
            np.testing.assert_array_equal(value, given, name)


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_successive_trajectories_bit_for_bit(seed: int) -> None:
    size = np.random.default_rng(seed).integers(1, (40, 8, 30))
    config = MobileConfig().with_overrides(
        {"users": size[0], "servers": size[1], "mobility.slots": size[2]}
    )
    batch = sample_trajectory(config, np.random.default_rng(seed), (2, 3))
    assert batch.batch_shape == (2, 3)
    rng = np.random.default_rng(seed)
    for index in np.ndindex(2, 3):
        single = sample_trajectory(config, rng)
        assert_equal(batch[index], single)


def test_slot_by_slot_is_the_whole_bit_for_bit() -> None:
    config = MobileConfig()
    whole = sample_trajectory(config, np.random.default_rng(4))
    sampler, rng = mobility_sampler(config), np.random.default_rng(4)
    state = sampler.begin(rng.random(sampler.block_size))
    for t in range(whole.n_slots):
        for name, value in whole.slot(t).to_dict().items():
            np.testing.assert_array_equal(getattr(state.scenario, name), value, name)
        np.testing.assert_array_equal(state.joined, whole.joined[t])
        np.testing.assert_array_equal(
            state.user_velocity_m_per_s, whole.user_velocity_m_per_s[t]
        )
        state = sampler.advance(state, rng.random(sampler.block_size))


def test_drawn_trajectories_pass_the_checks_of_given_ones() -> None:
    trajectory = drawn(0, 2)
    assert_equal(Trajectory(**trajectory.to_dict()), trajectory)
    Scenario(**trajectory.scenario.to_dict())


def test_a_slot_is_ready_to_evaluate_once_it_has_servers() -> None:
    trajectory = drawn(5, 2)
    slot, serving = trajectory.slot(3), np.zeros((2, 3, 2))
    serving[:, 1:, 0] = 1  # of the second user and the third
    slot = dataclasses.replace(slot, serving=serving)
    elsewhere = Allocation.stack([equal_allocation(slot[i], [1, 1, 0]) for i in (0, 1)])
    outcome = evaluate(slot, elsewhere)
    assert slot.migration_delay_s is not None
    np.testing.assert_array_equal(
        outcome.delay_migration_s, slot.migration_delay_s * [0, 1, 0]
    )
    # Without `serving` the amounts mean nothing.
    free = evaluate(trajectory.slot(3), elsewhere)
    assert not free.delay_migration_s.any()


def test_sizes_and_parts() -> None:
    trajectory = drawn(1, 4)
    sizes = trajectory.n_slots, trajectory.n_users, trajectory.n_servers
    assert sizes == (6, 3, 2)
    assert trajectory[1:3].batch_shape == (2,)
    assert trajectory[0].batch_shape == ()
    assert trajectory.slot(5).batch_shape == (4,)
    part = trajectory.slots(2, 5)
    assert part.n_slots == 3
    assert part.joined[:, 0].all()
    assert trajectory.joined[:, 2].sum() < 12  # the part's are its own
    np.testing.assert_array_equal(
        part.scenario.channel_gain, trajectory.scenario.channel_gain[:, 2:5]
    )
    again = Trajectory.stack([trajectory[i] for i in range(4)])
    assert_equal(again, trajectory)


def test_what_is_left_out() -> None:
    trajectory = Trajectory(scenario=drawn(2).scenario)
    assert trajectory.joined[0].all()
    assert not trajectory.joined[1:].any()
    assert trajectory.user_velocity_m_per_s is None
    assert trajectory.slots(1, 3)[()].user_speed_m_per_s is None


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.npz"
    for trajectory in (drawn(3), drawn(3, 2), Trajectory(scenario=drawn(3).scenario)):
        trajectory.save(path)
        assert_equal(Trajectory.load(path), trajectory)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.npz"
    texts: list[str] = []
    trajectory = drawn(0)
    trajectory.save(path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(200):
        path.write_bytes(damaged(rng, content))
        try:
            loaded = Trajectory.load(path)
        except ValueError as error:
            texts.append(str(error))
        else:
            assert_equal(loaded, trajectory)
    wanted = "is not a trajectory file|There is no trajectory in"
    assert len(texts) > 150
    assert all(re.search(wanted, text) for text in texts)
    trajectory.scenario.save(path)
    with pytest.raises(ValueError, match=r"no trajectory in .*lacks `joined`"):
        Trajectory.load(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"scenario": drawn(0).slot(0)}, r"must have batch shape \[..., T\].*got \(\)"),
        ({"scenario": 3}, "`scenario` must be a mec_llm_env.Scenario; got int"),
        ({"joined": np.ones((5, 3))}, r"`joined` must have shape \(6, 3\); got \(5, 3"),
        (
            {"joined": np.full((6, 3), 0.5)},
            r"`joined` must be 0 or 1.*got 0.5 at index",
        ),
        (
            {"user_velocity_m_per_s": np.full((6, 3, 2), np.nan)},
            r"`user_velocity_m_per_s` must be from .* m/s; got nan at index",
        ),
        ({"user_speed_m_per_s": np.full(3, -1)}, "`user_speed_m_per_s` must be from 0"),
        (
            {
                "scenario": dataclasses.replace(
                    drawn(0).scenario, serving=np.zeros((6, 3, 2))
                )
            },
            "`scenario` must not say who holds training states.*got `serving`",
        ),
        ({"joint": 1}, "has no field 'joint'. Did you mean 'joined'"),
    ],
)
def test_mistakes(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Trajectory(**drawn(0).to_dict() | change)


def test_indices_are_over_the_batch() -> None:
    with pytest.raises(IndexError, match=r"over its batch, \(\); got 1 indices"):
        drawn(0)[0]
    with pytest.raises(ValueError, match="`t` must be an integer from 0 to 5; got 6"):
        drawn(0).slot(6)
    with pytest.raises(ValueError, match="`stop` must be an integer from 4 to 6"):
        drawn(0).slots(3, 3)
