"""The trainer of `apg`: every update is on newly sampled scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.run.hyperparameters import as_arguments
from agents.training.trainer import Trainer
from mec_llm_env.task import Task

#: Updates between two entries of the log, which are means over them.
LOG_INTERVAL = 10


class ApgTrainer(Trainer):
    """Trains `Apg` on the scenarios that the environments draw, `n_envs` per update."""

    def _build(
        self, algorithm_class: Any, policy: str, arguments: dict[str, Any]
    ) -> Any:
        if not isinstance(self.envs.task, Task):
            raise ValueError(
                f"apg trains on single decisions, those of MecLlm-v0; got "
                f"{self.config.env_id!r}."
            )
        model = algorithm_class(
            policy, self.envs.task, seed=self.config.seed, **arguments
        )
        self.envs.reset(seed=self.config.first_seed)
        return model

    def _load(self, algorithm_class: Any, checkpoint: Path) -> Any:
        arguments = as_arguments(self.config.hyperparameters)
        return algorithm_class.load(
            checkpoint / self.model_file, self.envs.task, **arguments
        )

    def _learn(self) -> None:
        model, envs, total = self.model, self.envs, self.config.timesteps
        if self._resumed is not None:
            envs.set_state(self._resumed.environments)
        while True:
            self.at_boundary()
            if model.num_timesteps >= total:
                break
            assert envs.scenario is not None
            remaining = 1 - model.num_timesteps / total
            observation = envs.task.observation_codec.encode(envs.scenario)
            figures = model.update(envs.scenario, observation, remaining)
            for name, value in figures.items():
                self.logger.record_mean(name, value)
            if model.updates % LOG_INTERVAL == 0:
                self.logger.dump(model.num_timesteps)
            envs.reset()  # continues the random streams
        self.at_end()
