"""Checkpoints, from which training is resumed exactly.

A model's own `save` covers model, optimiser and counters. Stable-Baselines3's leaves
out the environments, the random states, the replay buffer and the callbacks. A
checkpoint is written under a hidden name and then renamed. It never replaces another
one: a second one of the same step gets a number and is the newer one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.storage.folders import free_path, sync
from agents.training import trust

FOLDER = "checkpoints"
KEPT = 2  # the newest ones

_FORMAT = "mec-llm-env checkpoint 3"
_WITHOUT_SUM = "mec-llm-env checkpoint 2"  # of earlier versions: the signature is one
_STATE, _BUFFER = "state.pkl", "replay_buffer.pkl"
_MANIFEST, _SIGNATURE, _SUM = "checkpoint.json", "signature", "sum"

# Errors of reading JSON of unknown content.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingState:
    """The state of training, apart from the model."""

    environments: dict[str, Any]  # of MecLlmVectorEnv.get_state
    validation: dict[str, Any]  # evaluations so far
    pending: dict[str, Any]  # values that the logger has not written yet
    randomness: dict[str, Any]  # of `random_states`
    own: dict[str, Any]  # of the subclass of trainer
    training_s: float  # s of wall time spent in training so far


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A checkpoint whose check sums are correct."""

    folder: Path
    timesteps: int  # decisions before it
    sums: dict[str, str]  # SHA-256 of its files, by name
    sizes: dict[str, int]  # byte, of the run's append-only files, by path in the run
    is_own: bool  # this user has written it on this machine

    def has(self, path: Path) -> bool:
        """Returns whether a file equals the checkpoint's file of that name."""
        return path.is_file() and _sha256(path) == self.sums.get(path.name)


def save_checkpoint(
    run: Path, model: Any, state: TrainingState, model_file: str, growing: Sequence[str]
) -> Path:
    """Writes `checkpoints/step_…` atomically, and removes the oldest ones.

    Args:
        run: the run folder.
        model: with `save`, `num_timesteps` and perhaps a replay buffer.
        state: what goes beside it.
        model_file: name of the model's file.
        growing: append-only files, by path in the run; they are synced before the
            checkpoint that depends on them.
    """
    parent = run / FOLDER
    parent.mkdir(exist_ok=True)
    name = f"step_{model.num_timesteps:012d}"
    partial = parent / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        model.save(partial / model_file)
        (partial / _STATE).write_bytes(pickle.dumps(state))
        if getattr(model, "replay_buffer", None) is not None:
            model.save_replay_buffer(partial / _BUFFER)
        manifest = {
            "format": _FORMAT,
            "timesteps": model.num_timesteps,
            "sha256": {p.name: _sha256(p) for p in sorted(partial.iterdir())},
            "run_files": {path: _grown(run / path) for path in sorted(growing)},
        }
        manifest[_SIGNATURE] = trust.sign(manifest)
        manifest[_SUM] = _sum_of(manifest)
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for path in (*partial.iterdir(), *(run / path for path in growing)):
            sync(path)
        for folder in (partial, run):
            sync(folder)
        others = (f"{name}_{k}" for k in itertools.count(2))
        final = free_path(parent, itertools.chain([name], others))
        os.replace(partial, final)
    except BaseException:  # such as a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync(parent)
    drop_old(run)
    return final


def drop_old(run: Path) -> None:
    """Removes all checkpoints but the newest ones, of different steps."""
    newest_of_step = {_order(path)[0]: path for path in _checkpoints(run)}
    kept = list(newest_of_step.values())[-KEPT:]
    for path in _checkpoints(run):
        if path not in kept:
            hidden = path.rename(path.with_name(f".{path.name}.old"))
            shutil.rmtree(hidden)  # hidden first, so that it is never seen incomplete


def newest_checkpoint(run: Path) -> Checkpoint | None:
    """Returns the newest checkpoint of a run, after checking it; None if it has none.

    Nothing is unpickled.

    Raises:
        ValueError: it, or a file of the run that it depends on, is damaged.
    """
    found = _checkpoints(run)
    return _verified(run, found[-1]) if found else None


def load_state(checkpoint: Path) -> TrainingState:
    """Unpickles the state of training, which can execute code."""
    state = pickle.loads((checkpoint / _STATE).read_bytes())
    assert isinstance(state, TrainingState)
    return state


def load_replay_buffer(checkpoint: Path, model: Any) -> None:
    """Loads the replay buffer of a checkpoint into a model, if there is one."""
    if (checkpoint / _BUFFER).is_file():
        model.load_replay_buffer(checkpoint / _BUFFER)


def random_states() -> dict[str, Any]:
    """Returns the states of the global random generators."""
    import torch

    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restores what `random_states` has returned."""
    import torch

    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])


def cut_back(run: Path, sizes: Mapping[str, int], folders: tuple[str, ...]) -> None:
    """Truncates append-only files to a checkpoint, and removes newer ones.

    Args:
        run: the run folder.
        sizes: byte, by path in the run.
        folders: folders of the run in which files that are not listed are removed.
    """
    for name, size in sizes.items():
        with (run / name).open("r+b") as file:
            file.truncate(size)
    for folder in folders:
        for path in (run / folder).glob("*"):
            if path.is_file() and os.fspath(path.relative_to(run)) not in sizes:
                path.unlink()


def _checkpoints(run: Path) -> list[Path]:
    return sorted((run / FOLDER).glob("step_*"), key=_order)


def _order(checkpoint: Path) -> tuple[str, int]:
    step, _, number = checkpoint.name.removeprefix("step_").partition("_")
    return step, int(number) if number.isdecimal() else 1


def _verified(run: Path, folder: Path) -> Checkpoint:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        stored = manifest.pop(_SUM, None)
        if manifest["format"] not in (_FORMAT, _WITHOUT_SUM):
            raise ValueError(f"the format is not {_FORMAT!r}")
        has_sum = manifest["format"] == _FORMAT or stored is not None
        if has_sum and stored != _sum_of(manifest):
            raise ValueError("its check sum is another one")
        signature = manifest.pop(_SIGNATURE, None)
        sums, grown = manifest["sha256"], manifest["run_files"]
        sizes = {name: int(about["bytes"]) for name, about in grown.items()}
        paths = [*(folder / name for name in sums), *(run / name for name in sizes)]
        if not all(path.resolve().is_relative_to(run.resolve()) for path in paths):
            raise ValueError("it names files outside of the run")
        checkpoint = Checkpoint(
            folder=folder,
            timesteps=int(manifest["timesteps"]),
            sums=dict(sums),
            sizes=sizes,
            is_own=trust.is_own(manifest, signature),
        )
        wrong = [name for name in sums if _sha256(folder / name) != sums[name]]
        wrong += [
            f"{name} of the run"
            for name, size in sizes.items()
            if _grown(run / name, size) != grown[name]
        ]
    except _UNREADABLE as error:
        wrong = [f"{_MANIFEST} ({type(error).__name__}: {error})"]
    if wrong:
        raise ValueError(
            f"The checkpoint {os.fspath(folder)!r} is damaged: {wrong[0]} is not as it "
            "was written. Remove that folder to go on from the one before it."
        )
    return checkpoint


def _sum_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _grown(path: Path, size: int | None = None) -> dict[str, Any]:
    """Returns length and check sum of a file, or of its first `size` bytes."""
    data = path.read_bytes()[:size]
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
