"""The other figures of scenarios: convergence, and energy over delay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import convergence, tradeoff
from tests.experiments.figure.drawing import TINY, check_pdf, drawn, rows


def test_the_scr_that_was_reached_by_hand() -> None:
    history = np.array([[5.0, 0, 0.1], [6.0, 1, 0.2], [7.0, 1, 0.3], [9.0, 4, 0.4]])
    other = np.array([[1.0, 0, 0.0]])
    found = convergence.reached([history, other], 1, np.array([0, 1, 3, 4, 9]))
    assert found.T.tolist() == [[5, 7, 7, 9, 9], [1, 1, 1, 1, 1]]
    by_time = convergence.reached([history], 2, np.array([0.0, 0.1, 0.25]))
    assert np.isnan(by_time[0, 0])  # it has nothing yet
    assert by_time[1:, 0].tolist() == [5, 6]


@pytest.mark.parametrize("script", [convergence, tradeoff])
@pytest.mark.parametrize("width", ["3.5in", "18cm"])
def test_other_figures_are_drawn(
    folder: Path, script: Any, width: str, capsys: Any
) -> None:
    words = [*TINY, "--quick", "--agents", "dual", "apg:pretrained", "gucro", "random"]
    words += ["--format", "pdf", "--width", width]
    assert drawn(script, *words) == 0
    name = script.__name__.rpartition(".")[2]
    check_pdf(
        (folder / f"{name}.pdf").read_bytes(),
        width_pt=252 if width == "3.5in" else 72 * 18 / 2.54,
    )
    agents = {row["agent"] for row in rows(folder / f"{name}.csv")}
    assert agents == {"dual", "apg:pretrained", "GUCRO", "random"}
    assert drawn(script, *words, "--values", "0") == 2 or script is tradeoff
