"""The files of a comparison; all are made before the first is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.results import AgentResult, instance_rows, to_csv
from agents.storage.folders import write_all
from agents.storage.provenance import provenance
from experiments.comparison.curves import Curve, learning_curves
from experiments.comparison.document import FIGURES, update_page
from experiments.comparison.figures import draw_all
from experiments.comparison.pairs import all_pairs, shown_pairs
from experiments.comparison.runs import Run
from experiments.comparison.tables import (
    efficiency_rows,
    improvement_rows,
    markdown_table,
    milestone_table,
    summary_rows,
)

_CAPTIONS = {
    "iqm.png": "Interquartile mean of the share of the certified bound, with 95 % "
    "stratified bootstrap intervals.",
    "performance_profiles.png": "On which share of runs and instances an agent is "
    "above a threshold, with pointwise 95 % bands.",
    "probability_of_improvement.png": "How likely a run of one agent beats a run of "
    "another on an instance: neighbours in the table, and variants over the plain "
    "algorithm.",
    "sample_efficiency.png": "Validation optimality while training, over decisions "
    "and over time: IQM over seeds and scenarios, 95 % band.",
    "quality_latency.png": "Mean share of the bound against decision time.",
}


def write_outputs(
    output: Path,
    runs: Sequence[Run],
    results: Sequence[AgentResult],
    docs: Path | None,
    command: str,
    *,
    kind: str = "png",
    width: float = SCREEN_IN,
) -> Path:
    """Writes tables, figures and `results.md`, and updates the documentation.

    Args:
        output: folder of the comparison.
        runs: trained ones.
        results: of all agents.
        docs: folder of the documentation; None: it is left alone.
        command: that was given.
        kind: of figures for papers beside those of the page, which are PNG.
        width: of these, inches.

    Returns:
        The path of `results.md`.
    """
    results = sorted(results, key=lambda result: -result.iqm.value)
    order = [result.label for result in results]
    curves = sorted(learning_curves(runs), key=lambda curve: order.index(curve.label))
    pairs = all_pairs(results)
    rows = summary_rows(results, curves)
    shown = shown_pairs(results, pairs)
    figures = draw_all(results, curves, shown)
    printed = {} if kind == "png" else draw_all(results, curves, shown, kind, width)
    fragments = {
        "how": _how(results, curves, command),
        "table": markdown_table(rows),
        "milestones": milestone_table(curves),
    }
    files: dict[str, str | bytes] = {
        **figures,
        **printed,
        "comparison.csv": _csv(rows),
        "instances.csv": to_csv(instance_rows(results)),
        "efficiency.csv": _csv(efficiency_rows(curves)),
        "improvement.csv": _csv(improvement_rows(pairs)),
        "results.md": "\n\n".join([*fragments.values(), _figures("")]) + "\n",
    }
    write_all(output, files)
    if docs is not None:
        linked = _figures(f"{FIGURES}/")
        update_page(docs, {**fragments, "figures": linked}, figures)
    return output / "results.md"


def _how(results: Sequence[AgentResult], curves: Sequence[Curve], command: str) -> str:
    made: dict[str, Any] = provenance()
    versions = ", ".join(f"{name} {text}" for name, text in made["versions"].items())
    seeds = max(len(curve.seconds) for curve in curves)
    return (
        f"```sh\n{command}\n```\n\n"
        f"{seeds} seeds per entry, {results[0].scr.shape[1]} test scenarios; commit "
        f"{made['git']}, Python {made['python']}, {versions}; {made['platform']} with "
        f"{made['processors']} processors."
    )


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Returns rows of equal keys as CSV."""
    return to_csv([list(rows[0]), *(list(row.values()) for row in rows)])


def _figures(folder: str) -> str:
    return "\n\n".join(
        f"![{caption}]({folder}{name})\n\n{caption}"
        for name, caption in _CAPTIONS.items()
    )
