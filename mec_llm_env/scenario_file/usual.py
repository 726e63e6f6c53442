"""Usual values of parameters, by which mistakes in a unit are found.

Ranges (`ranges`) hold whatever can be computed. These are narrower: a value outside of
them is refused in a file of a user's own, with the unit that it seems to be in, unless
the file says that it is meant. `docs/own-system.md` lists them; a test compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mec_llm_env.ranges import Limits, show

#: Lowest and highest usual value, by dotted key. All of them: assumption.
USUAL: dict[str, Limits] = {
    "layout.cell_radius_m": Limits(1, 1e5),
    "layout.server_ring_ratio": Limits(0, 2),
    "layout.distance_min_m": Limits(0.1, 1000),
    "layout.user_position_m": Limits(-1e6, 1e6),
    "layout.server_position_m": Limits(-1e6, 1e6),
    "radio.path_loss_intercept_db": Limits(60, 250),
    "radio.path_loss_slope_db": Limits(10, 80),
    "radio.shadowing_std_db": Limits(0, 20),
    "radio.state_shadowing_std_db": Limits(0, 20),
    "radio.carrier_ghz": Limits(0.5, 500),
    "radio.server_height_m": Limits(1.5, 150),
    "radio.user_height_m": Limits(1.5, 13),
    "radio.water_vapour_g_per_m3": Limits(0, 50),
    "radio.antenna_gain_db": Limits(-30, 90),
    "radio.noise_density_dbm_per_hz": Limits(-180, -140),
    "radio.noise_figure_db": Limits(0, 30),
    "radio.bandwidth_mhz": Limits(0.01, 1e5),
    "radio.downlink_power_w": Limits(0.001, 1000),
    "radio.transmit_power_max_w": Limits(1e-4, 5),
    "radio.channel_gain_db": Limits(-300, -20),
    "workload.layers": Limits(2, 500),
    "workload.width": Limits(32, 100_000),
    "workload.bottleneck": Limits(1, 20_000),
    "workload.lora_rank": Limits(1, 4096),
    "workload.tokens": Limits(1, 1e7),
    "workload.sequences": Limits(1, 1e7),
    "workload.epochs": Limits(1, 1000),
    "workload.adapter_parameter_bit": Limits(2, 64),
    "workload.token_bit": Limits(8, 4096),
    "device.cores": Limits(1, 1e5),
    "device.flop_per_cycle_per_core": Limits(0.5, 1e5),
    "device.frequency_max_ghz": Limits(0.05, 10),
    "device.power_w": Limits(0.05, 1000),
    "device.power_reference_ghz": Limits(0.05, 10),
    "server.cores": Limits(1, 1e6),
    "server.frequency_ghz": Limits(0.05, 10),
    "server.power_w": Limits(1, 1e5),
    "server.flop_per_cycle_per_core": Limits(0.5, 1e5),
    "server.noise_rise_db": Limits(0, 20),
    "objective.delay_reference_s": Limits(1e-3, 1e7),
    "objective.energy_reference_j": Limits(1e-3, 1e9),
    "mobility.slot_s": Limits(0.1, 1e5),
    "mobility.pedestrian_speed_m_per_s": Limits(0, 10),
    "mobility.vehicular_speed_m_per_s": Limits(0, 150),
    "mobility.shadowing_distance_m": Limits(1, 2000),
    "mobility.sight_distance_m": Limits(1, 2000),
    "migration.optimizer_bit": Limits(0, 1024),
    "migration.backhaul_mbit_per_s": Limits(0.1, 1e6),
    "migration.energy_nj_per_bit": Limits(0, 1e5),
}

_Convert = Callable[[float], float]


def _times(factor: float) -> _Convert:
    # A division keeps what a product would round: 1300 MHz are 1.3 GHz.
    return lambda v: v * factor if factor >= 1 else v / round(1 / factor)


def _decibel(v: float) -> float:
    return 10 * math.log10(v)


#: How numbers in other units become those of a key, by its ending, longest first.
_UNITS: dict[str, dict[str, _Convert]] = {
    "dbm_per_hz": {"dBW/Hz": lambda v: v + 30, "W/Hz": lambda v: _decibel(v) + 30},
    "mbit_per_s": {
        "bit/s": _times(1e-6),
        "kbit/s": _times(1e-3),
        "Gbit/s": _times(1e3),
    },
    "nj_per_bit": {
        "J/bit": _times(1e9),
        "µJ/bit": _times(1e3),
        "pJ/bit": _times(1e-3),
    },
    "m_per_s": {"km/h": lambda v: v / 3.6},
    "mhz": {"Hz": _times(1e-6), "kHz": _times(1e-3), "GHz": _times(1e3)},
    "ghz": {"Hz": _times(1e-9), "kHz": _times(1e-6), "MHz": _times(1e-3)},
    "bit": {"byte": _times(8)},
    "db": {"dB of loss": lambda v: -v, "linear units": _decibel},
    "w": {
        "mW": _times(1e-3),
        "dBm": lambda v: 10 ** (v / 10 - 3),
        "kW": _times(1e3),
        "dBW": lambda v: 10 ** (v / 10),
    },
    "m": {"km": _times(1e3), "cm": _times(1e-2), "mm": _times(1e-3)},
    "s": {"ms": _times(1e-3), "min": _times(60), "h": _times(3600)},
    "j": {"mJ": _times(1e-3), "kJ": _times(1e3), "Wh": _times(3600)},
}


def _ending(key: str) -> str:
    """Returns the unit at the end of a key, such as "mhz", or nothing."""
    for unit in _UNITS:
        if key.endswith(f"_{unit}"):
            return unit
    return ""


def unit_remedy(key: str, value: Any) -> str:
    """Returns " That may be in …: write …", or nothing, for a value that is unusual.

    Args:
        key: dotted, of a parameter.
        value: a number.
    """
    limits, found = USUAL.get(key), []
    for unit, convert in _UNITS.get(_ending(key), {}).items():
        try:
            converted = convert(float(value))
        except (ValueError, OverflowError):
            continue
        if limits is not None and limits.hold(converted):
            found.append(f"{unit}: write {converted:.6g}")
    return f" That may be in {', or in '.join(found[:2])}." if found else ""


def renamed(name: str, value: Any, known: list[str]) -> str:
    """Returns " The key is …" for a known key with another unit at its end, or "".

    Args:
        name: the key that is not known, such as "bandwidth_hz".
        value: its value.
        known: the valid names.
    """
    stem, _, unit = name.rpartition("_")
    for key in known:
        ending = _ending(key)
        if not ending or key[: -len(ending) - 1] != stem:
            continue
        for other, convert in _UNITS[ending].items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if other.replace("/", "_per_").lower() != unit or not number:
                continue
            try:
                return f" The key is `{key}`: write {key} = {convert(value):.6g}."
            except (ValueError, OverflowError):
                break
        return f" The key is `{key}`; give it in that unit."
    return ""


def unusual(key: str, value: float) -> str | None:
    """Returns what is odd about a value that has its key's range, or None."""
    limits = USUAL.get(key)
    if limits is None or limits.hold(value):
        return None
    return f"is usually from {limits}; got {show(value)}." + unit_remedy(key, value)


