"""What all figures share: options, sweep, CSV and PNG."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from agents.display import Display
from agents.evaluation.results import to_csv
from agents.evaluation.style import to_png
from experiments.points import NAMES, solved_point
from mec_llm_env import ScenarioConfig
from mec_llm_env.files import write_whole

Array = Any

LABELS = {
    "dashf": "DASHF",
    "gucro": "GUCRO",
    "edge": "edge",
    "aauco": "AAUCO",
    "gucaa": "GUCAA",
    "rucaa": "RUCAA",
    "local": "local",
    "random": "random",
}
MARKERS = dict(zip(NAMES, "osD^v<>x", strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """A quantity, its values, and what they change in the default scenario."""

    name: str  # of the files
    label: str  # of the axis, with unit
    values: tuple[float, ...]
    overrides: Callable[[float], dict[str, Any]]  # of `ScenarioConfig`
    logarithmic: bool = False

    def config(self, value: float) -> ScenarioConfig:
        """Returns the configuration at a value."""
        return ScenarioConfig().with_overrides(self.overrides(value))


def options(description: str | None) -> argparse.Namespace:
    """Parses `--quick`, `--scenarios` and `--output`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="3 scenarios, every other value"
    )
    parser.add_argument(
        "--scenarios",
        type=int,
        default=20,
        help="test scenarios per value (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("results/figures"), help="directory"
    )
    arguments = parser.parse_args()
    if arguments.scenarios < 2:
        parser.error("--scenarios must be at least 2, to tell how sure the means are")
    if arguments.quick:
        arguments.scenarios = min(arguments.scenarios, 3)
    return arguments


def run_sweep(sweep: Sweep, description: str | None) -> None:
    """Draws the SCR of every solver against the swept quantity."""
    arguments = options(description)
    values, points = sweep_points(sweep, arguments)
    scr = figures_of(points, "scr")
    rows = table(scr, values, sweep.label, "SCR")
    write_csv(arguments.output / f"{sweep.name}.csv", rows)

    figure, axes = new_figure()
    for name in NAMES:
        draw_band(axes, name, values, scr[name])
    if sweep.logarithmic:
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    axes.set_xlabel(sweep.label)
    axes.set_ylabel("service-cost ratio")
    finish(figure, axes, arguments, sweep.name)


def sweep_points(
    sweep: Sweep, arguments: argparse.Namespace
) -> tuple[Array, list[list[dict[str, Any]]]]:
    """Returns the values and, for each, the points of all scenarios."""
    values = sweep.values[::2] if arguments.quick else sweep.values
    numbers = range(arguments.scenarios)
    points: list[list[dict[str, Any]]] = []
    with Display(sweep.name, len(values) * len(numbers)) as display:
        for value in values:
            points.append([])
            for number in numbers:
                points[-1].append(solved_point(sweep.config(value), number))
                display.update(sum(map(len, points)))
    return np.array(values), points


def figures_of(points: list[list[dict[str, Any]]], key: str) -> dict[str, Array]:
    """Returns a figure by solver, [values, scenarios]."""
    return {
        name: np.array([[point[name][key] for point in row] for row in points])
        for name in NAMES
    }


def interval(samples: Array) -> tuple[Array, Array]:
    """Returns mean and half width of its 95 % confidence interval, over the last axis.

    Student's t, over scenarios drawn independently.
    """
    count = samples.shape[-1]
    deviation = samples.std(axis=-1, ddof=1) / np.sqrt(count)
    return samples.mean(axis=-1), student.ppf(0.975, count - 1) * deviation


def table(
    samples: dict[str, Array], values: Array, label: str, quantity: str
) -> list[list[Any]]:
    """Returns the rows of a CSV: a value, a solver, mean, half width, scenarios."""
    rows: list[list[Any]] = [
        [label, "solver", f"mean {quantity}", "95 % half width", "scenarios"]
    ]
    for name, data in samples.items():
        mean, half = interval(data)
        rows += [
            [f"{value:g}", name, f"{m:.6g}", f"{h:.3g}", data.shape[-1]]
            for value, m, h in zip(values, mean, half, strict=True)
        ]
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Writes a table, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, to_csv(rows))


def new_figure(panels: int = 1) -> tuple[Any, Any]:
    """Returns a figure that needs no display, and its axes, side by side if several."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.5 + 4 * panels, 4.2), layout="constrained")
    return figure, figure.subplots(1, panels, sharey=True)


def draw_band(
    axes: Any, name: str, x: Array, samples: Array, *, label: bool = True
) -> None:
    """Draws the mean of a solver over x with its 95 % band."""
    mean, half = interval(samples)
    colour = f"C{NAMES.index(name)}"
    text = LABELS[name] if label else None
    axes.plot(x, mean, color=colour, marker=MARKERS[name], ms=4, label=text)
    axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.12, lw=0)


def finish(figure: Any, axes: Any, arguments: argparse.Namespace, name: str) -> None:
    """Adds legend and title and writes the PNG, whole or not at all."""
    for panel in np.atleast_1d(axes):
        panel.grid(alpha=0.3)
    figure.suptitle(
        f"{arguments.scenarios} scenarios, mean and 95 % confidence band", fontsize=10
    )
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    path = arguments.output / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, to_png(figure, dpi=120))
    print(f"{path} and .csv written")
