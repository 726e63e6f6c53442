"""Evaluations on fixed validation scenarios during training."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from agents.bounds import InstanceBounds, certified_bounds
from agents.instances import validation_instances
from mec_llm_env.files import write_whole
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

_MEANS = ("delay_s", "energy_j")  # over the scenarios

#: By how much a newer policy may seem worse than the best one and still replace it.
STANDARD_ERRORS = 2.0

VALIDATIONS = 100  # scenarios
LARGEST_BOUNDED = 500  # N·M up to which the validation scenarios are bounded


class Validation:
    """Measures a policy on 100 fixed scenarios and keeps the history.

    Args:
        task: the environment's.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.scenario = validation_instances(task.config, VALIDATIONS)
        self.observation = task.observation_codec.encode(self.scenario)
        self.history: dict[str, list[Any]] = {
            name: [] for name in ("timesteps", "training_s", "results", *_MEANS)
        }

    @cached_property
    def bounds(self) -> InstanceBounds | None:
        """Certified upper bounds; None for large scenarios, where they take minutes."""
        config = self.task.config
        if config.users * config.servers > LARGEST_BOUNDED:
            return None
        return certified_bounds(self.scenario, config.objective)

    @property
    def bound(self) -> Array | None:
        """[100] upper bounds of the SCR, if they are known."""
        return None if self.bounds is None else self.bounds.value

    @property
    def last_timesteps(self) -> int:
        """Decisions before the last evaluation; −1 before the first."""
        return self.history["timesteps"][-1] if self.history["timesteps"] else -1

    def measure(self, model: Any, training_s: float) -> dict[str, float]:
        """Evaluates the policy's deterministic decisions; means over the scenarios.

        Args:
            model: with `predict` and `num_timesteps`.
            training_s: s of wall time that were spent in training until now.
        """
        action, _ = model.predict(self.observation, deterministic=True)
        _, outcome = self.task.decide(action, self.scenario)
        figures = {
            "scr": float(outcome.scr.mean()),
            "delay_s": float(outcome.delay_s.mean()),
            "energy_j": float(outcome.energy_j.mean()),
        }
        if self.bound is not None:
            figures["optimality"] = float((outcome.scr / self.bound).mean())
        self.history["timesteps"].append(int(model.num_timesteps))
        self.history["training_s"].append(training_s)
        self.history["results"].append(outcome.scr)
        for name in _MEANS:
            self.history[name].append(figures[name])
        return figures

    def keeps_last(self) -> bool:
        """Returns whether the last policy replaces `best_model`.

        It does unless its mean SCR is below the highest one by more than two standard
        errors of the difference. The maximum of many noisy means is biased towards
        lucky policies, and a newer policy has been trained for longer.
        """
        results = np.array(self.history["results"])  # [evaluation, scenario] SCR
        lead = results[results.mean(axis=1).argmax()] - results[-1]
        error = lead.std(ddof=1) / np.sqrt(len(lead))
        return bool(lead.mean() <= STANDARD_ERRORS * error)

    def save(self, path: Path) -> None:
        """Writes the history as `evaluations.npz`, in Stable-Baselines3's format."""
        results = np.array(self.history["results"])  # [evaluation, scenario] SCR
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            timesteps=np.array(self.history["timesteps"]),
            results=results,
            ep_lengths=np.ones(results.shape, dtype=np.int64),
            training_s=np.array(self.history["training_s"]),
            delay_s=np.array(self.history["delay_s"]),
            energy_j=np.array(self.history["energy_j"]),
            bound=[] if self.bounds is None else self.bounds.value,
            bound_gap=[] if self.bounds is None else self.bounds.gap,
        )
        write_whole(path, buffer.getvalue())
