"""The trainer of RLlib's PPO: environments are stepped by its runners, here or far.

A checkpoint is RLlib's own, packed. Runners begin new episodes after it, so a resumed
run is another continuation of the same one, not the same to the bit.
"""

from __future__ import annotations

import inspect
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.tune.registry import register_env
from stable_baselines3 import PPO

from agents.run.config import TrainingConfig
from agents.run.folder import BEST_WEIGHTS
from agents.run.sb3_policy import untrained_policy, write_policy
from agents.training.rllib_module import (
    DecisionLearner,
    PolicyModule,
    first_seed,
    make_envs,
)
from agents.training.trainer import Trainer
from agents.work.ray_tasks import connect

_ENV = "mec-llm-batched"
_COUNT = "mec_llm_env.json"  # of decisions, beside RLlib's files

#: Settings of Stable-Baselines3's PPO, and their names here.
NAMES = {
    "n_epochs": "num_epochs",
    "gamma": "gamma",
    "gae_lambda": "lambda_",
    "vf_coef": "vf_loss_coeff",
    "clip_range": "clip_param",
}
_OTHERS = {"n_steps", "batch_size", "learning_rate", "ent_coef"}
_OTHERS |= {"max_grad_norm", "policy_kwargs"}
_DEFAULTS = {k: p.default for k, p in inspect.signature(PPO).parameters.items()}
_LOGGED = ("policy_loss", "vf_loss", "vf_explained_var", "entropy")


class RLlibTrainer(Trainer):
    """Trains a policy with RLlib's PPO and the settings of Stable-Baselines3's."""

    model: RLlibModel

    def keep_best(self) -> None:
        """Saves the actor of the current model, without pickles, as the best one."""
        self._write(BEST_WEIGHTS, lambda file: write_policy(file, self.model.policy))

    def _build(
        self, algorithm_class: Any, policy: str, arguments: dict[str, Any]
    ) -> RLlibModel:
        return RLlibModel(self.config, self.envs.task, arguments)

    def _load(self, algorithm_class: Any, checkpoint: Path) -> RLlibModel:
        return RLlibModel(
            self.config,
            self.envs.task,
            dict(self.config.hyperparameters),
            checkpoint / self.model_file,
        )

    def _learn(self) -> None:
        try:
            while True:
                self.at_boundary()
                if self.model.num_timesteps >= self.config.timesteps:
                    break
                for name, value in self.model.update().items():
                    self.logger.record(name, value)
                self.logger.dump(self.model.num_timesteps)
            self.at_end()
        finally:
            self.model.stop()


class RLlibModel:
    """RLlib's PPO, and a copy of its policy.

    Args:
        config: of the run.
        task: what is decided.
        arguments: settings of Stable-Baselines3's PPO.
        checkpoint: what `save` wrote; None: new weights.

    Attributes:
        policy: that of Stable-Baselines3, with RLlib's weights.
        num_timesteps: decisions so far.

    Raises:
        ValueError: a setting has no counterpart.
    """

    def __init__(
        self,
        config: TrainingConfig,
        task: Any,
        arguments: dict[str, Any],
        checkpoint: Path | None = None,
    ) -> None:
        self.num_timesteps = 0
        self._length = task.episode_length
        self.policy = untrained_policy(config, task)
        count = None if checkpoint is None else _count_of(checkpoint)
        connect()
        register_env(_ENV, make_envs)
        self._algorithm = _settings(config, task, arguments, count or 0).build_algo()
        if checkpoint is not None and count is not None:
            self.num_timesteps = count
            with tempfile.TemporaryDirectory() as folder:
                with zipfile.ZipFile(checkpoint) as archive:
                    archive.extractall(folder)
                self._algorithm.restore_from_path(folder)
        self._copy_weights()

    def update(self) -> dict[str, float]:
        """Takes decisions and learns from them once; returns what is logged."""
        result = self._algorithm.train()
        sampled = result["env_runners"]["num_env_steps_sampled_lifetime"]
        self.num_timesteps = int(sampled)
        self._copy_weights()
        learned = result["learners"]["default_policy"]
        figures = {f"train/{k}": float(learned[k]) for k in _LOGGED if k in learned}
        sampled = result["env_runners"]
        if "episode_return_mean" in sampled:
            shown = (
                sampled["episode_len_mean"] / self._length
            )  # episodes in one of RLlib's
            figures["rollout/ep_rew_mean"] = sampled["episode_return_mean"] / shown
        return figures

    def predict(self, *arguments: Any, **kwargs: Any) -> Any:
        """Decides, as policies of Stable-Baselines3 do."""
        return self.policy.predict(*arguments, **kwargs)

    def save(self, path: Path) -> None:
        """Writes RLlib's own checkpoint as one file."""
        with tempfile.TemporaryDirectory() as folder:
            self._algorithm.save_to_path(folder)
            count = {"timesteps": self.num_timesteps}
            (Path(folder) / _COUNT).write_text(json.dumps(count))
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(Path(folder).rglob("*")):
                    archive.write(file, file.relative_to(folder))

    def stop(self) -> None:
        """Ends the runners."""
        self._algorithm.stop()
        ray.shutdown()

    def _copy_weights(self) -> None:
        learner = self._algorithm.learner_group._learner
        module = learner.module["default_policy"]
        self.policy.load_state_dict(module.policy.state_dict())


