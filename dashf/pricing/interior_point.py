"""The prices that give the lowest bound: a primal-dual interior-point method.

The bound of a scenario is itself a convex program (docs/bounds.md, 3.1), in the ratio
y, the prices π_m of bandwidth, compute and, with finite `max_users`, of a slot of each
server, and r_n:

    min y   s.t.   Σ_m cap_m · π_m + Σ_n r_n = 0,   r_n ≥ β_nj(π, y),   π ≥ 0,

where β_nj is the priced maximum of user n in option j: at one server, with φ in one
part of its range. Its multipliers X_nj are a fractional association. Every iteration
asks for all β_nj with first and second derivatives (`compiled.respond`) and solves
one linear system as large as the prices. With one option a user, `clearing` is for it.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from dashf.common.arrays import Array, Mask
from dashf.common.clock import OutOfTime
from dashf.pair.backend import Response
from dashf.pricing.options import Options, PriceSolution, chosen_cost

_MAX_ITERATIONS = 100
_LARGE = 20_000  # options; with more, those far from chosen are laid aside
_STALL = 12  # iterations without progress: where a best φ jumps they may cycle
_CLOSE = 1e-6  # complementarity over total score, and residuals over it
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_FIRST_SLOT_PRICE = 1.0  # score
_FIRST_STEPS, _FAR = 40, 10.0  # that raise y by more than this factor of it
_FIRST_THETA = 0.03  # score, at least
_SLACK_KEPT = 0.3  # of a slack, where the curvature of a benefit takes it
_LARGEST_FALL, _LARGEST_RISE = 0.5, 1.0  # of y in a step, relative
_TO_BOUNDARY = 0.98  # of the way to where something is no longer positive
_LEAST = 1e-12  # of prices and slacks in score, of the curvature in a price
_RIDGE = 1e-11  # on the scaled matrix's unit diagonal
_PROGRESS = 0.9  # of the least residual so far: below it there is progress
_HOPELESS_CHOICE, _HOPELESS_SLACK = 1e-3, 2.0  # below and above it at a late theta of
_LATE_THETA = 3e-3
_FIRST_MARGIN = 10.0  # score by which r is first above the best benefit


def find_prices(
    options: Options,
    k: tuple[float, ...],
    ratio: Array,
    *,
    max_iterations: int = _MAX_ITERATIONS,
    close: float = _CLOSE,
) -> PriceSolution:
    """Minimises the bound of every scenario of a batch over prices and ratio.

    Args:
        options: what each user may choose between.
        k: `score_constants`.
        ratio: [S] a first y, such as the SCR of an allocation.
        max_iterations: at most.
        close: complementarity over total score that ends the iteration.
    """
    state = _State(options, k, np.array(ratio, dtype=np.float64))
    state.close = close
    kept, iterations = iterate(state, max_iterations)
    return PriceSolution(**kept, iterations=iterations)


class Iterate(Protocol):
    """What `iterate` works on: S scenarios, of which ever fewer are left."""

    def step(self) -> Mask:
        """Makes a step; returns [S] who has ended."""

    def kept(self) -> list[tuple[str, Array]]:
        """Returns what is wanted in the end, [S, …] each, by name."""

    def keep(self, index: Mask) -> None:
        """Goes on with some of the scenarios."""


def iterate(state: Iterate, most: int) -> tuple[dict[str, Array], Array]:
    """Makes steps until every scenario has ended, `most` − 1 of them at most.

    Out of time it ends with what has been kept by then.

    Returns:
        What each scenario kept when it ended, and [S] after how many rounds.
    """
    done = {name: np.empty(value.shape) for name, value in state.kept()}
    n_scenarios = len(next(iter(done.values())))
    rounds = np.zeros(n_scenarios)
    active = np.arange(n_scenarios)
    for i in range(most):
        try:
            last = i + 1 == most
            finished = np.ones(len(active), bool) if last else state.step()
        except OutOfTime:
            finished = np.ones(len(active), bool)
        rounds[active] = i + 1
        if finished.any():
            for name, value in state.kept():
                done[name][active[finished]] = value[finished]
            if finished.all():
                break
            active = active[~finished]
            state.keep(~finished)
    return done, rounds


class _State:
    """The iterate of a batch. `step` makes one Newton step and says who has ended."""

    ARRAYS: tuple[str, ...] = (
        *("y", "price", "dual", "r", "w", "X", "theta", "stalled", "best_y"),
        *("best_price", "best_choice", "best_ratio", "floor"),
        *("best_mixture", "best_residual", "least_residual"),
    )
    close = _CLOSE

    def __init__(self, options: Options, k: tuple[float, ...], y: Array) -> None:
        self.options, self.k, self.y = options, k, y
        n_users = options.low.shape[1]
        capacity = options.capacity
        self.price = np.full(capacity.shape, _FIRST_PRICE * n_users / capacity.shape[1])
        self.price[..., 2:] = _FIRST_SLOT_PRICE
        self.single = options.allowed.sum(axis=-1) == 1  # [S, N]
        a = self._first_response()
        best = a.benefit.max(axis=-1)
        self.r = np.where(self.single, best, best + _FIRST_MARGIN)
        self.w = np.where(options.allowed, self.r[..., None] - a.benefit, 1.0)
        X = np.where(options.allowed, 1 / np.where(self.w > 0, self.w, 1), 0)
        self.X = X / X.sum(axis=-1, keepdims=True)
        many = ~self.single[..., None] & options.allowed
        gaps = np.where(many, self.X * self.w, 0).sum(axis=(1, 2))
        self.theta = np.maximum(
            gaps / np.maximum(many.sum(axis=(1, 2)), 1), _FIRST_THETA
        )
        self.dual = self.theta[:, None, None] / self.price
        self.best_y = np.full(len(y), np.inf)
        self.stalled = np.zeros(len(y), dtype=int)
        self.best_price, self.best_ratio = self.price.copy(), self.y.copy()
        self.best_choice = self.X.copy()
        self.best_mixture = np.zeros(len(y))
        self.best_residual = np.full(len(y), np.inf)
        self.least_residual = np.full(len(y), np.inf)
        self.floor = options.cost_floor()

    def _first_response(self) -> Response:
        """Returns the response to the first prices, with y raised where it is far off.

        By Newton's method on U(·, prices), which comes from the left.
        """
        rent = (self.options.capacity * self.price).sum(axis=(1, 2))
        for _ in range(_FIRST_STEPS):
            a = self.options.respond(self.y, self.price, self.k)
            step = (rent + a.benefit.max(axis=-1).sum(axis=-1)) / chosen_cost(a)
            far = step > _FAR * self.y
            if not far.any():
                break
            self.y = np.where(far, self.y + step, self.y)
        return a

    def kept(self) -> list[tuple[str, Array]]:
        """The fields of `Prices`, at the best bound so far."""
        return [
            ("ratio", self.best_ratio),
            ("price", self.best_price),
            ("choice", self.best_choice),
            ("mixture", self.best_mixture),
            ("residual", self.best_residual),
        ]

    def keep(self, index: Mask) -> None:
        """Goes on with some of the scenarios."""
        self.options = self.options.take(index)
        self.single = self.single[index]
        for name in self.ARRAYS:
            setattr(self, name, getattr(self, name)[index])

    def step(self) -> Mask:
        """Makes one Newton step, (3.3). Returns [S] who has ended."""
        if self.X.size > _LARGE:
            self._drop_hopeless()
        o = self.options
        a = o.respond(self.y, self.price, self.k)
        many = o.allowed & ~self.single[..., None]
        # Slack that the curvature of the benefits took or gave: r − β again.
        short = np.where(many, a.benefit + _SLACK_KEPT * self.w, -np.inf).max(axis=-1)
        top = a.benefit.max(axis=-1)
        self.r = np.where(self.single, top, np.maximum(self.r, short))
        slack = np.maximum(self.r[..., None] - a.benefit, _LEAST)
        self.w = np.where(many, slack, 1.0)
        kinds = o.capacity.shape[-1]
        g = np.stack([a.band, a.compute, o.allowed * 1.0], axis=-1)[..., :kinds]
        ended = self._judge(a, g, top, many)
        if not ended.all():
            self._newton(a, g, many)
        return ended

    def _judge(self, a: Response, g: Array, top: Array, many: Array) -> Mask:
        """Ranks the iterate by its bound, (3.6), and says who has ended, [S]."""
        o, X, cap = self.options, self.X, self.options.capacity
        cost = (X * a.cost).sum(axis=(1, 2))
        rent = (cap * self.price).sum(axis=(1, 2))
        bound = self.y + np.maximum(rent + top.sum(axis=1), 0) / self.floor

        # Complementarity and residuals of (3.2), in score.
        gap = np.where(many, X * self.w, 0).sum(axis=(1, 2))
        gap += (self.dual * self.price).sum(axis=(1, 2))
        demand = o.to_server(X[..., None] * g).sum(axis=1)
        excess = cap - self.dual - demand
        wrong = np.abs(rent + self.r.sum(axis=1))
        wrong += (np.abs(excess) * self.price).sum(axis=(1, 2))
        total = self.y * cost
        residual = (gap + wrong) / total

        # The ratio of the mixture, (3.7).
        paid = (np.minimum(demand, cap) * self.price).sum(axis=(1, 2))
        benefit = (X * np.where(o.allowed, a.benefit, 0.0)).sum(axis=(1, 2))
        mixture = self.y + (benefit + paid) / cost

        gained = bound < self.best_y * (1 - 0.1 * self.close)
        gained |= residual < _PROGRESS * self.least_residual
        self.stalled = np.where(gained, 0, self.stalled + 1)
        self.least_residual = np.minimum(self.least_residual, residual)
        self._remember(bound < self.best_y, bound, mixture, residual)
        ended = (gap < self.close * total) & (wrong < 10 * self.close * total)
        return ended | (self.stalled >= _STALL)

    def _newton(self, a: Response, g: Array, many: Array) -> None:
        """Solves Newton's system, the users eliminated (3.4), and goes along it."""
        o, X, w, cap = self.options, self.X, self.w, self.options.capacity
        theta, single = self.theta[:, None], self.single[..., None]
        target = np.where(many, theta[..., None] / np.where(many, w, 1), single * X)
        d = np.where(many, X / np.where(many, w, 1), 0.0)
        sigma = np.where(self.single, 1.0, d.sum(axis=-1))
        lift = np.where(self.single, 0.0, target.sum(axis=-1) - 1) / sigma
        dg = d[..., None] * g
        V = o.to_server(dg)  # [S, N, M, D]
        V_r = np.where(single[..., None], o.to_server(X[..., None] * g), 0) + (
            V / sigma[..., None, None]
        )
        c_d = (d * a.cost).sum(axis=-1)
        c_r = np.where(self.single, (X * a.cost).sum(axis=-1), c_d / sigma)

        # H dπ + h dy = ρ, (3.5), and the balance row for dy.
        matrix = self._matrix(a, g, dg, V, sigma)
        bend_y = np.stack([a.bend_by, a.bend_fy, 0 * a.bend_by], axis=-1)
        h = X[..., None] * bend_y[..., : cap.shape[-1]] + dg * a.cost[..., None]
        h = o.to_server(h).sum(axis=1) - (V * (c_d / sigma)[..., None, None]).sum(1)
        rho = theta[..., None] / self.price - cap
        rho = rho + o.to_server(target[..., None] * g).sum(axis=1)
        rho = rho - (V * lift[..., None, None]).sum(axis=1)
        solved = _solve(
            matrix, np.stack([rho, h], axis=-1).reshape(*matrix.shape[:2], 2)
        )
        row = (cap - V_r.sum(axis=1)).reshape(len(cap), -1)
        balance = (cap * self.price).sum(axis=(1, 2)) + self.r.sum(axis=1)
        balance += lift.sum(axis=1)
        along = (row[..., None] * solved).sum(axis=1)
        slope = along[:, 1] + c_r.sum(axis=1)
        dy = (balance + along[:, 0]) / slope
        dy = np.clip(dy, -_LARGEST_FALL * self.y, _LARGEST_RISE * self.y)
        dp = (solved[..., 0] - solved[..., 1] * dy[:, None]).reshape(cap.shape)

        dr = lift - (V_r * dp[:, None]).sum(axis=(2, 3)) - c_r * dy[:, None]
        dw = dr[..., None] + (g * o.of_server(dp)).sum(-1) + a.cost * dy[:, None, None]
        dX = np.where(many, target - X - d * dw, 0.0)
        self._move(dy, dp, dr, np.where(many, dw, 0.0), dX, many)

    def _drop_hopeless(self) -> None:
        """Lays options aside that are far from chosen; the certificate asks all again.

        It makes large scenarios several times faster and can only loosen the bound.
        """
        late = (self.theta < _LATE_THETA)[:, None, None]
        hopeless = late & (self.X < _HOPELESS_CHOICE) & (self.w > _HOPELESS_SLACK)
        hopeless &= self.options.allowed
        if hopeless.any():
            allowed = self.options.allowed & ~hopeless
            self.options = dataclasses.replace(self.options, allowed=allowed)
            self.single = allowed.sum(axis=-1) == 1
            self.X = np.where(allowed, self.X, 0)
            self.X /= self.X.sum(axis=-1, keepdims=True)
            self.w = np.where(allowed, self.w, 1.0)

    def _remember(
        self, better: Array, bound: Array, mixture: Array, residual: Array
    ) -> None:
        def mix(new: Array, old: Array) -> Array:
            return np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        self.best_y = mix(bound, self.best_y)
        self.best_ratio = mix(bound, self.best_ratio)
        self.best_price = mix(self.price, self.best_price)
        self.best_choice = mix(self.X, self.best_choice)
        self.best_mixture = mix(mixture, self.best_mixture)
        self.best_residual = mix(residual, self.best_residual)

    def _matrix(
        self, a: Response, g: Array, dg: Array, V: Array, sigma: Array
    ) -> Array:
        """The Hessian in the prices, [S, M D, M D]."""
        o = self.options
        S, _, M, D = V.shape
        blocks = self.X[..., None, None] * _bend(a, D) + dg[..., None] * g[..., None, :]
        blocks = o.to_server(blocks).sum(axis=1)  # [S, M, D, D]
        flat = V.reshape(S, -1, M * D)
        matrix = -np.matmul(flat.swapaxes(1, 2), flat / sigma[..., None])
        view = matrix.reshape(S, M, D, M, D)
        index = np.arange(M)
        view[:, index, :, index] += blocks.swapaxes(0, 1)
        ridge = (self.dual / self.price).reshape(S, -1) + _LEAST
        matrix[:, np.arange(M * D), np.arange(M * D)] += ridge
        return matrix

    def _move(
        self, dy: Array, dp: Array, dr: Array, dw: Array, dX: Array, many: Array
    ) -> None:
        """Goes along the step, as far as everything stays positive."""
        idle = self.theta[:, None, None] / self.price
        d_dual = idle - self.dual - self.dual / self.price * dp
        primal = np.minimum(_longest(self.w, dw), _longest(self.price, dp))
        primal = np.minimum(1.0, _TO_BOUNDARY * primal)
        dual = np.minimum(_longest(self.X, dX), _longest(self.dual, d_dual))
        dual = np.minimum(1.0, _TO_BOUNDARY * dual)
        one, two, three = (primal.reshape(-1, *[1] * i) for i in range(3))
        self.y = self.y + one * dy
        self.price = np.maximum(self.price + three * dp, _LEAST)
        self.r = self.r + two * dr
        self.w = np.maximum(self.w + three * dw, _LEAST)
        self.X = self.X + dual[:, None, None] * dX
        self.X = self.X / self.X.sum(axis=-1, keepdims=True)
        self.dual = np.maximum(self.dual + dual[:, None, None] * d_dual, 1e-3 * _LEAST)
        gap = np.where(many, self.X * self.w, 0).sum(axis=(1, 2))
        gap += (self.dual * self.price).sum(axis=(1, 2))
        mean = gap / (many.sum(axis=(1, 2)) + self.price[0].size)
        shortest = np.minimum(primal, dual)
        self.theta = mean * np.select([shortest > 0.7, shortest > 0.3], [0.1, 0.3], 0.7)


def _solve(matrix: Array, both: Array) -> Array:
    """Solves systems [S, D, D] for right-hand sides [S, D, 2], well scaled."""
    index = np.arange(matrix.shape[-1])
    scale = 1 / np.sqrt(np.maximum(matrix[:, index, index], _LEAST))
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    scaled[:, index, index] += _RIDGE
    return scale[..., None] * np.linalg.solve(scaled, scale[..., None] * both)


def _bend(a: Response, D: int) -> Array:
    """Second derivatives of the benefit by the prices, [S, N, J, D, D]."""
    bend = np.zeros((*a.band.shape, D, D))
    bend[..., 0, 0], bend[..., 1, 1] = a.bend_bb, a.bend_ff
    bend[..., 0, 1] = bend[..., 1, 0] = a.bend_bf
    return bend


def _longest(value: Array, change: Array) -> Array:
    """How far along `change` the values of each scenario stay positive, [S]."""
    falling = change < 0
    ratio = np.where(falling, -value / np.where(falling, change, -1.0), np.inf)
    return ratio.reshape(len(ratio), -1).min(axis=1)
