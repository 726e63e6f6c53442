"""The baselines of this literature that optimise, each without one part of DASHF.

| id | association | resources and split |
|---|---|---|
| aauco | optimised: block 1 | average: equal shares, φ = 0.5, everything at full |
| gucro | greedy: strongest channel | optimised: block 2, φ and f |
| local, edge | greedy | all work as local, as remote as allowed; the rest optimised |

They take a single scenario. With `layers`, a split that is optimised is rounded to
whole layers at the end, and the resources are shared again. With finite `max_users`,
strongest channel means the Hungarian assignment of the log-gains.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from dashf.alternating.association import FORMULATIONS, formulation_of, propose
from dashf.alternating.continuous import evaluated, optimise_continuous
from dashf.alternating.resource_program import prepare
from dashf.alternating.resources import shadow_prices
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.checks import (
    check_choice,
    check_count,
    check_objective,
    check_single,
    check_tolerance,
)
from dashf.common.clock import Clock
from dashf.pair.split import Offers
from dashf.pricing.whole_layers import relaxed, whole_result
from dashf.result import Recorder, SolveResult, Status
from dashf.rules import average_allocation, starting_allocation, strongest_channel
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.allocation import one_hot

#: N·M of all associations that are evaluated between two looks at the clock.
_AT_ONCE = 200_000


def solve_greedy(
    split: str | None,
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-7,
    time_limit_s: float | None = None,
) -> SolveResult:
    """Strongest channel; power, bandwidth, frequencies and the split optimised.

    Args:
        split: the field of the scenario that every φ is to be; None: optimised, too.
        scenario: a single one.
        objective: weights and references; the default ones if None.
        tolerance: relative gain of the SCR at which to stop.
        time_limit_s: when to stop, s; None for no limit.

    Raises:
        ValueError: the scenario is a batch, or an argument is out of range.
    """
    s = check_single(scenario)
    o, tolerance = check_objective(objective), check_tolerance(tolerance, 1e-15)
    if s.layers is not None:
        clock = Clock.limited(time_limit_s)
        found = solve_greedy(
            split, relaxed(s), o, tolerance=tolerance, time_limit_s=time_limit_s
        )
        return whole_result(s, o, found, clock, move=False, split=split is None)
    budget = Budget(time_limit_s)
    recorder = Recorder(s, budget)
    start = starting_allocation(s, strongest_channel(s), o)
    if split is not None:
        start = start.changed(local_fraction=getattr(s, split))
    point = evaluated(s, start, o)
    recorder.start(point)
    with recorder.building():
        in_time = prepare(s.n_users, budget)
    if not in_time:
        return recorder.result(Status.TIME_LIMIT, *point)
    result = optimise_continuous(
        s,
        start,
        o,
        fixed_split=split is not None,
        tolerance=tolerance,
        on_pass=lambda point, ratio: recorder.row("resources", point, ratio, 0),
        budget=budget,
    )
    return recorder.result(result.status, *result.point)


solve_gucro = partial(solve_greedy, None)
solve_local = partial(solve_greedy, "local_fraction_max")
solve_edge = partial(solve_greedy, "local_fraction_min")


def solve_aauco(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    sdr: str = "auto",
    max_iterations: int = 100,
    time_limit_s: float | None = None,
) -> SolveResult:
    """Block 1 for the association; shares, split, power and frequency stay average.

    A user that would move is offered an equal share of its new server and charged the
    average marginal surplus of what it takes from others. Where block 1's proposal is
    not better, the best single move or exchange is taken instead, until none is.

    Args:
        scenario: a single one.
        objective: weights and references; the default ones if None.
        sdr: formulation of block 1, see `relax`; "auto" for one that fits the size.
        max_iterations: associations taken at most.
        time_limit_s: when to stop, s; None for no limit.

    Raises:
        ValueError: the scenario is a batch, or an argument is out of range.
    """
    s, o = check_single(scenario), check_objective(objective)
    check_choice("sdr", sdr, ("auto", *FORMULATIONS))
    max_iterations = check_count("max_iterations", max_iterations, 0)
    budget = Budget(time_limit_s)
    recorder = Recorder(s, budget)
    best = evaluated(s, average_allocation(s, strongest_channel(s)), o)
    recorder.start(best)
    split = best[0].local_fraction
    pinned = s.changed(local_fraction_min=split, local_fraction_max=split)
    status, formulation = Status.ITERATION_LIMIT, formulation_of(sdr, s)
    for _ in range(max_iterations):
        z, ratio = best[0], float(best[1].scr)
        options = _equal_offers(s, z, o, ratio)
        proposed = propose(pinned, z, o, ratio, options, sdr=formulation, budget=budget)
        better = _best_average(s, proposed.association[None], o)
        if not better[1].scr > ratio:
            better = _best_neighbour(s, z.association, o, budget) or best
        if better[1].scr > ratio:
            changed = (better[0].association != z.association).any(axis=-1).sum()
            best = better
            recorder.row("association", best, ratio, int(changed))
        elif not budget.spent():
            status = Status.CONVERGED
            break
        if budget.spent():
            status = Status.TIME_LIMIT
            break
    return recorder.result(status, *best)


def _equal_offers(
    s: Scenario, z: Allocation, o: ObjectiveConfig, ratio: float
) -> Offers:
    """Returns equal shares at every server, one user more where it is not yet."""
    load = z.association.sum(axis=0) + (1 - z.association)  # [N, M]
    bandwidth, compute = s.bandwidth_max_hz / load, s.server_frequency_max_hz / load
    band_price, compute_price = map(np.nan_to_num, shadow_prices(s, z, o, ratio=ratio))
    return Offers(
        transmit_power_w=np.broadcast_to(s.transmit_power_max_w[:, None], load.shape),
        bandwidth_hz=bandwidth,
        server_frequency_hz=compute,
        rent=(band_price + compute_price) / load,
    )


def _best_neighbour(
    s: Scenario, association: Array, o: ObjectiveConfig, budget: Budget
) -> tuple[Allocation, Any] | None:
    """Returns the best after one user moved, or two exchanged places."""
    server = association.argmax(axis=-1)
    room = association.sum(axis=0) < s.max_users
    moves = np.argwhere((association == 0) & room)  # user, server
    apart = server[:, None] != server
    swaps = np.argwhere(apart & np.tri(len(server), k=-1, dtype=bool))  # two users
    at_once = max(1, _AT_ONCE // association.size)
    best: tuple[Allocation, Any] | None = None
    for kind, pairs in (("move", moves), ("swap", swaps)):
        for first in range(0, len(pairs), at_once):
            if budget.spent():
                return best
            one, other = pairs[first : first + at_once].T
            row = np.arange(len(one))
            there = np.broadcast_to(server, (len(row), len(server))).copy()
            if kind == "move":
                there[row, one] = other
            else:
                there[row, one], there[row, other] = server[other], server[one]
            found = _best_average(s, one_hot(there, s.n_servers), o)
            if best is None or found[1].scr > best[1].scr:
                best = found
    return best


def _best_average(
    s: Scenario, associations: Array, o: ObjectiveConfig
) -> tuple[Allocation, Any]:
    """Returns the best of some associations with average resources, and its outcome."""
    many = s.repeat(len(associations))
    allocations = average_allocation(many, associations)
    best = int(evaluate(many, allocations, o, check=False).scr.argmax())
    return evaluated(s, allocations[best], o)
