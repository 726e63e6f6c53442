"""A CSV file of channel gains: users × servers, in dB."""

from __future__ import annotations

import csv
import io
import math

from mec_llm_env.ranges import Limits, shorten

#: Largest file of gains that is read, in bytes; 2,000,000 gains take about 16 MB.
MOST_BYTES = 2**26

_CHARACTERS = frozenset("0123456789+-.eE")
_USER = "user"  # heads a column of names, which is not read
Rows = list[list[float]]


class GainsError(ValueError):
    """What is wrong with a file of gains: in which line, and in which column."""

    def __init__(self, line: int, key: str, text: str) -> None:
        super().__init__(text)
        self.line, self.key, self.text = line, key, text


def parse_gains(text: str, limits: Limits) -> Rows:
    """Returns the gains of a text, as many in each row.

    The first line may name the columns, the first of which may be `user`; every other
    line is a user, with one gain a server, separated by commas.

    Args:
        text: of the file.
        limits: that a gain must keep.

    Raises:
        GainsError: something is wrong.
    """
    rows: Rows = []
    wrong: list[GainsError] = []
    width, named = 0, False
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            line = reader.line_num
            if not width:
                width, named = len(cells), cells[0].lower() == _USER
                if all(
                    plain_number(cell) is None for cell in cells
                ):  # names of columns
                    if len(cells) == 1 and ";" in cells[0]:
                        raise GainsError(line, "", _SEMICOLON)
                    continue
            if len(cells) != width:
                hint = _SEMICOLON if any(";" in cell for cell in cells) else _WIDTH
                raise GainsError(line, "", hint.format(width=width, got=len(cells)))
            rows.append(_row(cells[named:], line, limits, wrong))
    except csv.Error as error:
        raise GainsError(
            reader.line_num, "", f"is not valid CSV: {error}. {_FORM}"
        ) from None
    if wrong:
        first, others = wrong[0], len(wrong) - 1
        more = f" The same goes for {others} other entries." if others else ""
        raise GainsError(first.line, first.key, f"{first.text}{more}")
    if not rows or width == named:
        raise GainsError(0, "", f"holds no gains. {_FORM}")
    return rows


def _row(
    cells: list[str], line: int, limits: Limits, wrong: list[GainsError]
) -> list[float]:
    row = []
    for m, cell in enumerate(cells):
        value = plain_number(cell)
        if value is None or not limits.hold(value):
            text = f"must be a number from {limits} dB; got {shorten(cell)}."
            text += _remedy(cell, value, limits)
            wrong.append(GainsError(line, f"server {m}", text))
            value = math.nan
        row.append(value)
    return row


def plain_number(cell: str) -> float | None:
    """Returns the number that is written in a cell of a CSV file, or None."""
    try:
        # Python reads more than that, such as 1_000, nan and digits of any script.
        return float(cell) if _CHARACTERS.issuperset(cell) else None
    except ValueError:
        return None


def _remedy(cell: str, value: float | None, limits: Limits) -> str:
    if value is None:
        if not cell or cell.lower() in ("-inf", "nan", "na"):
            return " For a server out of reach write -260."
        return " Give 10·log10 of the gain of power, with a decimal point."
    if value > 0 and limits.hold(-value):
        return f" That may be a path loss: write {-value:g}."
    if value > 0 and limits.hold(decibel := 10 * math.log10(value)):
        return f" That may be a linear gain: write {decibel:.6g}."
    return " Give 10·log10 of the gain of power; -260 for a server out of reach."


_FORM = "Give a line a user, with a gain in dB for each server, separated by commas."
_SEMICOLON = (
    "has entries that are separated by semicolons. Save it with commas between them, "
    "and points in numbers."
)
_WIDTH = (
    "must have {width} entries, as many as the first line; got {got}. Give each user "
    "one gain a server, numbers with a decimal point."
)
