"""Recorded data sets hold what was decided, and are decisions of the solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import dashf
from experiments import record
from mec_llm_env import ScenarioConfig, sample_scenario

minari = pytest.importorskip("minari")

# Minari's own: advice on authors, and its folder, which it leaves to Python.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`:UserWarning:minari"),
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def recorded(*words: str) -> Any:
    output = "test/solver-v0"
    assert record.main([*words, "--output", output]) == 0
    return minari.load_dataset(output)


def test_a_data_set_is_what_the_solver_decides() -> None:
    dataset = recorded("--env", "MecLlm-tiny-v0", "--episodes", "12")
    assert dataset.total_episodes == dataset.total_steps == 12
    config = ScenarioConfig.preset("tiny-4x2")
    env = dataset.recover_environment()
    codec = env.unwrapped.task.observation_codec
    for i, episode in enumerate(dataset):
        scenario = sample_scenario(config, np.random.default_rng(30_000_000 + i))
        assert episode.observations.shape == (2, 58)
        np.testing.assert_array_equal(episode.observations[0], codec.encode(scenario))
        scr = dashf.solve(scenario, solver="dual").scr
        assert episode.rewards[0] == pytest.approx(scr, rel=1e-4)
        assert episode.infos["scr"][1] == episode.rewards[0]
        env.reset(options={"scenario": scenario})
        assert env.step(episode.actions[0])[1] == episode.rewards[0]
        assert episode.terminations[0]


def test_episodes_of_moving_users() -> None:
    words = ("--override", "mobility.slots=4", "--override", "users=3")
    dataset = recorded("--env", "MecLlmMobile-v0", "--episodes", "3", *words)
    assert dataset.total_steps == 12
    env = gym.make("MecLlmMobile-v0", overrides={"mobility.slots": 4, "users": 3})
    for i, episode in enumerate(dataset):
        observation, _ = env.reset(seed=30_000_000 + i)
        total = 0.0
        for t, action in enumerate(episode.actions):
            np.testing.assert_array_equal(episode.observations[t], observation)
            observation, reward, *_, info = env.step(action)
            assert reward == episode.rewards[t]
            total += reward
        assert total == pytest.approx(info["episode_scr"], rel=1e-12)
    assert dataset.recover_environment().unwrapped.task.config.users == 3


def test_d3rlpy_takes_it() -> None:
    d3rlpy = pytest.importorskip("d3rlpy")
    dataset = recorded(
        "--env", "MecLlm-tiny-v0", "--episodes", "5", "--solver", "gucaa"
    )
    episodes = list(dataset)
    data = d3rlpy.dataset.MDPDataset(
        observations=np.concatenate([e.observations[:-1] for e in episodes]),
        actions=np.concatenate([e.actions for e in episodes]),
        rewards=np.concatenate([e.rewards for e in episodes]),
        terminals=np.concatenate([e.terminations for e in episodes]),
    )
    assert len(data.episodes) == 5
    for theirs, ours in zip(data.episodes, episodes, strict=True):
        np.testing.assert_array_equal(theirs.observations, ours.observations[:1])
        np.testing.assert_array_equal(theirs.actions, ours.actions)


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    recorded("--env", "MecLlm-tiny-v0", "--episodes", "1")
    for words, text in (
        (["--output", "test/solver-v0"], "`--output` must be a new data set; got 'tes"),
        (["--output", "no id"], "Malformed dataset ID"),
        (
            ["--output", "b-v0", "--env", "CartPole-v1"],
            "`--env` must be one of MecLlm-",
        ),
        (["--output", "b-v0", "--override", "user=3"], "There is no parameter 'user'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            record.main(words)
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
