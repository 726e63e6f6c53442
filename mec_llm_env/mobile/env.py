"""`MecLlmMobile-v0`: an episode of slots in which users move and changing costs."""

from __future__ import annotations

from mec_llm_env.env import DecisionEnv
from mec_llm_env.mobile.task import MobileTask


class MecLlmMobileEnv(DecisionEnv):
    """Joint association, work split and resources, slot after slot.

    Users move, jobs come and go, and a user that changes its server pays for moving its
    training state. Observation: the slot's scenario with the server that holds each
    user's state, positions, velocities and the episode so far, losslessly
    (`MobileObservationCodec`). Action: an allocation, always feasible (`ActionCodec`).
    Reward: by default the change of the SCR of the episode, so that the sum of an
    episode is its SCR, total score over total cost. It terminates after its last slot,
    whose scenario is observed once more, with the states where they have come to be.

    `reset(options={"trajectory": trajectory})` plays a given `Trajectory`.

    Args:
        config: the arguments as one dictionary, as RLlib hands them over; optional.
        render_mode: "rgb_array", "human" (a window) or None.
        **kwargs: see `MobileTask`: preset, overrides, config, encodings, reward.
    """

    task_type = MobileTask
    metadata = {**DecisionEnv.metadata, "render_fps": 4}
