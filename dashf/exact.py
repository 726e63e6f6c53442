"""Branch and bound on the association, and on φ where needed, to a given gap.

A node allows each user some servers and some range of φ. Its bound is the certified one
of `bounds`, its prices give allocations as in `dual`. The user that the fractional
choice splits most is branched on: between servers, then between halves of its range.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.bounds import PARTS, Bound, Problem
from dashf.checks import check_number, check_objective
from dashf.dual import solve_dual_batch
from dashf.interior_point import Options, Prices, find_prices
from dashf.pairs import part_edges
from dashf.result import Iteration, SolveResult, Status, single
from dashf.rounding import share_options
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

Array = Any  # NumPy only

_BATCH = 16  # nodes that are bounded together


def solve_exact(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    gap: float = 1e-3,
    time_limit_s: float = 60.0,
) -> tuple[SolveResult, Bound]:
    """Returns an allocation within `gap` of the optimum, and the bound that proves it.

    On the time limit, to about the time of a node: the best allocation and the best
    valid bound so far, with status `TIME_LIMIT`. The prices of the bound are those of
    the root.

    Args:
        scenario: a single one, batch shape ().
        objective: weights and references; the default ones if None.
        gap: relative, of the bound to the SCR; at least 1e-6.
        time_limit_s: when to stop.

    Raises:
        ValueError: the scenario is a batch, or a number is out of range.
    """
    start = time.perf_counter()
    scenario, objective = single(scenario), check_objective(objective)
    gap = check_number("gap", gap, 1e-6, 1)
    time_limit_s = check_number("time_limit_s", time_limit_s, 1e-6, np.inf)
    search = _Search(scenario, objective, gap)
    count = 1
    while search.open and time.perf_counter() - start < time_limit_s:
        begin = time.perf_counter()
        done = search.expand(start, count)
        now = time.perf_counter()
        left = start + time_limit_s - now
        count = _affordable(left, (now - begin) / done)
    value = search.bound()
    bound = dataclasses.replace(
        search.root, value=np.float64(value), time_s=time.perf_counter() - start
    )
    closed = value <= search.scr * (1 + gap)
    result = SolveResult(
        status=Status.CONVERGED if closed else Status.TIME_LIMIT,
        allocation=search.allocation,
        scr=search.scr,
        history=tuple(search.history),
        iterations=search.nodes,
        build_time_s=0.0,
        solve_time_s=time.perf_counter() - start,
    )
    return result, bound


def _affordable(left_s: float, node_s: float) -> int:
    """Returns how many nodes to bound next, so that they end with the time."""
    return int(np.clip(left_s / max(node_s, 1e-9), 1, _BATCH))


@dataclass(slots=True)
class _Node:
    value: float  # no allocation of the node has a higher SCR
    options: Options  # [1, N, J]
    price: Array  # [M, D] of its parent


class _Search:
    """The open nodes, the best allocation, and what bounds the nodes that are done."""

    def __init__(
        self, scenario: Scenario, objective: ObjectiveConfig, gap: float
    ) -> None:
        batch = scenario.to_numpy().map(lambda a: a[None])
        self.tolerance = gap / 20
        self.gap = gap
        self.problem = Problem.of(batch, objective)
        allocation, scr, bound = solve_dual_batch(
            batch, objective, tolerance=self.tolerance
        )
        self.allocation: Allocation = allocation[0]
        self.scr = float(scr[0])
        self.root = Bound(
            value=bound.value[0],
            ratio=bound.ratio[0],
            bandwidth_price=bound.bandwidth_price[0],
            compute_price=bound.compute_price[0],
            slot_price=bound.slot_price[0],
            tolerance=self.tolerance,
            time_s=bound.time_s,
        )
        self.closed = 0.0  # the highest bound of a node that was not opened
        self.open: list[_Node] = []
        self.nodes = 1
        self.history: list[Iteration] = []
        price = np.stack([self.root.bandwidth_price, self.root.compute_price], -1)
        root = _Node(float(self.root.value), self.problem.options, price)
        self._keep([root])

    def bound(self) -> float:
        """Returns the bound on all allocations."""
        return max(self.scr, self.closed, *(node.value for node in self.open), 0.0)

    def _keep(self, nodes: list[_Node]) -> None:
        """Opens nodes, and sets aside those that are within the gap."""
        every = [*self.open, *nodes]
        self.open = [n for n in every if n.value > self.scr * (1 + self.gap)]
        done = [n.value for n in every if n.value <= self.scr * (1 + self.gap)]
        self.closed = max([self.closed, *done])

    def expand(self, start: float, most: int) -> int:
        """Bounds the highest nodes, tries their allocations, branches on them.

        Returns how many: `most`, or all that are open.
        """
        self.open.sort(key=lambda node: -node.value)
        nodes, self.open = self.open[:most], self.open[most:]
        options = _join([node.options for node in nodes])
        problem, count = self.problem, len(nodes)
        ratio = np.full(count, self.scr)
        prices = find_prices(options, problem.constants, ratio)
        many = dataclasses.replace(
            problem,
            scenario=problem.scenario[np.zeros(count, dtype=int)],
            options=options,
            cost_min=np.repeat(problem.cost_min, count, axis=0),
        )
        value, _ = many.certify(prices, self.tolerance, options)
        self.nodes += count
        for node, one in zip(nodes, value, strict=True):
            node.value = min(node.value, float(one))
        self._try(options, prices)
        children = [
            child
            for i, node in enumerate(nodes)
            if node.value > self.scr * (1 + self.gap)
            for child in _branch(node, prices.choice[i], prices.price[i])
        ]
        done = [n.value for n in nodes if n.value <= self.scr * (1 + self.gap)]
        self.closed = max([self.closed, *done])
        self._keep(children)
        root = self.problem.scenario[0]
        cost = evaluate(root, self.allocation, self.problem.objective).cost.sum()
        limit = self.bound()
        self.history.append(
            Iteration(
                block="branch",
                scr=self.scr,
                ratio=limit,
                surplus=float((self.scr - limit) * cost),
                moves=0,
                time_s=time.perf_counter() - start,
            )
        )
        return count

    def _try(self, options: Options, prices: Prices) -> None:
        """Rounds the choices of nodes to allocations."""
        option = prices.choice.argmax(axis=-1)
        slots = options.capacity[..., 2] if options.capacity.shape[-1] == 3 else None
        fits = np.ones(len(option), dtype=bool)
        if slots is not None:
            for i, row in enumerate(option // PARTS):
                fits[i] = (np.bincount(row, minlength=slots.shape[1]) <= slots[i]).all()
        index = np.flatnonzero(fits)
        if not len(index):
            return
        one = Prices(
            ratio=prices.ratio[index],
            price=prices.price[index][..., :2],
            choice=np.ones((len(index), option.shape[1], 1)),
            cost=prices.cost[index],
            iterations=prices.iterations[index],
        )
        allocation, scr, _ = share_options(
            self.problem,
            np.zeros(len(index), dtype=int),
            option[index],
            start=one,
            options=options.take(index),
        )
        best = int(scr.argmax())
        if scr[best] > self.scr:
            self.scr, self.allocation = float(scr[best]), allocation[best]


def _join(options: list[Options]) -> Options:
    return Options(
        low=np.concatenate([o.low for o in options]),
        high=np.concatenate([o.high for o in options]),
        coefficients=tuple(
            np.concatenate(columns)
            for columns in zip(*(o.coefficients for o in options), strict=True)
        ),
        allowed=np.concatenate([o.allowed for o in options]),
        capacity=np.concatenate([o.capacity for o in options]),
    )


def _branch(node: _Node, choice: Array, price: Array) -> list[_Node]:
    """Splits a node into two that together hold all its allocations."""
    o = node.options
    allowed = o.allowed[0]
    by_server = choice.reshape(len(choice), -1, PARTS)
    weight = by_server.sum(axis=-1)
    loose = 1 - weight.max(axis=-1)
    several = allowed.reshape(by_server.shape).any(axis=-1).sum(axis=-1) > 1
    user = int(np.where(several, loose, -1).argmax())
    if several[user] and loose[user] > 1e-3:
        server = int(weight[user].argmax())
        here = np.arange(allowed.shape[1]) // PARTS == server
        return [
            _restricted(node, user, here, price),
            _restricted(node, user, ~here, price),
        ]
    # Between parts of φ: the user with the most split choice, else the widest range.
    spread = np.where(allowed, o.high[0] - o.low[0], 0).sum(axis=-1)
    split = 1 - choice.max(axis=-1)
    score = np.where(spread > 1e-9, split + 1e-3 * spread, -1)
    if several.any() and score.max() <= 0:
        user = int(np.flatnonzero(several)[0])
        here = np.arange(allowed.shape[1]) // PARTS == int(weight[user].argmax())
        return [
            _restricted(node, user, here, price),
            _restricted(node, user, ~here, price),
        ]
    user = int(score.argmax())
    first = np.arange(allowed.shape[1]) % PARTS == 0
    return [
        _halved(_restricted(node, user, part, price), user)
        for part in (first, ~first)
        if (allowed[user] & part).any()
    ]


def _restricted(node: _Node, user: int, options: Array, price: Array) -> _Node:
    allowed = node.options.allowed.copy()
    allowed[0, user] &= options
    changed = dataclasses.replace(node.options, allowed=allowed)
    return _Node(node.value, changed, price)


def _halved(node: _Node, user: int) -> _Node:
    """Cuts the ranges of φ that a user is allowed in two again: they become options."""
    o = node.options
    shape = (-1, PARTS)
    allowed = o.allowed[0, user].reshape(shape)
    here = allowed.any(axis=-1)
    part = allowed.argmax(axis=-1)[:, None]
    low = np.take_along_axis(o.low[0, user].reshape(shape), part, axis=1)
    high = np.take_along_axis(o.high[0, user].reshape(shape), part, axis=1)
    edges = part_edges(low, high, PARTS)
    new_low, new_high, new = o.low.copy(), o.high.copy(), o.allowed.copy()
    new_low[0, user] = edges[:, :-1].reshape(-1)
    new_high[0, user] = edges[:, 1:].reshape(-1)
    new[0, user] = np.repeat(here, PARTS) & (
        (new_high > new_low)[0, user] | (np.arange(new.shape[-1]) % PARTS == 0)
    )
    changed = dataclasses.replace(o, low=new_low, high=new_high, allowed=new)
    return _Node(node.value, changed, node.price)
