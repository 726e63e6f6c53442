"""From prices to allocations: rounding of fractional choices, and moves.

A candidate gives each user one option, a server and a part of the range of φ. For given
φ the problem is concave in the shares (docs/bounds.md), so its two prices a server
decide: no relaxation, no CVXPY. All candidates of a batch are one solve.
"""

from __future__ import annotations

import math

import numpy as np

from dashf.common.arrays import Array, Indices, rows_of
from dashf.common.capacity import fit_capacity
from dashf.pair.split import optimal_split
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.clearing import clear
from dashf.pricing.fast_sharing import share_fast
from dashf.pricing.options import Options, Prices, PriceSolution
from dashf.pricing.price_search import mixed
from dashf.rules import average_allocation, strongest_channel
from mec_llm_env import Allocation, Outcome, evaluate
from mec_llm_env.assignment import round_assignment


def share_options(
    problem: Problem,
    rows: Indices,
    option: Indices,
    *,
    start: Prices | None = None,
    phi: Array | None = None,
) -> tuple[Allocation, Outcome, Prices]:
    """Shares resources where each user has one option.

    Args:
        problem: of scenarios.
        rows: [C] the scenario of each candidate.
        option: [C, N] the option of each user.
        start: prices to start from, of each candidate.
        phi: [C, N] φ, instead of the option's range.

    Returns:
        allocation [C], its outcome [C] and prices [C].
    """
    ratio = problem.first_ratio()[rows] if start is None else start.ratio
    price = None if start is None else start.price
    prices, answer = clear(
        problem.options, problem.constants, rows, option, ratio, phi=phi, price=price
    )
    s = problem.scenarios(rows)
    server = option // PARTS
    x = (server[..., None] == np.arange(s.n_servers)).astype(np.float64)

    def at_server(value: Array) -> Array:
        return np.vecdot(x, value[:, None, :])

    allocation = fit_capacity(
        s,
        Allocation.unchecked(
            association=x,
            local_fraction=answer.phi,
            transmit_power_w=answer.power * s.transmit_power_max_w,
            bandwidth_hz=answer.band * at_server(s.bandwidth_max_hz),
            user_frequency_hz=rows_of(problem.user_frequency_hz, rows),
            server_frequency_hz=answer.compute * at_server(s.server_frequency_max_hz),
        ),
    )
    return allocation, evaluate(s, allocation, problem.objective, check=False), prices


def polish(
    problem: Problem,
    rows: Indices,
    option: Indices,
    allocation: Allocation,
    start: Prices,
    *,
    passes: int,
) -> tuple[Allocation, Array]:
    """Improves φ and the shares in turn, each at its optimum given the other.

    Where a user's best φ jumps at the prices, no prices share out everything: this
    finds the φ between. The SCR never falls.
    """
    s, o = problem.scenario[rows], problem.objective
    best, scr = allocation, evaluate(s, allocation, o, check=False).scr
    phi = allocation.local_fraction
    for i in range(passes):
        wanted = optimal_split(s, best, o, scr).local_fraction
        step = 1.0 if i % 2 == 0 else 3.0  # longer steps where the turns are slow
        low, high = s.local_fraction_min, s.local_fraction_max
        phi = best.local_fraction + step * (wanted - best.local_fraction)
        phi = np.clip(phi, low, high)
        found, outcome, start = share_options(
            problem, rows, option, start=start, phi=phi
        )
        better = outcome.scr > scr
        scr = np.where(better, outcome.scr, scr)
        best = Allocation.where(better, found, best)
    return best, scr


class Best:
    """The best allocation of each scenario so far."""

    def __init__(self, problem: Problem, association: Array | None = None) -> None:
        self.problem = problem
        s = problem.scenario
        x = strongest_channel(s) if association is None else association
        # In a hurry this may be the answer; else the prices will give a better one.
        hurry = problem.options.clock.limits
        first = (
            share_fast(s, problem.objective, x) if hurry else average_allocation(s, x)
        )
        outcome = evaluate(s, first, problem.objective, check=False)
        self.scr, self._cost = outcome.scr, outcome.cost.sum(axis=-1)
        self.limit = np.zeros(len(self.scr))  # of the SCR with the options it has
        self.option = first.server * PARTS
        self._allocations = [first[i] for i in range(len(self.scr))]

    def put(self, row: int, allocation: Allocation, scr: float) -> None:
        """Sets the allocation of a scenario, found by branch and bound."""
        self._allocations[row], self.scr[row], self.limit[row] = allocation, scr, 0.0
        self._cost[row] = np.nan

    def offer(self, rows: Indices, option: Indices, prices: Prices) -> None:
        """Shares resources for candidates and keeps what is better."""
        start = prices.take(rows, 2)
        found, outcome, cleared = share_options(self.problem, rows, option, start=start)
        better: dict[int, int] = {}
        for i, row in enumerate(rows.tolist()):
            if outcome.scr[i] > self.scr[row]:
                self.scr[row], better[row] = outcome.scr[i], i
        for row, i in better.items():
            self.option[row], self.limit[row] = option[i], cleared.ratio[i]
            self._cost[row], self._allocations[row] = outcome.cost[i].sum(), found[i]

    def polish(self, prices: Prices, passes: int = 12) -> None:
        """Polishes those whose SCR is below what the prices of their options allow."""
        rows = np.flatnonzero(self.scr < self.limit * (1 - 1e-5))
        if not len(rows):
            return
        option = self.option[rows]
        found, scr = polish(
            self.problem,
            rows,
            option,
            self.allocation()[rows],
            prices.take(rows, 2),
            passes=passes,
        )
        self.scr[rows], self._cost[rows] = scr, np.nan
        for i, row in enumerate(rows):
            self._allocations[row] = found[i]

    def row(self, index: int) -> Allocation:
        """Returns the best allocation of a scenario."""
        return self._allocations[index]

    def cost(self, row: int) -> float:
        """Returns the total cost of the best allocation of a scenario."""
        if np.isnan(self._cost[row]):  # put or polished
            s, z = self.problem.scenario[row], self._allocations[row]
            outcome = evaluate(s, z, self.problem.objective, check=False)
            self._cost[row] = outcome.cost.sum()
        return float(self._cost[row])

    def allocation(self) -> Allocation:
        """Returns the best allocations, batch shape [S]."""
        return Allocation.stack(self._allocations)


