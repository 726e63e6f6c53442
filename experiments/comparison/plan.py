"""The entries of the comparison, each with its arguments of `train.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.console.command_line import OneLineParser
from agents.run.config import TrainingConfig
from agents.training import start
from agents.training.settings import add_training_options, config_from_options
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


def make_entries(labels: Sequence[str], more: Sequence[str]) -> list[Entry]:
    """Returns the entries with the settings that `train.py` makes of their arguments.

    Args:
        labels: of the plan; none: all.
        more: arguments that all of them are trained with.

    Raises:
        ValueError: train.py refuses the arguments: the algorithm is not there, or its
            extra is not installed.
    """
    return [_entry(label, (*PLAN[label], *more)) for label in labels or PLAN]


def _entry(label: str, arguments: tuple[str, ...]) -> Entry:
    parser = OneLineParser(prog="train.py")
    add_training_options(parser)
    try:
        config = config_from_options(parser.parse_args(arguments))
        start.load(config)
    except ValueError as error:
        raise ValueError(
            f"train.py {' '.join(arguments)} is not possible: {error} Or leave the "
            "entry out: name those to compare with --agents."
        ) from None
    return Entry(label=label, arguments=arguments, config=config)
