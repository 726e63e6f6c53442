"""`dual`: near-optimal allocations with a certificate, from the prices of the bound.

The prices leave a few users (about as many as there are prices) split between servers
or values of φ. Rounding them in the most likely ways, then single moves in the order of
their priced gain, gives the allocation; the bound is valid whatever that finds.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dashf.bounds import PARTS, Bound, Problem, check_tolerance
from dashf.pricing import Prices, find_prices
from dashf.result import Iteration, SolveResult, Status
from dashf.sharing import share_options
from mec_llm_env import Allocation, ObjectiveConfig, Scenario
from mec_llm_env.assignment import round_assignment

Array = Any  # NumPy only

_SPLIT = 1e-3  # a choice above it is one of several of its user
_GAIN = 1e-6  # relative gain of SCR below which moves end


def solve_dual(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
) -> tuple[SolveResult, Bound]:
    """Returns a near-optimal allocation of one scenario and its certified bound.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        tolerance: relative slack of the bound's certificate.
        rounds: of moves, at most.
        candidates: allocations that are tried in a round.

    Raises:
        ValueError: the scenario is a batch (`solve_dual_batch` takes them), or an
            option is out of range.
    """
    start = time.perf_counter()
    if scenario.batch_shape:
        raise ValueError(
            "`scenario` must be a single one, batch shape (); got "
            f"{scenario.batch_shape}. `solve_dual_batch` takes batches."
        )
    objective = objective or ObjectiveConfig()
    allocation, history, bound = _solve(
        scenario, objective, tolerance, rounds, candidates
    )
    rows = tuple(
        Iteration(
            block=block,
            scr=float(scr[0]),
            ratio=float(bound.ratio),
            surplus=0.0 if i == 0 else float(scr[0] - history[i - 1][1][0]),
            moves=int(moves[0]),
            time_s=at_s - start,
        )
        for i, (block, scr, moves, at_s) in enumerate(history)
    )
    result = SolveResult(
        status=Status.CONVERGED,
        allocation=allocation,
        scr=float(history[-1][1][0]),
        history=rows,
        iterations=len(rows),
        build_time_s=0.0,
        solve_time_s=time.perf_counter() - start,
    )
    return result, bound


def solve_dual_batch(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    rounds: int = 4,
    candidates: int = 6,
) -> tuple[Allocation, Array, Bound]:
    """Returns allocations, their SCR `[...]` and certified bounds of a batch.

    Arguments and errors are those of `solve_dual`.
    """
    allocation, history, bound = _solve(
        scenario, objective or ObjectiveConfig(), tolerance, rounds, candidates
    )
    return allocation, history[-1][1].reshape(scenario.batch_shape), bound


def _solve(
    scenario: Scenario,
    objective: ObjectiveConfig,
    tolerance: float,
    rounds: int,
    candidates: int,
) -> tuple[Allocation, list[tuple[str, Array, Array, float]], Bound]:
    start = time.perf_counter()
    check_tolerance(tolerance)
    for name, value, least in (("rounds", rounds, 0), ("candidates", candidates, 1)):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}; got {value}.")

    # The bound, and with it the prices.
    problem = Problem.of(scenario, objective)
    prices = find_prices(problem.options, problem.constants, problem.first_ratio())
    value, ratio = problem.certify(prices, tolerance)
    bound = problem.bound(prices, value, ratio, tolerance, time.perf_counter() - start)

    # The likeliest roundings, then single moves.
    rows, option = likely_choices(problem, prices, candidates)
    best = Best(problem, prices)
    best.offer(rows, option)
    none = np.zeros(len(value), dtype=int)
    history = [("rounding", best.scr.copy(), none, time.perf_counter())]
    open_rows = np.flatnonzero(value > best.scr * (1 + tolerance))
    tried: set[bytes] = set()
    for _ in range(rounds):
        if not len(open_rows):
            break
        before = best.scr.copy()
        rows, option = best_moves(problem, prices, best, open_rows, candidates, tried)
        if not len(rows):
            break
        best.offer(rows, option)
        gained = best.scr > before * (1 + _GAIN)
        history.append(
            ("move", best.scr.copy(), gained.astype(int), time.perf_counter())
        )
        closed = value <= best.scr * (1 + tolerance)
        open_rows = np.flatnonzero(gained & ~closed)
    batch = problem.batch_shape
    allocation = best.allocation().map(lambda a: a.reshape((*batch, *a.shape[1:])))
    return allocation, history, bound


class Best:
    """The best allocation of each scenario so far."""

    def __init__(self, problem: Problem, prices: Prices) -> None:
        self.problem, self.prices = problem, prices
        n_scenarios, n_users, _ = problem.options.low.shape
        self.scr = np.zeros(n_scenarios)
        self.option = np.zeros((n_scenarios, n_users), dtype=int)
        self._allocations: list[Allocation | None] = [None] * n_scenarios

    def offer(self, rows: Array, option: Array) -> None:
        """Shares resources for candidates and keeps what is better."""
        p = self.prices
        start = Prices(
            ratio=p.ratio[rows],
            price=p.price[rows][..., :2],
            choice=np.ones((*option.shape, 1)),
            cost=p.cost[rows],
            iterations=p.iterations[rows],
        )
        allocation, scr, _ = share_options(self.problem, rows, option, start=start)
        for i in np.argsort(scr, kind="stable"):
            row = rows[i]
            if scr[i] > self.scr[row]:
                self.scr[row], self.option[row] = scr[i], option[i]
                self._allocations[row] = allocation[int(i)]

    def allocation(self) -> Allocation:
        """Returns the best allocations, batch shape [S]."""
        found = [allocation for allocation in self._allocations if allocation]
        assert len(found) == len(self._allocations)
        return Allocation.stack(found)


def likely_choices(problem: Problem, prices: Prices, count: int) -> tuple[Array, Array]:
    """Returns the most likely roundings of the fractional choice.

    Users that the choice does not split keep their option. The others take, together,
    the combinations of highest product of their choices.

    Returns:
        rows [C] of the scenarios, options [C, N].
    """
    rows: list[int] = []
    options: list[Array] = []
    limited = problem.options.capacity.shape[-1] == 3
    for row, choice in enumerate(prices.choice):
        order = np.argsort(-choice, axis=-1, kind="stable")
        first = order[:, 0]
        if limited:
            by_server = choice.reshape(len(choice), -1, PARTS)
            slots = problem.options.capacity[row, :, 2]
            server = round_assignment(by_server.max(axis=-1), slots).argmax(axis=-1)
            users = np.arange(len(choice))
            first = server * PARTS + by_server[users, server].argmax(axis=-1)
        split = np.flatnonzero(
            np.take_along_axis(choice, order, axis=-1)[:, 1] > _SPLIT
        )
        log_choice = np.log(np.maximum(choice, 1e-12))
        beam = [(0.0, first)]
        for user in split:
            second = order[user, 0] if order[user, 0] != first[user] else order[user, 1]
            loss = log_choice[user, first[user]] - log_choice[user, second]
            other = []
            for total, option in beam:
                changed = option.copy()
                changed[user] = second
                other.append((total + loss, changed))
            beam = sorted(beam + other, key=lambda item: item[0])[:count]
        for _, option in beam:
            if not limited or _fits(problem, row, option):
                rows.append(row)
                options.append(option)
    return np.array(rows, dtype=int), np.stack(options)


def _fits(problem: Problem, row: int, option: Array) -> bool:
    slots = problem.options.capacity[row, :, 2]
    load = np.bincount(option // PARTS, minlength=len(slots))
    return bool((load <= slots).all())


def best_moves(
    problem: Problem,
    prices: Prices,
    best: Best,
    open_rows: Array,
    count: int,
    tried: set[bytes],
) -> tuple[Array, Array]:
    """Returns the single moves that lose least at the prices, not tried before.

    With finite `max_users` a move into a full server takes a user of it along: a swap.
    """
    options = problem.options.take(open_rows)
    answer = options.respond(
        prices.ratio[open_rows], prices.price[open_rows], problem.constants
    )
    rows: list[int] = []
    found: list[Array] = []
    for row, benefit in zip(open_rows, answer.benefit, strict=True):
        current = best.option[row]
        users = np.arange(len(current))
        loss = benefit[users, current][:, None] - benefit
        loss[users, current] = np.inf
        taken = 0
        for index in np.argsort(loss, axis=None, kind="stable")[: 8 * count]:
            user, option = np.unravel_index(index, loss.shape)
            if not np.isfinite(loss[user, option]):
                break
            moved = current.copy()
            moved[user] = option
            if options.capacity.shape[-1] == 3 and not _fits(problem, row, moved):
                inside = np.flatnonzero(current // PARTS == option // PARTS)
                swaps = loss[inside][:, current[user]]
                if not len(inside):
                    continue
                moved[inside[swaps.argmin()]] = current[user]
                if not _fits(problem, row, moved):
                    continue
            key = np.append(moved, row).tobytes()
            if key in tried:
                continue
            tried.add(key)
            rows.append(row)
            found.append(moved)
            taken += 1
            if taken == count:
                break
    if not found:
        return np.array([], dtype=int), np.zeros((0, len(best.option[0])), dtype=int)
    return np.array(rows, dtype=int), np.stack(found)
