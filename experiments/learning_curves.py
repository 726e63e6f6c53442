"""Learning curves: the share of the bound in validation, over decisions in training.

    python -m experiments.learning_curves runs/ppo/MecLlmMobile-v0_* --agents lookahead

Runs that differ in their seed alone are one curve, their mean over seeds with a 95 %
confidence band. Agents that need no training decide the same validation instances, and
are lines across.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import EngFormatter

from agents.console.command_line import one_line_errors
from agents.console.terminal import run_script
from agents.evaluation.selection import Entry, common_environment, select
from agents.evaluation.style import looks_of
from agents.problems.instances import figures_of, validation_instances
from agents.problems.tasks import make_task
from agents.registry import make_agent, run_config
from agents.storage.folders import check_writable
from experiments.figure.drawing import draw_band, panels, styled, write_figure
from experiments.figure.options import figure_parser
from experiments.figure.sweeps import program
from experiments.figure.tables import Block
from mec_llm_env.files import read_arrays

Array = Any

NAME = "learning_curves"
_QUANTITY = "share of the bound, validation"
_HEIGHT_IN = 2.4


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws; returns the status."""
    parser = figure_parser(program(NAME), __doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument(
        "--agents", nargs="+", default=[], metavar="AGENT", help="lines across (none)"
    )
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        for name in options.runs:
            if run_config(name) is None:
                raise ValueError(f"{name!r} is not the folder of a training run.")
        for name in options.agents:
            if run_config(name) is not None:
                raise ValueError(
                    f"--agents are those that need no training; got {name!r}. Give "
                    "runs without --agents before them."
                )
        env_id, kwargs = common_environment(options.runs, None, None)
        task = make_task(env_id, **kwargs)
        entries = select([*options.runs, *options.agents], task)
        archives = [
            [evaluations(name) for name in entry.names]
            for entry in entries
            if entry.is_trained
        ]
        steps, bound = _common(entries, archives)
        check_writable(options.output)
    samples = {
        entry.label: np.stack([share(a, steps) for a in own], axis=-1)
        for entry, own in zip(entries, archives, strict=False)
    }
    instances = validation_instances(task.config, len(bound))
    for entry in entries[len(archives) :]:
        agent = make_agent(entry.names[0], task)
        scr = figures_of(agent, task, instances)["scr"]
        across = float(np.mean(scr / bound))
        samples[entry.label] = np.full((len(steps), 1), across)
    block = Block(axis="decisions", values=steps, quantity=_QUANTITY, samples=samples)
    with one_line_errors(parser.prog), styled():
        draw(block, entries, options)
    return 0


def evaluations(run: str) -> dict[str, Array]:
    """Returns the evaluations of a run.

    Raises:
        ValueError: they are damaged, or have no bounds.
        OSError: they cannot be read.
    """
    path = Path(run) / "evaluations.npz"
    try:
        archive = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}.") from None
    if "bound" not in archive:
        raise ValueError(f"{str(path)!r} has no bounds, so there are no shares of any.")
    return archive


def share(archive: dict[str, Array], steps: Array) -> Array:
    """Returns the mean share of the bound after so many decisions, at each of them."""
    rows = np.searchsorted(archive["timesteps"], steps)
    return (archive["results"][rows] / archive["bound"]).mean(axis=-1)


def _common(
    entries: Sequence[Entry], archives: Sequence[Sequence[dict[str, Array]]]
) -> tuple[Array, Array]:
    """Returns when all runs were evaluated alike, and the bounds of the instances.

    Raises:
        ValueError: never, or on other instances.
    """
    every = [archive for own in archives for archive in own]
    names = [name for entry in entries if entry.is_trained for name in entry.names]
    steps, bound = every[0]["timesteps"], every[0]["bound"]
    for name, archive in zip(names, every, strict=True):
        steps = np.intersect1d(steps, archive["timesteps"])
        alike = np.array_equal(archive["bound"], bound)
        if not alike or len(steps) < 2:
            what = "on other instances than" if not alike else "at no decisions of"
            raise ValueError(
                f"{name} was evaluated {what} {names[0]}. Draw them apart."
            )
    return steps, bound


def draw(block: Block, entries: Sequence[Entry], options: Any) -> None:
    """Draws and writes the figure and its numbers."""
    figure, axes = panels(options.width, len(entries), [_HEIGHT_IN])
    looks = looks_of(entries)
    seeds = {entry.label: len(entry.names) for entry in entries if entry.is_trained}
    for label, samples in block.samples.items():
        if seeds.get(label, 1) > 1:
            draw_band(axes[0], block, label, looks[label], markevery=5)
        else:
            look = looks[label].curve
            if label not in seeds:
                look |= {"marker": ""}
            axes[0].plot(block.values, samples[:, 0], label=label, **look)
    axes[0].xaxis.set_major_formatter(EngFormatter(sep=""))  # 50k, 1M
    axes[0].set_xlabel("decisions in training")
    axes[0].set_ylabel(block.quantity)
    low = min(float(np.min(samples[1:])) for samples in block.samples.values())
    axes[0].set_ylim(bottom=low - 0.005)
    many = ", ".join(f"{label}: {count}" for label, count in seeds.items())
    text = f"Means over seeds ({many}), with 95 % confidence bands of the mean."
    write_figure(figure, NAME, [block], options, text)


if __name__ == "__main__":
    raise SystemExit(run_script(main, program(NAME)))
