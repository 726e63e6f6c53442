"""Writes decisions on cases to a new folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import dashf
from agents.evaluation.cases.deciding import Decision
from agents.evaluation.cases.files import (
    allocation_csv,
    case_rows,
    certificate,
    decision_json,
    drawing,
    file_names,
    picture,
)
from agents.evaluation.cases.report import MOST_SHOWN, report
from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.output import IN_REPORT, REPORT
from agents.evaluation.results import AgentResult, by_scr, to_csv
from agents.storage.folders import new_folder, write_all

#: Decisions that are all drawn; of more, those that are best on their case.
MOST_PICTURES = 300


def by_case(
    decided: Sequence[Sequence[Sequence[Decision]]],
) -> list[list[Decision]]:
    """Returns the decisions on each case, the best first.

    Args:
        decided: by row, run and case.
    """
    runs = [run for row in decided for run in row]
    return [
        sorted(decisions, key=lambda decision: -decision.scr)
        for decisions in map(list, zip(*runs, strict=True))
    ]


def write_cases(
    output: Path,
    name: str,
    cases: Sequence[Sequence[Decision]],
    bounds: Sequence[dashf.Bound] | None,
    results: Sequence[AgentResult],
    about: Mapping[str, Any],
    advance: Callable[[int], None] = lambda done: None,
    *,
    kind: str = "png",
    width: float = SCREEN_IN,
) -> Path:
    """Writes report.html, results, figures, and each decision in cases/, all or none.

    Args:
        output: where the next free folder `<name>_<k>` is made.
        name: of it, without its number.
        cases: the decisions on each, the best first.
        bounds: certified, of each case.
        results: of all agents.
        about: what made them.
        advance: called with the number of decisions that are drawn.
        kind: of the figures' files, "pdf", "svg" or "png"; those in the report are PNG.
        width: of these files, inches.

    Returns:
        The path of the report.

    Raises:
        OSError: it cannot be written.
    """
    from agents.evaluation.cases.figures import draw_cases  # Matplotlib

    files: dict[str, str | bytes] = {}
    pictures: list[bytes] = []  # of the best decisions
    printed = (kind, width) != IN_REPORT
    count = sum(map(len, cases))
    for i, decisions in enumerate(cases):
        bound = None if bounds is None else bounds[i]
        names = file_names(decisions)
        for k, (decision, stem) in enumerate(zip(decisions, names, strict=True)):
            path = f"cases/{decision.case.name}/{stem}"
            files[f"{path}.csv"] = allocation_csv(decision)
            files[f"{path}.json"] = decision_json(decision, bound)
            if k == 0:
                pictures.append(picture(decision))
            if k == 0 or count <= MOST_PICTURES:
                files[f"{path}.{kind}"] = (
                    drawing(decision, kind, width) if printed else picture(decision)
                )
        advance(sum(map(len, cases[: i + 1])))
    values = {} if bounds is None else _values(cases, bounds)
    every = [decision for decisions in cases for decision in decisions]
    figures = draw_cases(results)
    files |= draw_cases(results, kind, width) if printed else figures
    files["results.csv"] = to_csv(case_rows(every, values))
    files["results.json"] = _json(cases, bounds, results, about)
    shown = pictures[:MOST_SHOWN]
    files[REPORT] = report(cases, bounds, results, figures, shown, about)
    return new_folder(output, name, partial(write_all, files=files)) / REPORT


def _values(
    cases: Sequence[Sequence[Decision]], bounds: Sequence[dashf.Bound]
) -> dict[str, float]:
    names = [decisions[0].case.name for decisions in cases]
    return {n: float(b.value) for n, b in zip(names, bounds, strict=True)}


def _json(
    cases: Sequence[Sequence[Decision]],
    bounds: Sequence[dashf.Bound] | None,
    results: Sequence[AgentResult],
    about: Mapping[str, Any],
) -> str:
    """Returns what made the comparison, its cases, and the agents' summaries."""
    summaries = []
    for result in by_scr(results):
        figures = {k: v for k, v in result.summary.items() if "ci95" not in k}
        summaries.append({k: v for k, v in figures.items() if "iqm" not in k})
    listed = []
    for i, decisions in enumerate(cases):
        best, s = decisions[0], decisions[0].case.scenario
        listed.append(
            {
                "case": best.case.name,
                "source": best.case.source,
                "users": s.n_users,
                "servers": s.n_servers,
                "decided_best_by": best.label,
                "scr": best.scr,
                "certificate": None if bounds is None else certificate(bounds[i]),
                "scr_per_mhz": np.asarray(best.explanation.scr_per_mhz).tolist(),
                "scr_per_ghz": np.asarray(best.explanation.scr_per_ghz).tolist(),
            }
        )
    content = {**about, "results": listed, "agents": summaries}
    return json.dumps(content, indent=2) + "\n"
