"""Split, power, bandwidth and frequency for a given association.

The prices of the association's bound decide. Where they leave a user between two parts
of the range of φ, the likeliest combinations of parts are tried.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dashf.common.arrays import Array, Mask
from dashf.common.checks import (
    check_array,
    check_association,
    check_choice,
    check_objective,
    check_scenario,
)
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.fast_sharing import share_fast
from dashf.pricing.options import Options
from dashf.pricing.price_search import search_prices
from dashf.pricing.rounding import Best, likely_choices, share_options
from dashf.pricing.whole_layers import with_whole_layers
from mec_llm_env import Allocation, ObjectiveConfig, Scenario
from mec_llm_env.objective import TOLERANCE
from mec_llm_env.record import describe_index, first_index
from mec_llm_env.workload.layers import whole_layers

_COMBINATIONS = 8  # of parts of φ, at most
EFFORTS = ("full", "fast")


def share_resources(
    scenario: Scenario,
    association: Array,
    objective: ObjectiveConfig | None = None,
    *,
    local_fraction: Array | None = None,
    effort: str = "full",
) -> Allocation:
    """Returns the best allocation found for a given association.

    For a given `local_fraction` too, and a score that does not count power, the problem
    is concave, and this is its optimum to 1e-6, relative, where the prices clear. They
    may not where users are almost indifferent between bandwidth and frequency, so that
    demand is nearly discontinuous in the prices: in 5 of 3000 scenarios far beyond the
    presets, where at most 1.7 % was missing.

    Effort "fast" finds one that is about as good ten to twenty times faster.

    Args:
        scenario: batch shape `[...]`.
        association: [..., N, M] 0 or 1, one server a user.
        objective: weights and references; the default ones if None.
        local_fraction: [..., N] φ; chosen as well if None, that of whole layers where
            the scenario has `layers`.
        effort: "full" or "fast".

    Raises:
        ValueError: the association is of another shape than the scenario or not
            feasible, φ is outside of its range or not that of whole layers where it
            must be, or there is no such effort.
    """
    check_choice("effort", effort, EFFORTS)
    s, objective = check_scenario(scenario), check_objective(objective)
    batch, (N, M) = s.batch_shape, s.channel_gain.shape[-2:]
    flat = check_association(s, association).reshape(-1, N, M)
    phi = local_fraction
    if phi is not None:
        phi = _check_phi(s, phi).reshape(-1, N)
    if effort == "fast":
        rows = s.flatten(len(batch))
        return share_fast(rows, objective, flat, phi).unflatten(batch)
    problem = Problem.of(s, objective)  # continuous, whether there are `layers` or not
    S = len(flat)
    if phi is not None:
        option = flat.argmax(axis=-1) * PARTS
        found, _, _ = share_options(problem, np.arange(S), option, phi=phi)
    else:
        options = restrict(problem.options, np.repeat(flat > 0.5, PARTS, axis=-1))
        prices = search_prices(options, problem.constants, problem.first_ratio())
        best = Best(problem, flat)
        best.offer(*likely_choices(options, prices, _COMBINATIONS), prices)
        best.polish(prices, passes=20)
        found = best.allocation()
        if s.layers is not None:
            rows = s.flatten(len(batch))
            found, _ = with_whole_layers(rows, objective, found, move=False)
    return found.unflatten(batch)


def _check_phi(scenario: Scenario, phi: Any) -> Array:
    """Returns φ [..., N] within the scenario's range."""
    s = scenario
    phi = check_array("local_fraction", phi, s.local_fraction_min.shape)
    low, high = s.local_fraction_min, s.local_fraction_max
    wrong = (phi < low * (1 - TOLERANCE)) | (phi > high * (1 + TOLERANCE))
    if wrong.any():
        index = first_index(wrong)
        raise ValueError(
            f"`local_fraction` must be from {low[index]:g} to {high[index]:g}; got "
            f"{phi[index]:g} for {describe_index(index, 'N')}."
        )
    if s.layers is not None:
        nearest = whole_layers(phi, s.layers)
        wrong = np.abs(phi - nearest) > TOLERANCE * nearest
        if wrong.any():
            index = first_index(wrong)
            raise ValueError(
                "`local_fraction` must be that of whole layers, k / "
                f"{s.layers[index]:.0f}; got {phi[index]:g} for "
                f"{describe_index(index, 'N')}. The nearest is {nearest[index]:.9g}."
            )
    return phi


def restrict(options: Options, allowed: Mask) -> Options:
    """Returns the options with some of them only."""
    return dataclasses.replace(
        options,
        allowed=options.allowed & allowed,
        capacity=options.capacity[..., :2],
    )
