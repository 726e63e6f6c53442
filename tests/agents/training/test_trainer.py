"""Training: reproducible, and what it leaves."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.learned import LearnedAgent
from agents.problems.episodes import play
from agents.problems.instances import validation_instances
from agents.storage.folders import LOCK
from agents.training import start
from tests.agents.training.small_runs import (
    FAMILIES,
    MOBILE,
    assert_same_weights,
    at_decision,
    config,
    monitor_rows,
    scalars,
    send,
    train,
    weights,
)


@pytest.mark.parametrize("agent", FAMILIES)
def test_one_seed_gives_the_same_weights(agent: str, tmp_path: Path) -> None:
    one, same = train(tmp_path, agent=agent), train(tmp_path, agent=agent)
    assert_same_weights(one, same)
    other = train(tmp_path, agent=agent, seed=6)
    assert any(
        not torch.equal(ours, theirs)
        for ours, theirs in zip(
            weights(one).values(), weights(other).values(), strict=True
        )
    )


def test_a_run_in_episodes(tmp_path: Path) -> None:
    trainer = train(tmp_path, **MOBILE)
    assert trainer.run.name == "MecLlmMobile-v0_1"
    assert {"eval/optimality", "eval/migrations"} <= set(scalars(trainer.run))
    with np.load(trainer.run / "evaluations.npz") as archive:
        assert archive["results"].shape == (5, 32)
        assert (archive["ep_lengths"] == 3).all()
        assert (archive["results"] <= archive["bound"]).all()
    rows = monitor_rows(trainer.run)  # heading and episodes
    assert len(rows) == 1 + 4 * (128 // 4 // 3)
    assert {row[1] for row in rows[1:]} == {"3"}
    task = trainer.envs.task
    trajectory = validation_instances(task.config, 32)
    best = play(LearnedAgent.from_run(trainer.run, task), task, trajectory)
    with np.load(trainer.run / "evaluations.npz") as archive:
        same = [np.array_equal(best["scr"], scr) for scr in archive["results"]]
    assert any(same)


def test_what_is_of_single_decisions_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"apg trains on single decisions"):
        start.begin(config("apg", **MOBILE), tmp_path)


@pytest.mark.parametrize("agent", FAMILIES)
def test_a_second_signal_does_not_wait(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_decision(monkeypatch, 56, send(signal.SIGINT, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        start.begin(config(agent), tmp_path).train(bar=False)


@pytest.mark.parametrize("agent", FAMILIES)
def test_what_a_run_leaves(agent: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, agent=agent)
    names = {path.name for path in trainer.run.iterdir()}
    file = trainer.model_file
    assert names == {
        *("config.json", file, f"best_{file}", "evaluations.npz"),
        *("tensorboard", "checkpoints", LOCK, *trainer.growing),
        *(["best_policy.npz"] if file.endswith(".zip") else []),
    }
    assert {path.name for path in (trainer.run / "checkpoints").iterdir()} == {
        *("step_000000000096", "step_000000000128")
    }
    tags = set(scalars(trainer.run))
    assert {"eval/scr", "eval/optimality", "eval/delay_s", "eval/energy_j"} <= tags
    rollouts = "monitor.csv" in names  # as Stable-Baselines3's algorithms make them
    assert ("rollout/ep_rew_mean" if rollouts else "train/scr") in tags
    with np.load(trainer.run / "evaluations.npz") as archive:
        assert archive["timesteps"].tolist() == [0, 32, 64, 96, 128]
        assert archive["results"].shape == (5, 100)
    if rollouts:
        assert len(monitor_rows(trainer.run)) == 1 + 128  # heading and decisions


def test_one_process_a_run(tmp_path: Path) -> None:
    begun = start.begin(config(), tmp_path)
    with pytest.raises(ValueError, match=r"MecLlm-v0_1' is in use by another process"):
        start.resume(begun.run)
    assert begun.train(bar=False)
    longer = start.resume(begun.run, 160)
    with pytest.raises(ValueError, match="is in use by another process"):
        start.resume(begun.run, 160)
    assert longer.train(bar=False)


def test_nothing_is_written_for_a_bad_configuration(tmp_path: Path) -> None:
    bad = {"n_steps": 4, "batch_sise": 16}
    with pytest.raises(ValueError, match="Did you mean 'batch_size'"):
        start.begin(config(hyperparameters=bad), tmp_path / "runs")
    bad = {"noise_type": "normal"}
    with pytest.raises(ValueError, match="`noise_std` must be a number ≥ 0; got None"):
        start.begin(config("td3", hyperparameters=bad), tmp_path / "runs")
    bad = {"train_freq": [1, "episode"]}
    with pytest.raises(ValueError, match="in episodes needs --n-envs 1; got 4 env"):
        start.begin(config("td3", hyperparameters=bad), tmp_path / "runs")
    bad = {"policy_kwargs": {"net_arch": [16]}}
    with pytest.raises(ValueError, match="`net_arch` does not fit --policy set"):
        start.begin(config("sac", policy="set", hyperparameters=bad), tmp_path / "runs")
    bad = {"normalize": True}
    with pytest.raises(ValueError, match="observations are scaled already; got True"):
        start.begin(config(hyperparameters=bad), tmp_path / "runs")
    bad = {"normalize": True}
    with pytest.raises(ValueError, match="takes no hyperparameter 'normalize'"):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    bad = {"candidate": 4}
    with pytest.raises(ValueError, match="Did you mean 'candidates'"):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    bad = {"averaging": 2}
    with pytest.raises(
        ValueError, match="`averaging` must be a number ≥ 0 and ≤ 1; got 2"
    ):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    hybrid = {"action_encoding": "association"}
    with pytest.raises(ValueError, match=r"needs --agent ppo.*; Apg decides"):
        start.begin(config("apg", env_kwargs=hybrid), tmp_path / "runs")
    discrete = {"action_encoding": "multi_discrete"}
    with pytest.raises(ValueError, match="apg needs --action-encoding box"):
        start.begin(config("apg", env_kwargs=discrete), tmp_path / "runs")
    with pytest.raises(ValueError, match=r"SAC: The algorithm only supports .*Box"):
        start.begin(config("sac", env_kwargs=discrete), tmp_path / "runs")
    with pytest.raises(ValueError, match="--env Nothing-v0"):
        start.begin(config(env_id="Nothing-v0"), tmp_path / "runs")
    with pytest.raises(ValueError, match="one of this project's"):
        start.begin(config(env_id="CartPole-v1", env_kwargs={}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
