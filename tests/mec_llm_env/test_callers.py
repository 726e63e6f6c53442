"""Wrappers that keep statistics of episodes, under whichever Gymnasium is installed."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import (
    DictInfoToList,
    NormalizeReward,
    RecordEpisodeStatistics,
)

from mec_llm_env.callers import _miscounting_wrappers

MODES = [mode.value for mode in AutoresetMode]
B = 3
KNOWS_SAME_STEP = not _miscounting_wrappers(gym.__version__)


class Renamed(RecordEpisodeStatistics):
    """A user's own."""


def make(mode: str, episode_length: int = 1) -> Any:
    return gym.make_vec(
        "mec_llm_env:MecLlm-v0",
        B,
        preset="tiny-4x2",
        autoreset_mode=mode,
        episode_length=episode_length,
    )


def test_which_versions_miscount() -> None:
    for version in ("1.1.1", "1.2.2", "1.3.0"):
        assert RecordEpisodeStatistics in _miscounting_wrappers(version)
    for version in ("1.4.0", "1.10.0", "1.4.0a1"):
        assert _miscounting_wrappers(version) == ()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("episode_length", [1, 4])
def test_returns_and_lengths_are_right_or_refused(
    mode: str, episode_length: int
) -> None:
    """Compared with sums by hand; episodes get out of step where they can."""
    envs = RecordEpisodeStatistics(make(mode, episode_length))
    envs.action_space.seed(0)
    if mode == "SameStep" and not KNOWS_SAME_STEP:
        with pytest.raises(ValueError, match=r"counts wrongly .*'NextStep' or 'Disab"):
            envs.reset(seed=0)
        return
    envs.reset(seed=0)
    sums, lengths, begun = np.zeros(B), np.zeros(B, int), np.ones(B, bool)
    n_episodes = 0
    for step in range(4 * episode_length + 4):
        deciding = begun | (mode != "NextStep")
        _, rewards, terminated, _, infos = envs.step(envs.action_space.sample())
        assert (rewards[deciding] > 0).all()
        sums += rewards
        lengths += deciding
        if terminated.any():
            n_episodes += terminated.sum()
            np.testing.assert_array_equal(infos["_episode"], terminated)
            recorded = infos["episode"]
            np.testing.assert_allclose(recorded["r"][terminated], sums[terminated])
            assert (recorded["l"][terminated] == episode_length).all()
        assert (lengths[terminated] == episode_length).all()
        sums[terminated] = lengths[terminated] = 0
        begun = ~terminated
        mask = terminated.copy()
        mask[step % B] |= episode_length > 1 and step % 3 == 0
        if mode == "Disabled" and mask.any():
            envs.reset(options={"reset_mask": mask})
            sums[mask] = lengths[mask] = 0
    assert n_episodes >= 3 * B - 3
    assert list(envs.length_queue) == [episode_length] * n_episodes
    assert min(envs.return_queue) > 0


@pytest.mark.parametrize("wrapper", [RecordEpisodeStatistics, NormalizeReward, Renamed])
def test_refused_wherever_the_wrapper_is(wrapper: Any) -> None:
    """Outermost, within another, and put around an environment that has begun."""
    if KNOWS_SAME_STEP:
        pytest.skip("right in this version of Gymnasium")
    for envs in (wrapper(make("SameStep")), DictInfoToList(wrapper(make("SameStep")))):
        with pytest.raises(ValueError, match=f"`{wrapper.__name__}` of Gymnasium "):
            envs.reset(seed=0)
    begun = make("SameStep")
    begun.reset(seed=0)
    with pytest.raises(ValueError, match=r"install gymnasium>=1\.4"):
        wrapper(begun).step(begun.action_space.sample())
    wrapper(make("NextStep")).reset(seed=0)


def test_normalised_rewards_have_the_scale_of_the_returns() -> None:
    """One decision an episode: its return is the reward, and its spread the scale."""
    if not KNOWS_SAME_STEP:
        pytest.skip("refused with this version of Gymnasium")
    envs, raw = NormalizeReward(make("SameStep")), make("SameStep")
    rewards = []
    for each in (envs, raw):
        each.reset(seed=0)
    for _ in range(40):
        action = raw.action_space.sample()
        scaled = envs.step(action)[1]
        rewards.append(raw.step(action)[1])
    np.testing.assert_allclose(rewards[-1] / scaled, np.std(rewards), rtol=0.02)


def call_from(module: str, function: Any) -> None:
    """Calls a function from a module of that name."""
    names: dict[str, Any] = {"__name__": module, "function": function}
    exec("def run():\n    function()", names)
    names["run"]()


def test_rllib_is_told_which_mode_it_assumes() -> None:
    envs = DictInfoToList(make("SameStep"))
    with pytest.raises(ValueError, match=r"env_config=\{'autoreset_mode': 'NextStep'"):
        call_from("ray.rllib.env.env_runner", envs.reset)
    call_from("ray.rllib.env.env_runner", DictInfoToList(make("NextStep")).reset)
    call_from("array.rllib", envs.reset)
