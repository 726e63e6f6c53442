"""The comparison of a trained agent with rules that `train.py` prints at the end."""

from __future__ import annotations

import os
from pathlib import Path

from agents.instances import mean_scr
from agents.registry import make_agent
from agents.run.folder import load_config
from agents.tasks import make_task

RULES = ("gucaa", "rucaa", "random")


def compare_with_rules(run: Path, instances: int = 100) -> str:
    """Returns mean SCRs of a run's best model and of the rules on test scenarios."""
    config = load_config(run)
    task = make_task(config.env_id, **config.env_kwargs)
    ours, *theirs = (
        mean_scr(make_agent(name, task), task, instances)
        for name in (os.fspath(run), *RULES)
    )
    versus = ", ".join(
        f"{ours / scr:.2f} × {name} ({scr:.2f})"
        for name, scr in zip(RULES, theirs, strict=True)
    )
    shown = os.path.relpath(run)
    return (
        f"Mean SCR on {instances} test scenarios: {ours:.2f} = {versus}.\n"
        f"Compare in full: python evaluate.py --agents {shown} {' '.join(RULES)}"
    )
