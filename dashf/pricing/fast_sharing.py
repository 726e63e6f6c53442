"""Split and resources for a given association, in a few rounds for a whole batch.

For learning, and for judging many associations at once: a good allocation a million
times, not the best one. A round asks every user for its response to the ratio y and to
the prices λ and μ of its server, with its φ fixed (`kernels.solve_option`), and then
updates

- y by Newton's method on the bound: the surplus over the cost (`interior_point`);
- ln λ and ln μ of every server by Newton's method on ln Σ b = 0 and ln Σ F = 0, since
  demand is nearly a power of the price. Compute that is left idle has its price fall
  to nothing;
- φ to its best for the user's shares, in closed form.

The last round leaves φ as it is, so that prices and shares fit one another.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.common.capacity import fit_capacity
from dashf.pair.backend import Response, respond
from dashf.pair.coefficients import local_frequency, make_pairs, score_constants
from dashf.pair.kernels import pair_cost
from dashf.pair.split import best_split
from dashf.pricing.price_step import price_step
from dashf.rules import average_allocation
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

_ROUNDS = 6
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_LEAST_PRICE = 1e-3  # score; no different from nothing
_STEP = 2.0  # nepers, of a price in a round
_MOST_CROSS = 0.5  # cross over diagonal derivatives of demand, taken for the step


def share_fast(
    scenario: Scenario,
    objective: ObjectiveConfig,
    association: Array,
    local_fraction: Array | None = None,
    ratio: Array | None = None,
) -> Allocation:
    """Returns a good allocation for a given association, feasible where that is.

    Its SCR is high, or, for a given ratio y, its surplus Σ v − y Σ c.

    Args:
        scenario: batch shape [S], NumPy.
        objective: weights and references.
        association: [S, N, M] 0 or 1, one server a user.
        local_fraction: [S, N] φ; chosen as well if None.
        ratio: [S] y of the surplus; the SCR that is reached if None.
    """
    s, x, k = scenario, association, score_constants(objective)
    server = x.argmax(axis=-1)
    low = s.local_fraction_min if local_fraction is None else local_fraction
    high = s.local_fraction_max if local_fraction is None else local_fraction

    def own(per_server: Array) -> Array:  # [S, M] → [S, N]
        return np.take_along_axis(per_server, server, axis=-1)

    def total(*per_user: Array) -> Array:  # [S, N] each → [S, M, how many]
        return np.einsum("snm,snd->smd", x, np.stack(per_user, axis=-1))

    pairs = make_pairs(s, objective).arrays()
    c = tuple(np.take_along_axis(v, server[..., None], axis=-1)[..., 0] for v in pairs)
    load = x.sum(axis=-2)
    if ratio is None:
        y = evaluate(s, average_allocation(s, x), objective, check=False).scr
    else:
        y = ratio
    price = np.repeat(_FIRST_PRICE * np.maximum(load, 1.0)[..., None], 2, axis=-1)
    phi = np.array(low)
    for i in range(_ROUNDS):
        a = respond(
            *(phi, phi, y[:, None], own(price[..., 0]), own(price[..., 1])),
            *(c, k),
        )
        # A server that serves nobody charges no rent.
        rent = (np.where(load > 0, price.sum(axis=-1), 0.0)).sum(axis=-1)
        rise = (rent + a.benefit.sum(axis=-1)) / a.cost.sum(axis=-1)
        rise = rise if ratio is None else np.zeros_like(rise)
        share = np.where(load[..., None] > 0, total(a.band, a.compute), 1.0)
        step = price_step(a, total, price, share, rise, _limited)
        price = np.maximum(price * np.exp(np.clip(step, -_STEP, _STEP)), _LEAST_PRICE)
        y = np.maximum(y + rise, 0.3 * y)
        if i < _ROUNDS - 1:
            phi = _best_phi(a, c, k, y, phi, low, high)
    a = respond(
        *(phi, phi, y[:, None], own(price[..., 0]), own(price[..., 1])),
        *(c, k),
    )
    z = fit_capacity(
        s,
        Allocation.unchecked(
            association=x,
            local_fraction=phi,
            transmit_power_w=a.power * s.transmit_power_max_w,
            bandwidth_hz=a.band * own(s.bandwidth_max_hz),
            user_frequency_hz=local_frequency(s, objective),
            server_frequency_hz=a.compute * own(s.server_frequency_max_hz),
        ),
    )
    fitted = a._replace(
        power=z.transmit_power_w / s.transmit_power_max_w,
        band=z.bandwidth_hz / own(s.bandwidth_max_hz),
        compute=z.server_frequency_hz / own(s.server_frequency_max_hz),
    )
    best = _best_phi(fitted, c, k, y, phi, low, high)
    return Allocation.unchecked(**z.to_dict() | {"local_fraction": best})


def _limited(slope: Array, cross: Array) -> Array:
    """Returns cross derivatives of at most half the diagonal ones."""
    return np.clip(cross, -_MOST_CROSS * slope, _MOST_CROSS * slope)


def _best_phi(
    a: Response,  # [S, N] shares
    c: tuple[Array, ...],  # [S, N] coefficients
    k: tuple[float, ...],
    y: Array,  # [S]
    phi: Array,  # [S, N], any
    low: Array,
    high: Array,
) -> Array:
    """Returns the best φ of every user at ratio y for its shares, [S, N]."""
    wt, w1, w2, wp, wb, wc, wo = k
    log1p_x = np.log1p(c[3] * a.power / a.band)
    _, slope = pair_cost(phi, a.power, a.band, a.compute, log1p_x, c[:8], wt)
    quality = 1 + w2 * (wp * a.power + wb * a.band + wc * a.compute + wo)
    return best_split(-y[:, None] * slope, quality, w2 * wo, w1, low, high)
