"""What a configuration amounts to, in words and numbers that can be checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.sampling import is_fixed, sample_scenario, scenario_sampler
from mec_llm_env.scenario import Scenario

#: Servers, at most, that are listed one by one.
_MOST_LISTED = 20

# Without effect where gains are given.
_OF_DRAWN_GAINS = (
    *("path_loss", "shadowing", "state_shadowing", "fading", "antenna_gain"),
    *("carrier", "server_height", "user_height", "water_vapour"),
)


def describe(config: ScenarioConfig) -> list[str]:
    """Returns lines that describe a configuration, for whoever wrote it.

    Raises:
        ValueError: the parameters do not fit together.
    """
    scenario = sample_scenario(config, np.random.default_rng(0))
    n, m = config.users, config.servers
    lines = [f"{_count(n, 'user')} and {_count(m, 'server')}."]
    lines += ["", *_servers(scenario), "", *_users(config), "", *_channels(scenario)]
    if is_fixed(config):
        lines += ["", "Nothing is random: every draw is this scenario."]
    return lines


def without_effect(config: ScenarioConfig, given: Collection[str]) -> list[str]:
    """Returns the parameters of those given that make no difference."""
    if config.radio.channel_gain_db is None:
        return []
    keys = [key for key in sorted(given) if key.startswith("layout.")]
    keys = [key for key in keys if "position" not in key]
    radio = [key for key in sorted(given) if key.startswith("radio.")]
    return keys + [k for k in radio if k.split(".")[1].startswith(_OF_DRAWN_GAINS)]


def _servers(s: Scenario) -> list[str]:
    speed = s.server_flop_per_cycle * s.server_frequency_max_hz
    power_w = s.server_power_coefficient * s.server_frequency_max_hz**3
    rows = zip(
        s.bandwidth_max_hz, speed, power_w, s.downlink_power_w, s.max_users, strict=True
    )
    lines = ["server  bandwidth MHz  TFLOP/s  GPU W  downlink W (dBm)  users at most"]
    for i, (hz, flop_per_s, gpu_w, down_w, slots) in enumerate(rows):
        if i == _MOST_LISTED:
            lines.append(f"… and {s.n_servers - i} more")
            break
        down = f"{down_w:g} ({_dbm(down_w):.1f})"
        lines.append(
            f"{i:6}  {hz / 1e6:13g}  {flop_per_s / 1e12:7.4g}  {gpu_w:5.4g}  "
            f"{down:>16}  {slots:13.0f}"
        )
    return lines


def _users(config: ScenarioConfig) -> list[str]:
    sampler = scenario_sampler(config)
    limits = sampler.field_limits()
    fields = sampler.user_extremes()
    speed = fields["user_flop_per_cycle"] * fields["user_frequency_max_hz"]
    power_w = fields["user_power_coefficient"] * fields["user_frequency_max_hz"] ** 3
    alone_s = fields["workload_flop"] / speed[::-1]
    transmit_w = np.array(limits["transmit_power_max_w"])
    return [
        "users:",
        f"  GPU         {_range(speed / 1e12)} TFLOP/s, {_range(power_w)} W",
        f"  transmit    {_range(transmit_w)} W ({_range(_dbm(transmit_w), 3)} dBm)",
        f"  work        {_range(fields['workload_flop'] / 1e12)} TFLOP, "
        f"{_range(alone_s)} s on one's own GPU alone",
        f"  data        {_range(fields['data_bit'] / 1e6)} Mbit; adapters "
        f"{_range(np.array(limits['adapter_bit']) / 1e6)} Mbit",
    ]


def _channels(s: Scenario) -> list[str]:
    gain_db = 10 * np.log10(s.channel_gain)
    best = s.channel_gain.argmax(axis=-1)
    row = np.arange(s.n_users)
    noise_w = (s.uplink_noise_w_per_hz * s.bandwidth_max_hz)[best]
    snr = s.channel_gain[row, best] * s.transmit_power_max_w / noise_w
    noise_dbm = _dbm(s.noise_density_w_per_hz)
    return [
        "channels (of one draw, where they are drawn):",
        f"  gain        {_range(gain_db, 4)} dB; to a user's strongest server "
        f"{_range(gain_db.max(axis=-1), 4)} dB",
        f"  noise       {noise_dbm:.1f} dBm/Hz with the noise figure",
        f"  uplink SNR  {_range(10 * np.log10(snr), 3)} dB at full power over the "
        "whole band of that server",
    ]


def _range(values: Any, digits: int = 4) -> str:
    low, high = f"{np.min(values):.{digits}g}", f"{np.max(values):.{digits}g}"
    return low if low == high else f"{low} to {high}"


def _dbm(power_w: Array | float) -> Any:
    return 10 * np.log10(power_w) + 30


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
