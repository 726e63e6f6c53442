#!/usr/bin/env python
"""Trains a learned agent: `python train.py --agent ppo`.

Precedence of settings: command line, then hyperparams/<agent>.yml, then the
algorithm's own default. Ctrl-C stops at the next checkpoint; `--resume RUN` continues.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while libraries load


from agents.console.command_line import OneLineParser, one_line_errors
from agents.console.terminal import loading, run_script, stop_with_parent
from agents.run.folder import load_config
from agents.run.hyperparameters import describe_hyperparameters
from agents.training.settings import (
    add_training_options,
    config_from_options,
    connect_to_cluster,
    refuse_with_resume,
)
from agents.training.summary import compare_with_rules
from agents.training.trust import can_sign


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.stop_with_parent is not None:
        stop_with_parent(options.stop_with_parent)
    with one_line_errors(parser.prog):
        if options.resume:
            refuse_with_resume(options)
            config = load_config(options.resume)
        else:
            config = config_from_options(options)
        # PyTorch takes seconds to load, so mistakes are told before.
        with loading():
            from agents.training import start

            start.load(config)
            connect_to_cluster(config, options.ray_address)

        if options.resume:
            trainer = start.resume(
                options.resume, options.timesteps, trust=bool(options.trust)
            )
        else:
            if options.dry_run:
                start.build(config)
                print(json.dumps(config.to_dict(), indent=2))
                return 0
            trainer = start.begin(config, options.output or "runs")
    shown = os.path.relpath(trainer.run)
    print(f"Training {trainer.config.agent} in {shown}")
    if not can_sign():
        print(
            "No key can be kept in your configuration folder, so that --resume will "
            "ask for --trust."
        )
    again = f"python {parser.prog} --resume {shown}"
    try:
        complete = trainer.train(options.progress)
    except OSError as error:  # a full disk, above all
        print(
            f"{parser.prog}: error: {error}. What the last checkpoint has is kept; go "
            f"on with: {again}",
            file=sys.stderr,
        )
        return 1
    if not complete:
        print(f"Interrupted. Go on with: {again}")
        return 130
    bounds = trainer.validation.bounds
    if bounds is not None and (warning := bounds.warning()) is not None:
        print(f"Shares of the bound above: {warning}")
    print(compare_with_rules(trainer.run))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = OneLineParser(
        prog="train.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"tuned settings, hyperparams/<agent>.yml; --dry-run prints those of a "
        f"run:\n{describe_hyperparameters()}",
    )
    add = parser.add_argument
    add_training_options(parser)
    add(
        "--ray-address", metavar="A", help="with --engine rllib: host:port of a cluster"
    )
    add("--output", metavar="FOLDER", help="where run folders are made (runs)")
    add("--resume", metavar="RUN", help="continue a run; --timesteps is the total")
    add(
        "--trust",
        action="store_true",
        default=None,
        help="resume from somebody else's checkpoint, which can execute code",
    )
    add(
        "--dry-run",
        action="store_true",
        default=None,
        help="check everything, print all settings as JSON, and write nothing",
    )
    add(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="progress bar (on a terminal)",
    )
    add("--stop-with-parent", type=int, metavar="PID", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(run_script(main, "train.py"))
