"""Prices at which users with one option each ask for all there is: a compiled round.

Demand is nearly a power of the price, so Newton's steps are in logarithms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.pair.loops import respond_row
from dashf.pair.terms import Score

_LEAST_SLOPE = 0.2, 0.01  # −d ln Σ b / d ln λ, and of F by μ, taken for the step


class Total(NamedTuple):
    """What the users of every server ask for, and all users' benefit and cost."""

    benefit: float
    cost: float
    share: Array  # [M, 2] Σ b and Σ F; 1 where nobody is
    bend: Array  # [M, 3] their second derivatives by λ, λ and μ, μ
    drift: Array  # [M, 2] by y


def ask_users(
    table: Array,  # [N, 12]
    server: Indices,  # [N]
    y: float,
    price: Array,  # [M, 2]
    k: Score,
    nearby: bool,
    answers: Array,  # [N, 11]
) -> Total:
    """The responses of all users, `nearby` the `answers` before, and their sums."""
    servers, benefit, cost = len(price), 0.0, 0.0
    share, bend = np.zeros((servers, 2)), np.zeros((servers, 3))
    drift = np.zeros((servers, 2))
    for n in range(len(table)):
        m, a = server[n], answers[n]
        respond_row(table[n], y, price[m], k, nearby, a)
        benefit, cost = benefit + a[0], cost + a[1]
        for i in range(3):
            bend[m, i] += a[6 + i]
        for i in range(2):
            share[m, i] += a[4 + i]
            drift[m, i] += a[9 + i]
    for m in range(servers):
        if share[m, 0] == 0:
            share[m, 0] = share[m, 1] = 1.0
    return Total(benefit, cost, share, bend, drift)


def price_step(
    price: Array, total: Total, m: int, rise: float, most: float, least: float
) -> tuple[float, float]:
    """Newton's step in the logarithms of a server's prices.

    It solves ln Σ b = 0 and ln Σ F = 0, with y changed by `rise`. To stay regular,
    cross derivatives are cut to `most` of the diagonal ones, or so that the determinant
    is at least `least` of their product.
    """
    share_b, share_f = total.share[m, 0], total.share[m, 1]
    gap_b = np.log(share_b) - total.drift[m, 0] * rise / share_b
    gap_f = np.log(share_f) - total.drift[m, 1] * rise / share_f
    slope_b = max(total.bend[m, 0] * price[m, 0] / share_b, _LEAST_SLOPE[0])
    slope_f = max(total.bend[m, 2] * price[m, 1] / share_f, _LEAST_SLOPE[1])
    cross_b = total.bend[m, 1] * price[m, 1] / share_b
    cross_f = total.bend[m, 1] * price[m, 0] / share_f
    cross_b = min(max(cross_b, -most * slope_b), most * slope_b)
    cross_f = min(max(cross_f, -most * slope_f), most * slope_f)
    product = max(cross_b * cross_f, 1e-300)
    cut = min(1.0, np.sqrt((1 - least) * slope_b * slope_f / product))
    cross_b, cross_f = cross_b * cut, cross_f * cut
    determinant = slope_b * slope_f - cross_b * cross_f
    return (
        (slope_f * gap_b - cross_b * gap_f) / determinant,
        (slope_b * gap_f - cross_f * gap_b) / determinant,
    )
