"""How figures of experiments are drawn, named and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from agents.evaluation.style import STYLE, Look, add_legend, folded, is_narrow, to_file
from agents.storage.folders import write_all
from experiments.figure.tables import KINDS, Block, interval, to_table

Array = Any

_PANEL_IN = 2.1  # height of a panel, its axis included
_LOW_IN = 1.25  # of one with differences
_LEGEND_ROW_IN = 0.16
_ASIDE_IN = 0.03  # from one interval to the next


def panels(width: float, agents: int, heights: Sequence[float]) -> tuple[Figure, Any]:
    """Returns a figure with panels below one another, and room for a legend.

    Args:
        width: inches.
        agents: in the legend.
        heights: of the panels, inches.
    """
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    if is_narrow(figure):
        rows = -(-agents // (4 if width >= 3.3 else 3))
        figure.set_figheight(sum(heights) + _LEGEND_ROW_IN * rows)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)
    return figure, axes[:, 0]


def side_by_side(width: float, agents: int, count: int) -> tuple[Figure, Any]:
    """Returns a figure with panels beside one another, or below in a narrow one."""
    figure, axes = panels(width, agents, [_PANEL_IN] * count)
    if is_narrow(figure):
        return figure, axes
    figure = Figure(figsize=(width, 2.6), layout="constrained")
    return figure, figure.subplots(1, count)


def draw_band(
    axes: Any, block: Block, label: str, look: Look, markevery: Any = None
) -> None:
    """Draws the mean of an agent over the values with its 95 % band."""
    mean, half = interval(block.samples[label])
    axes.plot(block.values, mean, label=label, markevery=markevery, **look.curve)
    axes.fill_between(
        *(block.values, mean - half, mean + half), color=look.colour, alpha=0.13, lw=0
    )


def draw_differences(
    axes: Any, block: Block, labels: Sequence[str], looks: Mapping[str, Look]
) -> None:
    """Draws paired differences to the reference, with their 95 % intervals."""
    assert block.reference is not None
    differences = block.differences()
    axes.axhline(0, **_reference_line(looks[block.reference]))
    lowest = highest = 0.0
    for i, label in enumerate(labels):
        mean, half = interval(differences[label])
        # Beside one another, so that no interval hides another.
        aside = ((i - (len(labels) - 1) / 2) * _ASIDE_IN, 0)
        place = axes.transData + ScaledTranslation(*aside, axes.figure.dpi_scale_trans)
        axes.errorbar(
            *(block.values, mean),
            yerr=half,
            **looks[label].curve,
            elinewidth=0.8,
            capsize=1.6,
            transform=place,
        )
        lowest = min(lowest, np.nanmin(mean - half))
        highest = max(highest, np.nanmax(mean + half))
    margin = 0.06 * (highest - lowest) or 0.01  # what is moved is not scaled for
    axes.set_ylim(lowest - margin, highest + margin)
    axes.set_ylabel(f"difference to\n{block.reference}, %")


def _reference_line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": look.line, "lw": 0.8, "zorder": 1}


def two_panels(
    block: Block, looks: Mapping[str, Look], width: float
) -> tuple[Figure, list[Any]]:
    """Draws bands of all agents, and differences of those whose bands overlap."""
    close = block.overlapping()
    heights = [_PANEL_IN, _LOW_IN] if close else [_PANEL_IN]
    figure, axes = panels(width, len(block.samples), heights)
    for label in block.samples:
        draw_band(axes[0], block, label, looks[label])
    axes[0].set_ylabel(block.quantity)
    if close:
        draw_differences(axes[1], block, close, looks)
        axes[1].sharex(axes[0])
        axes[0].tick_params(labelbottom=False)
    axes[-1].set_xlabel(folded(block.axis, figure))
    figure.align_ylabels(list(axes))
    return figure, list(axes)


def write_figure(
    figure: Figure, name: str, blocks: Sequence[Block], asked: Any, caption: str
) -> None:
    """Adds the legend, writes figure and table, and prints a caption for them.

    Args:
        figure: without a legend.
        name: of the files.
        blocks: the numbers.
        asked: what `figure_parser` has read, or an `Asked` made of it.
        caption: what is shown.

    Raises:
        ValueError: other files of these names are there, and may not be replaced.
        OSError: they cannot be written.
    """
    add_legend(figure)
    files: dict[str, bytes] = {
        f"{name}.{asked.format}": to_file(figure, asked.format),
        f"{name}.{KINDS[asked.table]}": to_table(blocks, asked.table, caption).encode(),
    }
    write_files(asked.output, files, overwrite=asked.overwrite)
    print(f"{', '.join(str(asked.output / file) for file in files)} written.")
    print(caption)


def write_files(
    folder: Path, files: Mapping[str, bytes], *, overwrite: bool = False
) -> None:
    """Writes files, each whole; none if another one of a name is there.

    Raises:
        ValueError: there is, and it may not be replaced.
        OSError: they cannot be written.
    """
    if not overwrite:
        for name, content in files.items():
            if (path := folder / name).exists() and path.read_bytes() != content:
                raise ValueError(
                    f"{str(path)!r} is there, and is another. Give another --output, "
                    "or --overwrite; what was computed is kept."
                )
    write_all(folder, files)


def styled() -> Any:
    """Returns a context in which figures are drawn."""
    return matplotlib.rc_context(STYLE)
