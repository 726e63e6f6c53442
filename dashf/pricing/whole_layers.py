"""From a continuous split to one of whole layers.

At the prices of an allocation every pair has a best φ. The whole layers below and
above it are the two options of the user at that server, in place of the two parts of
the range of φ. What is nearest, what the prices prefer, and then single moves, of a
layer or to another server, are shared out for their given φ, where the problem is
concave.
"""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import ENDLESS, Clock, OutOfTime
from dashf.pair.split import adjacent_splits, whole_split
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.fast_sharing import share_fast
from dashf.pricing.options import Options, Prices
from dashf.pricing.rounding import Best, best_moves, share_options
from dashf.result import Iteration, SolveResult, Status
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.workload.layers import whole_layers

_ROUNDS, _CANDIDATES = 8, 8  # of moves, and how many are tried in each
_GAIN = 1e-6  # relative gain of SCR below which moves end


def relaxed(scenario: Scenario) -> Scenario:
    """Returns the scenario with a continuous split."""
    return Scenario.unchecked(**scenario.to_dict() | {"layers": None})


def with_whole_layers(
    scenario: Scenario,
    objective: ObjectiveConfig,
    allocation: Allocation,
    *,
    move: bool = True,
    clock: Clock = ENDLESS,
) -> tuple[Allocation, Array]:
    """Returns an allocation of whole layers near a continuous one, and its SCR.

    It is at least as good as rounding every φ to the nearest, or as is better for the
    user, and sharing the rest again.

    Args:
        scenario: batch shape [S], with `layers`.
        objective: weights and references.
        allocation: [S] feasible but for `layers`.
        move: whether users may be moved to other servers.
        clock: when to stop; then the best so far.
    """
    problem = Problem.of(scenario, objective, clock)
    best = _first(problem, allocation)
    with contextlib.suppress(OutOfTime):
        _move(*_layered(problem, allocation, best, move), best)
    return best.allocation(), best.scr


def _first(problem: Problem, z: Allocation) -> Best:
    """Returns quick roundings of the allocation, the best of them; asks no clock."""
    s, o, best = problem.scenario, problem.objective, Best(problem, z.association)
    scr = evaluate(s, z, o, check=False).scr
    for phi in (_nearest(s, z), whole_split(s, z, o, scr)):
        found = share_fast(s, o, z.association, phi)
        value = evaluate(s, found, o, check=False).scr
        for row in map(int, np.flatnonzero(value > best.scr)):
            best.put(row, found[row], float(value[row]))
    return best


def _nearest(s: Scenario, z: Allocation) -> Array:
    phi = whole_layers(z.local_fraction, s.layers)
    return np.clip(phi, s.local_fraction_min, s.local_fraction_max)


def _layered(
    problem: Problem, z: Allocation, best: Best, move: bool
) -> tuple[Options, Prices, Array]:
    """Offers first roundings; returns options of whole layers, prices, benefits."""
    s, options = problem.scenario, problem.options
    rows, own = np.arange(len(best.scr)), z.server * PARTS
    _, _, prices = share_options(problem, rows, own, phi=z.local_fraction)
    answer = options.respond(prices.ratio, prices.price, problem.constants)
    shape = (*s.channel_gain.shape, PARTS)
    part = answer.benefit.reshape(shape).argmax(axis=-1)[..., None]
    phi = np.take_along_axis(answer.phi.reshape(shape), part, axis=-1)[..., 0]
    here = z.association > 0.5
    phi = np.where(here, z.local_fraction[..., None], phi)
    layered = _with_two_options(problem, phi, None if move else here)
    best.problem, best.option = layered, z.server * PARTS

    # What is nearest, then what the prices prefer, at the servers that users have.
    low, high = (
        np.take_along_axis(side, own[..., None], axis=-1)[..., 0]
        for side in (layered.options.low, layered.options.low[..., 1:])
    )
    nearest = own + (np.abs(high - _nearest(s, z)) < np.abs(low - _nearest(s, z)))
    at = prices.ratio, prices.price, problem.constants
    benefit = layered.options.respond(*at).benefit
    preferred = np.take_along_axis(
        benefit.reshape(shape).argmax(axis=-1), z.server[..., None], axis=-1
    )[..., 0]
    for option in (nearest, own + preferred):
        best.offer(rows, option, prices)
    return layered.options, prices, benefit


def _with_two_options(problem: Problem, phi: Array, allowed: Array | None) -> Problem:
    """Returns the problem with the whole layers beside φ [S, N, M] as its options."""
    s, options = problem.scenario, problem.options
    table = options.table.copy()
    low, high = (
        np.broadcast_to(limit[..., None], phi.shape)
        for limit in (s.local_fraction_min, s.local_fraction_max)
    )
    layers = np.asarray(s.layers)[..., None]
    both = np.stack(adjacent_splits(phi, low, high, layers), axis=-1)
    table[..., 0] = table[..., 1] = both.reshape(table.shape[:-1])
    mask = options.allowed
    if allowed is not None:
        mask = mask & np.repeat(allowed, PARTS, axis=-1)
    changed = dataclasses.replace(options, table=table, allowed=mask)
    return dataclasses.replace(problem, options=changed)


def _move(options: Options, prices: Prices, benefit: Array, best: Best) -> None:
    """Makes single moves, of a layer or to another server, while that helps."""
    tried: set[tuple[int, bytes]] = set()
    rows = np.arange(len(best.scr))
    for _ in range(_ROUNDS):
        options.clock.check()
        before = best.scr.copy()
        which, option = best_moves(options, benefit, best, rows, _CANDIDATES, tried)
        if not len(which):
            return
        best.offer(which, option, prices)
        rows = np.flatnonzero(best.scr > before * (1 + _GAIN))
        if not len(rows):
            return


def whole_result(
    scenario: Scenario,
    objective: ObjectiveConfig,
    result: SolveResult,
    clock: Clock,
    *,
    move: bool = True,
    split: bool = True,
) -> SolveResult:
    """Returns the answer to the continuous problem, made one of whole layers.

    Users may be moved to other servers with `move`; without `split` every φ is that of
    whole layers already, and nothing is done.

    Its history is that of the search with a continuous split; the last row is what
    whole layers leave of it.
    """
    if not split:
        return dataclasses.replace(result, scenario=scenario)
    many = scenario.repeat(1)
    z, scr = with_whole_layers(
        many, objective, result.allocation.repeat(1), move=move, clock=clock
    )
    cost = evaluate(scenario, z[0], objective).cost.sum()
    moved = (z[0].association != result.allocation.association).any(axis=-1).sum()
    row = Iteration(
        block="layers",
        scr=float(scr[0]),
        ratio=result.scr,
        surplus=float((scr[0] - result.scr) * cost),
        moves=int(moved),
        time_s=clock.passed_s,
        programs=result.programs,
    )
    late = clock.left_s < 0
    return dataclasses.replace(
        result,
        status=Status.TIME_LIMIT if late else result.status,
        scenario=scenario,
        allocation=z[0],
        scr=float(scr[0]),
        history=(*result.history, row),
        iterations=result.iterations + 1,
        solve_time_s=clock.passed_s - result.build_time_s,
    )
