"""The priced best response of every user-server pair.

At a ratio y and prices λ_m of bandwidth and μ_m of compute, both per unit share, what
would user n do if it were served by m? It maximises v − y c − λ_m b/B_m − μ_m F/F_m
over (φ, p, b, F). DASHF's candidates, the bound's prices and the dual solver all ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.compiled import respond
from dashf.pairs import (
    best_user_frequency,
    make_pairs,
    part_edges,
    score_constants,
)
from mec_llm_env import ObjectiveConfig, Scenario
from mec_llm_env.record import describe_index, first_index

Array = Any  # NumPy only

#: Parts of the range of φ that are searched one by one for a local maximum.
_PARTS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class BestResponse:
    """What every pair would do at given prices. Shapes: `...`, N users, M servers.

    The allocation of one pair does not know of the others: together they need not fit.
    """

    benefit: Array  # [..., N, M] v − y c − λ b/B − μ F/F_m at the maximum
    cost: Array  # [..., N, M] dimensionless, c there
    local_fraction: Array  # [..., N, M] φ
    transmit_power_w: Array  # [..., N, M] W
    bandwidth_hz: Array  # [..., N, M] Hz
    user_frequency_hz: Array  # [..., N, M] Hz
    server_frequency_hz: Array  # [..., N, M] Hz


def best_response(
    scenario: Scenario,
    objective: ObjectiveConfig,
    ratio: Array,
    bandwidth_price: Array,
    compute_price: Array,
    *,
    fraction_min: Array | None = None,
    fraction_max: Array | None = None,
) -> BestResponse:
    """Maximises every pair's priced benefit over split, power, bandwidth and frequency.

    Accurate (the maximiser of every quarter of the range of φ, the best of them), but
    not a proof: `upper_bound` has one.

    Args:
        scenario: batch shape `[...]`, NumPy.
        objective: weights and references.
        ratio: [...] y ≥ 0 (positive where a price is 0), the price of cost in score.
        bandwidth_price: [..., M] λ_m ≥ 0, score for the whole band of a server.
        compute_price: [..., M] μ_m ≥ 0, score for the whole frequency of a server.
        fraction_min: [..., N, M] narrower range of φ; the scenario's if None. Equal
            to `fraction_max` it asks for the response at a given φ.
        fraction_max: [..., N, M] likewise.

    Raises:
        ValueError: a ratio or a price is negative or not finite.
    """
    s = scenario.to_numpy()
    pairs = make_pairs(s, objective)
    shape = s.channel_gain.shape
    y = np.asarray(ratio, dtype=np.float64)[..., None, None]
    price_b = np.asarray(bandwidth_price, dtype=np.float64)[..., None, :]
    price_f = np.asarray(compute_price, dtype=np.float64)[..., None, :]
    for name, value, axes in (
        ("ratio", y[..., 0, 0], ""),
        ("bandwidth_price", price_b[..., 0, :], "M"),
        ("compute_price", price_f[..., 0, :], "M"),
    ):
        _check_non_negative(name, value, axes)

    low = pairs.fraction_min if fraction_min is None else fraction_min
    high = pairs.fraction_max if fraction_max is None else fraction_max
    low, high = (np.broadcast_to(value, shape) for value in (low, high))
    edges = part_edges(low[..., None], high[..., None], _PARTS)
    answer = respond(
        edges[..., :-1],
        edges[..., 1:],
        np.broadcast_to(y, shape)[..., None],
        np.broadcast_to(price_b, shape)[..., None],
        np.broadcast_to(price_f, shape)[..., None],
        tuple(value[..., None] for value in pairs.arrays()),
        score_constants(objective),
    )
    best = answer.benefit.argmax(axis=-1)[..., None]

    def at_best(value: Array) -> Array:
        return np.take_along_axis(value, best, axis=-1)[..., 0]

    frequency = best_user_frequency(s, objective)
    return BestResponse(
        benefit=at_best(answer.benefit),
        cost=at_best(answer.cost),
        local_fraction=at_best(answer.fraction),
        transmit_power_w=at_best(answer.power) * s.transmit_power_max_w[..., None],
        bandwidth_hz=at_best(answer.band) * s.bandwidth_max_hz[..., None, :],
        user_frequency_hz=np.broadcast_to(frequency[..., None], shape),
        server_frequency_hz=at_best(answer.compute)
        * s.server_frequency_max_hz[..., None, :],
    )


def _check_non_negative(name: str, value: Array, axes: str) -> None:
    wrong = ~(np.isfinite(value) & (value >= 0))
    if wrong.any():
        index = first_index(wrong)
        where = describe_index(index, axes)
        raise ValueError(
            f"`{name}` must be finite and at least 0; got {value[index]}"
            f"{f' for {where}' if where else ''}."
        )
