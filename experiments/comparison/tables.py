"""Tables of the comparison as CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.evaluation.results import AgentResult
from experiments.comparison.curves import Curve
from experiments.comparison.pairs import Pair

#: Shares of the bound whose time to reach is reported.
MILESTONES = (0.9, 0.95, 0.97, 0.99, 0.995)

_HEADING = (
    *("agent", "runs", "decisions", "training s", "SCR mean", "IQM [95 % CI]"),
    *("worst", "one decision ms", "batched ms"),
)


def summary_rows(
    results: Sequence[AgentResult], curves: Sequence[Curve]
) -> list[dict[str, Any]]:
    """Returns the figures of the table, one row per agent, best first."""
    trained = {curve.label: curve for curve in curves}
    rows = []
    for result in results:
        f, curve = result.summary, trained.get(result.label)
        rows.append(
            {
                "agent": result.label,
                "runs": len(result.measurements) if curve else 0,
                "decisions": int(curve.decisions[-1]) if curve else 0,
                "training_s_mean": float(curve.seconds[:, -1].mean()) if curve else 0.0,
                "scr_mean": f["scr_mean"],
                "optimality_mean": f["optimality_mean"],
                "optimality_iqm": f["optimality_iqm"],
                "iqm_low": f["iqm_ci95"][0],
                "iqm_high": f["iqm_ci95"][1],
                "optimality_worst": f["optimality_worst"],
                "decision_time_s_median": f["decision_time_s_median"],
                "decision_time_s_batched": f["decision_time_s_batched"],
                "batch_size": f["batch_size"],
            }
        )
    return rows


def efficiency_rows(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Returns a row for each run and evaluation, and the IQM over all runs."""
    return [
        {
            "agent": curve.label,
            "seed": seed,
            "decisions": int(curve.decisions[e]),
            "training_s": float(curve.seconds[seed, e]),
            "validation_optimality_mean": float(curve.optimality[seed, e]),
            "iqm_of_all_runs": estimate.value,
            "iqm_low": estimate.low,
            "iqm_high": estimate.high,
        }
        for curve in curves
        for seed in range(len(curve.seconds))
        for e, estimate in enumerate(curve.iqm)
    ]


def improvement_rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Returns a row for each pair."""
    return [
        {
            "agent": pair.better,
            "over": pair.worse,
            "probability": pair.probability.value,
            "low": pair.probability.low,
            "high": pair.probability.high,
        }
        for pair in pairs
    ]


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Formats the `summary_rows` in Markdown."""
    lines = [
        _line(
            f"`{row['agent']}`",
            row["runs"] or "–",
            f"{row['decisions']:,}" if row["runs"] else "–",
            f"{row['training_s_mean']:.0f}" if row["runs"] else "–",
            f"{row['scr_mean']:.2f}",
            f"{row['optimality_iqm']:.4f} "
            f"[{row['iqm_low']:.4f}, {row['iqm_high']:.4f}]",
            f"{row['optimality_worst']:.4f}",
            f"{1e3 * row['decision_time_s_median']:.2f}",
            f"{1e3 * row['decision_time_s_batched']:.3f}",
        )
        for row in rows
    ]
    return "\n".join([_line(*_HEADING), _line(*["---"] * len(_HEADING)), *lines])


def milestone_table(curves: Sequence[Curve]) -> str:
    """Returns when each entry first reached each share of the bound in validation."""
    reached = [m for m in MILESTONES if any(_first(c, m) is not None for c in curves)]
    if not reached:
        return f"No entry reached a validation IQM of {MILESTONES[0]}."
    lines = []
    for curve in curves:
        cells = []
        for milestone in reached:
            e = _first(curve, milestone)
            if e is None:
                cells.append("–")
            else:
                seconds = np.median(curve.seconds[:, e])
                cells.append(f"{seconds:.0f} s ({curve.decisions[e]:,})")
        lines.append(_line(f"`{curve.label}`", *cells))
    heading = _line("agent", *(f"{milestone:g}" for milestone in reached))
    return "\n".join([heading, _line(*["---"] * (1 + len(reached))), *lines])


def _first(curve: Curve, milestone: float) -> int | None:
    """Returns the first evaluation whose IQM reaches a share."""
    values = [estimate.value for estimate in curve.iqm]
    return next((e for e, value in enumerate(values) if value >= milestone), None)


def _line(*cells: Any) -> str:
    return f"| {' | '.join(map(str, cells))} |"
