"""The trainer of Stable-Baselines3's algorithms."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from agents.algorithms import load_object
from agents.run.folder import BEST_WEIGHTS
from agents.run.hyperparameters import as_arguments
from agents.run.sb3_policy import policy_arguments, write_policy
from agents.training.checkpoint import load_replay_buffer
from agents.training.sb3_envs import (
    MONITOR,
    NORMALIZATION,
    ResumableMonitor,
    with_normalization,
)
from agents.training.trainer import Trainer
from agents.training.user_credit import UserCredit, with_user_credit
from mec_llm_env.sb3 import SB3VecEnv

# LSTM states of unfinished episodes, which `save` leaves out.
_MEMORY = "_last_lstm_states"


class SB3Trainer(Trainer):
    """Trains an algorithm of Stable-Baselines3, with a `monitor.csv` in the run."""

    growing = (MONITOR,)

    def keep_best(self) -> None:
        """Saves the current model as the best one, and its actor without pickles."""
        super().keep_best()
        self._write(BEST_WEIGHTS, lambda file: write_policy(file, self.model.policy))

    def _build(
        self, algorithm_class: Any, policy: str, arguments: dict[str, Any]
    ) -> Any:
        envs = self._wrapped_envs(arguments)
        kwargs = policy_arguments(self.config, self.envs.task)
        with warnings.catch_warnings():
            # Its warnings, such as of truncated batches, are mistakes in the settings.
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
        self._paid = with_user_credit(self._monitor, self.envs, arguments)
        return with_normalization(self._paid, arguments)

    def _learn(self) -> None:
        model, is_new = self.model, self._resumed is None
        if self._resumed is not None:
            self.envs.set_state(self._resumed.environments)
            self._monitor.set_state(self._resumed.own["monitor"])
        self._monitor.open(self.run, append=not is_new)
        model.set_logger(self.logger)
        try:
            model.learn(
                self.config.timesteps - self.resumed_at,
                callback=BoundaryCallback(self),
                log_interval=self._log_interval,
                reset_num_timesteps=is_new,
            )
        finally:
            self._monitor.close()

    def _own_state(self) -> dict[str, Any]:
        scaled = self.model.get_vec_normalize_env()
        return {
            "monitor": self._monitor.get_state(),
            "action_space": self.model.action_space.np_random.bit_generator.state,
            "memory": getattr(self.model, _MEMORY, None),
            "action_noise": getattr(self.model, "action_noise", None),
            "normalization": {
                name: copy.deepcopy(getattr(scaled, name))
                for name in (() if scaled is None else NORMALIZATION)
            },
            "credit": self._credit.get_state() if self._credit else None,
        }

    def _set_own_state(self, state: dict[str, Any]) -> None:
        random = self.model.action_space.np_random
        random.bit_generator.state = state["action_space"]
        for name, value in state["normalization"].items():
            setattr(self.model.get_vec_normalize_env(), name, value)
        if self._credit:
            self._credit.set_state(state["credit"])
        if state["memory"] is not None:
            setattr(self.model, _MEMORY, state["memory"])
        if state["action_noise"] is not None:  # which `learn` has reset
            vars(self.model.action_noise).update(vars(state["action_noise"]))

    @property
    def _credit(self) -> UserCredit | None:
        """What pays the users, if they are paid."""
        return self._paid if isinstance(self._paid, UserCredit) else None

    @property
    def _log_interval(self) -> int:
        """Rollouts between two entries of the log; episodes if off-policy."""
        if isinstance(self.model, OffPolicyAlgorithm):
            return 4 * self.config.n_envs
        return 1


class BoundaryCallback(BaseCallback):
    """Tells a trainer of every boundary between two rollouts."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer

    def _on_rollout_start(self) -> None:
        self.trainer.at_boundary()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.trainer.at_end()


def _check_train_freq(model: Any) -> None:
    """Refuses early what Stable-Baselines3 refuses only after training has begun.

    Raises:
        ValueError: updates follow episodes, but several environments run at once.
    """
    unit = getattr(getattr(model, "train_freq", None), "unit", None)
    if unit == TrainFrequencyUnit.EPISODE and model.n_envs > 1:
        raise ValueError(
            f"`train_freq` in episodes needs --n-envs 1; got {model.n_envs} "
            "environments. Give a number of steps instead."
        )
