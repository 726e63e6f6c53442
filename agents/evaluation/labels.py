"""Labels beside lines and points that cover neither one another nor other points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

#: Points between the centres of two labels above one another.
_LABEL_HEIGHT = 11.0


def settle(figure: Figure, right: float = 1.0) -> None:
    """Lays out the figure once and for all, so that places in it are final.

    Args:
        figure: with everything in it but its labels.
        right: share of the width that is not kept free for labels.
    """
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, right, 1))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def name_ends(
    axes: Any, ends: Sequence[tuple[str, float, float, str]], shift_points: float = 14
) -> None:
    """Writes labels to the right of where lines end, above one another.

    Call it last: it needs the final limits.

    Args:
        axes: with the lines.
        ends: label, x and y of the end, and colour.
        shift_points: from the right edge to the labels.
    """
    if not ends:
        return
    figure = axes.figure
    points = 72 / figure.dpi
    places = axes.transData.transform([(x, y) for _, x, y, _ in ends]) * points
    right = axes.bbox.x1 * points
    bottom, top = axes.bbox.y0 * points, axes.bbox.y1 * points
    order = np.argsort(places[:, 1], kind="stable")
    heights = spread(places[order, 1], _LABEL_HEIGHT, bottom, top)
    for i, height in zip(order, heights, strict=True):
        label, x, y, colour = ends[i]
        end = (right + shift_points - places[i, 0], height - places[i, 1])
        axes.annotate(
            label,
            (x, y),
            xytext=end,
            textcoords="offset points",
            color=colour,
            fontsize=9,
            verticalalignment="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        ).set_in_layout(False)


def spread(wanted: Any, distance: float, bottom: float, top: float) -> Any:
    """Returns heights near the sorted `wanted`, at least `distance` apart.

    Neighbours that are too near become a block around the mean of what they wanted
    (pool adjacent violators, least squares), which then stays in [bottom, top].
    """
    steps = np.arange(len(wanted)) * distance
    blocks: list[list[float]] = []  # of wanted height less the steps below it
    for value in np.asarray(wanted) - steps:
        blocks.append([float(value)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = np.concatenate([np.full(len(b), np.mean(b)) for b in blocks])
    return np.clip(level, bottom, max(top - steps[-1], bottom)) + steps


def name_points(
    axes: Any, named: Sequence[tuple[str, float, float, str]], fontsize: float = 8.5
) -> None:
    """Writes a label beside each point, where it covers no other label or point.

    Call it last: it needs the final limits. Labels try places around their point, near
    ones first, and are tied to it by a thin line.

    Args:
        axes: with the points.
        named: label, x, y and colour of each.
        fontsize: points.
    """
    figure = axes.figure
    points = 72 / figure.dpi
    places = axes.transData.transform([(x, y) for _, x, y, _ in named]) * points
    x0, y0, x1, y1 = np.array(axes.bbox.extents) * points
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for i in np.argsort(-places[:, 1], kind="stable"):
        label, x, y, colour = named[i]
        width, height = 0.56 * fontsize * len(label), 1.15 * fontsize
        best = None
        for radius in (7, 14, 22, 32, 44, 58, 74, 92):
            for angle in (0, 180, 35, -35, 145, -145, 90, -90):
                dx = radius * np.cos(np.radians(angle))
                dy = radius * np.sin(np.radians(angle))
                left = places[i, 0] + dx - width * (0.5 - 0.5 * np.sign(round(dx, 6)))
                low = places[i, 1] + dy - height / 2
                box = (left, low, left + width, low + height)
                inside = x0 <= box[0] and box[2] <= x1 and y0 <= box[1] and box[3] <= y1
                if inside and not any(_overlap(box, other) for other in taken):
                    best = box
                    break
            if best:
                break
        box = best or (places[i, 0] + 7, places[i, 1], places[i, 0] + 7 + width, 0.0)
        taken.append(box)
        axes.annotate(
            label,
            (x, y),
            xytext=(box[0] - places[i, 0], box[1] + height / 2 - places[i, 1]),
            textcoords="offset points",
            color=colour,
            fontsize=fontsize,
            verticalalignment="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.5,
                "alpha": 0.5,
                "shrinkA": 0,
                "shrinkB": 3,
            },
        ).set_in_layout(False)


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return (
        one[0] < other[2]
        and other[0] < one[2]
        and one[1] < other[3]
        and other[1] < one[3]
    )
