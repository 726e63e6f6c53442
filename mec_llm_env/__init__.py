"""Resource allocation for LLM adapter training in mobile edge computing."""

import typing as _typing

import gymnasium as _gymnasium

from mec_llm_env.allocation import Allocation
from mec_llm_env.config import PRESETS, ObjectiveConfig, ScenarioConfig
from mec_llm_env.mobile.config import (
    MOBILE_PRESETS,
    MigrationConfig,
    MobileConfig,
    MobilityConfig,
)
from mec_llm_env.mobile.traces import read_traces
from mec_llm_env.mobile.trajectory import Trajectory, sample_trajectory
from mec_llm_env.objective import Outcome, evaluate, violations
from mec_llm_env.sampling import sample_scenario
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload.llms import DECODERS, Decoder

if _typing.TYPE_CHECKING:
    from mec_llm_env.multi_agent import MecLlmParallelEnv

__version__ = "0.1.0"

__all__ = [
    "DECODERS",
    "MOBILE_PRESETS",
    "PRESETS",
    "Allocation",
    "Decoder",
    "MigrationConfig",
    "MobileConfig",
    "MobilityConfig",
    "ObjectiveConfig",
    "Outcome",
    "Scenario",
    "ScenarioConfig",
    "Trajectory",
    "evaluate",
    "parallel_env",
    "read_traces",
    "sample_scenario",
    "sample_trajectory",
    "violations",
]


def parallel_env(
    env_id: str = "MecLlm-v0",
    *,
    agents: str = "users",
    reward: str = "shared",
    slot_reward: str | None = None,
    **kwargs: _typing.Any,
) -> "MecLlmParallelEnv":
    """Makes an environment as a PettingZoo `ParallelEnv`; extra `pettingzoo`.

    All agents act at once, on one scenario. Together their actions are one of the
    single-agent environment, which has the outcome: `env.joint_action(actions)`.

    Args:
        env_id: "MecLlm-v0" or "MecLlmMobile-v0".
        agents: "users": an agent `user_n` sees its own token, [M + 9], and each
            server's, with the shares of the other users and of their workload whose
            strongest channel the server is, [M, 9]; it acts with its row of the
            action. "servers": an agent `server_m` sees its own token, [7], and of each
            user the gain, the strongest one elsewhere and the other parameters,
            [N, 11]; it acts with a request and five resources for each user,
            [N, 6]: the decoder assigns users by the requests, and resources
            are those that a user's server gives it. In `MecLlmMobile-v0` tokens are
            longer: users see [2 M + 15] and [M, 14], where a server is that of the
            users whose state it holds, and servers see [12] and [N, 18].
        reward: "shared": all get the reward, which is the SCR in `MecLlm-v0`. "own":
            each what its users add to it: there the score over the cost of all users,
            and `MobileTask.reward_parts` in `MecLlmMobile-v0`. They sum to it.
        slot_reward: the reward of `MecLlmMobile-v0`, which is called `reward` in it.
        **kwargs: of the environment; `action_encoding` "box" or, for users,
            "multi_discrete".

    Returns:
        The environment, with flat observations in [−10, 10].

    Raises:
        ValueError: an argument is not valid.
        ImportError: PettingZoo is not installed.
    """
    from mec_llm_env.multi_agent import MecLlmParallelEnv

    return MecLlmParallelEnv(
        env_id, agents=agents, reward=reward, slot_reward=slot_reward, **kwargs
    )


_KINDS = {
    "MecLlm": ("env:MecLlmEnv", "vector_env:MecLlmVectorEnv"),
    "MecLlmMobile": (
        "mobile.env:MecLlmMobileEnv",
        "mobile.vector_env:MecLlmMobileVectorEnv",
    ),
}

#: The id of each environment, and its preset; None: the default, or another by name.
_IDS = {
    "MecLlm-v0": None,
    "MecLlm-paper-v0": "paper-10x2",
    "MecLlm-tiny-v0": "tiny-4x2",
    "MecLlm-medium-v0": "medium-50x10",
    "MecLlm-large-v0": "large-1000x50",
    "MecLlm-huge-v0": "huge-10000x200",
    "MecLlm-6g-umi-v0": "6g-umi-10x2",
    "MecLlm-6g-subthz-v0": "6g-subthz-10x2",
    "MecLlmMobile-v0": None,
    "MecLlmMobile-paper-v0": "mobile-10x2",
    "MecLlmMobile-medium-v0": "mobile-50x10",
    "MecLlmMobile-pedestrian-v0": "mobile-10x2-pedestrian",
    "MecLlmMobile-vehicular-v0": "mobile-10x2-vehicular",
}

for _id, _preset in _IDS.items():
    _single, _batched = _KINDS[_id.split("-")[0]]
    _gymnasium.register(
        id=_id,
        entry_point=f"mec_llm_env.{_single}",
        vector_entry_point=f"mec_llm_env.{_batched}",
        kwargs={} if _preset is None else {"preset": _preset},
    )
