"""The generated fragments of `docs/results.md`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mec_llm_env.files import write_whole

PAGE = "results.md"
FIGURES = "figures/comparison"  # in the documentation's folder

#: Placeholders of the page, `<!-- begin NAME -->` … `<!-- end NAME -->`.
FRAGMENTS = ("how", "table", "figures", "milestones")


def check_page(docs: Path) -> None:
    """Checks that the page has a placeholder for each fragment.

    Raises:
        ValueError: it is not there, or lacks one.
    """
    path = docs / PAGE
    if not path.is_file():
        raise ValueError(f"--docs: {os.fspath(path)!r} does not exist.")
    text = path.read_text()
    for name in FRAGMENTS:
        if len(_place(name).findall(text)) != 1:
            raise ValueError(
                f"--docs: {os.fspath(path)!r} must have one place for the fragment "
                f"{name!r}: <!-- begin {name} --> … <!-- end {name} -->."
            )


def update_page(
    docs: Path, fragments: Mapping[str, str], figures: Mapping[str, bytes]
) -> None:
    """Puts the fragments into the page and the figures beside it."""
    folder = docs / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for name, png in figures.items():
        write_whole(folder / name, png)
    text = (docs / PAGE).read_text()
    for name in FRAGMENTS:
        content = f"<!-- begin {name} -->\n{fragments[name]}\n<!-- end {name} -->"
        text = _place(name).sub(lambda _, content=content: content, text)  # type: ignore[misc]
    write_whole(docs / PAGE, text)


def _place(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- begin {name} -->.*?<!-- end {name} -->", re.DOTALL)
