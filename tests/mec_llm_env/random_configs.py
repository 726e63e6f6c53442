"""Configurations at random in which everything that may differ does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mec_llm_env import ScenarioConfig
from mec_llm_env.channel.path_loss import LAWS
from mec_llm_env.config import ruled
from mec_llm_env.ranges import Rule
from tests.dashf.extremes import random_channel, random_workload

_SCALED = {
    key: (rule, value)
    for key, (rule, value) in ruled(ScenarioConfig()).items()
    if "." in key and isinstance(value, int | float | tuple) and value != 0
    # These have something in common with others, and are drawn with them.
    if "score_weight" not in key
    if key.partition(".")[2]
    not in {name for law in LAWS.values() for name in law.takes}
    if key not in ("radio.shadowing_std_db", "workload.layers", "workload.width")
}


def random_overrides(rng: np.random.Generator) -> dict[str, Any]:
    """Any of the parameters: sizes, laws, decoders, values of each user and server.

    Numbers are up to ten times more or less than usual. Not all of them fit together.
    """
    users, servers = int(rng.integers(1, 13)), int(rng.integers(1, 6))
    overrides: dict[str, Any] = {
        "users": users,
        "servers": servers,
        "radio.fading": str(rng.choice(["rayleigh", "none"])),
    }
    for key, (rule, value) in _SCALED.items():
        if rng.random() < 0.4:
            overrides[key] = _scaled(rng, key, rule, value, (users, servers))
    for draw in (random_channel, random_workload):
        if rng.random() < 0.6:
            overrides |= draw(rng)
    if rng.random() < 0.4:
        overrides |= _given_places(rng, users, servers)
    if rng.random() < 0.2:
        overrides["server.max_users"] = [None, users, users + 3]
    weights = rng.dirichlet(np.ones(4))
    for name, weight in zip(
        ("power", "bandwidth", "compute", "offload"), weights, strict=True
    ):
        overrides[f"objective.score_weight_{name}"] = float(weight)
    return overrides


def _scaled(
    rng: np.random.Generator, key: str, rule: Rule, value: Any, size: tuple[int, int]
) -> Any:
    """One value, or one a user or server, of which the latter are taken in turn."""
    span = 0.02 if "db" in key else 1.0  # decades

    def entry() -> Any:
        numbers = value * 10 ** rng.uniform(-span, span, np.shape(value))
        if rule.entries == "tuple" and key == "device.cores":
            numbers = rng.choice(numbers, rng.integers(1, 4))
        numbers = np.clip(numbers, *rule.limits)
        numbers = np.sort(numbers) if rule.entries == "pair" else numbers
        whole = np.maximum(np.round(numbers), 2).astype(int)
        return (whole if rule.integer else np.asarray(numbers)).tolist()

    if not rule.per or rng.random() < 0.6:
        return entry()
    count = size[0] if rule.per == "user" else int(rng.integers(1, 5))
    return [entry() for _ in range(count)]


def _given_places(rng: np.random.Generator, users: int, servers: int) -> dict[str, Any]:
    """Positions of all users, of all servers, or all gains; or some of the three."""
    given = {
        "layout.user_position_m": rng.uniform(-300, 300, (users, 2)),
        "layout.server_position_m": rng.uniform(-300, 300, (servers, 2)),
        "radio.channel_gain_db": rng.uniform(-150, -60, (users, servers)),
    }
    return {k: v.tolist() for k, v in given.items() if rng.random() < 0.5}
