"""A trajectory as the price search sees it: what every user would do in every slot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.clock import ENDLESS, Clock
from dashf.pair.coefficients import migration_cost
from dashf.pricing.bound import PARTS, Problem
from mec_llm_env import ObjectiveConfig, Scenario, Trajectory


class Nodes(NamedTuple):
    """The best responses to prices in every slot. T slots, N users, M servers."""

    benefit: Array  # [T, N, M] score less priced cost and prices; −∞: may not be there
    cost: Array  # [T, N, M] without migration
    use: Array  # [T, N, M, D] shares of band and frequency, and slots where D = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryProblem:
    """A single trajectory with the options of its users."""

    slots: Problem  # of its slots, without migration
    migration: Array  # [T, N] cost of a change of server from the slot before

    @classmethod
    def of(
        cls, trajectory: Trajectory, objective: ObjectiveConfig, clock: Clock = ENDLESS
    ) -> TrajectoryProblem:
        """Builds the problem of a trajectory without batch axes."""
        return cls(
            slots=Problem.of(trajectory.scenario, objective, clock),
            migration=np.where(
                trajectory.joined, 0.0, migration_cost(trajectory.scenario, objective)
            ),
        )

    def until(self, clock: Clock) -> TrajectoryProblem:
        """Returns the same problem with another end of its time."""
        options = dataclasses.replace(self.slots.options, clock=clock)
        slots = dataclasses.replace(self.slots, options=options)
        return dataclasses.replace(self, slots=slots)

    @property
    def scenario(self) -> Scenario:
        """[T] the slots."""
        return self.slots.scenario

    @property
    def capacity(self) -> Array:
        """[T, M, D] of bandwidth and compute (1), and slots where D = 3."""
        return self.slots.options.capacity

    def respond(self, ratio: float, price: Array) -> Nodes:
        """Returns the responses at a ratio y and prices [T, M, D]."""
        slots = self.slots
        n_slots, n_users, n_servers = slots.scenario.channel_gain.shape
        answer = slots.options.respond(np.full(n_slots, ratio), price, slots.constants)
        shape = (n_slots, n_users, n_servers, PARTS)
        part = answer.benefit.reshape(shape).argmax(axis=-1)[..., None]

        def best(value: Array) -> Array:
            return np.take_along_axis(value.reshape(shape), part, axis=-1)[..., 0]

        use = [best(answer.band), best(answer.compute)]
        if price.shape[-1] == 3:
            use.append(np.ones(shape[:-1]))
        return Nodes(best(answer.benefit), best(answer.cost), np.stack(use, axis=-1))

    def changes(self, server: Indices) -> Array:
        """Returns the cost of the migrations of paths [T, N], each [T, N]."""
        changed = np.zeros(server.shape, dtype=bool)
        changed[1:] = server[1:] != server[:-1]
        return np.where(changed, self.migration, 0.0)
