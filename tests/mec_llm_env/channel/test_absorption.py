"""Absorption against ITU's own examples."""

from __future__ import annotations

import pytest

from mec_llm_env.channel.absorption import absorption_db_per_km

# GHz and dB/km at 1013.25 hPa, 288.15 K and 7.5 g/m³: ITU's validation examples for
# P.676-13 (CG-3M3J-13-ValEx-Rev5_1.xlsx), as the tests of ITU-Rpy have them
# (github.com/inigodelportillo/ITU-Rpy, test/test_data/676/ITURP676-13_gamma.csv).
_EXAMPLES = (
    (22, 0.187337256302312),
    (57, 10.2058515033922),
    (60, 14.7783166371223),
    (100, 0.45805896475064),
    (110, 0.58774914374735),
    (119, 1.92437252073128),
    (120, 1.51596945491459),
    (130, 0.793353787245652),
    (140, 0.92318939935073),
    (150, 1.12356453919825),
    (160, 1.47051782201565),
    (170, 2.48867730108997),
    (180, 13.7410832580785),
    (183, 27.6777422230024),
    (190, 6.87121497588628),
    (200, 2.88854803905173),
    (220, 2.48681435049274),
    (240, 2.8433160869789),
    (260, 3.38953488041347),
    (280, 4.1158052339247),
    (300, 5.24708861738692),
    (320, 14.7235758828824),
    (325, 37.8922094897409),
    (340, 9.26153394742424),
    (350, 10.1594787665631),
)


@pytest.mark.parametrize(("frequency_ghz", "expected"), _EXAMPLES)
def test_against_the_examples_of_itu(frequency_ghz: float, expected: float) -> None:
    assert absorption_db_per_km(frequency_ghz) == pytest.approx(expected, rel=1e-9)


def test_dry_air_absorbs_by_oxygen_alone() -> None:
    # The same examples' γ_o, for dry air from the line at 118.75 GHz on both sides: the
    # vapour widens the lines of oxygen a little.
    for frequency_ghz, oxygen in ((110, 0.0690879072253479), (120, 0.886108889994405)):
        dry = absorption_db_per_km(frequency_ghz, water_vapour_g_per_m3=0.0)
        assert dry == pytest.approx(oxygen, rel=0.02)


def test_more_vapour_absorbs_more() -> None:
    values = [
        absorption_db_per_km(300.0, water_vapour_g_per_m3=vapour)
        for vapour in (0.0, 1.0, 7.5, 20.0, 100.0)
    ]
    assert values == sorted(values)
    assert values[-1] > 10 * values[1]
