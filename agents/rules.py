"""Agents that follow a rule and need no solver: `random`, `rucaa`, `gucaa`.

The names are those of this literature: random or greedy user association (RU, GU) with
average resource allocation (CAA).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from dashf.rules import average_allocation, random_association, strongest_channel
from mec_llm_env import Allocation, Scenario
from mec_llm_env.actions import RESOURCES, decode_resources
from mec_llm_env.task import Task


class RuleAgent(ABC):
    """Decides on a scenario; acts on an observation by rebuilding the scenario.

    Args:
        task: gives sizes and encodings.
        seed: of the agent's own randomness.
    """

    name: str

    def __init__(self, task: Task, seed: int = 0) -> None:
        self.task = task
        self.rng = np.random.default_rng(seed)

    @abstractmethod
    def decide(self, scenario: Scenario) -> Allocation:
        """Returns a feasible allocation of the scenario's batch shape."""

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action, or batch of actions, that decodes to the decision."""
        scenario = self.task.observation_codec.decode(observation)
        action, _ = self.task.action_codec.project(self.decide(scenario), scenario)
        return action, state


class RandomAgent(RuleAgent):
    """A uniform sample of the action space, decoded."""

    name = "random"

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns a random association and uniform unit resources, decoded."""
        association = random_association(scenario, self.rng)
        shape = (*scenario.batch_shape, scenario.n_users, len(RESOURCES))
        return decode_resources(scenario, association, self.rng.uniform(-1, 1, shape))


class RucaaAgent(RuleAgent):
    """Random association, average allocation."""

    name = "rucaa"

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns equal shares at a random server, φ = 0.5, full power, frequency."""
        association = random_association(scenario, self.rng)
        return average_allocation(scenario, association)


class GucaaAgent(RuleAgent):
    """Greedy association to the strongest channel, average allocation."""

    name = "gucaa"

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns equal shares at the strongest server, φ = 0.5, full power."""
        return average_allocation(scenario, strongest_channel(scenario))
