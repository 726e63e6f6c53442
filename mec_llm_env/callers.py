"""Refuses callers that miscount episodes in the autoreset mode SAME_STEP.

They take it for NEXT_STEP and skip the step after the end of an episode, in which a
SAME_STEP environment has decided: their figures would be silently wrong. An
environment is not told who wraps it, so we look at who calls:

- Gymnasium before 1.4: `RecordEpisodeStatistics` and `NormalizeReward` for vectors.
- RLlib with `gym_env_vectorize_mode="vector_entry_point"`.
"""

from __future__ import annotations

import sys
from types import FrameType

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics

_RLLIB = "ray.rllib."


def _miscounting_wrappers(version: str) -> tuple[type, ...]:
    major, minor = (int(part) for part in version.split(".")[:2])
    return (RecordEpisodeStatistics, NormalizeReward) if (major, minor) < (1, 4) else ()


_WRAPPERS = _miscounting_wrappers(gym.__version__)


def refuse_miscounting(mode: AutoresetMode) -> None:
    """Looks at who called the environment's method that calls this, in SAME_STEP mode.

    Raises:
        ValueError: a caller assumes another mode; the text says which to choose.
    """
    if mode != AutoresetMode.SAME_STEP:
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and isinstance(frame.f_locals.get("self"), VectorEnv):
        wrapper = frame.f_locals["self"]
        if isinstance(wrapper, _WRAPPERS):
            raise ValueError(
                f"`{type(wrapper).__name__}` of Gymnasium {gym.__version__} counts "
                "wrongly with autoreset_mode='SameStep', whose episodes begin in the "
                "step that ends another. Make the environment with autoreset_mode="
                "'NextStep' or 'Disabled', or install gymnasium>=1.4."
            )
        frame = frame.f_back
    if frame is not None and frame.f_globals.get("__name__", "").startswith(_RLLIB):
        raise ValueError(
            "RLlib takes batched environments for autoreset_mode='NextStep' and would "
            "drop a decision of each episode; got 'SameStep'. Say "
            "config.environment(…, env_config={'autoreset_mode': 'NextStep'})."
        )
