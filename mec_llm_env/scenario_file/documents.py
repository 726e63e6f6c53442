"""TOML and JSON files of a user's own, as dictionaries, and what is wrong with them."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from mec_llm_env.ranges import shorten
from mec_llm_env.scenario_file import json_lines, toml_lines
from mec_llm_env.scenario_file.toml_lines import Path

LineOf = Callable[[Path], int]

#: Largest file of a configuration that is read, in bytes: 10,000 users take 3 MB.
MOST_BYTES = 2**24


class Problem(NamedTuple):
    """What is wrong in a file, and where."""

    source: str  # path of the file
    line: int  # from 1; 0: none in particular
    key: str  # as it stands there; may be empty
    text: str  # what is wrong, the value and the remedy

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        key = f", {self.key}" if self.key else ""
        return f"{self.source!r}{line}{key}: {self.text}"


class ConfigFileError(ValueError):
    """A configuration file is not valid.

    Attributes:
        problems: all that were found.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        first, more = problems[0], len(problems) - 1
        also = (
            f" ({more} more: `python -m mec_llm_env check {first.source}` lists all)"
            if more
            else ""
        )
        super().__init__(f"{first}{also}")


def checked_path(path: str | os.PathLike[str]) -> str:
    """Returns the path of a configuration file as a text.

    Raises:
        ValueError: it is none, or has another ending than those that are read.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(path, bytes):
        raise ValueError(
            f"`path` must be the path of a .toml or .json file; got {shorten(path)}."
        )
    source = os.fspath(path)
    if not isinstance(source, str) or "\0" in source:
        raise ValueError(f"`path` must be a path of text; got {shorten(source)}.")
    if FilePath(source).suffix.lower() not in _READERS:
        raise ValueError(
            f"A configuration is a .toml or a .json file; got {shorten(source)}. "
            "`python -m mec_llm_env init my.toml` writes an example; the name of a "
            "preset is given as `preset`."
        )
    return source


def read_document(source: str) -> tuple[dict[str, Any], LineOf]:
    """Returns what stands in a file, and what tells the line of a path of keys.

    Raises:
        ConfigFileError: it is not TOML, or JSON, or says nothing.
        OSError: the file cannot be opened.
    """
    suffix = FilePath(source).suffix.lower()
    text = read_text(source, MOST_BYTES)
    if not text.strip():
        raise ConfigFileError([Problem(source, 0, "", f"is empty. {_EXAMPLE}")])
    document, line_of = _READERS[suffix](source, text)
    if not document:
        raise ConfigFileError([Problem(source, 0, "", f"sets nothing. {_EXAMPLE}")])
    return document, line_of


def read_text(source: str, most: int) -> str:
    """Returns the text of a file, each line of which ends in a newline alone.

    Raises:
        ConfigFileError: it is too large, or is not UTF-8.
        OSError: the file cannot be opened.
    """
    with open(source, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        text = f"is larger than {most:,} bytes, which no such file needs to be."
        raise ConfigFileError([Problem(source, 0, "", text)])
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = f"is not UTF-8 text, from byte {error.start} on. Save it as UTF-8."
        raise ConfigFileError([Problem(source, line, "", text)]) from None


def _read_toml(source: str, text: str) -> tuple[dict[str, Any], LineOf]:
    try:
        document = tomllib.loads(text)
    except RecursionError:
        problem = Problem(source, 0, "", "has too many levels.")
        raise ConfigFileError([problem]) from None
    except ValueError as error:  # also integers of too many digits
        words, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found.group(1)) if found else 0
        if place.startswith("end"):
            line = text.rstrip("\n").count("\n") + 1
        statement = "".join(text.splitlines()[line - 1 : line])
        told = (
            f"is not valid TOML: {words.rstrip('.')}. {_toml_remedy(words, statement)}"
        )
        twice = _twice(source, line, words, statement)
        raise ConfigFileError([twice or Problem(source, line, "", told)]) from None
    return document, _line_of(text, toml_lines.key_lines)


def _line_of(text: str, key_lines: Callable[[str], dict[Path, int]]) -> LineOf:
    """Returns what tells the line of a path, or of what it is in; found on demand."""
    lines: dict[Path, int] = {}

    def line_of(path: Path) -> int:
        if not lines:
            lines.update(key_lines(text))
        while path and path not in lines:
            path = path[:-1]
        return lines.get(path, 0)

    return line_of


def _twice(source: str, line: int, words: str, statement: str) -> Problem | None:
    """Returns the problem of a line whose key, or table, has been there before."""
    name = re.match(r"\s*(\[\[?[^\]]+\]\]?|[\w.\"'-]+(?=\s*=))", statement)
    if not re.search("overwrite|declare|twice", words) or name is None:
        return None
    shown = name.group(1)
    shown = shown if shown.startswith("[") else f"`{shown}`"
    return Problem(source, line, shown, _TWICE)


def _toml_remedy(words: str, statement: str) -> str:
    if re.search(r"=\s*(None|null|nil)\b", statement):
        return "Nothing stands for none in TOML: leave the key out."
    if re.search("overwrite|declare|twice|Duplicate", words):
        return "A key or a table appears twice; keep one."
    if "nvalid value" in words or "after a statement" in words:
        return "Texts need quotes, numbers a decimal point and no unit."
    if "statement" in words or "'='" in words:
        return "A line is `key = value`, `[table]` or `[[table]]`."
    if "digits" in words:
        return "Write large numbers as 1e9."
    return "Close every quote and bracket."


def _read_json(source: str, text: str) -> tuple[dict[str, Any], LineOf]:
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice.extend({name for name in names if names.count(name) > 1})
        return dict(pairs)

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        words = str(error).partition(":")[0]
        words = "too many levels" if isinstance(error, RecursionError) else words
        raise ConfigFileError(
            [Problem(source, line, "", f"is not valid JSON: {words}.")]
        ) from None
    if not isinstance(document, dict):
        text = f"must hold a JSON object, one key a parameter; got {shorten(document)}."
        raise ConfigFileError([Problem(source, 0, "", text)])
    line_of = _line_of(text, json_lines.key_lines)
    if twice:
        lines = json_lines.key_lines(text)
        named = f".{twice[0]}"
        line = next(
            line
            for path, line in lines.items()
            if f".{'.'.join(map(str, path))}".endswith(named)
        )
        raise ConfigFileError([Problem(source, line, f"`{twice[0]}`", _TWICE)])
    if "channel_gain" in document:
        line = line_of(("channel_gain",))
        raise ConfigFileError([Problem(source, line, "`channel_gain`", _SCENARIO)])
    return _nested(source, document, line_of), line_of


def _nested(source: str, document: dict[str, Any], line_of: LineOf) -> dict[str, Any]:
    """Returns an object whose dotted keys have become objects in objects."""
    nested: dict[str, Any] = {}
    for key, value in document.items():
        topic, dot, name = key.partition(".")
        if not dot:
            own, inner = nested, key
        else:
            own, inner = nested.setdefault(topic, {}), name
        if not isinstance(own, dict) or inner in own:
            problem = Problem(source, line_of((topic,)), f"`{key}`", _TWICE)
            raise ConfigFileError([problem])
        own[inner] = value
    return nested


_EXAMPLE = "`python -m mec_llm_env init my.toml` writes an example."
_TWICE = "appears twice. Keep one."
_SCENARIO = (
    "is a field of a scenario, in SI units, and this is to be a configuration. "
    "`Scenario.from_json` reads scenarios."
)
_READERS = {".toml": _read_toml, ".json": _read_json}
