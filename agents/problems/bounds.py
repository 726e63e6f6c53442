"""Certified upper bounds of instances: from the bank, or computed and cached."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

import dashf
import mec_llm_env
from agents.storage.cache import CACHE as ALL_CACHES
from agents.storage.cache import source_hash, store_arrays, stored_arrays
from agents.work import HERE, Workers
from dashf.result import NEAR
from mec_llm_env import ObjectiveConfig, Scenario, Trajectory
from mec_llm_env.bank import bank_presets, load_bank
from mec_llm_env.files import Arrays
from mec_llm_env.mobile.bank import load_trajectory_bank, trajectory_bank_presets

Array = np.ndarray[Any, Any]

CACHE = ALL_CACHES / "bounds"
Problem = tuple[Scenario, ObjectiveConfig]
CHUNK = 10  # scenarios bounded at once; each chunk is a file of the cache


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


@dataclass(frozen=True, kw_only=True)
class EpisodeBounds(InstanceBounds):
    """Certified upper bounds of the SCRs of I episodes, whoever decides."""

    def warning(self) -> str | None:
        """Returns by how much the best plans known are below the bound."""
        return (
            "the certified bound holds for whoever knows the future, too; the best "
            f"plans known are {100 * self.gap.mean():.2f} % below it on average, "
            f"{100 * self.gap.max():.2f} % at most."
        )


class _Kind(NamedTuple):
    """How instances of a kind are bounded."""

    result: type[InstanceBounds]
    chunk: int  # bounded at once
    bound: str  # function of `dashf`
    bank_presets: Callable[[], tuple[str, ...]]
    load_bank: Callable[[str], Any]


_SCENARIOS = _Kind(InstanceBounds, CHUNK, "upper_bound", bank_presets, load_bank)
_EPISODES = _Kind(
    *(EpisodeBounds, 1, "trajectory_bound"),
    *(trajectory_bank_presets, load_trajectory_bank),
)


def certified_bounds(
    instances: Scenario | Trajectory,  # [I]
    objective: ObjectiveConfig,
    preset: str | None = None,
    *,
    advance: Callable[[int], None] = lambda done: None,
    workers: Workers = HERE,
) -> InstanceBounds:
    """Returns certified upper bounds of the SCR of every instance.

    Bounds that are computed are kept in files by this process, whoever computes them.

    Args:
        instances: scenarios, or the trajectories of episodes.
        objective: weights and references.
        preset: whose bank holds the first of these instances, in order; None: none.
        advance: called with the number of instances that are bounded.
        workers: where bounds are computed.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    kind = _EPISODES if isinstance(instances, Trajectory) else _SCENARIOS
    count = instances.batch_shape[0]
    banked = _banked(kind, instances, preset)
    first = len(banked.value)
    advance(first)
    chunks = [
        instances[i : min(i + kind.chunk, count)]
        for i in range(first, count, kind.chunk)
    ]
    parts = _bounded(
        kind, chunks, objective, lambda done: advance(first + done), workers
    )
    return kind.result.joined([banked, *parts])


def _bounded(
    kind: _Kind,
    chunks: list[Any],
    objective: ObjectiveConfig,
    advance: Callable[[int], None],
    workers: Workers,
) -> list[InstanceBounds]:
    """Returns the bounds of chunks, from files or computed and kept in files."""
    paths = [CACHE / f"{instances_key(c, objective)}.npz" for c in chunks]
    bound = functools.partial(_bound, kind.bound, objective)
    parts = _kept(bound, chunks, paths, advance, workers)
    return [kind.result(**part) for part in parts]


def _kept(
    bound: Callable[[Any], Arrays],
    items: Sequence[Any],
    paths: Sequence[Path],
    advance: Callable[[int], None],
    workers: Workers,
) -> list[Arrays]:
    """Returns what there is in files of the cache, or computes it and stores it."""
    parts = [stored_arrays(path) for path in paths]
    missing = [k for k, part in enumerate(parts) if part is None]
    done = sum(part["value"].size for part in parts if part is not None)
    if done:
        advance(done)
    for i, arrays in workers.completed(bound, [items[k] for k in missing]):
        k = missing[i]
        store_arrays(paths[k], arrays)
        parts[k] = arrays
        done += arrays["value"].size
        advance(done)
    return [part for part in parts if part is not None]


def _bound(
    function: str, objective: ObjectiveConfig, chunk: Scenario | Trajectory
) -> Arrays:
    found = getattr(dashf, function)(chunk, objective)
    return {"value": np.asarray(found.value), "gap": np.asarray(found.gap)}


def _banked(
    kind: _Kind, instances: Scenario | Trajectory, preset: str | None
) -> InstanceBounds:
    """Returns the bank's bounds, after checking that its instances are these.

    Raises:
        ValueError: they are not.
    """
    if preset is None or preset not in kind.bank_presets():
        return kind.result(value=np.empty(0), gap=np.empty(0))
    bank = kind.load_bank(preset)
    common = min(len(bank.bound), instances.batch_shape[0])
    held = bank.trajectory if kind is _EPISODES else bank.scenario
    stored, given = (_fields(s)["channel_gain"][:common] for s in (held, instances))
    if not np.allclose(stored, given, rtol=1e-9):
        raise ValueError(
            f"The instance bank of {preset!r} holds other scenarios than are sampled "
            "now. Make it again with benchmarks/make_bank.py."
        )
    value = np.asarray(bank.bound)
    return kind.result(value=value[:common], gap=bank.gap[:common])


def instances_key(instances: Scenario | Trajectory, objective: ObjectiveConfig) -> str:
    """Hashes everything that a bound, or a plan, depends on, including the code."""
    digest = hashlib.sha256(f"{objective!r} {_code()}".encode())
    for name, value in _fields(instances).items():
        if not name.endswith("position_m"):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value, dtype=np.float64).tobytes())
    return digest.hexdigest()


def _fields(instances: Scenario | Trajectory) -> dict[str, Array]:
    """Returns what the best decisions depend on."""
    if isinstance(instances, Trajectory):
        return {"joined": instances.joined, **instances.scenario.to_dict()}
    return instances.to_dict()


@functools.cache
def _code() -> str:
    return source_hash(dashf, mec_llm_env)


def priced_bounds(
    problems: Sequence[Problem],
    *,
    advance: Callable[[int], None] = lambda done: None,
    workers: Workers = HERE,
) -> list[dashf.Bound]:
    """Returns the certified upper bound of single scenarios, with prices; cached.

    Args:
        problems: scenarios of batch shape (), with their objectives.
        advance: called with the number of scenarios that are bounded.
        workers: where bounds are computed.

    Raises:
        dashf.common.parallel.WorkersLostError: workers were killed again and again.
    """
    paths = [CACHE / f"{instances_key(*problem)}-prices.npz" for problem in problems]
    parts = _kept(_priced, problems, paths, advance, workers)
    fields: list[Any] = [{k: a[()] for k, a in part.items()} for part in parts]
    return [dashf.Bound(**bound) for bound in fields]


def _priced(problem: Problem) -> Arrays:
    found = dashf.upper_bound(*problem)
    return {
        spec.name: np.asarray(getattr(found, spec.name))
        for spec in dataclasses.fields(dashf.Bound)
    }


def loose_bounds(bounds: Sequence[dashf.Bound]) -> str | None:
    """Returns a note if a bound of some scenarios may be loose, else None."""
    value, gap = (
        np.array([float(getattr(bound, name)) for bound in bounds])
        for name in ("value", "gap")
    )
    return InstanceBounds(value=value, gap=gap).warning()
