"""Golden cases, and allocations to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mec_llm_env import Allocation, Scenario, ScenarioConfig
from mec_llm_env.config import ruled

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


def random_config(rng: np.random.Generator) -> ScenarioConfig:
    """1×1 to 6×4, with any parameters that differ between users or servers."""
    users, servers = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    changes: dict[str, Any] = {"users": users, "servers": servers}
    sizes = {"user": users, "server": servers}
    for key, (rule, default) in ruled(ScenarioConfig()).items():
        if not rule.per or rng.random() < 0.5:
            continue
        if rule.entries == "point":
            entries: list[Any] = rng.uniform(-99, 99, (sizes[rule.per], 2)).tolist()
        elif rule.entries == "row":
            entries = rng.uniform(-130, -50, (users, servers)).tolist()
        else:
            entries = [_near(default, rng) for _ in range(sizes[rule.per])]
        changes[key] = entries
    if rng.random() < 0.5:
        for key in ("server.cores", "server.frequency_ghz", "server.power_w"):
            default = getattr(ScenarioConfig().server, key.split(".")[1])
            changes[key] = [_near(default[0], rng) for _ in range(servers)]
    if "server.max_users" in changes:
        changes["server.max_users"][0] = None
    return ScenarioConfig().with_overrides(changes)


def _near(default: Any, rng: np.random.Generator) -> Any:
    if default is None:
        return int(rng.integers(1, 9))
    if isinstance(default, tuple):
        return sorted(_near(value, rng) for value in default)
    if isinstance(default, int):
        return int(default * rng.integers(1, 4))
    return float(default * rng.uniform(0.5, 1.5))
