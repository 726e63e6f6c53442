"""Pictures of a decision: who is served where, shares, delays and energies.

Colour stands for the server everywhere, shade for the phase of the work. In an episode
of slots, trails show where users come from, dashes which server they have left. Needs
the extra `render` (matplotlib); draws on an Agg canvas, without pyplot and its state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import DependencyNotInstalled

from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome
from mec_llm_env.scenario import Scenario

try:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Patch
except ImportError as error:
    raise DependencyNotInstalled(
        'Rendering needs matplotlib; install it with: pip install "mec-llm-env[render]"'
    ) from error

from mec_llm_env.gain_matrix import draw_gains  # needs Matplotlib

#: Height and width of a picture; multiples of 16, as video encoders want.
SIZE = (720, 1280)

# Okabe and Ito's palette, safe for colour-blind readers (without black and yellow);
# from the seventh server on it repeats with other markers.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "^", "D", "v", "P", "s", "X", "<", "p", ">")
_INK, _FAINT, _IDLE, _NEUTRAL = "#222222", "#6B7280", "#ECEEF1", "#8A94A3"
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


class _Decision(NamedTuple):
    """What the panels draw, in NumPy; users in the order of their servers."""

    scenario: Scenario
    allocation: Allocation | None
    outcome: Outcome | None
    server: Any  # [N] number of each user's server; None before the decision
    order: Any  # [N] users, by server
    turn: Any  # [N] 0, 1, … within the server, in that order
    left: Any  # [N] number of the server that the user has left; -1: none
    episode: Episode | None


def draw_decision(
    scenario: Scenario,
    allocation: Allocation | None = None,
    outcome: Outcome | None = None,
    episode: Episode | None = None,
) -> np.ndarray[Any, Any]:
    """Draws one decision, or the scenario before it.

    A map of users and servers, or the channel gains where positions are absent, the
    shares of bandwidth and compute of each server with what is idle, and each user's
    delay and energy by phase. Where the scenario says who holds training states
    (`serving`), migrations are marked. Equal arguments give equal pixels.

    Args:
        scenario: a single scenario, without batch axes.
        allocation: the decision on it, if there is one.
        outcome: of the allocation, if there is one.
        episode: where in an episode of slots it is; None: it stands alone.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ValueError: the scenario is a batch.
    """
    decision = _as_decision(scenario, allocation, outcome, episode)
    with _styled():
        figure = Figure(figsize=(SIZE[1] / 100, SIZE[0] / 100), dpi=100)
        canvas = FigureCanvasAgg(figure)
        _draw_title(figure, decision)
        _draw_places(figure.add_axes((0.056, 0.08, 0.4275, 0.76)), decision)
        _draw_panels(_screen_panels(figure, 0.555), decision)
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3].copy()


def decision_figure(
    scenario: Scenario,
    allocation: Allocation | None = None,
    outcome: Outcome | None = None,
    episode: Episode | None = None,
    *,
    width_in: float = 7.16,
) -> Figure:
    """Draws one decision for print, as vectors: `decision_figure(…).savefig("x.pdf")`.

    It shows what `draw_decision` does, without a title, at its printed size: letters
    are of 7 to 9 points. From 5 inches on the map is beside the other panels, below
    that above them. Fonts are embedded into PDF (TrueType), and text in SVG stays text.
    Servers differ in marker, too, so that they are told apart in grey.

    Args:
        scenario: a single scenario, without batch axes.
        allocation: the decision on it, if there is one.
        outcome: of the allocation, if there is one.
        episode: where in an episode of slots it is; None: it stands alone.
        width_in: of the figure, inches; a column of most journals has 3.5, a page 7.16.

    Returns:
        A figure of Matplotlib, not known to pyplot. Axes can be changed before it is
        saved.

    Raises:
        ValueError: the scenario is a batch, or the width is not from 3 to 20 inches.
    """
    if not _NARROWEST_IN <= width_in <= _WIDEST_IN:  # also NaN
        raise ValueError(
            f"`width_in` must be from {_NARROWEST_IN:g} to {_WIDEST_IN:g} inches; got "
            f"{width_in}. A column of most journals has 3.5, a page 7.16."
        )
    decision = _as_decision(scenario, allocation, outcome, episode)
    with _styled():
        wide = width_in >= _WIDE_IN
        size = (width_in, 5.2 if wide else min(width_in, 4.0) + 5.0)
        figure = _PrintedFigure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        ratios = None if wide else [min(width_in, 4.0), 5.0]
        parts = figure.add_gridspec(*((1, 2) if wide else (2, 1)), height_ratios=ratios)
        places = figure.add_subplot(parts[0])
        _draw_places(places, decision)
        places.set_title(places.get_title(loc="left").partition(";")[0])
        rows = parts[1].subgridspec(4, 1)
        panels = [figure.add_subplot(rows[i]) for i in range(4)]
        _draw_panels(panels, decision)
        _arrange_for_print(figure, panels)
    return figure


class _PrintedFigure(Figure):
    """A figure that is saved in the style in which it was drawn."""

    def savefig(self, *arguments: Any, **options: Any) -> None:
        """Saves the figure, as Matplotlib does."""
        with _styled():  # ticks are made when they are first needed
            matplotlib.rcParams.update(_PRINT)
            super().savefig(*arguments, **options)


_PRINT: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "decision"}
_NARROWEST_IN, _WIDE_IN, _WIDEST_IN = 3.0, 5.0, 20.0


@contextmanager
def _styled() -> Iterator[None]:
    """Sets Matplotlib's settings to ours, whatever the user has set."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _arrange_for_print(figure: Figure, panels: Sequence[Any]) -> None:
    """Says once what panels share, and puts the legend of phases below all."""
    panels[0].set_xlabel("")
    legend = panels[2].get_legend()
    figure.legend(
        handles=legend.legend_handles,
        labels=[text.get_text() for text in legend.get_texts()],
        loc="outside lower right",
        ncols=3 if figure.get_figwidth() < _WIDE_IN else 5,
        handlelength=1.1,
        columnspacing=1.2,
    )
    legend.remove()


