"""The folder that a comparison is written to: a new one each time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.evaluation.figures import draw_all
from agents.evaluation.report import to_html
from agents.evaluation.results import AgentResult, to_csv, to_json
from mec_llm_env.files import write_whole


def create_folder(output: str | os.PathLike[str], name: str) -> Path:
    """Makes the next free folder `<output>/<name>_<k>`.

    Raises:
        OSError: it cannot be written.
    """
    parent = Path(output)
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / f"{name}_{number}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def write_results(
    folder: Path, results: Sequence[AgentResult], about: Mapping[str, Any]
) -> Path:
    """Writes results.csv, results.json, report.html and the figures.

    Returns:
        The path of the report.
    """
    figures = draw_all(results)
    for name, png in figures.items():
        write_whole(folder / name, png)
    write_whole(folder / "results.csv", to_csv(results))
    write_whole(folder / "results.json", to_json(results, dict(about)))
    report = folder / "report.html"
    write_whole(report, to_html(results, figures, about))
    return report
