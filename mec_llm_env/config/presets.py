"""Named scenarios: each is a configuration and nothing else."""

from __future__ import annotations

from typing import Any

from mec_llm_env.config.gpus import ServerConfig
from mec_llm_env.config.objective import ObjectiveConfig
from mec_llm_env.config.radio import LayoutConfig, RadioConfig
from mec_llm_env.config.work import WorkloadConfig

#: What differs from the defaults, by name.
PRESETS: dict[str, dict[str, Any]] = {
    "paper-10x2": {},  # the size of arXiv 2310.17872
    "tiny-4x2": {"users": 4, "servers": 2},  # small enough to enumerate
    "medium-50x10": {"users": 50, "servers": 10},  # the size of [LZ24]
    "large-1000x50": {"users": 1000, "servers": 50},
    "huge-10000x200": {"users": 10_000, "servers": 200},
    # Street canyons in the upper mid-band, servers 200 m apart as in TR 38.901, table
    # 7.2-1, with an element's 8 dBi, table 7.3-1; a wide band averages fading out. The
    # numbers besides: assumption.
    "6g-umi-10x2": {
        "layout": LayoutConfig(cell_radius_m=200.0),
        "radio": RadioConfig(
            path_loss="umi",
            carrier_ghz=7.0,
            antenna_gain_db=8.0,
            fading="none",
            bandwidth_mhz=50.0,
            downlink_power_w=10.0,
        ),
        "server": ServerConfig(noise_rise_db=3.0),
    },
    # A hot spot at 140 GHz: 35 dB of arrays at both ends less 15 dB of losses; short
    # rounds, or the band would be wide enough for all of them. Assumption.
    "6g-subthz-10x2": {
        "layout": LayoutConfig(cell_radius_m=100.0),
        "radio": RadioConfig(
            path_loss="sub-thz",
            carrier_ghz=140.0,
            antenna_gain_db=20.0,
            shadowing_std_db=4.0,
            fading="none",
            noise_figure_db=10.0,
            bandwidth_mhz=1000.0,
            downlink_power_w=1.0,
            transmit_power_max_w=(0.05, 0.2),
        ),
        "workload": WorkloadConfig(sequences=(2, 8)),
        "objective": ObjectiveConfig(delay_reference_s=10.0, energy_reference_j=20.0),
    },
}
