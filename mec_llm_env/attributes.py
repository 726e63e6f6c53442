"""What clients ask of sub-environments, where these are rows of arrays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from mec_llm_env.ranges import shorten

# Attributes of a scalar environment and where the batched one has them.
_CURRENT = ("scenario", "situation")  # [B], or None
_DECIDED = ("decided_scenario", "allocation", "outcome")  # [B], or None
_ROWS = ("np_random", "np_random_seed")  # one entry a sub-environment
_SHARED = ("task", "task_type", "render_mode")
_SPACES = ("observation_space", "action_space")

# Arguments of `make_vec` alone, in the batched environment's specification.
_VECTOR_ONLY = ("num_envs", "vectorization_mode", "autoreset_mode")


class SubAttributes:
    """`get_attr`, `set_attr` and `call` of `SyncVectorEnv`, without sub-environments.

    Attributes:
        batched_methods: methods of the scalar environment that `call` knows: those that
            the batched one has too, for all sub-environments at once.
    """

    batched_methods: tuple[str, ...] = ("render", "action_masks")

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Returns an attribute of every sub-environment, or what a method returns.

        `decided_scenario`, `allocation` and `outcome` are those of the last step, None
        where it was no decision.

        Raises:
            AttributeError: there is none of that name.
        """
        return self.call(name)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Calls a method for every sub-environment, or returns an attribute of each.

        Raises:
            ValueError: the method changes a sub-environment; see the remedy.
            AttributeError: there is neither method nor attribute of that name.
        """
        env: Any = self
        count = env.num_envs
        if name in self._kept:
            return tuple(self._kept[name])
        if name in self.batched_methods:
            rows = getattr(self, name)(*args, **kwargs)
            return (None,) * count if rows is None else tuple(rows)
        if name in (*_CURRENT, *_DECIDED):
            return self._batch(name)
        if name in _ROWS:
            return tuple(getattr(self, name))
        shared = {key: getattr(self, key) for key in _SHARED}
        shared |= {key: getattr(self, f"single_{key}") for key in _SPACES}
        shared |= {"spec": _scalar_spec(env.spec), "metadata": type(env).metadata}
        if name in shared:
            return (shared[name],) * count
        if name in ("reset", "step", "close"):
            raise ValueError(
                f"`call` cannot {name} sub-environments, which are rows of arrays; "
                f"call `{name}` of the batched environment, to reset some with "
                "options={'reset_mask': mask}."
            )
        raise AttributeError(f"The sub-environments have no attribute {name!r}.")

    def set_attr(self, name: str, values: Any) -> None:
        """Keeps an attribute of your own for every sub-environment.

        Args:
            name: one that the environment does not have.
            values: a list or tuple with an entry for each, or one value for all.

        Raises:
            ValueError: there are not as many values as sub-environments, or the
                attribute is the environment's own.
        """
        count: int = self.num_envs  # type: ignore[attr-defined]
        if not isinstance(values, list | tuple):
            values = [values] * count
        if len(values) != count:
            raise ValueError(
                f"`values` must have one entry for each of the {count} "
                f"sub-environments; got {len(values)}."
            )
        known = (*_CURRENT, *_DECIDED, *_ROWS, *_SHARED, *_SPACES)
        if name in known or hasattr(self, name):
            raise ValueError(
                f"`{name}` is the environment's own and cannot be set; got "
                f"{shorten(values[0])}. Scenarios and "
                "trajectories are given with reset(options=…), the rest when it is "
                "made."
            )
        self._kept[name] = list(values)

    @property
    def _kept(self) -> dict[str, list[Any]]:
        """What `set_attr` has kept."""
        kept: dict[str, list[Any]] = self.__dict__.setdefault("_set_attributes", {})
        return kept

    def _batch(self, name: str) -> tuple[Any, ...]:
        """Returns the members of a batch; None where the last step decided nothing."""
        env: Any = self
        batch, count = getattr(env, name), env.num_envs
        there = env._decided if name in _DECIDED else np.ones(count, np.bool_)
        return tuple(
            batch[i] if batch is not None and there[i] else None for i in range(count)
        )


def _scalar_spec(spec: Any) -> Any:
    """Returns the specification of a sub-environment, from the batched one's."""
    if spec is None:
        return None
    scalar = deepcopy(spec)
    for name in _VECTOR_ONLY:
        scalar.kwargs.pop(name, None)
    return scalar
