"""Channel gains as a picture: what a map shows, where there are no positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection

_MOST_VALUES = 20  # users whose gains are written into the cells
_MOST_COLUMNS = 12  # servers, likewise
_MOST_NAMED = 60  # users that are named
_SHADES = "Greys_r"  # the stronger the lighter, so that outlines in colour are seen


def draw_gains(
    axes: Any,
    gain: Any,  # [N, M] linear
    server: Any,  # [N] number of each user's server, or None
    order: Any,  # [N] users from top to bottom
    color: Callable[[int], Any],
) -> None:
    """Draws gains in dB, a row a user and a column a server, in a user's order.

    The servers that the users have are framed in their colours.

    Args:
        axes: of Matplotlib.
        gain: of power.
        server: who is served where; None before the decision.
        order: of the rows.
        color: of a server.
    """
    level_db = 10 * np.log10(gain[order])
    n_users, n_servers = level_db.shape
    low, high = float(level_db.min()), float(level_db.max())
    spare = max(0.15 * (high - low), 3.0)  # so that the weakest is not black
    image = axes.imshow(
        level_db,
        cmap=_SHADES,
        vmin=low - 2 * spare,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
    )
    if n_users <= _MOST_VALUES and n_servers <= _MOST_COLUMNS:
        _write_values(axes, level_db, image)
    if server is not None:
        _frame_chosen(axes, server[order], color)
    every = 1 if n_users <= _MOST_NAMED else 10 ** int(np.log10(n_users / 6))
    rows = np.arange(0, n_users, every)
    axes.set_yticks(rows, order[rows], fontsize=8 if n_users <= 25 else 6.5)
    step = -(-n_servers // 20)
    columns = np.arange(0, n_servers, step)
    axes.set_xticks(columns, [f"S{m}" for m in columns])
    for label, m in zip(axes.get_xticklabels(), columns, strict=True):
        label.set(color=color(int(m)), weight="bold", fontsize=9)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    how = "framed" if n_users <= _MOST_NAMED else "in colour"
    whose = "" if server is None else f"; {how}: the server of each user"
    axes.set_title(f"Channel gains (dB){whose}")
    axes.set_ylabel(
        "user, in the order of the servers" if server is not None else "user"
    )
    axes.set_xlabel("server")


def _write_values(axes: Any, level_db: Any, image: Any) -> None:
    for (n, m), value in np.ndenumerate(level_db):
        brightness = np.dot(image.to_rgba(value)[:3], (0.299, 0.587, 0.114))
        axes.text(
            m,
            n,
            f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=8,
            color="#222222" if brightness > 0.5 else "white",
        )


def _frame_chosen(axes: Any, server: Any, color: Callable[[int], Any]) -> None:
    """Frames one cell a row, inside of its edges; all frames are one collection."""
    n_users = len(server)
    y, x = np.arange(n_users), server
    width = 2.2 if n_users <= _MOST_NAMED else 0.0
    inset = 0.04 if width else 0.0
    left, right = x - 0.5 + inset, x + 0.5 - inset
    low, high = y - 0.5 + inset, y + 0.5 - inset
    corners = np.stack(
        [
            np.stack([left, right, right, left], axis=-1),
            np.stack([low, low, high, high], axis=-1),
        ],
        axis=-1,
    )
    colors = [color(int(m)) for m in server]
    # Frames of many users would hide all cells: theirs are filled instead.
    axes.add_collection(
        PolyCollection(
            list(corners),
            facecolors="none" if width else colors,
            edgecolors=colors,
            linewidths=width,
            zorder=3,
        )
    )
