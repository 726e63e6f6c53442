"""`--format` and `--width`: the options of whatever writes figures."""

from __future__ import annotations

import argparse
import math
import re

#: Of the files of figures.
FORMATS = ("pdf", "svg", "png")

#: Inches of a figure on a screen; a column of most journals has 3.5.
SCREEN_IN = 7.0

#: Units of a width, in inches.
_UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}  # TeX's points
_NARROWEST_IN, _WIDEST_IN = 2.0, 20.0


def add_figure_options(parser: argparse.ArgumentParser, width: str) -> None:
    """Adds `--format` and `--width`, whose default is the one given, with its unit."""
    add = parser.add_argument
    add(
        "--format",
        choices=FORMATS,
        default="png",
        help="of figures (%(default)s); pdf and svg for papers, with fonts embedded "
        "in pdf",
    )
    add(
        "--width",
        type=width_in,
        default=width,
        metavar="W",
        help="of figures, at which they are to be printed, such as 3.5in, 88mm or "
        "252pt (%(default)s)",
    )


def width_in(text: str) -> float:
    """Reads a width such as 3.5in, 8.9cm, 88mm or 252pt; returns inches.

    Raises:
        argparse.ArgumentTypeError: it is no such width, or one of no page.
    """
    found = re.fullmatch(r"([0-9.]{1,20})\s*(in|cm|mm|pt)", text.strip(), re.ASCII)
    try:
        width = float(found[1]) * _UNITS[found[2]] if found else math.nan
    except ValueError:  # such as 1.2.3
        width = math.nan
    if not _NARROWEST_IN <= width <= _WIDEST_IN:
        raise argparse.ArgumentTypeError(
            f"must be a number and in, cm, mm or pt, from {_NARROWEST_IN:g}in to "
            f"{_WIDEST_IN:g}in, such as 3.5in; got {text!r}"
        )
    return width
