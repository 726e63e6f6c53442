"""Pictures of a decision: who is served where, shares, delays and energies.

Colour stands for the server everywhere, shade for the phase of the work. In an episode
of slots, trails show where users come from, dashes which server they have left. Needs
the extra `render` (matplotlib); draws on an Agg canvas, without pyplot and its state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome
from mec_llm_env.rendering.map import draw_places
from mec_llm_env.rendering.panels import draw_panels
from mec_llm_env.rendering.parts import (
    FAINT,
    INK,
    Decision,
    Episode,
    counted,
    has_map,
    short,
)
from mec_llm_env.scenario import Scenario

#: Height and width of a picture; multiples of 16, as video encoders want.
SIZE = (720, 1280)


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
        draw_places(figure.add_axes((0.056, 0.08, 0.4275, 0.76)), decision)
        draw_panels(_screen_panels(figure, 0.555), decision)
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
    if not NARROWEST_IN <= width_in <= _WIDEST_IN:  # also NaN
        raise ValueError(
            f"`width_in` must be from {NARROWEST_IN:g} to {_WIDEST_IN:g} inches; got "
            f"{width_in}. A column of most journals has 3.5, a page 7.16."
        )
    decision = _as_decision(scenario, allocation, outcome, episode)
    with _styled():
        wide = width_in >= _WIDE_IN
        map_in = min(width_in, 4.0)
        size = (width_in, 4.7 if wide else map_in + 5.0)
        figure = _PrintedFigure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        if wide:
            parts = figure.add_gridspec(1, 2, width_ratios=(1.15, 1))
        else:
            parts = figure.add_gridspec(2, 1, height_ratios=(map_in, 5.0))
        places = figure.add_subplot(parts[0])
        draw_places(places, decision)
        places.set_title(places.get_title(loc="left").partition(";")[0])
        if has_map(decision.scenario):
            places.yaxis.set_label_coords(-0.16, 0.5)
        rows = parts[1].subgridspec(4, 1, height_ratios=(4, 4, 5, 5))
        panels = [figure.add_subplot(rows[i]) for i in range(4)]
        draw_panels(panels, decision)
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
NARROWEST_IN, _WIDE_IN, _WIDEST_IN = 3.0, 5.0, 20.0


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
    "text.color": INK,
    "axes.edgecolor": "#B8BEC8",
    "axes.labelcolor": INK,
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
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def _as_decision(
    scenario: Scenario,
    allocation: Allocation | None,
    outcome: Outcome | None,
    episode: Episode | None,
) -> Decision:
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
    return Decision(
        scenario=scenario,
        allocation=allocation,
        outcome=None if outcome is None else outcome.to_numpy(),
        server=server,
        order=order,
        turn=turn,
        left=left,
        episode=episode,
    )


def _draw_title(figure: Any, decision: Decision) -> None:
    s, outcome = decision.scenario, decision.outcome
    text = "No decision yet" if outcome is None else f"SCR  {float(outcome.scr):.4g}"
    if (episode := decision.episode) is not None:
        text = f"Slot {episode.slot} of {episode.slots}"
        if episode.scr > 0:
            text += f"  ·  episode SCR {episode.scr:.4g}"
    figure.text(0.022, 0.945, text, fontsize=17, weight="bold")
    words = [counted(s.n_users, "user"), counted(s.n_servers, "server")]
    if outcome is None and episode is not None:
        words.append("no decision yet in this slot")
    if outcome is not None:
        if episode is not None:
            words.append(f"SCR of the slot {short(float(outcome.scr))}")
        if s.serving is not None:
            words.append(counted(int((decision.left >= 0).sum()), "migration"))
        words += [
            f"mean delay {short(outcome.delay_s.mean())} s",
            f"mean energy {short(outcome.energy_j.mean())} J",
            f"mean score {short(outcome.score.mean())} of 100",
        ]
    figure.text(0.022, 0.91, "  ·  ".join(words), fontsize=10, color=FAINT)


def _screen_panels(figure: Figure, left: float) -> list[Any]:
    """Returns the axes of the shares, above those of delays and energies."""
    width, gap = 0.98 - left, 0.08
    half = (width - gap) / 2
    places = (
        *((left, 0.60, half, 0.24), (left + half + gap, 0.60, half, 0.24)),
        *((left, 0.325, width, 0.165), (left, 0.08, width, 0.165)),
    )
    return [figure.add_axes(place) for place in places]
