"""The bank of test episodes: certified bounds, and plans that know the future.

Trajectories are drawn again from their seeds; a mean of each tells whether they are
still the ones that were bounded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.bank import (
    Bounded,
    bank_arrays,
    bank_file,
    bounded,
    generators,
    write_bounded,
)
from mec_llm_env.mobile.config import MOBILE_PRESETS, MobileConfig
from mec_llm_env.mobile.trajectory import Trajectory, sample_trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryBank(Bounded):
    """The test episodes of a preset. I episodes, T slots; the SCR is an episode's.

    The best decisions known are those of plans, which know the future.
    """

    trajectory: Trajectory  # batch shape [I]
    server: Array  # [I, T, N] of the plans, the users' servers


def load_trajectory_bank(preset: str) -> TrajectoryBank:
    """Returns the stored episodes of a preset.

    Raises:
        ValueError: there is no bank of that preset, its file is damaged, or its seeds
            give other trajectories now.
    """
    needed = {"seed", "fingerprint", "bound", "scr", "server"}
    known = trajectory_bank_presets()
    arrays = bank_arrays("bank of episodes", preset, known, needed)
    trajectory = _sampled(preset, arrays["seed"])
    if not np.allclose(_fingerprint(trajectory), arrays["fingerprint"], rtol=1e-9):
        raise ValueError(
            f"The bank of {preset!r} holds other trajectories than are drawn now. Make "
            "it again."
        )
    server = arrays["server"].astype(np.int64)
    stored = bounded(preset, arrays)
    return TrajectoryBank(trajectory=trajectory, server=server, **stored)


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
    fingerprint = _fingerprint(_sampled(preset, seed))
    return write_bounded(
        path,
        seed=seed,
        bound=bound,
        scr=scr,
        server=server,
        fingerprint=fingerprint,
    )


def _sampled(preset: str, seed: Array) -> Trajectory:
    config = MobileConfig.preset(preset)
    episodes = [sample_trajectory(config, rng) for rng in generators(seed)]
    return Trajectory.stack(episodes)


def _fingerprint(trajectory: Trajectory) -> Array:
    """Returns a mean that no two trajectories share, [I]."""
    log_gain = np.log(trajectory.scenario.channel_gain)
    return log_gain.mean(axis=(-3, -2, -1))
