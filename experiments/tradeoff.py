"""Delay against energy, as the weights move from one to the other."""

from collections.abc import Sequence
from functools import partial

from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from agents.console.command_line import one_line_errors
from agents.console.terminal import run_script
from agents.evaluation.style import looks_of
from experiments.figure.drawing import panels, styled, write_figure
from experiments.figure.options import Asked, add_scenario_options, asked, figure_parser
from experiments.figure.recipes import RECIPES
from experiments.figure.sweeps import (
    Points,
    about,
    checked_configs,
    decided_points,
    program,
    sweep_values,
)
from experiments.figure.tables import Block, interval

NAME = "tradeoff"
_SWEEP = RECIPES["weights"]

#: Not drawn where others are, as it is far outside; the table has it.
HIDDEN = ("random",)

_HEIGHT_IN = 2.9


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws mean energy against mean delay of a user; returns the status."""
    parser = figure_parser(program(NAME), __doc__)
    add_scenario_options(parser, swept=True)
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        request = asked(options, _SWEEP.fixed)
        values = sweep_values(_SWEEP, request)
        configs = checked_configs(_SWEEP, request, values)
    points = decided_points(NAME, request, values, configs)
    with one_line_errors(parser.prog), styled():
        _draw(request, points)
    return 0


def _draw(request: Asked, points: Points) -> None:
    """Draws and writes one curve per agent, its points the weights."""
    block = partial(
        Block,
        axis=_SWEEP.label,
        values=points.values,
        reference=request.reference.label,
    )
    delay = block(quantity="delay, s", samples=points.samples("delay_s"))
    energy = block(quantity="energy, J", samples=points.samples("energy_j"))
    shown = [a for a in request.agents if a.label not in HIDDEN] or request.agents
    figure, (axes,) = panels(request.width, len(shown), [_HEIGHT_IN])
    looks = looks_of(request.agents)
    for agent in shown:
        label, own = agent.label, looks[agent.label]
        (x, x_half), (y, y_half) = (
            interval(quantity.samples[label]) for quantity in (delay, energy)
        )
        axes.errorbar(
            *(x, y),
            xerr=x_half,
            yerr=y_half,
            label=label,
            elinewidth=0.5,
            ecolor=(own.colour, 0.5),
            **own.curve,
        )
        if agent is request.reference:
            for i in dict.fromkeys((0, len(points.values) - 1)):
                axes.annotate(
                    f"weight {points.values[i]:g}",
                    (x[i], y[i]),
                    textcoords="offset points",
                    horizontalalignment="right",
                    verticalalignment="top",
                    xytext=(-4, -4),
                    fontsize=7,
                )
    for axis in (axes.xaxis, axes.yaxis):
        getattr(axes, f"set_{axis.axis_name}scale")("log")
        axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=20))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("delay, s, mean over users")
    axes.set_ylabel("energy, J, mean over users")
    text = f"Energy over delay, a point for each weight of delay; {about(request)}"
    write_figure(figure, NAME, [delay, energy], request, text.replace("bands", "bars"))


if __name__ == "__main__":
    raise SystemExit(run_script(main, program(NAME)))
