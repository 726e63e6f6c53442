"""Learning curves: validation optimality over the seeds of an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.statistics import Estimate, bootstrap, interquartile_mean
from experiments.comparison.runs import Run

Array = Any

_RESAMPLES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Results of R runs at E evaluations, of which the first is before training."""

    label: str
    decisions: Array  # [E] before the evaluation
    seconds: Array  # [R, E] s of wall time spent in training
    optimality: Array  # [R, E] mean over the validation scenarios
    iqm: tuple[Estimate, ...]  # [E] over runs and validation scenarios


def learning_curves(runs: Sequence[Run]) -> list[Curve]:
    """Reads the evaluations of finished runs.

    Raises:
        ValueError: runs of one entry were evaluated after different decisions.
    """
    entries: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        entries.setdefault(run.entry.label, []).append(run)
    return [_curve(label, own) for label, own in entries.items()]


def _curve(label: str, runs: Sequence[Run]) -> Curve:
    found = [run.evaluations() for run in runs]
    archives = [archive for archive in found if archive is not None]
    decisions = archives[0]["timesteps"]
    for run, archive in zip(runs, archives, strict=True):
        if not np.array_equal(archive["timesteps"], decisions):
            raise ValueError(
                f"{run.name} was evaluated after {archive['timesteps'].tolist()} "
                f"decisions, seed {runs[0].seed} after {decisions.tolist()}. Move that "
                "run away, and it is trained again."
            )
    scores = np.stack([a["results"] / a["bound"] for a in archives])  # [R, E, I]
    return Curve(
        label=label,
        decisions=decisions,
        seconds=np.stack([archive["training_s"] for archive in archives]),
        optimality=scores.mean(axis=-1),
        iqm=tuple(
            bootstrap(scores[:, e], interquartile_mean, resamples=_RESAMPLES)
            for e in range(len(decisions))
        ),
    )
