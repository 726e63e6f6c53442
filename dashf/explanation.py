"""Why a decision is worth what it is: what binds, what more would give, who costs most.

An optimal allocation z of resources θ has SCR y with G(z; y, θ) = Σ v − y Σ c = 0, so
by the envelope theorem dy/dθ = (∂G/∂θ) / Σ c. Written in shares of the servers, the
constraints do not depend on the capacities, and the partial derivative is that of
`evaluate` at fixed shares: it holds the price of the capacity, which is λ_m / B_m or
μ_m / F_m, and what a larger capacity changes beside it. That is little for bandwidth
(the server's power is spread over more of it) and not little for compute: the score
counts F_n / F_m, so that the same frequency is worth less on a faster server.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashf.alternating.resources import shadow_prices
from dashf.common.arrays import Array, Mask
from dashf.common.checks import check_allocation, check_objective, check_scenario
from dashf.pricing.dual import gap
from dashf.result import Bound
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario, evaluate
from mec_llm_env.record import ArrayRecord

_FULL = 1e-4  # relative distance to a limit that counts as none
_FREE = 1e-6  # price, as part of the total score, that counts as none
_STEP = 1e-5  # relative; truncation and rounding errors near 1e-10


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explanation(ArrayRecord):
    """What an allocation comes to. Shapes: `...` batch, N users, M servers.

    A capacity binds where all of it is used and more would help. What more of it gives
    is a derivative: at the optimum the gain after deciding anew, for any other
    allocation the gain of the same shares.
    """

    scr: Array  # [...] service-cost ratio
    load: Array  # [..., M] users of each server
    bandwidth_used: Array  # [..., M] share of the band that is granted
    compute_used: Array  # [..., M] share of the frequency that is granted
    bandwidth_price: Array  # [..., M] λ: marginal score for the whole band, 0: no use
    compute_price: Array  # [..., M] μ: marginal score for the whole frequency
    bandwidth_binds: Mask  # [..., M] whether the band is used up and has a price
    compute_binds: Mask  # [..., M] whether the frequency is used up and has a price
    slots_bind: Mask  # [..., M] whether the server has as many users as it may
    price_per_mhz: Array  # [..., M] λ in SCR per MHz that users have more to share
    price_per_ghz: Array  # [..., M] μ in SCR per GHz that users have more to share
    scr_per_mhz: Array  # [..., M] SCR that one more MHz of band gives, to first order
    scr_per_ghz: Array  # [..., M] that of one more GHz of frequency; may be below 0
    cost_share: Array  # [..., N] part of the total cost
    contribution: Array  # [..., N] score less SCR times cost; they sum to 0
    power_binds: Mask  # [..., N] whether the user sends at its maximum power
    frequency_binds: Mask  # [..., N] whether the user's GPU runs at its maximum
    least_local: Mask  # [..., N] whether φ is at its minimum
    most_local: Mask  # [..., N] whether φ is at its maximum
    gap: Array | None = None  # [...] bound over SCR, less one, where a bound was given


def explain(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig | None = None,
    *,
    bound: Bound | None = None,
) -> Explanation:
    """Explains a decision: what binds, what more would give, which users cost most.

    Power coefficients, κ, stay as they are while a frequency grows. Prices are those of
    the allocation (`shadow_prices`); near the optimum those of a `Bound` are alike.

    Args:
        scenario: batch shape `[...]`.
        allocation: feasible, of the same batch shape.
        objective: weights and references; the default ones if None.
        bound: of this scenario and objective, for the gap.

    Raises:
        ValueError: an argument has the wrong type or does not fit the scenario, or
            the bound is of another scenario or objective.
    """
    s, o = check_scenario(scenario), check_objective(objective)
    z = check_allocation(s, allocation)
    outcome = evaluate(s, z, o)
    bandwidth_used = _used(z, z.bandwidth_hz, s.bandwidth_max_hz)
    compute_used = _used(z, z.server_frequency_hz, s.server_frequency_max_hz)
    prices = [np.nan_to_num(price, nan=0.0) for price in shadow_prices(s, z, o)]
    free = _FREE * outcome.score.sum(axis=-1)[..., None]
    per_hz, per_server_hz = _sensitivities(s, z, o, outcome)
    load, cost = z.association.sum(axis=-2), outcome.cost.sum(axis=-1)[..., None]
    phi, ratio = z.local_fraction, outcome.scr[..., None]
    return Explanation(
        scr=outcome.scr,
        load=load,
        bandwidth_used=bandwidth_used,
        compute_used=compute_used,
        bandwidth_price=prices[0],
        compute_price=prices[1],
        bandwidth_binds=(bandwidth_used >= 1 - _FULL) & (prices[0] > free),
        compute_binds=(compute_used >= 1 - _FULL) & (prices[1] > free),
        slots_bind=load >= s.max_users,
        price_per_mhz=1e6 * prices[0] / (s.bandwidth_max_hz * cost),
        price_per_ghz=1e9 * prices[1] / (s.server_frequency_max_hz * cost),
        scr_per_mhz=1e6 * per_hz,
        scr_per_ghz=1e9 * per_server_hz,
        cost_share=outcome.cost / cost,
        contribution=outcome.score - ratio * outcome.cost,
        power_binds=z.transmit_power_w >= (1 - _FULL) * s.transmit_power_max_w,
        frequency_binds=z.user_frequency_hz >= (1 - _FULL) * s.user_frequency_max_hz,
        least_local=phi <= s.local_fraction_min * (1 + _FULL),
        most_local=phi >= s.local_fraction_max * (1 - _FULL),
        gap=None if bound is None else gap(s, z, o, bound=bound),
    )


def _used(z: Allocation, amount: Array, capacity: Array) -> Array:
    return np.einsum("...nm,...n->...m", z.association, amount) / capacity


def _sensitivities(
    s: Scenario, z: Allocation, o: ObjectiveConfig, outcome: Outcome
) -> tuple[Array, Array]:
    """Returns d SCR / d B_m and d SCR / d F_m at fixed shares, [..., M] per Hz.

    A user depends on its own server alone, so that all servers change at once.
    """
    ratio = outcome.scr[..., None]
    total_cost = outcome.cost.sum(axis=-1)[..., None]

    def derivative(capacity: str, granted: str) -> Array:
        gains = []
        for factor in (1 + _STEP, 1 - _STEP):
            changed = s.changed(**{capacity: getattr(s, capacity) * factor})
            shares = z.changed(**{granted: getattr(z, granted) * factor})
            after = evaluate(changed, shares, o, check=False)
            gains.append(after.score - ratio * after.cost)
        by_user = (gains[0] - gains[1]) / (2 * _STEP)
        by_server = np.einsum("...nm,...n->...m", z.association, by_user)
        return by_server / (getattr(s, capacity) * total_cost)

    return (
        derivative("bandwidth_max_hz", "bandwidth_hz"),
        derivative("server_frequency_max_hz", "server_frequency_hz"),
    )
