"""What both scripts need of a command line: one-line errors and typed overrides."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mec_llm_env import PRESETS

DEFAULT_PRESET = "paper-10x2"


@contextlib.contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """Ends the program with exit status 2 and one line where user input is at fault.

    It encloses only the checking of input, so that a defect elsewhere keeps its
    traceback.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        text = " ".join(str(error).split())
        print(f"{program}: error: {text}", file=sys.stderr)
        raise SystemExit(2) from None


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, without the usage before it."""

    def error(self, message: str) -> Any:
        """Ends the program with exit status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse_overrides(items: Sequence[str], option: str) -> dict[str, Any]:
    """Reads `KEY=VALUE` items; a value is JSON, or else a string.

    Raises:
        ValueError: an item has no `=`, or a key stands twice.
    """
    overrides: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise ValueError(f"`{option}` takes KEY=VALUE; got {item!r}.")
        if key in overrides:
            raise ValueError(f"`{option}` names {key!r} twice; keep one.")
        try:
            overrides[key] = json.loads(text)
        except json.JSONDecodeError:
            overrides[key] = text
    return overrides


def positive_integer(text: str) -> int:
    """Reads a positive whole number such as 500_000 or 5e5.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    return _integer(text, minimum=1)


def seed_number(text: str) -> int:
    """Reads a whole number of at least 0.

    Raises:
        argparse.ArgumentTypeError: it is not one.
    """
    return _integer(text, minimum=0)


def _integer(text: str, minimum: int) -> int:
    try:
        number = float(text)
        if number < minimum or number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {minimum}; got {text!r}"
        ) from None
    return int(number)


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--preset` and `--override`."""
    parser.add_argument(
        "--preset",
        metavar="P",
        help=f"scenario configuration: {', '.join(PRESETS)} ({DEFAULT_PRESET})",
    )
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a parameter, such as radio.bandwidth_mhz=20; may be repeated",
    )


def task_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the environment arguments that `add_task_options` asked for.

    Raises:
        ValueError: an override is not KEY=VALUE.
    """
    kwargs: dict[str, Any] = {"preset": options.preset or DEFAULT_PRESET}
    overrides = parse_overrides(options.override, "--override")
    return kwargs | ({"overrides": overrides} if overrides else {})
