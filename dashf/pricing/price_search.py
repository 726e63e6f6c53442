"""The prices of the least bound: interior point, then columns where that is not enough.

The interior-point method converges in ten to twenty steps where every option's best φ
moves smoothly with the prices. Where it jumps, the method may cycle; where users are
alike, it spreads them over several servers. Column generation takes over in both cases.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.terms import Score
from dashf.pricing.column_generation import refine
from dashf.pricing.interior_point import find_prices
from dashf.pricing.options import Options, PriceSolution

#: Relative distance from the bound to the mixture's ratio at which a search has ended.
CLOSE = 1e-5
_SPLIT = 1e-3  # a choice above it is one of several of its user
_LARGEST_MASTER = 20_000  # options of a scenario


def search_prices(
    options: Options,
    k: Score,
    ratio: Array,
    *,
    close: float = CLOSE,
    target: float | None = None,
) -> PriceSolution:
    """Returns the best prices of every scenario, with the choice that goes with them.

    Args:
        options: what each user may choose between.
        k: `score_constants`.
        ratio: [S] a first y, such as the SCR of an allocation.
        close: wanted distance of the bound from the least one, relative.
        target: if given, column generation also ends once it is known whether the
            least bound is below it.
    """
    found = find_prices(options, k, ratio, close=0.1 * close)
    if options.low[0].size > _LARGEST_MASTER:
        return found
    for row in range(len(found.ratio)):
        split = mixed(found.choice[row])
        if found.residual[row] <= close and not _alike(options, row, split):
            continue
        only = slice(row, row + 1)
        one = refine(
            options.take(only), k, found.row(row), close=0.1 * close, target=target
        )
        found.put(row, one)
    return found


def _alike(options: Options, row: int, split: Array) -> bool:
    """Whether some of the users that a choice splits are alike."""
    if split.sum() < 2:
        return False
    kinds = options.kinds(row)[split]
    return len(np.unique(kinds)) < len(kinds)


def mixed(choice: Array) -> Array:
    """Returns which users a choice [..., J] leaves split between options, [...]."""
    return (choice > _SPLIT).sum(axis=-1) > 1
