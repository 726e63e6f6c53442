"""A solver that acts in `MecLlm-v0` like a trained policy, from observations alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import ActionWrapper
from gymnasium.vector import VectorActionWrapper

from dashf.common.arrays import Array
from dashf.common.checks import check_number
from dashf.common.clock import Clock
from dashf.registry import RANDOM, check_options, solve_batch
from mec_llm_env import Allocation, Scenario

# Layers around an environment, of Gymnasium, Stable-Baselines3 and this library, that
# hand on observations and actions as they are. Others may not, in an equal space.
_FAITHFUL = (
    *("OrderEnforcing", "PassiveEnvChecker", "TimeLimit", "Autoreset"),
    *("RecordEpisodeStatistics", "RecordVideo", "HumanRendering", "DictInfoToList"),
    *("TransformReward", "ClipReward", "NormalizeReward", "SyncVectorEnv"),
    *("Monitor", "VecMonitor", "DummyVecEnv", "VecCheckNan", "VecVideoRecorder"),
)
_THEIR_PACKAGES = ("gymnasium", "stable_baselines3")


class ObservingPolicy(ABC):
    """Decides on observations of an environment; `predict` as in Stable-Baselines3.

    A subclass sets `name` and says what it decides.

    Args:
        env: see `SolverPolicy`.

    Raises:
        ValueError: `env` is not such an environment.
    """

    name: str

    def __init__(self, env: Any) -> None:
        task = env if hasattr(env, "observation_codec") else _ask(env, "task")[0]
        self.projection_distance: Array | None = None
        self._objective = task.config.objective
        self._observations = task.observation_codec
        self._actions = task.action_codec
        self._env: Any = None  # whose observations are to be checked
        self._stranger: Any = None  # a layer of it that may change them
        self._task = task
        if task is not env:
            _check_space(env, self._observations.space, "observation_space")
            _check_space(env, self._actions.space, "action_space")
            self._env, self._stranger = env, next(_strangers(env), None)

    @abstractmethod
    def _decide(self, observation: Any, scenario: Scenario) -> Allocation:
        """Returns the allocation for observations, and the scenarios in them."""

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action for an observation, or a batch of them, and the state.

        Args:
            observation: of the environment; any leading batch shape.
            state: returned as it is, such a policy has none.
            episode_start: not used.
            deterministic: not used; all but `random` and `rucaa` are.

        Raises:
            ValueError: the observation has another shape than the environment's, or
                other values than it can have observed.
        """
        scenario = self._observations.decode(observation)
        if self._env is not None:
            self._check_values(observation, scenario)
        allocation = self._decide(observation, scenario)
        action, self.projection_distance = self._actions.project(allocation, scenario)
        return action, state

    def _check_values(self, observation: Any, scenario: Scenario) -> None:
        """Refuses values that a wrapper has changed.

        With a wrapper of unknown kind around the environment, each observation must be
        that of a scenario that is to be decided there. Without one it may be that of
        another environment too, and at the first decision what this one can draw.
        """
        if self._stranger is None:
            never = self._never_drawn(scenario)
            if never is None or self._is_current(observation):
                self._env = None  # its observations come unchanged
                return
            trouble = f"decodes to {never}, which is never drawn there"
            cause = "Leave out wrappers that change observations"
        elif self._is_current(observation):
            return
        else:
            trouble = "is not that of its scenario"
            cause = (
                f"`{type(self._stranger).__name__}` changes observations, or this one "
                "is of another environment: leave the wrapper out"
            )
        raise ValueError(
            f"`observation` must be what `env` observes; got one that {trouble}. "
            f"{cause}, or make the policy with the environment that is observed."
        )

    def _never_drawn(self, scenario: Scenario) -> str | None:
        """Says what the environment would not have drawn in a scenario, if anything."""
        for name, (lowest, highest) in self._task.drawn_limits().items():
            value = getattr(scenario, name)
            for extreme in (value.min(), value.max()):
                if not lowest * (1 - 1e-4) <= extreme <= highest * (1 + 1e-4):
                    return f"`{name}` = {extreme:.3g}"
        return None

    def _is_current(self, observation: Any) -> bool:
        """Whether each observation is that of a scenario to be decided, to the bit."""
        own = {
            row
            for situation in _ask(self._env, "situation")
            if situation is not None
            for row in self._rows(self._task.observe(situation))
        }
        return own.issuperset(self._rows(observation))

    def _rows(self, observation: Any) -> set[bytes]:
        """Returns the numbers of each of a batch of observations."""
        codec = self._observations
        shapes = codec.user_shape, codec.server_shape
        parts = [
            np.asarray(part, np.float32).reshape(-1, shape[0] * shape[1])
            for part, shape in zip(codec.unpack(observation), shapes, strict=True)
        ]
        return {row.tobytes() for row in np.concatenate(parts, axis=-1)}


