"""The bank of test episodes: certified bounds, and plans that know the future.

Trajectories are drawn again from their seeds; a mean of each tells whether they are
still the ones that were bounded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.bank import bank_arrays, bank_file
from mec_llm_env.files import digest, write_arrays
from mec_llm_env.mobile.config import MOBILE_PRESETS, MobileConfig
from mec_llm_env.mobile.trajectory import Trajectory, sample_trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryBank:
    """The test episodes of a preset. I episodes, T slots; objective: the preset's."""

    preset: str
    seed: Array  # [I] of each trajectory
    trajectory: Trajectory  # batch shape [I]
    bound: Array  # [I] certified: no policy and no plan has a higher episode SCR
    scr: Array  # [I] of the best plan known, which knows the future
    server: Array  # [I, T, N] of that plan, the users' servers
    sha256: str  # of everything stored

    @property
    def gap(self) -> Array:
        """[I] bound over the SCR of the plan, less one: at most so loose is it."""
        return self.bound / self.scr - 1

    def __len__(self) -> int:
        """I."""
        return len(self.seed)


def load_trajectory_bank(preset: str) -> TrajectoryBank:
    """Returns the stored episodes of a preset.

    Raises:
        ValueError: there is no bank of that preset, its file is damaged, or its seeds
            give other trajectories now.
    """
    needed = {"seed", "fingerprint", "bound", "scr", "server"}
    known = trajectory_bank_presets()
    arrays = bank_arrays("bank of episodes", preset, known, needed)
    return _from_arrays(preset, arrays)


def trajectory_bank_presets() -> tuple[str, ...]:
    """Returns the presets that have a bank of episodes."""
    return tuple(preset for preset in MOBILE_PRESETS if bank_file(preset).is_file())


def save_trajectory_bank(
    path: str | os.PathLike[str],
    preset: str,
    *,
    seed: Array,
    bound: Array,
    scr: Array,
    server: Array,
) -> str:
    """Writes a bank of episodes, whole or not at all, and returns its SHA-256.

    Args:
        path: of the file.
        preset: that the trajectories are drawn from.
        seed: [I] of the trajectories.
        bound: [I] certified.
        scr: [I] of plans that know the future.
        server: [I, T, N] of the plans, as indices.
    """
    arrays = {
        "seed": np.asarray(seed, dtype=np.int64),
        "fingerprint": _fingerprint(_sampled(preset, seed)),
        "bound": np.asarray(bound, dtype=np.float64),
        "scr": np.asarray(scr, dtype=np.float64),
        "server": np.asarray(server, dtype=np.int16),
    }
    write_arrays(path, arrays)
    return digest(arrays)


def _sampled(preset: str, seed: Array) -> Trajectory:
    config = MobileConfig.preset(preset)
    return Trajectory.stack(
        [sample_trajectory(config, np.random.default_rng(int(k))) for k in seed]
    )


def _fingerprint(trajectory: Trajectory) -> Array:
    """Returns a mean that no two trajectories share, [I]."""
    log_gain = np.log(trajectory.scenario.channel_gain)
    return log_gain.mean(axis=(-3, -2, -1))


def _from_arrays(preset: str, arrays: Mapping[str, Array]) -> TrajectoryBank:
    trajectory = _sampled(preset, arrays["seed"])
    if not np.allclose(_fingerprint(trajectory), arrays["fingerprint"], rtol=1e-9):
        raise ValueError(
            f"The bank of {preset!r} holds other trajectories than are drawn now. Make "
            "it again."
        )
    return TrajectoryBank(
        preset=preset,
        seed=arrays["seed"],
        trajectory=trajectory,
        bound=arrays["bound"],
        scr=arrays["scr"],
        server=arrays["server"].astype(np.int64),
        sha256=digest(arrays),
    )
