"""Certified upper bounds of instances: from the bank, or computed and cached."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

import dashf
import mec_llm_env
from agents.cache import CACHE as ALL_CACHES
from agents.cache import cached_arrays, source_hash
from dashf.result import NEAR
from mec_llm_env import ObjectiveConfig, Scenario
from mec_llm_env.bank import bank_presets, load_bank
from mec_llm_env.files import Arrays

Array = np.ndarray[Any, Any]

CACHE = ALL_CACHES / "bounds"
CHUNK = 10  # instances bounded at once; each chunk is a file of the cache


@dataclass(frozen=True, kw_only=True)
class InstanceBounds:
    """Certified upper bounds of I instances, and how far the optimum may be below."""

    value: Array  # [I] upper bound of the SCR
    gap: Array  # [I] value / best known SCR − 1

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Concatenates bounds."""
        return cls(
            value=np.concatenate([part.value for part in parts]),
            gap=np.concatenate([part.gap for part in parts]),
        )

    def warning(self) -> str | None:
        """Returns a note if the bound is loose on some instances, else None."""
        loose = self.gap > NEAR
        if not loose.any():
            return None
        return (
            f"the certified bound may be loose on {loose.sum()} of {len(loose)} "
            f"instances, by at most {100 * self.gap.max():.1f} %; its shares are lower "
            'than shares of the optimum. `dashf.solve(…, solver="exact")` gives a '
            "tighter one."
        )


def certified_bounds(
    scenario: Scenario,  # [I]
    objective: ObjectiveConfig,
    preset: str | None = None,
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> InstanceBounds:
    """Returns certified upper bounds of the SCR of every instance.

    Args:
        scenario: the instances.
        objective: weights and references.
        preset: whose bank holds the first of these instances, in order; None: none.
        advance: called with the number of instances that are bounded.
    """
    count = scenario.batch_shape[0]
    parts = [_banked(scenario, preset)]
    first = len(parts[0].value)
    advance(first)
    for i in range(first, count, CHUNK):
        end = min(i + CHUNK, count)
        parts.append(_cached(scenario[i:end], objective))
        advance(end)
    return InstanceBounds.joined(parts)


def _banked(scenario: Scenario, preset: str | None) -> InstanceBounds:
    """Returns the bank's bounds, after checking that its scenarios are these.

    Raises:
        ValueError: they are not.
    """
    if preset not in bank_presets():
        return InstanceBounds(value=np.empty(0), gap=np.empty(0))
    bank = load_bank(preset)
    common = min(len(bank.bound), scenario.batch_shape[0])
    stored, given = bank.scenario.channel_gain[:common], scenario.channel_gain[:common]
    if not np.allclose(stored, given, rtol=1e-9):
        raise ValueError(
            f"The instance bank of {preset!r} holds other scenarios than are sampled "
            "now. Make it again with benchmarks/make_bank.py."
        )
    value = np.asarray(bank.bound)
    return InstanceBounds(value=value[:common], gap=bank.gap[:common])


def _cached(scenario: Scenario, objective: ObjectiveConfig) -> InstanceBounds:
    def bound() -> Arrays:
        found = dashf.upper_bound(scenario, objective)
        return {"value": np.asarray(found.value), "gap": np.asarray(found.gap)}

    path = CACHE / f"{_key(scenario, objective)}.npz"
    return InstanceBounds(**cached_arrays(path, bound))


def _key(scenario: Scenario, objective: ObjectiveConfig) -> str:
    """Hashes everything that a bound depends on, including the code."""
    digest = hashlib.sha256(f"{objective!r} {_code()}".encode())
    for name, value in scenario.to_dict().items():
        if not name.endswith("position_m"):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value, dtype=np.float64).tobytes())
    return digest.hexdigest()


@functools.cache
def _code() -> str:
    return source_hash(dashf, mec_llm_env)
