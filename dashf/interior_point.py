"""The prices that give the lowest bound: a primal-dual interior-point method.

The bound of a scenario is itself a convex program, in the ratio y, the prices π_m of
bandwidth, compute and, with finite `max_users`, of a slot of each server, and r_n:

    min y   s.t.   Σ_m cap_m · π_m + Σ_n r_n = 0,   r_n ≥ β_nj(π, y),   π ≥ 0,

where β_nj is the priced maximum of user n in option j: at one server, with φ in one
part of its range. Its multipliers X_nj are a fractional association. Every iteration
asks for all β_nj with first and second derivatives (`compiled.respond`) and solves
one linear system as large as the prices. With one option a user, `clearing` is for it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dashf.clock import ENDLESS, Clock, OutOfTime
from dashf.compiled import Response, respond

Array = Any  # NumPy only

_MAX_ITERATIONS = 100
_LARGE = 20_000  # options; with more, those far from chosen are laid aside
_STALL = 12  # iterations without a lower bound: where a best φ jumps they may cycle
_CLOSE = 1e-6  # complementarity over total score, and residuals over it
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_FIRST_SLOT_PRICE = 1.0  # score
_FIRST_MARGIN = 10.0  # score by which r is first above the best benefit


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What each user may choose between. S scenarios, N users, J options, M servers.

    `server` None means that options are the parts of φ at server 0, then at server 1 …
    """

    low: Array  # [S, N, J] range of φ
    high: Array  # [S, N, J]
    coefficients: tuple[Array, ...]  # nine, [S, N, J]
    allowed: Array  # [S, N, J] bool, at least one a user
    least_cost: Array  # [S, N, J] at most the cost of the option at any shares
    capacity: Array  # [S, M, D] of bandwidth, compute (1) and slots where D = 3
    server: Array | None = None  # [S, N, 1]
    clock: Clock = ENDLESS  # `OutOfTime` is raised when its time is over

    def take(self, index: Array) -> Options:
        """Returns some of the scenarios."""
        return Options(
            low=self.low[index],
            high=self.high[index],
            coefficients=tuple(c[index] for c in self.coefficients),
            allowed=self.allowed[index],
            least_cost=self.least_cost[index],
            capacity=self.capacity[index],
            server=None if self.server is None else self.server[index],
            clock=self.clock,
        )

    def cost_floor(self) -> Array:
        """Returns a lower bound of the total cost of every allocation, [S]."""
        return np.where(self.allowed, self.least_cost, np.inf).min(axis=-1).sum(axis=-1)

    def of_server(self, values: Array) -> Array:
        """Spreads values of servers [S, M, …] to options [S, N, J, …]."""
        if self.server is None:
            parts = self.low.shape[-1] // values.shape[1]
            return np.repeat(values, parts, axis=1)[:, None]
        rows = np.arange(len(values))[:, None, None]
        return values[rows, self.server]

    def server_of_option(self, option: Array, user: Array) -> Array:
        """Returns the server of options of users, of the first scenario."""
        if self.server is not None:
            return self.server[0, user, option]
        return option // (self.low.shape[-1] // self.capacity.shape[1])

    def to_server(self, values: Array) -> Array:
        """Sums values of options [S, N, J, …] by server, to [S, N, M, …]."""
        n_servers = self.capacity.shape[1]
        if self.server is None:
            shape = (*values.shape[:2], n_servers, -1, *values.shape[3:])
            return values.reshape(shape).sum(axis=3)
        here = self.server == np.arange(n_servers)  # [S, N, M]
        return here.reshape(*here.shape, *[1] * (values.ndim - 3)) * values

    def respond(self, ratio: Array, price: Array, k: tuple[float, ...]) -> Response:
        """Returns the response of all options; the benefit is −∞ where not allowed."""
        at = np.broadcast_to(self.of_server(price), (*self.low.shape, price.shape[-1]))
        y = np.broadcast_to(ratio[:, None, None], self.low.shape)
        mask = self.allowed
        if mask.all():
            answer = respond(
                *(self.low, self.high, y, at[..., 0], at[..., 1]),
                self.coefficients,
                *(k, self.clock),
            )
        else:
            some = respond(
                self.low[mask],
                self.high[mask],
                y[mask],
                at[mask, 0],
                at[mask, 1],
                tuple(c[mask] for c in self.coefficients),
                *(k, self.clock),
            )
            fields = np.zeros((len(Response._fields), *mask.shape))
            fields[:, mask] = np.stack(some)
            fields[0, ~mask] = -np.inf
            answer = Response(*fields)
        if price.shape[-1] == 3:
            answer = answer._replace(benefit=answer.benefit - at[..., 2])
        return answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """A ratio and prices: what users respond to."""

    ratio: Array  # [S] y
    price: Array  # [S, M, D] of bandwidth, compute and slots
    iterations: Array  # [S] it took to find them

    def take(self, index: Array, kinds: int = 3) -> Prices:
        """Returns the prices of some scenarios, of the first `kinds` only."""
        return Prices(
            ratio=self.ratio[index],
            price=self.price[index][..., :kinds],
            iterations=self.iterations[index],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSolution(Prices):
    """Prices near the optimum, with the fractional choice that goes with them."""

    choice: Array  # [S, N, J] X, sums to 1 a user
    mixture: Array  # [S] SCR of the fractional choice: the least bound is not below it
    residual: Array  # [S] primal-dual residual over the total score

    def row(self, index: int) -> PriceSolution:
        """Returns the solution of one scenario, S = 1."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return PriceSolution(**{k: v[index : index + 1] for k, v in fields.items()})

    def put(self, index: int, one: PriceSolution) -> None:
        """Sets the solution of one scenario, in place."""
        for spec in dataclasses.fields(self):
            getattr(self, spec.name)[index] = getattr(one, spec.name)[0]


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


def chosen_cost(a: Response) -> Array:
    """Returns the total cost of what users would choose, [S]."""
    best = a.benefit.argmax(axis=-1)[..., None]
    return np.take_along_axis(a.cost, best, axis=-1).sum(axis=(1, 2))


class Iterate(Protocol):
    """What `iterate` works on: S scenarios, of which ever fewer are left."""

    def step(self) -> Array:
        """Makes a step; returns [S] who has ended."""

    def kept(self) -> list[tuple[str, Array]]:
        """Returns what is wanted in the end, [S, …] each, by name."""

    def keep(self, index: Array) -> None:
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
        *("best_mixture", "best_residual"),
    )
    close = _CLOSE

    def __init__(self, options: Options, k: tuple[float, ...], y: Array) -> None:
        self.options, self.k, self.y = options, k, y
        n_users = options.low.shape[1]
        capacity = options.capacity
        self.price = np.full(capacity.shape, _FIRST_PRICE * n_users / capacity.shape[1])
        self.price[..., 2:] = _FIRST_SLOT_PRICE
        self.single = options.allowed.sum(axis=-1) == 1  # [S, N]
        a = options.respond(self.y, self.price, k)
        best = a.benefit.max(axis=-1)
        self.r = np.where(self.single, best, best + _FIRST_MARGIN)
        self.w = np.where(options.allowed, self.r[..., None] - a.benefit, 1.0)
        X = np.where(options.allowed, 1 / np.where(self.w > 0, self.w, 1), 0)
        self.X = X / X.sum(axis=-1, keepdims=True)
        many = ~self.single[..., None] & options.allowed
        gaps = np.where(many, self.X * self.w, 0).sum(axis=(1, 2))
        self.theta = np.maximum(gaps / np.maximum(many.sum(axis=(1, 2)), 1), 0.03)
        self.dual = self.theta[:, None, None] / self.price
        self.best_y = np.full(len(y), np.inf)
        self.stalled = np.zeros(len(y), dtype=int)
        self.best_price, self.best_ratio = self.price.copy(), self.y.copy()
        self.best_choice = self.X.copy()
        self.best_mixture = np.zeros(len(y))
        self.best_residual = np.full(len(y), np.inf)
        self.floor = options.cost_floor()

    def kept(self) -> list[tuple[str, Array]]:
        """The fields of `Prices`, at the best bound so far."""
        return [
            ("ratio", self.best_ratio),
            ("price", self.best_price),
            ("choice", self.best_choice),
            ("mixture", self.best_mixture),
            ("residual", self.best_residual),
        ]

    def keep(self, index: Array) -> None:
        """Goes on with some of the scenarios."""
        self.options = self.options.take(index)
        self.single = self.single[index]
        for name in self.ARRAYS:
            setattr(self, name, getattr(self, name)[index])

    def step(self) -> Array:
        """Makes one step. Returns [S] who has ended."""
        if self.X.size > _LARGE:
            self._drop_hopeless()
        o, X, theta = self.options, self.X, self.theta[:, None]
        a = o.respond(self.y, self.price, self.k)
        top = a.benefit.max(axis=-1)
        cap, allowed, single = o.capacity, o.allowed, self.single[..., None]
        many = allowed & ~single
        # Slack that the curvature of the benefits took or gave: r − β again.
        short = np.where(many, a.benefit + 0.3 * self.w, -np.inf).max(axis=-1)
        r = np.where(self.single, top, np.maximum(self.r, short))
        self.r, self.w = r, np.where(many, r[..., None] - a.benefit, 1.0)
        w = self.w
        g = np.stack([a.band, a.compute, allowed * 1.0], axis=-1)[..., : cap.shape[-1]]

        # How good the point is: its bound, and how far it is from optimal.
        cost = (X * a.cost).sum(axis=(1, 2))
        rent = (cap * self.price).sum(axis=(1, 2))
        bound = self.y + np.maximum(rent + top.sum(axis=1), 0) / self.floor
        better = bound < self.best_y
        gained = bound < self.best_y * (1 - 0.1 * self.close)
        self.stalled = np.where(gained, 0, self.stalled + 1)
        total = self.y * cost
        lag = np.where(many, r[..., None] - a.benefit - w, 0.0)
        gap = (np.where(many, X * w, 0)).sum(axis=(1, 2))
        gap += (self.dual * self.price).sum(axis=(1, 2))
        demand = o.to_server(X[..., None] * g).sum(axis=1)
        excess = cap - self.dual - demand
        wrong = (
            np.abs(X * lag).sum(axis=(1, 2))
            + np.abs(rent + r.sum(axis=1))
            + (np.abs(excess) * self.price).sum(axis=(1, 2))
        )
        paid = (np.minimum(demand, cap) * self.price).sum(axis=(1, 2))
        benefit = (X * np.where(allowed, a.benefit, 0.0)).sum(axis=(1, 2))
        mixture = self.y + (benefit + paid) / cost
        self._remember(better, bound, mixture, (gap + wrong) / total)
        ended = (gap < self.close * total) & (wrong < 10 * self.close * total)
        ended |= self.stalled >= _STALL
        if ended.all():
            return ended

        # The Newton system, users eliminated.
        target = np.where(many, theta[..., None] / np.where(many, w, 1), single * X)
        d = np.where(many, X / np.where(many, w, 1), 0.0)
        sigma = np.where(self.single, 1.0, d.sum(axis=-1))
        gain = np.where(self.single, 0.0, target.sum(axis=-1) - 1)
        gain = (gain - (d * lag).sum(axis=-1)) / sigma
        dg = d[..., None] * g
        V = o.to_server(dg)  # [S, N, M, D]
        V_r = np.where(single[..., None], o.to_server(X[..., None] * g), 0) + (
            V / sigma[..., None, None]
        )
        c_d = (d * a.cost).sum(axis=-1)
        c_r = np.where(self.single, (X * a.cost).sum(axis=-1), c_d / sigma)
        matrix = self._matrix(a, g, dg, V, sigma)
        bend_y = np.stack([a.bend_by, a.bend_fy, 0 * a.bend_by], axis=-1)
        h = X[..., None] * bend_y[..., : cap.shape[-1]] + dg * a.cost[..., None]
        h = o.to_server(h).sum(axis=1) - (V * (c_d / sigma)[..., None, None]).sum(1)
        push = target[..., None] * g - dg * lag[..., None]
        rhs = theta[..., None] / self.price - cap + o.to_server(push).sum(axis=1)
        rhs = rhs - (V * gain[..., None, None]).sum(axis=1)
        size = cap[0].size
        both = np.stack([rhs, h], axis=-1).reshape(len(cap), size, 2)
        scale = 1 / np.sqrt(matrix[:, np.arange(size), np.arange(size)])
        scaled = matrix * scale[:, :, None] * scale[:, None, :]
        scaled[:, np.arange(size), np.arange(size)] += 1e-11
        solved = scale[..., None] * np.linalg.solve(scaled, scale[..., None] * both)
        row = (cap - V_r.sum(axis=1)).reshape(len(cap), size)
        balance = (cap * self.price).sum(axis=(1, 2)) + r.sum(axis=1) + gain.sum(axis=1)
        along = (row[..., None] * solved).sum(axis=1)
        slope = along[:, 1] + c_r.sum(axis=1)
        dy = np.clip((balance + along[:, 0]) / slope, -0.5 * self.y, 1.0 * self.y)
        dp = (solved[..., 0] - solved[..., 1] * dy[:, None]).reshape(cap.shape)
        self._move(a, g, r, lag, target, d, dp, dy, gain, V_r, c_r, many)
        return ended

    def _drop_hopeless(self) -> None:
        """Lays options aside that are far from chosen; the certificate asks all again.

        It makes large scenarios several times faster and can only loosen the bound.
        """
        near = self.theta < 3e-3
        hopeless = (self.X < 1e-3) & (self.w > 2) & near[:, None, None]
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
        ridge = (self.dual / self.price).reshape(S, -1) + 1e-12
        matrix[:, np.arange(M * D), np.arange(M * D)] += ridge
        return matrix

    def _move(
        self,
        a: Response,
        g: Array,
        r: Array,
        lag: Array,
        target: Array,
        d: Array,
        dp: Array,
        dy: Array,
        gain: Array,
        V_r: Array,
        c_r: Array,
        many: Array,
    ) -> None:
        """Goes along the step, as far as everything stays positive."""
        dr = gain - (V_r * dp[:, None]).sum(axis=(2, 3)) - c_r * dy[:, None]
        at = self.options.of_server(dp)
        dw = dr[..., None] + (g * at).sum(-1) + a.cost * dy[:, None, None] + lag
        dX = np.where(many, target - self.X - d * dw, 0.0)
        dw = np.where(many, dw, 0.0)
        dual = self.theta[:, None, None] / self.price
        d_dual = dual - self.dual - self.dual / self.price * dp
        primal = np.minimum(_longest(self.w, dw), _longest(self.price, dp))
        primal = np.minimum(1.0, 0.98 * primal)
        step = np.minimum(
            1.0, 0.98 * np.minimum(_longest(self.X, dX), _longest(self.dual, d_dual))
        )
        one, two, three = (primal.reshape(-1, *[1] * i) for i in range(3))
        self.y = self.y + one * dy
        self.price = np.maximum(self.price + three * dp, 1e-12)
        self.r = r + two * dr
        self.w = np.maximum(self.w + three * dw, 1e-12)
        self.X = self.X + step[:, None, None] * dX
        self.X = self.X / self.X.sum(axis=-1, keepdims=True)
        self.dual = np.maximum(self.dual + step[:, None, None] * d_dual, 1e-15)
        gap = np.where(many, self.X * self.w, 0).sum(axis=(1, 2))
        gap += (self.dual * self.price).sum(axis=(1, 2))
        mean = gap / (many.sum(axis=(1, 2)) + self.price[0].size)
        shortest = np.minimum(primal, step)
        self.theta = mean * np.where(
            shortest > 0.7, 0.1, np.where(shortest > 0.3, 0.3, 0.7)
        )


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
