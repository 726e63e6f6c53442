"""Compares all agents over several seeds: trains, measures, draws.

`python -m experiments.compare_agents` trains every entry of the plan with seeds 0 … 4,
measures all runs, solvers and rules on the test scenarios, and writes tables and
figures into results/comparison. Ctrl-C stops every run at its next checkpoint, and the
same command continues.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while libraries load


from agents.console.command_line import (
    DEFAULT_PRESET,
    OneLineParser,
    add_worker_options,
    one_line_errors,
    positive_integer,
    workers_from,
)
from agents.console.display import Display
from agents.console.terminal import run_script
from agents.evaluation.figure_options import add_figure_options
from agents.run.config import RUNS
from agents.storage.folders import remove_hidden
from agents.training.validation import LARGEST_BOUNDED
from experiments.comparison.document import check_page
from experiments.comparison.measuring import MEASUREMENTS, measure_all
from experiments.comparison.output import write_outputs
from experiments.comparison.plan import (
    PLAN,
    QUICK,
    ROOT,
    Entry,
    check_labels,
    make_entries,
)
from experiments.comparison.runs import make_runs
from experiments.comparison.training import ComparisonInterrupted, train_all
from mec_llm_env.task import Task

PROGRAM = "python -m experiments.compare_agents"
_SEEDS, _INSTANCES = 5, 100
_QUICK_SEEDS, _QUICK_INSTANCES = 2, 10
_JOBS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    options = parser.parse_args(words)
    command = shlex.join([*PROGRAM.split(), *words])
    locks = ExitStack()
    try:
        with one_line_errors(PROGRAM):
            _prepare(options)
            workers = workers_from(options, _JOBS)
            entries = _entries(options)
            lock = locks.enter_context(_locked(options.output))
            runs = make_runs(options.output, entries, options.seeds)
            with _stage(f"Training {len(runs)} runs", len(runs)) as display:
                train_all(runs, options.output, workers, display, lock)
        task = Task(preset=options.preset)
        with _stage("Measuring", len(runs)) as display:
            results = measure_all(
                runs, options.output, task, options.instances, display, workers
            )
        printed = {"kind": options.format, "width": options.width}
        with one_line_errors(PROGRAM):  # of evaluations that are damaged
            path = write_outputs(
                options.output, runs, results, options.docs, command, **printed
            )
    except (KeyboardInterrupt, ComparisonInterrupted):
        print(f"Interrupted; what is done is kept. Go on with: {command}")
        return 130
    finally:
        locks.close()
    print(f"Results: {os.path.relpath(path)}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = OneLineParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ", ".join(map(repr, PLAN))
    add("--agents", nargs="+", default=[], metavar="ENTRY", help=f"of {names} (all)")
    add("--seeds", type=positive_integer, metavar="S", help=f"0 … S − 1 ({_SEEDS})")
    add("--output", type=Path, metavar="FOLDER", help="results/comparison")
    add("--preset", default=DEFAULT_PRESET, metavar="P", help="(%(default)s)")
    add("--timesteps", metavar="T", help="decisions of every run (each its own)")
    add_worker_options(parser, "; runs and measurements at once", _JOBS)
    add(
        "--docs",
        type=Path,
        nargs="?",
        const=ROOT / "docs",
        metavar="FOLDER",
        help="update results.md and figures there (docs)",
    )
    add_figure_options(parser, "3.5in")
    add(
        "--quick",
        action="store_true",
        help=f"to see that it works: {_QUICK_SEEDS} seeds, {QUICK[1]} decisions, "
        f"{_QUICK_INSTANCES} test scenarios, into results/comparison_quick",
    )
    return parser


def _prepare(options: argparse.Namespace) -> None:
    """Fills in the defaults, and refuses options that cannot work.

    Raises:
        ValueError: an entry is not in the plan or named twice, there are too many
            seeds, the scenarios are too large, or the page has no place for results.
    """
    check_labels(options.agents)
    folder = "results/comparison_quick" if options.quick else "results/comparison"
    options.output = options.output or Path(folder)
    options.seeds = options.seeds or (_QUICK_SEEDS if options.quick else _SEEDS)
    options.instances = _QUICK_INSTANCES if options.quick else _INSTANCES
    if options.seeds > RUNS:
        raise ValueError(f"--seeds must be at most {RUNS}; got {options.seeds:,}.")
    size = Task(preset=options.preset).config
    if size.users * size.servers > LARGEST_BOUNDED:
        raise ValueError(
            f"--preset {options.preset}: the learning curves need bounds of the "
            f"validation scenarios, which are there up to N·M = {LARGEST_BOUNDED}."
        )
    if options.docs is not None:
        check_page(options.docs)


@contextmanager
def _locked(output: Path) -> Iterator[int]:
    """Creates and locks the folder, and removes what a killed comparison has left.

    The runs inherit the file descriptor, so that the folder stays locked until this
    process and all of them have ended.

    Raises:
        ValueError: another comparison, or a run of one, is at work in it.
    """
    output.mkdir(parents=True, exist_ok=True)
    lock = os.open(output / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ValueError(
            f"{os.fspath(output)!r} is in use by another comparison or by runs that it "
            "left behind. Wait for them, stop them, or give another --output."
        ) from None
    else:
        for folder in (output, output / MEASUREMENTS):
            remove_hidden(folder)
        yield lock
    finally:
        os.close(lock)


def _stage(name: str, total: int) -> Display:
    """Returns the display of a stage, whose name is printed if there is no bar."""
    display = Display(name, total)
    if not display.has_bar:
        display.say(name)
    return display


def _entries(options: argparse.Namespace) -> list[Entry]:
    more = ["--preset", options.preset, *(QUICK if options.quick else ())]
    more += ["--timesteps", options.timesteps] if options.timesteps else []
    return make_entries(options.agents, more)


if __name__ == "__main__":
    raise SystemExit(run_script(main, PROGRAM))
