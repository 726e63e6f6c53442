"""`Task`: what the scalar and the batched `MecLlm-v0` do alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mec_llm_env.bank import bank_presets, load_bank
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.decision_task import (
    MOST_DECISIONS,
    Decision,
    DecisionTask,
    certified_bounds,
    chosen_config,
    uniforms_of,
)
from mec_llm_env.objective import Outcome
from mec_llm_env.observations import ObservationCodec, Shared
from mec_llm_env.ranges import integer_argument
from mec_llm_env.record import ArrayRecord
from mec_llm_env.sampling import scenario_sampler
from mec_llm_env.scenario import Scenario


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Situation(ArrayRecord):
    """What is to be decided, `[...]`, and whatever the next decision depends on."""

    scenario: Scenario
    upper_bound: Any = None  # [...] certified, NaN where unknown; None without a bank


class Task(DecisionTask):
    """The decision problem of `MecLlm-v0`: its keyword arguments, made usable.

    Args:
        preset: name of a scenario configuration, see `PRESETS`; None: "paper-10x2".
        overrides: parameters that differ from it, `{"radio.bandwidth_mhz": 20}`.
        config: in place of a preset a `ScenarioConfig`, a file (`from_file`), or a
            dictionary as `to_dict` gives.
        action_encoding: "box", "multi_discrete", "dict" or one that is registered.
        observation_encoding: "flat" or "tokens".
        episode_length: decisions an episode, each on a scenario of its own.
        split: None for random scenarios; "validation" or "test" for the held-out ones
            in order. `reset(seed=k)` goes to number k, the first reset without a seed
            to number 0 (sub-environment i of a batch: to number i).
        split_stride: numbers from one scenario to the next; None: 1, or in a batch the
            number of sub-environments, which then decide each scenario once.

    Raises:
        ValueError: an argument is not valid; the text names it and the remedy.
    """

    def __init__(
        self,
        *,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        config: Any = None,
        action_encoding: str = "box",
        observation_encoding: str = "flat",
        episode_length: int = 1,
        split: str | None = None,
        split_stride: int | None = None,
    ) -> None:
        self.episode_length = integer_argument(
            "episode_length", episode_length, 1, MOST_DECISIONS
        )
        config = chosen_config(ScenarioConfig, "paper-10x2", preset, config, overrides)
        self.sampler = scenario_sampler(config)
        size = config.users, config.servers
        codec = ObservationCodec(*size, observation_encoding, shared=Shared.of(config))
        super().__init__(config, action_encoding, codec, split, split_stride)
        if split == "test":
            self._bounds = certified_bounds(config, bank_presets(), load_bank)

    def begin(self, source: Any) -> Situation:
        """Returns the first situation of an episode."""
        given = isinstance(source, Scenario)
        scenario = source if given else self.sampler.from_uniforms(uniforms_of(source))
        bound = self._bound_of(source, scenario.batch_shape)
        return Situation(scenario=scenario, upper_bound=bound)

    def figures(
        self, before: Situation, after: Situation, action: Any, decision: Decision
    ) -> dict[str, Any]:
        """Returns the entries of `info`; those of a test scenario have its bound.

        `optimality` is SCR over certified `upper_bound`.
        """
        figures = super().figures(before, after, action, decision)
        bound = before.upper_bound
        if bound is not None:
            figures |= {"upper_bound": bound, "optimality": figures["scr"] / bound}
        return figures

    def settle(self, situation: Situation, decision: Decision) -> Situation:
        """Returns the situation after a decision on it: the same."""
        return situation

    def onward(self, situation: Situation, source: Any) -> Situation:
        """Returns the next situation, which does not depend on the one before."""
        return self.begin(source)

    def observe(self, situation: Situation) -> Any:
        """Returns the observation of a situation, or of a batch."""
        return self.observation_codec.encode(situation.scenario)

    def reward(
        self, before: Situation, after: Situation, outcome: Outcome
    ) -> np.ndarray[Any, Any]:
        """Returns the reward of a decision, `[...]`: its SCR."""
        return outcome.scr

    def reward_parts(
        self, before: Situation, after: Situation, outcome: Outcome
    ) -> np.ndarray[Any, Any]:
        """Returns what each user adds to the reward, `[..., N]`, which is their sum."""
        return outcome.score / outcome.cost.sum(axis=-1, keepdims=True)

    def given(
        self, options: Mapping[str, Any] | None, num_envs: int | None = None
    ) -> Scenario | None:
        """Returns the scenario that `reset(options=…)` asks for, or None.

        It is a single one, or, where there are `num_envs`, may be a batch of them.

        Raises:
            ValueError: an option is not known, or the scenario cannot be observed.
        """
        scenario = self._given_option(options, Scenario)
        if scenario is None:
            return None
        self._check_batch(scenario.batch_shape, num_envs)
        scenario = scenario.to_numpy()
        self.observation_codec.encode(scenario)  # refuses what cannot be observed
        return scenario

    def recall(self, given: Scenario, index: Any, decisions: Any) -> Scenario:
        """Returns what begins episodes: members of what was given."""
        return given[index]
