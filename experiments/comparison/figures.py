"""Figures of the comparison, as PNG by file name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator, StrMethodFormatter

from agents.evaluation.figures import (
    add_legend,
    draw_latency,
    draw_profiles,
    new_figure,
)
from agents.evaluation.results import AgentResult
from agents.evaluation.statistics import Estimate
from agents.evaluation.style import STYLE, looks_of, share_axis, to_png
from experiments.comparison.curves import Curve
from experiments.comparison.pairs import Pair


def draw_all(
    results: Sequence[AgentResult], curves: Sequence[Curve], pairs: Sequence[Pair]
) -> dict[str, bytes]:
    """Draws everything.

    Args:
        results: of all agents, best first.
        curves: of the trained ones.
        pairs: who is compared with whom.
    """
    with matplotlib.rc_context(STYLE):
        figures = {
            "iqm": _draw_iqm(results),
            "performance_profiles": draw_profiles(results),
            "probability_of_improvement": _draw_improvement(pairs),
            "sample_efficiency": _draw_efficiency(results, curves),
            "quality_latency": draw_latency(results),
        }
        return {f"{name}.png": to_png(figure) for name, figure in figures.items()}


def _draw_iqm(results: Sequence[AgentResult]) -> Figure:
    """Interquartile mean of optimality with its interval."""
    figure, axes = new_figure(height=1.0 + 0.26 * len(results))
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
            fontsize=8.5,
            color=own.colour,
            annotation_clip=False,
        )
    share_axis(
        axes.xaxis,
        min(result.iqm.low for result in results),
        max(result.iqm.high for result in results),
    )
    _name_rows(axes, [result.label for result in results])
    axes.set_xlabel("interquartile mean of the share of the bound; bar: 95 % interval")
    return figure


def _draw_improvement(pairs: Sequence[Pair]) -> Figure:
    """Probability that a run of one agent beats one of another on an instance."""
    figure, axes = new_figure(height=1.0 + 0.26 * max(len(pairs), 1))
    axes.axvline(0.5, color="#888888", linewidth=1)
    for row, pair in enumerate(pairs):
        p = pair.probability
        colour = "#888888" if p.low <= 0.5 <= p.high else "#332288"
        _draw_interval(axes, row, p, colour)
    _name_rows(axes, [f"{pair.better} over {pair.worse}" for pair in pairs])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("probability of improvement; bar: 95 % interval, grey: holds ½")
    return figure


def _draw_interval(axes: Any, row: int, estimate: Estimate, colour: str) -> None:
    """Draws an interval as a bar, with a white mark at the estimate."""
    axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=5)
    axes.plot(estimate.value, row, "|", color="white", markersize=7)


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    """Labels the rows of a figure, the first one at the top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _draw_efficiency(results: Sequence[AgentResult], curves: Sequence[Curve]) -> Figure:
    """Validation optimality against decisions, and against the time of training."""
    look = looks_of(results)
    figure = Figure(figsize=(8.2, 8.4), layout="constrained")
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
            axes.plot(x, value, lw=1.4, **style)
            axes.fill_between(x, lower, upper, color=own.colour, alpha=0.15, lw=0)
    scales = (
        ("decisions", EngFormatter(sep="")),  # 500k, 1M
        ("s of training, one thread", StrMethodFormatter("{x:g}")),
    )
    for axes, (text, formatter) in zip(panels, scales, strict=True):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(formatter)
        axes.xaxis.set_minor_locator(NullLocator())
        share_axis(axes.yaxis, low, high)
        axes.set_xlabel(text)
        axes.set_ylabel("share of the bound, validation (IQM)")
    add_legend(figure)
    return figure
