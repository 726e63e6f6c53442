"""The line of every key of a TOML text, which the standard reader does not keep."""

from __future__ import annotations

import re
import tomllib
from typing import Any

Path = tuple[str | int, ...]

_TRIPLE = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}', re.DOTALL)
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'')
_KEY = re.compile(rf"(?:{_STRING.pattern}|[^=\[\]\n\"'#])+")
_BLANK = re.compile(r"(?:\s|#[^\n]*)+")


def key_lines(text: str) -> dict[Path, int]:
    """Returns the lines, from 1, of keys, tables and first entries of nested arrays.

    A path is what leads to the value, such as `("server", 1, "power_w")`; keys within
    inline tables have no line of their own.

    Args:
        text: valid TOML, with the line ends that `tomllib` sees.
    """
    scan = _Scan(text)
    while scan.skip(_BLANK) or scan.at < len(text):
        if scan.at >= len(text):
            break
        if text.startswith("[", scan.at):
            scan.header()
        else:
            scan.statement()
    return scan.lines


class _Scan:
    """Where the scan is; it knows just enough of TOML to find the ends of values."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line, self._counted = text, 0, 1, 0
        self.lines: dict[Path, int] = {}
        self._table: Path = ()
        self._counts: dict[Path, int] = {}  # of arrays of tables

    def skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found is not None

    def note(self, path: Path) -> None:
        """Keeps the line of where the scan is, and of the tables that lead there."""
        self.line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], self.line)

    def header(self) -> None:
        several = self.text.startswith("[[", self.at)
        start = self.at + 1 + several
        found = _KEY.match(self.text, start)
        assert found is not None  # tomllib has read it
        path: Path = ()
        names = _names(found.group())
        for depth, name in enumerate(names):
            path = (*path, name)
            last = depth == len(names) - 1
            if several and last:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        self.note(path)
        self._table, self.at = path, found.end() + 1 + several

    def statement(self) -> None:
        found = _KEY.match(self.text, self.at)
        assert found is not None
        path = (*self._table, *_names(found.group()))
        self.note(path)
        self.at = found.end() + 1  # the equals sign
        self.value(path)

    def value(self, path: Path) -> None:
        """Goes on to the end of the line in which the value ends."""
        depth, entry = 0, 0
        text = self.text
        while self.at < len(text):
            character = text[self.at]
            if self.skip(_TRIPLE) or self.skip(_STRING):
                continue
            if character == "#":
                self.skip(_BLANK)
                if depth == 0:
                    return
                continue
            if character == "\n" and depth == 0:
                return
            if character in "[{":
                depth += 1
                if depth == 2:
                    self.note((*path, entry))
                    entry += 1
            elif character in "]}":
                depth -= 1
            self.at += 1


def _names(key: str) -> list[str]:
    """Returns the parts of a dotted key."""
    parsed: Any = tomllib.loads(f"{key.strip()} = 0")
    names = []
    while isinstance(parsed, dict):
        ((name, parsed),) = parsed.items()
        names.append(name)
    return names
