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

_gymnasium.register(
    id="MecLlm-v0",
    entry_point="mec_llm_env.env:MecLlmEnv",
    vector_entry_point="mec_llm_env.vector_env:MecLlmVectorEnv",
)

_gymnasium.register(
    id="MecLlmMobile-v0",
    entry_point="mec_llm_env.mobile_env:MecLlmMobileEnv",
    vector_entry_point="mec_llm_env.mobile_vector_env:MecLlmMobileVectorEnv",
)
