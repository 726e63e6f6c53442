"""The environments that agents decide in: their tasks and presets, by id."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mec_llm_env import MOBILE_PRESETS, PRESETS
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.task import Task

DEFAULT_ENV = "MecLlm-v0"
MOBILE_ENV = "MecLlmMobile-v0"

#: What is decided in an environment.
AnyTask = Task | MobileTask


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What is known of an environment without making it."""

    task_type: type[AnyTask]
    presets: Collection[str]
    default_preset: str

    @property
    def arguments(self) -> frozenset[str]:
        """The names of the arguments that it takes."""
        return frozenset(inspect.signature(self.task_type).parameters)


ENVIRONMENTS = {
    DEFAULT_ENV: Environment(
        task_type=Task, presets=tuple(PRESETS), default_preset="paper-10x2"
    ),
    MOBILE_ENV: Environment(
        task_type=MobileTask,
        presets=tuple(MOBILE_PRESETS),
        default_preset="mobile-10x2",
    ),
}


def environment(env_id: str) -> Environment:
    """Returns what is known of an environment.

    One that is not known here is taken for `MecLlm-v0` under another name; whoever
    makes it finds out whether it is.
    """
    return ENVIRONMENTS.get(env_id, ENVIRONMENTS[DEFAULT_ENV])


def make_task(env_id: str, **kwargs: Any) -> AnyTask:
    """Returns the task of an environment, made of the environment's arguments.

    Raises:
        ValueError: an argument is not valid; the text names it and the remedy.
    """
    own, preset = environment(env_id), kwargs.get("preset")
    for other_id, other in ENVIRONMENTS.items():
        if own is not other and isinstance(preset, str) and preset in other.presets:
            raise ValueError(
                f"The preset {preset!r} is one of {other_id}; got {env_id}. Give "
                f"--env {other_id}, or choose from {', '.join(own.presets)}."
            )
    return own.task_type(**kwargs)


def whole_arguments(env_id: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns arguments that mean the same anywhere, at any time.

    The parameters of a configuration take the place of its file and the overrides; a
    preset is named as the default one where there is neither.

    Raises:
        ValueError: an argument is not valid.
        OSError: the file cannot be opened.
    """
    if kwargs.get("config") is None:
        return {"preset": environment(env_id).default_preset} | kwargs
    rest = {k: v for k, v in kwargs.items() if k != "overrides"}
    return rest | {"config": make_task(env_id, **kwargs).config.to_dict()}


def env_id_of(task: AnyTask) -> str:
    """Returns the id of the environment whose task it is."""
    return MOBILE_ENV if isinstance(task, MobileTask) else DEFAULT_ENV
