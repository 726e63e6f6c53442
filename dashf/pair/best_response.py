"""The priced best response of every user-server pair.

At a ratio y and prices λ_m of bandwidth and μ_m of compute, both per unit share, what
would user n do if it were served by m? It maximises v − y c − λ_m b/B_m − μ_m F/F_m
over (φ, p, b, F). DASHF's offers, the bound's prices and the dual solver all ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.common.arrays import Array, Numbers
from dashf.common.checks import check_objective, check_scenario
from dashf.pair.backend import respond
from dashf.pair.coefficients import make_pairs, part_edges, score_constants
from mec_llm_env import ObjectiveConfig, Scenario
from mec_llm_env.record import as_floats, describe_index, first_index

#: Parts of the range of φ that are searched one by one for a local maximum.
_PARTS = 4
_MOST = 1e100  # of a ratio or a price


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
    objective: ObjectiveConfig | None = None,
    *,
    ratio: Numbers,
    bandwidth_price: Array,
    compute_price: Array,
    local_fraction_min: Array | None = None,
    local_fraction_max: Array | None = None,
) -> BestResponse:
    """Maximises every pair's priced benefit over split, power, bandwidth and frequency.

    Accurate (the maximiser of every quarter of the range of φ, the best of them), but
    not a proof: `upper_bound` has one.

    Args:
        scenario: batch shape `[...]`, NumPy.
        objective: weights and references; the default ones if None.
        ratio: [...] y ≥ 0 (positive where a price is 0), the price of cost in score.
        bandwidth_price: [..., M] λ_m ≥ 0, score for the whole band of a server.
        compute_price: [..., M] μ_m ≥ 0, score for the whole frequency of a server.
        local_fraction_min: [..., N, M] narrower range of φ; the scenario's if None.
            Equal to `local_fraction_max` it asks for the response at a given φ.
        local_fraction_max: [..., N, M] likewise.

    Raises:
        ValueError: a ratio or a price is negative or not finite, a φ not
            strictly between 0 and 1, or a shape does not fit.
    """
    s, objective = check_scenario(scenario), check_objective(objective)
    ratio, bandwidth_price, compute_price = (
        _prices(name, value, shape)
        for name, value, shape in (
            ("ratio", ratio, s.batch_shape),
            ("bandwidth_price", bandwidth_price, (*s.batch_shape, s.n_servers)),
            ("compute_price", compute_price, (*s.batch_shape, s.n_servers)),
        )
    )
    pairs = make_pairs(s, objective)
    shape = s.channel_gain.shape
    y = ratio[..., None, None]
    price_b, price_f = bandwidth_price[..., None, :], compute_price[..., None, :]
    low = pairs.phi_min if local_fraction_min is None else local_fraction_min
    high = pairs.phi_max if local_fraction_max is None else local_fraction_max
    low, high = _phi_range(low, high, shape)
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

    return BestResponse(
        benefit=at_best(answer.benefit),
        cost=at_best(answer.cost),
        local_fraction=at_best(answer.phi),
        transmit_power_w=at_best(answer.power) * s.transmit_power_max_w[..., None],
        bandwidth_hz=at_best(answer.band) * s.bandwidth_max_hz[..., None, :],
        user_frequency_hz=np.broadcast_to(pairs.user_frequency_hz[..., None], shape),
        server_frequency_hz=at_best(answer.compute)
        * s.server_frequency_max_hz[..., None, :],
    )


def _prices(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Returns a ratio or prices of a shape; they must be from 0 to 1e100."""
    array = _spread(name, value, shape)
    wrong = ~((array >= 0) & (array <= _MOST))
    if wrong.any():
        index = first_index(wrong)
        where = describe_index(index, "" if name == "ratio" else "M")
        raise ValueError(
            f"`{name}` must be from 0 to {_MOST:g}; got {array[index]}"
            f"{f' for {where}' if where else ''}."
        )
    return array


def _phi_range(low: Any, high: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Returns the ends of a range of φ in every pair, in order."""
    low = _spread("local_fraction_min", low, shape)
    high = _spread("local_fraction_max", high, shape)
    wrong = ~((low > 0) & (low <= high) & (high < 1))
    if wrong.any():
        index = first_index(wrong)
        raise ValueError(
            "`local_fraction_min` and `local_fraction_max` must lie between 0 and 1, "
            f"in that order; got {low[index]} and {high[index]} for "
            f"{describe_index(index, 'NM')}."
        )
    return low, high


def _spread(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = as_floats(value, name)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"`{name}` must have shape {shape}, or one that broadcasts to it; got "
            f"{array.shape}."
        ) from None
