"""Command lines of all scripts: options in common, and errors of one line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from agents.problems.tasks import DEFAULT_ENV, ENVIRONMENTS
from agents.work import BACKENDS, PROCESSES, RAY, Workers
from mec_llm_env import ScenarioConfig

DEFAULT_PRESET = ENVIRONMENTS[DEFAULT_ENV].default_preset
_LONGEST = 1_000  # characters of an error, which may quote whatever was typed
_BYTES_A_PAIR = 100  # of user and server; a step of many environments takes 140


@contextlib.contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """Turns errors of user input into one line and exit status 2.

    It encloses only the checking of input, so that a defect elsewhere keeps its
    traceback.
    """
    try:
        yield
    except MemoryError as error:
        print(one_line(program, f"not enough memory. {error}"), file=sys.stderr)
        raise SystemExit(2) from None
    except (ValueError, OSError) as error:
        print(one_line(program, str(error)), file=sys.stderr)
        raise SystemExit(2) from None


class OneLineParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, without the usage before it."""

    def error(self, message: str) -> Any:
        """Ends the program with exit status 2."""
        if "not allowed with argument" in message:  # argparse names no remedy
            message += ". Leave one of them out."
        self.exit(2, f"{one_line(self.prog, message)}\n")


def one_line(program: str, text: str) -> str:
    """Returns an error as one printable line of limited length."""
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    if len(text) > _LONGEST:  # the end has the remedy
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    return f"{program}: error: {text}"


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
        except RecursionError:
            raise ValueError(f"`{option}`: {key} has too many levels.") from None
    return overrides


def whole_number(text: str, least: int = 0) -> int:
    """Reads a whole number such as 500_000 or 5e5.

    Raises:
        argparse.ArgumentTypeError: it is not one, or below the least.
    """
    try:
        number = float(text)
        if number < least or number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {least}; got {text!r}"
        ) from None
    return int(number)


#: Types of options: how many of something, and seeds.
positive_integer = partial(whole_number, least=1)
seed_number = partial(whole_number, least=0)


def check_memory(config: ScenarioConfig, count: int, what: str) -> None:
    """Refuses work that would not fit into the memory of this machine.

    Args:
        config: of the scenarios.
        count: of them at once.
        what: they are, for the message.

    Raises:
        ValueError: they would take more than all of its memory.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = count * config.users * config.servers * _BYTES_A_PAIR
    if needed > there:
        raise ValueError(
            f"{count:,} {what} of {config.users:,} users and {config.servers:,} "
            f"servers need about {needed / 2**30:,.0f} GiB of memory, and there are "
            f"{there / 2**30:,.0f}. Take fewer of them, or smaller ones."
        )


def add_task_options(
    parser: argparse.ArgumentParser, env_ids: Sequence[str] = tuple(ENVIRONMENTS)
) -> None:
    """Adds `--preset` or `--config`, with those of some environments, `--override`."""
    presets = "; ".join(
        f"{', '.join(own.presets)} ({own.default_preset})"
        for own in map(ENVIRONMENTS.__getitem__, env_ids)
    )
    system = parser.add_mutually_exclusive_group()
    system.add_argument(
        "--preset", metavar="P", help=f"scenario configuration: {presets}"
    )
    system.add_argument(
        "--config",
        metavar="FILE",
        help="scenario configuration of your own, .toml or .json; `python -m "
        "mec_llm_env init my.toml` writes one to edit",
    )
    add_override_option(parser)


def add_override_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--override`, which `parse_overrides` reads."""
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a parameter, such as radio.bandwidth_mhz=20; may be repeated",
    )


def task_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the environment arguments that `add_task_options` asked for, no others.

    Raises:
        ValueError: an override is not KEY=VALUE.
    """
    given = {"preset": options.preset, "config": options.config}
    kwargs: dict[str, Any] = {k: v for k, v in given.items() if v}
    overrides = parse_overrides(options.override, "--override")
    return kwargs | ({"overrides": overrides} if overrides else {})


def add_worker_options(
    parser: argparse.ArgumentParser, note: str = "", default: int = 1
) -> None:
    """Adds `--jobs`, whose help the note ends, `--backend` and `--ray-address`."""
    add = parser.add_argument
    add(
        "--jobs",
        type=positive_integer,
        metavar="J",
        help=f"processes, at most ({default}; with Ray all processors of the cluster)"
        + note,
    )
    add(
        "--backend",
        default=PROCESSES,
        metavar="B",
        help=f"where: {', '.join(BACKENDS)} (%(default)s); see docs/scaling.md",
    )
    add(
        "--ray-address",
        metavar="A",
        help=f"with --backend {RAY}: host:port of a cluster (one that runs here, or "
        "else this machine)",
    )


def workers_from(options: argparse.Namespace, default: int = 1) -> Workers:
    """Returns the workers that `add_worker_options` asked for, connected.

    Args:
        options: of the command line.
        default: processes on this machine, if no number is given.

    Raises:
        ValueError: the options do not go together, or Ray is not installed.
        OSError: no cluster answers.
    """
    jobs = options.jobs
    if jobs is None and options.backend == PROCESSES:
        jobs = default
    workers = Workers(
        jobs=jobs, backend=options.backend, ray_address=options.ray_address
    )
    workers.connect()
    return workers
