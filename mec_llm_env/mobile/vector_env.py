"""The batched `MecLlmMobile-v0`: all sub-environments in one array operation."""

from __future__ import annotations

from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.vector_env import DecisionVectorEnv


class MecLlmMobileVectorEnv(DecisionVectorEnv):
    """`num_envs` independent `MecLlmMobileEnv`s with one random generator each.

    Equal, bit for bit, to `gym.make_vec(id, num_envs, vectorization_mode="sync",
    vector_kwargs={"autoreset_mode": …})`, in all autoreset modes. The default is
    SAME_STEP: a finished sub-environment returns the first slot of its next episode at
    once and the figures of the last one lie in `infos["final_info"]`.

    Args:
        num_envs: B, the number of sub-environments.
        autoreset_mode: "SameStep", "NextStep" or "Disabled".
        render_mode: "rgb_array", "human" (a window with the first four) or None.
        **kwargs: see `MobileTask`: preset, overrides, config, encodings, reward.
    """

    task_type = MobileTask
    metadata = {**MecLlmMobileEnv.metadata}
