"""The batched environment as a Stable-Baselines3 `VecEnv`.

Import it where Stable-Baselines3 is installed: `from mec_llm_env.sb3 import SB3VecEnv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from mec_llm_env.rows import each_row
from mec_llm_env.vector_env import DecisionVectorEnv

Array = np.ndarray[Any, Any]


class SB3VecEnv(VecEnv):
    """A batched environment of ours behind the interface of Stable-Baselines3.

    Equal to `DummyVecEnv` of as many scalar environments, in one array operation.

    Args:
        envs: the batched environment itself, with autoreset mode "SameStep".

    Raises:
        ValueError: `envs` is another or wrapped environment, the autoreset mode is
            another one, or spaces are not flat.
    """

    def __init__(self, envs: DecisionVectorEnv) -> None:
        if not isinstance(envs, DecisionVectorEnv):
            raise ValueError(
                "`envs` must be the batched environment itself, "
                f"gymnasium.make_vec('MecLlm-v0', …); got {envs!r}. {_remedy(envs)}"
            )
        if envs.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                "`envs` must have autoreset_mode='SameStep', as Stable-Baselines3 "
                f"resets at once; got {envs.autoreset_mode.value!r}."
            )
        if isinstance(envs.single_action_space, gym.spaces.Dict):
            raise ValueError(
                "Stable-Baselines3 has no dictionary actions; use action_encoding='box'"
                " or 'multi_discrete'."
            )
        self.envs = envs
        self._actions: Any = None
        super().__init__(
            envs.num_envs, envs.single_observation_space, envs.single_action_space
        )

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds the next reset: sub-environment i takes `seed` + i."""
        count = self.num_envs
        self._seeds = (
            [None] * count if seed is None else [seed + i for i in range(count)]
        )
        return self._seeds

    def reset(self) -> Any:
        """Starts an episode in every sub-environment; returns the observations."""
        observation, infos = self.envs.reset(
            seed=self._seeds,
            options=_shared_options(self._options, self.envs.task.option),
        )
        self.reset_infos = list(each_row(_figures(infos)))
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: Array) -> None:
        """Takes the actions of the next `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Array, Array, list[dict[str, Any]]]:
        """Decides in every sub-environment, and begins again where it has ended."""
        observation, rewards, terminated, truncated, infos = self.envs.step(
            self._actions
        )
        dones = terminated | truncated
        figures = begun = _figures(infos)
        if dones.any():  # either has zeros where the other has figures
            final = infos["final_info"]
            figures = {name: begun[name] + final[name] for name in begun}
        rows = list(each_row(figures))
        for i in np.flatnonzero(dones).tolist():
            self.reset_infos[i] = {name: values[i] for name, values in begun.items()}
            rows[i]["terminal_observation"] = infos["final_obs"][i]
        for row, cut in zip(rows, (truncated & ~terminated).tolist(), strict=True):
            row["TimeLimit.truncated"] = cut
        return observation, rewards.astype(np.float32), dones, rows

    def close(self) -> None:
        """Closes the batched environment."""
        self.envs.close()

    def get_images(self) -> Sequence[Array | None]:
        """Returns one picture a sub-environment."""
        return self.envs.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Returns an attribute of every sub-environment, or of those of the indices."""
        values = self.envs.get_attr(attr_name)
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Keeps an attribute of your own for sub-environments; others have None."""
        try:
            values = list(self.envs.get_attr(attr_name))
        except AttributeError:
            values = [None] * self.num_envs
        for i in self._get_indices(indices):
            values[i] = value
        self.envs.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Calls a method for all; returns what those of the indices return."""
        values = self.envs.call(method_name, *args, **kwargs)
        return [values[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No sub-environment is wrapped: there are no such objects."""
        return [False for _ in self._get_indices(indices)]


def _shared_options(options: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Joins the reset options of the sub-environments, as `set_options` keeps them."""
    if not any(options):
        return {}
    missing = [i for i, option in enumerate(options) if name not in option]
    if missing or any(len(option) > 1 for option in options):
        raise ValueError(
            f"`set_options` takes {{{name!r}: {name}}} for every sub-environment or "
            f"for none; sub-environment {missing[0] if missing else 0} differs."
        )
    given = [option[name] for option in options]
    return {name: type(given[0]).stack(given)}


def _figures(infos: dict[str, Any]) -> dict[str, Any]:
    """Returns the figures in infos, [B, ...] each."""
    return {
        name: values
        for name, values in infos.items()
        if f"_{name}" in infos and name not in ("final_obs", "final_info")
    }


def _remedy(envs: Any) -> str:
    """Says how to use an environment that is no batched one."""
    inner = envs.unwrapped if isinstance(envs, VectorWrapper) else None
    if isinstance(inner, DecisionVectorEnv):
        return (
            "Leave out the wrapper; Stable-Baselines3's own, such as VecMonitor and "
            "VecNormalize, go around the SB3VecEnv."
        )
    return (
        "For single environments there is "
        "stable_baselines3.common.env_util.make_vec_env."
    )
