"""Configuration: every number of the default scenario, by topic, with unit and source.

Sources: [LZ24] Liu and Zhao, "Resource Allocation for Stable LLM Training in Mobile
Edge Computing" (MobiHoc 2024); [3GPP] TR 36.814 and power classes; "assumption" marks
our own modelling choices. None of these numbers is claimed to be the paper's, except
the size of 10 users and 2 servers (arXiv 2310.17872).

dB, dBm, MHz and GHz occur only here; `sampling` converts them to SI once. Servers and
users may differ: a parameter that says `per="server"` takes one value or a tuple, of
which server m has entry m, in turn; `per="user"` one value or exactly one a user. Every
parameter stands with its default, and the lowest and highest value it may have.
"""

from mec_llm_env.config.gpus import DeviceConfig, ServerConfig
from mec_llm_env.config.objective import ObjectiveConfig, checked_objective
from mec_llm_env.config.presets import PRESETS
from mec_llm_env.config.radio import LayoutConfig, RadioConfig
from mec_llm_env.config.scenario import (
    MOST_PAIRS,
    Config,
    ScenarioConfig,
    from_presets,
    ruled,
)
from mec_llm_env.config.work import WorkloadConfig

__all__ = [
    "MOST_PAIRS",
    "PRESETS",
    "Config",
    "DeviceConfig",
    "LayoutConfig",
    "ObjectiveConfig",
    "RadioConfig",
    "ScenarioConfig",
    "ServerConfig",
    "WorkloadConfig",
    "checked_objective",
    "from_presets",
    "ruled",
]
