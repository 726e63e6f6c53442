from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mec_llm_env import (
    MOBILE_PRESETS,
    MobileConfig,
    MobilityConfig,
    ScenarioConfig,
    sample_scenario,
)


@pytest.mark.parametrize(
    ("name", "users", "servers", "shares"),
    [
        ("mobile-10x2", 10, 2, (0.2, 0.6, 0.2)),
        ("mobile-50x10", 50, 10, (0.2, 0.6, 0.2)),
        ("mobile-10x2-pedestrian", 10, 2, (0, 1, 0)),
        ("mobile-10x2-vehicular", 10, 2, (0, 0, 1)),
    ],
)
def test_presets(name: str, users: int, servers: int, shares: Any) -> None:
    config = MobileConfig.preset(name)
    assert (config.users, config.servers) == (users, servers)
    assert config.mobility.shares == shares
    assert name in MOBILE_PRESETS
    # The rest is the default: no fast fading, U{8..32} sequences, else a scenario's.
    assert config.radio.fading == "none"
    assert config.workload.sequences == (8, 32)
    others = config.to_dict() | {"radio.fading": "rayleigh"}
    others |= {"workload.sequences": [16, 64], "users": 10, "servers": 2}
    assert config.layout.cell_radius_m == 600
    others |= {"layout.cell_radius_m": 500.0}
    plain = {k: v for k, v in others.items() if k in ScenarioConfig().to_dict()}
    assert plain == ScenarioConfig().to_dict()


def test_the_default_is_the_preset_of_the_environment() -> None:
    assert MobileConfig() == MobileConfig.preset("mobile-10x2")
    assert MobileConfig() != ScenarioConfig()


def test_dictionary_round_trip_through_json() -> None:
    overrides = {"mobility.slots": 7, "radio.bandwidth_mhz": 20, "users": 3}
    config = MobileConfig().with_overrides(overrides)
    assert config.mobility.slots == 7
    again = MobileConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)


def test_scenarios_are_drawn_from_it_too() -> None:
    scenario = sample_scenario(MobileConfig(), np.random.default_rng(0))
    assert scenario.data_bit.max() <= 32 * 32 * 1024


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: MobileConfig.preset("mobile-10x3"), "Did you mean 'mobile-10x2'"),
        (lambda: MobileConfig.preset("paper-10x2"), "Choose from mobile-10x2"),
        (lambda: MobileConfig(users=0), r"^`users` must be an integer from 1"),
        (lambda: MobileConfig(mobility=3), "`mobility` must be a .*MobilityConfig"),
        (lambda: MobileConfig(radio=MobilityConfig()), "`radio` must be .*RadioConfig"),
        (lambda: MobilityConfig(slots=0), r"^`mobility.slots` must be an integer"),
        (
            lambda: MobilityConfig(still_share=0.5),
            r"`mobility.still_share`.* must sum to 1; got \[0.5, 0.6, 0.2\]",
        ),
        (
            lambda: MobileConfig().with_overrides({"mobility.memory": 1}),
            "There is no parameter 'mobility.memory'",
        ),
        (
            lambda: MobileConfig(users=1000, servers=1000),
            "`mobility.slots` × `users` × `servers` .*10,000,000; got 50 × 1000",
        ),
        (lambda: ScenarioConfig(mobility=MobilityConfig()), "has no field 'mobility'"),
    ],
)
def test_mistakes(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
