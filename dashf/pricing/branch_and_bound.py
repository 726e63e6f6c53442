"""Branch and bound on the association, and on φ where needed.

A node allows each user some servers and some range of φ. Its bound is the certified one
of `bound`, its prices give allocations as in `dual`; `branching` splits it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from dashf.common.arrays import Array, Indices, rows_of
from dashf.common.clock import OutOfTime
from dashf.pair.split import whole_split
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.branching import Node, branch, possible, restricted
from dashf.pricing.options import Options, PriceSolution
from dashf.pricing.price_search import search_prices
from dashf.pricing.rounding import share_options
from dashf.pricing.sharing import share_resources
from dashf.pricing.user_sets import UserSets
from mec_llm_env import Allocation, evaluate

_BATCH = 16  # nodes that are bounded together
_ACCURACY = 0.05  # of a node's bound, as part of the gap
_LARGEST_SETS = 100_000  # options times users for which sets of users are looked for
_RATIOS = 4  # at which sets are looked for, at most
_FARTHER = 1.02  # than Newton's step in the ratio


class Search:
    """The open nodes, the best allocation, and what bounds the nodes that are done."""

    def __init__(
        self,
        problem: Problem,  # of one scenario
        allocation: Allocation,  # batch shape ()
        scr: float,
        value: float,  # a bound on all allocations
        *,
        gap: float,
    ) -> None:
        self.problem, self.gap = problem, gap
        self.allocation, self.scr = allocation, scr
        self.done = 0.0  # the highest bound of a node that was not opened
        self.open: list[Node] = []
        self.nodes = 0
        layers = problem.scenario.layers
        self.layers: Array | None = None if layers is None else layers[0]  # [N]
        self._keep([Node(value, problem.options)])

    @property
    def value(self) -> float:
        """The bound on all allocations."""
        return max(self.scr, self.done, *(node.value for node in self.open), 0.0)

    def run(
        self, most: int | None = None, on_batch: Callable[[], None] | None = None
    ) -> None:
        """Goes on until all is within the gap, or for `most` nodes, or out of time.

        Args:
            most: nodes to bound, at most.
            on_batch: called after each batch of nodes.
        """
        clock = self.problem.options.clock
        count = 1
        while self.open and (most is None or self.nodes < most):
            begin = clock.passed_s
            nodes = self._highest(count)
            try:
                clock.check()
                children = self._expand(nodes)
            except OutOfTime:
                self._keep(nodes)
                return
            self._keep(children)
            if on_batch is not None:
                on_batch()
            each = (clock.passed_s - begin) / len(nodes)
            count = int(np.clip(clock.left_s / max(each, 1e-9), 1, _BATCH))
            if most is not None:
                count = min(count, max(most - self.nodes, 1))

    def combine(self, prices: PriceSolution) -> None:
        """Bounds all allocations by sets of users, and tries what these propose.

        Then users are kept from servers where no allocation beyond the gap has them.

        Args:
            prices: of the root.
        """
        _, N, J = self.problem.options.allowed.shape
        if not self.open or N * N * J > _LARGEST_SETS:
            return
        nodes, self.open = self.open, []
        try:
            sets = UserSets(self.problem, prices, _ACCURACY * self.gap)
            value = self._bound_by(sets)
            nodes = [Node(min(node.value, value), node.options) for node in nodes]
            if value > self.scr * (1 + self.gap):
                nodes = self._without_hopeless(sets, nodes)
        except OutOfTime:
            pass
        self._keep(nodes)

    def _bound_by(self, sets: UserSets) -> float:
        """Returns the bound of sets: Newton's method on U(y), a little farther."""
        value, y = np.inf, self.scr
        for _ in range(_RATIOS):
            found = sets.search(y, self.allocation.server)
            if found is None:
                break
            self._offer(found.server)
            value = min(value, sets.bound(y, found.surplus))
            if value <= max(y * (1 + _ACCURACY * self.gap), self.scr):
                break
            y = max(y + _FARTHER * found.surplus / found.cost, self.scr)
        return value

    def _offer(self, server: Indices | None) -> None:
        """Tries an association [N]."""
        if server is None or (server == self.allocation.server).all():
            return
        s, o = self.problem.scenario[0], self.problem.objective
        association = (server[:, None] == np.arange(s.n_servers)) * 1.0
        allocation = share_resources(s, association, o)
        scr = float(evaluate(s, allocation, o, check=False).scr)
        if scr > self.scr:
            self.scr, self.allocation = scr, allocation

    def _without_hopeless(self, sets: UserSets, nodes: list[Node]) -> list[Node]:
        """Returns what of nodes may be worth more than the gap allows."""
        y = self.scr * (1 + self.gap) * (1 - 1e-9)
        found = sets.search(y, self.allocation.server)
        if found is None:
            return nodes
        self.done = max(self.done, sets.bound(y, 0.0))
        if found.surplus <= 0:
            return []
        here = ~np.repeat(sets.apart(), PARTS, axis=-1)
        every = np.arange(len(here))
        left = [restricted(node, every, here) for node in nodes]
        return [node for node in left if possible(node)]

    def _keep(self, nodes: list[Node]) -> None:
        """Opens nodes, and sets aside those that are within the gap."""
        every = [*self.open, *nodes]
        enough = self.scr * (1 + self.gap)
        self.open = [node for node in every if node.value > enough]
        self.done = max([self.done, *(n.value for n in every if n.value <= enough)])

    def _highest(self, count: int) -> list[Node]:
        self.open.sort(key=lambda node: -node.value)
        nodes, self.open = self.open[:count], self.open[count:]
        return nodes

    def _expand(self, nodes: list[Node]) -> list[Node]:
        """Bounds nodes, tries their allocations; returns what they are split into."""
        options, count = Options.joined([node.options for node in nodes]), len(nodes)
        rows = np.zeros(count, dtype=int)
        many = dataclasses.replace(
            self.problem,
            scenario=self.problem.scenarios(rows),
            options=options,
            user_frequency_hz=rows_of(self.problem.user_frequency_hz, rows),
        )
        ratio = np.full(count, self.scr)
        close = _ACCURACY * self.gap
        enough = self.scr * (1 + self.gap)
        prices = search_prices(
            options, many.constants, ratio, close=close, target=enough
        )
        value, _ = many.certify(prices, close)
        self.nodes += count
        bounded = [
            Node(min(node.value, float(one)), node.options)
            for node, one in zip(nodes, value, strict=True)
        ]
        self._try(many, prices)
        split: list[Node] = []
        for i, node in enumerate(bounded):
            if node.value <= self.scr * (1 + self.gap):
                self.done = max(self.done, node.value)
                continue
            children = branch(node, prices.choice[i], self.layers)
            split += children
            if not children:  # as narrow as it can be
                self.done = max(self.done, node.value)
        return split

    def _try(self, problem: Problem, prices: PriceSolution) -> None:
        """Rounds the choices of nodes, the problem's scenarios, to allocations."""
        options, option = problem.options, prices.choice.argmax(axis=-1)
        fits = np.ones(len(option), dtype=bool)
        if options.capacity.shape[-1] == 3:
            slots = options.capacity[..., 2]
            for i, row in enumerate(option // PARTS):
                fits[i] = (np.bincount(row, minlength=slots.shape[1]) <= slots[i]).all()
        index = np.flatnonzero(fits)
        if not len(index):
            return
        what = problem, index, option[index]
        start = prices.take(index, 2)
        allocation, outcome, found = share_options(*what, start=start)
        if self.layers is not None:
            many, o = problem.scenarios(index), problem.objective
            phi = whole_split(many, allocation, o, outcome.scr)
            allocation, outcome, _ = share_options(*what, start=found, phi=phi)
        scr = outcome.scr
        best = int(scr.argmax())
        if scr[best] > self.scr:
            self.scr, self.allocation = float(scr[best]), allocation[best]
