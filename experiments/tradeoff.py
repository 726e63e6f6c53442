"""Delay against energy, as the weights move from one to the other."""

from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from experiments.figure import (
    LABELS,
    MARKERS,
    NAMES,
    figures_of,
    finish,
    interval,
    new_figure,
    options,
    sweep_points,
    table,
    write_csv,
)
from experiments.weights import SWEEP

#: Not drawn.
HIDDEN = ("random",)

#: s and J; those outside the picture are not drawn.
TICKS = (10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)


def main() -> None:
    """Draws mean energy against mean delay of a user, one curve per solver."""
    arguments = options(__doc__)
    values, points = sweep_points(SWEEP, arguments)
    delay, energy = figures_of(points, "delay_s"), figures_of(points, "energy_j")
    rows = table(delay, values, SWEEP.label, "delay, s")
    rows += table(energy, values, SWEEP.label, "energy, J")
    write_csv(arguments.output / "tradeoff.csv", rows)

    figure, axes = new_figure()
    for name in NAMES:
        if name in HIDDEN:
            continue
        (x, x_half), (y, y_half) = interval(delay[name]), interval(energy[name])
        colour = f"C{NAMES.index(name)}"
        axes.errorbar(
            x,
            y,
            xerr=x_half,
            yerr=y_half,
            color=colour,
            marker=MARKERS[name],
            ms=4,
            elinewidth=0.5,
            ecolor=(colour, 0.5),
            label=LABELS[name],
        )
        if name == "dashf":
            for i in (0, len(values) - 1):
                axes.annotate(
                    f"weight of delay {values[i]:g}",
                    (x[i], y[i]),
                    textcoords="offset points",
                    horizontalalignment="right",
                    xytext=(-6, -14),
                    fontsize=8,
                )
    axes.set_xscale("log")
    axes.set_yscale("log")
    limits = axes.get_xlim(), axes.get_ylim()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("delay, s, mean over users")
    axes.set_ylabel("energy, J, mean over users")
    axes.set(xlim=limits[0], ylim=limits[1])
    finish(figure, axes, arguments, "tradeoff")


if __name__ == "__main__":
    main()
