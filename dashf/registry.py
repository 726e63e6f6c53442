"""The front door: every solver by its id, for one scenario and for batches."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from dashf.alternating.algorithm import solve_dashf
from dashf.alternating.baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.alternating.config import DashfConfig
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.checks import (
    check_callable,
    check_count,
    check_flag,
    check_objective,
    check_scenario,
    check_single,
)
from dashf.common.clock import Clock
from dashf.common.parallel import completed
from dashf.pricing.dual import solve_dual, solve_dual_batch, upper_bound
from dashf.pricing.exact import solve_exact
from dashf.result import BatchResult, Bound, Recorder, SolveResult, Status
from dashf.rules import (
    average_allocation,
    random_allocation,
    random_association,
    strongest_channel,
)
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.names import did_you_mean
from mec_llm_env.ranges import shorten

Seed = int | np.random.Generator
Result = TypeVar("Result", SolveResult, BatchResult)


def _random(scenario: Scenario, *, seed: Seed = 0) -> Allocation:
    return random_allocation(scenario, _generator(seed))


def _rucaa(scenario: Scenario, *, seed: Seed = 0) -> Allocation:
    association = random_association(scenario, _generator(seed))
    return average_allocation(scenario, association)


def _gucaa(scenario: Scenario) -> Allocation:
    return average_allocation(scenario, strongest_channel(scenario))


def _generator(seed: Seed) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(check_count("seed", seed, 0))


#: Solvers that search, and take a time limit: `(scenario, objective, …)`.
_SEARCHES: dict[str, Callable[..., SolveResult]] = {
    "dashf": solve_dashf,
    "dual": solve_dual,
    "exact": solve_exact,
    "gucro": solve_gucro,
    "aauco": solve_aauco,
    "local": solve_local,
    "edge": solve_edge,
}
#: Rules that decide at once, on batches of any shape: `(scenario, …) -> Allocation`.
_RULES: dict[str, Callable[..., Allocation]] = {
    "gucaa": _gucaa,
    "rucaa": _rucaa,
    "random": _random,
}
#: Ids of all solvers.
SOLVERS = (*_SEARCHES, *_RULES)
#: Those that draw at random, from a `seed`.
RANDOM = ("rucaa", "random")


def solve(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    solver: str = "dashf",
    bound: bool = False,
    time_limit_s: float | None = None,
    **options: Any,
) -> SolveResult:
    """Maximises the SCR of one scenario.

    | solver | what it is | options |
    |---|---|---|
    | `dashf` | the paper's algorithm, made near-optimal | fields of `DashfConfig` |
    | `dual` | prices, rounding, moves; with a bound | `tolerance`, `rounds`, |
    | | | `candidates`, `nodes` |
    | `exact` | branch and bound to a `gap`; with a bound | `gap` |
    | `gucro` | strongest channel, all else optimised | `tolerance` |
    | `aauco` | association optimised, average resources | `sdr`, `max_iterations` |
    | `local`, `edge` | as `gucro`, with φ at its limit | `tolerance` |
    | `gucaa` | strongest channel, average resources | |
    | `rucaa` | random servers, average resources | `seed` |
    | `random` | a random action, decoded | `seed` |

    Args:
        scenario: a single one, batch shape (); `solve_batch` takes many.
        objective: weights and references; the default ones if None.
        solver: one of `SOLVERS`.
        bound: whether to certify an upper bound too. `dual` and `exact` come with one.
        time_limit_s: when the solver is to stop, s, and after it the search for a bound
            that was asked for; None for the solver's own limit, which is 60 s for
            `exact` (infinity for none) and none for the others. Rules need none. Limits
            below 0.1 s count as 0.1 s.
        **options: of the solver. A seed is an integer or a NumPy generator.

    Returns:
        A feasible allocation, its SCR, how the search ended, and the bound.

    Raises:
        ValueError: there is no such solver, it has no such option, the scenario is a
            batch, or an argument is of another kind.
    """
    check_options(solver, options)
    s, o = check_single(scenario), check_objective(objective)
    wanted = check_flag("bound", bound)
    recorder = Recorder(s, Budget(time_limit_s))
    if solver in _RULES:
        allocation = _RULES[solver](s, **options)
        decided = allocation, evaluate(s, allocation, o)
        recorder.start(decided)
        result = recorder.result(Status.CONVERGED, *decided)
    else:
        result = _search(solver, time_limit_s, options)(s, o)
    return _with_bound(result, wanted, o, time_limit_s)


def solve_batch(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    solver: str = "dashf",
    bound: bool = False,
    time_limit_s: float | None = None,
    progress: Callable[[int], Any] | None = None,
    jobs: int = 1,
    **options: Any,
) -> BatchResult:
    """Maximises the SCR of each scenario of a batch.

    `dual` and the rules take the batch as a whole; the other solvers take one scenario
    after another, or `jobs` of them at once.

    Args:
        scenario: batch shape `[...]`, any.
        objective: weights and references; the default ones if None.
        solver: one of `SOLVERS`; see `solve` for them and their options.
        bound: whether to certify upper bounds too.
        time_limit_s: when the solver is to stop, s: for the whole batch with `dual` and
            with bounds that were asked for, for each scenario with the others.
        progress: called with the number of scenarios done, after each if it can be.
        jobs: processes that take scenarios, at most, of solvers that do not take the
            batch as a whole. They are joblib's: local ones, unless
            `joblib.parallel_config` names another backend. If one is killed, what it
            was at is begun again.
        **options: of the solver.

    Returns:
        Feasible allocations, their SCR, how each search ended, and the bounds.

    Raises:
        ValueError: there is no such solver, it has no such option, the batch is empty,
            or an argument is of another kind.
        dashf.common.parallel.WorkersLostError: processes were killed again and again.
    """
    check_options(solver, options)
    s, o = check_scenario(scenario), check_objective(objective)
    wanted = check_flag("bound", bound)
    done = check_callable("progress", _ignore if progress is None else progress)
    jobs = check_count("jobs", jobs, 1)
    clock = Clock.limited(time_limit_s)
    if solver in _RULES:
        allocation = _RULES[solver](s, **options)
        result = BatchResult(
            status=np.full(s.batch_shape, Status.CONVERGED),
            scenario=s,
            allocation=allocation,
            scr=evaluate(s, allocation, o).scr,
            time_s=clock.passed_s,
        )
    elif solver == "dual":
        result = solve_dual_batch(s, o, time_limit_s=time_limit_s, **options)
    else:
        search = _search(solver, time_limit_s, options)
        result = _one_by_one(search, s, o, done, jobs)
    if solver in _RULES or solver == "dual":
        done(math.prod(s.batch_shape))
    return _with_bound(result, wanted, o, time_limit_s)


def _with_bound(
    result: Result, wanted: bool, o: ObjectiveConfig, time_limit_s: float | None
) -> Result:
    """Returns the result with a bound if one is wanted and it has none."""
    if not wanted or result.bound is not None:
        return result
    bound = upper_bound(result.scenario, o, time_limit_s=time_limit_s)
    return dataclasses.replace(result, bound=bound)


def _ignore(count: int) -> None:
    """Does nothing, where no progress is asked for."""


def _search(
    solver: str, time_limit_s: float | None, options: dict[str, Any]
) -> Callable[..., SolveResult]:
    """Returns `(scenario, objective) -> SolveResult` with the options in place."""
    given: dict[str, Any] = (
        {} if time_limit_s is None else {"time_limit_s": time_limit_s}
    )
    if solver == "dashf":
        return partial(solve_dashf, config=DashfConfig(**options), **given)
    return partial(_SEARCHES[solver], **options, **given)


def _one_by_one(
    search: Callable[..., SolveResult],
    s: Scenario,
    o: ObjectiveConfig,
    done: Callable[[int], Any],
    jobs: int,
) -> BatchResult:
    begin = time.perf_counter()
    scenarios = [s[index] for index in np.ndindex(*s.batch_shape)]
    decide = partial(search, objective=o)
    found: dict[int, SolveResult] = {}
    for i, result in completed(decide, scenarios, jobs):
        found[i] = result
        done(len(found))
    results = [found[i] for i in range(len(scenarios))]

    def shaped(values: Any) -> Array:
        return np.reshape(values, (*s.batch_shape, *np.shape(values)[1:]))[()]

    bounds = [result.bound for result in results if result.bound is not None]
    return BatchResult(
        status=np.array([r.status for r in results]).reshape(s.batch_shape),
        scenario=s,
        allocation=Allocation.stack([r.allocation for r in results]).unflatten(
            s.batch_shape
        ),
        scr=shaped([r.scr for r in results]),
        time_s=time.perf_counter() - begin,
        bound=Bound.joined(bounds, s.batch_shape) if bounds else None,
    )


def check_options(solver: str, options: dict[str, Any]) -> None:
    """Refuses options that a solver does not have.

    Raises:
        ValueError: an option or a solver does not exist, or a value is out of range.
    """
    known = options_of(check_solver(solver))
    for option in options:
        if option not in known:
            hint = did_you_mean(option, known)
            raise ValueError(
                f"The solver {solver!r} has no option {option!r}.{hint} It has "
                f"{', '.join(known) or 'none'}."
            )
    if solver == "dashf":
        DashfConfig(**options)
    if solver in RANDOM and "seed" in options:
        _generator(options["seed"])


def check_solver(solver: str) -> str:
    """Returns the id of a solver.

    Raises:
        ValueError: there is none of that id.
    """
    if isinstance(solver, str) and solver in SOLVERS:
        return solver
    hint = did_you_mean(solver, SOLVERS) or f" Choose from {', '.join(SOLVERS)}."
    raise ValueError(f"There is no solver {shorten(solver)}.{hint}")


@functools.cache
def options_of(solver: str) -> tuple[str, ...]:
    """Returns the names of a solver's options, beside those that all have."""
    if solver == "dashf":
        return tuple(field.name for field in dataclasses.fields(DashfConfig))
    signature = inspect.signature({**_SEARCHES, **_RULES}[solver])
    keywords = [
        p.name for p in signature.parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    return tuple(name for name in keywords if name != "time_limit_s")
