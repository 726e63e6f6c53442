"""Labels beside lines and points that cover neither one another nor other points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]  # points: left, bottom, right, top

#: Points between the centres of two labels above one another.
_LABEL_HEIGHT = 11.0

# Where a point's label may stand: points from it, and degrees.
_RADII = (7, 11, 16, 22, 30, 40, 52, 66, 82, 100, 120, 145)
_ANGLES = (0, 180, 35, -35, 145, -145, 90, -90, 60, -60, 120, -120)


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
    axes: Any,
    named: Sequence[tuple[str, float, float, str]],
    drawn: Array,
    fontsize: float = 8.5,
) -> None:
    """Writes a label beside each point, where it covers no other label or point.

    Call it last: it needs the final limits. Labels try places around their point, near
    ones first, and are tied to it by a thin line. Where all places are taken they
    cover what is drawn, but never one another.

    Args:
        axes: with the points.
        named: label, x, y and colour of each.
        drawn: [K, 2] x and y of what else is drawn, such as points along lines.
        fontsize: points.
    """
    points = 72 / axes.figure.dpi
    places = axes.transData.transform([(x, y) for _, x, y, _ in named]) * points
    others = axes.transData.transform(np.reshape(drawn, (-1, 2))) * points
    room = np.array(axes.bbox.extents) * points
    dots = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    lines = [(x - 1, y - 1, x + 1, y + 1) for x, y in others]
    labels: list[Box] = []
    for i in np.argsort(-places[:, 1], kind="stable"):
        label, x, y, colour = named[i]
        size = 0.58 * fontsize * len(label), 1.2 * fontsize
        boxes = [box for box in _around(places[i], size) if _inside(box, room)]
        for taken in ([*labels, *dots, *lines], [*labels, *dots], labels):
            free = [box for box in boxes if not _meets(box, taken)]
            if free:
                break
        box = (free or boxes)[0]
        labels.append(box)
        text = axes.annotate(
            label,
            (x, y),
            xytext=(box[0] - places[i, 0], (box[1] + box[3]) / 2 - places[i, 1]),
            textcoords="offset points",
            color=colour,
            fontsize=fontsize,
            verticalalignment="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.6,
                "alpha": 0.7,
                "shrinkA": 0,
                "shrinkB": 2,
            },
        )
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
        text.set_in_layout(False)


def _around(place: Array, size: tuple[float, float]) -> Iterator[Box]:
    """Yields boxes of a size around a place, near ones first."""
    (x, y), (width, height) = place, size
    for radius in _RADII:
        for angle in np.radians(_ANGLES):
            dx, dy = radius * np.cos(angle), radius * np.sin(angle)
            side = 0.5 - 0.5 * np.sign(round(dx, 6))  # left of it, above it, right
            left, low = x + dx - width * side, y + dy - height / 2
            yield (left, low, left + width, low + height)


def _inside(box: Box, room: Array) -> bool:
    low, high = room[:2] <= box[:2], room[2:] >= box[2:]
    return bool(low.all() and high.all())


def _meets(box: Box, taken: Sequence[Box]) -> bool:
    return any(
        box[0] < other[2]
        and other[0] < box[2]
        and box[1] < other[3]
        and other[1] < box[3]
        for other in taken
    )
