"""The best fractional allocation of one scenario, by column generation.

Where a best φ jumps with the prices, or where users or servers are alike, the interior
point stops early or spreads a user over everything. The master program mixes responses
that have been seen ("columns"), Σ_i X_i = 1 for every user, within the capacities:

    max Σ X (v − y c)   s.t.   Σ X g ≤ cap,      y = Σ X v / Σ X c (Dinkelbach).

Its multipliers are prices at which new columns are asked for (Dantzig and Wolfe 1961).
No bound is below the mixture's ratio y, so the two enclose the least bound, and a
vertex splits at most as many users as there are capacities (docs/bounds.md, 3.4).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import OutOfTime
from dashf.pair.terms import Score
from dashf.pricing.options import Options, PriceSolution

_ROUNDS = 40  # master programs at most; then the best prices so far
_NEAR = 30.0  # score below a user's best benefit to which columns are worth keeping
_INWARD = 0.5  # part of the way from the best prices to the master's
_DEARER = 10.0 ** np.arange(0.25, 6, 0.25)  # prices at which demands are small
_NEWTON_STEPS = 5
_DINKELBACH_STEPS = 8
_SAME_RATIO = 1e-9  # relative change of y that ends Dinkelbach's method
_LEAST_PRICE = 1e-9  # score; no different from nothing


def refine(
    options: Options,
    k: Score,
    solution: PriceSolution,
    *,
    close: float,
    target: float | None = None,
) -> PriceSolution:
    """Returns prices whose bound is within `close` of the mixture, and a vertex.

    Args:
        options: of a single scenario, S = 1.
        k: `score_constants`.
        solution: what the interior point ended with.
        close: relative distance of bound and mixture that ends it.
        target: also ends it once bound or mixture show on which side of it they are.
    """
    columns = _Columns(options)
    best = solution
    price, ratio = solution.price, solution.ratio
    for i in range(_ROUNDS):
        try:
            ratio = _bound(options, k, price, ratio, 0.1 * close, columns)
            if i == 0 or ratio[0] < best.ratio[0]:
                best = dataclasses.replace(best, ratio=ratio, price=price)
            found = columns.mix(float(best.ratio[0]))
            if found is None:  # nothing seen so far fits
                columns.add_frugal(k, best.ratio, best.price)
                found = columns.mix(float(best.ratio[0]))
        except OutOfTime:
            break
        if found is None:
            break
        mixture, choice, wanted = found
        residual = best.ratio / mixture - 1
        best = dataclasses.replace(
            best, choice=choice, mixture=np.array([mixture]), residual=residual
        )
        if residual[0] <= close:
            break
        if target is not None and not mixture < target < best.ratio[0]:
            break
        inward = 1.0 if i == 0 else _INWARD
        price = best.price + inward * (wanted - best.price)
        ratio = np.array([mixture])
    return dataclasses.replace(best, iterations=solution.iterations + i + 1)


def _bound(
    options: Options,
    k: Score,
    price: Array,
    ratio: Array,
    close: float,
    columns: _Columns,
) -> Array:
    """Returns y with U(y, price) = 0, [1]; what users would do on the way is kept."""
    rent = (options.capacity * price).sum()
    for _ in range(_NEWTON_STEPS):
        a = options.respond(ratio, price, k)
        columns.add(a, ratio, price)
        best = a.benefit.argmax(axis=-1)[..., None]
        cost = np.take_along_axis(a.cost, best, axis=-1).sum()
        step = (rent + a.benefit.max(axis=-1).sum()) / cost
        ratio = np.maximum(ratio + step, 0.1 * ratio)
        if abs(step) <= close * ratio[0]:
            break
    return ratio


class _Columns:
    """Responses that have been seen: score, cost and demand of an option of a user."""

    def __init__(self, options: Options) -> None:
        self.options = options
        _, self.n_users, self.n_options = options.low.shape
        self.capacity = options.capacity[0].reshape(-1)  # [M D]
        self.parts: list[Array] = []  # [columns, 4 + D]

    def add(self, a: Any, ratio: Array, price: Array) -> None:
        """Keeps the responses near each user's best."""
        benefit = a.benefit[0]
        near = benefit > benefit.max(axis=-1, keepdims=True) - _NEAR
        user, option = np.nonzero(near)
        kinds = price.shape[-1]
        demand = np.stack([a.band[0], a.compute[0], np.ones_like(benefit)], axis=-1)
        demand = demand[near][:, :kinds]
        server = self.options.server[0, user, option]
        rent = (demand * price[0, server]).sum(axis=-1)
        cost = a.cost[0][near]
        score = benefit[near] + rent + ratio[0] * cost
        self.parts.append(np.column_stack([user, option, score, cost, demand]))

    def add_frugal(self, k: Score, ratio: Array, price: Array) -> None:
        """Keeps responses to ever higher prices, of which some will fit."""
        for factor in _DEARER:
            dear = factor * (price + _LEAST_PRICE)
            self.add(self.options.respond(ratio, dear, k), ratio, dear)

    def mix(self, ratio: float) -> tuple[float, Array, Array] | None:
        """Solves the master program: ratio, choice [1, N, J] and prices [1, M, D].

        Args:
            ratio: y to start from.

        Returns:
            None if nothing that has been seen fits.
        """
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        table = np.concatenate(self.parts)
        user, option = table[:, 0].astype(int), table[:, 1].astype(int)
        score, cost, demand = table[:, 2], table[:, 3], table[:, 4:]
        count, kinds = demand.shape
        server = self.options.server[0, user, option]
        row = (server[:, None] * kinds + np.arange(kinds)).reshape(-1)
        column = np.arange(count)
        shape = (len(self.capacity), count)
        used = csr_array((demand.reshape(-1), (row, np.repeat(column, kinds))), shape)
        sums = csr_array((np.ones(count), (user, column)), (self.n_users, count))
        for _ in range(_DINKELBACH_STEPS):
            answer = linprog(
                ratio * cost - score,
                A_ub=used,
                b_ub=self.capacity,
                A_eq=sums,
                b_eq=np.ones(self.n_users),
                bounds=(0, None),
                method="highs-ds",
            )
            if answer.status != 0:
                return None
            before, ratio = ratio, float(answer.x @ score / (answer.x @ cost))
            if abs(ratio - before) <= _SAME_RATIO * before:
                break
        choice = np.zeros((1, self.n_users, self.n_options))
        np.add.at(choice[0], (user, option), answer.x)
        choice = np.maximum(choice, 0) / np.maximum(choice, 0).sum(-1, keepdims=True)
        price = np.maximum(-answer.ineqlin.marginals, _LEAST_PRICE)
        return ratio, choice, price.reshape(1, -1, kinds)
