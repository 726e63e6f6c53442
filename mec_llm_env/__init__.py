"""Resource allocation for LLM adapter training in mobile edge computing."""

import gymnasium as _gymnasium

from mec_llm_env.allocation import Allocation
from mec_llm_env.config import PRESETS, ObjectiveConfig, ScenarioConfig
from mec_llm_env.mobile_config import (
    MOBILE_PRESETS,
    MigrationConfig,
    MobileConfig,
    MobilityConfig,
)
from mec_llm_env.objective import Outcome, evaluate, violations
from mec_llm_env.sampling import sample_scenario
from mec_llm_env.scenario import Scenario
from mec_llm_env.traces import read_traces
from mec_llm_env.trajectory import Trajectory, sample_trajectory

__version__ = "0.1.0"

__all__ = [
    "MOBILE_PRESETS",
    "PRESETS",
    "Allocation",
    "MigrationConfig",
    "MobileConfig",
    "MobilityConfig",
    "ObjectiveConfig",
    "Outcome",
    "Scenario",
    "ScenarioConfig",
    "Trajectory",
    "evaluate",
    "read_traces",
    "sample_scenario",
    "sample_trajectory",
    "violations",
]

_KINDS = {
    "MecLlm": ("env:MecLlmEnv", "vector_env:MecLlmVectorEnv"),
    "MecLlmMobile": (
        "mobile_env:MecLlmMobileEnv",
        "mobile_vector_env:MecLlmMobileVectorEnv",
    ),
}

#: The id of each environment, and its preset; None: the default, or another by name.
_IDS = {
    "MecLlm-v0": None,
    "MecLlm-paper-v0": "paper-10x2",
    "MecLlm-tiny-v0": "tiny-4x2",
    "MecLlm-medium-v0": "medium-50x10",
    "MecLlm-large-v0": "large-1000x50",
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