class SolverPolicy(ObservingPolicy):
    """Decides on observations with a solver; `predict` as in Stable-Baselines3.

    Observations are lossless, so a solver sees in them what a learned policy sees, and
    everything it needs. Its allocation is projected to the nearest action, because an
    action cannot express every allocation.

    Args:
        env: where to act: `MecLlm-v0`, scalar or vector, a Gymnasium wrapper that
            leaves observations and actions as they are, a Stable-Baselines3 `VecEnv`
            of it, or its `Task`. Sizes, encodings and the objective are read, and the
            scenario that is to be decided: observations are compared with it, so that
            a wrapper that changes their values is found out.
        solver: one of `dashf.SOLVERS`.
        time_limit_s: for a decision, s; see `dashf.solve`.
        migration_weight: the share of what a migration costs that the solver minds,
            from 0 to 1; only in `MecLlmMobile-v0`. A solver sees one slot, but who has
            moved to a better server stays there: with less than 1 it moves sooner,
            which is known as hysteresis.
        **options: of the solver, such as `restarts=2` for "dashf".

    Attributes:
        name: the solver's id.
        projection_distance: [...] the largest relative change of a user's resource
            between the solver's allocation and the action, at the last `predict`;
            None before.

    Raises:
        ValueError: there is no such solver, it has no such option, or `env` is not such
            an environment.
    """

    def __init__(
        self,
        env: Any,
        solver: str = "dashf",
        *,
        time_limit_s: float | None = None,
        migration_weight: float = 1.0,
        **options: Any,
    ) -> None:
        check_options(solver, options)
        Clock.limited(time_limit_s)
        if solver in RANDOM:
            # A generator goes on from one decision to the next; a number would not.
            options["seed"] = np.random.default_rng(options.get("seed", 0))
        super().__init__(env)
        self.name = solver
        self.migration_weight = check_number("migration_weight", migration_weight, 0, 1)
        self._options = {**options, "time_limit_s": time_limit_s}

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the solver's allocation, of the scenario's batch shape."""
        if scenario.serving is not None and self.migration_weight < 1:
            scenario = self._with_cheaper_moves(scenario)
        return solve_batch(
            scenario, self._objective, solver=self.name, **self._options
        ).allocation

    def _with_cheaper_moves(self, scenario: Scenario) -> Scenario:
        names = ("migration_delay_s", "migration_energy_j")
        weight = self.migration_weight
        return scenario.changed(**{k: weight * getattr(scenario, k) for k in names})

    def _decide(self, observation: Any, scenario: Scenario) -> Allocation:
        return self.decide(scenario)


def _ask(env: Any, name: str) -> list[Any]:
    """Returns an attribute of an environment or of each of many, through wrappers."""
    layer = env
    while layer is not None:
        for holder in (getattr(layer, "unwrapped", None), layer):
            if hasattr(getattr(holder, "task", None), "observation_codec"):
                return [getattr(holder, name)]
        if hasattr(layer, "get_attr"):  # vector environments of single ones
            try:
                return list(layer.get_attr(name))
            except AttributeError:
                pass
        layer = getattr(layer, "venv", None) or getattr(layer, "env", None)
    raise ValueError(
        f"`env` must be a MecLlm-v0 environment or a wrapper of it; got {env!r}. Make "
        'one with `gymnasium.make("MecLlm-v0")`.'
    )


def _strangers(env: Any) -> Iterator[Any]:
    """Yields the layers of an environment that may change what is observed.

    Raises:
        ValueError: one changes actions, which no decision would show.
    """
    kind = type(env)
    inner = getattr(env, "venv", None) or getattr(env, "env", None)
    inner = getattr(env, "envs", None) if inner is None else inner
    layers = inner if isinstance(inner, list | tuple) else [inner]
    package = kind.__module__.split(".")[0]
    faithful = kind.__name__ in _FAITHFUL and package in _THEIR_PACKAGES
    if not faithful and isinstance(env, ActionWrapper | VectorActionWrapper):
        raise ValueError(
            f"`env` must take actions as they are; got {env!r}. Leave out "
            f"`{kind.__name__}`, which changes them."
        )
    innermost = inner is None and hasattr(env, "task")
    if not (faithful or innermost or package == "mec_llm_env"):
        yield env
    for layer in layers:
        if layer is not None:
            yield from _strangers(layer)


def _check_space(env: Any, wanted: Any, name: str) -> None:
    """Refuses wrappers that change what is observed or done."""
    space = getattr(env, f"single_{name}", getattr(env, name))
    if _layout(space) != _layout(wanted):
        raise ValueError(
            f"`env.{name}` must be that of MecLlm-v0, {wanted}; got {space}. Leave out "
            "wrappers that change it."
        )


def _layout(space: Any) -> Any:
    parts = getattr(space, "spaces", None)
    if parts is not None:
        return {key: _layout(part) for key, part in parts.items()}
    bounds = [
        np.asarray(getattr(space, bound)).tolist()
        for bound in ("low", "high", "nvec")
        if hasattr(space, bound)
    ]
    return space.shape, bounds
