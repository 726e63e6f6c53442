"""Policies of Stable-Baselines3's algorithms: loaded from a run, and exported.

The weights of the actor are read and written as arrays, without pickles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file

from agents.algorithms import ALGORITHMS, load_object
from agents.problems.tasks import AnyTask, make_task
from agents.run.config import TrainingConfig
from agents.run.hyperparameters import as_arguments
from agents.storage.weights import read_weights, write_weights

FORMAT = "mec-llm-env sb3 policy 1"


def load_policy(path: Path, config: TrainingConfig, task: AnyTask) -> Any:
    """Returns the policy of a model or of exported weights.

    Raises:
        Exception: the file is damaged; the libraries raise various kinds.
    """
    policy = untrained_policy(config, task)
    part = _actor_of(policy)
    if path.suffix == ".npz":
        arrays, _ = read_weights(path)
        part.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
        return policy
    _, saved, _ = load_from_zip_file(path, load_data=False, device="cpu")
    state: Any = saved["policy"]
    if part is not policy:
        prefix = "actor."
        state = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
    part.load_state_dict(state)
    return policy


def export_policy(path: Path, config: TrainingConfig, weights: Path) -> None:
    """Writes the weights of a model without pickles, for `load_policy` to read."""
    write_policy(
        weights,
        load_policy(path, config, make_task(config.env_id, **config.env_kwargs)),
    )


def write_policy(file: Path | BinaryIO, policy: Any) -> None:
    """Writes the weights of the actor; critics are left out where they are separate."""
    state = _actor_of(policy).state_dict()
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    write_weights(file, arrays, {"format": FORMAT})


def policy_arguments(config: TrainingConfig, task: AnyTask) -> dict[str, Any]:
    """Returns the arguments of a policy; a set policy needs the size of the task."""
    kwargs = as_arguments(config.hyperparameters).get("policy_kwargs") or {}
    per_user = bool(config.hyperparameters.get("user_credit", False))
    if config.policy not in ALGORITHMS[config.agent].any_size:
        if per_user:
            raise ValueError(
                f"`user_credit` needs a policy of users, --policy set; got "
                f"{config.policy!r}."
            )
        return dict(kwargs)
    size = {"n_users": task.config.users, "n_servers": task.config.servers}
    return dict(kwargs) | size | ({"per_user": True} if per_user else {})


def untrained_policy(config: TrainingConfig, task: AnyTask) -> Any:
    """Returns an untrained policy of the run's algorithm."""
    algorithm = ALGORITHMS[config.agent]
    name = algorithm.policy_name(config.policy, task.action_codec.encoding)
    policy_class = (
        load_object(name)
        if "." in name
        else algorithm.load_class().policy_aliases[name]
    )
    return policy_class(
        task.observation_codec.space,
        task.action_codec.space,
        lambda remaining: 0.0,  # the learning rate of a policy that does not learn
        **policy_arguments(config, task),
    )


def _actor_of(policy: Any) -> Any:
    """Returns the actor of a policy, or the policy if its actor is not one itself."""
    actor = getattr(policy, "actor", None)
    return actor if isinstance(actor, BasePolicy) else policy
