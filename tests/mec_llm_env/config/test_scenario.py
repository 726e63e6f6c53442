from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from mec_llm_env import PRESETS, ObjectiveConfig, ScenarioConfig
from mec_llm_env.config import checked_objective


@pytest.mark.parametrize(
    ("name", "users", "servers"),
    [
        ("paper-10x2", 10, 2),
        ("tiny-4x2", 4, 2),
        ("medium-50x10", 50, 10),
        ("large-1000x50", 1000, 50),
        ("huge-10000x200", 10_000, 200),
        ("6g-umi-10x2", 10, 2),
        ("6g-subthz-10x2", 10, 2),
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
        (
            {"radio.bandwidth_mhz": -1},
            "`radio.bandwidth_mhz` must be a number from .*-1",
        ),
        ({"radio.bandwidth_mhz": math.inf}, "`radio.bandwidth_mhz` .*inf"),
        ({"radio.bandwidth_mhz": "20"}, "`radio.bandwidth_mhz` .*'20'"),
        ({"radio.bandwidth_mhz": True}, "`radio.bandwidth_mhz` .*True"),
        (
            {"radio.shadowing_std_db": -1},
            "`radio.shadowing_std_db` .*from 0 to 100; got -1",
        ),
        ({"radio.fading": "rician"}, "`radio.fading` must be one of 'rayleigh', 'no"),
        (
            {"radio.noise_density_dbm_per_hz": math.nan},
            "a number from -250 to -50; got nan",
        ),
        ({"workload.tokens": [3, 2]}, r"`workload.tokens` must be \(lowest, highest\)"),
        ({"workload.tokens": [1, 2, 3]}, r"must be \(lowest, highest\)"),
        ({"workload.tokens": [1.5, 2]}, r"\(lowest, highest\), two integers from 1"),
        ({"workload.tokens": 5}, r"two integers from 1 to 1e\+08; got 5"),
        ({"workload.layers": 1}, "`workload.layers` must be an integer from 2 to 1000"),
        ({"server.power_w": [60.0]}, "one entry a server model each; got 2, 2 and 1"),
        ({"server.max_users": 4}, "serve 8 users, fewer than `users` = 10.*at least 5"),
        ({"server.max_users": 0}, "`server.max_users` must be None or an integer from"),
        (
            {"server.noise_rise_db": -3},
            "`server.noise_rise_db` must be a number from 0 to 40; got -3",
        ),
        ({"server.noise_rise_db": [3, 41]}, "from 0 to 40; got 41 for server 1"),
        ({"server.noise_rise_db": []}, r"`server.noise_rise_db` .*; got \[\]"),
        ({"radio.path_loss": "rma"}, "one of 'log-distance', 'uma', 'umi', 'sub-thz'"),
        ({"radio.path_loss": ["uma"]}, r"one of 'log-distance', .*; got \['uma'\]"),
        ({"radio.path_loss": np.array([])}, r"'sub-thz'; got array\(\["),
        ({"workload.lora_targets": ["q", "q"]}, r"most once; got \['q', 'q'\]"),
        ({"workload.lora_targets": "q"}, "a tuple of some of 'q', .*; got 'q'"),
        ({"workload.lora_targets": []}, r"a tuple of some of 'q', .*; got \[\]"),
        (
            {"radio.carrier_ghz": 3.5},
            "`radio.carrier_ghz` has no effect with .*'log-distance', which takes .*; "
            "got 3.5. Leave it out",
        ),
        (
            {"radio.path_loss": "umi", "radio.shadowing_std_db": 3},
            "`radio.shadowing_std_db` has no effect .*state_shadowing_std_db; got 3. "
            "Leave it at 8.0",
        ),
        (
            {"radio.path_loss": "uma", "radio.path_loss_slope_db": 40},
            "`radio.path_loss_slope_db` has no effect",
        ),
        (
            {"radio.path_loss": "umi", "radio.water_vapour_g_per_m3": 1},
            "`radio.water_vapour_g_per_m3` has no effect",
        ),
        (
            {"radio.path_loss": "uma", "radio.carrier_ghz": 140},
            "`radio.carrier_ghz` must be from 0.5 to 100 with .*'uma'; got 140",
        ),
        (
            {"radio.path_loss": "sub-thz", "radio.carrier_ghz": 28},
            "`radio.carrier_ghz` must be from 100 to 1000 with",
        ),
        ({"radio.path_loss": "umi", "radio.user_height_m": 20}, "from 1.5 to 13; g"),
        ({"radio.antenna_gain_db": 300}, "from -100 to 150; got 300"),
        ({"objective.downlink_energy_share": 1.5}, "from 0 to 1; got 1.5"),
        ([1], r"`overrides` must be a mapping .*; got \[1\]"),
        ({"users": 0}, "`users` must be an integer from 1 to 10000; got 0"),
        ({"objective.delay_weight": 0}, r"from 1e-06 to 1e\+06; got 0"),
        ({"objective.score_sensitivity": 1e-320}, "from 1e-06 to .*; got 1e-320"),
        ({"objective.energy_weight": 1e-9}, "must be 0 or a number from 1e-06 to"),
        ({"users": 10**5000}, "`users` .*; got an int too long to print"),
        ({"users": 10_000, "servers": 1_000}, "at most 2,000,000; got 10000 × 1000"),
        ({"radio.fading": ["none"]}, "`radio.fading` must be one of"),
        ({3: 1}, "There is no parameter 3. Choose from users, servers"),
        ({"objective.score_weight_offload": 0.5}, "must sum to 1; .*Give all four"),
    ],
)
def test_bad_overrides_are_named(overrides: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ScenarioConfig().with_overrides(overrides)


def test_laws_of_path_loss_have_their_usual_parameters() -> None:
    radio = ScenarioConfig().with_overrides({"radio.path_loss": "uma"}).radio
    assert radio.law_parameters == {
        "carrier_ghz": 3.5,
        "server_height_m": 25.0,
        "user_height_m": 1.5,
    }
    assert radio.shadowing_stds_db == (4.0, 6.0)
    assert ScenarioConfig().radio.shadowing_stds_db == (8.0, 8.0)
    config = ScenarioConfig.preset("6g-umi-10x2")
    assert config.radio.law_parameters["carrier_ghz"] == 7.0
    changed = config.with_overrides(
        {"radio.state_shadowing_std_db": [0, 0], "server.noise_rise_db": [1, 2.5]}
    )
    assert changed.radio.shadowing_stds_db == (0, 0)
    assert changed.server.noise_rise_db == (1, 2.5)
    again = ScenarioConfig.from_dict(json.loads(json.dumps(changed.to_dict())))
    assert again == changed
    hash(again)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"no preset 'paper10x2'. .* 'paper-10x2'"):
        ScenarioConfig.preset("paper10x2")
    for name in (3, ["paper-10x2"]):
        with pytest.raises(ValueError, match="There is no preset"):
            ScenarioConfig.preset(name)  # type: ignore[arg-type]


