"""The sweeps of the project's own figures: `python -m experiments.sweep bandwidth`."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.figure.sweeps import Sweep
from mec_llm_env import ScenarioConfig


def _scaled_frequency(base: ScenarioConfig, factor: float) -> dict[str, Any]:
    """Scales the frequency, and the power there with its cube, so that κ stays."""
    # One number stands for all servers.
    frequencies = np.atleast_1d(base.server.frequency_ghz).tolist()
    powers = np.atleast_1d(base.server.power_w).tolist()
    return {
        "server.frequency_ghz": tuple(factor * f for f in frequencies),
        "server.power_w": tuple(factor**3 * power for power in powers),
    }


_SWEEPS = (
    Sweep(
        name="bandwidth",
        label="bandwidth of a server, MHz",
        values=(1.0, 2.0, 5.0, 10.0, 20.0, 40.0),
        overrides=lambda base, value: {"radio.bandwidth_mhz": value},
        logarithmic=True,
    ),
    Sweep(
        name="server_frequency",
        label="servers' GPU frequency, relative to their own",
        values=(0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5),
        overrides=_scaled_frequency,
        logarithmic=True,
    ),
    Sweep(
        name="transmit_power",
        label="maximum transmit power of every user, W",
        values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        overrides=lambda base, value: {"radio.transmit_power_max_w": (value, value)},
        logarithmic=True,
    ),
    Sweep(
        name="user_frequency",  # from where its limit binds
        label="maximum GPU frequency of every user, GHz",
        values=(0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3),
        overrides=lambda base, value: {"device.frequency_max_ghz": (value, value)},
    ),
    Sweep(
        name="users",  # of two servers
        label="users",
        values=(2, 4, 6, 10, 15, 20, 30),
        overrides=lambda base, value: {"users": int(value)},
        whole=True,
    ),
    Sweep(
        name="weights",
        label="weight of delay; the weight of energy is the rest to 1",
        values=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        overrides=lambda base, value: {
            "objective.delay_weight": value,
            "objective.energy_weight": 1 - value,
        },
    ),
)

#: Sweeps by name, with values of their own and more than one parameter if need be.
RECIPES = {sweep.name: sweep for sweep in _SWEEPS}
