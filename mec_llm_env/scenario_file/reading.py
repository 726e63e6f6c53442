"""Reads a configuration from a file of a user's own, and finds mistakes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from mec_llm_env.scenario_file.documents import (
    ConfigFileError,
    Problem,
    checked_path,
    read_document,
)
from mec_llm_env.scenario_file.tables import Tables
from mec_llm_env.scenario_file.usual import odd_system

T = TypeVar("T")

_MOST_PROBLEMS = 50


class Examined(NamedTuple, Generic[T]):
    """What is in a file."""

    config: T | None  # None where there are problems
    problems: list[Problem]
    given: frozenset[str] = frozenset()  # keys of the parameters that the file sets


def read_config(kind: type[T], path: str | os.PathLike[str]) -> T:
    """Returns the configuration in a file.

    Args:
        kind: its class, `ScenarioConfig` or one that is derived from it.
        path: of a `.toml` or `.json` file.

    Raises:
        ConfigFileError: something is wrong in the file.
        ValueError: the path is not of such a file.
        OSError: the file cannot be opened.
    """
    examined = examine(kind, path)
    if examined.config is None:
        raise ConfigFileError(examined.problems)
    return examined.config


def examine(kind: type[T], path: str | os.PathLike[str]) -> Examined[T]:
    """Returns the configuration in a file, or what is wrong with it.

    Raises:
        ValueError: the path is not of a `.toml` or `.json` file.
        OSError: the file cannot be opened.
    """
    source = checked_path(path)
    try:
        document, line_of = read_document(source)
        tables = Tables(kind, document, source, line_of)
        values = tables.values()
    except ConfigFileError as error:
        return Examined(None, error.problems)
    if problems := tables.problems[:_MOST_PROBLEMS]:
        return Examined(None, sorted(problems, key=lambda p: p.line))
    try:
        config = kind().with_overrides(values)  # type: ignore[attr-defined]
    except ValueError as error:
        line, key = _place(str(error), tables.places)
        return Examined(None, [Problem(source, line, key, str(error))])
    odd = [
        Problem(source, *_place(f"`{key}`", tables.places), text)
        for key, text in odd_system(config)
        if key not in tables.meant
    ]
    return Examined(None, odd) if odd else Examined(config, [], frozenset(values))


def _place(text: str, places: Mapping[str, tuple[int, str]]) -> tuple[int, str]:
    """Returns line and name of the first parameter of the file that an error names."""
    for key in re.findall(r"`([\w.]+)`", text):
        if key in places:
            return places[key]
    return 0, ""
