"""Solvers and rules of `dashf` as agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dashf
from agents.problems.tasks import AnyTask
from dashf.policy import ObservingPolicy
from dashf.registry import RANDOM
from mec_llm_env import Allocation, Scenario
from mec_llm_env.mobile.task import MobileTask

#: The share of a migration's cost that `hysteresis` minds; tuned on validation episodes
#: of mobile-10x2.
HYSTERESIS_WEIGHT = 0.3


def _hysteresis(task: MobileTask) -> dashf.SolverPolicy:
    return dashf.SolverPolicy(task, "dual", migration_weight=HYSTERESIS_WEIGHT)


#: What decides in `MecLlmMobile-v0` alone, on observations.
SEQUENTIAL: dict[str, Callable[[Any], ObservingPolicy]] = {
    "hysteresis": _hysteresis,
    "lookahead": dashf.LookaheadPolicy,
}


class SequentialAgent:
    """Decides slot after slot on observations, with a policy of `dashf`.

    Args:
        name: shown in tables; one of `SEQUENTIAL`, unless a policy is given.
        task: gives sizes, encodings, mobility and the objective.
        policy: what decides; that of the name if None.
    """

    def __init__(
        self, name: str, task: AnyTask, policy: ObservingPolicy | None = None
    ) -> None:
        self.name, self.task = name, task
        self._policy = SEQUENTIAL[name](task) if policy is None else policy

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action nearest to the allocation that is decided."""
        return self._policy.predict(observation, state, episode_start, deterministic)


class SolverAgent(SequentialAgent):
    """Decides with a solver, on scenarios and, as any policy, on observations.

    Args:
        name: one of `dashf.SOLVERS`.
        task: gives sizes, encodings and the objective.
        seed: of the agent's own randomness, if it has any.
    """

    def __init__(self, name: str, task: AnyTask, seed: int = 0) -> None:
        options: dict[str, Any] = {"seed": seed} if name in RANDOM else {}
        self._solver = dashf.SolverPolicy(task, solver=name, **options)
        super().__init__(name, task, self._solver)

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the solver's allocation, of the scenario's batch shape."""
        return self._solver.decide(scenario)