#: FLOP/s of a GPU, and FLOP/J at full speed. All of them: assumption.
USUAL_SPEED = {"device": Limits(1e9, 1e16), "server": Limits(1e9, 1e19)}
USUAL_EFFICIENCY = Limits(1e7, 1e15)
_TOGETHER_M = 5.0  # users who are all so near the centre are probably given in km


def odd_system(config: Any) -> list[tuple[str, str]]:
    """Returns what is odd about values that are usual one by one: key and text.

    Args:
        config: a `ScenarioConfig`.
    """
    device, server = config.device, config.server
    speed = {
        "device": _speeds(device.cores, device, device.frequency_max_ghz),
        "server": _speeds(_each(server.cores), server, _each(server.frequency_ghz)),
    }
    power = {
        "device": _highest(device.power_w),
        "server": _highest(_each(server.power_w)),
    }
    odd = []
    for topic, flop_per_s in speed.items():
        limits = USUAL_SPEED[topic]
        wrong = [v for v in flop_per_s if not limits.hold(v)]
        if wrong:
            text = (
                "cores × FLOP per cycle and core × frequency is usually from "
                f"{limits} FLOP/s; got {wrong[0]:g}. `flop_per_cycle_per_core` is 2 "
                "for the CUDA cores of a GPU, more with tensor cores."
            )
            odd.append((f"{topic}.flop_per_cycle_per_core", text))
        efficiency = max(flop_per_s) / max(power[topic])
        if not wrong and not USUAL_EFFICIENCY.hold(efficiency):
            text = (
                f"a GPU usually computes {USUAL_EFFICIENCY} FLOP per joule; got "
                f"{efficiency:g}. Give the power of the whole GPU, in W."
            )
            odd.append((f"{topic}.power_w", text))
    work = config.workload
    for name in ("bottleneck", "lora_rank", "lora_targets"):
        default = work.__dataclass_fields__[name].default
        if name in work.unused and getattr(work, name) != default:
            text = f"has no effect with `workload.adapter` = {work.adapter!r}."
            odd.append((f"workload.{name}", f"{text} Set both, or leave it out."))
    users = config.layout.user_position_m or ()
    if len(users) > 1 and max(abs(v) for xy in users for v in xy) < _TOGETHER_M:
        text = f"all users are within {_TOGETHER_M:g} m of the centre. Give metres, not"
        odd.append(("layout.user_position_m", f"{text} kilometres."))
    return odd


def _each(values: tuple[float, ...]) -> tuple[tuple[float], ...]:
    """Returns the numbers of servers as lists of choices."""
    return tuple((value,) for value in values)


def _speeds(cores: Any, gpu: Any, frequency_ghz: Any) -> list[float]:
    """Returns the highest FLOP/s of each user, or server; of all where none differ."""
    per_core = gpu.flop_per_cycle_per_core
    factors = [_highest(cores), _highest(frequency_ghz)]
    factors.append(list(per_core) if isinstance(per_core, tuple) else [per_core])
    n = max(map(len, factors))
    return [1e9 * math.prod(own[i % len(own)] for own in factors) for i in range(n)]


def _highest(value: Any) -> list[float]:
    """Returns the highest number of a range, or list, or those of a tuple of them."""
    nested = isinstance(value[0], tuple)
    return [max(entry) for entry in value] if nested else [max(value)]
