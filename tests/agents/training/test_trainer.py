"""Training: reproducible, and resumed exactly."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import agents.training.callback as callback_module
from agents.algorithms import ALGORITHMS
from agents.training.hyperparameters import load_hyperparameters
from agents.training.runs import TrainingConfig, load_config
from agents.training.trainer import Trainer

# A few rollouts of each algorithm, with small networks.
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 4, "batch_size": 16, "n_epochs": 2},
}
assert set(SMALL) == set(ALGORITHMS)


def config(agent: str = "ppo", **changes: Any) -> TrainingConfig:
    tuned = load_hyperparameters(agent, "MecLlm-v0")
    tuned = {k: v for k, v in tuned.items() if k == "learning_rate"}
    settings = {
        "agent": agent,
        "env_id": "MecLlm-v0",
        "env_kwargs": {"preset": "tiny-4x2"},
        "timesteps": 128,
        "n_envs": 4,
        "seed": 5,
        "eval_freq": 32,
        "checkpoint_freq": 48,
        "hyperparameters": {
            **tuned,
            **SMALL[agent],
            "policy_kwargs": {"net_arch": [16]},
        },
    }
    return TrainingConfig(**{**settings, **changes})


def train(output: Path, **changes: Any) -> Trainer:
    trainer = Trainer.begin(config(**changes), output)
    assert trainer.train(bar=False)
    return trainer


def interrupt_at(monkeypatch: pytest.MonkeyPatch, timesteps: int, number: int) -> None:
    """Sends a signal to this process in the step after so many decisions."""
    before = callback_module.BoundaryCallback._on_step

    def on_step(self: Any) -> bool:
        if self.num_timesteps == timesteps:
            os.kill(os.getpid(), number)
        return before(self)

    monkeypatch.setattr(callback_module.BoundaryCallback, "_on_step", on_step)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.model.policy.state_dict()


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    ours, theirs = weights(one), weights(other)
    assert set(ours) == set(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def monitor_rows(run: Path) -> list[list[str]]:
    """Returns and lengths; the time of day is not part of the result."""
    lines = (run / "monitor.csv").read_text().splitlines()
    return [line.split(",")[:2] for line in lines[1:]]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(os.fspath(run / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("time/")
    }


@pytest.mark.parametrize("agent", ALGORITHMS)
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


@pytest.mark.parametrize("agent", ALGORITHMS)
@pytest.mark.parametrize("length", [1, 3])
def test_interrupted_and_resumed_equals_uninterrupted(
    agent: str, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kwargs = {"preset": "tiny-4x2", "episode_length": length}
    whole = train(tmp_path / "whole", agent=agent, env_kwargs=kwargs)
    begun = Trainer.begin(config(agent, env_kwargs=kwargs), tmp_path / "cut")
    with monkeypatch.context() as patch:
        interrupt_at(patch, 56, signal.SIGINT)
        assert not begun.train(bar=False)
    assert not (begun.run / "model.zip").exists()
    np.random.seed(0)  # whatever happens between
    torch.rand(3)
    resumed = Trainer.resume(begun.run)
    assert 56 <= resumed.model.num_timesteps < 128
    assert resumed.train(bar=False)

    assert_same_weights(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)
    with (
        np.load(whole.run / "evaluations.npz") as one,
        np.load(resumed.run / "evaluations.npz") as other,
    ):
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_resumed_after_a_crash_cuts_files_back_to_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole")
    begun = Trainer.begin(config(), tmp_path / "cut")

    class CrashError(Exception):
        pass

    def crash(self: Any) -> bool:
        if self.num_timesteps == 104:  # after the checkpoint at 96
            raise CrashError
        return True

    with monkeypatch.context() as patch:
        patch.setattr(callback_module.BoundaryCallback, "_on_step", crash)
        with pytest.raises(CrashError):
            begun.train(bar=False)
    with (begun.run / "monitor.csv").open("a") as file:
        file.write("1.0,1,half a li")
    resumed = Trainer.resume(begun.run)
    assert resumed.model.num_timesteps == 96
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)


def test_a_second_signal_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = callback_module.BoundaryCallback._on_step

    def on_step(self: Any) -> bool:
        if self.num_timesteps == 56:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return before(self)

    monkeypatch.setattr(callback_module.BoundaryCallback, "_on_step", on_step)
    with pytest.raises(KeyboardInterrupt):
        Trainer.begin(config(), tmp_path).train(bar=False)


def test_what_a_run_leaves(tmp_path: Path) -> None:
    trainer = train(tmp_path)
    names = {path.name for path in trainer.run.iterdir()}
    assert names == {
        *("config.json", "model.zip", "best_model.zip", "evaluations.npz"),
        *("monitor.csv", "tensorboard", "checkpoints"),
    }
    assert {path.name for path in (trainer.run / "checkpoints").iterdir()} == {
        *("step_000000000096", "step_000000000128")
    }
    tags = set(scalars(trainer.run))
    assert {"eval/scr", "eval/delay_s", "eval/energy_j", "rollout/ep_rew_mean"} <= tags
    with np.load(trainer.run / "evaluations.npz") as archive:
        assert archive["timesteps"].tolist() == [0, 32, 64, 96, 128]
        assert archive["results"].shape == (5, 100)
    assert len(monitor_rows(trainer.run)) == 1 + 128  # heading and decisions


def test_resumed_to_more_timesteps(tmp_path: Path) -> None:
    run = train(tmp_path).run
    with pytest.raises(ValueError, match="128 decisions of 128: there is nothing left"):
        Trainer.resume(run)
    longer = Trainer.resume(run, timesteps=160)
    assert longer.train(bar=False)
    assert longer.model.num_timesteps == 160
    assert load_config(run).timesteps == 160


def test_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    run = train(tmp_path).run
    newest = run / "checkpoints" / "step_000000000128"
    state = newest / "state.pkl"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"step_000000000128.*damaged: state\.pkl"):
        Trainer.resume(run, timesteps=160)
    (newest / "checkpoint.json").write_text(json.dumps([]))
    with pytest.raises(ValueError, match=r"damaged: checkpoint\.json"):
        Trainer.resume(run, timesteps=160)
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert Trainer.resume(run, timesteps=160).model.num_timesteps == 96


def test_nothing_is_written_for_a_bad_configuration(tmp_path: Path) -> None:
    bad = {"n_steps": 4, "batch_sise": 16}
    with pytest.raises(ValueError, match="Did you mean 'batch_size'"):
        Trainer.begin(config(hyperparameters=bad), tmp_path / "runs")
    with pytest.raises(ValueError, match="--env Nothing-v0"):
        Trainer.begin(config(env_id="Nothing-v0"), tmp_path / "runs")
    with pytest.raises(ValueError, match="one of this project's"):
        Trainer.begin(config(env_id="CartPole-v1", env_kwargs={}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
