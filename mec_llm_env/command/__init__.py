"""`python -m mec_llm_env`: an example of a scenario file, and what is wrong in one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mec_llm_env.command.example import example_config
from mec_llm_env.command.summary import describe, without_effect
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.files import write_whole
from mec_llm_env.mobile.config import MobileConfig
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.scenario_file.documents import (
    ConfigFileError,
    checked_path,
    read_document,
)
from mec_llm_env.scenario_file.reading import Examined, examine
from mec_llm_env.task import Task

_PROGRAM = "mec_llm_env"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 2 where something is wrong."""
    parser = _Parser(
        prog=f"python -m {_PROGRAM}", description="Scenario files of your own."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="write a commented example to edit")
    init.add_argument("file", help="to be written, such as my.toml")
    check = commands.add_parser(
        "check", help="say what is wrong, or what the system is"
    )
    check.add_argument("file", help=".toml or .json")
    options = parser.parse_args(arguments)
    try:
        if options.command == "init":
            return _init(options.file)
        return _check(options.file)
    except ValueError as error:
        return _refuse([str(error)])
    except OSError as error:
        return _refuse([f"{str(error.filename)!r}: {error.strerror or error}."])


class _Parser(argparse.ArgumentParser):
    """Its errors are one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(_refuse([message]))


def _init(file: str) -> int:
    path = Path(checked_path(file))
    if path.suffix.lower() != ".toml":
        raise ValueError(f"The example is TOML; got {file!r}. Name it something.toml.")
    if os.path.lexists(path):
        raise ValueError(f"{file!r} is there already. Nothing is overwritten.")
    write_whole(path, example_config(file))
    print(f"Wrote {file}. Edit it, then: python -m {_PROGRAM} check {file}")
    return 0


def _check(file: str) -> int:
    mobile, examined = _examined(file)
    config = examined.config
    if config is None:
        return _refuse([str(problem) for problem in examined.problems])
    try:
        lines = describe(config)
    except ValueError as error:  # parameters that do not fit together
        return _refuse([f"{file!r}: {error}"])
    print("\n".join(lines))
    unused = without_effect(config)
    for reason in dict.fromkeys(unused.values()):
        keys = sorted(k for k in examined.given if unused.get(k) == reason)
        if keys:
            names = ", ".join(f"`{key}`" for key in keys)
            print(f"\nNote: without effect, as {reason}: {names}.")
    if left := _defaults(config, examined.given):
        print(f"\nLeft at their defaults: {left}.")
    try:
        (MobileTask if mobile else Task)(config=config)
    except ValueError as error:
        print(f"\nNote: solvers take this system, environments do not. {error}")
    return 0


def _examined(file: str) -> tuple[bool, Examined[Any]]:
    """Returns whether a file is of moving users, and what is in it."""
    source = checked_path(file)
    try:
        document, _ = read_document(source)
    except ConfigFileError as error:
        return False, Examined(None, error.problems)
    mobile = "mobility" in document or "migration" in document
    kind: type[ScenarioConfig] = MobileConfig if mobile else ScenarioConfig
    return mobile, examine(kind, source)


def _defaults(config: ScenarioConfig, given: frozenset[str]) -> str:
    """Returns the parameters that a file leaves out and that have an effect."""
    known = given | without_effect(config).keys()
    return ", ".join(
        f"{key} = {value}"
        for key, value in config.to_dict().items()
        if key not in known and value is not None and "objective" not in key
    )


def _refuse(problems: list[str]) -> int:
    """Prints problems, a printable line each."""
    for problem in problems:
        line = " ".join(problem.split())
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        print(f"{_PROGRAM}: error: {line}", file=sys.stderr)
    return 2