def likely_choices(
    options: Options, prices: PriceSolution, count: int
) -> tuple[Indices, Indices]:
    """Returns the most likely roundings of the fractional choice.

    Users that the choice does not split keep their option. The others take, together,
    the combinations of highest product of their choices.

    Returns:
        rows [C] of the scenarios, options [C, N].
    """
    rows: list[int] = []
    found: list[Indices] = []
    limited = options.capacity.shape[-1] == 3
    for row, choice in enumerate(prices.choice):
        first = choice.argmax(axis=-1)
        if limited:
            by_server = choice.reshape(len(choice), -1, PARTS)
            slots = options.capacity[row, :, 2]
            server = round_assignment(by_server.max(axis=-1), slots).argmax(axis=-1)
            users = np.arange(len(choice))
            first = server * PARTS + by_server[users, server].argmax(axis=-1)
        beam = [(0.0, first)]
        for user in np.flatnonzero(mixed(choice)):
            others = choice[user].copy()
            others[first[user]] = -1.0
            second = others.argmax()
            log_choice = np.log(np.maximum(choice[user], 1e-12))
            loss = log_choice[first[user]] - log_choice[second]
            other = []
            for total, option in beam:
                changed = option.copy()
                changed[user] = second
                other.append((total + loss, changed))
            beam = sorted(beam + other, key=lambda item: item[0])[:count]
        fitting = [
            option for _, option in beam if not limited or _fits(options, row, option)
        ]
        for option in fitting or [first]:
            rows.append(row)
            found.append(option)
    return np.array(rows), np.array(found)


def _fits(options: Options, row: int, option: Indices) -> bool:
    slots = options.capacity[row, :, 2]
    load = np.bincount(option // PARTS, minlength=len(slots))
    return bool((load <= slots).all())


def best_moves(
    options: Options,
    benefit: Array,
    best: Best,
    open_rows: Indices,
    count: int,
    tried: set[tuple[int, bytes]],
) -> tuple[Indices, Indices]:
    """Returns the single moves that lose least, not tried before.

    With finite `max_users` a move into a full server takes a user of it along: a swap.

    Args:
        options: of scenarios.
        benefit: [S, N, J] of the options at the prices.
        best: the allocations to move from.
        open_rows: the scenarios that are asked about.
        count: of moves of each, at most.
        tried: what has been, to which the moves are added.

    Returns:
        rows [C] of the scenarios, options [C, N].
    """
    n_options = benefit.shape[2]
    rows: list[int] = []
    found: list[Indices] = []
    for row in open_rows.tolist():
        current, kinds = best.option[row], options.kinds(row)
        alike = bool((kinds[1:] <= kinds[:-1]).any())
        own = np.arange(0, benefit[row].size, n_options) + current
        loss = benefit[row].take(own)[:, None] - benefit[row]
        loss.put(own, np.inf)
        taken = 0
        order = np.argsort(loss, axis=None, kind="stable")[: 8 * count]
        for user, option in (divmod(i, n_options) for i in order.tolist()):
            if not math.isfinite(loss[user, option]):
                break
            moved = current.copy()
            moved[user] = option
            if options.capacity.shape[-1] == 3 and not _fits(options, row, moved):
                inside = np.flatnonzero(current // PARTS == option // PARTS)
                swaps = loss[inside][:, current[user]]
                if not len(inside):
                    continue
                moved[inside[swaps.argmin()]] = current[user]
                if not _fits(options, row, moved):
                    continue
            who = kinds * n_options + moved
            if alike:
                who.sort()
            key = row, who.tobytes()
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
    return np.array(rows), np.array(found)
