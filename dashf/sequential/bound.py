r"""Certified upper bounds on the SCR of an episode. The proof is in `docs/bounds.md`.

For any ratio y and prices π ≥ 0 of every slot,

    U(y, π) = Σ_tm cap·π_tm + Σ_n max over paths of Σ_t β_tnm − y g_tn [change]

is at least Σ v − y Σ c of every plan, whatever it knows, so that no episode has an SCR
above y + max(U, 0)/C_min. The maximum over a user's paths is found slot by slot
(`paths`). Good prices come from a smooth U, whose paths are mixed at a temperature that
falls; what certifies them is one evaluation of U from above.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import OutOfTime
from dashf.pricing.price_search import search_prices
from dashf.result import Bound
from dashf.sequential.paths import best_paths, soft_paths
from dashf.sequential.problem import Nodes, TrajectoryProblem

#: Temperatures, in score, and rounds of L-BFGS at each, at most.
_STAGES = ((3.0, 30), (1.0, 30), (0.3, 40))
_LEAST_SCALE = 1.0  # score; prices below it are searched as if they were this large
_CERTIFICATES = 4  # evaluations of U from above
_HIGHEST_SCORE = 100.0


class PathPrices:
    """The search for the prices of a trajectory, and the bound that they certify.

    Attributes:
        ratio: y.
        price: [T, M, D] of bandwidth, compute and slots.
        server: [T, N] the users' best paths at them.
        residual: Σ price · |capacity that the mixed paths leave or lack|, over the
            score of the mixed paths.
        looseness: by how much the last stage has lowered the ratio, relative.
    """

    def __init__(self, problem: TrajectoryProblem) -> None:
        self.problem = problem
        shape = problem.capacity.shape
        self.ratio, self.price = 0.0, np.zeros(shape)
        self.server = problem.scenario.channel_gain.argmax(axis=-1)
        self.residual = self.looseness = np.inf
        self.out_of_time = False

    def search(self) -> None:
        """Minimises U over the prices, at ever lower temperatures, and finds its root.

        After each stage y becomes a Newton step's: U falls with y, by the cost. When
        the time is over, the prices found so far stay.
        """
        try:
            self._begin()
            for temperature, rounds in _STAGES:
                before = self.ratio
                self._descend(temperature, rounds)
                self._find_root()
                self.looseness = abs(before / self.ratio - 1)
        except OutOfTime:
            self.out_of_time = True

    def _begin(self) -> None:
        """Starts from the prices of every slot by itself."""
        slots = self.problem.slots
        found = search_prices(slots.options, slots.constants, slots.first_ratio())
        self.ratio, self.price = float(found.ratio.mean()), np.maximum(found.price, 0)
        self._find_root()

    def _find_root(self) -> None:
        """Makes a step towards U = 0 at the prices, and sets the best paths."""
        p, nodes = self.problem, self.problem.respond(self.ratio, self.price)
        value, self.server = best_paths(nodes.benefit, self.ratio * p.migration)
        surplus = float((p.capacity * self.price).sum() + value.sum())
        step = surplus / self._cost(nodes)
        self.ratio += max(step, -0.9 * self.ratio)

    def _cost(self, nodes: Nodes) -> float:
        """Returns the cost of the best paths."""
        own = np.take_along_axis(nodes.cost, self.server[..., None], axis=-1)
        return float(own.sum() + self.problem.changes(self.server).sum())

    def _descend(self, temperature: float, rounds: int) -> None:
        """Minimises the smooth U at y and a temperature, from the present prices."""
        from scipy.optimize import minimize  # takes a third of a second to load

        shape, p = self.price.shape, self.problem
        scale = np.maximum(self.price, _LEAST_SCALE)

        def smooth(z: Array) -> tuple[float, Array]:
            price = z.reshape(shape) * scale
            nodes = p.respond(self.ratio, price)
            penalty = self.ratio * p.migration
            total, share = soft_paths(nodes.benefit, penalty, temperature)
            used = np.einsum("tnm,tnmd->tmd", share, nodes.use)
            unused = p.capacity - used
            surplus = float((p.capacity * price).sum() + total.sum())
            if surplus < least[0]:
                least[0], self.price = surplus, price
                # Σ v is Σ y c and the surplus.
                score = self.ratio * (share * nodes.cost).sum() + surplus
                self.residual = float((price * np.abs(unused)).sum() / score)
            return surplus, (unused * scale).ravel()

        least = [np.inf]
        minimize(
            smooth,
            (self.price / scale).ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * self.price.size,
            options={"maxiter": rounds, "maxcor": 20},
        )

    def bound(self, tolerance: float) -> Bound:
        """Returns the certified bound, without an allocation beside it."""
        try:
            value, ratio = self._certified(tolerance)
        except OutOfTime:
            value, ratio = self._coarse(), 0.0
            self.price, self.out_of_time = np.zeros_like(self.price), True
            self.residual = self.looseness = np.inf
        slot = self.price[..., 2] if self.price.shape[-1] == 3 else 0
        return Bound(
            value=np.asarray(value),
            ratio=np.asarray(ratio or value),
            bandwidth_price=self.price[..., 0],
            compute_price=self.price[..., 1],
            slot_price=slot + 0 * self.price[..., 0],
            gap=np.asarray(np.inf),
            residual=np.asarray(self.residual),
            looseness=np.asarray(self.looseness),
            tolerance=tolerance,
            time_s=self.problem.slots.options.clock.passed_s,
            out_of_time=self.out_of_time,
        )

    def _coarse(self) -> float:
        """Highest score of all users over their least cost: valid, and loose."""
        n_scores = self.server.size
        return _HIGHEST_SCORE * n_scores / self._floor() * (1 + 1e-9)

    def _floor(self) -> float:
        return float(self.problem.slots.options.cost_floor().sum())

    def _certified(self, tolerance: float) -> tuple[float, float]:
        """Returns a valid bound on the SCR and the ratio of its certificate."""
        p, ratio, best, best_ratio = self.problem, self.ratio, np.inf, self.ratio
        if ratio == 0:
            raise OutOfTime
        cost = self._cost(p.respond(ratio, self.price))
        for _ in range(_CERTIFICATES):
            surplus = self._surplus_from_above(ratio, 0.5 * tolerance * ratio * cost)
            value = ratio + max(surplus, 0.0) / self._floor()
            if value < best:
                best, best_ratio = value, ratio
            if value - ratio <= 0.1 * tolerance * ratio:
                break
            ratio += max(surplus, 0.0) / cost
        return best * (1 + 1e-12), best_ratio

    def _surplus_from_above(self, ratio: float, slack: float) -> float:
        """Returns U from above, by at most `slack`."""
        p = self.problem
        n_slots, n_users, n_servers = p.scenario.channel_gain.shape
        penalty = ratio * p.migration
        # Who is not at the best server of a slot can go there and back again.
        reach = penalty + np.append(penalty[1:], np.zeros((1, n_users)), axis=0)
        top = p.slots.highest(
            p.slots.options,
            self.price,
            np.full(n_slots, ratio),
            np.full(n_slots, slack / n_slots),
            reach,
        )
        top = top.reshape(n_slots, n_users, n_servers, -1).max(axis=-1)
        value, _ = best_paths(top, penalty)
        rent = (p.capacity * self.price).sum()
        size = rent + np.abs(top.max(axis=-1)).sum() + np.abs(penalty).sum()
        return float(rent + value.sum() + 1e-12 * size)
