"""Evaluations on fixed validation scenarios, or episodes, during training."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from agents.problems.bounds import InstanceBounds, certified_bounds
from agents.problems.episodes import play
from agents.problems.instances import validation_instances
from agents.problems.tasks import AnyTask
from mec_llm_env import Scenario, Trajectory
from mec_llm_env.files import write_arrays
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

#: By how much a newer policy may seem worse than the best one and still replace it.
STANDARD_ERRORS = 2.0

VALIDATIONS = 100  # scenarios
VALIDATION_EPISODES = 32
LARGEST_BOUNDED = 500  # N·M up to which the validation scenarios are bounded
LARGEST_BOUNDED_EPISODE = 2000  # N·M·T up to which the validation episodes are


class _Scenarios:
    """One decision on each of the validation scenarios."""

    count = VALIDATIONS
    slots = 1
    figures = ("delay_s", "energy_j")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.instances: Scenario = validation_instances(task.config, self.count)
        self.observation = task.observation_codec.encode(self.instances)

    def play(self, model: Any) -> dict[str, Array]:
        """Returns SCRs [I], and figures of other shapes, of a policy's decisions."""
        action, _ = model.predict(self.observation, deterministic=True)
        _, outcome = self.task.decide(action, self.instances)
        return {name: getattr(outcome, name) for name in ("scr", *self.figures)}

    @property
    def is_small(self) -> bool:
        """Whether bounds take seconds."""
        config = self.task.config
        return config.users * config.servers <= LARGEST_BOUNDED


class _Episodes:
    """The validation episodes, decided slot after slot."""

    count = VALIDATION_EPISODES
    figures = ("delay_s", "energy_j", "migrations")

    def __init__(self, task: MobileTask) -> None:
        self.task, self.slots = task, task.episode_length
        self.instances: Trajectory = validation_instances(task.config, self.count)

    def play(self, model: Any) -> dict[str, Array]:
        """Returns SCRs and other figures of the episodes that a policy decides, [I]."""
        played = play(model, self.task, self.instances)
        return {name: played[name] for name in ("scr", *self.figures)}

    @property
    def is_small(self) -> bool:
        """Whether bounds take minutes, once: they are cached."""
        config = self.task.config
        pairs = config.users * config.servers
        return pairs * self.task.episode_length <= LARGEST_BOUNDED_EPISODE


class Validation:
    """Measures a policy on fixed scenarios, or in episodes, and keeps the history.

    Args:
        task: the environment's.
    """

    def __init__(self, task: AnyTask) -> None:
        self.task = task
        self._played: _Episodes | _Scenarios = (
            _Episodes(task) if isinstance(task, MobileTask) else _Scenarios(task)
        )
        names = ("timesteps", "training_s", "results", *self._played.figures)
        self.history: dict[str, list[Any]] = {name: [] for name in names}

    @cached_property
    def bounds(self) -> InstanceBounds | None:
        """Certified upper bounds; None for large instances, where they take long."""
        if not self._played.is_small:
            return None
        objective = self.task.config.objective
        return certified_bounds(self._played.instances, objective)

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
        played = self._played.play(model)
        figures = {name: float(value.mean()) for name, value in played.items()}
        if self.bound is not None:
            figures["optimality"] = float((played["scr"] / self.bound).mean())
        self.history["timesteps"].append(int(model.num_timesteps))
        self.history["training_s"].append(training_s)
        self.history["results"].append(played["scr"])
        for name in self._played.figures:
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
        own = self._played.figures
        arrays: dict[str, Any] = {k: np.array(self.history[k]) for k in own}
        arrays |= {
            "timesteps": np.array(self.history["timesteps"]),
            "results": results,
            "ep_lengths": np.full(results.shape, self._played.slots, dtype=np.int64),
            "training_s": np.array(self.history["training_s"]),
            "bound": np.array([] if self.bounds is None else self.bounds.value),
            "bound_gap": np.array([] if self.bounds is None else self.bounds.gap),
        }
        write_arrays(path, arrays)
