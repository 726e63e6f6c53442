"""Newton's step for prices at which users with one option each ask for all there is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.backend import Response

_LEAST_SLOPE = 0.2, 0.01  # −d ln Σ b / d ln λ, and of F by μ, taken for the step


def price_step(
    a: Response,
    total: Callable[..., Array],
    price: Array,
    share: Array,
    rise: Array,
    limited: Callable[[Array, Array], Array],
) -> Array:
    """Returns Newton's step in the logarithms of the prices, [S, M, 2].

    It solves ln Σ b = 0 and ln Σ F = 0 at every server, with y changed by `rise`. In
    logarithms demand is nearly a power of the price.

    Args:
        a: the users' responses.
        total: sums values of users by server, `total(b, F)` [S, M, 2].
        price: [S, M, 2] λ and μ.
        share: [S, M, 2] Σ b and Σ F of each server.
        rise: [S] change of y.
        limited: keeps the cross derivatives [S, M, 2], given second, within what the
            diagonal ones, given first, allow for a regular system.
    """
    drift = total(a.bend_by, a.bend_fy) * rise[:, None, None]
    gap = np.log(share) - drift / share
    slope = np.maximum(total(a.bend_bb, a.bend_ff) * price / share, _LEAST_SLOPE)
    cross = limited(slope, total(a.bend_bf) * price[..., ::-1] / share)
    determinant = slope.prod(axis=-1, keepdims=True) - cross.prod(
        axis=-1, keepdims=True
    )
    return (slope[..., ::-1] * gap - cross * gap[..., ::-1]) / determinant
