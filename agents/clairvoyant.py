"""Plans of whole episodes by who knows the future: the upper end of what is attainable.

No policy can be made of it, because observations do not tell what comes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import dashf
from agents.problems.bounds import instances_key
from agents.storage.cache import CACHE, cached_arrays
from dashf.sequential.plan import along
from mec_llm_env import MobileConfig, Trajectory, evaluate, violations
from mec_llm_env.files import Arrays
from mec_llm_env.mobile.bank import load_trajectory_bank, trajectory_bank_presets
from mec_llm_env.mobile.task import MobileTask

Array = np.ndarray[Any, Any]

CLAIRVOYANT = "clairvoyant"
PLANS = CACHE / "plans"


class Clairvoyant:
    """Plans episodes with `dashf.plan`, which sees whole trajectories.

    Args:
        task: gives the objective; where it is that of a bank, plans are the bank's.

    Attributes:
        name: "clairvoyant".
    """

    name = CLAIRVOYANT

    def __init__(self, task: MobileTask) -> None:
        self.task = task
        config = task.config
        assert isinstance(config, MobileConfig)
        self._known = _banked(config)

    def figures(self, trajectory: Trajectory) -> dict[str, Array]:
        """Returns the figures of its plans of trajectories [I], as `episodes.play`."""
        rows = [self._one(trajectory[i]) for i in range(trajectory.batch_shape[0])]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _one(self, trajectory: Trajectory) -> dict[str, Any]:
        o = self.task.config.objective
        s, allocation = along(trajectory, self.servers(trajectory), o)
        outcome = evaluate(s, allocation, o)
        excess = violations(s, allocation).values()
        assert s.serving is not None
        return {
            "scr": outcome.score.sum() / outcome.cost.sum(),
            **{
                name: getattr(outcome, name).mean()
                for name in ("score", "delay_s", "energy_j", "cost")
            },
            "violation": np.max(list(excess)),
            "migrations": int((s.serving * (1 - allocation.association)).sum()),
        }

    def servers(self, trajectory: Trajectory) -> Array:
        """Returns the servers [T, N] of an episode's plan, known or made and kept."""
        key = _content(trajectory)
        if key in self._known:
            return self._known[key]
        o = self.task.config.objective

        def make() -> Arrays:
            server = dashf.plan(trajectory, o).allocation.server
            return {"server": np.asarray(server, dtype=np.int16)}

        stored = cached_arrays(PLANS / f"{instances_key(trajectory, o)}.npz", make)
        return stored["server"].astype(np.int64)


def _banked(config: MobileConfig) -> dict[bytes, Array]:
    """Returns the plans of the bank of a configuration, by what they are plans of."""
    for preset in trajectory_bank_presets():
        if MobileConfig.preset(preset) == config:
            bank = load_trajectory_bank(preset)
            each = range(len(bank))
            return {_content(bank.trajectory[i]): bank.server[i] for i in each}
    return {}


def _content(trajectory: Trajectory) -> bytes:
    return np.ascontiguousarray(trajectory.scenario.channel_gain).tobytes()
