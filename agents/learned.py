"""Trained policies as agents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from agents.algorithms import ALGORITHMS
from agents.training.runs import load_config
from mec_llm_env import Allocation, Scenario
from mec_llm_env.task import Task


class LearnedAgent:
    """A Stable-Baselines3 policy that decides, on scenarios or on observations.

    Args:
        name: shown in tables.
        model: of Stable-Baselines3; only its `predict` is used.
        task: what it was trained for: its encodings and sizes.
    """

    def __init__(self, name: str, model: Any, task: Task) -> None:
        self.name, self.model, self.task = name, model, task

    @classmethod
    def from_run(cls, run: str | os.PathLike[str], task: Task) -> Self:
        """Loads the best model of a training run, by its validation scenarios.

        Raises:
            ValueError: the folder is no run, has no model yet or a damaged one, or
                it was trained for other numbers of users and servers than `task`.
        """
        config = load_config(run)
        trained = Task(**config.env_kwargs)
        size = trained.config.users, trained.config.servers
        wanted = task.config.users, task.config.servers
        if size != wanted:
            raise ValueError(
                f"{os.fspath(run)!r} was trained for {size[0]} users and {size[1]} "
                f"servers, which its policy is tied to; asked for {wanted[0]} and "
                f"{wanted[1]}. Evaluate it with the --preset it was trained on."
            )
        model = _load_model(Path(run), ALGORITHMS[config.agent].load_class())
        return cls(config.agent, model, trained)

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the decoded actions for scenarios of any batch shape."""
        batch = scenario.batch_shape
        flat = scenario if len(batch) < 2 else scenario.map(_flattened(len(batch)))
        observation = self.task.observation_codec.encode(flat)
        action, _ = self.predict(observation)
        allocation = self.task.action_codec.decode(action, flat)
        if len(batch) < 2:
            return allocation
        return allocation.map(lambda a: a.reshape(*batch, *a.shape[1:]))

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action, as the Stable-Baselines3 model does."""
        action, state = self.model.predict(
            observation, state, episode_start, deterministic
        )
        return action, state


def _flattened(n_batch: int) -> Any:
    return lambda a: np.reshape(a, (-1, *np.shape(a)[n_batch:]))


def _load_model(run: Path, algorithm_class: Any) -> Any:
    paths = [run / name for name in ("best_model.zip", "model.zip")]
    for path in paths:
        if path.is_file():
            break
    else:
        raise ValueError(
            f"{os.fspath(run)!r} has no model yet: neither best_model.zip nor "
            f"model.zip. Go on with python train.py --resume {os.fspath(run)}."
        )
    try:
        return algorithm_class.load(path, device="cpu")
    except Exception as error:  # zipfile, pickle and PyTorch raise many kinds
        raise ValueError(
            f"{os.fspath(path)!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
