"""Channel: path loss, Shannon rates. Sources at each function."""

from __future__ import annotations

import math

from mec_llm_env._array import Array, namespace

#: Of power.
NEPER_PER_DB = math.log(10) / 10


def mean_log_gain(
    distance_m: Array,  # [...]
    *,
    path_loss_intercept_db: float,
    path_loss_slope_db: float,
) -> Array:
    """Returns the natural logarithm of the mean power gain, shaped as the distance.

    Path loss = intercept + slope · log10(d / 1 km) dB: 3GPP TR 36.814 macro, [LZ24].
    """
    xp = namespace(distance_m)
    slope = path_loss_slope_db / 10  # nepers of power a neper of distance
    at_1_km = -path_loss_intercept_db * NEPER_PER_DB
    return at_1_km - slope * xp.log(distance_m / 1000)


def shadowing_nepers(shadowing_db: Array) -> Array:
    """Converts dB of power to nepers of power."""
    return NEPER_PER_DB * shadowing_db


def uplink_rate_bit_per_s(
    bandwidth_hz: Array, transmit_power_w: Array, gain: Array, noise_density: Array
) -> Array:
    """Returns b log2(1 + g p / (n0 b)), bit/s: Shannon, FDMA without interference.

    By `log1p`, so that very weak channels keep their digits. [LZ24]
    """
    xp = namespace(bandwidth_hz, transmit_power_w, gain)
    snr = gain * transmit_power_w / (noise_density * bandwidth_hz)
    return bandwidth_hz * xp.log1p(snr) / math.log(2)


def downlink_rate_bit_per_s(
    bandwidth_hz: Array,
    gain: Array,
    noise_density: Array,
    server_power_w: Array,
    server_bandwidth_hz: Array,
) -> Array:
    """Returns b log2(1 + g P / (n0 B)), bit/s.

    The server spreads its power P evenly over its band B (assumption).
    """
    density_ratio = server_power_w / server_bandwidth_hz
    xp = namespace(bandwidth_hz, gain, density_ratio)
    return bandwidth_hz * xp.log1p(gain * density_ratio / noise_density) / math.log(2)
