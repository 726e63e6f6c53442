"""SCR of every solver over convex programs and over time, 10 users and 2 servers.

All programs are counted: of block 2, of relaxations, of rejected steps and of retries
after a failure of a solver.
"""

from typing import Any

import numpy as np

from experiments.figure import (
    NAMES,
    Sweep,
    draw_band,
    finish,
    new_figure,
    options,
    sweep_points,
    table,
    write_csv,
)

Array = Any

DEFAULT = Sweep(name="convergence", label="", values=(0.0,), overrides=lambda value: {})

_PROGRAMS, _SECONDS = 1, 2  # of a row of a history
_MOMENTS = 25  # of time at which curves are drawn


def main() -> None:
    """Draws the SCR after so many programs, and so many seconds."""
    arguments = options(__doc__)
    _, (points,) = sweep_points(DEFAULT, arguments)
    histories = {
        name: [np.array(point[name]["history"]) for point in points] for name in NAMES
    }
    ends = np.array([[h[-1] for h in rows] for rows in histories.values()])
    programs = np.arange(int(np.percentile(ends[..., _PROGRAMS], 99)) + 1)
    last = np.percentile(ends[..., _SECONDS], 99)
    seconds = np.append(0.0, np.geomspace(1e-3, last, _MOMENTS))

    figure, axes = new_figure(panels=2)
    rows = []
    for panel, column, at, text in (
        (axes[0], _PROGRAMS, programs, "convex programs"),
        (axes[1], _SECONDS, seconds, "seconds"),
    ):
        scr = {name: reached(histories[name], column, at) for name in NAMES}
        header, *lines = table(scr, at, text, "SCR")
        rows += [["axis", "value", *header[1:]]] if not rows else []
        rows += [[text, *line] for line in lines]
        for name in NAMES:
            draw_band(panel, name, at, scr[name], label=column == _PROGRAMS)
        panel.set_xlabel(text)
    axes[0].set_ylabel("service-cost ratio")
    axes[1].set_xscale("symlog", linthresh=1e-3)
    write_csv(arguments.output / "convergence.csv", rows)
    finish(figure, axes, arguments, "convergence")


def reached(histories: list[Array], column: int, at: Array) -> Array:
    """Returns the SCR of the last row that is not beyond a value, [values, scenarios].

    Args:
        histories: of every scenario, [rows, 3], the first one at 0.
        column: of the rows that `at` is about, rising.
        at: [values].
    """
    return np.array(
        [
            history[np.searchsorted(history[:, column], at, side="right") - 1, 0]
            for history in (_from_zero(h, column) for h in histories)
        ]
    ).T


def _from_zero(history: Array, column: int) -> Array:
    """Returns the history with its first row at 0."""
    history = history.copy()
    history[0, column] = 0
    return history


if __name__ == "__main__":
    main()
