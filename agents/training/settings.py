"""From the command line to a `TrainingConfig`: the precedence of settings."""

from __future__ import annotations

import argparse
from typing import Any

from agents.algorithms import ALGORITHMS, Algorithm
from agents.console.command_line import (
    add_task_options,
    check_memory,
    parse_overrides,
    positive_integer,
    seed_number,
    task_arguments,
)
from agents.problems.tasks import DEFAULT_ENV, MOBILE_ENV, make_task, whole_arguments
from agents.run.config import TrainingConfig, WarmStart
from agents.run.hyperparameters import RUN_KEYS, load_hyperparameters
from agents.training.demonstrations import OTHERWISE, SCENARIOS
from agents.training.validation import VALIDATION_EPISODES, VALIDATIONS
from agents.work import RAY, Workers
from mec_llm_env.names import did_you_mean

#: Default number of evaluations, and of checkpoints, in a run.
EVALUATIONS = 20

# Options that `--resume` takes; all others are in the run's config.json.
_WITH_RESUME = (
    *("resume", "timesteps", "progress", "trust", "stop_with_parent", "ray_address"),
)


def add_training_options(parser: argparse.ArgumentParser, seed: int = 0) -> None:
    """Adds the options of training; `seed` is the default that the help names."""
    add = parser.add_argument
    add("--agent", help=f"algorithm: {', '.join(ALGORITHMS)}")
    add("--policy", help="network: mlp, or set, which takes any number of users")
    add_task_options(parser)
    add(
        "--action-encoding",
        metavar="E",
        help="box, multi_discrete, or association (box)",
    )
    add("--timesteps", type=positive_integer, metavar="T", help="decisions in all")
    add("--n-envs", type=positive_integer, metavar="B", help="parallel environments")
    add(
        "--seed",
        type=seed_number,
        help=f"0 … 999 ({seed}); another seed is another run",
    )
    add(
        "--hyperparameter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of the algorithm, such as n_epochs=5; may be repeated",
    )


def config_from_options(options: argparse.Namespace) -> TrainingConfig:
    """Merges command line, hyperparameter file and defaults.

    Raises:
        ValueError: a name or value is not valid; the text names it and the remedy.
    """
    algorithm = _find_algorithm(options.agent)
    env_id = options.env or DEFAULT_ENV
    warm = options.warm_start is not None
    tuned = load_hyperparameters(
        options.agent, env_id, options.policy, options.action_encoding, warm=warm
    )
    given = parse_overrides(options.hyperparameter, "--hyperparameter")
    misplaced = next((name for name in RUN_KEYS if name in given), None)
    if misplaced:
        option = {"n_timesteps": "timesteps"}.get(misplaced, misplaced)
        option = option.replace("_", "-")
        raise ValueError(f"`--hyperparameter` does not set {misplaced!r}: --{option}.")
    hyperparameters = {k: v for k, v in tuned.items() if k not in RUN_KEYS} | given
    timesteps = options.timesteps or tuned["n_timesteps"]
    eval_freq = options.eval_freq or max(timesteps // EVALUATIONS, 1)
    config = TrainingConfig(
        agent=options.agent,
        env_id=env_id,
        env_kwargs=_env_kwargs(options, env_id),
        policy=_find_policy(options, algorithm, tuned["policy"]),
        timesteps=timesteps,
        n_envs=options.n_envs or int(tuned["n_envs"]),
        seed=options.seed or 0,
        eval_freq=eval_freq,
        checkpoint_freq=options.checkpoint_freq or eval_freq,
        hyperparameters=hyperparameters,
        warm_start=_warm_start(options, tuned.get("warm_start", {})),
        engine=options.engine,
        num_env_runners=options.num_env_runners or 0,
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
    count = options.warm_start_scenarios
    if options.warm_start is None:
        if count is not None:
            raise ValueError("--warm-start-scenarios needs --warm-start SOLVER.")
        return None
    solver = options.warm_start
    count = count or SCENARIOS.get(solver, OTHERWISE)
    return WarmStart.from_dict({"solver": solver, "scenarios": count, **tuned})


def _env_kwargs(options: argparse.Namespace, env_id: str) -> dict[str, Any]:
    kwargs = whole_arguments(env_id, task_arguments(options))
    if options.action_encoding:
        kwargs["action_encoding"] = options.action_encoding
    kwargs |= _reward(options, env_id)
    make_task(env_id, **kwargs)  # raises ValueError if they are not valid
    return kwargs


def _reward(options: argparse.Namespace, env_id: str) -> dict[str, Any]:
    """Returns the environment arguments of the reward.

    Raises:
        ValueError: the environment has but one.
    """
    names = ("reward", "surplus_ratio", "surplus_cost")
    given = {k: v for k in names if (v := getattr(options, k, None)) is not None}
    if given and env_id != MOBILE_ENV:
        name = next(iter(given)).replace("_", "-")
        raise ValueError(f"--{name} is of {MOBILE_ENV}; got --env {env_id}.")
    return given


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
