"""Stable-Baselines3's `VecMonitor`, able to go on in the file that it has begun."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env import VecMonitor

from mec_llm_env.sb3 import SB3VecEnv

FILE = "monitor.csv"


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
        """Begins to write `monitor.csv`, or goes on with it."""
        self.results_writer = ResultsWriter(
            os.fspath(run / FILE),
            header={"t_start": self.t_start, "env_id": self._env_id},
            override_existing=not append,
        )

    def get_state(self) -> dict[str, Any]:
        """Returns what `set_state` goes on from."""
        return {
            "episode_returns": self.episode_returns.copy(),
            "episode_lengths": self.episode_lengths.copy(),
            "episode_count": self.episode_count,
            "elapsed_s": time.time() - self.t_start,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on with unfinished episodes, and with the clock where it stood."""
        self.episode_returns = state["episode_returns"]
        self.episode_lengths = state["episode_lengths"]
        self.episode_count = state["episode_count"]
        self.t_start = time.time() - state["elapsed_s"]
