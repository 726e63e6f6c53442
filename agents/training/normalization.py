"""Rewards in units of their deviation: `normalize` in rl-zoo3's files."""

from __future__ import annotations

import copy
from typing import Any

from stable_baselines3.common.vec_env import VecEnv, VecNormalize

# What a `VecNormalize` of rewards learns and remembers.
_STATE = ("ret_rms", "returns")


def with_normalization(venv: VecEnv, arguments: dict[str, Any]) -> VecEnv:
    """Divides rewards by their running deviation, if a setting `normalize` says so.

    The reward is an SCR of the order of 100, which an algorithm with small learning
    rates would take long to predict.

    Args:
        venv: the environment.
        arguments: of the algorithm; `normalize` is taken out of them.

    Raises:
        ValueError: `normalize` asks for something else.
    """
    asked = arguments.pop("normalize", False)
    if not asked:
        return venv
    if asked != {"norm_obs": False, "norm_reward": True}:
        raise ValueError(
            '`normalize` must be "dict(norm_obs=False, norm_reward=True)" or false: '
            f"observations are scaled already; got {asked!r}."
        )
    return VecNormalize(venv, gamma=arguments.get("gamma", 0.99), **asked)


def get_normalization(venv: VecNormalize | None) -> dict[str, Any]:
    """Returns what `set_normalization` goes on from; nothing without one."""
    if venv is None:
        return {}
    return {name: copy.deepcopy(getattr(venv, name)) for name in _STATE}


def set_normalization(venv: VecNormalize | None, state: dict[str, Any]) -> None:
    """Inverse of `get_normalization`."""
    for name, value in state.items():
        setattr(venv, name, value)
