"""Figures of a comparison; no display is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.results import AgentResult, by_scr
from agents.evaluation.statistics import performance_profile, profile_band
from agents.evaluation.style import (
    NARROW_IN,
    STYLE,
    add_legend,
    folded,
    looks_of,
    new_figure,
    share_axis,
    shares,
    to_file,
)

Array = np.ndarray[Any, Any]


#: Draws the results of all agents, the best first, at a width in inches.
Draw = Callable[[list[AgentResult], float], Figure]


def draw_all(
    results: Sequence[AgentResult],
    kind: str = "png",
    width: float = SCREEN_IN,
    draws: Mapping[str, Draw] | None = None,
) -> dict[str, bytes]:
    """Returns the content of all figures by file name.

    Args:
        results: of all agents.
        kind: "pdf", "svg" or "png".
        width: inches.
        draws: what, by name; SCR, performance profiles and decision times if None.
    """
    ordered = by_scr(results)
    if draws is None:
        draws = {"scr": draw_scr, "profile": draw_profiles, "latency": draw_latency}
    with matplotlib.rc_context(STYLE):
        return {
            f"{name}.{kind}": to_file(draw(ordered, width), kind)
            for name, draw in draws.items()
        }


def draw_scr(results: Sequence[AgentResult], width: float = SCREEN_IN) -> Figure:
    """Mean SCR with its interval, and the SCR of each instance."""
    figure, axes = new_figure(height=0.6 + 0.24 * len(results), width=width)
    look = looks_of(results)
    for row, result in enumerate(results):
        scores, own = result.scr.mean(axis=0), look[result.label]
        mean = result.scr_mean
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(scores))
        axes.plot(scores, row + jitter, ".", color=own.colour, alpha=0.35, ms=2.5)
        axes.errorbar(
            mean.value,
            row,
            xerr=[[mean.value - mean.low], [mean.high - mean.value]],
            fmt="o",
            color=own.colour,
            markeredgecolor="black",
            ecolor="black",
            capsize=2.5,
        )
    axes.set_yticks(range(len(results)), [result.label for result in results])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    text = "service-cost ratio (SCR); circle: mean, with 95 % interval"
    axes.set_xlabel(folded(text, figure))
    return figure


def draw_profiles(results: Sequence[AgentResult], width: float = SCREEN_IN) -> Figure:
    """Share of runs and instances above each score, with its 95 % band."""
    figure, axes = with_legend(len(results), width)
    look = looks_of(results)
    bounded = results[0].bound is not None
    scores = [r.scr if r.optimality is None else r.optimality for r in results]
    thresholds = _thresholds(scores, bounded)
    for i, (result, own) in enumerate(zip(results, scores, strict=True)):
        style = look[result.label]
        profile = performance_profile(own, thresholds)
        low, high = profile_band(own, thresholds, seed=result.seed, resamples=500)
        after = np.cumsum(profile == 0) > 1  # curves along the axis hide one another
        profile = np.where(after, np.nan, profile)
        # Markers stand at other places in every curve, so that none hides another.
        every = (i % 5 * 8, 40)
        axes.plot(
            thresholds, profile, label=result.label, markevery=every, **style.curve
        )
        axes.fill_between(thresholds, low, high, color=style.colour, alpha=0.1, lw=0)
    if bounded:
        share_axis(axes.xaxis, thresholds[0], thresholds[-1])
    else:
        axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share of the certified bound, τ" if bounded else "SCR, τ")
    axes.set_ylabel("share of instances above τ")
    add_legend(figure)
    return figure


def with_legend(count: int, width: float) -> tuple[Figure, Any]:
    """Returns a figure with room for a legend of so many names, above or beside."""
    rows = -(-count // 3) if width < NARROW_IN else 0
    return new_figure(height=min(2.1 + 0.16 * width, 3.6) + 0.17 * rows, width=width)


def _thresholds(scores: Sequence[Array], bounded: bool) -> Array:
    """Returns where profiles are drawn: evenly spaced on the axis."""
    if not bounded:
        return np.linspace(0, max(s.max() for s in scores) * 1.02, 300)
    return shares(0.0, max(float(s.max()) for s in scores), 300)


def draw_latency(
    results: Sequence[AgentResult], width: float = SCREEN_IN, *, batched: bool = True
) -> Figure:
    """Quality against decision time, one at a time and, if `batched`, all at once."""
    figure, axes = with_legend(len(results), width)
    look = looks_of(results)
    bounded = results[0].bound is not None
    kinds, qualities = ("median", "batched")[: 1 + batched], []
    for result in results:
        f, own = result.summary, look[result.label]
        if "decision_time_s_median" not in f:
            continue  # a plan, which is not made of decisions
        quality = f.get("optimality_mean", f["scr_mean"])
        times_ms = [1e3 * f[f"decision_time_s_{kind}"] for kind in kinds]
        if batched:
            axes.plot(times_ms, [quality] * 2, color=own.colour, alpha=0.3)
        looks = (5.5, result.label), (3, None)  # size, and the name in the legend
        for time_ms, (size, label) in zip(times_ms, looks, strict=False):
            axes.plot(time_ms, quality, ms=size, label=label, **own.markers)
        qualities.append(quality)
    axes.set_xscale("log")
    axes.margins(x=0.08, y=0.08)
    if bounded and qualities:
        share_axis(axes.yaxis, min(qualities), max(qualities))
    text = "decision time, ms, median over cases"
    if batched:
        text = "decision time, ms; large: one at a time, small: batched"
    axes.set_xlabel(folded(text, figure))
    axes.set_ylabel("share of the certified bound" if bounded else "mean SCR")
    add_legend(figure)
    return figure
