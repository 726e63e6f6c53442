"""The protocol of solvers, rules and trained policies."""

from __future__ import annotations

from typing import Any, Protocol

from mec_llm_env import Allocation, Scenario


class Policy(Protocol):
    """Decides on observations like a policy of Stable-Baselines3.

    Attributes:
        name: id shown in tables, such as "rucaa" or "ppo".
    """

    name: str

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action for an observation, or a batch, and the next state."""
        ...


class Agent(Policy, Protocol):
    """Decides on scenarios too, where one decision does not depend on another."""

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns a feasible allocation of the scenario's batch shape."""
        ...
