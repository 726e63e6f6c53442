"""Figures are told apart in grey, keep their size, and say so in their files."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import dashf
from agents.evaluation.figure_options import width_in
from agents.evaluation.style import (
    _KNOWN,
    STYLE,
    add_legend,
    folded,
    looks_of,
    new_figure,
    to_file,
)
from agents.registry import MOBILE_ONLY, pretrained_names


@dataclass(frozen=True)
class Agent:
    label: str
    is_trained: bool


def lightness(colour: str) -> float:
    """Returns L* (CIE 1976) of a colour, from 0, black, to 100, white."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return float(
        116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance
    )


EVERYBODY = [
    *(Agent(name, is_trained=False) for name in (*dashf.SOLVERS, *MOBILE_ONLY)),
    *(Agent(name, is_trained=True) for name in pretrained_names()),
    *(Agent(f"{name}{k}", True) for name in ("ppo", "sac set") for k in ("", " warm")),
]


def test_agents_are_told_apart_without_colours() -> None:
    looks = looks_of(EVERYBODY)
    assert len(looks) == len(EVERYBODY)
    for one, other in itertools.combinations(looks.values(), 2):
        assert (one.marker, one.filled) != (other.marker, other.filled)


def test_colours_are_dark_enough_on_paper() -> None:
    for label, look in looks_of(EVERYBODY).items():
        assert lightness(look.colour) < 70, label


def test_solvers_of_one_line_differ_in_lightness() -> None:
    looks = [_KNOWN[name] for name in dashf.SOLVERS]
    for one, other in itertools.combinations(looks, 2):
        if one.line == other.line:
            assert abs(lightness(one.colour) - lightness(other.colour)) > 8


def test_every_solver_has_a_look_of_its_own() -> None:
    assert set(dashf.SOLVERS) | set(MOBILE_ONLY) <= set(_KNOWN)
    # And it does not depend on who else is drawn.
    assert looks_of([Agent("dual", False)])["dual"] == looks_of(EVERYBODY)["dual"]


def test_a_new_solver_is_drawn_too() -> None:
    looks = looks_of([Agent("mine", False), Agent("yours", False)])
    assert looks["mine"] != looks["yours"]


@pytest.mark.parametrize("width", [2.5, 3.5, 7.0])
def test_the_legend_stays_within_the_figure(width: float) -> None:
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(3.0, width)
        for agent in EVERYBODY:
            axes.plot([0, 1], [0, 1], label=agent.label)
        add_legend(figure)
        (legend,) = figure.legends
        assert legend.get_window_extent().width <= figure.bbox.width
        assert len(legend.get_texts()) == len(EVERYBODY)


def test_labels_are_folded_in_narrow_figures_alone() -> None:
    assert folded("a; b; c", new_figure(2, 3.5)[0]) == "a\nb; c"
    assert folded("a; b", new_figure(2, 7)[0]) == "a; b"


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_files_do_not_depend_on_what_the_user_has_set(kind: str) -> None:
    def content() -> bytes:
        with matplotlib.rc_context(STYLE):
            figure, axes = new_figure(2, 3.5)
            axes.plot([1, 2])
            axes.set_xlabel("time")
        return to_file(figure, kind)

    first = content()
    with matplotlib.rc_context({"pdf.fonttype": 3, "svg.fonttype": "path"}):
        assert content() == first
    if kind == "pdf":
        assert b"/FontFile2" in first
    if kind == "svg":
        assert b">time<" in first


@pytest.mark.parametrize(
    ("text", "inches"),
    [
        *(("3.5in", 3.5), ("88.9mm", 3.5), (" 8.89 cm ", 3.5), ("252.945pt", 3.5)),
        *(("20in", 20), ("2in", 2), (".3e", None), ("20.01in", None), ("1.9in", None)),
        *(("3,5in", None), ("3.5", None), ("in", None), ("nanin", None), ("", None)),
        *(("1.2.3in", None), ("-3.5in", None), ("3.5 IN", None), ("٣in", None)),
        *(("9" * 30 + "in", None), ("3.5inch", None), ("1e1in", None)),
    ],
)
def test_widths(text: str, inches: float | None) -> None:
    if inches is None:
        with pytest.raises(argparse.ArgumentTypeError, match=r"such as 3\.5in; got"):
            width_in(text)
    else:
        assert width_in(text) == pytest.approx(inches)
