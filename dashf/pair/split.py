r"""What every pair of a user and a server is worth, as a function of the split alone.

Given the power, bandwidth and server frequency that user n would have at server m, its
part of G is a concave function of its split φ_n,

    h_nm(φ) = ω1 ln(u_nm − w φ²) − y (a_nm + e_nm φ) − rent_nm,    w = ω2 w_o,

because every delay and energy is affine in φ and the quality is affine in φ². The
coefficients are read off `evaluate` at φ = 0 and φ = 1, so nothing is modelled twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array, Numbers
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

_WHOLE = 1e-9  # layers, by which a φ may be below that of whole ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """The resources that each user would have at each server, [N, M]."""

    transmit_power_w: Array  # [N, M] W
    bandwidth_hz: Array  # [N, M] Hz
    server_frequency_hz: Array  # [N, M] Hz
    rent: Array  # [N, M] surplus that others lose, λ_m b/B_m + μ_m F/F_m


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTerms:
    """Coefficients of h_nm(φ); see the module."""

    score_scale: float  # ω1
    quality: Array  # [N, M] u_nm = 1 + ω2 q_nm at φ = 0
    quality_loss: float  # w
    cost: Array  # [N, M] a_nm, cost at φ = 0
    cost_slope: Array  # [N, M] e_nm, local cost included
    rent: Array  # [N, M]

    def at(self, association: Array) -> PairTerms:
        """Returns the terms of each user at its own server, [N]."""
        return dataclasses.replace(
            self,
            **{
                name: (association * getattr(self, name)).sum(axis=-1)
                for name in ("quality", "cost", "cost_slope", "rent")
            },
        )

    def score(self, phi: Array) -> Array:
        """Returns v(φ)."""
        return self.score_scale * np.log(self.quality - self.quality_loss * phi**2)

    def score_slope(self, phi: Array) -> Array:
        """Returns v'(φ)."""
        quality = self.quality - self.quality_loss * phi**2
        return -2 * self.score_scale * self.quality_loss * phi / quality

    def score_curvature(self, phi: Array) -> Array:
        """Returns −v''(φ) ≥ 0, which grows with φ."""
        loss = self.quality_loss * phi**2
        numerator = 2 * self.score_scale * self.quality_loss * (self.quality + loss)
        return numerator / (self.quality - loss) ** 2

    def value(self, phi: Array, ratio: Numbers) -> Array:
        """Returns h(φ) at y = `ratio`."""
        return self.score(phi) - ratio * (self.cost + self.cost_slope * phi) - self.rent

    def best_split(self, ratio: Numbers, lowest: Array, highest: Array) -> Array:
        """Returns the φ in its box that maximises h, in closed form."""
        return best_split(
            -ratio * self.cost_slope,
            self.quality,
            self.quality_loss,
            self.score_scale,
            lowest,
            highest,
        )


def best_split(
    saving: Array,  # y times what the cost falls by for each unit of φ
    quality: Array,  # u
    quality_loss: float,  # w
    score_scale: float,  # ω1
    lowest: Array,
    highest: Array,
) -> Array:
    """Returns the φ in its box that maximises ω1 ln(u − w φ²) + saving φ.

    Where nothing is saved the lowest is best. Else the derivative vanishes at the
    positive root of k w φ² + 2 ω1 w φ = k u, with k the saving, which without
    cancellation is k u/(ω1 w + √(ω1² w² + k² w u)): beyond the range where w = 0.
    """
    k, scaled_loss = np.maximum(saving, 0.0), score_scale * quality_loss
    root = np.sqrt(scaled_loss**2 + k**2 * quality_loss * quality)
    stationary = k * quality / np.maximum(scaled_loss + root, 1e-200)
    return np.clip(np.where(k > 0, stationary, 0.0), lowest, highest)


def pair_terms(
    scenario: Scenario,
    offers: Offers,
    user_frequency_hz: Array,  # [N] Hz
    objective: ObjectiveConfig,
) -> PairTerms:
    """Returns the coefficients of every pair, by evaluating M allocations at once."""
    n, m = scenario.n_users, scenario.n_servers
    everywhere = scenario.repeat(m)

    def outcome_at(phi: float) -> tuple[Array, Array]:
        # In allocation m everybody is at server m.
        outcome = evaluate(
            everywhere,
            Allocation.unchecked(
                association=np.broadcast_to(np.eye(m)[:, None, :], (m, n, m)),
                local_fraction=np.full((m, n), phi),
                transmit_power_w=offers.transmit_power_w.T,
                bandwidth_hz=offers.bandwidth_hz.T,
                user_frequency_hz=np.broadcast_to(user_frequency_hz, (m, n)),
                server_frequency_hz=offers.server_frequency_hz.T,
            ),
            objective,
            check=False,
        )
        return outcome.score.T, outcome.cost.T

    return _terms(outcome_at, objective, offers.rent)


def own_terms(
    scenario: Scenario, allocation: Allocation, objective: ObjectiveConfig
) -> PairTerms:
    """Returns the coefficients of each user at its present server, [..., N]."""
    zero = np.zeros_like(allocation.local_fraction)

    def outcome_at(phi: float) -> tuple[Array, Array]:
        z = dataclasses.replace(allocation, local_fraction=zero + phi)
        outcome = evaluate(scenario, z, objective, check=False)
        return outcome.score, outcome.cost

    return _terms(outcome_at, objective, zero)


def _terms(
    outcome_at: Callable[[float], tuple[Array, Array]],
    objective: ObjectiveConfig,
    rent: Array,
) -> PairTerms:
    """Reads the coefficients off the score and the cost at φ = 0 and φ = 1."""
    score, cost = outcome_at(0.0)
    _, cost_all_local = outcome_at(1.0)
    return PairTerms(
        score_scale=objective.score_scale,
        quality=np.exp(score / objective.score_scale),
        quality_loss=objective.score_sensitivity * objective.score_weight_offload,
        cost=cost,
        cost_slope=cost_all_local - cost,
        rent=rent,
    )


def adjacent_splits(
    phi: Array, lowest: Array, highest: Array, layers: Array
) -> tuple[Array, Array]:
    """Returns the φ of whole layers below and above a φ, within its box.

    A φ that is one of these is the lower one, unless there is none above it. All are
    equal where the box holds a single one.
    """
    first, last = np.round(lowest * layers), np.round(highest * layers)
    lower = np.clip(np.floor(phi * layers + _WHOLE), first, np.maximum(last - 1, first))
    return lower / layers, np.minimum(lower + 1, last) / layers


def whole_split(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: Numbers,
) -> Array:
    """Returns φ [..., N] of whole layers: below or above, as G is higher at the shares.

    Args:
        scenario: batch shape `[...]`, with `layers`.
        allocation: of which φ need not be that of whole layers.
        objective: weights and references.
        ratio: [...] y of G.
    """
    s = scenario
    lower, upper = adjacent_splits(
        allocation.local_fraction,
        s.local_fraction_min,
        s.local_fraction_max,
        np.asarray(s.layers),
    )
    terms, y = own_terms(s, allocation, objective), np.asarray(ratio)[..., None]
    better = terms.value(upper, y) > terms.value(lower, y)
    return np.where(better, upper, lower)


def optimal_split(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: Numbers,
) -> Allocation:
    """Returns the allocation with every φ at its best for G at y = `ratio` [...]."""
    terms = own_terms(scenario, allocation, objective)
    phi = terms.best_split(
        np.asarray(ratio)[..., None],
        scenario.local_fraction_min,
        scenario.local_fraction_max,
    )
    return dataclasses.replace(allocation, local_fraction=phi)