_STYLE: Any = {
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": "#B8BEC8",
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "grid.color": "#E3E6EB",
    "grid.linewidth": 0.7,
    "hatch.color": "#C9CED6",
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.color": "#B8BEC8",
    "ytick.color": "#B8BEC8",
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def _as_decision(
    scenario: Scenario,
    allocation: Allocation | None,
    outcome: Outcome | None,
    episode: Episode | None,
) -> _Decision:
    if scenario.batch_shape:
        raise ValueError(
            "One scenario is drawn at a time; got batch shape "
            f"{scenario.batch_shape}. Draw scenario[i], allocation[i], outcome[i]."
        )
    order = turn = np.arange(scenario.n_users)
    scenario = scenario.to_numpy()
    left = np.full(scenario.n_users, -1)
    server = None
    if allocation is not None:
        allocation = allocation.to_numpy()
        server = allocation.association.argmax(axis=-1)
        order = server.argsort(kind="stable")
        turn = turn - np.searchsorted(server[order], server[order])
        if (serving := scenario.serving) is not None:
            holder = serving.argmax(axis=-1)
            moved = serving.any(axis=-1) & (holder != server)
            left = np.where(moved, holder, -1)
    return _Decision(
        scenario=scenario,
        allocation=allocation,
        outcome=None if outcome is None else outcome.to_numpy(),
        server=server,
        order=order,
        turn=turn,
        left=left,
        episode=episode,
    )


def _draw_title(figure: Any, decision: _Decision) -> None:
    s, outcome = decision.scenario, decision.outcome
    text = "No decision yet" if outcome is None else f"SCR  {float(outcome.scr):.4g}"
    if (episode := decision.episode) is not None:
        text = f"Slot {episode.slot} of {episode.slots}"
        if episode.scr > 0:
            text += f"  ·  episode SCR {episode.scr:.4g}"
    figure.text(0.022, 0.945, text, fontsize=17, weight="bold")
    words = [_count(s.n_users, "user"), _count(s.n_servers, "server")]
    if outcome is None and episode is not None:
        words.append("no decision yet in this slot")
    if outcome is not None:
        if episode is not None:
            words.append(f"SCR of the slot {_number(float(outcome.scr))}")
        if s.serving is not None:
            words.append(_count(int((decision.left >= 0).sum()), "migration"))
        words += [
            f"mean delay {_number(outcome.delay_s.mean())} s",
            f"mean energy {_number(outcome.energy_j.mean())} J",
            f"mean score {_number(outcome.score.mean())} of 100",
        ]
    figure.text(0.022, 0.91, "  ·  ".join(words), fontsize=10, color=_FAINT)


def _has_map(scenario: Scenario) -> bool:
    positions = scenario.user_position_m, scenario.server_position_m
    return all(position is not None for position in positions)


def _draw_places(axes: Any, decision: _Decision) -> None:
    """Draws the map, or the channel gains where there are no positions."""
    if _has_map(decision.scenario):
        _draw_map(axes, decision)
    else:
        gain, server = decision.scenario.channel_gain, decision.server
        draw_gains(axes, gain, server, decision.order, _color)


def _draw_map(axes: Any, decision: _Decision) -> None:
    s, server = decision.scenario, decision.server
    users, servers = s.user_position_m, s.server_position_m
    assert users is not None  # `_has_map`
    assert servers is not None
    size = float(np.clip(1500 / s.n_users, 7, 60))
    _draw_paths(axes, decision)
    if server is None:
        axes.scatter(*users.T, s=size, color=_NEUTRAL, edgecolor="white", zorder=3)
    else:
        colors = [_color(m) for m in server]
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
                color=_color(m),
                marker=_marker(m),
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
                "facecolor": _shade(_color(m), -0.25),
                "edgecolor": "white",
            },
        )
    _frame_map(axes, np.concatenate([users, servers]), decision.episode)


