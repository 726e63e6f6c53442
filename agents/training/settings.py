"""From the command line to a `TrainingConfig`: the precedence of settings."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from functools import partial
from typing import Any

from agents.algorithms import ALGORITHMS, Algorithm
from agents.console.command_line import (
    add_task_options,
    check_memory,
    parse_overrides,
    task_arguments,
    whole_number,
)
from agents.problems.tasks import DEFAULT_ENV, MOBILE_ENV, make_task, whole_arguments
from agents.run.config import (
    DEMONSTRATED,
    EVALUATIONS_PER_RUN,
    OTHERS_DEMONSTRATED,
    TrainingConfig,
    WarmStart,
)
from agents.run.hyperparameters import RUN_KEYS, load_hyperparameters
from agents.run.setting import settings_of
from agents.training.validation import VALIDATION_EPISODES, VALIDATIONS
from agents.work import RAY, Workers
from mec_llm_env.mobile.task import REWARDS
from mec_llm_env.names import did_you_mean

# Options that `--resume` takes; all others are in the run's config.json.
_WITH_RESUME = (
    *("resume", "timesteps", "progress", "trust", "stop_with_parent", "ray_address"),
)

#: Arguments of environments that have an option of their own.
_OF_ENVIRONMENTS: dict[str, tuple[str, Any, str]] = {
    "action_encoding": ("E", str, "box, multi_discrete, or association (box)"),
    "reward": ("R", str, f"of {MOBILE_ENV}: {', '.join(REWARDS)} ({REWARDS[0]})"),
    "surplus_ratio": (
        *("Y", float, "with --reward surplus: mean episode SCR of a policy"),
    ),
    "surplus_cost": (
        *("C", float, "with --reward surplus: mean cost of a user in a slot"),
    ),
}


def add_training_options(
    parser: argparse.ArgumentParser, leave_out: Collection[str] = (), **others: str
) -> None:
    """Adds the options of training, as the settings of a run are stated.

    Args:
        parser: of a command line.
        leave_out: fields, and arguments of environments, that have no option there.
        **others: what holds there where a field is not given, if it is something else.
    """
    stated = {**settings_of(TrainingConfig), **settings_of(WarmStart)}
    several: dict[str, Any] = {"action": "append", "default": []}
    own = {"solver", "scenarios", *settings_of(TrainingConfig)} - set(leave_out)
    for name, about in stated.items():
        if name not in own or about.option == "-":
            continue
        given = others.get(name, about.left_out)
        kind = partial(whole_number, least=int(about.least or 0))
        parser.add_argument(
            about.option or f"--{name.replace('_', '-')}",
            type=str if about.least is None else kind,
            **several if name == "hyperparameters" else {},
            metavar=about.metavar,
            help=about.help + (f" ({given})" if given else ""),
        )
    add_task_options(parser)
    for name, (metavar, of, text) in _OF_ENVIRONMENTS.items():
        if name not in leave_out:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, type=of, metavar=metavar, help=text)


def config_from_options(options: argparse.Namespace) -> TrainingConfig:
    """Merges command line, hyperparameter file and defaults.

    Raises:
        ValueError: a name or value is not valid; the text names it and the remedy.
    """
    given = vars(options).get  # None: left out, or no option of this script
    algorithm = _find_algorithm(options.agent)
    env_id = given("env") or DEFAULT_ENV
    warm = given("warm_start") is not None
    tuned = load_hyperparameters(
        options.agent, env_id, options.policy, options.action_encoding, warm=warm
    )
    changes = parse_overrides(options.hyperparameter, "--hyperparameter")
    misplaced = next((name for name in RUN_KEYS if name in changes), None)
    if misplaced:
        option = {"n_timesteps": "timesteps"}.get(misplaced, misplaced)
        option = option.replace("_", "-")
        raise ValueError(f"`--hyperparameter` does not set {misplaced!r}: --{option}.")
    timesteps = options.timesteps or tuned["n_timesteps"]
    eval_freq = given("eval_freq") or max(timesteps // EVALUATIONS_PER_RUN, 1)
    config = TrainingConfig(
        agent=options.agent,
        env_id=env_id,
        env_kwargs=_env_kwargs(options, env_id),
        policy=_find_policy(options, algorithm, tuned["policy"]),
        timesteps=timesteps,
        n_envs=options.n_envs or int(tuned["n_envs"]),
        seed=options.seed or 0,
        eval_freq=eval_freq,
        checkpoint_freq=given("checkpoint_freq") or eval_freq,
        hyperparameters={k: v for k, v in tuned.items() if k not in RUN_KEYS} | changes,
        warm_start=_warm_start(options, tuned.get("warm_start", {})),
        engine=given("engine"),
        num_env_runners=given("num_env_runners") or 0,
    )
    task = make_task(config.env_id, **config.env_kwargs)
    validated = VALIDATIONS
    if env_id == MOBILE_ENV:
        validated = VALIDATION_EPISODES * task.episode_length
    check_memory(task.config, max(config.n_envs, validated), "scenarios")
    return config


def connect_to_cluster(config: TrainingConfig, address: str | None) -> None:
    """Connects to a Ray cluster, if the run is trained on one.

    Raises:
        ValueError: it is not, and there is an address.
        OSError: nothing answers at the address.
    """
    if config.engine is not None:
        Workers(backend=RAY, ray_address=address).connect()
    elif address is not None:
        raise ValueError("--ray-address needs --engine rllib.")


def refuse_with_resume(options: argparse.Namespace) -> None:
    """Refuses options that `config.json` of a resumed run determines.

    Raises:
        ValueError: there is one.
    """
    given = [
        name
        for name, value in vars(options).items()
        if name not in _WITH_RESUME and value not in (None, [])
    ]
    if given:
        raise ValueError(
            "--resume continues with the settings of the run, so "
            f"--{given[0].replace('_', '-')} cannot be given with it; only "
            "--timesteps, the new total, can."
        )


def _warm_start(options: argparse.Namespace, tuned: dict[str, Any]) -> WarmStart | None:
    """Returns the settings of the warm start, if there is one."""
    given = vars(options).get
    solver, count = given("warm_start"), given("warm_start_scenarios")
    if solver is None:
        if count is not None:
            raise ValueError("--warm-start-scenarios needs --warm-start SOLVER.")
        return None
    count = count or DEMONSTRATED.get(solver, OTHERS_DEMONSTRATED)
    return WarmStart.from_dict({"solver": solver, "scenarios": count, **tuned})


def _env_kwargs(options: argparse.Namespace, env_id: str) -> dict[str, Any]:
    kwargs = whole_arguments(env_id, task_arguments(options))
    given = {k: v for k in _OF_ENVIRONMENTS if (v := vars(options).get(k)) is not None}
    for name in given:
        if name != "action_encoding" and env_id != MOBILE_ENV:
            option = name.replace("_", "-")
            raise ValueError(f"--{option} is of {MOBILE_ENV}; got --env {env_id}.")
    kwargs |= given
    make_task(env_id, **kwargs)  # raises ValueError if they are not valid
    return kwargs


def _find_algorithm(name: str | None) -> Algorithm:
    if name is None:
        raise ValueError(f"Give --agent: one of {', '.join(ALGORITHMS)}.")
    if name not in ALGORITHMS:
        hint = did_you_mean(name, ALGORITHMS)
        raise ValueError(
            f"There is no learned agent {name!r}.{hint} Choose from "
            f"{', '.join(ALGORITHMS)}."
        )
    return ALGORITHMS[name]


def _find_policy(options: argparse.Namespace, algorithm: Algorithm, tuned: str) -> str:
    if options.policy is None:
        for name, of_class in algorithm.policies.items():
            if tuned in (name, of_class):
                return name
        raise ValueError(
            f"hyperparams/{options.agent}.yml has the policy {tuned!r}; it must be one "
            f"of {', '.join(algorithm.policies)}."
        )
    if options.policy not in algorithm.policies:
        raise ValueError(
            f"--policy must be one of {', '.join(algorithm.policies)} for "
            f"{options.agent}; got {options.policy!r}."
        )
    return str(options.policy)
