"""A solver that acts in `MecLlm-v0` like a trained policy, from observations alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.common.arrays import Array
from dashf.common.checks import check_number
from dashf.common.clock import Clock
from dashf.registry import RANDOM, check_options, solve_batch
from mec_llm_env import Allocation, Scenario


class SolverPolicy:
    """Decides on observations with a solver; `predict` as in Stable-Baselines3.

    Observations are lossless, so a solver sees in them what a learned policy sees, and
    everything it needs. Its allocation is projected to the nearest action, because an
    action cannot express every allocation.

    Args:
        env: where to act: `MecLlm-v0`, scalar or vector, a Gymnasium wrapper that
            leaves observations and actions as they are, a Stable-Baselines3 `VecEnv`
            of it, or its `Task`. Only sizes, encodings and the objective are read.
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
        task = task_of(env)
        self.name = solver
        self.migration_weight = check_number("migration_weight", migration_weight, 0, 1)
        self.projection_distance: Array | None = None
        self._options = {**options, "time_limit_s": time_limit_s}
        self._objective = task.config.objective
        self._observations = task.observation_codec
        self._actions = task.action_codec
        if task is not env:
            _check_space(env, self._observations.space, "observation_space")
            _check_space(env, self._actions.space, "action_space")

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the solver's allocation, of the scenario's batch shape."""
        if scenario.serving is not None and self.migration_weight < 1:
            scenario = self._with_cheaper_moves(scenario)
        return solve_batch(
            scenario, self._objective, solver=self.name, **self._options
        ).allocation

    def _with_cheaper_moves(self, scenario: Scenario) -> Scenario:
        fields = scenario.to_dict()
        for name in ("migration_delay_s", "migration_energy_j"):
            fields[name] = self.migration_weight * fields[name]
        return Scenario.unchecked(**fields)

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
            state: returned as it is, a solver has none.
            episode_start: not used.
            deterministic: not used; all but `random` and `rucaa` are.

        Raises:
            ValueError: the observation has another shape than the environment's.
        """
        scenario = self._observations.decode(observation)
        allocation = self.decide(scenario)
        action, self.projection_distance = self._actions.project(allocation, scenario)
        return action, state


def task_of(env: Any) -> Any:
    """Returns the `Task` of an environment, through its wrappers."""
    if hasattr(env, "observation_codec"):
        return env
    layer = env
    while layer is not None:
        for holder in (getattr(layer, "unwrapped", None), layer):
            task = getattr(holder, "task", None)
            if task is not None and hasattr(task, "observation_codec"):
                return task
        if hasattr(layer, "get_attr"):  # vector environments of single ones
            try:
                return layer.get_attr("task")[0]
            except AttributeError:
                pass
        layer = getattr(layer, "venv", None) or getattr(layer, "env", None)
    raise ValueError(
        f"`env` must be a MecLlm-v0 environment or a wrapper of it; got {env!r}. Make "
        'one with `gymnasium.make("MecLlm-v0")`.'
    )


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
