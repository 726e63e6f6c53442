"""What all figures look like: colours, lines and the axis of shares.

Colours are the qualitative scheme "muted" of Paul Tol (Colour Schemes, SRON/EPS/TN/
09-002, 2021), told apart by people of any colour vision; variants of one algorithm
share a colour and differ in their line, and every line is named where it ends.
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
    "savefig.dpi": 160,
}

_MUTED = (
    *("#332288", "#CC6677", "#117733", "#AA4499", "#44AA99", "#882255", "#999933"),
    *("#88CCEE", "#DDCC77"),
)
_UNTRAINED = ("#000000", "#555555", "#888888")
_LINES = ("-", "--", ":", "-.")
_MARKERS = "osD^vP"

#: Shares of the optimum that may be marked on an axis.
_TICKS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
_TOP = 0.9999  # a share above it is drawn there


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Colour, line and marker of an agent."""

    colour: str
    line: str
    marker: str


def looks(labels: Sequence[str], trained: Sequence[bool]) -> dict[str, Look]:
    """Returns a look for each label, whose first word is the algorithm."""
    families = dict.fromkeys(
        label.split()[0] for label, is_ in zip(labels, trained, strict=True) if is_
    )
    numbers = {family: i for i, family in enumerate(families)}
    members: dict[str, int] = {}
    result = {}
    for label, is_trained in zip(labels, trained, strict=True):
        family = label.split()[0] if is_trained else ""
        k = members[family] = members.get(family, -1) + 1
        palette = _MUTED if is_trained else _UNTRAINED
        i = numbers[family] if is_trained else k
        marker = _MARKERS[k % len(_MARKERS)] if is_trained else "x"
        line = _LINES[k % len(_LINES)]
        result[label] = Look(colour=palette[i % len(palette)], line=line, marker=marker)
    return result


def looks_of(results: Sequence[AgentResult]) -> dict[str, Look]:
    """Returns the `looks` of results."""
    return looks([r.label for r in results], [r.runs != ("",) for r in results])


def shares(low: float, high: float, count: int) -> Array:
    """Returns shares that are evenly spaced on a `share_axis`, [count]."""
    bottom, top = _forward(np.array([low, high]))
    return np.asarray(_backward(np.linspace(bottom, top, count)))


def share_axis(axis: Any, low: float, high: float) -> None:
    """Makes an axis of shares of the optimum, with more room the nearer to 1.

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
    ticks = [tick for tick in _TICKS if limits[0] <= tick <= limits[1]]
    if len(ticks) < 3:  # a narrow range
        ticks = [round(float(t), 4) for t in _backward(np.linspace(bottom, top, 5))]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])


def _forward(share: Any) -> Any:
    return -np.log10(1 - np.minimum(share, _TOP))


def _backward(value: Any) -> Any:
    return 1 - 10.0 ** -np.asarray(value)


def to_png(figure: Figure) -> bytes:
    """Returns a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
