"""Certified upper bounds of the instances: from the bank, else computed and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

import dashf
from agents.cache import CACHE as ALL_CACHES
from agents.cache import Arrays, cached_arrays
from mec_llm_env import ObjectiveConfig, Scenario
from mec_llm_env.bank import bank_presets, load_bank

Array = np.ndarray[Any, Any]

CACHE = ALL_CACHES / "bounds"
CHUNK = 10  # instances bounded at once; each chunk is a file of the cache


def certified_bounds(
    scenario: Scenario,  # [I]
    objective: ObjectiveConfig,
    preset: str | None = None,
    *,
    advance: Callable[[int], None] = lambda count: None,
) -> Array:
    """Returns certified upper bounds of the SCR, [I].

    Args:
        scenario: the instances.
        objective: weights and references.
        preset: whose bank holds the first of these instances, in order; None: none.
        advance: called with the number of instances that have just been bounded.
    """
    count = scenario.batch_shape[0]
    known = _banked(scenario, preset)[:count]
    advance(len(known))
    parts = [known]
    for i in range(len(known), count, CHUNK):
        part = scenario[i : min(i + CHUNK, count)]
        parts.append(_cached(part, objective))
        advance(part.batch_shape[0])
    return np.concatenate(parts)


def _banked(scenario: Scenario, preset: str | None) -> Array:
    """Returns the bank's bounds, after seeing that its scenarios are these.

    Raises:
        ValueError: they are not.
    """
    if preset not in bank_presets():
        return np.empty(0)
    bank = load_bank(preset)
    common = min(len(bank.bound), scenario.batch_shape[0])
    stored, given = bank.scenario.channel_gain[:common], scenario.channel_gain[:common]
    if not np.allclose(stored, given, rtol=1e-9):
        raise ValueError(
            f"The instance bank of {preset!r} holds other scenarios than are sampled "
            "now. Make it anew with benchmarks/make_bank.py."
        )
    return np.asarray(bank.bound)


def _cached(scenario: Scenario, objective: ObjectiveConfig) -> Array:
    def bound() -> Arrays:
        return {"bound": np.asarray(dashf.upper_bound(scenario, objective).value)}

    path = CACHE / f"{_key(scenario, objective)}.npz"
    return cached_arrays(path, bound)["bound"]


def _key(scenario: Scenario, objective: ObjectiveConfig) -> str:
    """Hashes everything that a bound depends on."""
    digest = hashlib.sha256(repr(objective).encode())
    for name, value in scenario.to_dict().items():
        if value is not None and not name.endswith("position_m"):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value, dtype=np.float64).tobytes())
    return digest.hexdigest()
