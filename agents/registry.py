"""`make_agent`: every agent by its name, trained ones by their run folder.

A trained policy that comes with the repository is `<agent>:pretrained`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dashf
from agents.algorithms import ALGORITHMS
from agents.clairvoyant import CLAIRVOYANT, Clairvoyant
from agents.problems.tasks import MOBILE_ENV, AnyTask, make_task
from agents.run.config import TrainingConfig
from agents.run.folder import is_run, load_config
from agents.solvers import SEQUENTIAL, solver_agent
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.names import did_you_mean
from mec_llm_env.task import Task

#: Agents that need no training. A new solver of `dashf` comes by itself.
UNTRAINED = dashf.SOLVERS

#: Likewise, in `MecLlmMobile-v0` alone.
MOBILE_ONLY = (*SEQUENTIAL, CLAIRVOYANT)

#: Policies that come with the repository, one folder each, made by `agents.export`.
PRETRAINED = Path(__file__).parent / "pretrained"
_SUFFIX = ":pretrained"


def agent_names() -> tuple[str, ...]:
    """Returns the names of the agents that need no training of the user's own."""
    return (*UNTRAINED, *MOBILE_ONLY, *pretrained_names())


def pretrained_names() -> tuple[str, ...]:
    """Returns the names of the policies that come with the repository."""
    return tuple(
        f"{path.name}{_SUFFIX}" for path in sorted(PRETRAINED.glob("*")) if is_run(path)
    )


def run_folder(name: str) -> str:
    """Returns the folder of a trained agent; a name that is a path stays as it is."""
    if name in pretrained_names():
        return os.fspath(PRETRAINED / name.removesuffix(_SUFFIX))
    return name


def make_agent(name: str, task: AnyTask | None = None, *, seed: int = 0) -> Any:
    """Makes an agent.

    Args:
        name: a name of `agent_names`, such as "apg:pretrained", or the folder of a
            training run, such as "runs/ppo/latest".
        task: what it is to decide; the default one of its environment if None.
        seed: of the agent's own randomness.

    Returns:
        An `Agent`. In `MecLlmMobile-v0` a `Policy`, which decides on observations, or
        a `Clairvoyant`, which plans whole episodes.

    Raises:
        ValueError: the name is not known, the agent does not decide such a task, or the
            run was trained for another size.
    """
    if task is None:
        config = run_config(name)
        task = Task() if config is None else make_task(config.env_id)
    if name in UNTRAINED:
        return solver_agent(name, task, seed)
    if name in MOBILE_ONLY:
        if not isinstance(task, MobileTask):
            raise ValueError(
                f"{name!r} decides whole episodes, as those of {MOBILE_ENV}, and not "
                f"single scenarios. Give --env {MOBILE_ENV}."
            )
        return Clairvoyant(task) if name == CLAIRVOYANT else SEQUENTIAL[name](task)
    folder = run_folder(name)
    if is_run(folder):
        from agents.learned import LearnedAgent

        return LearnedAgent.from_run(folder, task)
    raise ValueError(_not_found(name))


def run_config(name: str) -> TrainingConfig | None:
    """Returns the settings of a run; None if the name is not that of a trained agent.

    Raises:
        ValueError: the run's configuration cannot be read.
    """
    folder = run_folder(name)
    return load_config(folder) if is_run(folder) else None


def _not_found(name: str) -> str:
    if name in ALGORITHMS:
        return (
            f"{name!r} has to be trained first: python train.py --agent {name}. Then "
            f"give its run folder, such as runs/{name}/latest."
        )
    if name.endswith(_SUFFIX):
        known = ", ".join(pretrained_names()) or "none"
        return (
            f"There is no pretrained agent {name!r}; with the repository come: {known}."
        )
    if os.sep in name or os.path.exists(name):
        return (
            f"{name!r} is not a run folder: it has no config.json of a training run. "
            "Runs lie in runs/<agent>/, such as runs/ppo/latest."
        )
    hint = did_you_mean(name, agent_names())
    return (
        f"There is no agent {name!r}.{hint} Choose from {', '.join(agent_names())}, or "
        "give the folder of a training run."
    )
