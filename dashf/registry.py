"""Every solver under its id, and batches of scenarios for all of them."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dashf.alternating.algorithm import solve
from dashf.alternating.baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.common.checks import check_callable, check_objective, check_scenario
from dashf.pricing.dual import solve_dual, solve_dual_batch
from dashf.result import SolveResult
from mec_llm_env import Allocation, ObjectiveConfig, Scenario
from mec_llm_env.names import did_you_mean
from mec_llm_env.ranges import shorten

Solver = Callable[..., SolveResult]


@functools.wraps(solve_dual)
def _dual(*arguments: Any, **options: Any) -> SolveResult:
    return solve_dual(*arguments, **options)[0]


@functools.wraps(solve_dual_batch)
def _dual_batch(*arguments: Any, **options: Any) -> Allocation:
    return solve_dual_batch(*arguments, **options)[0]


#: `(scenario, objective) -> SolveResult` by id, for a single scenario.
SOLVERS: dict[str, Solver] = {
    "aauco": solve_aauco,
    "dashf": solve,
    "dual": _dual,
    "edge": solve_edge,
    "gucro": solve_gucro,
    "local": solve_local,
}

#: `(scenarios, objective) -> Allocation` of the solvers that take a whole batch.
BATCHED: dict[str, Callable[..., Allocation]] = {"dual": _dual_batch}


def decide(
    name: str,
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    progress: Callable[[int], Any] | None = None,
    **options: Any,
) -> Allocation:
    """Returns a solver's allocations for a scenario or a batch.

    One scenario after another, unless the solver takes a batch as a whole.

    Args:
        name: key of `SOLVERS`.
        scenario: batch shape `[...]`, any.
        objective: weights and references; the default ones if None.
        progress: called with the number of scenarios done, after each if it can be.
        **options: passed on to the solver, such as `config` for "dashf".

    Raises:
        ValueError: there is no such solver, it has no such option, or an argument is
            of another kind.
    """
    check_options(name, options)
    solver, s = find_solver(name), check_scenario(scenario)
    objective = check_objective(objective)
    if progress is not None:
        check_callable("progress", progress)
    if s.batch_shape == ():
        return solver(s, objective, **options).allocation
    if name in BATCHED:
        whole = BATCHED[name](s, objective, **options)
        if progress is not None:
            progress(math.prod(s.batch_shape))
        return whole
    allocations = []
    for index in np.ndindex(*s.batch_shape):
        allocations.append(solver(s[index], objective, **options).allocation)
        if progress is not None:
            progress(len(allocations))
    flat = Allocation.stack(allocations)
    return flat.map(lambda field: field.reshape(*s.batch_shape, *field.shape[1:]))


def find_solver(name: str) -> Solver:
    """Returns the solver of an id.

    Raises:
        ValueError: there is none.
    """
    if isinstance(name, str) and name in SOLVERS:
        return SOLVERS[name]
    if isinstance(name, str) and name in _ELSEWHERE:
        raise ValueError(
            f"{name!r} is no solver of `decide`: {_ELSEWHERE[name]}. The solvers are "
            f"{', '.join(SOLVERS)}."
        )
    hint = did_you_mean(name, SOLVERS) or f" Choose from {', '.join(SOLVERS)}."
    raise ValueError(f"There is no solver {shorten(name)}.{hint}")


#: Ids that are known, but not of a solver.
_ELSEWHERE = {
    "exact": "call `dashf.solve_exact`",
    "random": "it is a rule, `dashf.rules.random_allocation`, and an agent of the "
    "repository, `agents.make_agent`",
    "rucaa": "it is a rule, `average_allocation` of `random_association` in "
    "`dashf.rules`, and an agent of the repository, `agents.make_agent`",
    "gucaa": "it is a rule, `average_allocation` of `strongest_channel` in "
    "`dashf.rules`, and an agent of the repository, `agents.make_agent`",
}


def check_options(name: str, options: dict[str, Any]) -> None:
    """Refuses options that a solver does not have.

    Raises:
        ValueError: it has one of them not, or there is no such solver.
    """
    known = list(inspect.signature(find_solver(name)).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(
                f"The solver {name!r} has no option {option!r}; it has "
                f"{', '.join(known) or 'none'}."
            )
