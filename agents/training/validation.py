"""Evaluations on fixed validation scenarios, or episodes, during training."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from agents.learned import LearnedAgent
from agents.problems.bounds import InstanceBounds, certified_bounds
from agents.problems.instances import figures_of, validation_instances
from agents.problems.tasks import AnyTask
from mec_llm_env.files import write_arrays
from mec_llm_env.mobile.task import MobileTask

Array = np.ndarray[Any, Any]

#: By how much a newer policy may seem worse than the best one and still replace it.
STANDARD_ERRORS = 2.0

VALIDATIONS = 100  # scenarios
VALIDATION_EPISODES = 32
LARGEST_BOUNDED = 500  # N·M up to which bounds of the scenarios take seconds
LARGEST_BOUNDED_EPISODE = 2000  # N·M·T up to which those of episodes take minutes


class Validation:
    """Measures a policy on fixed scenarios, or in episodes, and keeps the history.

    Args:
        task: the environment's.
    """

    def __init__(self, task: AnyTask) -> None:
        self.task = task
        mobile = isinstance(task, MobileTask)
        count = VALIDATION_EPISODES if mobile else VALIDATIONS
        self.instances = validation_instances(task.config, count)
        self._shown = ("delay_s", "energy_j", *(["migrations"] if mobile else []))
        names = ("timesteps", "training_s", "results", *self._shown)
        self.history: dict[str, list[Any]] = {name: [] for name in names}

    @cached_property
    def bounds(self) -> InstanceBounds | None:
        """Certified upper bounds; None for large instances, where they take long."""
        config, length = self.task.config, self.task.episode_length
        largest = LARGEST_BOUNDED if length == 1 else LARGEST_BOUNDED_EPISODE
        if config.users * config.servers * length > largest:
            return None
        return certified_bounds(self.instances, config.objective)

    @property
    def bound(self) -> Array | None:
        """[I] upper bounds of the SCR, if they are known."""
        return None if self.bounds is None else self.bounds.value

    @property
    def last_timesteps(self) -> int:
        """Decisions before the last evaluation; −1 before the first."""
        return self.history["timesteps"][-1] if self.history["timesteps"] else -1

    def measure(self, model: Any, training_s: float) -> dict[str, float]:
        """Evaluates the policy's deterministic decisions; means over the instances.

        Args:
            model: with `predict` and `num_timesteps`.
            training_s: s of wall time that were spent in training until now.
        """
        agent = LearnedAgent("validated", model, self.task)
        played = figures_of(agent, self.task, self.instances)
        figures = {name: float(played[name].mean()) for name in ("scr", *self._shown)}
        if self.bound is not None:
            figures["optimality"] = float((played["scr"] / self.bound).mean())
        self.history["timesteps"].append(int(model.num_timesteps))
        self.history["training_s"].append(training_s)
        self.history["results"].append(played["scr"])
        for name in self._shown:
            self.history[name].append(figures[name])
        return figures

    def keeps_last(self) -> bool:
        """Returns whether the last policy replaces `best_model`.

        It does unless its mean SCR is below the highest one by more than two standard
        errors of the difference. The maximum of many noisy means is biased towards
        lucky policies, and a newer policy has been trained for longer.
        """
        results = np.array(self.history["results"])  # [evaluation, instance] SCR
        lead = results[results.mean(axis=1).argmax()] - results[-1]
        error = lead.std(ddof=1) / np.sqrt(len(lead))
        return bool(lead.mean() <= STANDARD_ERRORS * error)

    def save(self, path: Path) -> None:
        """Writes the history as `evaluations.npz`, in Stable-Baselines3's format."""
        results = np.array(self.history["results"])  # [evaluation, instance] SCR
        arrays: dict[str, Any] = {k: np.array(self.history[k]) for k in self._shown}
        arrays |= {
            "timesteps": np.array(self.history["timesteps"]),
            "results": results,
            "ep_lengths": np.full(results.shape, self.task.episode_length),
            "training_s": np.array(self.history["training_s"]),
            "bound": np.array([] if self.bounds is None else self.bounds.value),
            "bound_gap": np.array([] if self.bounds is None else self.bounds.gap),
        }
        write_arrays(path, arrays)
