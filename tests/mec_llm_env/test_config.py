from __future__ import annotations

import json
import math
from typing import Any

import pytest

from mec_llm_env import PRESETS, ObjectiveConfig, ScenarioConfig


@pytest.mark.parametrize(
    ("name", "users", "servers"),
    [
        ("paper-10x2", 10, 2),
        ("tiny-4x2", 4, 2),
        ("medium-50x10", 50, 10),
        ("large-1000x50", 1000, 50),
    ],
)
def test_presets(name: str, users: int, servers: int) -> None:
    config = ScenarioConfig.preset(name)
    assert (config.users, config.servers) == (users, servers)
    assert name in PRESETS


def test_dictionary_round_trip_through_json() -> None:
    overrides = {"radio.bandwidth_mhz": 20, "device.cores": [8], "server.max_users": 6}
    config = ScenarioConfig().with_overrides(overrides)
    assert config.radio.bandwidth_mhz == 20
    assert config.device.cores == (8,)
    assert ScenarioConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert hash(config) == hash(ScenarioConfig().with_overrides(overrides))


def test_derived_objective_values() -> None:
    objective = ObjectiveConfig()
    assert objective.score_scale * math.log(11) == pytest.approx(100)
    assert objective.delay_cost_per_s == pytest.approx(0.005)  # 0.5 / 100 s
    assert objective.energy_cost_per_j == pytest.approx(0.0025)  # 0.5 / 200 J


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"radio.bandwith_mhz": 1}, "Did you mean 'radio.bandwidth_mhz'"),
        ({"bandwidth_mhz": 1}, "Did you mean 'radio.bandwidth_mhz'"),
        ({"zzz": 1}, "Choose from users, servers, layout.cell_radius_m"),
        ({"radio.bandwidth_mhz": -1}, "`radio.bandwidth_mhz` must be a positive.*-1"),
        ({"radio.bandwidth_mhz": math.inf}, "`radio.bandwidth_mhz` .*inf"),
        ({"radio.bandwidth_mhz": "20"}, "`radio.bandwidth_mhz` .*'20'"),
        ({"radio.bandwidth_mhz": True}, "`radio.bandwidth_mhz` .*True"),
        ({"radio.shadowing_std_db": -1}, "`radio.shadowing_std_db` .*at least 0"),
        ({"radio.fading": "rician"}, "`radio.fading` must be one of 'rayleigh', 'no"),
        ({"radio.noise_density_dbm_per_hz": math.nan}, "a finite number; got nan"),
        ({"workload.tokens": [3, 2]}, r"`workload.tokens` must be \(lowest, highest\)"),
        ({"workload.tokens": [1, 2, 3]}, r"must be \(lowest, highest\)"),
        ({"workload.tokens": [1.5, 2]}, "a tuple of positive integers"),
        ({"workload.tokens": 5}, "a tuple of positive integers; got 5"),
        ({"workload.layers": 1}, "`workload.layers` must be an integer of at least 2"),
        ({"server.power_w": [60.0]}, "one entry a server model each; got 2, 2 and 1"),
        ({"server.max_users": 4}, "serve 8 users, fewer than `users` = 10.*at least 5"),
        ({"server.max_users": 0}, "`server.max_users` must be an integer of at least"),
        ([1], r"`overrides` must be a mapping .*; got \[1\]"),
        ({"users": 0}, "`users` must be an integer of at least 1; got 0"),
        ({"objective.delay_weight": 0}, "`objective.delay_weight` must be a positive"),
        ({"objective.score_weight_offload": 0.5}, "must sum to 1; .*Give all four"),
    ],
)
def test_bad_overrides_are_named(overrides: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ScenarioConfig().with_overrides(overrides)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"no preset 'paper10x2'. .* 'paper-10x2'"):
        ScenarioConfig.preset("paper10x2")
    for name in (3, ["paper-10x2"]):
        with pytest.raises(ValueError, match="There is no preset"):
            ScenarioConfig.preset(name)  # type: ignore[arg-type]
