"""Solvers and rules of `dashf` as agents."""

from __future__ import annotations

from typing import Any

import dashf
from dashf.registry import RANDOM
from mec_llm_env import Allocation, Scenario
from mec_llm_env.task import Task


class SolverAgent:
    """Decides with a solver; acts on observations through `dashf.SolverPolicy`.

    Args:
        name: one of `dashf.SOLVERS`.
        task: gives sizes, encodings and the objective.
        seed: of the agent's own randomness, if it has any.
    """

    def __init__(self, name: str, task: Task, seed: int = 0) -> None:
        self.name = name
        options: dict[str, Any] = {"seed": seed} if name in RANDOM else {}
        self._policy = dashf.SolverPolicy(task, solver=name, **options)

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the solver's allocation, of the scenario's batch shape."""
        return self._policy.decide(scenario)

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action nearest to the solver's allocation."""
        return self._policy.predict(observation, state, episode_start, deterministic)
