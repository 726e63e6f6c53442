"""The comparison of a trained agent with rules that `train.py` prints at the end."""

from __future__ import annotations

import os
from pathlib import Path

from agents.problems.instances import mean_scr
from agents.problems.tasks import MOBILE_ENV, make_task
from agents.registry import make_agent
from agents.run.folder import load_config

RULES = ("gucaa", "rucaa", "random")
EPISODES = 20
_OF_INSTANCES = ("preset", "config", "overrides")


def compare_with_rules(run: Path, instances: int = 100) -> str:
    """Returns mean SCRs of a run's best model and of the rules on test instances."""
    config = load_config(run)
    task = make_task(config.env_id, **config.env_kwargs)
    kind = "scenarios"
    if config.env_id == MOBILE_ENV:
        instances, kind = min(instances, EPISODES), "episodes"
    ours = mean_scr(make_agent(os.fspath(run), task), task, instances)
    # Rules decide on resources, whatever the policy decides on.
    kwargs = {k: v for k, v in config.env_kwargs.items() if k in _OF_INSTANCES}
    plain = make_task(config.env_id, **kwargs)
    theirs = [mean_scr(make_agent(name, plain), plain, instances) for name in RULES]
    versus = ", ".join(
        f"{ours / scr:.2f} × {name} ({scr:.2f})"
        for name, scr in zip(RULES, theirs, strict=True)
    )
    shown = os.path.relpath(run)
    return (
        f"Mean SCR on {instances} test {kind}: {ours:.2f} = {versus}.\n"
        f"Compare in full: python evaluate.py --agents {shown} {' '.join(RULES)}"
    )
