"""`Task`: what the scalar and the batched environment do alike, as array functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mec_llm_env.actions import make_codec
from mec_llm_env.allocation import Allocation
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.objective import Outcome, evaluate
from mec_llm_env.observations import OBSERVABLE, ObservationCodec
from mec_llm_env.ranges import integer_argument, shorten
from mec_llm_env.sampling import scenario_sampler
from mec_llm_env.scenario import Scenario

#: Decisions an episode, at most.
MOST_DECISIONS = 10**9


class Task:
    """The decision problem of an environment: its keyword arguments, made usable.

    Args:
        preset: name of a scenario configuration, see `PRESETS`.
        overrides: parameters that differ from it, `{"radio.bandwidth_mhz": 20}`.
        action_encoding: "box", "multi_discrete", "dict" or one that is registered.
        observation_encoding: "flat" or "tokens".
        episode_length: decisions an episode, each on a scenario of its own.

    Raises:
        ValueError: an argument is not valid; the text names it and the remedy.
    """

    def __init__(
        self,
        *,
        preset: str = "paper-10x2",
        overrides: Mapping[str, Any] | None = None,
        action_encoding: str = "box",
        observation_encoding: str = "flat",
        episode_length: int = 1,
    ) -> None:
        self.episode_length = integer_argument(
            "episode_length", episode_length, 1, MOST_DECISIONS
        )
        self.config = ScenarioConfig.preset(preset).with_overrides(
            {} if overrides is None else overrides
        )
        size = self.config.users, self.config.servers
        self.action_codec = make_codec(self.config, action_encoding)
        self.observation_codec = ObservationCodec(*size, observation_encoding)
        self.sampler = scenario_sampler(self.config)
        self._check_observable()

    def _check_observable(self) -> None:
        """Refuses a configuration that draws what an observation cannot hold."""
        for name, drawn in self.sampler.field_limits().items():
            lowest, highest = OBSERVABLE[name]
            for value in drawn:
                if not lowest <= value <= highest:
                    raise ValueError(
                        f"`{name}` must be from {OBSERVABLE[name]} to be observed; got "
                        f"{self.sampler.explain(name, value)}. Solvers take such "
                        "scenarios directly: `sample_scenario`."
                    )

    def decide(self, action: Any, scenario: Scenario) -> tuple[Allocation, Outcome]:
        """Decodes and evaluates an action, or a batch.

        Raises:
            ValueError: the action is not valid; see `ActionCodec.decode`.
        """
        allocation = self.action_codec.decode(action, scenario)
        # Decoded actions are feasible by construction; a test holds the decoder to it.
        outcome = evaluate(scenario, allocation, self.config.objective, check=False)
        return allocation, outcome

    def figures(self, allocation: Allocation, outcome: Outcome) -> dict[str, Any]:
        """Returns the entries of `info`: SCR, means over users, association counts."""
        n_users = self.config.users
        means = {
            name: getattr(outcome, name).sum(axis=-1) / n_users
            for name in ("score", "delay_s", "energy_j", "cost")
        }
        counts = (np.ones(n_users) @ allocation.association).astype(np.int64)
        return {"scr": outcome.scr, **means, "association_counts": counts}

    def given_scenario(
        self, options: Mapping[str, Any] | None, num_envs: int | None = None
    ) -> Scenario | None:
        """Returns the scenario that `reset(options=…)` asks for, or None.

        It is a single one, or, where there are `num_envs`, may be a batch of them.

        Raises:
            ValueError: an option is not known, or the scenario cannot be observed.
        """
        options = reset_options(options)
        unknown = [key for key in options if key != "scenario"]
        if unknown:
            raise ValueError(
                f"There is no reset option {shorten(unknown[0])}. Use 'scenario'."
            )
        scenario = options.get("scenario")
        if scenario is None:
            return None
        if not isinstance(scenario, Scenario):
            raise ValueError(
                "`options['scenario']` must be a mec_llm_env.Scenario; got "
                f"{type(scenario).__name__}."
            )
        if scenario.batch_shape not in ((), (num_envs,)):
            batch = "" if num_envs is None else f" or a batch of {num_envs}"
            raise ValueError(
                f"`options['scenario']` must be a single scenario{batch}; got batch "
                f"shape {scenario.batch_shape}."
            )
        scenario = scenario.to_numpy()
        self.observation_codec.encode(scenario)  # refuses what cannot be observed
        return scenario


def reset_options(options: Any) -> Mapping[str, Any]:
    """Returns the options of a reset, none for None.

    Raises:
        ValueError: they are not a mapping.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(
            "`options` must be a dictionary, such as {'scenario': scenario}; got "
            f"{shorten(options)}."
        )
    return options
