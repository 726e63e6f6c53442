"""`JaxEnv`: `MecLlm-v0` as pure functions for `jit`, `vmap` and `scan` of JAX.

The sampler, the decoder, `evaluate` and the observation are those of the Gymnasium
environments, which run on arrays of JAX. Needs the extra `jax`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from mec_llm_env._array import Array
from mec_llm_env.actions import ENCODINGS
from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome, evaluate
from mec_llm_env.ranges import shorten
from mec_llm_env.record import ArrayRecord, checked_record
from mec_llm_env.scenario import Scenario
from mec_llm_env.task import Task

#: Fields of a scenario that no equation has.
_FOR_DRAWING = ("user_position_m", "server_position_m")


class JaxState(NamedTuple):
    """Where an episode is; made by `JaxEnv.reset`."""

    key: Array  # of the random numbers that follow
    scenario: Scenario  # that is to be decided, without positions
    decisions: Array  # [], taken in this episode


class JaxEnv:
    """One environment of pure functions; `jax.vmap` makes it many.

    The values of an action are not known while JAX traces, so that no error can name
    them: an action that the Gymnasium environments refuse has the reward NaN. Numbers
    are float32, or float64 after `jax.config.update("jax_enable_x64", True)`.

    Args:
        preset: name of a scenario configuration, see `PRESETS`; None: "paper-10x2".
        overrides: parameters that differ from it, `{"radio.bandwidth_mhz": 20}`.
        config: in place of a preset a `ScenarioConfig`, a file (`from_file`), or a
            dictionary as `to_dict` gives.
        action_encoding: "box", "multi_discrete", "dict" or "dict_flat".
        observation_encoding: "flat" or "tokens".
        episode_length: decisions an episode, each on a scenario of its own.
        autoreset: begin the next episode in the step that ends one. Else the state
            stays at the end, where steps change nothing and have the reward 0.

    Attributes:
        observation_space: of `MecLlm-v0` with these arguments.
        action_space: likewise.

    Raises:
        ValueError: an argument is not valid, or the servers have no room for all users,
            which takes an assignment that cannot be traced.
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
        autoreset: bool = True,
    ) -> None:
        self.task = Task(
            preset=preset,
            overrides=overrides,
            config=config,
            action_encoding=action_encoding,
            observation_encoding=observation_encoding,
            episode_length=episode_length,
        )
        if action_encoding not in ENCODINGS:
            raise ValueError(
                f"`action_encoding` must be one of {', '.join(ENCODINGS)} to be traced "
                f"by JAX; got {shorten(action_encoding)}."
            )
        if not isinstance(autoreset, bool | np.bool_):
            raise ValueError(
                f"`autoreset` must be True or False; got {shorten(autoreset)}."
            )
        self.autoreset = bool(autoreset)
        self.observation_space = self.task.observation_codec.space
        self.action_space = self.task.action_codec.space
        slots = self.task.sampler.constants(())["max_users"].min()
        self._check_room(slots, "`server.max_users`", "None")

    def reset(
        self, key: Array, scenario: Scenario | None = None
    ) -> tuple[JaxState, Any]:
        """Begins an episode.

        Args:
            key: of `jax.random`; the same one begins the same episode.
            scenario: a single one that `load` returned, to be decided first; a random
                one if None.

        Returns:
            The state, a `JaxState`, and the observation.

        Raises:
            ValueError: the scenario is a batch, or not one of `load`.
        """
        if scenario is not None:
            _check_loaded(scenario)
        key, own = jax.random.split(key)
        scenario = self.draw(own) if scenario is None else scenario
        decisions = jnp.zeros((), dtype=jnp.int32)
        return JaxState(key, scenario, decisions), self.observe(scenario)

    def step(
        self, state: JaxState, action: Any
    ) -> tuple[JaxState, Any, Array, Array, dict[str, Array]]:
        """Decides.

        Args:
            state: of `reset` or `step`.
            action: of the `action_space`.

        Returns:
            The state and the observation of the next scenario; the reward, which is the
            SCR; whether this decision was the last of its episode; and the figures of
            the decision, with the keys that `info` has in `MecLlm-v0`.

        Raises:
            ValueError: the action has another shape than the space.
        """
        action = self._of_shape(action, state.scenario.batch_shape)
        allocation, outcome = self.decide(state.scenario, action)
        valid = self.task.action_codec.accepts(action)
        reward = jnp.where(valid, outcome.scr, jnp.nan)
        info = self._figures(allocation, outcome)

        key, own = jax.random.split(state.key)
        decisions = state.decisions + 1
        done = decisions >= self.task.episode_length
        after = JaxState(key, self.draw(own), decisions)
        if self.autoreset:
            after = after._replace(decisions=jnp.where(done, 0, decisions))
        else:
            over = state.decisions >= self.task.episode_length
            reward = jnp.where(over, 0.0, reward)
            last = state._replace(decisions=jnp.where(over, state.decisions, decisions))
            after = jax.tree.map(lambda a, b: jnp.where(done, a, b), last, after)
        return after, self.observe(after.scenario), reward, done, info

    def draw(self, key: Array) -> Scenario:
        """Returns the random scenario of a key, without positions."""
        uniforms = jax.random.uniform(key, (self.task.sampler.block_size,))
        return _without_positions(self.task.sampler.from_uniforms(uniforms))

    def decide(self, scenario: Scenario, action: Any) -> tuple[Allocation, Outcome]:
        """Decodes and evaluates an action; differentiable in its numbers.

        Args:
            scenario: of `draw`, `load` or a state.
            action: of the `action_space`.

        Raises:
            ValueError: the action has another shape than the space.
        """
        action = self._of_shape(action, scenario.batch_shape)
        allocation = self.task.action_codec.decode_unchecked(action, scenario)
        objective = self.task.config.objective
        return allocation, evaluate(scenario, allocation, objective, check=False)

    def observe(self, scenario: Scenario) -> Any:
        """Returns the observation of a scenario of `draw`, `load` or a state."""
        return self.task.observation_codec.encode_unchecked(scenario)

    def load(self, scenario: Scenario) -> Scenario:
        """Returns a scenario, or a batch, as arrays of JAX, without positions.

        This is not for traced functions, as it checks what `reset` cannot.

        Args:
            scenario: of the environment's size, such as those of `load_bank`.

        Raises:
            ValueError: an observation cannot hold it, or its servers have no room for
                all users; the text names the field and the remedy.
        """
        scenario = checked_record(scenario, Scenario, "scenario").to_numpy()
        self.task.observation_codec.encode(scenario)  # refuses what it cannot hold
        self._check_room(np.min(scenario.max_users), "`max_users`", "no limit")
        known = jax.eval_shape(self.draw, jax.random.key(0)).to_dict()
        fields = scenario.to_dict()
        for name in known:
            if name not in fields:
                raise ValueError(
                    f"The scenario must have `{name}`, as those of this environment do."
                )
        # Whatever can be observed, float32 can compute with, too; a test tries it.
        return Scenario.unchecked(**{k: jnp.asarray(fields[k], float) for k in known})

    def _figures(self, allocation: Allocation, outcome: Outcome) -> dict[str, Array]:
        counts = jnp.sum(allocation.association, axis=-2)
        return {
            **self.task.means(outcome),
            "association_counts": counts.astype(int),
            "repaired_users": jnp.zeros(counts.shape[:-1], dtype=int),
        }

    def _check_room(self, slots: float, name: str, remedy: str) -> None:
        n_users = self.task.config.users
        if slots < n_users:
            raise ValueError(
                f"{name} must be at least the {n_users} users there are, or {remedy}; "
                f"got {slots:g}. Fewer slots take an assignment (the Hungarian method) "
                "that JAX cannot trace; the Gymnasium environments have it."
            )

    def _of_shape(self, action: Any, batch: tuple[int, ...]) -> Any:
        """Returns the action as arrays of JAX, if its shapes are those of the space."""
        space = self.action_space
        parts = space.spaces if isinstance(space, spaces.Dict) else {"action": space}
        given = action if isinstance(space, spaces.Dict) else {"action": action}
        if not isinstance(given, dict) or set(given) != set(parts):
            raise ValueError(
                f"The action must be a dictionary with keys {', '.join(parts)}; got "
                f"{shorten(given)}."
            )
        arrays = {name: jnp.asarray(part) for name, part in given.items()}
        for name, part in arrays.items():
            wanted = (*batch, *(parts[name].shape or ()))
            if part.shape != wanted:
                raise ValueError(
                    f"`{name}` must have shape {wanted}; got {part.shape}. For a batch "
                    "of environments use `jax.vmap`."
                )
        return arrays if isinstance(space, spaces.Dict) else arrays["action"]


