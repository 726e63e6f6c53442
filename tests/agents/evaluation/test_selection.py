"""Rows of a comparison: which runs belong together, and what they are called."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from agents.evaluation.selection import run_label, select
from agents.training import start
from mec_llm_env.task import Task
from tests.agents.run.test_folder import CONFIG as RUN_CONFIG

CONFIG = dataclasses.replace(
    RUN_CONFIG,
    **{"timesteps": 8, "n_envs": 2, "seed": 0, "eval_freq": 8, "checkpoint_freq": 8},
    hyperparameters={
        **{"n_steps": 4, "batch_size": 4, "n_epochs": 1},
        "policy_kwargs": {"net_arch": [4]},
    },
)
NETWORK = {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2}
SET = {
    "policy": "set",
    "hyperparameters": CONFIG.hyperparameters | {"policy_kwargs": {"network": NETWORK}},
}
LEVELS = {"env_kwargs": {"preset": "tiny-4x2", "action_encoding": "multi_discrete"}}
TASK = Task(preset="tiny-4x2")


def untrained(folder: Path, **changes: Any) -> str:
    """Returns a run with a model that has not learned."""
    trainer = start.begin(dataclasses.replace(CONFIG, **changes), folder)
    trainer.keep_best()
    return str(trainer.run)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "ppo"),
        ({"seed": 3}, "ppo"),
        (SET, "ppo set"),
        (LEVELS, "ppo multi_discrete"),
        ({"agent": "apg", "policy": "set"}, "apg"),
    ],
)
def test_labels_say_what_is_not_the_default(
    changes: dict[str, Any], label: str
) -> None:
    assert run_label(dataclasses.replace(CONFIG, **changes)) == label


def test_runs_that_differ_in_more_than_the_seed_are_rows_of_their_own(
    tmp_path: Path,
) -> None:
    names = [
        untrained(tmp_path, seed=0),
        untrained(tmp_path, **SET),
        untrained(tmp_path, seed=1),
        untrained(tmp_path, **LEVELS),
        "gucaa",
    ]
    entries = select(names, TASK)
    assert [entry.label for entry in entries] == [
        *("ppo", "ppo set", "ppo multi_discrete", "gucaa")
    ]
    assert [len(entry.names) for entry in entries] == [2, 1, 1, 1]
    assert entries[0].names == (names[0], names[2])
    assert [entry.is_trained for entry in entries] == [True, True, True, False]


def test_labels_that_meet_are_told_apart_by_the_folder(tmp_path: Path) -> None:
    names = [untrained(tmp_path), untrained(tmp_path, timesteps=16)]
    labels = [entry.label for entry in select(names, TASK)]
    assert labels == ["ppo MecLlm-v0_1", "ppo MecLlm-v0_2"]


def test_a_run_named_twice(tmp_path: Path) -> None:
    run = untrained(tmp_path)
    with pytest.raises(ValueError, match="MecLlm-v0_1' twice; keep one"):
        select([run, run], TASK)