def test_numbers_of_numpy_become_pythons() -> None:
    config = ScenarioConfig(users=np.int64(4)).with_overrides(
        {
            "radio.bandwidth_mhz": np.float32(20),
            "device.cores": np.arange(4, 7),
            "device.power_w": [np.float64(3), np.int8(6)],
        }
    )
    assert (type(config.users), type(config.radio.bandwidth_mhz)) == (int, float)
    assert config.device.cores == (4, 5, 6)
    assert ScenarioConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    hash(config)
    third = np.float32(1 / 3)  # the sum of three is 1 to 3e-8
    ObjectiveConfig(
        score_weight_bandwidth=third,
        score_weight_compute=third,
        score_weight_offload=third,
    )
    for value in (True, np.True_, "4", 4.0, np.array(4), np.array([4]), [4], None):
        with pytest.raises(ValueError, match="`users` must be an integer from"):
            ScenarioConfig(users=value)


def test_names_of_fields_are_checked() -> None:
    with pytest.raises(
        ValueError, match=r"no field 'delay_wait'. Did you mean 'delay_w"
    ):
        ObjectiveConfig(delay_wait=1)  # type: ignore[call-arg]
    with pytest.raises(
        ValueError, match=r"`radio` must be a mec_llm_env.config.radio.RadioC"
    ):
        ScenarioConfig(radio={"bandwidth_mhz": 20})  # type: ignore[arg-type]


def test_other_things_than_an_objective_are_named() -> None:
    assert checked_objective(None) == ObjectiveConfig()
    assert checked_objective(ObjectiveConfig(delay_weight=1)).delay_weight == 1
    with pytest.raises(ValueError, match=r"got ScenarioConfig. .*`config.objective`"):
        checked_objective(ScenarioConfig())
    with pytest.raises(ValueError, match=r"got dict. Give `ObjectiveConfig\(\*\*"):
        checked_objective({"delay_weight": 1})
    with pytest.raises(ValueError, match=r"got float. Give an `ObjectiveConfig`"):
        checked_objective(0.0)
