"""The most that an association can reach, certified; see `docs/bounds.md`."""

from __future__ import annotations

import numpy as np

from dashf.alternating.resources import shadow_prices
from dashf.common.clock import ENDLESS, Clock, OutOfTime
from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.options import Prices
from dashf.pricing.sharing import restrict
from mec_llm_env import Allocation, ObjectiveConfig, Scenario


def reach(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: float,
    *,
    tolerance: float = 1e-7,
    clock: Clock = ENDLESS,
) -> float:
    """Returns a bound on the SCR of every allocation of the same association.

    Weak duality at the shadow prices of the allocation, with the inner maximum from
    above: valid whatever the allocation, and tight where it is near the best of its
    association and that is not one of several.

    Args:
        scenario: a single one.
        allocation: feasible; its association is what the bound is for.
        objective: weights and references.
        ratio: a first y of the certificate, such as the allocation's SCR.
        tolerance: relative slack of the certificate.
        clock: infinity is the answer when its time is over.
    """
    with np.errstate(all="ignore"):  # what is not finite bounds nothing
        try:
            bound = _certified(scenario, allocation, objective, ratio, tolerance, clock)
        except OutOfTime:
            return np.inf
    return bound if np.isfinite(bound) else np.inf


def _certified(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: float,
    tolerance: float,
    clock: Clock,
) -> float:
    prices = shadow_prices(scenario, allocation, objective, ratio=ratio)
    band, compute = (np.nan_to_num(price) for price in prices)
    problem = Problem.of(scenario, objective, clock)
    own = np.repeat(allocation.association[None] > 0.5, PARTS, axis=-1)
    value, _ = problem.certify(
        Prices(
            ratio=np.array([float(ratio)]),
            price=np.stack([band, compute], axis=-1)[None],
            iterations=np.zeros(1, dtype=int),
        ),
        tolerance,
        restrict(problem.options, own),
    )
    return float(value[0])
