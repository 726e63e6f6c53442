"""Figures of a comparison, as PNG; no display is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.results import AgentResult, by_scr
from agents.evaluation.statistics import performance_profile, profile_band
from agents.evaluation.style import STYLE, looks_of, share_axis, shares, to_png

Array = np.ndarray[Any, Any]


def draw_all(results: Sequence[AgentResult]) -> dict[str, bytes]:
    """Returns all figures, PNG by file name."""
    ordered = by_scr(results)
    draws = {
        "scr.png": _draw_scr,
        "profile.png": draw_profiles,
        "latency.png": draw_latency,
    }
    with matplotlib.rc_context(STYLE):
        return {name: to_png(draw(ordered)) for name, draw in draws.items()}


def _draw_scr(results: list[AgentResult]) -> Figure:
    """Mean SCR with its interval, and the SCR of each instance."""
    figure, axes = new_figure(height=1.2 + 0.42 * len(results))
    look = looks_of(results)
    for row, result in enumerate(results):
        scores, colour = result.scr.mean(axis=0), look[result.label].colour
        mean = result.scr_mean
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(scores))
        axes.plot(scores, row + jitter, ".", color=colour, alpha=0.35, markersize=4)
        axes.errorbar(
            mean.value,
            row,
            xerr=[[mean.value - mean.low], [mean.high - mean.value]],
            fmt="o",
            color=colour,
            markeredgecolor="black",
            ecolor="black",
            capsize=3,
        )
    axes.set_yticks(range(len(results)), [result.label for result in results])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("service-cost ratio (SCR); circle: mean with 95 % interval")
    return figure


def draw_profiles(results: Sequence[AgentResult]) -> Figure:
    """Share of runs and instances above each score, with its 95 % band."""
    figure, axes = new_figure(height=5.4, width=8.6)
    look = looks_of(results)
    bounded = results[0].bound is not None
    scores = [r.scr if r.optimality is None else r.optimality for r in results]
    thresholds = _thresholds(scores, bounded)
    for result, own in zip(results, scores, strict=True):
        colour = look[result.label].colour
        style: dict[str, Any] = {
            "linestyle": look[result.label].line,
            "label": result.label,
        }
        profile = performance_profile(own, thresholds)
        low, high = profile_band(own, thresholds, seed=result.seed, resamples=500)
        axes.plot(thresholds, profile, color=colour, lw=1.3, **style)
        axes.fill_between(thresholds, low, high, color=colour, alpha=0.1, linewidth=0)
    if bounded:
        share_axis(axes.xaxis, thresholds[0], thresholds[-1])
    else:
        axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share of the certified bound, τ" if bounded else "SCR, τ")
    axes.set_ylabel("share of instances above τ")
    add_legend(figure)
    return figure


def _thresholds(scores: Sequence[Array], bounded: bool) -> Array:
    """Returns where profiles are drawn: evenly spaced on the axis."""
    if not bounded:
        return np.linspace(0, max(s.max() for s in scores) * 1.02, 300)
    return shares(0.0, max(float(s.max()) for s in scores), 300)


def draw_latency(results: Sequence[AgentResult]) -> Figure:
    """Quality against decision time."""
    figure, axes = new_figure(height=4.6, width=8.0)
    look = looks_of(results)
    bounded = results[0].bound is not None
    qualities = []
    for result in results:
        f, own = result.summary, look[result.label]
        if "decision_time_s_median" not in f:
            continue  # a plan, which is not made of decisions
        quality = f.get("optimality_mean", f["scr_mean"])
        times_ms = [1e3 * f[f"decision_time_s_{k}"] for k in ("median", "batched")]
        axes.plot(times_ms, [quality] * 2, color=own.colour, alpha=0.3, linewidth=1)
        style: dict[str, Any] = {"marker": own.marker, "color": own.colour, "ls": ""}
        axes.plot(times_ms[0], quality, markersize=7, label=result.label, **style)
        axes.plot(times_ms[1], quality, markersize=5, fillstyle="none", **style)
        qualities.append(quality)
    axes.set_xscale("log")
    axes.margins(x=0.08, y=0.08)
    if bounded and qualities:
        share_axis(axes.yaxis, min(qualities), max(qualities))
    axes.set_xlabel("decision time, ms; filled: one at a time, hollow: batched")
    axes.set_ylabel("share of the certified bound" if bounded else "mean SCR")
    add_legend(figure)
    return figure


def add_legend(figure: Figure) -> None:
    """Adds the legend of the first axes, to the right of the figure."""
    lines, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        *(lines, labels), loc="outside right upper", frameon=False, fontsize=8.5
    )


def new_figure(height: float, width: float = 7.0) -> tuple[Figure, Any]:
    """Returns a figure that needs no display, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
