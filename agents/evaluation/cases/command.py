"""`evaluate.py --scenario`: cases of the user's own are read, decided and written."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import dashf
from agents.console.command_line import one_line_errors, parse_overrides, workers_from
from agents.console.display import Display, print_table
from agents.console.terminal import loading
from agents.evaluation.cases.deciding import Deciders, decide_all, results_of
from agents.evaluation.cases.output import by_case, write_cases
from agents.evaluation.cases.reading import Case, as_name, read_cases
from agents.evaluation.cases.report import agent_table
from agents.problems.bounds import loose_bounds, priced_bounds
from agents.problems.tasks import DEFAULT_ENV
from agents.storage.folders import check_writable
from agents.storage.provenance import provenance
from agents.work import Workers


def decide_cases(program: str, options: argparse.Namespace) -> int:
    """Lets agents decide cases of the user's own; returns the exit status.

    Args:
        program: its name, for errors.
        options: of `evaluate.py`.
    """
    with one_line_errors(program):
        _check_alone(options)
        overrides = parse_overrides(options.override, "--override")
        cases = read_cases(options.scenario, overrides, options.instances)
        with loading():
            deciders = Deciders(cases)
            names, skipped = deciders.able(options.agents)
            rows = deciders.rows(names)
        workers = workers_from(options)
        check_writable(Path(options.output))
    for line in skipped:
        print(line)
    bounds = None if options.no_bound else _case_bounds(cases, workers)
    count = len(cases) * sum(len(row.names) for row in rows)
    with Display("deciding", count) as display:
        decided = decide_all(
            *(deciders, rows, bounds),
            seed=options.seed,
            workers=workers,
            advance=display.update,
        )
    results = results_of(rows, decided, bounds, options.seed)
    about = {
        "scenario": options.scenario,
        "cases": len(cases),
        "overrides": overrides,
        "seed": options.seed,
        "left out": skipped or "none",
        **provenance(),
    }
    if bounds is not None and (note := loose_bounds(bounds)) is not None:
        about["bound"] = f"Note: {note}"
    if workers.are_several:
        about["times"] = "Decisions were timed beside others; see --jobs."
    heading, table_rows = agent_table(results)
    print_table(heading, table_rows)
    for note in ("bound", "times"):
        if note in about:
            print(about[note])
    only = Path(options.scenario[0]) if len(options.scenario) == 1 else Path("cases")
    with one_line_errors(program), Display("drawing", count) as display:
        report = write_cases(
            *(Path(options.output), as_name(only.resolve().stem), by_case(decided)),
            *(bounds, results, about),
            advance=display.update,
            kind=options.format,
            width=options.width,
        )
    print(f"Report: {os.path.relpath(report)}")
    return 0


def _check_alone(options: argparse.Namespace) -> None:
    """Refuses options that do not go with `--scenario`.

    Raises:
        ValueError: there is one.
    """
    for name in ("preset", "config"):
        if getattr(options, name) is not None:
            raise ValueError(
                "`--scenario` has the parameters of its own files; leave out "
                f"--{name}, or leave out --scenario to compare on the test scenarios "
                f"of the {name}."
            )
    if options.env not in (None, DEFAULT_ENV):
        raise ValueError(
            f"`--scenario` is decided as in {DEFAULT_ENV}, each case once; got --env "
            f"{options.env}. Leave it out."
        )


def _case_bounds(cases: Sequence[Case], workers: Workers) -> list[dashf.Bound]:
    problems = [(case.scenario, case.objective) for case in cases]
    with Display("certified bounds", len(cases)) as display:
        return priced_bounds(problems, advance=display.update, workers=workers)
