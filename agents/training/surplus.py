"""What every user of a decision is worth, the rents paid for what it takes from others.

See `user_credit`. B environments, N users.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import dashf
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario

Array = np.ndarray[Any, Any]

#: Score that a reward of 1 stands for.
UNIT = 100.0


def priced_surplus(
    scenario: Scenario,
    allocation: Allocation,
    outcome: Outcome,
    ratio: float,
    objective: ObjectiveConfig,
) -> Array:
    """Returns what every user is worth at y = `ratio`, rents paid and paid back.

    Args:
        scenario: batch shape [B].
        allocation: on it.
        outcome: of it.
        ratio: y.
        objective: weights and references.

    Returns:
        [B, N] score; its sum over users is the surplus.
    """
    s, z, x = scenario, allocation, allocation.association
    prices = dashf.shadow_prices(s, z, objective, ratio=np.full(len(x), ratio))
    band_price, compute_price = (np.nan_to_num(price) for price in prices)

    def own(per_server: Array) -> Array:
        return np.einsum("bnm,bm->bn", x, per_server)

    rent = z.bandwidth_hz * own(band_price / s.bandwidth_max_hz)
    rent += z.server_frequency_hz * own(compute_price / s.server_frequency_max_hz)
    surplus = outcome.score - ratio * outcome.cost
    priced: Array = surplus - rent + rent.mean(axis=-1, keepdims=True)
    return priced
