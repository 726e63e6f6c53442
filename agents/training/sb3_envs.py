"""Wrappers between the environments and Stable-Baselines3's algorithms.

A `VecMonitor` that can be resumed, and `VecNormalize` of rewards: `normalize` in
rl-zoo3's files.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from mec_llm_env.sb3 import SB3VecEnv

MONITOR = "monitor.csv"

#: The state of a `VecNormalize` of rewards.
NORMALIZATION = ("ret_rms", "returns")


class ResumableMonitor(VecMonitor):
    """Counts episodes, and writes return, length and time of each to `monitor.csv`.

    Args:
        venv: the environment.
        env_id: written into the file's first line.
    """

    def __init__(self, venv: SB3VecEnv, env_id: str) -> None:
        super().__init__(venv)
        self.envs = venv.envs
        self._env_id = env_id

    def open(self, run: Path, *, append: bool) -> None:
        """Opens `monitor.csv` for writing, or for appending."""
        self.results_writer = ResultsWriter(
            os.fspath(run / MONITOR),
            header={"t_start": self.t_start, "env_id": self._env_id},
            override_existing=not append,
        )

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`."""
        return {
            "episode_returns": self.episode_returns.copy(),
            "episode_lengths": self.episode_lengths.copy(),
            "episode_count": self.episode_count,
            "elapsed_s": time.time() - self.t_start,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores unfinished episodes and the elapsed time."""
        self.episode_returns = state["episode_returns"]
        self.episode_lengths = state["episode_lengths"]
        self.episode_count = state["episode_count"]
        self.t_start = time.time() - state["elapsed_s"]


def with_normalization(venv: VecEnv, arguments: dict[str, Any]) -> VecEnv:
    """Divides rewards by their running deviation, if the setting `normalize` says so.

    Rewards are SCRs of the order of 100, which critics with small learning rates are
    slow to fit.

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
