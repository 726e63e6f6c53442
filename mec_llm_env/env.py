"""`MecLlm-v0`: one decision on a fresh random scenario, rewarded with its SCR."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome
from mec_llm_env.ranges import shorten
from mec_llm_env.scenario import Scenario
from mec_llm_env.task import Task


class TaskEnv:
    """What the scalar and the batched environments share: a task, masks, pictures.

    Attributes:
        task: what is decided, by its keyword arguments.
        situation: what is to be decided; None before the first reset.
        decided_scenario: what was decided last; None before.
        allocation: the decision on it.
        outcome: of the allocation.
    """

    task_type: Any  # of `DecisionTask`

    metadata: dict[str, Any] = {
        "render_modes": ["human", "rgb_array"],
        "render_fps": 1,
    }
    situation: Any = None
    decided_scenario: Scenario | None = None
    allocation: Allocation | None = None
    outcome: Outcome | None = None
    _observation: Any = None  # of `situation`; never handed out
    _given: Any = None  # what the situations are made of, if not drawn
    _window: Any = None  # also for `close` where the rest could not be made

    def _set_up(self, render_mode: str | None, arguments: dict[str, Any]) -> None:
        """Makes the task, and the window of the render mode "human".

        Raises:
            ValueError: an argument is not valid.
            DependencyNotInstalled: the extra `render` is not installed.
        """
        modes = self.metadata["render_modes"]
        if render_mode is not None and (
            not isinstance(render_mode, str) or render_mode not in modes
        ):
            raise ValueError(
                "`render_mode` must be None, 'human' or 'rgb_array'; got "
                f"{shorten(render_mode)}."
            )
        self.render_mode = render_mode
        self.task = self.task_type(**arguments)
        # Situations that were decided, as many as pictures show.
        shown = self.task.decisions_shown if render_mode else 0
        self._passed: deque[Any] = deque(maxlen=shown)
        if render_mode == "human":
            from mec_llm_env.rendering.window import Window

            self._window = Window("mec-llm-env", self.metadata["render_fps"])

    @property
    def scenario(self) -> Scenario | None:
        """What is to be decided; None before the first reset. A batch is [B]."""
        return None if self.situation is None else self.situation.scenario

    def action_masks(self) -> np.ndarray[Any, Any]:
        """Returns which choices there are, `[..., sum of nvec]` bool, for sb3-contrib.

        See `DecisionTask.action_masks`; the batched environment has a row each.

        Raises:
            ValueError: the action encoding has no choices.
            ResetNeeded: there is no scenario yet.
        """
        if self.scenario is None:
            raise ResetNeeded("There is no scenario to decide on: call reset first.")
        return self.task.action_masks(self.scenario)

    def _forget(self) -> None:
        """Forgets the last decision."""
        self.decided_scenario = self.allocation = self.outcome = None


class DecisionEnv(TaskEnv, gym.Env[Any, Any]):
    """What `MecLlmEnv` and `MecLlmMobileEnv` share: all but their task.

    Args:
        config: any of the arguments below, by name, as RLlib hands them over; those
            that are given as keywords too count as the keywords say.
        render_mode: "rgb_array", "human" (a window) or None.
        **kwargs: of the task.

    Raises:
        ValueError: an argument is not valid; the text names it and the remedy.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        /,
        *,
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = scalar_arguments(config, {"render_mode": render_mode, **kwargs})
        self._set_up(kwargs.pop("render_mode"), kwargs)
        self.observation_space = self.task.observation_codec.space
        self.action_space = self.task.action_codec.space
        self._decisions = 0  # in this episode
        self._held_out = self.task.held_out(1, stride=1)  # None without a split

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, on a fresh situation or what the options give.

        Raises:
            ValueError: the options do not fit; nothing has changed.
        """
        given = self.task.given(options)
        if self._held_out is not None:
            self._held_out.seed([seed], np.zeros(1, dtype=np.int64))
        super().reset(seed=seed)
        self._decisions, self._given = 0, given
        self._enter(self.task.begin(self._source(first=True)))
        self._given = given if self.task.replays else None
        self._forget()
        self._passed.clear()
        self._show()
        return deepcopy(self._observation), _scalars(self.task.no_figures())

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decides on the current situation.

        Raises:
            ValueError: the action is not valid; nothing has changed.
            ResetNeeded: there is no situation to decide on.
        """
        if self.situation is None or self._decisions >= self.task.episode_length:
            raise ResetNeeded("The episode has ended, or none begun: call reset first.")
        before = self.situation
        decision = self.task.decide(action, before.scenario)
        after = self.task.settle(before, decision)
        self.decided_scenario = before.scenario
        self.allocation, self.outcome = decision
        self._passed.append(before)
        self._decisions += 1
        figures = self.task.figures(before, after, action, decision)
        reward = float(self.task.reward(before, after, decision.outcome))
        terminated = self._decisions == self.task.episode_length
        if not terminated:
            after = self.task.onward(after, self._source(first=False))
        self._enter(after)
        self._show()
        return deepcopy(self._observation), reward, terminated, False, _scalars(figures)

    def render(self) -> np.ndarray[Any, Any] | None:
        """Returns the picture of the last decision, or of the scenario before one.

        [height, width, 3] uint8; None without a render mode, and with "human", where a
        window shows it after every reset and step.

        Raises:
            DependencyNotInstalled: the extra `render` is not installed.
            ResetNeeded: there is no scenario yet.
        """
        if self.render_mode is None:
            gym.logger.warn("`render` does nothing without render_mode='rgb_array'.")
            return None
        if self.scenario is None:
            raise ResetNeeded("There is nothing to render: call reset first.")
        return None if self._window else self._picture()

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window:
            self._window.close()

    def _picture(self) -> Any:
        undecided = [self.situation] if self.allocation is None else []
        situations = [*self._passed, *undecided]
        return self.task.draw(situations, self.allocation, self.outcome)

    def _show(self) -> None:
        if self._window:
            self._window.show([self._picture()])

    def _source(self, first: bool) -> Any:
        """Returns what the next situation is made of; `first` of an episode or not."""
        if self._given is None:
            if self._held_out is not None:
                return self._held_out.take(np.zeros(1, dtype=np.int64), first)[0]
            return self.np_random.random(self.task.sampler.block_size)
        return self.task.recall(self._given, (), self._decisions)

    def _enter(self, situation: Any) -> None:
        if situation is not self.situation:
            self._observation = self.task.observe(situation)
            self.situation = situation


