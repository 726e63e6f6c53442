"""Figures of decisions on cases of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from agents.evaluation.figure_options import SCREEN_IN
from agents.evaluation.figures import Draw, draw_all, draw_latency
from agents.evaluation.results import AgentResult
from agents.evaluation.style import folded, looks_of, new_figure, share_axis

_MOST_WRITTEN = 1  # cases whose SCR is written beside the marker


def draw_cases(
    results: Sequence[AgentResult], kind: str = "png", width: float = SCREEN_IN
) -> dict[str, bytes]:
    """Returns the content of all figures by file name; arguments as of `draw_all`."""
    draws: dict[str, Draw] = {
        "quality": _draw_quality,
        "time": partial(draw_latency, batched=False),
    }
    return draw_all(results, kind, width, draws)


def _draw_quality(results: list[AgentResult], width: float) -> Figure:
    """A row an agent, a marker a case: the share of the bound, or the SCR."""
    figure, axes = new_figure(height=0.8 + 0.26 * len(results), width=width)
    look = looks_of(results)
    bounded = results[0].bound is not None
    for row, result in enumerate(results):
        quality = result.scr if result.optimality is None else result.optimality
        own = look[result.label]
        runs, count = quality.shape
        spread = np.linspace(-0.2, 0.2, runs * count) if runs * count > 1 else 0.0
        axes.plot(
            *(quality.ravel(), row + spread),
            markersize=5.5 if count <= 10 else 3,
            alpha=1.0 if count <= 10 else 0.5,
            **own.markers,
        )
        if count <= _MOST_WRITTEN:
            axes.annotate(
                f"{result.scr.mean():.5g}",
                (quality.max(), row),
                (8, 0),
                textcoords="offset points",
                va="center",
            )
    axes.set_yticks(range(len(results)), [result.label for result in results])
    axes.invert_yaxis()
    if bounded:
        known = [r.optimality for r in results if r.optimality is not None]
        shares = np.concatenate(known)
        share_axis(axes.xaxis, shares.min(), shares.max())
        label = "share of the certified bound"
    else:
        axes.set_xlim(left=0)
        label = "service-cost ratio (SCR)"
    written = results[0].scr.shape[1] <= _MOST_WRITTEN
    text = label + ("; number: SCR" if written and bounded else "")
    axes.set_xlabel(folded(text, figure))
    return figure
