"""Run folders: `runs/<agent>/<env>_<k>/`, numbered, never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from agents.run.config import TrainingConfig
from agents.storage.folders import lock_folder, new_folder
from agents.storage.provenance import provenance
from mec_llm_env.files import write_whole

CONFIG = "config.json"
EVALUATIONS = "evaluations.npz"  # on the validation scenarios during training
WEIGHTS = "policy.npz"  # of an exported policy, without pickles
BEST_WEIGHTS = f"best_{WEIGHTS}"  # of the best model, if its own file has pickles

_FORMAT = "mec-llm-env run 2"
_WITHOUT_SUM = "mec-llm-env run 1"  # of earlier versions, without a check sum


def create_run(output: str | os.PathLike[str], config: TrainingConfig) -> Path:
    """Creates the next free run folder with `config.json`; `latest` points to it.

    Raises:
        OSError: the folder cannot be written.
    """
    content = {"config": config.to_dict(), **provenance()}
    parent = Path(output) / config.agent
    run = new_folder(
        parent, config.env_id, lambda folder: write_config(folder, content)
    )
    _point_latest(parent, run.name)
    return run


def is_run(path: str | os.PathLike[str]) -> bool:
    """Returns whether a folder is a training run."""
    return (Path(path) / CONFIG).is_file()


def load_config(run: str | os.PathLike[str]) -> TrainingConfig:
    """Reads the configuration of a run.

    Raises:
        ValueError: the folder is not a run, or its `config.json` is damaged.
    """
    path = Path(run) / CONFIG
    if not path.is_file():
        raise ValueError(
            f"{os.fspath(run)!r} is not a run folder: it has no {CONFIG} of a training "
            "run. Runs lie in runs/<agent>/, such as runs/ppo/latest."
        )
    try:
        return TrainingConfig.from_dict(read_content(Path(run))["config"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be read: {error}") from None


def read_content(run: Path) -> dict[str, Any]:
    """Returns the content of `config.json`.

    Raises:
        ValueError: it is not as it was written.
    """
    content = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    found = content.get("format") if isinstance(content, dict) else None
    if found not in (_FORMAT, _WITHOUT_SUM):
        raise ValueError(f"its format is not {_FORMAT!r}")
    has_sum = found == _FORMAT or "sha256" in content
    if has_sum and content.get("sha256") != _check_sum(content):
        raise ValueError(
            "it is not as it was written. A run is described by what it was begun "
            "with: begin another one to change that"
        )
    return dict(content)


def extend_run(run: Path, config: TrainingConfig) -> None:
    """Replaces the configuration of a run that is extended to more timesteps."""
    content = read_content(run)
    content["config"] = config.to_dict()
    write_config(run, content)


def write_config(run: Path, content: dict[str, Any]) -> None:
    """Writes `config.json`: the configuration, its provenance, and a check sum."""
    content = {**content, "format": _FORMAT}
    content["sha256"] = _check_sum(content)
    write_whole(run / CONFIG, json.dumps(content, indent=2) + "\n")


def _check_sum(content: dict[str, Any]) -> str:
    """Returns the SHA-256 of the other entries of `config.json`."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _point_latest(parent: Path, name: str) -> None:
    """Points the symbolic link `latest` to a run, atomically."""
    with lock_folder(parent, seconds=60):
        temporary = parent / ".latest"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(name, target_is_directory=True)
        os.replace(temporary, parent / "latest")
