"""Labels that cover nothing, the axis of shares, and who looks like whom."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.evaluation.figures import new_figure
from agents.evaluation.labels import name_ends, name_points, settle, spread
from agents.evaluation.style import looks, share_axis, shares


def test_spread_by_hand() -> None:
    # 0 and 1 want to be one apart and must be two: each moves by half; 9 stays.
    assert spread([0, 1, 9], 2, -5, 20).tolist() == [-0.5, 1.5, 9]
    # They stay above the bottom, and the rest moves with them.
    assert spread([0, 1, 9], 2, 0, 20).tolist() == [0, 2, 9]
    # Three that want the same stand around it.
    assert spread([5, 5, 5], 2, 0, 20).tolist() == [3, 5, 7]
    assert spread([5, 5, 5], 2, 0, 6).tolist() == [2, 4, 6]


@pytest.mark.parametrize("name", [name_points, name_ends])
def test_labels_do_not_overlap(name: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    figure, axes = new_figure(height=4.6)
    xs, ys = rng.uniform(0.4, 0.6, size=(2, 14))  # a crowd
    axes.plot(xs, ys, "o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    settle(figure, right=0.8)
    places = zip(xs, ys, strict=True)
    more = () if name is name_ends else (np.stack([xs, ys], axis=-1),)
    named = [(f"agent {i:02}", x, y, "black") for i, (x, y) in enumerate(places)]
    name(axes, named, *more)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in _texts(axes)]
    assert len(boxes) == 14
    for one, other in itertools.combinations(boxes, 2):
        overlap = min(one.x1, other.x1) - max(one.x0, other.x0)
        overlap_y = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert overlap <= 1 or overlap_y <= 3  # pixels; boxes have air above letters


def _texts(axes: Any) -> list[Any]:
    for text in axes.texts:
        text.arrow_patch.set_visible(False)
        text.arrowprops = None
        text.arrow_patch = None
    return list(axes.texts)


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
    look = looks(labels, [True, True, True, False, False])
    assert look["ppo"].colour == look["ppo set"].colour
    assert look["ppo"].line != look["ppo set"].line
    assert len({look[label].colour for label in labels}) == 4