def _draw_paths(axes: Any, decision: _Decision) -> None:
    """Draws trails of users, and dashes to the servers that they have left."""
    s, episode, left = decision.scenario, decision.episode, decision.left
    users, servers = s.user_position_m, s.server_position_m
    assert users is not None  # `_has_map`
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
        look = {"color": _INK, "linewidth": width, "linestyle": (0, (4, 3))}
        ends = np.stack([users[moved], servers[left[moved]]], axis=1)
        axes.add_collection(LineCollection(list(ends), zorder=2.5, **look))
        keys.append(Line2D([], [], label="migrates from", **look))
    if keys:
        axes.legend(
            handles=keys,
            ncols=len(keys),
            loc="lower right",
            bbox_to_anchor=(1.0, 0.995),
            borderaxespad=0.0,
            handlelength=2.2,
            columnspacing=1.2,
        )


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


def _screen_panels(figure: Figure, left: float) -> list[Any]:
    """Returns the axes of the shares, above those of delays and energies."""
    width, gap = 0.98 - left, 0.08
    half = (width - gap) / 2
    places = (
        *((left, 0.60, half, 0.24), (left + half + gap, 0.60, half, 0.24)),
        *((left, 0.325, width, 0.165), (left, 0.08, width, 0.165)),
    )
    return [figure.add_axes(place) for place in places]


def _draw_panels(panels: Sequence[Any], decision: _Decision) -> None:
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
            Patch(facecolor="white", edgecolor=_INK, hatch="/////", label="migration")
        )
    delay.legend(
        handles=keys,
        ncols=len(keys),
        loc="lower right",
        bbox_to_anchor=(1.0, 0.97),
        borderaxespad=0.0,
        handlelength=1.1,
        handleheight=0.9,
        columnspacing=1.2,
    )


def _draw_shares(
    axes: Any,
    title: str,
    granted: Any,  # [N] or None
    capacity: Any,  # [M]
    unit: float,
    unit_name: str,
    decision: _Decision,
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
        colors = [_shade(_color(m), a) for m, a in zip(server, shades, strict=True)]
        _fill(axes, start, server - height / 2, width, height, colors)
        if few:
            _name_segments(axes, start, width, colors, decision)
        # Rounding may leave less than nothing.
        idle = max(0.0, 1 - granted.sum() / capacity.sum())
    axes.set_title(title)
    axes.set_title(f"{100 * idle:.0f} % idle", loc="right", fontsize=8, color=_FAINT)
    axes.set_xlim(0, 100)
    middle, reach = (m - 1) / 2, max(m, 2) / 2
    axes.set_ylim(middle + reach, middle - reach)
    axes.set_xlabel("share of the server's capacity (%)", labelpad=1)
    rows = np.arange(0, m, 1 if few else 5 if m <= 30 else 10)
    labels = [f"S{k}  {capacity[k] / unit:.3g} {unit_name}" for k in rows]
    axes.set_yticks(rows, labels, fontsize=8 if m <= 6 else 7)
    axes.tick_params(axis="y", length=0)


def _name_segments(
    axes: Any, start: Any, width: Any, colors: list[Any], decision: _Decision
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
                color=_INK if brightness > 0.55 else "white",
            )


def _draw_phases(
    axes: Any, title: str, quantity: str, unit: str, decision: _Decision
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
            color=_FAINT,
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
        colors = [_shade(_color(m), shade) for m in decision.server[order]]
        _fill(axes, left, bottom, width, np.minimum(part, 2 * top - bottom), colors)
        bottom = bottom + part
    moved = np.flatnonzero(moving)
    axes.bar(
        moved,
        np.clip(moving, 0, np.maximum(2 * top - bottom, 0))[moved],
        width,
        bottom[moved],
        facecolor="white",
        edgecolor=_INK,
        linewidth=0.6,
        hatch="/////" if n_users <= _MOST_NAMED_USERS else None,
        zorder=2,
    )
    axes.set_ylim(0, top)
    cut = np.flatnonzero(total > top)
    for i in cut[: _MOST_LABELLED_POINTS if n_users <= _MOST_NAMED_USERS else 0]:
        axes.annotate(
            f"{_number(total[i])} {unit} ▲",
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
            f"{_count(len(cut), 'bar')} cut, the highest {_number(total.max())} {unit}",
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


def _color(server: int) -> str:
    return _PALETTE[server % len(_PALETTE)]


def _marker(server: int) -> str:
    # No two of the first 60 servers have the same colour and marker.
    turns = server // 30  # lcm of 6 colours and 10 markers
    return _MARKERS[(server + turns) % len(_MARKERS)]


def _shade(color: str, amount: float) -> Any:
    """Returns a colour mixed with white, or with black if `amount` is below 0."""
    target = 1.0 if amount > 0 else 0.0
    return tuple(c + abs(amount) * (target - c) for c in to_rgb(color))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