class MecLlmEnv(DecisionEnv):
    """Joint user association, work split and resource allocation.

    Observation: the scenario, losslessly (`ObservationCodec`). Action: an allocation,
    always feasible (`ActionCodec`). Reward: the service-cost ratio, dimensionless.
    After `episode_length` decisions the episode terminates; every decision but the
    last is followed by a fresh scenario, the last one by the same observation again.

    `reset(options={"scenario": scenario})` starts from a given scenario.

    Args:
        config: the arguments as one dictionary, as RLlib hands them over; optional.
        render_mode: "rgb_array", "human" (a window) or None.
        **kwargs: see `Task`: preset, overrides, config, encodings, and so on.
    """

    task_type = Task


def scalar_arguments(config: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a scalar environment: its config's and its keywords'.

    A keyword of None, a render mode's default, gives way to the config.

    Raises:
        ValueError: the config is no mapping by name, or an argument is one of the
            batched environment alone.
    """
    if config is None:
        config = {}
    if not isinstance(config, Mapping) or not all(isinstance(k, str) for k in config):
        raise ValueError(
            "`config` must be a dictionary of the environment's arguments, such as "
            f"{{'preset': 'paper-10x2'}}; got {shorten(config)}."
        )
    default = dict.fromkeys(given)
    named = {name: value for name, value in given.items() if value is not None}
    arguments = {**default, **config, **named}
    if "autoreset_mode" in arguments:
        mode = arguments["autoreset_mode"]
        raise ValueError(
            "`autoreset_mode` is an argument of the batched environment, "
            "`gymnasium.make_vec` without `vectorization_mode`; got "
            f"{shorten(mode)} for a single one. With vectorization_mode='sync' or "
            "'async' say vector_kwargs={'autoreset_mode': AutoresetMode(…)}, which "
            "gymnasium.vector has."
        )
    return arguments


def _scalars(figures: dict[str, Any]) -> dict[str, Any]:
    """Returns figures with NumPy scalars in place of arrays without axes."""
    return {name: value[()] for name, value in figures.items()}
