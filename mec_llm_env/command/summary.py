"""What a configuration amounts to, in words and numbers that can be checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.config import RadioConfig, ScenarioConfig, WorkloadConfig
from mec_llm_env.mobile.config import MobileConfig
from mec_llm_env.sampling import is_fixed, sample_scenario, scenario_sampler
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload.llms import DECODERS

#: Servers, at most, that are listed one by one.
_MOST_LISTED = 20

# Without effect where gains are given.
_OF_DRAWN_GAINS = (
    *("path_loss", "shadowing", "state_shadowing", "fading", "antenna_gain"),
    *("carrier", "server_height", "user_height", "water_vapour"),
)


def describe(config: ScenarioConfig) -> list[str]:
    """Returns lines that describe a configuration to its author.

    Raises:
        ValueError: the parameters do not fit together.
    """
    scenario = sample_scenario(config, np.random.default_rng(0))
    n, m = config.users, config.servers
    lines = [f"{_count(n, 'user')} and {_count(m, 'server')}."]
    lines += ["", *_servers(scenario), "", *_users(config)]
    lines += ["", *_channels(config, scenario)]
    if is_fixed(config):
        lines += ["", "Nothing is random: every draw is this scenario."]
    return lines


def without_effect(config: ScenarioConfig) -> dict[str, str]:
    """Returns the parameters that make no difference, and why, by key."""
    radio, work = config.radio, config.workload
    found: dict[str, str] = {}
    for name in work.unused:
        model = name in ("layers", "width")
        why = "`workload.model` is given" if model else f"the adapter is {work.adapter}"
        found[f"workload.{name}"] = why
    if config.layout.server_position_m is not None:
        found["layout.server_ring_ratio"] = "servers have positions"
    for name in radio.unused:
        found[f"radio.{name}"] = f"the path loss is {radio.path_loss}"
    if isinstance(config, MobileConfig) and radio.law.shadowing_std_db is None:
        found["mobility.sight_distance_m"] = f"the path loss is {radio.path_loss}"
    if radio.channel_gain_db is not None:
        for key in config.to_dict():
            topic, _, name = key.partition(".")
            drawn = topic == "radio" and name.startswith(_OF_DRAWN_GAINS)
            if drawn or (topic == "layout" and "position" not in name):
                found[key] = "gains are given"
    return found


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
        f"  model       {_model(config.workload)}",
        f"  GPU         {_range(speed / 1e12)} TFLOP/s, {_range(power_w)} W",
        f"  transmit    {_range(transmit_w)} W ({_range(_dbm(transmit_w), 3)} dBm)",
        f"  work        {_range(fields['workload_flop'] / 1e12)} TFLOP, "
        f"{_range(alone_s)} s on one's own GPU alone",
        f"  data        {_range(fields['data_bit'] / 1e6)} Mbit; adapters "
        f"{_range(np.array(limits['adapter_bit']) / 1e6)} Mbit",
    ]


def _model(work: WorkloadConfig) -> str:
    """Returns the decoder and its adapters, by name and size."""
    name = f"{work.model}, " if work.model in DECODERS else ""
    whole = "; split between whole layers" if work.whole_layers else ""
    return (
        f"{name}{work.decoder.layers} layers of width {work.decoder.width}; "
        f"{work.adapters}{whole}"
    )


def _channels(config: ScenarioConfig, s: Scenario) -> list[str]:
    gain_db = 10 * np.log10(s.channel_gain)
    best = s.channel_gain.argmax(axis=-1)
    row = np.arange(s.n_users)
    noise_w = (s.uplink_noise_w_per_hz * s.bandwidth_max_hz)[best]
    snr = s.channel_gain[row, best] * s.transmit_power_max_w / noise_w
    noise_dbm = _dbm(s.noise_density_w_per_hz)
    return [
        "channels (of one draw, where they are drawn):",
        f"  path loss   {_path_loss(config.radio)}",
        f"  gain        {_range(gain_db, 4)} dB; to a user's strongest server "
        f"{_range(gain_db.max(axis=-1), 4)} dB",
        f"  noise       {noise_dbm:.1f} dBm/Hz with the noise figure",
        f"  uplink SNR  {_range(10 * np.log10(snr), 3)} dB at full power over the "
        "whole band of that server",
    ]


def _path_loss(radio: RadioConfig) -> str:
    """Returns the law of path loss and what it takes."""
    if radio.channel_gain_db is not None:
        return "in the gains, which are given"
    values = ", ".join(f"{k} = {v:g}" for k, v in radio.law_parameters.items())
    return f"{radio.path_loss}, {values}"


def _range(values: Any, digits: int = 4) -> str:
    low, high = f"{np.min(values):.{digits}g}", f"{np.max(values):.{digits}g}"
    return low if low == high else f"{low} to {high}"


def _dbm(power_w: Array | float) -> Any:
    return 10 * np.log10(power_w) + 30


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
