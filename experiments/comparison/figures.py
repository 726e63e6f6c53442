"""Figures of the comparison, by file name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator, StrMethodFormatter

from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.figures import draw_latency, draw_profiles
from agents.evaluation.results import AgentResult
from agents.evaluation.statistics import Estimate
from agents.evaluation.style import (
    NARROW_IN,
    STYLE,
    add_legend,
    folded,
    looks_of,
    new_figure,
    share_axis,
    to_file,
)
from experiments.comparison.curves import Curve
from experiments.comparison.pairs import Pair


def draw_all(
    results: Sequence[AgentResult],
    curves: Sequence[Curve],
    pairs: Sequence[Pair],
    kind: str = "png",
    width: float = SCREEN_IN,
) -> dict[str, bytes]:
    """Draws everything.

    Args:
        results: of all agents, best first.
        curves: of the trained ones.
        pairs: who is compared with whom.
        kind: "pdf", "svg" or "png".
        width: inches.
    """
    with matplotlib.rc_context(STYLE):
        figures = {
            "iqm": _draw_iqm(results, width),
            "performance_profiles": draw_profiles(results, width),
            "probability_of_improvement": _draw_improvement(pairs, width),
            "sample_efficiency": _draw_efficiency(results, curves, width),
            "quality_latency": draw_latency(results, width),
        }
        return {f"{name}.{kind}": to_file(f, kind) for name, f in figures.items()}


def _draw_iqm(results: Sequence[AgentResult], width: float) -> Figure:
    """Interquartile mean of optimality with its interval."""
    figure, axes = new_figure(0.7 + 0.18 * len(results), width)
    look = looks_of(results)
    for row, result in enumerate(results):
        own, iqm = look[result.label], result.iqm
        _draw_interval(axes, row, iqm, own.colour)
        axes.annotate(
            f"{iqm.value:.4f}",
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontsize=7,
            color=own.colour,
            annotation_clip=False,
        )
    share_axis(
        axes.xaxis,
        min(result.iqm.low for result in results),
        max(result.iqm.high for result in results),
    )
    _name_rows(axes, [result.label for result in results])
    text = "interquartile mean of the share of the bound; bar: 95 % interval"
    axes.set_xlabel(folded(text, figure))
    return figure


def _draw_improvement(pairs: Sequence[Pair], width: float) -> Figure:
    """Probability that a run of one agent beats one of another on an instance."""
    figure, axes = new_figure(0.7 + 0.18 * max(len(pairs), 1), width)
    axes.axvline(0.5, color="#888888", linewidth=1)
    for row, pair in enumerate(pairs):
        p = pair.probability
        colour = "#888888" if p.low <= 0.5 <= p.high else "#332288"
        _draw_interval(axes, row, p, colour)
    _name_rows(axes, [f"{pair.better} over {pair.worse}" for pair in pairs])
    axes.set_xlim(-0.02, 1.02)
    text = "probability of improvement; bar: 95 % interval, grey: holds ½"
    axes.set_xlabel(folded(text, figure))
    return figure


def _draw_interval(axes: Any, row: int, estimate: Estimate, colour: str) -> None:
    """Draws an interval as a bar, with a white mark at the estimate."""
    axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=3.5)
    axes.plot(estimate.value, row, "|", color="white", markersize=5)


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    """Labels the rows of a figure, the first one at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _draw_efficiency(
    results: Sequence[AgentResult], curves: Sequence[Curve], width: float
) -> Figure:
    """Validation optimality against decisions, and against the time of training."""
    look = looks_of(results)
    above = 0.17 * -(-len(curves) // 3) if width < NARROW_IN else 0.0  # the legend
    height = (4.6 if width < NARROW_IN else 6.4) + above
    figure = Figure(figsize=(width, height), layout="constrained")
    panels: Any = figure.subplots(2, 1)
    low = min(estimate.low for curve in curves for estimate in curve.iqm[1:])
    high = max(estimate.high for curve in curves for estimate in curve.iqm)
    for curve in curves:
        own = look[curve.label]
        estimates = curve.iqm[1:]  # without the one at 0, which a log axis cannot show
        value, lower, upper = (
            np.array([getattr(estimate, name) for estimate in estimates])
            for name in ("value", "low", "high")
        )
        xs = (curve.decisions[1:], np.median(curve.seconds, axis=0)[1:])
        for axes, x in zip(panels, xs, strict=True):
            style = {"linestyle": own.line, "color": own.colour, "label": curve.label}
            axes.plot(x, value, **style)
            axes.fill_between(x, lower, upper, color=own.colour, alpha=0.15, lw=0)
    scales = (
        ("decisions", EngFormatter(sep="")),  # 500k, 1M
        ("s of training, one thread", StrMethodFormatter("{x:g}")),
    )
    for axes, (text, formatter) in zip(panels, scales, strict=True):
        axes.set_xscale("log")
        subs = (1.0,) if width < NARROW_IN else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.xaxis.set_major_formatter(formatter)
        axes.xaxis.set_minor_locator(NullLocator())
        share_axis(axes.yaxis, low, high)
        axes.set_xlabel(text)
        axes.set_ylabel("share of the bound, validation (IQM)")
    add_legend(figure)
    return figure
