from __future__ import annotations

import math

import numpy as np
import pytest

from mec_llm_env.channel.link import (
    downlink_rate_bit_per_s,
    mean_log_gain,
    shadowing_nepers,
    uplink_rate_bit_per_s,
)


def test_path_loss_by_hand() -> None:
    log_gain = mean_log_gain(
        np.array([1000.0, 100.0]), path_loss_intercept_db=128.1, path_loss_slope_db=37.6
    )
    # 128.1 dB at 1 km, 37.6 dB less a decade nearer.
    np.testing.assert_allclose(10 * log_gain / math.log(10), [-128.1, -90.5])


def test_decibels_to_nepers() -> None:
    assert math.exp(shadowing_nepers(10.0)) == pytest.approx(10)


def test_rates_by_hand() -> None:
    # b = 2, g p / (n0 b) = 3·2/(1·2) = 3: 2 log2(4) = 4 bit/s.
    rate = uplink_rate_bit_per_s(np.array(2.0), np.array(2.0), np.array(3.0), 1.0)
    assert rate == pytest.approx(4)
    # g P / (n0 B) = 3·10/(1·2) = 15: 2 log2(16) = 8 bit/s.
    rate = downlink_rate_bit_per_s(
        np.array(2.0), np.array(3.0), np.array(1.0), np.array(10.0), np.array(2.0)
    )
    assert rate == pytest.approx(8)


def test_very_weak_channels_keep_their_digits() -> None:
    # ln(1 + x) ≈ x far below the spacing of floats around 1.
    rate = uplink_rate_bit_per_s(np.array(1e6), np.array(0.1), np.array(1e-30), 4e-21)
    assert rate == pytest.approx(1e-30 * 0.1 / 4e-21 / math.log(2), rel=1e-12)
