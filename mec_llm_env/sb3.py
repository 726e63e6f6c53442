"""The batched environment as a Stable-Baselines3 `VecEnv`.

Import it where Stable-Baselines3 is installed: `from mec_llm_env.sb3 import SB3VecEnv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from mec_llm_env.scenario import Scenario
from mec_llm_env.vector_env import MecLlmVectorEnv

Array = np.ndarray[Any, Any]


class SB3VecEnv(VecEnv):
    """A `MecLlmVectorEnv` behind the interface of Stable-Baselines3.

    Equal to `DummyVecEnv` of as many scalar environments, in one array operation.

    Args:
        envs: the batched environment, with autoreset mode "SameStep".

    Raises:
        ValueError: the autoreset mode is another one, or spaces are not flat.
    """

    def __init__(self, envs: MecLlmVectorEnv) -> None:
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
        observation, _ = self.envs.reset(
            seed=self._seeds, options=_shared_options(self._options)
        )
        self.reset_infos = [{} for _ in range(self.num_envs)]
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
        rows = _rows(infos, self.num_envs)
        for i in np.flatnonzero(dones).tolist():
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
        """Returns an attribute that all sub-environments share."""
        value = getattr(self.envs, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Sets an attribute of all sub-environments at once."""
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Calls a method of the batched environment once, for all."""
        value = getattr(self.envs, method_name)(*args, **kwargs)
        return [value for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No sub-environment is wrapped: there are no such objects."""
        return [False for _ in self._get_indices(indices)]


def _shared_options(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Joins the reset options of the sub-environments, as `set_options` keeps them."""
    if not any(options):
        return {}
    missing = [i for i, option in enumerate(options) if "scenario" not in option]
    if missing or any(len(option) > 1 for option in options):
        raise ValueError(
            "`set_options` takes {'scenario': scenario} for every sub-environment or "
            f"for none; sub-environment {missing[0] if missing else 0} differs."
        )
    return {"scenario": Scenario.stack([option["scenario"] for option in options])}


def _rows(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Returns the figures of each sub-environment's decision, a dictionary each."""
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for source in (infos, infos.get("final_info", {})):
        for name, values in source.items():
            mask = source.get(f"_{name}")
            if mask is None or name in ("final_obs", "final_info"):
                continue
            column = values.tolist() if values.ndim == 1 else values
            for i in np.flatnonzero(mask).tolist():
                rows[i][name] = column[i]
    return rows
