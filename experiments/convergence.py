"""SCR over the iterations of DASHF and every baseline, 10 users and 2 servers."""

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

DEFAULT = Sweep(name="convergence", label="", values=(0.0,), overrides=lambda value: {})


def main() -> None:
    """Draws the SCR after each iteration; solvers that have ended keep their last."""
    arguments = options(__doc__)
    _, (points,) = sweep_points(DEFAULT, arguments)
    histories = {name: [point[name]["history"] for point in points] for name in NAMES}
    length = max(len(h) for rows in histories.values() for h in rows)
    iterations = np.arange(length)
    scr = {
        name: np.array([h + h[-1:] * (length - len(h)) for h in rows]).T
        for name, rows in histories.items()
    }
    rows = table(scr, iterations, "iteration", "SCR")
    write_csv(arguments.output / "convergence.csv", rows)

    figure, axes = new_figure()
    for name in NAMES:
        draw_band(axes, name, iterations, scr[name])
    axes.set_xlabel("iteration: a convex program, or an association that is taken")
    axes.set_ylabel("service-cost ratio")
    finish(figure, axes, arguments, "convergence")


if __name__ == "__main__":
    main()
