"""Random command lines of any program, from the options that its own parser has."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agents.console.command_line import OneLineParser
from tests.command_lines import HYPERPARAMETERS, JUNK, OVERRIDES, mutated

#: What options of these names mostly get. Those of others get numbers and junk.
_VALUES = {
    "override": OVERRIDES,
    "hyperparameter": HYPERPARAMETERS,
    "preset": ("tiny-4x2", "paper-10x2", "mobile-10x2", "huge-1000x100", "papr"),
    "config": ("own.toml", "own.json", "moving.toml", "wrong.toml", "none.toml", "."),
    "width": ("3.5in", "88mm", "1in", "252pt"),
    "ray_address": ("localhost:1", "nowhere"),
    "policy": ("mlp", "set", "cnn"),
    "action_encoding": ("box", "dict", "association", "bits"),
    "output": ("new", "new/deeper", "own.toml", "/dev/null", "/dev/null/x", "."),
}
_NUMBERS = ("1", "2", "3", "50", "1e3", "1_000", "0", "1e18", "9" * 30)


class _Built(Exception):  # noqa: N818 - it is no error
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(main: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    """Returns the parser that a program makes."""

    def stop(parser: argparse.ArgumentParser, *arguments: Any) -> Any:
        raise _Built(parser)

    whole = OneLineParser.parse_args
    OneLineParser.parse_args = stop  # type: ignore[method-assign]
    try:
        main([])
    except _Built as built:
        return built.parser
    finally:
        OneLineParser.parse_args = whole  # type: ignore[method-assign]
    raise AssertionError(f"{main} parses nothing.")


def words_for(
    rng: np.random.Generator,
    parser: argparse.ArgumentParser,
    usual: dict[str, Sequence[str]],
) -> list[str]:
    """Returns words with every option now and then, and a mistake in every third.

    Args:
        rng: draws them.
        parser: whose options they are.
        usual: values of options by their names, besides those that are known.
    """
    words: list[str] = []
    for action in parser._actions:
        needed = action.required or action.dest in usual
        if rng.random() > (0.9 if needed else 0.15) or action.dest == "help":
            continue
        known = action.choices or usual.get(action.dest) or _VALUES.get(action.dest)
        values = [*(known or _NUMBERS)]
        one = {None: 1, "?": int(rng.integers(2)), 0: 0}.get(action.nargs)
        count = int(rng.integers(1, 4)) if one is None else one
        drawn = [
            str(rng.choice(JUNK if rng.random() < 0.06 else values))
            for _ in range(count)
        ]
        # What stands by its place comes first: options of several words would take it.
        place = len(words) if action.option_strings else 0
        words[place:place] = [*action.option_strings[-1:], *drawn]
    return mutated(rng, words, tuple(parser._option_string_actions))
