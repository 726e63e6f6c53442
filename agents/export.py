"""Exports a trained policy as JSON and weights without pickles.

`python -m agents.export runs/apg/latest` copies the best model of a run to where
`python evaluate.py --agents apg:pretrained` finds it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.algorithms import ALGORITHMS
from agents.console.command_line import OneLineParser, one_line_errors, parse_overrides
from agents.learned import errors_of_loading, find_model
from agents.problems.instances import mean_scr
from agents.problems.tasks import MOBILE_ENV, make_task
from agents.registry import PRETRAINED, make_agent
from agents.run.folder import WEIGHTS, load_config, read_content, write_config
from agents.run.hyperparameters import check_arguments
from agents.storage.folders import filled_folder

#: Test scenarios whose mean SCR is recorded.
INSTANCES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports; returns the exit status."""
    parser = OneLineParser(
        prog="agents.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="folder of a training run")
    parser.add_argument(
        "--output", default=os.fspath(PRETRAINED), help="(agents/pretrained)"
    )
    parser.add_argument(
        "--hyperparameter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of deciding, that shall differ from the run's, such as candidates=2",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="read pickled weights, as older runs have; only if you know who made it",
    )
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        changes = parse_overrides(options.hyperparameter, "--hyperparameter")
        folder = export(
            *(Path(options.run), Path(options.output), changes), trust=options.trust
        )
    print(f"Exported: {os.path.relpath(folder)}")
    return 0


def export(
    run: Path,
    output: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    trust: bool = False,
) -> Path:
    """Writes `policy.npz` and `config.json` to a new folder named after the agent.

    In the sequential problem `_mobile` is added to the name.

    `config.json` is that of the run, with its provenance, and the SCR of the policy.

    Args:
        run: folder of a training run.
        output: where the folder is made.
        changes: of hyperparameters, such as `candidates`, for deciding alone.
        trust: read pickled weights too.

    Raises:
        ValueError: the folder is no run, has no model yet, or a damaged one; or there
            is such a policy in the output already.
        OSError: the output cannot be written.
    """
    config = load_config(run)
    mobile = "_mobile" if config.env_id == MOBILE_ENV else ""
    folder = output / f"{config.agent}{mobile}"
    if folder.exists():
        raise ValueError(
            f"{os.fspath(folder)!r} is there and is not replaced. Choose another "
            "--output, or remove it."
        )
    model = find_model(run, config, trust=trust)
    settings = config.hyperparameters | dict(changes or {})
    check_arguments(ALGORITHMS[config.agent].load_class(), settings)
    policy_files = ALGORITHMS[config.agent].load_policy_files()

    def fill(unfinished: Path) -> None:
        with errors_of_loading(model):
            policy_files.export_policy(model, config, unfinished / WEIGHTS)
        content = read_content(run)
        content.pop("policy", None)  # of one that was exported before
        content["config"]["hyperparameters"] = settings
        write_config(unfinished, content)
        task = make_task(config.env_id, **config.env_kwargs)
        agent = make_agent(os.fspath(unfinished), task)
        content["policy"] = {
            "sha256": hashlib.sha256((unfinished / WEIGHTS).read_bytes()).hexdigest(),
            "instances": INSTANCES,
            "mean_scr": mean_scr(agent, task, INSTANCES),
        }
        write_config(unfinished, content)

    return filled_folder(output, fill, lambda: folder)


if __name__ == "__main__":
    raise SystemExit(main())
