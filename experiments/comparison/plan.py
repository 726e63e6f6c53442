"""The entries of the comparison, each with its arguments of `train.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agents.run.config import TrainingConfig
from mec_llm_env.names import did_you_mean

ROOT = Path(__file__).parents[2]

#: Label → arguments of `train.py`. A label is what `run_label` calls such runs.
#: `recurrent_ppo` is left out, as an episode of one decision needs no memory.
PLAN: dict[str, tuple[str, ...]] = {
    "apg": ("--agent", "apg"),
    "ppo": ("--agent", "ppo"),
    "ppo set": ("--agent", "ppo", "--policy", "set"),
    "ppo warm": ("--agent", "ppo", "--warm-start", "dual"),
    "ppo set association": (
        *("--agent", "ppo", "--policy", "set"),
        *("--action-encoding", "association"),
    ),
    "a2c set": ("--agent", "a2c", "--policy", "set"),
    "trpo": ("--agent", "trpo"),
    "sac": ("--agent", "sac"),
    "sac set": ("--agent", "sac", "--policy", "set"),
    "td3 set": ("--agent", "td3", "--policy", "set"),
    "ddpg set": ("--agent", "ddpg", "--policy", "set"),
    "tqc set": ("--agent", "tqc", "--policy", "set"),
}

#: Solvers and rules that the runs are compared with.
UNTRAINED = ("dashf", "dual", "gucro", "gucaa", "rucaa", "random")

#: What `--quick` changes: a smoke test, not a result.
QUICK = ("--timesteps", "8192", "--eval-freq", "2048")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A row of the comparison: training runs that differ in their seed."""

    label: str
    arguments: tuple[str, ...]  # of train.py, without seed and output
    config: TrainingConfig  # of seed 0: what train.py makes of the arguments

    @property
    def folder(self) -> str:
        """Its name in the comparison's folder."""
        return self.label.replace(" ", "_")


def check_labels(labels: Sequence[str]) -> None:
    """Checks what is to be compared.

    Raises:
        ValueError: a label is not in the plan, or stands twice.
    """
    for label in labels:
        if label not in PLAN:
            hint = did_you_mean(label, PLAN)
            raise ValueError(
                f"--agents: there is no entry {label!r}.{hint} Choose from "
                f"{', '.join(map(repr, PLAN))}."
            )
        if list(labels).count(label) > 1:
            raise ValueError(f"--agents names {label!r} twice; keep one.")


def make_entries(
    labels: Sequence[str],
    more: Sequence[str],
    jobs: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Entry]:
    """Gets the settings of each entry from `train.py --dry-run`.

    Args:
        labels: of the plan; none: all.
        more: arguments that all of them are trained with.
        jobs: processes at once.
        advance: called after each entry.

    Raises:
        ValueError: train.py refuses the arguments: the algorithm is not there, or its
            extra is not installed.
    """

    def make(label: str) -> Entry:
        arguments = (*PLAN[label], *more)
        config = _settings(arguments)
        advance()
        return Entry(label=label, arguments=arguments, config=config)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(make, labels or PLAN))


def _settings(arguments: Sequence[str]) -> TrainingConfig:
    command = [sys.executable, str(ROOT / "train.py"), *arguments, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1].removeprefix("train.py: error: ")
        raise ValueError(
            f"train.py {' '.join(arguments)} is not possible: {reason} Or leave the "
            "entry out: name those to compare with --agents."
        )
    return TrainingConfig.from_dict(json.loads(done.stdout))
