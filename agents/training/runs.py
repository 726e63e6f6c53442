"""Run folders: `runs/<agent>/<env>_<k>/`, numbered, never overwritten."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from agents.algorithms import ALGORITHMS
from agents.folders import lock_folder, new_folder
from agents.provenance import provenance
from agents.training.plain import check_plain
from agents.training.warm_settings import WarmStart
from mec_llm_env.files import write_whole
from mec_llm_env.task import Task

CONFIG = "config.json"
_FORMAT = "mec-llm-env run 2"
_WITHOUT_SUM = "mec-llm-env run 1"  # of earlier versions, without a check sum

_ENV_ID = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_TASK_ARGUMENTS = frozenset(inspect.signature(Task).parameters)
_MOST_TIMESTEPS = 10**12 - 1  # what the names of checkpoints have room for

# Seeds, so that no two streams of random numbers meet: environment i of run s is
# seeded with s · ENVIRONMENTS_PER_RUN + i; validation and test scenarios lie above.
ENVIRONMENTS_PER_RUN = 10_000
RUNS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """Everything that is needed to repeat a training run.

    Raises:
        ValueError: a number is out of range.
    """

    agent: str  # name of the algorithm
    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)  # of gym.make, JSON
    policy: str = "mlp"
    timesteps: int  # decisions in all
    n_envs: int
    seed: int
    eval_freq: int  # decisions between evaluations on the validation scenarios
    checkpoint_freq: int  # decisions between checkpoints
    hyperparameters: dict[str, Any] = field(default_factory=dict)  # resolved
    warm_start: dict[str, Any] | None = (
        None  # of `WarmStart`, before the first decision
    )

    def __post_init__(self) -> None:
        if not isinstance(self.agent, str) or self.agent not in ALGORITHMS:
            raise ValueError(
                f"`agent` must be one of {', '.join(ALGORITHMS)}; got {self.agent!r}."
            )
        policies = ALGORITHMS[self.agent].policies
        if not isinstance(self.policy, str) or self.policy not in policies:
            raise ValueError(
                f"`policy` must be one of {', '.join(policies)} for {self.agent}; got "
                f"{self.policy!r}."
            )
        # Neither a module, which would be imported, nor a path.
        if not isinstance(self.env_id, str) or not _ENV_ID.fullmatch(self.env_id):
            raise ValueError(
                "`env_id` must be the id of an environment, such as MecLlm-v0; got "
                f"{self.env_id!r}."
            )
        for name in ("timesteps", "n_envs", "eval_freq", "checkpoint_freq"):
            self._check_integer(name, 1, _MOST_TIMESTEPS)
        self._check_integer("seed", None, None)
        if self.n_envs > ENVIRONMENTS_PER_RUN:
            raise ValueError(
                f"`n_envs` must be at most {ENVIRONMENTS_PER_RUN}, so that the runs' "
                f"random streams stay apart; got {self.n_envs}."
            )
        if not 0 <= self.seed < RUNS:
            raise ValueError(
                f"`seed` must lie in 0 … {RUNS - 1}, so that training meets no "
                f"validation or test scenario; got {self.seed}."
            )
        for name in ("env_kwargs", "hyperparameters", "warm_start"):
            value = getattr(self, name)
            if not isinstance(value, dict) and (name, value) != ("warm_start", None):
                raise ValueError(f"`{name}` must be a dictionary; got {value!r}.")
            check_plain(name, value)
        unknown = sorted(self.env_kwargs.keys() - _TASK_ARGUMENTS)
        if unknown:
            raise ValueError(
                f"`env_kwargs` must be of {', '.join(sorted(_TASK_ARGUMENTS))}; got "
                f"{unknown[0]!r}."
            )

    def _check_integer(self, name: str, least: int | None, most: int | None) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"`{name}` must be an integer; got {value!r}.")
        if least is not None and value < least:
            raise ValueError(
                f"`{name}` must be an integer of at least {least}; got {value!r}."
            )
        if most is not None and value > most:
            raise ValueError(f"`{name}` must be at most {most}; got {value!r}.")

    @property
    def first_seed(self) -> int:
        """Seed of the first environment; the others count up."""
        return self.seed * ENVIRONMENTS_PER_RUN

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            ValueError: keys are missing or unknown.
        """
        names = {spec.name for spec in dataclasses.fields(cls)}
        later = {"warm_start"}  # which runs of earlier versions lack
        if not isinstance(values, dict) or not (names - later <= set(values) <= names):
            raise ValueError(
                f"The configuration must have the keys {sorted(names)}; got "
                f"{sorted(values) if isinstance(values, dict) else values!r}."
            )
        config = cls(**values)
        try:
            Task(**config.env_kwargs)
        except (TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(f"`env_kwargs` are not valid: {error}") from error
        if config.warm_start is not None:
            WarmStart.from_dict(config.warm_start)
        return config


def create_run(output: str | os.PathLike[str], config: TrainingConfig) -> Path:
    """Makes the next free run folder with its `config.json`, and points `latest` to it.

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
    """Returns all that a run's `config.json` holds.

    Raises:
        ValueError: it is not as it was written.
    """
    content = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    found = content.get("format") if isinstance(content, dict) else None
    if found not in (_FORMAT, _WITHOUT_SUM):
        raise ValueError(f"its format is not {_FORMAT!r}")
    if found == _FORMAT and content.get("sha256") != _check_sum(content):
        raise ValueError(
            "it is not as it was written. A run is described by what it was begun "
            "with: begin another one to change that"
        )
    return dict(content)


def extend_run(run: Path, config: TrainingConfig) -> None:
    """Replaces the configuration of a run that goes on to more timesteps."""
    content = read_content(run)
    content["config"] = config.to_dict()
    write_config(run, content)


def write_config(run: Path, content: dict[str, Any]) -> None:
    """Writes `config.json`: the configuration, what made it, and a check sum."""
    content = {**content, "format": _FORMAT}
    content["sha256"] = _check_sum(content)
    write_whole(run / CONFIG, json.dumps(content, indent=2) + "\n")


def _check_sum(content: dict[str, Any]) -> str:
    """Returns the SHA-256 of all that `config.json` holds beside it."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _point_latest(parent: Path, name: str) -> None:
    """Points the symbolic link `latest` to a run, in one step."""
    with lock_folder(parent, seconds=60):
        temporary = parent / ".latest"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(name, target_is_directory=True)
        os.replace(temporary, parent / "latest")
