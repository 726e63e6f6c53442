"""The axis of shares, and who looks like whom."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from agents.evaluation.figures import draw_latency, draw_profiles, new_figure
from agents.evaluation.style import looks_of, share_axis, shares
from tests.agents.evaluation.test_output import results


@pytest.mark.parametrize("draw", [draw_profiles, draw_latency])
@pytest.mark.parametrize("bound", [True, False])
def test_every_agent_is_named_in_the_legend(draw: Any, bound: bool) -> None:
    (legend,) = draw(results(bound)).legends
    assert [text.get_text() for text in legend.get_texts()] == ["rucaa", "ppo"]


def test_shares_are_evenly_spaced_in_the_gap() -> None:
    assert shares(0, 0.99, 3) == pytest.approx([0, 0.9, 0.99])


def test_axis_of_shares() -> None:
    _, axes = new_figure(height=3)
    share_axis(axes.yaxis, 0.5, 0.999)
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        *("0.9", "0.99", "0.999", "0.5", "0.95", "0.995", "0.8", "0.98", "0.998")
    ]
    low, high = axes.get_ylim()
    assert low < 0.5 < 0.999 < high < 1
    share_axis(axes.xaxis, 0.96, 0.97)  # too narrow for round numbers
    assert len(axes.get_xticklabels()) == 5


def test_variants_share_a_colour_and_differ_in_line() -> None:
    labels = ["ppo", "apg", "ppo set", "dashf", "random"]
    one = results()[0]
    look = looks_of(
        [
            dataclasses.replace(one, label=label, runs=("run",) if i < 3 else ("",))
            for i, label in enumerate(labels)
        ]
    )
    assert look["ppo"].colour == look["ppo set"].colour
    assert look["ppo"].line != look["ppo set"].line
    assert len({look[label].colour for label in labels}) == 4
    assert look["dashf"].marker != look["random"].marker
