"""The instance bank: test scenarios, certified bounds, the best allocations known.

Made once by `benchmarks/make_bank.py`; so an evaluation need not solve again.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.allocation import Allocation
from mec_llm_env.config import PRESETS, ScenarioConfig
from mec_llm_env.files import Arrays, digest, read_arrays, write_arrays
from mec_llm_env.held_out import SPLITS
from mec_llm_env.ranges import shorten
from mec_llm_env.sampling import sample_scenario
from mec_llm_env.scenario import Scenario

#: Test scenario i of a preset is the one of this seed plus i.
FIRST_SEED = SPLITS["test"]

_TYPES = {"seed": np.int64, "bound": np.float64, "scr": np.float64, "server": np.int16}
_SCENARIO = "scenario_"  # begins the names of its fields
_RESOURCES = (
    *("local_fraction", "transmit_power_w", "bandwidth_hz"),
    *("user_frequency_hz", "server_frequency_hz"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounded:
    """Test instances of a preset, with what their SCR can be at most and is at least.

    I instances; the objective is the preset's.
    """

    preset: str
    seed: Array  # [I] that each is drawn from
    bound: Array  # [I] certified: nothing feasible has a higher SCR
    scr: Array  # [I] of the best decisions known
    sha256: str  # of everything stored

    @property
    def gap(self) -> Array:
        """[I] bound over the best SCR known, less one: the optimum lies within."""
        return self.bound / self.scr - 1

    def __len__(self) -> int:
        """I."""
        return len(self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank(Bounded):
    """The test scenarios of a preset."""

    scenario: Scenario  # batch shape [I]
    allocation: Allocation  # [I] the best known


def load_bank(preset: str) -> Bank:
    """Returns the stored instances of a preset.

    Raises:
        ValueError: there is no bank of that preset, or its file is damaged.
    """
    needed = {"seed", "bound", "scr", "server", *_RESOURCES}
    arrays = bank_arrays("instance bank", preset, bank_presets(), needed)
    try:
        return _from_arrays(preset, arrays)
    except ValueError as error:
        raise _damaged("instance bank", preset, error) from error


def bank_arrays(
    what: str, preset: str, known: Sequence[str], needed: Set[str]
) -> Arrays:
    """Returns the arrays of a preset's bank.

    Args:
        what: the kind of bank, for errors.
        preset: its name.
        known: presets that have a bank.
        needed: names of arrays that it must have.

    Raises:
        ValueError: there is no bank of that preset, or its file is damaged.
    """
    if not isinstance(preset, str) or preset not in known:
        raise ValueError(
            f"There is no {what} of {shorten(preset)}. Choose from {', '.join(known)}."
        )
    try:
        content = io.BytesIO(bank_file(preset).read_bytes())
        arrays = read_arrays(content, signed=True)
        if missing := needed - set(arrays):
            raise ValueError(f"it has no array {', '.join(sorted(missing))}")
    except ValueError as error:
        raise _damaged(what, preset, error) from error
    return arrays


def _damaged(what: str, preset: str, error: ValueError) -> ValueError:
    return ValueError(
        f"The {what} of {preset!r} is damaged: {error}. Install the package again."
    )


def bank_presets() -> tuple[str, ...]:
    """Returns the presets that have a bank."""
    return tuple(preset for preset in PRESETS if bank_file(preset).is_file())


def bank_file(preset: str) -> Traversable:
    """Returns where the bank of a preset is, or would be."""
    return resources.files(__name__).joinpath(f"{preset}.npz")


def save_bank(
    path: str | os.PathLike[str],
    preset: str,
    *,
    seed: Array,
    bound: Array,
    scr: Array,
    allocation: Allocation,
    with_scenarios: bool,
) -> str:
    """Writes a bank, whole or not at all, and returns its SHA-256.

    Scenarios that are not written are sampled again from their seeds on loading.
    """
    arrays = {name: getattr(allocation, name) for name in _RESOURCES}
    if with_scenarios:
        fields = _sampled(preset, seed).to_dict()
        arrays |= {f"{_SCENARIO}{k}": v for k, v in fields.items()}
    server = allocation.server
    return write_bounded(path, seed=seed, bound=bound, scr=scr, server=server, **arrays)


def write_bounded(path: str | os.PathLike[str], **given: Array) -> str:
    """Writes `seed`, `bound`, `scr`, `server` and more; returns the SHA-256."""
    arrays = {k: np.asarray(value, _TYPES.get(k)) for k, value in given.items()}
    write_arrays(path, arrays)
    return digest(arrays)


def bounded(preset: str, arrays: Arrays) -> dict[str, Any]:
    """Returns the fields of a `Bounded` that were written."""
    stored = {name: arrays[name] for name in ("seed", "bound", "scr")}
    return {"preset": preset, "sha256": digest(arrays), **stored}


def _sampled(preset: str, seed: Array) -> Scenario:
    config = ScenarioConfig.preset(preset)
    return Scenario.stack([sample_scenario(config, rng) for rng in generators(seed)])


def generators(seed: Array) -> Iterator[np.random.Generator]:
    """Yields the generator of each of some seeds, [I]."""
    return (np.random.default_rng(int(k)) for k in seed)


def _from_arrays(preset: str, arrays: Arrays) -> Bank:
    fields = {
        name.removeprefix(_SCENARIO): value
        for name, value in arrays.items()
        if name.startswith(_SCENARIO)
    }
    scenario = Scenario(**fields) if fields else _sampled(preset, arrays["seed"])
    allocation = Allocation.from_server(
        arrays["server"],
        scenario.n_servers,
        **{name: arrays[name] for name in _RESOURCES},
    )
    stored = bounded(preset, arrays)
    return Bank(scenario=scenario, allocation=allocation, **stored)
