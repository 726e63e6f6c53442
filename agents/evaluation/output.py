"""Writes a comparison to a new folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.report import to_html
from agents.evaluation.results import AgentResult, instance_rows, to_csv, to_json
from agents.storage.folders import new_folder, write_all

REPORT = "report.html"
IN_REPORT = ("png", SCREEN_IN)  # kind and width of the figures there


def write_results(
    output: Path,
    name: str,
    results: Sequence[AgentResult],
    about: Mapping[str, Any],
    *,
    kind: str = "png",
    width: float = SCREEN_IN,
) -> Path:
    """Writes results.csv, results.json, report.html and figures, all or none.

    Args:
        output: where the next free folder `<name>_<k>` is made.
        name: of it, without its number.
        results: of all agents.
        about: what made them.
        kind: of the figures' files, "pdf", "svg" or "png"; those in the report are PNG.
        width: of these files, inches.

    Returns:
        The path of the report.

    Raises:
        OSError: it cannot be written.
    """
    from agents.evaluation.figures import draw_all  # Matplotlib

    figures = draw_all(results)
    drawn = draw_all(results, kind, width) if (kind, width) != IN_REPORT else figures
    files: dict[str, str | bytes] = {
        **drawn,
        "results.csv": to_csv(instance_rows(results)),
        "results.json": to_json(results, dict(about)),
        REPORT: to_html(results, figures, about),
    }
    return new_folder(output, name, partial(write_all, files=files)) / REPORT