def _check_loaded(scenario: Any) -> None:
    gain = checked_record(scenario, Scenario, "scenario").channel_gain
    if not isinstance(gain, jax.Array):
        raise ValueError(
            f"`scenario` must hold arrays of JAX; got {type(gain).__name__}. Convert "
            "it with `load`."
        )
    if scenario.batch_shape:
        raise ValueError(
            "`scenario` must be a single one; got batch shape "
            f"{scenario.batch_shape}. For a batch of environments use `jax.vmap`."
        )


def _without_positions(scenario: Scenario) -> Scenario:
    fields = scenario.to_dict()
    return Scenario.unchecked(
        **{name: value for name, value in fields.items() if name not in _FOR_DRAWING}
    )


def _register(kind: type[ArrayRecord]) -> None:
    """Makes JAX go through the fields of a record, as it does with a dictionary's."""
    names = kind.field_names()
    keys = tuple(map(jax.tree_util.GetAttrKey, names))
    values_of = operator.attrgetter(*names)

    def flatten(record: Any) -> tuple[Any, None]:  # at every call, so without keys
        return values_of(record), None

    def flatten_with_keys(record: Any) -> tuple[Any, None]:
        return tuple(zip(keys, values_of(record), strict=True)), None

    def unflatten(_: None, values: Any) -> Any:
        return kind.unchecked(**dict(zip(names, values, strict=True)))

    jax.tree_util.register_pytree_with_keys(kind, flatten_with_keys, unflatten, flatten)


for _kind in (Scenario, Allocation, Outcome):
    _register(_kind)
