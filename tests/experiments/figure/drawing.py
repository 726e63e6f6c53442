"""Small figures, and what is read of their files."""

from __future__ import annotations

import csv
import io
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from experiments import sweep

TINY = ["--preset", "tiny-4x2", "--instances", "2"]
FAST = ["--agents", "gucaa", "rucaa", "random"]


def drawn(script: Any, *words: str) -> int:
    """Returns the exit status of a figure's command line, or of a sweep by its name."""
    try:
        if isinstance(script, str):
            return sweep.main([script, *words])
        return script.main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def check_pdf(content: bytes, width_pt: float) -> None:
    """It has the width, fonts of TrueType alone, embedded, and no title."""
    (box,) = re.findall(rb"/MediaBox \[ ?([\d. ]+) ?\]", content)
    assert float(box.split()[2]) == pytest.approx(width_pt, abs=0.01)
    assert b"/FontFile2" in content
    assert not re.search(rb"/Subtype /Type3|/Type /Font /Subtype /Type1", content)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    assert any(b" Tj" in _inflated(s) or b" TJ" in _inflated(s) for s in streams)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
