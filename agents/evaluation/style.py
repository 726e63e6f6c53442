"""The style of all figures: sizes, colours, lines, the axis of shares, the files.

Figures are drawn at the size at which they are printed, so that letters have theirs.
Colours are of the qualitative schemes "muted" and "vibrant" of Paul Tol (Colour
Schemes, SRON/EPS/TN/09-002, 2021), made to be told apart with any colour vision; all
are dark enough on white paper. Agents of a figure differ in marker, and trained ones
have hollow markers, so that they are told apart when printed in grey, too. Variants of
one algorithm share a colour and differ in line.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.figure_options import SCREEN_IN

Array = np.ndarray[Any, Any]

#: Narrower figures have their legend above, not beside them.
NARROW_IN = 5.0

#: Matplotlib's settings. TrueType fonts are embedded into PDF (`fonttype` 42), and text
#: in SVG stays text.
STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "mec-llm-env",  # so that equal figures are equal files
}

_TRAINED = (
    *("#332288", "#CC6677", "#117733", "#AA4499", "#009988", "#882255", "#999933"),
    *("#0077BB", "#EE7733"),
)
_UNTRAINED = ("#222222", "#555555", "#777777")  # agents that the list does not know
_VARIANTS = ("", "set", "warm", "association", "set association")
_LINES: tuple[Any, ...] = ("-", "--", (0, (1.2, 1.2)), "-.", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "osD^v<>PXdph*H8"

#: Shares of the optimum that may be marked on an axis, the more important ones first.
_TICKS = (0, 0.9, 0.99, 0.999, 0.5, 0.95, 0.995, 0.8, 0.98, 0.998, 0.9995, 0.9999)
_TICK_DISTANCE_IN = {"x": 0.38, "y": 0.15}  # least one between two of them
_PLOT = 0.75  # of a figure's width or height are the axes
_TOP = 0.9999  # higher shares are drawn there


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Colour, line and marker of an agent."""

    colour: str
    line: Any  # as Matplotlib takes it
    marker: str
    filled: bool = True

    @property
    def markers(self) -> dict[str, Any]:
        """Arguments of Matplotlib for markers alone."""
        face = self.colour if self.filled else "white"
        look = {"marker": self.marker, "color": self.colour, "markerfacecolor": face}
        return {**look, "linestyle": ""}

    @property
    def curve(self) -> dict[str, Any]:
        """Arguments of Matplotlib for a curve with markers."""
        return {**self.markers, "linestyle": self.line}


#: Those that everybody compares with look alike in all figures.
_KNOWN = {
    name: Look(colour=colour, line=line, marker=marker)
    for name, colour, line, marker in (
        ("dashf", "#000000", _LINES[0], "o"),
        ("dual", "#0077BB", _LINES[1], "s"),
        ("gucro", "#CC3311", _LINES[3], "D"),
        ("edge", "#EE7733", _LINES[2], "^"),
        ("aauco", "#332288", _LINES[0], "v"),
        ("gucaa", "#009988", _LINES[1], "<"),
        ("rucaa", "#882255", _LINES[2], ">"),
        ("local", "#777777", _LINES[0], "P"),
        ("random", "#AA4499", _LINES[4], "X"),
        ("exact", "#555555", _LINES[4], "*"),
        ("hysteresis", "#CC3311", _LINES[3], "d"),
        ("lookahead", "#009988", _LINES[0], "p"),
        ("clairvoyant", "#777777", _LINES[2], "h"),
    )
}


class Drawn(Protocol):
    """What is known of an agent that is drawn; `AgentResult` is one."""

    @property
    def label(self) -> str:
        """Its name in the figure, of which the first word is the algorithm."""
        ...

    @property
    def is_trained(self) -> bool:
        """Whether it was trained."""
        ...


def looks_of(agents: Sequence[Drawn]) -> dict[str, Look]:
    """Returns a look for each label."""
    families = dict.fromkeys(_family(a.label) for a in agents if a.is_trained)
    looks: dict[str, Look] = {}
    trained = strangers = 0
    for agent in agents:
        family, _, variant = agent.label.partition(" ")
        if agent.is_trained:
            i = list(families).index(_family(agent.label))
            k = _VARIANTS.index(variant) if variant in _VARIANTS else -1
            looks[agent.label] = Look(
                colour=_TRAINED[i % len(_TRAINED)],
                line=_LINES[k],
                marker=_MARKERS[trained % len(_MARKERS)],
                filled=False,
            )
            trained += 1
        elif (known := _KNOWN.get(family.lower())) is not None:
            looks[agent.label] = known
        else:
            looks[agent.label] = Look(
                colour=_UNTRAINED[strangers % len(_UNTRAINED)],
                line=_LINES[strangers % len(_LINES)],
                marker=_MARKERS[-1 - strangers % 2],
            )
            strangers += 1
    return looks


