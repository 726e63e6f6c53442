"""The panels of a picture of a decision: map, shares, delays and energies.

Colour and marker stand for the server everywhere, shade for the phase of the work. In
an episode of slots, trails show where users come from, dashes which server they have
left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome
from mec_llm_env.rendering.gain_matrix import draw_gains
from mec_llm_env.scenario import Scenario

# Okabe and Ito's palette, safe for colour-blind readers (without black and yellow);
# from the seventh server on it repeats with other markers.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "^", "D", "v", "P", "s", "X", "<", "p", ">")
INK, FAINT, _IDLE, _NEUTRAL = "#222222", "#6B7280", "#ECEEF1", "#8A94A3"
_TRAIL = "#C3C9D2"

# Phases from dark to light: share of black (below 0) or white mixed into the colour.
_SHADES = {"local": -0.45, "uplink": 0.0, "server": 0.45, "downlink": 0.78}

_MOST_NAMED_USERS = 50  # more get no label of their own
_MOST_LABELLED_POINTS = 20  # on the map
_MOST_LABELLED_SERVERS = 12  # at the bars; more get every fifth or tenth label
_PLATE = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}
_TALLEST = 5.0  # bars beyond this multiple of the median are cut


class Episode(NamedTuple):
    """Where in an episode of slots a decision is. N users."""

    slot: int  # from 1
    slots: int  # T
    scr: float  # of the episode, this decision included
    trails: Any  # [K, N, 2] m, the last places, that of this slot the last; NaN: none
    radius_m: float  # of the cell


class Decision(NamedTuple):
    """What the panels draw, in NumPy; users in the order of their servers."""

    scenario: Scenario
    allocation: Allocation | None
    outcome: Outcome | None
    server: Any  # [N] number of each user's server; None before the decision
    order: Any  # [N] users, by server
    turn: Any  # [N] 0, 1, … within the server, in that order
    left: Any  # [N] number of the server that the user has left; -1: none
    episode: Episode | None


def has_map(scenario: Scenario) -> bool:
    """Whether users and servers have positions."""
    positions = scenario.user_position_m, scenario.server_position_m
    return all(position is not None for position in positions)


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
        axes.scatter(*users.T, s=size, color=_NEUTRAL, edgecolor="white", zorder=3)
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
                linewidth=0.6 if s.n_users <= _MOST_NAMED_USERS else 0.3,
                zorder=3,
            )
    if s.n_users <= _MOST_LABELLED_POINTS:
        for n, position in enumerate(users):
            axes.annotate(
                str(n),
                position,
                (5, 4),
                textcoords="offset points",
                fontsize=8,
                zorder=5,
            )
    few = s.n_servers <= len(_PALETTE)
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
                "facecolor": _shade(color_of(m), -0.25),
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
        _add_keys(axes, keys, 0.995, handlelength=2.2)


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


def draw_panels(panels: Sequence[Any], decision: Decision) -> None:
    """Draws the shares of the servers, and the delays and energies of the users."""
    s, z = decision.scenario, decision.allocation
    bandwidth, compute, delay, energy = panels
    granted = None if z is None else z.bandwidth_hz
    limit = s.bandwidth_max_hz
    _draw_shares(bandwidth, "Bandwidth", granted, limit, 1e6, "MHz", decision)
    granted = None if z is None else z.server_frequency_hz
    limit = s.server_frequency_max_hz
    _draw_shares(compute, "Compute", granted, limit, 1e9, "GHz", decision)
    _draw_phases(delay, "Delay per user (s)", "delay", "s", decision)
    _draw_phases(energy, "Energy per user (J)", "energy", "J", decision)
    energy.set_xlabel("user" if z is None else "user, in the order of the servers")
    keys = [
        Patch(facecolor=_shade(_NEUTRAL, shade), label=phase)
        for phase, shade in _SHADES.items()
    ]
    if s.serving is not None:
        keys.append(
            Patch(facecolor="white", edgecolor=INK, hatch="/////", label="migration")
        )
    _add_keys(delay, keys, 0.97, handlelength=1.1, handleheight=0.9)


def _add_keys(axes: Any, keys: list[Any], bottom: float, **look: float) -> None:
    """Adds a legend in a row above the axes, at the right."""
    axes.legend(
        handles=keys,
        ncols=len(keys),
        loc="lower right",
        bbox_to_anchor=(1.0, bottom),
        borderaxespad=0.0,
        columnspacing=1.2,
        **look,
    )


def _draw_shares(
    axes: Any,
    title: str,
    granted: Any,  # [N] or None
    capacity: Any,  # [M]
    unit: float,
    unit_name: str,
    decision: Decision,
) -> None:
    """Draws one bar per server, one segment per user; idle parts are hatched."""
    m = len(capacity)
    few = m <= _MOST_LABELLED_SERVERS
    height = 0.62 if m <= 2 else 0.8
    axes.barh(range(m), 100, height, color=_IDLE, hatch="////" if few else None)
    idle = 1.0
    if granted is not None:
        server = decision.server[decision.order]
        width = (100 * granted / capacity[decision.server])[decision.order]
        end = np.cumsum(width)
        first = np.searchsorted(server, server)  # of the same server
        start = end - width - (end - width)[first]
        # Every other user is lighter, so that segments are told apart.
        shades = 0.45 * (decision.turn % 2)
        colors = [_shade(color_of(m), a) for m, a in zip(server, shades, strict=True)]
        _fill(axes, start, server - height / 2, width, height, colors)
        if few:
            _name_segments(axes, start, width, colors, decision)
        # Rounding may leave less than nothing.
        idle = max(0.0, 1 - granted.sum() / capacity.sum())
    axes.set_title(title)
    axes.set_title(f"{100 * idle:.0f} % idle", loc="right", fontsize=8, color=FAINT)
    axes.set_xlim(0, 100)
    middle, reach = (m - 1) / 2, max(m, 2) / 2
    axes.set_ylim(middle + reach, middle - reach)
    axes.set_xlabel("share of the server's capacity (%)", labelpad=1)
    rows = np.arange(0, m, 1 if few else 5 if m <= 30 else 10)
    labels = [f"S{k}  {capacity[k] / unit:.3g} {unit_name}" for k in rows]
    axes.set_yticks(rows, labels, fontsize=8 if m <= 6 else 7)
    axes.tick_params(axis="y", length=0)


def _name_segments(
    axes: Any, start: Any, width: Any, colors: list[Any], decision: Decision
) -> None:
    """Writes the user's number into every segment that has room for it."""
    size = 8 if decision.scenario.n_servers <= 4 else 6
    for n, left, share, color in zip(decision.order, start, width, colors, strict=True):
        if share > 3 + 2.4 * len(str(n)):
            brightness = np.dot(color, (0.299, 0.587, 0.114))
            axes.text(
                left + share / 2,
                decision.server[n],
                str(n),
                ha="center",
                va="center_baseline",
                fontsize=size,
                color=INK if brightness > 0.55 else "white",
            )


