"""Results of a comparison, aggregated over runs; as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agents.evaluation.comparison import Measurement
from agents.evaluation.statistics import (
    Estimate,
    bootstrap,
    interquartile_mean,
    mean,
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """Measurements of all runs of one agent on I instances, and their summary."""

    label: str
    runs: tuple[str, ...]  # run folders; ("",) for an agent without training
    measurements: tuple[Measurement, ...]  # one per run
    bound: Array | None  # [I] certified upper bound of the SCR, if there is one
    seed: int  # of the bootstrap

    @property
    def is_trained(self) -> bool:
        """Whether these are training runs."""
        return self.runs != ("",)

    @property
    def has_migrations(self) -> bool:
        """Whether these are measurements of episodes, in which servers are changed."""
        return self.measurements[0].migrations is not None

    @cached_property
    def scr(self) -> Array:
        """[R, I]."""
        return np.stack([m.scr for m in self.measurements])

    @cached_property
    def optimality(self) -> Array | None:
        """[R, I] share of the certified upper bound."""
        return None if self.bound is None else self.scr / self.bound

    def mean(self, name: str) -> float:
        """Mean of a figure over runs and instances."""
        return float(np.mean([getattr(m, name) for m in self.measurements]))

    @cached_property
    def scr_mean(self) -> Estimate:
        """Mean SCR with its 95 % interval."""
        return bootstrap(self.scr, mean, seed=self.seed)

    @cached_property
    def iqm(self) -> Estimate:
        """Interquartile mean of optimality, or of SCR where there is no bound."""
        scores = self.scr if self.optimality is None else self.optimality
        return bootstrap(scores, interquartile_mean, seed=self.seed)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Every figure of the table, as JSON values."""
        single = np.concatenate([m.single_time_s for m in self.measurements])
        scr, iqm = self.scr_mean, self.iqm
        timed = (
            {  # of a plan nothing
                "decision_time_s_median": float(np.median(single)),
                "decision_time_s_p95": float(np.quantile(single, 0.95)),
                "decision_time_s_batched": self.mean("batch_time_s"),
                "batch_size": self.measurements[0].batch_size,
            }
            if len(single)
            else {}
        )
        figures: dict[str, Any] = {
            "agent": self.label,
            "runs": [run for run in self.runs if run],
            "instances": self.scr.shape[1],
            "scr_mean": scr.value,
            "scr_mean_ci95": [scr.low, scr.high],
            "scr_worst": float(self.scr.min()),
            "scr_iqm" if self.bound is None else "optimality_iqm": iqm.value,
            "iqm_ci95": [iqm.low, iqm.high],
            "score_mean": self.mean("score"),
            "delay_s_mean": self.mean("delay_s"),
            "energy_j_mean": self.mean("energy_j"),
            "violation_max": max(float(m.violation.max()) for m in self.measurements),
            **timed,
            "timed_decisions": len(single),
        }
        if self.has_migrations:
            figures["migrations_mean"] = self.mean("migrations")
        if self.optimality is not None:
            figures["optimality_mean"] = float(self.optimality.mean())
            figures["optimality_worst"] = float(self.optimality.min())
            figures["gap_mean"] = float((1 / self.optimality - 1).mean())
        return figures


def by_scr(results: Sequence[AgentResult]) -> list[AgentResult]:
    """Returns the results with the best mean SCR first."""
    return sorted(results, key=lambda result: -result.scr.mean())


def to_json(results: Sequence[AgentResult], about: dict[str, Any]) -> str:
    """Returns the summaries and the provenance as JSON."""
    summaries = [result.summary for result in by_scr(results)]
    return json.dumps({**about, "agents": summaries}, indent=2) + "\n"


def instance_rows(results: Sequence[AgentResult]) -> list[list[Any]]:
    """Returns a heading, then a row for each agent, run and instance."""
    names = ["scr", "score", "delay_s", "energy_j", "cost", "violation"]
    names += ["migrations"] if results and results[0].has_migrations else []
    rows: list[list[Any]] = [["agent", "run", "instance", *names, "scr_upper_bound"]]
    for result in by_scr(results):
        for run, measured in zip(result.runs, result.measurements, strict=True):
            for i in range(len(measured.scr)):
                figures = [float(getattr(measured, name)[i]) for name in names]
                bound = None if result.bound is None else float(result.bound[i])
                rows.append([result.label, run, i, *figures, bound])
    return rows


def to_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Returns rows as CSV, every digit kept; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def table(results: Sequence[AgentResult]) -> tuple[list[str], list[list[str]]]:
    """Returns the heading and the formatted rows, best agent first."""
    bounded = bool(results) and results[0].bound is not None
    heading = ["agent", "SCR mean [95 % CI]"]
    heading += ["optimality", "IQM [95 % CI]", "worst", "gap"] if bounded else ["IQM"]
    heading += [] if bounded else ["worst"]
    heading += ["delay s", "energy J"]
    heading += ["migrations"] if results and results[0].has_migrations else []
    heading += ["decision ms, p95", "batched ms", "violation"]
    return heading, [_row(result, bounded) for result in by_scr(results)]


def _row(result: AgentResult, bounded: bool) -> list[str]:
    f = result.summary
    runs = len(result.measurements)
    low, high = f["iqm_ci95"]
    if bounded:
        quality = [
            f"{f['optimality_mean']:.4f}",
            f"{f['optimality_iqm']:.4f} [{low:.4f}, {high:.4f}]",
            f"{f['optimality_worst']:.4f}",
            f"{100 * f['gap_mean']:.2f} %",
        ]
    else:
        quality = [f"{f['scr_iqm']:.2f} [{low:.2f}, {high:.2f}]"]
        quality += [f"{f['scr_worst']:.2f}"]
    scr_low, scr_high = f["scr_mean_ci95"]
    times_ms = ["–", "–"]
    if "decision_time_s_median" in f:
        median, p95, batched = (
            1e3 * f[f"decision_time_s_{name}"] for name in ("median", "p95", "batched")
        )
        times_ms = [f"{median:.2f}, {p95:.2f}", f"{batched:.3f}"]
    return [
        result.label + (f" ({runs} runs)" if runs > 1 else ""),
        f"{f['scr_mean']:.2f} [{scr_low:.2f}, {scr_high:.2f}]",
        *quality,
        f"{f['delay_s_mean']:.1f}",
        f"{f['energy_j_mean']:.1f}",
        *([f"{f['migrations_mean']:.1f}"] if result.has_migrations else []),
        *times_ms,
        f"{f['violation_max']:.0e}",
    ]