def _family(label: str) -> str:
    """Returns the algorithm of a label such as "ppo set" or "ppo:pretrained"."""
    return label.split()[0].partition(":")[0].lower()


def new_figure(height: float, width: float = SCREEN_IN) -> tuple[Figure, Any]:
    """Returns a figure in inches that needs no display, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def is_narrow(figure: Figure) -> bool:
    """Whether panels and the legend of a figure are to stand above one another."""
    return bool(figure.get_figwidth() < NARROW_IN)


def folded(text: str, figure: Figure) -> str:
    """Returns a label, of two lines if the figure is narrow and it has a semicolon."""
    return text.replace("; ", "\n", 1) if is_narrow(figure) else text


def add_legend(figure: Figure, axes: Any = None) -> None:
    """Adds a legend: above a narrow figure, else to the right of it.

    Args:
        figure: with all that is named.
        axes: whose lines are named; the first ones if None.
    """
    axes = figure.axes[0] if axes is None else axes
    lines, labels = axes.get_legend_handles_labels()
    if not is_narrow(figure):
        figure.legend(lines, labels, loc="outside right upper")
        return
    for columns in range(min(len(lines), 6), 0, -1):
        legend = figure.legend(
            lines,
            labels,
            loc="outside upper center",
            ncols=columns,
            columnspacing=1.0,
            handlelength=2.2,
            handletextpad=0.5,
            borderpad=0.1,
        )
        # What is saved has the widths of these letters, whatever the resolution.
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            return
        legend.remove()


def shares(low: float, high: float, count: int) -> Array:
    """Returns shares that are evenly spaced on a `share_axis`, [count]."""
    bottom, top = _forward(np.array([low, high]))
    return np.asarray(_backward(np.linspace(bottom, top, count)))


def share_axis(axis: Any, low: float, high: float) -> None:
    """Makes an axis of shares of the optimum that is stretched towards 1.

    Its scale is −log(1 − share), so that 0.9, 0.99 and 0.999 are equally far apart.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        low: lowest share shown.
        high: highest share shown.
    """
    axes, name = axis.axes, axis.axis_name
    scale = getattr(axes, f"set_{name}scale")
    scale("function", functions=(_forward, _backward))
    bottom, top = _forward(np.array([low, min(high, _TOP)]))
    margin = max(0.04 * (top - bottom), 0.01)
    limits = _backward(np.array([bottom - margin, top + margin]))
    getattr(axes, f"set_{name}lim")(*limits)
    size = dict(zip("xy", axes.figure.get_size_inches(), strict=True))[name]
    least = _TICK_DISTANCE_IN[name] / (_PLOT * size) * (top - bottom)
    ticks: list[float] = []
    for tick in _TICKS:
        is_free = all(abs(_forward(tick) - _forward(t)) >= least for t in ticks)
        if limits[0] <= tick <= limits[1] and is_free:
            ticks.append(tick)
    if len(ticks) < 3:  # a narrow range
        count = 5 if size * _PLOT > 4 * _TICK_DISTANCE_IN[name] else 3
        ticks = [round(float(t), 4) for t in _backward(np.linspace(bottom, top, count))]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])


def _forward(share: Any) -> Any:
    return -np.log10(1 - np.minimum(share, _TOP))


def _backward(value: Any) -> Any:
    return 1 - 10.0 ** -np.asarray(value)


#: What a file says of itself; without the time, so that equal figures are equal files.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}


def to_file(figure: Figure, kind: str = "png", dpi: float | None = None) -> bytes:
    """Returns a figure as the content of a file, at its own size.

    Args:
        figure: drawn in `STYLE`.
        kind: "pdf", "svg" or "png".
        dpi: of PNG; that of the style if None.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(
            buffer,
            format=kind,
            metadata=_METADATA[kind],
            dpi=dpi or STYLE["savefig.dpi"],
        )
    return buffer.getvalue()
