"""The matrix of channel gains, which stands for a map where there are no positions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from mec_llm_env import ScenarioConfig, sample_scenario
from mec_llm_env.rendering import draw_decision
from mec_llm_env.rendering.gain_matrix import draw_gains
from tests.mec_llm_env.rendering.test_decision import decision

GAIN = np.array([[1e-9, 1e-12, 1e-6], [1e-10, 1e-8, 1e-11]])
COLORS = ("#ff0000", "#00ff00", "#0000ff")


def drawn(gain, server, order):
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_gains(axes, gain, server, order, COLORS.__getitem__)
    figure.canvas.draw()
    return axes


def test_rows_columns_and_values_by_hand():
    axes = drawn(GAIN, np.array([2, 1]), np.array([1, 0]))
    (image,) = axes.images
    # User 1 first: −100, −80, −110 dB; then user 0: −90, −120, −60 dB.
    wanted = [[-100, -80, -110], [-90, -120, -60]]
    np.testing.assert_allclose(image.get_array(), wanted)
    assert [t.get_text() for t in axes.texts] == [
        *("-100", "-80", "-110", "-90", "-120", "-60")
    ]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1", "0"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["S0", "S1", "S2"]


def test_each_user_s_server_is_framed_in_its_colour():
    axes = drawn(GAIN, np.array([2, 1]), np.array([1, 0]))
    (frames,) = axes.collections
    middles = [path.vertices[:4].mean(axis=0).round(9) for path in frames.get_paths()]
    assert [tuple(m) for m in middles] == [(1, 0), (2, 1)]  # column, row
    assert [tuple(c) for c in frames.get_edgecolor()] == [
        to_rgba(COLORS[1]),
        to_rgba(COLORS[2]),
    ]
    assert not drawn(GAIN, None, np.arange(2)).collections


@pytest.mark.parametrize(("users", "servers"), [(1, 1), (25, 3), (61, 30), (1000, 50)])
def test_any_size_is_drawn(users, servers):
    config = ScenarioConfig(users=users, servers=servers)
    s = sample_scenario(config, np.random.default_rng(0))
    server = s.channel_gain.argmax(axis=-1)
    order = server.argsort(kind="stable")
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_gains(axes, s.channel_gain, server, order, lambda m: COLORS[m % 3])
    figure.canvas.draw()
    assert axes.images[0].get_array().shape == (users, servers)
    assert len(axes.collections[0].get_paths()) == users


def test_equal_gains_are_drawn():
    axes = drawn(np.full((2, 2), 1e-30), np.array([0, 1]), np.arange(2))
    assert {t.get_text() for t in axes.texts} == {"-300"}


def test_it_stands_where_the_map_would_be():
    scenario, allocation, outcome = decision()
    bare = {k: v for k, v in scenario.to_dict().items() if "position" not in k}
    with_map = draw_decision(scenario, allocation, outcome)
    without = draw_decision(type(scenario)(**bare), allocation, outcome)
    different = np.flatnonzero((with_map != without).any(axis=(0, 2)))
    assert different.max() < 0.5 * with_map.shape[1]  # the panels beside are the same
    assert len(different) > 300
