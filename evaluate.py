#!/usr/bin/env python
"""Compares agents on the same test scenarios, or in the same test episodes.

`python evaluate.py --agents runs/ppo/latest gucaa rucaa random` prints a table and
writes results.csv, results.json, report.html and figures into a new folder. Several
runs that differ in their seed alone, such as runs/ppo/*_?, are one row. With
`--env MecLlmMobile-v0` there are `hysteresis` and `lookahead` too, and `clairvoyant`,
a plan that knows the future.

`python evaluate.py --scenario my.toml --agents all` decides cases of your own instead:
its report opens with what was decided and why, and every decision is written as CSV,
JSON and picture.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while libraries load


from agents.console.command_line import (
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
from agents.console.display import Display, print_table
from agents.console.terminal import loading, run_script
from agents.evaluation.cases.command import decide_cases
from agents.evaluation.cases.deciding import ALL
from agents.evaluation.comparison import compare
from agents.evaluation.figure_options import SCREEN_IN, add_figure_options
from agents.evaluation.output import write_results
from agents.evaluation.results import AgentResult, table
from agents.evaluation.selection import common_environment, select
from agents.problems.bounds import InstanceBounds, certified_bounds
from agents.problems.instances import (
    INSTANCES,
    Instances,
    default_count,
    held_out_instances,
)
from agents.problems.tasks import DEFAULT_ENV, ENVIRONMENTS, AnyTask, make_task
from agents.registry import agent_names
from agents.storage.folders import check_writable
from agents.storage.provenance import provenance
from agents.work import Workers
from mec_llm_env.names import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.scenario is not None:
        return decide_cases(parser.prog, options)
    with one_line_errors(parser.prog):
        _check_all(options.agents)
        asked = options.preset or options.config or options.override
        given = task_arguments(options) if asked else None
        env_id, arguments_of_task = common_environment(
            options.agents, _known(options.env), given
        )
        task = make_task(env_id, **arguments_of_task)
        with loading():
            entries = select(options.agents, task)
        count = options.instances or default_count(task)
        situations = count * task.episode_length
        check_memory(task.config, situations, "situations of the instances")
        instances = held_out_instances(task.config, count)
        workers = workers_from(options)
        check_writable(Path(options.output))

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
            runs=entry.names if entry.is_trained else ("",),
            measurements=tuple(next(measured) for _ in entry.names),
            bound=None if bounds is None else bounds.value,
            seed=options.seed,
        )
        for entry in entries
    ]
    name, source = _origin(arguments_of_task, options.config)
    about = {
        "env": env_id,
        **source,
        "instances": count,
        "seed": options.seed,
        "parameters": task.config.to_dict(),
        **provenance(),
    }
    warning = None if bounds is None else bounds.warning()
    if warning is not None:
        about["bound"] = f"Note: {warning}"
    print_table(*table(results))
    if warning is not None:
        print(about["bound"])
    with one_line_errors(parser.prog):
        report = write_results(
            *(Path(options.output), name, results, about),
            kind=options.format,
            width=options.width,
        )
    print(f"Report: {os.path.relpath(report)}")
    return 0


def _check_all(names: Sequence[str]) -> None:
    if ALL in names:
        raise ValueError(
            f"`--agents {ALL}` goes with --scenario; on test scenarios name the agents."
        )


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
        help=f"{', '.join(agent_names())}, or folders of training runs; {ALL}: with "
        "--scenario, whoever can decide it",
    )
    add(
        "--scenario",
        nargs="+",
        metavar="PATH",
        help="cases of your own: .toml and .json configurations, .json and .npz "
        "scenarios, or folders of them",
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
        metavar="I",
        help=f"test scenarios, or episodes ({INSTANCES}; 1 where nothing is random); "
        "with --scenario draws of each configuration (1)",
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
    add_figure_options(parser, f"{SCREEN_IN:g}in")
    add_worker_options(
        parser, "; decisions are timed serially, those of --scenario as they are made"
    )
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


def _origin(
    arguments: Mapping[str, Any], file: str | None
) -> tuple[str, dict[str, Any]]:
    """Returns what the results are called after, and what says where they are from."""
    if "preset" in arguments:
        return arguments["preset"], dict(arguments)
    # A report lists the parameters anyway.
    config = os.path.basename(file) if file else "that of the runs"
    return Path(config).stem if file else "own", {**arguments, "config": config}


def _bounds(
    instances: Instances, task: AnyTask, kwargs: Mapping[str, Any], workers: Workers
) -> InstanceBounds:
    with Display("certified bounds", instances.batch_shape[0]) as display:
        return certified_bounds(
            instances,
            task.config.objective,
            None if "overrides" in kwargs else kwargs.get("preset"),
            advance=display.update,
            workers=workers,
        )


if __name__ == "__main__":
    raise SystemExit(run_script(main, "evaluate.py"))
