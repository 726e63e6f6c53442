"""What every figure can be asked for on the command line, checked before any work."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.console.command_line import (
    DEFAULT_PRESET,
    OneLineParser,
    add_task_options,
    add_worker_options,
    parse_overrides,
    positive_integer,
    workers_from,
)
from agents.evaluation.figure_options import add_figure_options
from agents.evaluation.selection import Entry
from agents.problems.tasks import DEFAULT_ENV
from agents.registry import run_folder
from agents.work import Workers
from experiments.figure.drawn import DEFAULT_AGENTS, drawn_agents
from experiments.figure.tables import KINDS
from mec_llm_env import ScenarioConfig
from mec_llm_env.held_out import MOST_HELD_OUT
from mec_llm_env.ranges import shorten

_QUICK_INSTANCES = 3
_COLUMN = "3.5in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a figure is to show, and how."""

    config: ScenarioConfig  # what is swept is changed in it
    system: str  # what the configuration is called, for the caption
    values: tuple[float, ...] | None  # rising; None: those of the figure
    agents: tuple[Entry, ...]
    reference: Entry  # whom the others are compared with
    instances: int  # test scenarios per value
    workers: Workers  # where they are decided
    quick: bool
    format: str  # of the figure: pdf, svg or png
    width: float  # inches
    table: str  # csv or latex
    output: Path  # folder
    overwrite: bool


def figure_parser(program: str, description: str | None) -> OneLineParser:
    """Returns a parser with the options of how figures look and where they go."""
    parser = OneLineParser(
        prog=program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_figure_options(parser, _COLUMN)
    add = parser.add_argument
    add(
        "--table",
        choices=KINDS,
        default="csv",
        help="how the same numbers are written beside it (%(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("results/figures"),
        metavar="FOLDER",
        help="(%(default)s)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace files that are there; else others of these names are refused",
    )
    return parser


def add_scenario_options(parser: argparse.ArgumentParser, *, swept: bool) -> None:
    """Adds what is drawn: `--values`, configuration, agents, instances."""
    add = parser.add_argument
    add(
        "--values",
        nargs="+",
        type=number,
        metavar="V",
        help="of the axis" if swept else "of the time axis, s",
    )
    add_task_options(parser, [DEFAULT_ENV])
    add(
        "--agents",
        nargs="+",
        default=list(DEFAULT_AGENTS),
        metavar="AGENT",
        help="solvers, pretrained policies or folders of training runs "
        f"({' '.join(DEFAULT_AGENTS)})",
    )
    add(
        "--reference",
        metavar="AGENT",
        help="one of them, which the others are compared with (the first)",
    )
    add(
        "--instances",
        type=positive_integer,
        default=20,
        metavar="I",
        help="test scenarios per value (%(default)s)",
    )
    add_worker_options(parser)
    add(
        "--quick",
        action="store_true",
        help=f"{_QUICK_INSTANCES} instances, every other value",
    )


def asked(
    options: argparse.Namespace, fixed: Callable[[ScenarioConfig], Sequence[str]]
) -> Asked:
    """Returns what the options of a figure of scenarios ask for.

    Args:
        options: of a parser with all options above.
        fixed: which parameters the figure itself sets, so that nobody else may.

    Raises:
        ValueError: an option is not valid.
        OSError: the configuration cannot be read.
    """
    config = _configuration(options, fixed)
    agents = drawn_agents(options.agents)
    if not 2 <= options.instances <= MOST_HELD_OUT:
        raise ValueError(
            f"--instances must be from 2, to tell how sure the means are, to "
            f"{MOST_HELD_OUT:,}; got {options.instances:,}."
        )
    return Asked(
        config=config,
        system=system_name(options, DEFAULT_PRESET),
        values=None if options.values is None else _rising(options.values),
        agents=agents,
        reference=_reference(options.reference, agents),
        instances=min(options.instances, _QUICK_INSTANCES)
        if options.quick
        else options.instances,
        workers=workers_from(options),
        quick=options.quick,
        format=options.format,
        width=options.width,
        table=options.table,
        output=options.output,
        overwrite=options.overwrite,
    )


def system_name(options: argparse.Namespace, preset: str) -> str:
    """Returns what the configuration is called in a caption.

    Args:
        options: with those of `add_task_options`.
        preset: that is taken where none is named.
    """
    name = Path(options.config).name if options.config else options.preset or preset
    return name + (f" ({', '.join(options.override)})" if options.override else "")


def number(text: str) -> float:
    """Reads a finite number.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number; got {text!r}")
    return value


def _configuration(
    options: argparse.Namespace, fixed: Callable[[ScenarioConfig], Sequence[str]]
) -> ScenarioConfig:
    if options.config is None:
        config = ScenarioConfig.preset(options.preset or DEFAULT_PRESET)
    else:
        config = ScenarioConfig.from_file(options.config)
    overrides = parse_overrides(options.override, "--override")
    config = config.with_overrides(overrides)
    for key in fixed(config):
        if key in overrides:
            raise ValueError(
                f"--override: {key!r} is what this figure varies. Leave it out, or say "
                "where with --values."
            )
    return config


def _rising(values: Sequence[float]) -> tuple[float, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"--values has {value:g} twice; keep one.")
    return tuple(sorted(values))


def _reference(name: str | None, agents: Sequence[Entry]) -> Entry:
    if name is None:
        return agents[0]
    path = os.path.realpath(run_folder(name))
    for agent in agents:
        if name in (agent.label, *agent.names) or path in agent.names:
            return agent
    known = ", ".join(agent.names[0] for agent in agents)
    raise ValueError(
        f"--reference must be one of --agents, {known}; got {shorten(name)}."
    )
