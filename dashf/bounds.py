"""Certified upper bounds on the SCR. The proof is in `docs/bounds.md`.

For any ratio y and prices π ≥ 0, U = Σ cap·π + Σ_n max_j β_nj is at least Σ v − y Σ c
of every feasible allocation; so no SCR exceeds y + max(U, 0)/C_min, with C_min at most
the total cost of any allocation. `interior_point` finds good prices, in plain floating
point; what certifies them is one evaluation of U from above (`compiled.certify`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.baselines import average_allocation, strongest_channel
from dashf.checks import (
    check_allocation,
    check_kind,
    check_objective,
    check_scenario,
    check_tolerance,
)
from dashf.compiled import certify
from dashf.interior_point import Options, Prices, find_prices
from dashf.kernels import share_bounds
from dashf.pairs import Pairs, make_pairs, part_edges, score_constants
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

Array = Any  # NumPy only

#: Parts of the range of φ, each an option of a user at a server.
PARTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """An upper bound on the SCR of every allocation. Shapes: `...` batch, M servers."""

    value: Array  # [...] the bound: no feasible allocation has a higher SCR
    ratio: Array  # [...] y of the certificate
    bandwidth_price: Array  # [..., M] score for the whole band of a server
    compute_price: Array  # [..., M] score for the whole frequency of a server
    slot_price: Array  # [..., M] score for a slot; 0 without finite `max_users`
    tolerance: float  # relative, of the inner maximum's certificate
    time_s: float  # for the whole batch


def gap(
    scenario: Scenario,
    allocation: Allocation,
    bound: Bound | None = None,
    objective: ObjectiveConfig | None = None,
) -> Array:
    """Returns upper bound over SCR, less one, [...]: at most so much is missing.

    Args:
        scenario: batch shape `[...]`.
        allocation: feasible, of the same batch shape.
        bound: of this scenario and objective; computed if None.
        objective: weights and references; the default ones if None.

    Raises:
        ValueError: an argument is of another kind, or does not fit the scenario.
    """
    if isinstance(bound, ObjectiveConfig):
        raise ValueError(
            "`bound` must be a Bound or None; got ObjectiveConfig. The objective comes "
            "after it: `gap(scenario, allocation, objective=objective)`."
        )
    s, objective = check_scenario(scenario), check_objective(objective)
    scr = evaluate(s, check_allocation(s, allocation), objective).scr
    if bound is None:
        bound = upper_bound(s, objective)
    if np.shape(check_kind("bound", bound, Bound).value) != s.batch_shape:
        raise ValueError(
            f"`bound` must be of the scenario's batch shape {s.batch_shape}; got "
            f"{np.shape(bound.value)}."
        )
    return bound.value / scr - 1


def upper_bound(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    tolerance: float = 1e-5,
) -> Bound:
    """Returns a certified upper bound on the SCR of every feasible allocation.

    Args:
        scenario: batch shape `[...]`.
        objective: weights and references; the default ones if None.
        tolerance: relative slack that the certificate of the inner maximum may add.

    Raises:
        ValueError: the tolerance is not between 1e-9 and 1.
    """
    start = time.perf_counter()
    scenario, objective = check_scenario(scenario), check_objective(objective)
    tolerance = check_tolerance(tolerance)
    problem = Problem.of(scenario, objective)
    prices = find_prices(problem.options, problem.constants, problem.first_ratio())
    value, ratio = problem.certify(prices, tolerance)
    return problem.bound(prices, value, ratio, tolerance, time.perf_counter() - start)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A flat batch of scenarios with the options of their users."""

    scenario: Scenario  # batch shape [S]
    objective: ObjectiveConfig
    batch_shape: tuple[int, ...]
    pairs: Pairs
    options: Options
    constants: tuple[float, ...]
    cost_min: Array  # [S, N, J] at most the cost of the option

    @classmethod
    def of(cls, scenario: Scenario, objective: ObjectiveConfig) -> Problem:
        """Builds the problem of a scenario, or of a batch of any shape."""
        s = scenario.to_numpy()
        batch = s.batch_shape
        flat = s.map(lambda a: np.reshape(a, (-1, *np.shape(a)[len(batch) :])))
        pairs, k = make_pairs(flat, objective), score_constants(objective)
        S, N, M = pairs.local.shape

        def spread(value: Array) -> Array:
            full = np.broadcast_to(value, (S, N, M, PARTS))
            return full.reshape(S, N, M * PARTS).copy()

        low, high = pairs.fraction_min[..., None], pairs.fraction_max[..., None]
        edges = part_edges(low, high, PARTS)
        allowed = np.ones((S, N, M * PARTS), dtype=bool)
        capacity = np.ones((S, M, 2))
        if (flat.max_users < N).any():
            slots = np.minimum(flat.max_users, N)
            capacity = np.concatenate([capacity, slots[..., None]], axis=-1)
            allowed &= np.repeat(slots > 0, PARTS, axis=-1)[:, None]
        allowed &= spread((high > low) | (np.arange(PARTS) == 0))
        options = Options(
            low=spread(edges[..., :-1]),
            high=spread(edges[..., 1:]),
            coefficients=tuple(spread(a[..., None]) for a in pairs.arrays()),
            allowed=allowed,
            capacity=capacity,
        )
        return cls(
            scenario=flat,
            objective=objective,
            batch_shape=batch,
            pairs=pairs,
            options=options,
            constants=k,
            cost_min=_least_cost(options, k),
        )

    def first_ratio(self) -> Array:
        """Returns the SCR of a simple feasible allocation, [S]."""
        average = average_allocation(self.scenario, strongest_channel(self.scenario))
        return evaluate(self.scenario, average, self.objective).scr

    def certify(
        self, prices: Prices, tolerance: float, options: Options | None = None
    ) -> tuple[Array, Array]:
        """Returns a valid bound on the SCR and the ratio of its certificate, each [S].

        `options` restricts the users' choice: then of allocations that respect it.
        """
        options = options or self.options
        least = np.where(options.allowed, self.cost_min, np.inf).min(-1).sum(-1)
        ratio = prices.ratio
        best, best_ratio = np.full(len(ratio), np.inf), ratio
        for _ in range(3):
            surplus = self._surplus(options, prices, ratio, tolerance)
            value = ratio + np.maximum(surplus, 0) / least
            better = value < best
            best = np.where(better, value, best)
            best_ratio = np.where(better, ratio, best_ratio)
            if ((value - ratio) <= 0.1 * tolerance * ratio).all():
                break
            ratio = ratio + np.maximum(surplus, 0) / prices.cost
        return best * (1 + 1e-12), best_ratio

    def _surplus(
        self, options: Options, prices: Prices, ratio: Array, tolerance: float
    ) -> Array:
        """Returns U from above, [S]."""
        price = np.maximum(prices.price, 0)
        k = self.constants
        answer = options.respond(ratio, price, k)
        per_user = 0.5 * tolerance * ratio * prices.cost / answer.benefit.shape[1]
        goal = answer.benefit.max(axis=-1) + per_user[:, None]  # [S, N]
        at = np.broadcast_to(
            options.of_server(price), (*options.low.shape, price.shape[-1])
        )
        slot = at[..., 2] if price.shape[-1] == 3 else np.zeros(options.low.shape)
        target = goal[..., None] + slot
        mask = options.allowed
        y = np.broadcast_to(ratio[:, None, None], mask.shape)
        top = np.full(mask.shape, -np.inf)
        top[mask] = certify(
            options.low[mask],
            options.high[mask],
            y[mask],
            at[mask, 0],
            at[mask, 1],
            tuple(c[mask] for c in options.coefficients),
            k,
            target[mask],
            np.broadcast_to(per_user[:, None, None], mask.shape)[mask],
        )
        benefit = (top - slot).max(axis=-1)
        rent = (options.capacity * price).sum(axis=(1, 2))
        size = rent + np.abs(benefit).sum(axis=1)
        return rent + benefit.sum(axis=1) + 1e-12 * size

    def bound(
        self,
        prices: Prices,
        value: Array,
        ratio: Array,
        tolerance: float,
        time_s: float,
    ) -> Bound:
        """Returns the result with the batch shape of the scenario."""
        price = np.maximum(prices.price, 0)
        slot = price[..., 2] if price.shape[-1] == 3 else 0 * price[..., 0]

        def shaped(array: Array) -> Array:
            return array.reshape((*self.batch_shape, *array.shape[1:]))[()]

        return Bound(
            value=shaped(value),
            ratio=shaped(ratio),
            bandwidth_price=shaped(price[..., 0]),
            compute_price=shaped(price[..., 1]),
            slot_price=shaped(slot),
            tolerance=tolerance,
            time_s=time_s,
        )


def _least_cost(options: Options, k: tuple[float, ...]) -> Array:
    """Returns a lower bound of the cost of every pair, for its options [S, N, J].

    With the score's terms and the prices at zero the priced maximum is minus the least
    cost. For given shares the cost is linear in φ, so it is least at an end.
    """
    c = options.coefficients
    without_score = (k[0], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    zero = np.zeros(options.low.shape)
    with np.errstate(all="ignore"):  # in branches that `select` leaves out
        ends = [
            share_bounds(
                *(end, zero + 1, zero + 1, zero, zero, c[:8], without_score),
                *(zero, zero + 1, c[8], c[8]),
            )
            for end in (options.low, options.high)
        ]
    least = np.maximum(-np.maximum(*ends), 0)
    by_pair = least.reshape(*least.shape[:2], -1, PARTS).min(axis=-1)
    return np.repeat(by_pair, PARTS, axis=-1)
