"""Split and resources for a given association, in a few rounds for a whole batch.

For learning, which asks a million times and needs no last digit. A round asks every
user for its response to the ratio y and to the prices λ and μ of its server, with its
φ fixed (`kernels.solve_option`), and then updates

- y by Newton's method on the bound: the surplus over the cost (`interior_point`);
- ln λ and ln μ of every server by Newton's method on ln Σ b = 0 and ln Σ F = 0, since
  demand is nearly a power of the price. Compute that is left idle has its price fall
  to nothing;
- φ to its best for the user's shares, in closed form.

The last round leaves φ as it is, so that prices and shares fit one another.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.pair.backend import Response, respond
from dashf.pair.coefficients import local_frequency, make_pairs, score_constants
from dashf.pair.kernels import pair_cost
from dashf.rules import average_allocation
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

Array = Any  # NumPy only

_ROUNDS = 6
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_LEAST_SHARE = 1e-20  # of a server or of a power
_LEAST_PRICE = 1e-3  # score; no different from nothing
_STEP = 2.0  # nepers, of a price in a round
_LEAST_SLOPE = 0.2, 0.01  # −d ln Σ b / d ln λ, and of F by μ, taken for the step


def share_fast(
    scenario: Scenario,
    objective: ObjectiveConfig,
    association: Array,
    local_fraction: Array | None = None,
) -> Allocation:
    """Returns a good allocation for a given association, feasible where that is.

    Args:
        scenario: batch shape [S], NumPy.
        objective: weights and references.
        association: [S, N, M] 0 or 1, one server a user.
        local_fraction: [S, N] φ; chosen as well if None.
    """
    s, x, k = scenario, association, score_constants(objective)
    server = x.argmax(axis=-1)
    low = s.local_fraction_min if local_fraction is None else local_fraction
    high = s.local_fraction_max if local_fraction is None else local_fraction

    def own(per_server: Array) -> Array:  # [S, M] → [S, N]
        return np.take_along_axis(per_server, server, axis=-1)

    def total(per_user: Array) -> Array:  # [S, N] → [S, M]
        return np.einsum("snm,sn->sm", x, per_user)

    pairs = make_pairs(s, objective).arrays()
    c = tuple(np.take_along_axis(v, server[..., None], axis=-1)[..., 0] for v in pairs)
    load = x.sum(axis=-2)
    y = evaluate(s, average_allocation(s, x), objective, check=False).scr
    price = np.repeat(_FIRST_PRICE * np.maximum(load, 1.0)[..., None], 2, axis=-1)
    fraction = np.array(low)
    for i in range(_ROUNDS):
        a = respond(
            *(fraction, fraction, y[:, None], own(price[..., 0]), own(price[..., 1])),
            *(c, k),
        )
        # Every server with nobody to serve has its capacity left, and no say.
        rent = (np.where(load > 0, price.sum(axis=-1), 0.0)).sum(axis=-1)
        rise = (rent + a.benefit.sum(axis=-1)) / a.cost.sum(axis=-1)
        price = _next_price(price, rise, a, load, total)
        y = np.maximum(y + rise, 0.3 * y)
        if i < _ROUNDS - 1:
            fraction = _best_fraction(a, c, k, y, fraction, low, high)
    a = respond(
        *(fraction, fraction, y[:, None], own(price[..., 0]), own(price[..., 1])),
        *(c, k),
    )
    a = some_of_each(a)
    a = a._replace(
        band=a.band / own(total(a.band)),  # unused bandwidth never helps
        compute=a.compute / own(np.maximum(total(a.compute), 1.0)),
    )
    return Allocation.unchecked(
        association=x,
        local_fraction=_best_fraction(a, c, k, y, fraction, low, high),
        transmit_power_w=a.power * s.transmit_power_max_w,
        bandwidth_hz=a.band * own(s.bandwidth_max_hz),
        user_frequency_hz=local_frequency(s, objective),
        server_frequency_hz=a.compute * own(s.server_frequency_max_hz),
    )


def some_of_each(a: Response) -> Response:
    """Raises shares that are as good as nothing, which no allocation may grant."""
    return a._replace(
        power=np.maximum(a.power, _LEAST_SHARE),
        band=np.maximum(a.band, _LEAST_SHARE),
        compute=np.maximum(a.compute, _LEAST_SHARE),
    )


def _next_price(
    price: Array,  # [S, M, 2] λ and μ
    rise: Array,  # [S] of y in this round
    a: Response,  # [S, N]
    load: Array,  # [S, M] users
    total: Any,  # sums users' values by server
) -> Array:
    """Returns the prices after a Newton step in their logarithms, [S, M, 2]."""
    lam, mu = price[..., 0], price[..., 1]
    band, compute = (np.where(load > 0, total(v), 1.0) for v in (a.band, a.compute))
    # Too much is asked by e^gap, the change of y included.
    gap_b = np.log(band) - total(a.bend_by) * rise[:, None] / band
    gap_f = np.log(compute) - total(a.bend_fy) * rise[:, None] / compute
    slope_bb = np.maximum(total(a.bend_bb) * lam / band, _LEAST_SLOPE[0])
    slope_ff = np.maximum(total(a.bend_ff) * mu / compute, _LEAST_SLOPE[1])
    cross = total(a.bend_bf)
    slope_bf = np.clip(cross * mu / band, -0.5 * slope_bb, 0.5 * slope_bb)
    slope_fb = np.clip(cross * lam / compute, -0.5 * slope_ff, 0.5 * slope_ff)
    determinant = slope_bb * slope_ff - slope_bf * slope_fb
    step_b = (slope_ff * gap_b - slope_bf * gap_f) / determinant
    step_f = (slope_bb * gap_f - slope_fb * gap_b) / determinant
    step = np.clip(np.stack([step_b, step_f], axis=-1), -_STEP, _STEP)
    return np.maximum(price * np.exp(step), _LEAST_PRICE)


def _best_fraction(
    a: Response,  # [S, N] shares
    c: tuple[Array, ...],  # [S, N] coefficients
    k: tuple[float, ...],
    y: Array,  # [S]
    fraction: Array,  # [S, N], any
    low: Array,
    high: Array,
) -> Array:
    """Returns the best φ of every user at ratio y for its shares, [S, N].

    The cost is linear in φ and the score is ω1 ln(C − w φ²). Where more φ saves g it
    solves g w φ² + 2 ω1 w φ − g C = 0, here without cancellation.
    """
    wt, w1, w2, wp, wb, wc, wo = k
    log1p_x = np.log1p(c[3] * a.power / a.band)
    _, slope = pair_cost(fraction, a.power, a.band, a.compute, log1p_x, c[:8], wt)
    g = np.maximum(-y[:, None] * slope, 1e-300)
    C, w = 1 + w2 * (wp * a.power + wb * a.band + wc * a.compute + wo), w2 * wo
    bend = w1 * w + np.sqrt((w1 * w) ** 2 + g * g * w * C)
    root = g * C / np.maximum(bend, 1e-200)  # far beyond the range where w = 0
    return np.clip(np.where(slope < 0, root, 0.0), low, high)
