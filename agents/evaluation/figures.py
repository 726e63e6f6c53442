"""Figures of a comparison, as PNG: Matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.results import AgentResult, by_scr
from agents.evaluation.statistics import performance_profile

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "savefig.dpi": 160,
}

_LINES = ("-", "--", ":")  # beyond ten agents colours come again


def draw_all(results: Sequence[AgentResult]) -> dict[str, bytes]:
    """Returns all figures, PNG by file name."""
    ordered = by_scr(results)
    draws = {
        "scr.png": _draw_scr,
        "profile.png": _draw_profile,
        "latency.png": _draw_latency,
    }
    with matplotlib.rc_context(_STYLE):
        return {name: _png(draw(ordered)) for name, draw in draws.items()}


def _draw_scr(results: list[AgentResult]) -> Figure:
    """Mean SCR with its interval, over the distribution over instances."""
    figure, axes = _axes(height=1.2 + 0.42 * len(results))
    for row, (result, colour) in enumerate(_coloured(results)):
        scores = result.scr.mean(axis=0)
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


def _draw_profile(results: list[AgentResult]) -> Figure:
    """Share of instances above each score."""
    figure, axes = _axes(height=3.8)
    bounded = results[0].bound is not None
    scores = [r.scr if r.optimality is None else r.optimality for r in results]
    thresholds = np.linspace(0, max(s.max() for s in scores) * 1.02, 400)
    for (result, colour), own in zip(_coloured(results), scores, strict=True):
        profile = performance_profile(own, thresholds)
        line = _LINES[results.index(result) // 10 % len(_LINES)]
        axes.plot(thresholds, profile, line, color=colour, label=result.label)
    axes.set_xlabel("share of the certified bound, τ" if bounded else "SCR, τ")
    axes.set_ylabel("share of instances above τ")
    axes.legend(frameon=False)
    return figure


def _draw_latency(results: list[AgentResult]) -> Figure:
    """Quality against decision time."""
    figure, axes = _axes(height=3.8)
    for result, colour in _coloured(results):
        f = result.summary
        quality = f.get("optimality_mean", f["scr_mean"])
        times_ms = [1e3 * f[f"decision_time_s_{k}"] for k in ("median", "batched")]
        axes.plot(times_ms, [quality, quality], color=colour, alpha=0.4)
        axes.plot(times_ms[0], quality, "o", color=colour)
        axes.plot(times_ms[1], quality, "o", color=colour, fillstyle="none")
        axes.annotate(
            result.label,
            (times_ms[0], quality),
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=8,
        )
    bounded = results[0].bound is not None
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.08)
    axes.set_xlabel("decision time, ms; filled: one at a time, hollow: batched")
    axes.set_ylabel("share of the certified bound" if bounded else "mean SCR")
    return figure


def _axes(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.subplots()


def _coloured(results: list[AgentResult]) -> list[tuple[AgentResult, Any]]:
    colours = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    return [(result, colours[i % 10]) for i, result in enumerate(results)]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
