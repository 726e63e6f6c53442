"""The training of Stable-Baselines3's algorithms."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from agents.algorithms import ALGORITHMS, load_object
from agents.learned import BEST_WEIGHTS
from agents.training.boundary import Boundary
from agents.training.callback import BoundaryCallback
from agents.training.checkpoint import load_replay_buffer
from agents.training.hyperparameters import as_arguments
from agents.training.monitor import FILE as MONITOR
from agents.training.monitor import ResumableMonitor
from agents.training.normalization import (
    get_normalization,
    set_normalization,
    with_normalization,
)
from agents.training.runs import TrainingConfig
from agents.training.trainer import Trainer
from agents.weights import read_weights, write_weights
from mec_llm_env.files import write_whole
from mec_llm_env.sb3 import SB3VecEnv
from mec_llm_env.task import Task

FORMAT = "mec-llm-env sb3 policy 1"

# What a recurrent policy remembers of unfinished episodes; `save` leaves it out.
_MEMORY = "_last_lstm_states"


class SB3Trainer(Trainer):
    """Trains an algorithm of Stable-Baselines3, with a `monitor.csv` in the run."""

    model_file = "model.zip"
    growing = (MONITOR,)

    @classmethod
    def load_policy(cls, path: Path, config: TrainingConfig, task: Task) -> Any:
        """Returns the policy of a model or of exported weights."""
        policy = _policy_of(config, task)
        part = _deciding(policy)
        if path.suffix == ".npz":
            arrays, _ = read_weights(path)
            part.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
        else:
            _load_weights(policy, part, path)
        return policy

    @classmethod
    def export_policy(cls, path: Path, config: TrainingConfig, weights: Path) -> None:
        """Writes the weights of what decides, which no critic of its own does."""
        policy = cls.load_policy(path, config, Task(**config.env_kwargs))
        state = _deciding(policy).state_dict()
        write_weights(weights, _as_arrays(state), {"format": FORMAT})

    def keep_best(self) -> None:
        """Keeps the model as it is now as the best one, and what decides as data."""
        super().keep_best()
        state = _deciding(self.model.policy).state_dict()
        buffer = io.BytesIO()
        write_weights(buffer, _as_arrays(state), {"format": FORMAT})
        write_whole(self.run / BEST_WEIGHTS, buffer.getvalue())

    def _build(
        self, algorithm_class: Any, policy: str, arguments: dict[str, Any]
    ) -> Any:
        envs = self._wrapped_envs(arguments)
        kwargs = _policy_kwargs(self.config, self.envs.task)
        with warnings.catch_warnings():
            # What it warns of, a batch that is cut short above all, is to be mended.
            warnings.filterwarnings("error", module="stable_baselines3|sb3_contrib")
            model = algorithm_class(
                load_object(policy) if "." in policy else policy,
                envs,
                seed=self.config.seed,
                device="cpu",
                **arguments | {"policy_kwargs": kwargs},
            )
        _check_train_freq(model)
        self._monitor.seed(self.config.first_seed)
        return model

    def _load(self, algorithm_class: Any, checkpoint: Path) -> Any:
        arguments = as_arguments(self.config.hyperparameters)
        model = algorithm_class.load(
            checkpoint / self.model_file,
            env=self._wrapped_envs(arguments),
            device="cpu",
            force_reset=False,
        )
        load_replay_buffer(checkpoint, model)
        return model

    def _wrapped_envs(self, arguments: dict[str, Any]) -> VecEnv:
        """Returns the environment as the algorithm sees it."""
        self._monitor = ResumableMonitor(SB3VecEnv(self.envs), self.config.env_id)
        return with_normalization(self._monitor, arguments)

    def _learn(self, boundary: Boundary) -> None:
        model, is_new = self.model, self._resumed is None
        if self._resumed is not None:
            self.envs.set_state(self._resumed.environments)
            self._monitor.set_state(self._resumed.own["monitor"])
        self._monitor.open(self.run, append=not is_new)
        model.set_logger(self.logger)
        try:
            model.learn(
                self.config.timesteps - self.resumed_at,
                callback=BoundaryCallback(boundary),
                log_interval=self._log_interval,
                reset_num_timesteps=is_new,
            )
        finally:
            self._monitor.close()

    def _own_state(self) -> dict[str, Any]:
        return {
            "monitor": self._monitor.get_state(),
            "action_space": self.model.action_space.np_random.bit_generator.state,
            "memory": getattr(self.model, _MEMORY, None),
            "action_noise": getattr(self.model, "action_noise", None),
            "normalization": get_normalization(self.model.get_vec_normalize_env()),
        }

    def _set_own_state(self, state: dict[str, Any]) -> None:
        random = self.model.action_space.np_random
        random.bit_generator.state = state["action_space"]
        set_normalization(self.model.get_vec_normalize_env(), state["normalization"])
        if state["memory"] is not None:
            setattr(self.model, _MEMORY, state["memory"])
        if state["action_noise"] is not None:  # which `learn` has reset
            vars(self.model.action_noise).update(vars(state["action_noise"]))

    @property
    def _log_interval(self) -> int:
        """Rollouts between two lines of the log; episodes if the algorithm says so."""
        if isinstance(self.model, OffPolicyAlgorithm):
            return 4 * self.config.n_envs
        return 1


def _check_train_freq(model: Any) -> None:
    """Refuses what Stable-Baselines3 would refuse only once training has begun.

    Raises:
        ValueError: updates follow episodes, but several environments run at once.
    """
    unit = getattr(getattr(model, "train_freq", None), "unit", None)
    if unit == TrainFrequencyUnit.EPISODE and model.n_envs > 1:
        raise ValueError(
            f"`train_freq` in episodes needs --n-envs 1; got {model.n_envs} "
            "environments. Give a number of steps instead."
        )


def _policy_of(config: TrainingConfig, task: Task) -> Any:
    """Returns an untrained policy as the run's algorithm would make it."""
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
        lambda remaining: 0.0,  # it learns no more
        **_policy_kwargs(config, task),
    )


def _policy_kwargs(config: TrainingConfig, task: Task) -> dict[str, Any]:
    """Returns the arguments of a policy; those of any size are told the size."""
    kwargs = as_arguments(config.hyperparameters).get("policy_kwargs") or {}
    if config.policy not in ALGORITHMS[config.agent].any_size:
        return dict(kwargs)
    size = {"n_users": task.config.users, "n_servers": task.config.servers}
    return dict(kwargs) | size


def _deciding(policy: Any) -> Any:
    """Returns the part of a policy that decides.

    Where the actor is a policy of its own, critics and target networks are left out.
    """
    actor = getattr(policy, "actor", None)
    return actor if isinstance(actor, BasePolicy) else policy


def _as_arrays(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in state.items()}


def _load_weights(policy: Any, part: Any, path: Path) -> None:
    """Gives the part of a policy that decides its weights in a model's file."""
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
