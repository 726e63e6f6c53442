"""Solvers and rules of `dashf` as agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dashf
from agents.problems.tasks import AnyTask
from dashf.policy import ObservingPolicy
from dashf.registry import RANDOM
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


def solver_agent(name: str, task: AnyTask, seed: int = 0) -> dashf.SolverPolicy:
    """Returns a solver that decides on scenarios and, as any policy, on observations.

    Args:
        name: one of `dashf.SOLVERS`.
        task: gives sizes, encodings and the objective.
        seed: of the agent's own randomness, if it has any.
    """
    options: dict[str, Any] = {"seed": seed} if name in RANDOM else {}
    return dashf.SolverPolicy(task, solver=name, **options)
