"""Split, power, bandwidth and frequency for a given association, at its optimum.

For given φ the problem is concave in the shares (docs/bounds.md), so a server's two prices
decide: no relaxation, no CVXPY. φ responds to the prices too; where a user sits between
two values of φ, the better part of its range is fixed first. A batch is one solve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.bounds import PARTS, Problem
from dashf.pairs import best_user_frequency
from dashf.pricing import Options, Prices, find_prices
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

Array = Any  # NumPy only


def share_resources(
    scenario: Scenario,
    objective: ObjectiveConfig,
    association: Array,
    *,
    local_fraction: Array | None = None,
) -> Allocation:
    """Returns the best allocation found for a given association.

    For a given `local_fraction` too, and a score that does not count power, it is the
    optimum: the problem is concave.

    Args:
        scenario: batch shape `[...]`.
        objective: weights and references.
        association: [..., N, M] 0 or 1, one server a user.
        local_fraction: [..., N] φ; chosen as well if None.
    """
    problem = Problem.of(scenario, objective)
    S, N, J = problem.options.low.shape
    flat = np.asarray(association).reshape(S, N, J // PARTS)
    option = flat.argmax(axis=-1) * PARTS
    fraction = None
    if local_fraction is not None:
        fraction = np.broadcast_to(local_fraction, (*problem.batch_shape, N))
        fraction = fraction.reshape(S, N)
    else:
        here = np.repeat(flat > 0.5, PARTS, axis=-1)
        options = restrict(problem.options, here)
        prices = find_prices(options, problem.constants, problem.first_ratio())
        option = np.where(here, prices.choice, -1).argmax(axis=-1)
    rows = np.arange(S)
    allocation, _, _ = share_options(problem, rows, option, fraction=fraction)
    batch = problem.batch_shape
    return allocation.map(lambda a: a.reshape((*batch, *a.shape[1:])))


def restrict(options: Options, allowed: Array) -> Options:
    """Returns the options with some of them only."""
    return Options(
        low=options.low,
        high=options.high,
        coefficients=options.coefficients,
        allowed=options.allowed & allowed,
        capacity=options.capacity,
    )


def share_options(
    problem: Problem,
    rows: Array,
    option: Array,
    *,
    start: Prices | None = None,
    fraction: Array | None = None,
    options: Options | None = None,
) -> tuple[Allocation, Array, Prices]:
    """Shares resources where each user has one option.

    Args:
        problem: of scenarios.
        rows: [C] the scenario of each candidate.
        option: [C, N] the option of each user.
        start: prices to start from, of each candidate.
        fraction: [C, N] φ, instead of the option's range.
        options: of the problem, or of C candidates in place of it.

    Returns:
        allocation [C], SCR [C] and prices [C].
    """
    given = options or problem.options
    row = rows[:, None] if options is None else np.arange(len(rows))[:, None]
    user = np.arange(option.shape[1])[None, :]

    def pick(value: Array) -> Array:
        return value[row, user, option][..., None]

    server = option // PARTS
    single = Options(
        low=pick(given.low) if fraction is None else fraction[..., None],
        high=pick(given.high) if fraction is None else fraction[..., None],
        coefficients=tuple(pick(c) for c in given.coefficients),
        allowed=np.ones((*option.shape, 1), dtype=bool),
        capacity=given.capacity[row[:, 0]][..., :2],
        server=server[..., None],
    )
    ratio = problem.first_ratio()[rows] if start is None else start.ratio
    prices = find_prices(single, problem.constants, ratio, start=start, close=1e-6)
    answer = single.respond(prices.ratio, prices.price, problem.constants)
    s = problem.scenario[rows]
    association = (server[..., None] == np.arange(s.n_servers)).astype(np.float64)

    def fit(share: Array, fill: bool) -> Array:
        used = np.einsum("cnm,cn->cm", association, share)
        used = np.maximum(used, 1e-300) if fill else np.maximum(used, 1.0)
        return share / np.take_along_axis(used, server, axis=1)

    band, compute = fit(answer.band[..., 0], True), fit(answer.compute[..., 0], False)

    def at_server(value: Array) -> Array:
        return np.take_along_axis(value, server, axis=1)

    allocation = Allocation.unchecked(
        association=association,
        local_fraction=answer.fraction[..., 0],
        transmit_power_w=answer.power[..., 0] * s.transmit_power_max_w,
        bandwidth_hz=band * at_server(s.bandwidth_max_hz),
        user_frequency_hz=best_user_frequency(s, problem.objective),
        server_frequency_hz=compute * at_server(s.server_frequency_max_hz),
    )
    return allocation, evaluate(s, allocation, problem.objective).scr, prices
