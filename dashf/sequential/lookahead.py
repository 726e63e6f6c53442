"""`lookahead`: model predictive control of the sequential problem.

At the prices of this slot, taken to hold for the next ones too, every user's expected
value of being at a server afterwards follows backwards from a forecast of its channels:

    F_k(m) = p max(β_k+1(m) + F_k+1(m), max over m' of β_k+1(m') + F_k+1(m') − y g),

with p the probability that the job goes on and y g the priced cost of a migration.
This slot's association then has the highest surplus Σ v − y Σ c together with F_0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.common.arrays import Array
from dashf.common.checks import check_count, check_kind
from dashf.pair.best_response import best_response
from dashf.pair.coefficients import migration_cost
from dashf.policy import ObservingPolicy
from dashf.pricing.bound import Problem
from dashf.pricing.price_search import search_prices
from dashf.sequential.choice import best_association, share
from dashf.sequential.forecast import expected_slots
from mec_llm_env import Allocation, MobileConfig, ObjectiveConfig, Scenario
from mec_llm_env.assignment import round_assignment
from mec_llm_env.mobile.observations import MobileObservation

_CANDIDATES = 24  # moves that are judged in a round, at most
_SLOTS_OF_PRIOR = 2  # slots that the ratio of this one counts for


class LookaheadPolicy(ObservingPolicy):
    """Decides on observations of `MecLlmMobile-v0` by looking a few slots ahead.

    It is causal: the forecast is made of positions, velocities and channels as they are
    observed (`forecast`).

    Args:
        env: where to act: `MecLlmMobile-v0`, scalar or vector, a Gymnasium wrapper that
            leaves observations and actions as they are, or its `MobileTask`.
        horizon: slots looked ahead, at most.

    Attributes:
        name: "lookahead".
        projection_distance: as of `SolverPolicy`.

    Raises:
        ValueError: `env` is not such an environment, or `horizon` is negative.
    """

    name = "lookahead"

    def __init__(self, env: Any, *, horizon: int = 15) -> None:
        super().__init__(env)
        config = check_kind("env.task.config", self._task.config, MobileConfig)
        self.horizon = check_count("horizon", horizon, 0)
        self._config: MobileConfig = config

    def decide(self, seen: MobileObservation) -> Allocation:
        """Returns the allocation for what is known, of any batch shape."""
        check_kind("seen", seen, MobileObservation)
        batch = seen.scenario.batch_shape
        seen = seen.flatten(len(batch))
        s, o = seen.scenario, self._config.objective
        plain = Scenario.unchecked(**s.to_dict() | {"serving": None})
        problem = Problem.of(plain, o)
        found = search_prices(problem.options, problem.constants, problem.first_ratio())
        weight = seen.slot + _SLOTS_OF_PRIOR
        ratio = (seen.slot * seen.scr + _SLOTS_OF_PRIOR * found.ratio) / weight
        value = _PricedValue(o, ratio, np.maximum(found.price, 0))

        penalty = (ratio[:, None] * migration_cost(s, o))[..., None]
        assert s.serving is not None
        leaves = s.serving.sum(axis=-1, keepdims=True) - s.serving
        bonus = self._future(seen, value, penalty) - leaves * penalty
        estimate = value(plain) + bonus
        server = round_assignment(estimate, s.max_users).argmax(axis=-1)
        server = best_association(plain, server, bonus, o, ratio, estimate, _CANDIDATES)
        return share(plain, server, o, ratio).unflatten(batch)

    def _future(
        self, seen: MobileObservation, value: _PricedValue, penalty: Array
    ) -> Array:
        """Returns F_0, [S, N, M]; nothing follows the last slot of an episode."""
        left = self._config.mobility.slots - 1 - seen.slot  # [S]
        count = int(min(self.horizon, max(left.max(initial=0), 0)))
        values = [value(s) for s in expected_slots(self._config, seen, count)]
        goes_on = 1 - self._config.mobility.job_end_probability
        future = np.zeros(seen.scenario.channel_gain.shape)
        for k in range(count, 0, -1):
            there = values[k - 1] + future
            best = np.maximum(there, there.max(axis=-1, keepdims=True) - penalty)
            future = np.where((k <= left)[:, None, None], goes_on * best, 0.0)
        return future

    def _decide(self, observation: Any, scenario: Scenario) -> Allocation:
        return self.decide(self._observations.read(observation))


class _PricedValue:
    """What users are worth at servers, [S, N, M], at a ratio and prices."""

    def __init__(self, objective: ObjectiveConfig, ratio: Array, price: Array) -> None:
        self.objective, self.ratio, self.price = objective, ratio, price

    def __call__(self, scenario: Scenario) -> Array:
        benefit = best_response(
            scenario,
            self.objective,
            ratio=self.ratio,
            bandwidth_price=self.price[..., 0],
            compute_price=self.price[..., 1],
        ).benefit
        return benefit - self.price[..., None, :, 2] if self._limited else benefit

    @property
    def _limited(self) -> bool:
        return self.price.shape[-1] == 3
