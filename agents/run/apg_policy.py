"""Policies of `apg`: loaded from a run, and exported."""

from __future__ import annotations

from pathlib import Path

from agents.apg import Apg
from agents.run.config import TrainingConfig
from agents.run.hyperparameters import as_arguments
from mec_llm_env.task import Task


def load_policy(path: Path, config: TrainingConfig, task: Task) -> Apg:
    """Returns the `Apg` of a model or of exported weights."""
    return Apg.load(path, task, **as_arguments(config.hyperparameters))


def export_policy(path: Path, config: TrainingConfig, weights: Path) -> None:
    """Writes the averaged weights, which are those that decide."""
    Apg.load(path, Task(**config.env_kwargs)).save_policy(weights)
