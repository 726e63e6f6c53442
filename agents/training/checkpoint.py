"""Checkpoints: all that training needs to go on bit for bit, in one folder.

A model's own `save` keeps model, optimiser and counters; what Stable-Baselines3's
leaves out is the environments, the random states, the replay buffer and the callbacks.
A checkpoint is written at a boundary beside its final place and renamed there.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "checkpoints"
KEPT = 2  # the newest ones

_STATE, _BUFFER = "state.pkl", "replay_buffer.pkl"
_MANIFEST = "checkpoint.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingState:
    """What goes into a checkpoint beside the model."""

    environments: dict[str, Any]  # of MecLlmVectorEnv.get_state
    validation: dict[str, Any]  # evaluations so far
    pending: dict[str, Any]  # what the logger has not written yet
    randomness: dict[str, Any]  # of `random_states`
    own: dict[str, Any]  # of one kind of trainer alone
    training_s: float  # s of wall time spent in training so far
    file_sizes: dict[str, int]  # byte, of the files that grow, by path in the run


def save_checkpoint(
    run: Path, model: Any, state: TrainingState, model_file: str
) -> Path:
    """Writes `checkpoints/step_…`, whole or not at all, and drops the oldest ones."""
    parent = run / FOLDER
    parent.mkdir(exist_ok=True)
    final = parent / f"step_{model.num_timesteps:012d}"
    partial = parent / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    model.save(partial / model_file)
    (partial / _STATE).write_bytes(pickle.dumps(state))
    if getattr(model, "replay_buffer", None) is not None:
        model.save_replay_buffer(partial / _BUFFER)
    sums = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
    manifest = {"timesteps": model.num_timesteps, "sha256": sums}
    (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    for path in partial.iterdir():
        _flush(path)
    shutil.rmtree(final, ignore_errors=True)  # of a run that was continued here
    os.replace(partial, final)
    _flush(parent)
    for old in _checkpoints(run)[:-KEPT]:
        shutil.rmtree(old)
    return final


def newest_checkpoint(run: Path) -> Path | None:
    """Returns the newest checkpoint of a run, after checking it; None if it has none.

    Raises:
        ValueError: it is damaged.
    """
    found = _checkpoints(run)
    if not found:
        return None
    _verify(found[-1])
    return found[-1]


def load_state(checkpoint: Path) -> TrainingState:
    """Loads what lies beside the model in a checkpoint."""
    state = pickle.loads((checkpoint / _STATE).read_bytes())
    assert isinstance(state, TrainingState)
    return state


def load_replay_buffer(checkpoint: Path, model: Any) -> None:
    """Gives a model the replay buffer of a checkpoint, where there is one."""
    if (checkpoint / _BUFFER).is_file():
        model.load_replay_buffer(checkpoint / _BUFFER)


def random_states() -> dict[str, Any]:
    """Returns the states of the generators that every library shares."""
    import torch

    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Puts every generator back to a state of `random_states`."""
    import torch

    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])


def cut_back(run: Path, sizes: dict[str, int], folders: tuple[str, ...]) -> None:
    """Cuts files that grow back to a checkpoint, and removes later ones.

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
    return sorted((run / FOLDER).glob("step_*"))


def _verify(checkpoint: Path) -> None:
    try:
        manifest = json.loads((checkpoint / _MANIFEST).read_text())
        sums = manifest["sha256"]
        wrong = [
            name for name, sum_ in sums.items() if _sha256(checkpoint / name) != sum_
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = [f"{_MANIFEST} ({type(error).__name__})"]
    if wrong:
        raise ValueError(
            f"The checkpoint {os.fspath(checkpoint)!r} is damaged: {wrong[0]} is not "
            "as it was written. Remove that folder to go on from the one before it."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
