"""The style of all figures: colours, lines and the axis of shares.

Colours are of the qualitative schemes "muted" and "vibrant" of Paul Tol (Colour
Schemes, SRON/EPS/TN/09-002, 2021), made to be told apart with any colour vision.
Variants of one algorithm share a colour and differ in line and marker; so do agents
without training.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.results import AgentResult

Array = np.ndarray[Any, Any]

STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
    "savefig.dpi": 160,
}

_TRAINED = (
    *("#332288", "#CC6677", "#117733", "#AA4499", "#44AA99", "#882255", "#999933"),
    *("#0077BB", "#EE7733"),
)
_UNTRAINED = ("#000000", "#555555", "#888888")
_VARIANTS = ("", "set", "warm", "association", "set association")
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "osD^v"
_UNTRAINED_MARKERS = "XP*ph<>8"

#: Shares of the optimum that may be marked on an axis, the more important ones first.
_TICKS = (0, 0.9, 0.99, 0.999, 0.5, 0.95, 0.995, 0.8, 0.98, 0.998, 0.9995, 0.9999)
_TICK_DISTANCE = 0.06  # least share of the axis between two of them
_TOP = 0.9999  # higher shares are drawn there


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Colour, line and marker of an agent."""

    colour: str
    line: Any  # as Matplotlib takes it
    marker: str


def looks_of(results: Sequence[AgentResult]) -> dict[str, Look]:
    """Returns a look for each label, whose first word is the algorithm."""
    families = dict.fromkeys(r.label.split()[0] for r in results if r.is_trained)
    looks = {}
    rules = 0
    for result in results:
        family, _, variant = result.label.partition(" ")
        if result.is_trained:
            colour = _TRAINED[list(families).index(family) % len(_TRAINED)]
            k = _VARIANTS.index(variant) if variant in _VARIANTS else -1
            marker = _MARKERS[k]
        else:
            colour = _UNTRAINED[rules % len(_UNTRAINED)]
            marker = _UNTRAINED_MARKERS[rules % len(_UNTRAINED_MARKERS)]
            k, rules = rules % len(_LINES), rules + 1
        looks[result.label] = Look(colour=colour, line=_LINES[k], marker=marker)
    return looks


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
    least = _TICK_DISTANCE * (top - bottom)
    ticks: list[float] = []
    for tick in _TICKS:
        is_free = all(abs(_forward(tick) - _forward(t)) >= least for t in ticks)
        if limits[0] <= tick <= limits[1] and is_free:
            ticks.append(tick)
    if len(ticks) < 3:  # a narrow range
        ticks = [round(float(t), 4) for t in _backward(np.linspace(bottom, top, 5))]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])


def _forward(share: Any) -> Any:
    return -np.log10(1 - np.minimum(share, _TOP))


def _backward(value: Any) -> Any:
    return 1 - 10.0 ** -np.asarray(value)


def to_png(figure: Figure, dpi: float | None = None) -> bytes:
    """Returns a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
