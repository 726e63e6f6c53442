"""A tighter bound where users are few a server: which *set* of them each server takes.

Prices of resources let a user be half at one server and half at another, so with about
as many users as servers their bound is several per cent above the optimum. Here every
server shares out its resources among whole users, and what is relaxed is that each
user is in one set. For any y ≥ 0 and any numbers u,

    Σ v − y Σ c ≤ Σ_n u_n + Σ_m max_S (V_m(S; y) − Σ_{n in S} u_n),

where V_m(S; y) is the most that server m makes of a set S. By weak duality that is at
most min_p (λ_p + μ_p + Σ_{n in S} β_nm(y, λ_p, μ_p)) over any points p of prices. The
best u are multipliers of a set-partitioning program over the sets that have been found,
as in branch and price for the generalised assignment problem (Savelsbergh 1997);
docs/bounds.md, 5.1, has the proof.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices, Mask
from dashf.common.clock import OutOfTime
from dashf.pair.backend import in_parallel
from dashf.pair.jit import compiled
from dashf.pricing.best_set import best_set_loop
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.options import Options, PriceSolution
from dashf.pricing.price_step import Total, price_step

_ROUNDS = 60  # of the master program, at most, for each y
_INWARD = 0.5  # part of the way from the best u to the master's
_MOST = 20_000  # nodes of the search for a server's best set, then what bounds it
_CHOSEN = 1e-6  # part of a set in the master's mixture that is none
_WHOLE_NODES = 100  # of branch and bound on sets in whole, at most
_PRICE_ROUNDS = 25  # for the prices of sets; their bounds are valid before the end
_PRICE_CLOSE = 1e-4  # value of what is not shared out, over the score of a set
_LEAST_DETERMINANT = 0.02  # of the slopes, over the product of the diagonal ones
_LONGEST_STEP = 2.0  # nepers, of a price in a round
_LONGER = 1.4  # the longest step over the one before, where demand has not turned
_TURNED = 1e-3  # of a share above or below all there is
_LEAST_PRICE = 1e-6  # score, of the points that searches start from


class Found(NamedTuple):
    """What sets say at a ratio y."""

    surplus: float  # U: at least Σ v − y Σ c of every allocation
    cost: float  # Σ c of the mixture of sets that U belongs to
    server: Indices | None  # [N] an association of sets, where it may gain


class Master(NamedTuple):
    """A solution of the master program."""

    value: float
    u: Array  # [N] multipliers of the users
    x: Array  # [C] parts of sets that are taken
    cost: float


class UserSets:
    """Sets of users of one scenario: N users, M servers, C sets, P points of prices."""

    def __init__(self, problem: Problem, prices: PriceSolution, close: float) -> None:
        options = problem.options
        N, M = options.allowed.shape[1], options.capacity.shape[1]
        self.problem, self.clock, self.close = problem, options.clock, close
        self.users, self.servers = N, M

        def by_server(array: Any) -> Any:  # [1, N, M PARTS, …] → [M, N, PARTS, …]
            shape = (N, M, PARTS, *array.shape[3:])
            return np.ascontiguousarray(np.moveaxis(array[0].reshape(shape), 1, 0))

        self.table: Array = by_server(options.table)
        self.allowed: Mask = by_server(options.allowed)
        self.can: Mask = self.allowed.any(axis=-1)  # [M, N]
        limited = options.capacity.shape[-1] == 3
        slots = options.capacity[0, :, 2] if limited else np.full(M, N)
        self.slots = slots.astype(np.int64)
        self.floor = float(options.cost_floor()[0])
        self.first_price = np.maximum(prices.price[0, :, :2], _LEAST_PRICE)  # [M, 2]
        answer = options.respond(prices.ratio, prices.price, problem.constants)
        self.u = answer.benefit[0].max(axis=-1)  # [N]
        self.total = float(prices.ratio[0] * (prices.choice[0] * answer.cost[0]).sum())
        self.server = np.zeros(0, dtype=np.int64)  # [C]
        self.member = np.zeros((0, N), dtype=bool)  # [C, N]
        self.cost = np.zeros(0)  # [C] of a set, at its prices
        self.point = np.zeros((0, 2))  # [P, 2]
        self.at_server = np.zeros(0, dtype=np.int64)  # [P]
        self.benefit = np.zeros((0, N))  # [P, N] β, from above
        self.seen: set[tuple[int, bytes]] = set()

    def search(self, y: float, server: Indices) -> Found | None:
        """Bounds Σ v − y Σ c over all allocations, by column generation.

        Args:
            y: the ratio.
            server: [N] a feasible association, so that sets can hold every user.

        Returns:
            None if time was over before there was any.
        """
        found: Found | None = None
        try:
            self._move_to(y, server)
            best, better, inward = np.inf, self.u, 1.0
            for _ in range(_ROUNDS):
                self.clock.check()
                master = self._mix()
                if master is None:
                    break
                added = 0
                # A step that finds no new set has been too short.
                for part in dict.fromkeys((inward, 1.0)):
                    u = self.u + part * (master.u - self.u)
                    surplus, sets = self._surplus(u)
                    if surplus < best:
                        best, better = surplus, u
                    added = self._add(np.arange(self.servers), sets, y)
                    if added:
                        break
                self.u, inward = better, _INWARD
                found = Found(best, master.cost, None)
                if not added or best - master.value <= self.close * self.total:
                    break
            if found and master and master.value > self.close * self.total:
                found = found._replace(server=self._whole(master.x))
        except OutOfTime:
            pass
        return found

    def _move_to(self, y: float, server: Indices) -> None:
        """Bounds benefits at another ratio, and adds sets that the master needs."""
        if not len(self.point):
            self._add_points(np.arange(self.servers), self.first_price, y)
            at, user = np.nonzero(self.can)
            self._add(at, self._best_sets(at, user, self.u)[1], y)
        else:
            self.benefit = self._highest(self.at_server, self.point, y)
        every = np.arange(self.servers)
        self._add(every, server == every[:, None], y)

    def bound(self, y: float, surplus: float) -> float:
        """The SCR that none exceeds, by (1.2)."""
        return float((y + max(surplus, 0.0) / self.floor) * (1 + 1e-12))

    def apart(self) -> Mask:
        """Returns who cannot be where, [N, M], with an SCR above the last search's y.

        Raises:
            OutOfTime: time is over.
        """
        every, (server, user) = np.arange(self.servers), np.nonzero(self.can)
        best, _ = self._best_sets(every, np.full(self.servers, -1), self.u)
        best = np.maximum(best, 0)
        limit, _ = self._best_sets(server, user, self.u)
        apart: Mask = np.logical_not(self.can.T)
        apart[user, server] = _sum(self.u, best) - best[server] + limit < 0
        return apart

    def _surplus(self, u: Array) -> tuple[float, Mask]:
        """Returns U at u, and the sets [M, N] that it is made of."""
        every = np.arange(self.servers)
        best, sets = self._best_sets(every, np.full(self.servers, -1), u)
        return _sum(u, np.maximum(best, 0)), sets

    def _best_sets(
        self, server: Indices, forced: Indices, u: Array
    ) -> tuple[Array, Mask]:
        """Returns limits of what sets are worth, and the best sets."""
        order = np.argsort(self.at_server, kind="stable")
        begin = np.searchsorted(self.at_server[order], np.arange(self.servers + 1))
        limit = np.empty(len(server))
        member = np.zeros((len(server), self.users), dtype=bool)
        in_parallel(
            compiled(best_set_loop),
            len(server),
            *(server, forced, begin, self.point[order].sum(axis=-1)),
            *(self.benefit[order] - u, self.can, self.slots, _MOST, limit, member),
            clock=self.clock,
            each=self.users,
        )
        return limit, member

    def _add(self, server: Indices, member: Mask, y: float) -> int:
        """Keeps sets that are new, and the points of their prices; says how many."""
        new = []
        for i, (m, users) in enumerate(zip(server, member, strict=True)):
            key = int(m), users.tobytes()
            if users.any() and key not in self.seen:
                self.seen.add(key)
                new.append(i)
        if not new:
            return 0
        server, member = server[new], np.ascontiguousarray(member[new])
        price, cost = self._price(server, member, y)
        self._add_points(server, price, y)
        self.server = np.append(self.server, server)
        self.member = np.concatenate([self.member, member])
        self.cost = np.append(self.cost, cost)
        return len(new)

    def _price(self, server: Indices, member: Mask, y: float) -> tuple[Array, Array]:
        """Minimises a server's bound λ + μ + Σ β on the value of a set, for each.

        Returns:
            prices [sets, 2], near the best ones, and what the users cost there [sets].
        """
        price, count = self.first_price[server], len(server)
        best, least, cost = price.copy(), np.full(count, np.inf), np.zeros(count)
        longest, change = np.full((count, 2), _LONGEST_STEP), np.zeros((count, 2))
        excess, drift = np.zeros((count, 2)), np.zeros((count, 2))
        rows = np.arange(count)  # that are not at their best yet
        for _ in range(_PRICE_ROUNDS):
            here, at = member[rows], price[rows]
            options = self._options(server[rows], self.allowed[server[rows]])
            options.allowed[~here] = False
            ratio, k = np.full(len(rows), y), self.problem.constants
            answer = np.stack(options.respond(ratio, at[:, None], k), axis=-1)
            part = answer[..., 0].argmax(axis=-1)[..., None, None]
            users = np.take_along_axis(answer, part, axis=2)[:, :, 0]  # [rows, N, 11]
            total = np.where(here[..., None], users, 0.0).sum(axis=1)
            asked = Total(0.0, 0.0, total[:, 4:6], total[:, 6:9], drift)
            value, paid = total[:, 0] + at.sum(axis=-1), total[:, 1]
            better = value < least[rows]
            least[rows[better]], best[rows[better]] = value[better], at[better]
            cost[rows[better]] = paid[better]
            over = asked.share - 1
            far = (at * np.abs(over)).sum(axis=-1) > _PRICE_CLOSE * y * paid
            if not far.any():
                break
            steps = [
                price_step(at, asked, i, 0.0, np.inf, _LEAST_DETERMINANT)
                for i in range(len(rows))
            ]
            # A step is halved where demand has turned from too much to too little.
            over = np.where(np.abs(over) > _TURNED, over, 0.0)
            most = np.minimum(_LONGEST_STEP, _LONGER * longest[rows])
            turned = over * excess[rows] < 0
            most = np.where(turned, 0.5 * np.abs(change[rows]), most)
            longest[rows], excess[rows] = most, over
            change[rows] = np.clip(np.array(steps), -most, most)
            price[rows] = np.maximum(at * np.exp(change[rows]), _LEAST_PRICE)
            rows = rows[far]
        return best, cost

    def _add_points(self, server: Indices, price: Array, y: float) -> None:
        benefit = self._highest(server, price, y)
        self.point = np.concatenate([self.point, price])
        self.at_server = np.append(self.at_server, server)
        self.benefit = np.concatenate([self.benefit, benefit])

    def _highest(self, server: Indices, price: Array, y: float) -> Array:
        """Returns benefits β at points of prices from above, [P, N]."""
        P, N = len(server), self.users
        allowed = self.allowed[server]
        allowed[..., 0] |= ~allowed.any(axis=-1)  # one each; `can` says whether
        options = self._options(server, allowed)
        slack = np.full(P * N, 0.5 * self.close * self.total / N)
        ratio, reach = np.full(P, y), np.zeros(P * N)
        k = self.problem.constants
        return options.benefits_from_above(ratio, price[:, None], k, slack, reach).max(
            axis=-1
        )

    def _options(self, server: Indices, allowed: Mask) -> Options:
        """Returns parts of φ [P, N, parts] of users at one server each, [P]."""
        return Options(
            table=self.table[server],
            server=np.zeros(allowed.shape, dtype=np.int64),
            allowed=allowed,
            least_cost=np.zeros(allowed.shape),
            capacity=np.ones((len(server), 1, 2)),
            clock=self.clock,
        )

    def _values(self) -> Array:
        """Returns what every set is worth at most, [C]."""
        value = np.empty(len(self.server))
        for m in range(self.servers):
            own, points = self.server == m, self.at_server == m
            each = self.member[own] @ self.benefit[points].T
            value[own] = (each + self.point[points].sum(axis=-1)).min(axis=-1)
        return value

    def _mix(self) -> Master | None:
        """Solves the master program, in which sets are taken in parts."""
        from scipy.optimize import linprog

        value = self._values()
        at, user = self._rows()
        answer = linprog(
            -value,
            A_ub=at,
            b_ub=np.ones(self.servers),
            A_eq=user,
            b_eq=np.ones(self.users),
            bounds=(0, None),
            method="highs-ds",
        )
        if answer.status != 0:
            return None
        cost = float(self.cost @ answer.x)
        return Master(-float(answer.fun), -answer.eqlin.marginals, answer.x, cost)

    def _whole(self, x: Array) -> Indices | None:
        """Returns the best association [N] made of sets that have been found."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        if (np.abs(x - x.round()) > _CHOSEN).any():
            at, user = self._rows()
            options: dict[str, float] = {"node_limit": _WHOLE_NODES}
            if self.clock.limits:
                options["time_limit"] = max(self.clock.left_s, 0.0)
            rows = [LinearConstraint(at, -np.inf, 1), LinearConstraint(user, 1, 1)]
            answer = milp(
                -self._values(),
                constraints=rows,
                integrality=np.ones(len(self.server)),
                bounds=Bounds(0, 1),
                options=options,
            )
            if answer.x is None:
                return None
            x = answer.x
        server = np.zeros(self.users, dtype=np.int64)
        for column in np.flatnonzero(x > 0.5):
            server[self.member[column]] = self.server[column]
        return server

    def _rows(self) -> tuple[Any, Any]:
        """Which sets are of a server [M, C], and which hold a user [N, C]."""
        from scipy.sparse import csr_array

        count = len(self.server)
        own = np.ones(count), (self.server, np.arange(count))
        users = csr_array(self.member.T.astype(float))
        return csr_array(own, shape=(self.servers, count)), users


def _sum(u: Array, best: Array) -> float:
    """Σ u + Σ max_S …, and more than rounding can take away."""
    size = np.abs(u).sum() + np.abs(best).sum()
    return float(u.sum() + best.sum() + 1e-12 * size)
