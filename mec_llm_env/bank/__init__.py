"""The instance bank: test scenarios, certified bounds, the best allocations known.

Made once by `benchmarks/make_bank.py`; so an evaluation need not solve again.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

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

_RESOURCES = (
    *("local_fraction", "transmit_power_w", "bandwidth_hz"),
    *("user_frequency_hz", "server_frequency_hz"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """The test instances of a preset. I instances; objective: the preset's."""

    preset: str
    seed: Array  # [I] of each scenario
    scenario: Scenario  # batch shape [I]
    bound: Array  # [I] certified: no feasible allocation has a higher SCR
    scr: Array  # [I] of the best allocation known
    allocation: Allocation  # [I] that allocation
    sha256: str  # of everything stored

    @property
    def gap(self) -> Array:
        """[I] bound over the best SCR known, less one: at most so loose is it."""
        return self.bound / self.scr - 1

    def __len__(self) -> int:
        """I."""
        return len(self.seed)


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
    arrays = {
        "seed": np.asarray(seed, dtype=np.int64),
        "bound": np.asarray(bound, dtype=np.float64),
        "scr": np.asarray(scr, dtype=np.float64),
        "server": np.asarray(allocation.server, dtype=np.int16),
        **{name: getattr(allocation, name) for name in _RESOURCES},
    }
    if with_scenarios:
        fields = sampled(preset, arrays["seed"]).to_dict()
        arrays |= {f"scenario_{k}": v for k, v in fields.items()}
    write_arrays(path, arrays)
    return digest(arrays)


def sampled(preset: str, seed: Array) -> Scenario:
    """Returns the scenarios of seeds [I], batch shape [I]."""
    config = ScenarioConfig.preset(preset)
    return Scenario.stack(
        [sample_scenario(config, np.random.default_rng(int(k))) for k in seed]
    )


def _from_arrays(preset: str, arrays: Mapping[str, Array]) -> Bank:
    prefix = "scenario_"
    fields = {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
    scenario = Scenario(**fields) if fields else sampled(preset, arrays["seed"])
    allocation = Allocation.from_server(
        arrays["server"],
        scenario.n_servers,
        **{name: arrays[name] for name in _RESOURCES},
    )
    return Bank(
        preset=preset,
        seed=arrays["seed"],
        scenario=scenario,
        bound=arrays["bound"],
        scr=arrays["scr"],
        allocation=allocation,
        sha256=digest(arrays),
    )
