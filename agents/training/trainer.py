"""The training of a Stable-Baselines3 algorithm: built, run, interrupted, resumed."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
from stable_baselines3.common.logger import configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

import mec_llm_env.vector_env
from agents.algorithms import ALGORITHMS
from agents.training.callback import TENSORBOARD, BoundaryCallback, save_model
from agents.training.checkpoint import (
    TrainingState,
    cut_back,
    load_checkpoint,
    newest_checkpoint,
)
from agents.training.display import Display
from agents.training.hyperparameters import as_arguments, check_arguments
from agents.training.interrupt import InterruptFlag, TrainingInterrupted
from agents.training.monitor import ResumableMonitor
from agents.training.runs import TrainingConfig, create_run, extend_run, load_config
from agents.training.validation import Validation
from mec_llm_env.sb3 import SB3VecEnv

MODEL = "model.zip"


class Trainer:
    """A training run; make one with `begin` or `resume`.

    Attributes:
        run: its folder.
        config: what it was asked for.
        model: the Stable-Baselines3 algorithm.
    """

    def __init__(
        self,
        run: Path,
        config: TrainingConfig,
        model: Any,
        monitor: ResumableMonitor,
        resumed: TrainingState | None,
    ) -> None:
        self.run, self.config, self.model = run, config, model
        self._monitor, self._resumed = monitor, resumed
        self._envs = monitor.envs
        self._validation = Validation(self._envs.task)
        if resumed is not None:
            self._validation.history = resumed.callback["validation"]

    @classmethod
    def begin(cls, config: TrainingConfig, output: str | os.PathLike[str]) -> Self:
        """Builds everything, then makes the run folder.

        Raises:
            ValueError: the configuration is not valid; no file has changed.
            OSError: the folder cannot be written.
        """
        algorithm_class = ALGORITHMS[config.agent].load_class()
        arguments = as_arguments(config.hyperparameters)
        check_arguments(algorithm_class, arguments)
        monitor = _make_env(config)
        try:
            model = algorithm_class(
                ALGORITHMS[config.agent].policies[config.policy],
                monitor,
                seed=config.seed,
                device="cpu",
                **arguments,
            )
        except (TypeError, AssertionError) as error:
            raise ValueError(
                f"The hyperparameters do not fit {algorithm_class.__name__}: {error}"
            ) from error
        monitor.seed(config.first_seed)
        run = create_run(output, config)
        return cls(run, config, model, monitor, None)

    @classmethod
    def resume(cls, run: str | os.PathLike[str], timesteps: int | None = None) -> Self:
        """Goes on from the newest checkpoint of a run.

        Args:
            run: its folder.
            timesteps: decisions in all; None: as the run was begun.

        Raises:
            ValueError: the folder is no run, its checkpoint is missing or damaged, or
                it has taken all its decisions; no file has changed.
        """
        folder = Path(run).resolve()
        config = load_config(run)
        if timesteps is not None:
            config = dataclasses.replace(config, timesteps=timesteps)
        checkpoint = newest_checkpoint(folder)
        monitor = _make_env(config)
        algorithm_class = ALGORITHMS[config.agent].load_class()
        model, state = load_checkpoint(checkpoint, algorithm_class, monitor)
        if model.num_timesteps >= config.timesteps:
            raise ValueError(
                f"{os.fspath(run)!r} has taken {model.num_timesteps} decisions of "
                f"{config.timesteps}: there is nothing left to do. Give a larger "
                "--timesteps, the total, to train it further."
            )
        extend_run(folder, config)
        cut_back(folder, state.file_sizes, (TENSORBOARD,))
        monitor.envs.set_state(state.environments)
        monitor.set_state(state.monitor)
        return cls(folder, config, model, monitor, state)

    def train(self, bar: bool | None = None) -> bool:
        """Trains to the end, or to the boundary after an interrupt.

        Args:
            bar: show a progress bar; None: only on a terminal.

        Returns:
            Whether training is complete; if not, `resume` goes on with it.
        """
        config, model = self.config, self.model
        self._monitor.open(self.run, append=self._resumed is not None)
        model.set_logger(configure(str(self.run / TENSORBOARD), ["tensorboard"]))
        try:
            with (
                InterruptFlag() as flag,
                Display(config.agent, config.timesteps, bar) as display,
            ):
                callback = BoundaryCallback(
                    self.run,
                    config,
                    envs=self._envs,
                    monitor=self._monitor,
                    validation=self._validation,
                    display=display,
                    flag=flag,
                    resumed=self._resumed,
                )
                done = model.num_timesteps if self._resumed is not None else 0
                model.learn(
                    config.timesteps - done,
                    callback=callback,
                    log_interval=self._log_interval,
                    reset_num_timesteps=self._resumed is None,
                )
            save_model(model, self.run / MODEL)
        except TrainingInterrupted:
            return False
        finally:
            model.logger.close()
            self._monitor.close()
        return True

    @property
    def _log_interval(self) -> int:
        """Rollouts between two lines of the log; episodes if the algorithm says so."""
        if isinstance(self.model, OffPolicyAlgorithm):
            return 4 * self.config.n_envs
        return 1


def _make_env(config: TrainingConfig) -> ResumableMonitor:
    """Makes the batched environment behind Stable-Baselines3's interface.

    Raises:
        ValueError: the environment is not known or not one of ours, or its arguments
            are not valid.
    """
    try:
        envs = gym.make_vec(config.env_id, config.n_envs, **config.env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"--env {config.env_id}: {error}") from None
    if not isinstance(envs, mec_llm_env.vector_env.MecLlmVectorEnv):
        raise ValueError(
            f"--env must be one of this project's, such as MecLlm-v0; got "
            f"{config.env_id!r}."
        )
    return ResumableMonitor(SB3VecEnv(envs), config.env_id)
