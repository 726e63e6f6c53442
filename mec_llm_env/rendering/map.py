"""The map of a decision: who is where, and served from where.

In an episode of slots, trails show where users come from, dashes which server they have
left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from mec_llm_env.rendering.gain_matrix import draw_gains
from mec_llm_env.rendering.parts import (
    INK,
    MOST_LABELLED_POINTS,
    MOST_NAMED_USERS,
    NEUTRAL,
    PALETTE,
    Decision,
    Episode,
    add_keys,
    color_of,
    has_map,
    marker_of,
    shade_of,
)

_TRAIL = "#C3C9D2"


def draw_places(axes: Any, decision: Decision) -> None:
    """Draws the map, or the channel gains where there are no positions."""
    if has_map(decision.scenario):
        _draw_map(axes, decision)
    else:
        gain, server = decision.scenario.channel_gain, decision.server
        draw_gains(axes, gain, server, decision.order, color_of)


def _draw_map(axes: Any, decision: Decision) -> None:
    s, server = decision.scenario, decision.server
    users, servers = s.user_position_m, s.server_position_m
    assert users is not None  # `has_map`
    assert servers is not None
    size = float(np.clip(1500 / s.n_users, 7, 60))
    _draw_paths(axes, decision)
    if server is None:
        axes.scatter(*users.T, s=size, color=NEUTRAL, edgecolor="white", zorder=3)
    else:
        colors = [color_of(m) for m in server]
        ends = np.stack([users, servers[server]], axis=1)
        width = float(np.clip(40 / s.n_users, 0.4, 1.4))
        axes.add_collection(
            LineCollection(
                list(ends), colors=colors, linewidths=width, alpha=0.55, zorder=2
            )
        )
        for m in np.unique(server):
            axes.scatter(
                *users[server == m].T,
                s=size,
                color=color_of(m),
                marker=marker_of(m),
                edgecolor="white",
                linewidth=0.6 if s.n_users <= MOST_NAMED_USERS else 0.3,
                zorder=3,
            )
    if s.n_users <= MOST_LABELLED_POINTS:
        for n, position in enumerate(users):
            axes.annotate(
                str(n),
                position,
                (5, 4),
                textcoords="offset points",
                fontsize=8,
                zorder=5,
            )
    few = s.n_servers <= len(PALETTE)
    for m, position in enumerate(servers):
        axes.annotate(
            f"S{m}" if s.n_servers <= 20 else str(m),
            position,
            ha="center",
            va="center",
            fontsize=9 if few else 7 if s.n_servers <= 20 else 5.5,
            weight="bold",
            color="white",
            zorder=6,
            bbox={
                "boxstyle": "round,pad=0.35" if few else "round,pad=0.2",
                "facecolor": shade_of(color_of(m), -0.25),
                "edgecolor": "white",
            },
        )
    _frame_map(axes, np.concatenate([users, servers]), decision.episode)


def _draw_paths(axes: Any, decision: Decision) -> None:
    """Draws trails of users, and dashes to the servers that they have left."""
    s, episode, left = decision.scenario, decision.episode, decision.left
    users, servers = s.user_position_m, s.server_position_m
    assert users is not None  # `has_map`
    assert servers is not None
    keys, look = [], dict[str, Any]()
    if episode is not None:
        ends = np.stack([episode.trails[:-1], episode.trails[1:]], axis=2)
        known = np.isfinite(ends).all(axis=(2, 3))
        look = {"color": _TRAIL, "linewidth": float(np.clip(24 / s.n_users, 0.6, 2))}
        paths = LineCollection(list(ends[known]), zorder=1.5, **look)
        axes.add_collection(paths)
        dot = look["linewidth"] + 2
        axes.scatter(
            *episode.trails[:-1][known].T, s=dot**2, color=_TRAIL, linewidths=0
        ).set_zorder(1.6)
        look |= {"marker": "o", "markersize": dot, "markeredgewidth": 0}
        keys.append(Line2D([], [], label="trail, a dot a slot", **look))
    if s.serving is not None:
        moved = left >= 0
        width = float(np.clip(30 / s.n_users, 0.6, 1.3))
        look = {"color": INK, "linewidth": width, "linestyle": (0, (4, 3))}
        ends = np.stack([users[moved], servers[left[moved]]], axis=1)
        axes.add_collection(LineCollection(list(ends), zorder=2.5, **look))
        keys.append(Line2D([], [], label="migrates from", **look))
    if keys:
        add_keys(axes, keys, 0.995, handlelength=2.2)


def _frame_map(axes: Any, points: Any, episode: Episode | None) -> None:
    """Sets square limits around the points, with room for labels.

    In an episode around the cell, so that the frame stays where it is.
    """
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    if episode is not None:
        centre = np.zeros(2)
        points = np.append(points, [[episode.radius_m, 0.0]], axis=0)
        axes.add_patch(
            Circle((0, 0), episode.radius_m, fill=False, edgecolor="#B8BEC8", zorder=1)
        )
    reach = max(float(np.abs(points - centre).max()) * 1.08, 1.0)
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)
    axes.set_aspect("equal", anchor="NW")
    axes.grid(True)
    axes.set_title("Cell map")
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")
    axes.yaxis.set_label_coords(-0.09, 0.5)