def _settings(
    config: TrainingConfig, task: Any, arguments: dict[str, Any], done: int
) -> PPOConfig:
    """Returns RLlib's configuration of a run, `done` decisions from its beginning."""
    unknown = sorted(arguments.keys() - NAMES.keys() - _OTHERS)
    if unknown:
        raise ValueError(
            f"--engine rllib has no counterpart of {unknown[0]!r}; it takes "
            f"{', '.join(sorted({*NAMES, *_OTHERS}))}."
        )
    given = {**_DEFAULTS, **config.hyperparameters}
    runners = config.num_env_runners
    if config.n_envs % max(runners, 1):
        raise ValueError(
            f"--n-envs must be a multiple of --num-env-runners; got {config.n_envs} "
            f"and {runners}."
        )
    run, seed = config.to_dict(), first_seed(config, done)
    length, arguments = task.episode_length, {}
    if length == 1:
        # RLlib keeps an object for each episode, adds a step for the value at its end,
        # and waits a step for the next. Decisions that do not depend on each other are
        # one episode just as well: with gamma = 0 it learns the same from them.
        length, given["gamma"] = given["n_steps"], 0.0
        arguments["episode_length"] = length
    padded = given["batch_size"] * (length + 1) // length
    steps = given["n_steps"] * config.n_envs
    ppo = PPOConfig()
    ppo.environment(
        _ENV,
        env_config={"run": run, "seed": seed, "arguments": arguments},
        normalize_actions=False,
        clip_actions=True,
    )
    ppo.env_runners(
        num_env_runners=runners,
        num_envs_per_env_runner=config.n_envs // max(runners, 1),
        gym_env_vectorize_mode="vector_entry_point",
        rollout_fragment_length="auto",
    )
    ppo.learners(num_learners=0)
    ppo.training(
        learner_class=DecisionLearner,
        shuffle_batch_per_epoch=True,
        lr=_learning_rate(given["learning_rate"], config.timesteps),
        train_batch_size_per_learner=steps,
        minibatch_size=min(padded, steps * (length + 1) // length),
        use_kl_loss=False,
        vf_clip_param=float("inf"),
        grad_clip=given["max_grad_norm"],
        grad_clip_by="global_norm",
        entropy_coeff=abs(given["ent_coef"]),
        **{NAMES[k]: v for k, v in given.items() if k in NAMES},
    )
    ppo.rl_module(
        rl_module_spec=RLModuleSpec(
            module_class=PolicyModule,
            # RLlib refuses a cost of entropy, that is, a coefficient below 0.
            model_config={
                "run": run,
                "entropy_sign": -1 if given["ent_coef"] < 0 else 1,
            },
        )
    )
    ppo.debugging(seed=seed, log_level="ERROR")
    return ppo


def _learning_rate(value: Any, timesteps: int) -> Any:
    """Returns a constant, or a schedule that falls to 0 with the last decision."""
    if isinstance(value, str):
        return [[0, float(value.removeprefix("lin_"))], [timesteps, 0.0]]
    return value


def _count_of(checkpoint: Path) -> int:
    with zipfile.ZipFile(checkpoint) as archive:
        return int(json.loads(archive.read(_COUNT))["timesteps"])
