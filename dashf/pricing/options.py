"""What each user may choose between at given prices, and what it then does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array, Indices, Mask
from dashf.common.clock import ENDLESS, Clock
from dashf.pair.backend import Response, respond


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What each user may choose between. S scenarios, N users, J options, M servers.

    `server` None means that options are the parts of φ at server 0, then at server 1 …
    """

    low: Array  # [S, N, J] range of φ
    high: Array  # [S, N, J]
    coefficients: tuple[Array, ...]  # ten, [S, N, J]
    allowed: Mask  # [S, N, J] bool, at least one per user
    least_cost: Array  # [S, N, J] at most the cost of the option at any shares
    capacity: Array  # [S, M, D] of bandwidth, compute (1) and slots where D = 3
    server: Indices | None = None  # [S, N, 1]
    clock: Clock = ENDLESS  # `OutOfTime` is raised when its time is over

    def take(self, index: Indices | Mask | slice) -> Options:
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

    def kinds(self, row: int) -> Indices:
        """Returns a number [N] for each user of a scenario, equal for users alike."""
        tables = (self.low, self.high, self.allowed, *self.coefficients)
        users = np.stack([table[row] for table in tables], axis=-1)
        return np.unique(users.reshape(len(users), -1), axis=0, return_inverse=True)[1]

    def of_server(self, values: Array) -> Array:
        """Spreads values of servers [S, M, …] to options [S, N, J, …]."""
        if self.server is None:
            parts = self.low.shape[-1] // values.shape[1]
            return np.repeat(values, parts, axis=1)[:, None]
        rows = np.arange(len(values))[:, None, None]
        return values[rows, self.server]

    def server_of_option(self, option: Indices, user: Indices) -> Indices:
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

    def take(self, index: Indices | Mask | slice, kinds: int = 3) -> Prices:
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


def chosen_cost(a: Response) -> Array:
    """Returns the total cost of what users would choose, [S]."""
    best = a.benefit.argmax(axis=-1)[..., None]
    return np.take_along_axis(a.cost, best, axis=-1).sum(axis=(1, 2))
