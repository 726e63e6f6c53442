from __future__ import annotations

from pathlib import Path

import pytest

from mec_llm_env import MobileConfig, ScenarioConfig
from mec_llm_env.config import ruled
from mec_llm_env.ranges import show
from mec_llm_env.scenario_file.usual import (
    USUAL,
    USUAL_EFFICIENCY,
    USUAL_SPEED,
    _ending,
    odd_system,
    renamed,
    unit_remedy,
    unusual,
)
from mec_llm_env.scenario_file.values import _numbers

DOCS = Path(__file__).parents[3] / "docs" / "own-system.md"


def test_the_documentation_lists_what_is_usual() -> None:
    table = [
        tuple(cell.strip(" `") for cell in line.strip("|").split(" | "))
        for line in DOCS.read_text().splitlines()
        if line.startswith("| `") and line.count("|") == 4
    ]
    limits = [(key, *map(show, limits)) for key, limits in USUAL.items()]
    assert [row for row in table if row[0] in USUAL] == limits


def test_what_is_usual_lies_within_the_ranges_and_has_the_defaults() -> None:
    rules = ruled(MobileConfig())
    for key, limits in USUAL.items():
        rule, default = rules[key]
        assert rule.limits.lowest <= limits.lowest < limits.highest, key
        assert limits.highest <= rule.limits.highest, key
        for number in _numbers(default):
            assert unusual(key, number) is None, key
    for preset in (ScenarioConfig(), MobileConfig()):
        assert odd_system(preset) == []


def test_every_quantity_has_usual_values() -> None:
    quantities = {key for key in ruled(MobileConfig()) if _ending(key)}
    assert len(quantities) > 30
    assert quantities <= USUAL.keys()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("radio.bandwidth_mhz", 20e6, "Hz: write 20, or in kHz: write 20000"),
        ("radio.transmit_power_max_w", 23, "mW: write 0.023, or in dBm: write 0.1995"),
        ("radio.channel_gain_db", 100, "dB of loss: write -100"),
        ("radio.channel_gain_db", 1e-9, "linear units: write -90"),
        ("radio.noise_density_dbm_per_hz", 3.98e-21, r"W/Hz: write -174.001"),
        ("device.frequency_max_ghz", 1300, "MHz: write 1.3"),
        ("layout.cell_radius_m", 0.5, "km: write 500"),
        ("objective.delay_reference_s", 1e8, "ms: write 100000"),
        ("workload.adapter_parameter_bit", 1, "byte: write 8"),
        ("radio.carrier_ghz", 3500, "MHz: write 3.5"),
        ("radio.user_height_m", 150, "cm: write 1.5"),
        ("mobility.vehicular_speed_m_per_s", 180, "km/h: write 50"),
        ("migration.backhaul_mbit_per_s", 5e7, "bit/s: write 50"),
        ("migration.energy_nj_per_bit", 4e5, "pJ/bit: write 400"),
    ],
)
def test_the_unit_that_was_probably_meant(key: str, value: float, text: str) -> None:
    assert text in unit_remedy(key, value)
    assert str(unusual(key, value)).endswith(unit_remedy(key, value))


def test_units_that_make_no_sense_are_not_suggested() -> None:
    assert unit_remedy("workload.layers", 10**6) == ""
    assert unit_remedy("radio.channel_gain_db", -400) == ""
    assert unit_remedy("radio.bandwidth_mhz", 0) == ""
    assert unit_remedy("radio.transmit_power_max_w", 1e308) == ""


def test_keys_with_another_unit() -> None:
    known = ["bandwidth_mhz", "power_w", "noise_density_dbm_per_hz"]
    assert "write bandwidth_mhz = 20" in renamed("bandwidth_hz", 20e6, known)
    assert "write power_w = 0.001" in renamed("power_dbm", 0, known)
    assert (
        renamed("power_kwh", 1, known) == " The key is `power_w`; give it in that unit."
    )
    assert "give it in that unit" in renamed("power_dbm", "23", known)
    assert renamed("bandwith_hz", 20e6, known) == ""
    assert renamed("x", 1, known) == ""


def test_systems_that_are_odd_as_a_whole() -> None:
    odd = {
        "device.flop_per_cycle_per_core": {
            "device.flop_per_cycle_per_core": 1e5,
            "device.cores": [10**5],
        },
        "server.flop_per_cycle_per_core": {
            "server.flop_per_cycle_per_core": [2, 1e-3],
            "server.cores": [1, 1],
        },
        "device.power_w": {
            "device.cores": [4],
            "device.flop_per_cycle_per_core": 0.5,
            "device.power_w": [[900, 1000], [3, 4]],
            "users": 2,
        },
        "layout.user_position_m": {
            "users": 2,
            "layout.user_position_m": [[0.1, 0.3], [0.5, -0.2]],
        },
    }
    for key, changes in odd.items():
        found = odd_system(ScenarioConfig().with_overrides(changes))
        assert key in dict(found), key
    assert USUAL_EFFICIENCY.lowest < 1e12 < USUAL_EFFICIENCY.highest
    assert USUAL_SPEED.keys() == {"device", "server"}
