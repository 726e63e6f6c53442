"""SCR of every agent over convex programs and over time.

All programs are counted: of block 2, of relaxations, of rejected steps and of retries
after a failure of a solver. A curve over time begins when the agent has its first
allocation of every scenario; `--values` are seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from agents.console.command_line import one_line_errors
from agents.console.terminal import run_script
from agents.evaluation.style import Look, looks_of
from experiments.figure.drawing import draw_band, side_by_side, styled, write_figure
from experiments.figure.options import Asked, add_scenario_options, asked, figure_parser
from experiments.figure.sweeps import (
    SCR,
    Points,
    Sweep,
    about,
    checked_configs,
    decided_points,
    program,
)
from experiments.figure.tables import Block

Array = Any

NAME = "convergence"
_NOTHING = Sweep(name=NAME, label="", values=(0.0,), overrides=lambda base, value: {})
_PROGRAMS, _SECONDS = 1, 2  # of a row of a history
_MOMENTS = 25  # of time at which curves are drawn
_MARKERS = 6  # of a curve


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the SCR after so many programs, and so many seconds; returns the status."""
    parser = figure_parser(program(NAME), __doc__)
    add_scenario_options(parser, swept=False)
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        request = asked(options, _NOTHING.fixed)
        for value in request.values or ():
            if value <= 0:
                raise ValueError(f"--values are seconds, above 0; got {value:g}.")
        configs = checked_configs(_NOTHING, request, _NOTHING.values)
    points = decided_points(NAME, request, _NOTHING.values, configs)
    blocks = convergence_blocks(request, points)
    with one_line_errors(parser.prog), styled():
        figure, axes = side_by_side(request.width, len(request.agents), 2)
        looks = looks_of(request.agents)
        for panel, block in zip(axes, blocks, strict=True):
            _draw(panel, block, looks)
        axes[0].set_ylabel(SCR)
        if axes[1].get_subplotspec().colspan.start == 0:  # below the other
            axes[1].set_ylabel(SCR)
        axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[1].set_xscale("log")
        text = f"Service-cost ratio over convex programs and time; {about(request)}"
        write_figure(figure, NAME, blocks, request, text)
    return 0


def convergence_blocks(request: Asked, points: Points) -> list[Block]:
    """Returns the SCR over programs, and over seconds."""
    histories = {
        label: [np.array(point["history"]) for (row,) in runs for point in row]
        for label, runs in points.by_agent.items()
    }
    ends = np.array([h[-1] for rows in histories.values() for h in rows])
    starts = np.array([h[0] for rows in histories.values() for h in rows])
    programs = np.arange(int(np.percentile(ends[:, _PROGRAMS], 99)) + 1)
    first = np.min(starts[:, _SECONDS])
    last = np.percentile(ends[:, _SECONDS], 99)
    seconds = np.geomspace(first, max(last, 2 * first), _MOMENTS)
    if request.values is not None:
        seconds = np.array(request.values)
    blocks = []
    for column, at, axis in (
        (_PROGRAMS, programs, "convex programs"),
        (_SECONDS, seconds, "time, s"),
    ):
        samples = {
            label: _mean_over_runs(reached(rows, column, at), request.instances)
            for label, rows in histories.items()
        }
        reference = request.reference.label
        blocks.append(
            Block(
                axis=axis, values=at, quantity=SCR, samples=samples, reference=reference
            )
        )
    return blocks


def reached(histories: Sequence[Array], column: int, at: Array) -> Array:
    """Returns the SCR of the last row that is not beyond a value, [values, scenarios].

    It is NaN where all rows are beyond it.

    Args:
        histories: of every scenario, [rows, 3].
        column: of the rows that `at` is about, rising.
        at: [values].
    """
    found = []
    for history in histories:
        rows = np.searchsorted(history[:, column], at, side="right")
        found.append(np.append(np.nan, history[:, 0])[rows])
    return np.array(found).T


def _mean_over_runs(scr: Array, instances: int) -> Array:
    """Returns [values, runs · instances] as [values, instances]."""
    return scr.reshape(len(scr), -1, instances).mean(axis=1)


def _draw(axes: Any, block: Block, looks: Mapping[str, Look]) -> None:
    every = max(1, len(block.values) // _MARKERS)
    for i, label in enumerate(block.samples):
        draw_band(axes, block, label, looks[label], markevery=(i % every, every))
    axes.set_xlabel(block.axis)


if __name__ == "__main__":
    raise SystemExit(run_script(main, program(NAME)))
