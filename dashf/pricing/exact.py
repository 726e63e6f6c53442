"""`exact`: branch and bound to a given gap, from the bound and allocation of `dual`."""

from __future__ import annotations

import dataclasses

import numpy as np

from dashf.common.checks import check_number, check_objective, check_single
from dashf.common.clock import Clock
from dashf.pricing.branch_and_bound import Search
from dashf.pricing.priced_search import PricedSearch
from dashf.result import Iteration, SolveResult, Status
from mec_llm_env import ObjectiveConfig, Scenario, evaluate

_ROOT_SHARE = 0.5  # of the time: what the search for a first allocation may take


def solve_exact(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    gap: float = 1e-3,
    time_limit_s: float | None = 60.0,
) -> SolveResult:
    """Finds an allocation within `gap` of the optimum, and the bound that proves it.

    On the time limit: the best allocation and the best valid bound so far, with status
    `TIME_LIMIT`. The prices of the bound are those of the root.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        gap: relative, of the bound to the SCR; at least 1e-6.
        time_limit_s: when to stop, s; None for no limit.

    Raises:
        ValueError: the scenario is a batch, or a number is out of range.
    """
    clock = Clock.limited(time_limit_s)
    s, o = check_single(scenario), check_objective(objective)
    gap = check_number("gap", gap, 1e-6, 1)
    root = PricedSearch(s, o, clock, tolerance=gap / 20)
    root.improve(clock.part(_ROOT_SHARE))
    allocation, scr = root.best.allocation()[0], float(root.best.scr[0])
    search = Search(
        dataclasses.replace(root.whole(), batch_shape=()),
        *(allocation, scr, float(root.bound.value)),
        gap=gap,
    )
    history: list[Iteration] = []

    def record(block: str = "branch") -> None:
        cost = evaluate(s, search.allocation, o).cost.sum()
        history.append(
            Iteration(
                block=block,
                scr=search.scr,
                ratio=search.value,
                surplus=float((search.scr - search.value) * cost),
                moves=0,
                time_s=clock.passed_s,
            )
        )

    record("start")
    if root.prices is not None:
        search.combine(root.prices)
        record("sets")
        search.run(on_batch=record)
    closed = search.value <= search.scr * (1 + gap)
    bound = dataclasses.replace(
        root.bound,
        value=np.asarray(search.value),
        gap=np.asarray(search.value / search.scr - 1),
        looseness=np.minimum(root.bound.looseness, search.value / search.scr - 1),
        time_s=clock.passed_s,
    )
    return SolveResult(
        status=Status.CONVERGED if closed else _open_status(clock),
        scenario=s,
        allocation=search.allocation,
        scr=search.scr,
        history=tuple(history),
        iterations=search.nodes + 1,
        build_time_s=0.0,
        solve_time_s=clock.passed_s,
        bound=bound,
    )


def _open_status(clock: Clock) -> Status:
    return Status.TIME_LIMIT if clock.left_s <= 0 else Status.ITERATION_LIMIT
