"""Runs of seconds, of every algorithm, and what is compared of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import apg
from agents.algorithms import ALGORITHMS
from agents.run.config import TrainingConfig
from agents.run.hyperparameters import load_hyperparameters
from agents.training import sb3_trainer, start
from agents.training.trainer import Trainer

# Of the off-policy algorithms: random actions at first, then an update a step, and a
# replay buffer that is soon full.
OFF_POLICY_AGENTS = ("sac", "td3", "ddpg", "tqc")
OFF_POLICY: dict[str, Any] = {
    **{"learning_starts": 16, "batch_size": 8, "buffer_size": 64, "train_freq": 2},
    "policy_kwargs": {"net_arch": [16]},
}
NOISE = {"noise_type": "ornstein-uhlenbeck", "noise_std": 0.2}  # it has a state

# A few rollouts or updates of each algorithm, with small networks.
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {
        **{"n_steps": 4, "batch_size": 16, "n_epochs": 2},
        "policy_kwargs": {"net_arch": [16]},
    },
    "a2c": {
        **{"n_steps": 4, "policy_kwargs": {"net_arch": [16]}},
        "normalize": "dict(norm_obs=False, norm_reward=True)",
    },
    "trpo": {
        **{"n_steps": 4, "batch_size": 16, "cg_max_steps": 3, "n_critic_updates": 2},
        "policy_kwargs": {"net_arch": [16]},
    },
    "recurrent_ppo": {
        **{"n_steps": 4, "batch_size": 16, "n_epochs": 2},
        "policy_kwargs": {"net_arch": [16], "lstm_hidden_size": 8},
    },
    "sac": OFF_POLICY,
    "td3": OFF_POLICY | NOISE,
    "ddpg": OFF_POLICY | NOISE,
    "tqc": OFF_POLICY,
    "apg": {
        "candidates": 1,
        "policy_kwargs": {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2},
    },
}
assert set(SMALL) == set(ALGORITHMS)

# One of each kind that trains in another way. What is particular to an algorithm, its
# memory, noise or normalisation, shows in `test_interrupted_and_resumed_…`.
FAMILIES = ("ppo", "sac", "apg")


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
        "policy": next(iter(ALGORITHMS[agent].policies)),
        "hyperparameters": {**tuned, **SMALL[agent]},
    }
    return TrainingConfig(**{**settings, **changes})


def train(output: Path, **changes: Any) -> Trainer:
    trainer = start.begin(config(**changes), output)
    assert trainer.train(bar=False)
    return trainer


def at_decision(
    monkeypatch: pytest.MonkeyPatch, timesteps: int, action: Callable[[], Any]
) -> None:
    """Does something in the step, or update, that ends after so many decisions."""
    on_step, update = sb3_trainer.BoundaryCallback._on_step, apg.Apg.update

    def patched_step(self: Any) -> bool:
        if self.num_timesteps == timesteps:
            action()
        return on_step(self)

    def patched_update(self: Any, *args: Any) -> Any:
        figures = update(self, *args)
        if self.num_timesteps == timesteps:
            action()
        return figures

    monkeypatch.setattr(sb3_trainer.BoundaryCallback, "_on_step", patched_step)
    monkeypatch.setattr(apg.Apg, "update", patched_update)


def send(*numbers: int) -> Callable[[], None]:
    """Returns what sends signals to this process."""
    return lambda: [os.kill(os.getpid(), number) for number in numbers] and None


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.model.policy.state_dict()


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    ours, theirs = weights(one), weights(other)
    assert set(ours) == set(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def assert_same_buffer(one: Trainer, other: Trainer) -> None:
    """Compares replay buffers, where the algorithm has one."""
    ours, theirs = (getattr(t.model, "replay_buffer", None) for t in (one, other))
    assert (ours is None) == (theirs is None)
    if ours is None:
        return
    assert (ours.pos, ours.full) == (theirs.pos, theirs.full)
    for name in ("observations", "next_observations", "actions", "rewards", "dones"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)


def monitor_rows(run: Path) -> list[list[str]]:
    """Returns and lengths; the time of day is not part of the result."""
    if not (run / "monitor.csv").exists():
        return []
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


#: `MecLlmMobile-v0`, small.
MOBILE: dict[str, Any] = {
    "env_id": "MecLlmMobile-v0",
    "env_kwargs": {
        "preset": "mobile-10x2",
        "overrides": {"users": 3, "mobility.slots": 3},
        "reward": "slot",
    },
}