def _draw_phases(
    axes: Any, title: str, quantity: str, unit: str, decision: Decision
) -> None:
    """Draws a bar a user, stacked by phase; bars far above the others are cut."""
    n_users, order, outcome = (
        decision.scenario.n_users,
        decision.order,
        decision.outcome,
    )
    axes.set_title(title)
    middle, reach = (n_users - 1) / 2, max(n_users, 6) / 2 + 0.1
    axes.set_xlim(middle - reach, middle + reach)
    axes.grid(True, axis="y")
    axes.set_xticks([])
    if n_users <= 25:
        axes.set_xticks(range(n_users), order)
    elif n_users <= _MOST_NAMED_USERS:
        axes.set_xticks(range(n_users), order, fontsize=7, rotation=90)
    axes.tick_params(axis="x", length=0)
    if outcome is None or decision.server is None:
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            "no decision yet",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color=FAINT,
        )
        return
    names = [f"{quantity}_{phase}_{unit.lower()}" for phase in _SHADES]
    parts = [getattr(outcome, name)[order] for name in names if hasattr(outcome, name)]
    moving = getattr(outcome, f"{quantity}_migration_{unit.lower()}")[order]
    total = np.sum(parts, axis=0) + moving
    top = _axis_top(total)
    width = 0.8 if n_users <= _MOST_NAMED_USERS else 1.0
    left, bottom = np.arange(n_users) - width / 2, np.zeros(n_users)
    for part, shade in zip(parts, _SHADES.values(), strict=False):
        colors = [_shade(color_of(m), shade) for m in decision.server[order]]
        _fill(axes, left, bottom, width, np.minimum(part, 2 * top - bottom), colors)
        bottom = bottom + part
    moved = np.flatnonzero(moving)
    axes.bar(
        moved,
        np.clip(moving, 0, np.maximum(2 * top - bottom, 0))[moved],
        width,
        bottom[moved],
        facecolor="white",
        edgecolor=INK,
        linewidth=0.6,
        hatch="/////" if n_users <= _MOST_NAMED_USERS else None,
        zorder=2,
    )
    axes.set_ylim(0, top)
    cut = np.flatnonzero(total > top)
    for i in cut[: _MOST_LABELLED_POINTS if n_users <= _MOST_NAMED_USERS else 0]:
        axes.annotate(
            f"{short(total[i])} {unit} ▲",
            (i, top),
            (0, -2),
            textcoords="offset points",
            rotation=90 if n_users > 12 else 0,
            ha="center",
            va="top",
            fontsize=7,
            bbox=_PLATE,
        )
    if len(cut) and n_users > _MOST_NAMED_USERS:
        axes.text(
            0.995,
            0.95,
            f"{counted(len(cut), 'bar')} cut, the highest {short(total.max())} {unit}",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=7,
            bbox=_PLATE,
        )


def _axis_top(total: Any) -> float:
    """Returns where the axis ends: above all bars unless some are far too high."""
    high = float(total.max())
    usual = _TALLEST * float(np.median(total))
    kept = total[total <= usual]
    return 1.1 * high if high <= usual else 1.25 * float(kept.max())


def _fill(
    axes: Any, left: Any, bottom: Any, width: Any, height: Any, colors: Any
) -> None:
    """Adds one rectangle a row, all in one collection; scalars are broadcast."""
    left, bottom, width, height = np.broadcast_arrays(left, bottom, width, height)
    x = np.stack([left, left + width, left + width, left], axis=-1)
    y = np.stack([bottom, bottom, bottom + height, bottom + height], axis=-1)
    axes.add_collection(
        PolyCollection(
            list(np.stack([x, y], axis=-1)), facecolors=colors, linewidths=0, zorder=2
        )
    )


def color_of(server: int) -> str:
    """Returns the colour of a server."""
    return _PALETTE[server % len(_PALETTE)]


def marker_of(server: int) -> str:
    """Returns the marker of a server's users on the map."""
    # No two of the first 60 servers have the same colour and marker.
    turns = server // 30  # lcm of 6 colours and 10 markers
    return _MARKERS[(server + turns) % len(_MARKERS)]


def _shade(color: str, amount: float) -> Any:
    """Returns a colour mixed with white, or with black if `amount` is below 0."""
    target = 1.0 if amount > 0 else 0.0
    return tuple(c + abs(amount) * (target - c) for c in to_rgb(color))


def short(value: float) -> str:
    """Returns a number of three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def counted(number: int, noun: str) -> str:
    """Returns such as "2 users"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
