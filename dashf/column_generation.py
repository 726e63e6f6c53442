"""The best fractional allocation of one scenario, by column generation.

Where a best φ jumps with the prices, or where users or servers are alike, the interior
point stops early or spreads a user over everything. The master program mixes responses
that have been seen ("columns"), Σ_i X_i = 1 for every user, within the capacities:

    max Σ X v / Σ X c   s.t.   Σ X g ≤ cap,

a linear-fractional program, linear in z = X t with Σ c z = 1 (Charnes and Cooper 1962).
Its multipliers are a ratio and prices at which new columns are asked for (Dantzig and
Wolfe 1961). No bound is below the mixture's ratio, so the two enclose the least bound,
and a vertex splits at most as many users as there are capacities. docs/bounds.md, 3.4.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from dashf.clock import OutOfTime
from dashf.interior_point import Options, PriceSolution, chosen_cost

Array = Any  # NumPy only

_ROUNDS = 40
_NEAR = 30.0  # score below a user's best benefit to which columns are worth keeping
_INWARD = 0.5  # part of the way from the best prices to the master's
_DEARER = 1.3  # factor on the prices where nothing seen so far fits
_NEWTON_STEPS = 5
_LEAST_PRICE = 1e-9  # score; no different from nothing


def refine(
    options: Options,
    k: tuple[float, ...],
    solution: PriceSolution,
    *,
    close: float,
    rounds: int = _ROUNDS,
) -> PriceSolution:
    """Returns prices whose bound is within `close` of the mixture, and a vertex.

    Args:
        options: of a single scenario, S = 1.
        k: `score_constants`.
        solution: what the interior point ended with.
        close: relative distance of bound and mixture that ends it.
        rounds: master programs at most; then the best prices so far.
    """
    columns = _Columns(options)
    best = solution
    price, ratio, scarce = solution.price, solution.ratio, 1.0
    for i in range(rounds):
        try:
            ratio = _bound(options, k, price, ratio, 0.1 * close, columns)
            if i == 0 or ratio[0] < best.ratio[0]:
                best = dataclasses.replace(best, ratio=ratio, price=price)
            found = columns.mix()
        except OutOfTime:
            break
        if found is None:  # nothing seen so far fits: ask at higher prices
            scarce *= _DEARER
            price = scarce * best.price + (scarce - 1)
            continue
        mixture, choice, wanted = found
        residual = best.ratio / mixture - 1
        best = dataclasses.replace(
            best, choice=choice, mixture=np.array([mixture]), residual=residual
        )
        if residual[0] <= close:
            break
        inward = 1.0 if i == 0 else _INWARD
        price = best.price + inward * (wanted - best.price)
        ratio = np.array([mixture])
    return dataclasses.replace(best, iterations=solution.iterations + i + 1)


def _bound(
    options: Options,
    k: tuple[float, ...],
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
        step = (rent + a.benefit.max(axis=-1).sum()) / chosen_cost(a)
        ratio = np.maximum(ratio + step, 0.1 * ratio)
        if abs(step[0]) <= close * ratio[0]:
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
        server = self.options.server_of_option(option, user)
        rent = (demand * price[0, server]).sum(axis=-1)
        cost = a.cost[0][near]
        score = benefit[near] + rent + ratio[0] * cost
        self.parts.append(np.column_stack([user, option, score, cost, demand]))

    def mix(self) -> tuple[float, Array, Array] | None:
        """Solves the master program: ratio, choice [1, N, J] and prices [1, M, D].

        Returns None if the linear program could not be solved.
        """
        table = np.concatenate(self.parts)
        user, option = table[:, 0].astype(int), table[:, 1].astype(int)
        score, cost, demand = table[:, 2], table[:, 3], table[:, 4:]
        count, kinds = demand.shape
        server = self.options.server_of_option(option, user)
        scale = cost.mean()  # so that t, and with it z, are of order one
        column = np.arange(count)
        used = sp.coo_array(
            (
                demand.reshape(-1),
                (
                    (server[:, None] * kinds + np.arange(kinds)).reshape(-1),
                    np.repeat(column, kinds),
                ),
            ),
            shape=(len(self.capacity), count),
        )
        sums = sp.coo_array((np.ones(count), (user, column)), (self.n_users, count))
        total = sp.csr_array(cost[None] / scale)
        none = sp.csr_array((1, 1))
        answer = linprog(
            -np.append(score, 0.0),
            A_ub=sp.hstack([used, sp.csr_array(-self.capacity[:, None])]).tocsr(),
            b_ub=np.zeros(len(self.capacity)),
            A_eq=sp.vstack(
                [
                    sp.hstack([sums, sp.csr_array(-np.ones((self.n_users, 1)))]),
                    sp.hstack([total, none]),
                ]
            ).tocsr(),
            b_eq=np.append(np.zeros(self.n_users), 1.0),
            bounds=(0, None),
            method="highs-ds",
        )
        if answer.status != 0 or not answer.x[-1] > 0:
            return None
        choice = np.zeros((1, self.n_users, self.n_options))
        np.add.at(choice[0], (user, option), answer.x[:-1] / answer.x[-1])
        choice = np.maximum(choice, 0) / np.maximum(choice, 0).sum(-1, keepdims=True)
        price = np.maximum(-answer.ineqlin.marginals, _LEAST_PRICE)
        price = price.reshape(1, -1, kinds)
        return float(-answer.fun / scale), choice, price
