"""Panels of bars: shares of servers, delays and energies of users.

Colour stands for the server everywhere, shade for the phase of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from mec_llm_env.rendering.parts import (
    FAINT,
    INK,
    MOST_LABELLED_POINTS,
    MOST_NAMED_USERS,
    NEUTRAL,
    Decision,
    add_keys,
    color_of,
    counted,
    shade_of,
    short,
)

# Phases from dark to light: share of black (below 0) or white mixed into the colour.
_SHADES = {"local": -0.45, "uplink": 0.0, "server": 0.45, "downlink": 0.78}

_IDLE = "#ECEEF1"
_MOST_LABELLED_SERVERS = 12  # at the bars; more get every fifth or tenth label
_PLATE = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}
_TALLEST = 5.0  # bars beyond this multiple of the median are cut


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
        Patch(facecolor=shade_of(NEUTRAL, shade), label=phase)
        for phase, shade in _SHADES.items()
    ]
    if s.serving is not None:
        keys.append(
            Patch(facecolor="white", edgecolor=INK, hatch="/////", label="migration")
        )
    add_keys(delay, keys, 0.97, handlelength=1.1, handleheight=0.9)


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
        colors = [shade_of(color_of(m), a) for m, a in zip(server, shades, strict=True)]
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
    elif n_users <= MOST_NAMED_USERS:
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
    width = 0.8 if n_users <= MOST_NAMED_USERS else 1.0
    left, bottom = np.arange(n_users) - width / 2, np.zeros(n_users)
    for part, shade in zip(parts, _SHADES.values(), strict=False):
        colors = [shade_of(color_of(m), shade) for m in decision.server[order]]
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
        hatch="/////" if n_users <= MOST_NAMED_USERS else None,
        zorder=2,
    )
    axes.set_ylim(0, top)
    cut = np.flatnonzero(total > top)
    for i in cut[: MOST_LABELLED_POINTS if n_users <= MOST_NAMED_USERS else 0]:
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
    if len(cut) and n_users > MOST_NAMED_USERS:
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
