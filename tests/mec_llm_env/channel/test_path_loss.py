"""Path losses against Sionna and ns-3, absorption in `test_absorption`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mec_llm_env.channel.path_loss import LAWS, MeanGain
from mec_llm_env.ranges import Limits

# Twenty links each: distance over ground in m, carrier in GHz, heights of server and
# user in m; path loss in line of sight and out of it in dB, probability of the first.
# Computed by `_compute_pathloss_basic` and `los_probability` of `UMiScenario` and
# `UMaScenario` in NVIDIA Sionna (github.com/NVlabs/sionna, 20d2bca, October 2025).
_SIONNA = {
    "umi": (
        (417.1, 2, 9.1, 1.5, 104.5720, 121.3090, 0.043164),
        (14.1, 23.74, 10, 3.6, 84.8975, 93.0711, 1.000000),
        (25.4, 2.15, 10, 1.5, 69.0343, 79.8852, 0.852534),
        (138.5, 4.95, 10, 1.5, 91.2797, 112.8171, 0.148530),
        (32, 14.32, 19.3, 12.5, 87.3284, 97.1919, 0.742362),
        (2548.4, 3.13, 10, 7.3, 114.4486, 151.4563, 0.007063),
        (186.8, 30.45, 10, 5.1, 109.7738, 133.1053, 0.101400),
        (19.2, 19.74, 10, 2.7, 85.8720, 95.9664, 0.974165),
        (549.5, 1.46, 34.9, 1.5, 97.4193, 122.6498, 0.032757),
        (400.2, 4.31, 10, 7.4, 99.7376, 126.0051, 0.044992),
        (454, 48.16, 10, 1.5, 121.8535, 152.0380, 0.039651),
        (741, 40.49, 10, 7.2, 124.8132, 156.2312, 0.024291),
        (12.7, 3.01, 9.4, 1.5, 66.6428, 74.0651, 1.000000),
        (2653.9, 20.61, 10, 1.5, 136.8788, 171.2531, 0.006782),
        (396.8, 41.76, 10, 5.9, 119.3857, 147.3326, 0.045378),
        (33.9, 28.93, 10, 6.1, 93.8211, 106.2636, 0.713883),
        (11.3, 1.24, 9.8, 3.6, 57.5831, 62.9508, 1.000000),
        (164.7, 41.28, 10, 1.5, 111.2775, 135.0849, 0.118470),
        (3394.9, 6.65, 10, 1.5, 140.6635, 164.5643, 0.005302),
        (464.1, 26.65, 10, 1.5, 116.9143, 146.9013, 0.038787),
    ),
    "uma": (
        (315.3, 7.32, 29.4, 1.5, 100.2994, 128.5465, 0.063412),
        (3186.8, 0.62, 25, 1.5, 127.8267, 146.2994, 0.005648),
        (10.6, 31.94, 25, 1.5, 89.1349, 98.7797, 1.000000),
        (14.3, 40.09, 25, 1.5, 91.7291, 101.8553, 1.000000),
        (112.7, 90.85, 7.7, 1.5, 112.3233, 132.9213, 0.300166),
        (10.4, 3.48, 25, 1.5, 69.8495, 79.4707, 1.000000),
        (65.5, 1.1, 25, 3.9, 69.2568, 84.7444, 0.531213),
        (2857.7, 12.89, 25, 1.5, 128.7817, 170.8068, 0.006299),
        (1204.4, 81.71, 25.1, 2.2, 134.0242, 171.7651, 0.014945),
        (171.1, 0.7, 25, 1.5, 77.3348, 97.8760, 0.164390),
        (1390.4, 17.28, 25, 11.8, 121.9004, 154.9455, 0.012946),
        (456.6, 0.66, 25, 12.6, 82.9042, 107.2118, 0.040106),
        (160.6, 0.79, 19.1, 1.5, 78.5240, 97.7944, 0.181465),
        (299.5, 35.51, 25, 1.5, 113.5171, 141.3767, 0.068200),
        (430.5, 33.3, 25, 6.1, 116.4055, 144.1809, 0.042844),
        (2417, 84.27, 25, 2, 140.9460, 183.9727, 0.007447),
        (60.4, 9.69, 24.7, 1.5, 87.5667, 104.0372, 0.567141),
        (2808.5, 0.87, 25, 1.5, 126.0294, 147.0974, 0.006409),
        (180.8, 17.49, 25, 1.5, 102.5942, 126.7493, 0.150620),
        (4102.2, 38.18, 25, 1.5, 139.1232, 186.3737, 0.004388),
    ),
}

# The same by the test suite of ns-3 (three-gpp-propagation-loss-model-test-suite.cc of
# nsnam/ns-3-dev-git, 0a0222c) at 5 GHz and the usual heights: distance, both losses.
_NS3 = {
    "umi": ((10, 69.8591, 76.7563), (100, 88.4122, 107.9432)),
    "uma": (
        (10, 72.9380, 82.5131),
        (100, 86.2362, 106.1356),
        (1000, 109.7252, 144.7641),
        (5000, 137.6794, 172.0753),
    ),
}


def loss_db(log_gain: np.ndarray) -> np.ndarray:
    return -10 / math.log(10) * log_gain


def both(law: str, distance_m: float, **parameters: float) -> MeanGain:
    given = {**LAWS[law].usual, **parameters}
    return LAWS[law].mean_gain(np.array([float(distance_m)]), **given)


@pytest.mark.parametrize(
    ("law", "link"), [(law, link) for law, links in _SIONNA.items() for link in links]
)
def test_against_sionna(law: str, link: tuple[float, ...]) -> None:
    distance_m, carrier, server_m, user_m, sight, blocked, probability = link
    mean = both(
        law,
        distance_m,
        carrier_ghz=carrier,
        server_height_m=server_m,
        user_height_m=user_m,
    )
    assert loss_db(mean.log_gain)[0] == pytest.approx(sight, abs=1e-4)
    assert mean.log_gain_blocked is not None
    assert loss_db(mean.log_gain_blocked)[0] == pytest.approx(blocked, abs=1e-4)
    assert mean.sight_probability is not None
    assert mean.sight_probability[0] == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize(
    ("law", "link"), [(law, link) for law, links in _NS3.items() for link in links]
)
def test_against_ns_3(law: str, link: tuple[float, ...]) -> None:
    distance_m, sight, blocked = link
    mean = both(law, distance_m, carrier_ghz=5.0)
    assert loss_db(mean.log_gain)[0] == pytest.approx(sight, abs=0.01)
    assert mean.log_gain_blocked is not None
    assert loss_db(mean.log_gain_blocked)[0] == pytest.approx(blocked, abs=0.01)


def test_sub_thz_by_hand() -> None:
    # 60 m over ground and 80 m up: 100 m. 20 log10(4π · 100 m · 140 GHz / c) = 115.3698
    # dB, and a tenth of 0.92318939935073 dB/km, the absorption of ITU's example.
    mean = both("sub-thz", 60.0, carrier_ghz=140.0, server_height_m=81.5)
    free = 20 * math.log10(4 * math.pi * 100 * 140e9 / 299_792_458)
    assert free == pytest.approx(115.3698, abs=1e-3)
    expected = free + 0.92318939935073 / 10
    assert loss_db(mean.log_gain)[0] == pytest.approx(expected, abs=1e-9)
    assert mean.log_gain_blocked is None
    np.testing.assert_array_equal(mean.expected(), mean.log_gain)


@pytest.mark.parametrize("law", LAWS)
def test_laws_fall_with_distance_and_agree_for_arrays(law: str) -> None:
    parameters = {**LAWS[law].usual}
    if law == "log-distance":
        parameters = {"path_loss_intercept_db": 128.1, "path_loss_slope_db": 37.6}
    distance_m = np.geomspace(1, 1e4, 400).reshape(20, 20)
    mean = LAWS[law].mean_gain(distance_m, **parameters)
    one = LAWS[law].mean_gain(distance_m[3, 4:5], **parameters)
    assert mean.log_gain[3, 4] == one.log_gain[0]
    # At the breakpoint the two slopes of TR 38.901 meet to 0.02 dB.
    assert (np.diff(mean.log_gain.ravel()) <= 0.005).all()
    expected = mean.expected()
    assert (expected <= mean.log_gain).all()
    if mean.log_gain_blocked is not None:
        assert (expected >= mean.log_gain_blocked).all()
        probability = mean.sight_probability
        assert (np.diff(probability.ravel()) <= 0).all()
        assert (probability > 0).all()
        assert (probability[distance_m <= 18] == 1).all()


def test_antennas_raise_both_states() -> None:
    mean = both("umi", 100.0)
    raised = mean.raised(2.5)
    np.testing.assert_allclose(raised.log_gain, mean.log_gain + 2.5)
    np.testing.assert_allclose(raised.log_gain_blocked, mean.log_gain_blocked + 2.5)
    assert mean.raised(0.0) is mean


def test_the_laws_of_3gpp_hold_up_to_100_ghz_and_have_its_shadowing() -> None:
    # Table 7.4.1-1: 4 and 6 dB of UMa, 4 and 7.82 dB of UMi, in line of sight and not.
    assert LAWS["uma"].shadowing_std_db == (4.0, 6.0)
    assert LAWS["umi"].shadowing_std_db == (4.0, 7.82)
    assert LAWS["uma"].carrier_ghz == LAWS["umi"].carrier_ghz == Limits(0.5, 100)
