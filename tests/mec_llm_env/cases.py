"""Golden cases, and allocations to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mec_llm_env import Allocation, Scenario

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_cases(name: str) -> list[dict[str, Any]]:
    cases = json.loads((GOLDEN / f"{name}.json").read_text())
    assert cases
    return cases


def golden_scenario(case: dict[str, Any], layers: int = 16) -> Scenario:
    n_users = len(case["scenario"]["data_bit"])
    return Scenario(
        **case["scenario"],
        local_fraction_min=np.full(n_users, 1 / layers),
        local_fraction_max=np.full(n_users, 1 - 1 / layers),
    )


def equal_allocation(scenario: Scenario, server: Any) -> Allocation:
    """Equal shares, φ = 0.5, full power and frequency, for a single scenario."""
    server = np.asarray(server)
    load = np.bincount(server, minlength=scenario.n_servers)[server]
    return Allocation.from_server(
        server,
        scenario.n_servers,
        local_fraction=np.full(scenario.n_users, 0.5),
        transmit_power_w=scenario.transmit_power_max_w,
        bandwidth_hz=scenario.bandwidth_max_hz[server] / load,
        user_frequency_hz=scenario.user_frequency_max_hz,
        server_frequency_hz=scenario.server_frequency_max_hz[server] / load,
    )


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """The content of a file with bytes changed, cut off, left out or put in."""
    data = bytearray(content)
    kind = rng.integers(5)
    if kind == 0:  # cut off
        return bytes(data[: rng.integers(len(data))])
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 100))
    if kind == 1:  # some bytes
        for i in rng.integers(len(data), size=int(rng.integers(1, 20))):
            data[i] = rng.integers(256)
    elif kind == 2:  # one bit
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 3:  # left out
        del data[at : at + length]
    else:  # overwritten with zeros, as after a power loss
        data[at : at + length] = bytes(len(data[at : at + length]))
    return bytes(data)
