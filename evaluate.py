#!/usr/bin/env python
"""Compares agents on the same test scenarios, or in the same test episodes.

`python evaluate.py --agents runs/ppo/latest gucaa rucaa random` prints a table and
writes results.csv, results.json, report.html and figures into a new folder. Several
runs that differ in their seed alone, such as runs/ppo/*_?, are one row. With
`--env MecLlmMobile-v0` there are `hysteresis` and `lookahead` too, and `clairvoyant`,
a plan that knows the future.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while libraries load


from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agents.bounds import InstanceBounds, certified_bounds
from agents.command_line import (
    OneLineParser,
    add_task_options,
    add_worker_options,
    check_memory,
    one_line_errors,
    positive_integer,
    seed_number,
    task_arguments,
    workers_from,
)
from agents.display import Display
from agents.evaluation.comparison import compare
from agents.evaluation.output import write_results
from agents.evaluation.results import AgentResult, table
from agents.evaluation.selection import common_environment, select
from agents.folders import check_writable
from agents.instances import Instances, held_out_instances
from agents.provenance import provenance
from agents.registry import agent_names
from agents.tasks import DEFAULT_ENV, ENVIRONMENTS, AnyTask, make_task
from agents.terminal import loading, run_script
from agents.work import Workers
from mec_llm_env.names import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        asked = options.preset or options.override
        given = task_arguments(options) if asked else None
        env_id, arguments_of_task = common_environment(
            options.agents, _known(options.env), given
        )
        task = make_task(env_id, **arguments_of_task)
        with loading():
            entries = select(options.agents, task)
        situations = options.instances * task.episode_length
        check_memory(task.config, situations, "situations of the instances")
        instances = held_out_instances(task.config, options.instances)
        check_writable(Path(options.output))
        workers = workers_from(options)

    bounds = None
    if not options.no_bound:
        bounds = _bounds(instances, task, arguments_of_task, workers)
    names = [name for entry in entries for name in entry.names]
    with Display("deciding", 1.0) as display:
        measured = iter(
            compare(
                *(names, task, instances),
                seed=options.seed,
                workers=workers,
                advance=display.update,
            )
        )
    results = [
        AgentResult(
            label=entry.label,
            runs=entry.names if entry.trained else ("",),
            measurements=tuple(next(measured) for _ in entry.names),
            bound=None if bounds is None else bounds.value,
            seed=options.seed,
        )
        for entry in entries
    ]
    about = {
        "env": env_id,
        **arguments_of_task,
        "instances": options.instances,
        "seed": options.seed,
        "parameters": task.config.to_dict(),
        **provenance(),
    }
    warning = None if bounds is None else bounds.warning()
    if warning is not None:
        about["bound"] = f"Note: {warning}"
    _print_table(results)
    if warning is not None:
        print(about["bound"])
    name = arguments_of_task["preset"]
    with one_line_errors(parser.prog):
        report = write_results(Path(options.output), name, results, about)
    print(f"Report: {os.path.relpath(report)}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = OneLineParser(
        prog="evaluate.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--agents",
        nargs="+",
        required=True,
        metavar="AGENT",
        help=f"{', '.join(agent_names())}, or folders of training runs",
    )
    add(
        "--env",
        metavar="ID",
        help=f"{', '.join(ENVIRONMENTS)} (that of the runs, or {DEFAULT_ENV})",
    )
    add_task_options(parser)
    add(
        "--instances",
        type=positive_integer,
        default=100,
        metavar="I",
        help="test scenarios, or episodes (%(default)s)",
    )
    add(
        "--seed",
        type=seed_number,
        default=0,
        help="of random agents and intervals (%(default)s)",
    )
    add(
        "--no-bound",
        action="store_true",
        help="leave out shares of the certified bound; bounds that are not in the bank "
        "are computed, which takes long for large scenarios, and cached",
    )
    add("--output", default="results", help="where a new folder is made (%(default)s)")
    add_worker_options(parser, "; decisions are timed serially")
    return parser


def _known(env_id: str | None) -> str | None:
    """Returns an id from the command line.

    Raises:
        ValueError: there is no such environment.
    """
    if env_id is not None and env_id not in ENVIRONMENTS:
        raise ValueError(
            f"There is no environment {env_id!r}.{did_you_mean(env_id, ENVIRONMENTS)} "
            f"Choose from {', '.join(ENVIRONMENTS)}."
        )
    return env_id


def _bounds(
    instances: Instances, task: AnyTask, kwargs: Mapping[str, Any], workers: Workers
) -> InstanceBounds:
    with Display("certified bounds", instances.batch_shape[0]) as display:
        return certified_bounds(
            instances,
            task.config.objective,
            None if "overrides" in kwargs else kwargs["preset"],
            advance=display.update,
            workers=workers,
        )


def _print_table(results: Sequence[AgentResult]) -> None:
    heading, rows = table(results)
    console = Console(width=None if sys.stdout.isatty() else 200)
    shown = Table(*heading, box=SIMPLE_HEAD)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


if __name__ == "__main__":
    raise SystemExit(run_script(main, "evaluate.py"))
