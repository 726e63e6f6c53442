"""The comparison of a trained agent with rules that `train.py` prints at the end."""

from __future__ import annotations

import os
from pathlib import Path

from agents.instances import held_out_instances
from agents.registry import make_agent
from agents.run.folder import load_config
from mec_llm_env import evaluate
from mec_llm_env.task import Task

RULES = ("gucaa", "rucaa", "random")


def compare_with_rules(run: Path, instances: int = 100) -> str:
    """Returns mean SCRs of a run's best model and of the rules on test scenarios."""
    task = Task(**load_config(run).env_kwargs)
    scenario = held_out_instances(task.config, instances)
    means = {}
    for name in (os.fspath(run), *RULES):
        allocation = make_agent(name, task).decide(scenario)
        outcome = evaluate(scenario, allocation, task.config.objective)
        means[name] = float(outcome.scr.mean())
    ours = means.pop(os.fspath(run))
    versus = ", ".join(
        f"{ours / scr:.2f} × {k} ({scr:.2f})" for k, scr in means.items()
    )
    shown = os.path.relpath(run)
    return (
        f"Mean SCR on {instances} test scenarios: {ours:.2f} = {versus}.\n"
        f"Compare in full: python evaluate.py --agents {shown} {' '.join(RULES)}"
    )
