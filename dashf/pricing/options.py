"""What each user may choose between at given prices, and what it then does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dashf.common.arrays import Array, Indices, Mask, rows_of
from dashf.common.clock import ENDLESS, Clock
from dashf.pair.backend import in_parallel, response_of
from dashf.pair.jit import compiled
from dashf.pair.loops import Asked, certify_loop, respond_loop
from dashf.pair.terms import Response, Score


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What each user may choose between. S scenarios, N users, J options, M servers."""

    table: Array  # [S, N, J, 12] φ from and to, then the ten coefficients
    server: Indices  # [S, N, J]
    allowed: Mask  # [S, N, J] bool, at least one per user
    least_cost: Array  # [S, N, J] at most the cost of the option at any shares
    capacity: Array  # [S, M, D] of bandwidth, compute (1) and slots where D = 3
    clock: Clock = ENDLESS  # `OutOfTime` is raised when its time is over

    ARRAYS: ClassVar = ("table", "server", "allowed", "least_cost", "capacity")

    @property
    def low(self) -> Array:
        """[S, N, J] from where φ may be."""
        return self.table[..., 0]

    @property
    def high(self) -> Array:
        """[S, N, J] to where φ may be."""
        return self.table[..., 1]

    def take(self, index: Indices | Mask | slice) -> Options:
        """Returns some of the scenarios."""
        arrays = {name: getattr(self, name)[index] for name in Options.ARRAYS}
        return Options(**arrays, clock=self.clock)

    @classmethod
    def joined(cls, options: Sequence[Options]) -> Options:
        """Returns the scenarios of several, one after another."""
        columns = {n: [getattr(o, n) for o in options] for n in cls.ARRAYS}
        arrays = {name: np.concatenate(column) for name, column in columns.items()}
        return cls(**arrays, clock=options[0].clock)

    def cost_floor(self) -> Array:
        """Returns a lower bound of the total cost of every allocation, [S]."""
        return np.where(self.allowed, self.least_cost, np.inf).min(axis=-1).sum(axis=-1)

    def kinds(self, row: int) -> Indices:
        """Returns a number [N] for each user of a scenario, equal for users alike."""
        if len(set(self.table[row, :, 0, 2].tolist())) == self.table.shape[1]:
            return np.arange(self.table.shape[1])  # not even their costs are alike
        found: dict[bytes, int] = {}
        users = zip(self.table[row], self.allowed[row], strict=True)
        keys = (table.tobytes() + allowed.tobytes() for table, allowed in users)
        return np.array([found.setdefault(key, len(found)) for key in keys])

    def respond(self, ratio: Array, price: Array, k: Score) -> Any:
        """Returns the `Response` of all options; benefit −∞ where not allowed."""
        out = np.zeros((*self.allowed.shape, len(Response._fields)))
        self._ask(respond_loop, ratio, price, k, out)
        return response_of(out)

    def benefits_from_above(
        self, ratio: Array, price: Array, k: Score, slack: Array, reach: Array
    ) -> Array:
        """Returns upper bounds of the benefits of all options, [S, N, J].

        Each is at most the user's slack [S N] above its benefit, or above the user's
        best less its reach [S N]; unless it takes `loops.MOST_HALVED` intervals.
        """
        out = np.empty(self.allowed.shape)
        self._ask(certify_loop, ratio, price, k, out, slack, reach)
        return out

    def _ask(
        self, loop: Any, ratio: Array, price: Array, k: Score, out: Array, *more: Array
    ) -> None:
        S, N, J = self.allowed.shape
        at = np.array(ratio, np.float64), np.array(price, np.float64, order="C")
        asked = Asked(self.table, self.server, self.allowed, *at, False)
        rows = S * N
        out = out.reshape(rows, *out.shape[2:])
        what = asked, k, out, *map(np.ascontiguousarray, more)
        in_parallel(compiled(loop), rows, *what, clock=self.clock, each=J)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """A ratio and prices: what users respond to."""

    ratio: Array  # [S] y
    price: Array  # [S, M, D] of bandwidth, compute and slots
    iterations: Array  # [S] it took to find them

    def take(self, rows: Indices, kinds: int = 3) -> Prices:
        """Returns the prices of some scenarios, of the first `kinds` only."""
        return Prices(
            ratio=rows_of(self.ratio, rows),
            price=rows_of(self.price, rows)[..., :kinds],
            iterations=rows_of(self.iterations, rows),
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
