"""Certified upper bounds on the SCR. The proof is in `docs/bounds.md`.

For any ratio y and prices π ≥ 0, U = Σ cap·π + Σ_n max_j β_nj is at least Σ v − y Σ c
of every feasible allocation; so no SCR exceeds y + max(U, 0)/C_min, with C_min at most
the total cost of any allocation. `interior_point` finds good prices, in plain floating
point; what certifies them is one evaluation of U from above (`certificate`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.clock import ENDLESS, Clock, OutOfTime
from dashf.pair.coefficients import (
    layer_parts,
    make_pairs,
    part_edges,
    score_constants,
)
from dashf.pair.terms import Score
from dashf.pricing.certificate import certify
from dashf.pricing.options import Options, Prices, PriceSolution
from dashf.pricing.price_search import search_prices
from dashf.result import Bound
from dashf.rules import average_allocation, strongest_channel
from mec_llm_env import ObjectiveConfig, Scenario, evaluate

#: Parts of the range of φ, each an option of a user at a server.
PARTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A flat batch of scenarios with the options of their users."""

    scenario: Scenario  # batch shape [S]
    objective: ObjectiveConfig
    batch_shape: tuple[int, ...]
    options: Options
    constants: Score
    user_frequency_hz: Array  # [S, N] Hz, the best, whatever else is decided

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        objective: ObjectiveConfig,
        clock: Clock = ENDLESS,
        *,
        whole: bool = False,
    ) -> Problem:
        """Builds the problem of a scenario, or of a batch of any shape.

        φ is continuous, whether the scenario has `layers` or not: the relaxation. With
        `whole`, the cut between the parts of its range is between whole layers.
        """
        s = scenario.to_numpy()
        batch = s.batch_shape
        flat = s.flatten(len(batch))
        pairs, k = make_pairs(flat, objective), score_constants(objective)
        S, N, M = pairs.local.shape

        low, high = pairs.phi_min[..., None], pairs.phi_max[..., None]
        edges = part_edges(low, high, PARTS)
        begins, ends = edges[..., :-1], edges[..., 1:]
        if whole and flat.layers is not None:
            layers = np.broadcast_to(flat.layers[..., None], pairs.phi_min.shape)
            begins, ends = layer_parts(pairs.phi_min, pairs.phi_max, layers)
        allowed = (high > low) | (np.arange(PARTS) == 0)
        capacity = np.ones((S, M, 2))
        if (flat.max_users < N).any():
            slots = np.minimum(flat.max_users, N)
            capacity = np.concatenate([capacity, slots[..., None]], axis=-1)
            allowed &= (slots > 0)[:, None, :, None]
        table = np.empty((S, N, M, PARTS, 12))
        table[..., 0], table[..., 1] = begins, ends
        for i, value in enumerate(pairs.arrays()):
            table[..., 2 + i] = value[..., None]
        server = np.empty((S, N, M * PARTS), dtype=np.int64)
        server.reshape(S, N, M, PARTS)[:] = np.arange(M)[:, None]
        options = Options(
            table=table.reshape(S, N, M * PARTS, 12),
            server=server,
            allowed=allowed.reshape(server.shape),
            least_cost=np.repeat(pairs.least_cost(), PARTS, axis=-1),
            clock=clock,
            capacity=capacity,
        )
        return cls(
            scenario=flat,
            objective=objective,
            batch_shape=batch,
            options=options,
            constants=k,
            user_frequency_hz=pairs.user_frequency_hz,
        )

    def first_ratio(self) -> Array:
        """Returns the SCR of a simple feasible allocation, [S]."""
        average = average_allocation(self.scenario, strongest_channel(self.scenario))
        return evaluate(self.scenario, average, self.objective, check=False).scr

    def bound(
        self, tolerance: float, ratio: Array
    ) -> tuple[Bound, tuple[PriceSolution, Array] | None]:
        """Returns certified bounds in the batch's shape, and what they are of.

        That is the prices, and the benefits [S, N, J] of the options at them.

        `ratio` [S] is a first y, such as the SCR of an allocation.

        Half of the time that is left is the search's, so that the rest is enough to
        certify what it found. If it is not, bounds that need no search remain.
        """
        found: tuple[PriceSolution, Array] | None
        clock = self.options.clock
        try:
            limited = self.until(clock.part(0.5)).options
            prices = search_prices(limited, self.constants, ratio)
            value, ratio, benefit = self._certified(prices, tolerance, self.options)
            found = prices, benefit
            price, residual = np.maximum(prices.price, 0), prices.residual
            mixture = np.maximum(prices.mixture, 1e-300)
            looseness = np.maximum(value / mixture - 1, 0)
            late = limited.clock.left_s < 0
        except OutOfTime:
            # Highest score of all users over their least cost: valid, and loose.
            found, late = None, True
            score = 100.0 * self.scenario.n_users
            value = ratio = score / self.options.cost_floor() * (1 + 1e-9)
            price = np.zeros(self.options.capacity.shape)
            residual = looseness = np.full(len(value), np.inf)
        slot = price[..., 2] if price.shape[-1] == 3 else 0 * price[..., 0]
        bound = Bound(
            value=self.shaped(value),
            ratio=self.shaped(ratio),
            bandwidth_price=self.shaped(price[..., 0]),
            compute_price=self.shaped(price[..., 1]),
            slot_price=self.shaped(slot),
            gap=self.shaped(np.full(len(value), np.inf)),
            residual=self.shaped(residual),
            looseness=self.shaped(looseness),
            tolerance=tolerance,
            time_s=clock.passed_s,
            out_of_time=late,
        )
        return bound, found

    def until(self, clock: Clock) -> Problem:
        """Returns the problem with another clock."""
        if clock is self.options.clock:
            return self
        options = dataclasses.replace(self.options, clock=clock)
        return dataclasses.replace(self, options=options)

    def row(self, index: int) -> Problem:
        """Returns the problem of one scenario of the batch, S = 1."""
        only = slice(index, index + 1)
        return dataclasses.replace(
            self,
            scenario=self.scenario[only],
            batch_shape=(1,),
            options=self.options.take(only),
            user_frequency_hz=self.user_frequency_hz[only],
        )

    def scenarios(self, rows: Indices) -> Scenario:
        """Returns scenarios [C] of the batch, for as many candidates."""
        count = len(rows)
        if len(self.user_frequency_hz) == 1:  # as in `rows_of`, for 20 arrays
            return self.scenario.map(lambda value: value.repeat(count, 0))
        return self.scenario[rows]

    def shaped(self, array: Array) -> Array:
        """Returns values [S, …] with the batch shape of the scenario."""
        return array.reshape((*self.batch_shape, *array.shape[1:]))[()]

    def certify(
        self, prices: Prices, tolerance: float, options: Options | None = None
    ) -> tuple[Array, Array]:
        """Returns a valid bound on the SCR and the ratio of its certificate, each [S].

        `options` restricts the users' choice: then of allocations that respect it.
        """
        return self._certified(prices, tolerance, options or self.options)[:2]

    def _certified(
        self, prices: Prices, tolerance: float, options: Options
    ) -> tuple[Array, Array, Array]:
        """`certify`, and the benefits of all options at the prices, [S, N, J]."""
        price = np.maximum(prices.price, 0)
        v = certify(options, prices.ratio, price, self.constants, tolerance)
        return v.value * (1 + 1e-12), v.ratio, v.benefit.reshape(options.allowed.shape)

    def highest(
        self,
        options: Options,
        price: Array,
        ratio: Array,
        slack: Array,
        reach: Array | None = None,
    ) -> Array:
        """Returns the benefits of options from above, [S, N, J].

        Each exceeds its own by at most a user's part of `slack`, or it is at most the
        user's highest one less `reach`, with that part.

        Args:
            options: of the scenarios.
            price: [S, M, D].
            ratio: [S].
            slack: [S], for all users of a scenario together.
            reach: [S, N] how far below the user's highest benefit one may still be of
                use; 0 if None.
        """
        S, N, _ = options.allowed.shape
        reach = np.zeros(S * N) if reach is None else reach.ravel()
        per_user = (slack / N).repeat(N)
        return options.benefits_from_above(
            ratio, price, self.constants, per_user, reach
        )
