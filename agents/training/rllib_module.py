"""Our policies as modules of RLlib, and our environments with seeds of their own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from gymnasium.vector import AutoresetMode, VectorWrapper
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.distribution import Distribution
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.evaluation.postprocessing import Postprocessing
from torch import Tensor

from agents.problems.tasks import make_task
from agents.run.config import ENVIRONMENTS_PER_RUN, TrainingConfig
from agents.run.sb3_policy import untrained_policy


class Evaluated(Distribution):  # type: ignore[misc]  # untyped
    """Log-probability and entropy of actions that a policy has already evaluated.

    RLlib makes a distribution of what a module returns; a policy of users and servers
    has none that a vector of numbers describes.

    Args:
        figures: [B, 2] log-probability and entropy.
    """

    def __init__(self, figures: Tensor) -> None:
        super().__init__()
        self._figures = figures

    @classmethod
    def from_logits(cls, logits: Tensor, **kwargs: Any) -> Evaluated:
        """Returns that of the figures [B, 2]."""
        return cls(logits)

    @staticmethod
    def required_input_dim(space: gym.Space[Any], **kwargs: Any) -> int:
        """Returns the number of figures."""
        return 2

    def logp(self, value: Any, **kwargs: Any) -> Tensor:
        """Returns the log-probability [B] of the actions that were evaluated."""
        return self._figures[..., 0]

    def entropy(self, **kwargs: Any) -> Tensor:
        """Returns the entropy [B]."""
        return self._figures[..., 1]

    def _unsupported(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("The module samples its actions itself.")

    sample = rsample = kl = _unsupported


class PolicyModule(TorchRLModule, ValueFunctionAPI):  # type: ignore[misc]  # untyped
    """A policy of Stable-Baselines3, ours or its own, that RLlib trains.

    So that weights are exported, and decide, as after training with Stable-Baselines3,
    where neither RLlib nor Ray is installed.
    """

    def setup(self) -> None:
        """Builds the policy, from the settings of the run in `model_config`.

        It has the sign of the entropy's coefficient too, which the entropy is given.
        """
        config = TrainingConfig.from_dict(self.model_config["run"])
        task = make_task(config.env_id, **config.env_kwargs)
        self.policy = untrained_policy(config, task)
        self.action_dist_cls = Evaluated

    def _forward_exploration(
        self, batch: dict[str, Any], **kwargs: Any
    ) -> dict[str, Any]:
        actions, _, logp = self.policy(batch[Columns.OBS])
        return {
            Columns.ACTIONS: actions,
            Columns.ACTION_LOGP: logp,
            Columns.ACTION_DIST_INPUTS: torch.stack([logp, torch.zeros_like(logp)], -1),
        }

    def _forward_inference(
        self, batch: dict[str, Any], **kwargs: Any
    ) -> dict[str, Any]:
        return {Columns.ACTIONS: self.policy(batch[Columns.OBS], True)[0]}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        _, logp, entropy = self.policy.evaluate_actions(
            batch[Columns.OBS], batch[Columns.ACTIONS]
        )
        signed = self.model_config["entropy_sign"] * entropy
        return {Columns.ACTION_DIST_INPUTS: torch.stack([logp, signed], -1)}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> Tensor:
        """Returns the critic's values, [B]."""
        values: Tensor = self.policy.predict_values(batch[Columns.OBS])
        return values.squeeze(-1)


class DecisionLearner(PPOTorchLearner):  # type: ignore[misc]  # untyped
    """PPO whose advantages are standardised over decisions, in every minibatch.

    RLlib adds a step to every episode, for the value at its end, and standardises over
    those too. Where an episode is one decision, half of the steps are such, whose
    advantage is no advantage at all: as long as the critic is wrong, all decisions then
    seem better than the mean.
    """

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: Any
    ) -> Tensor:
        """Returns RLlib's loss."""
        advantage = batch[Postprocessing.ADVANTAGES]
        valid = advantage[batch[Columns.LOSS_MASK]]
        standard = (advantage - valid.mean()) / (valid.std() + 1e-8)
        loss: Tensor = super().compute_loss_for_module(
            module_id=module_id,
            config=config,
            batch={**batch, Postprocessing.ADVANTAGES: standard},
            fwd_out=fwd_out,
        )
        return loss

    def configure_optimizers_for_module(
        self, module_id: str, config: Any = None
    ) -> None:
        """Registers Adam with the constant that Stable-Baselines3 has."""
        parameters = self.get_parameters(self.module[module_id])
        self.register_optimizer(
            module_id=module_id,
            optimizer=torch.optim.Adam(parameters, eps=1e-5),
            params=parameters,
            lr_or_lr_schedule=config.lr,
        )


class OwnSeeds(VectorWrapper):
    """Gives every environment of every runner a random stream of its own.

    RLlib seeds runner k with its own seed plus k, so that environment 1 of the first
    would be environment 0 of the second.

    Args:
        envs: of one runner.
        seed: RLlib's own, and that of the first environment; they count up.
    """

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], seed: int) -> None:
        super().__init__(envs)
        self._seed = seed

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        """Resets; a seed that is given tells which runner it is."""
        if seed is not None:
            runner = max(seed - self._seed, 1) - 1  # 0 is a process without runners
            seed = self._seed + runner * self.num_envs
        return self.env.reset(seed=seed, options=options)


def make_envs(context: Any) -> OwnSeeds:
    """Makes the batched environments of a runner, for `ray.tune.register_env`.

    Args:
        context: `num_envs` of the runner, `run`, the settings, and RLlib's `seed` and
            `arguments` of environments that differ.
    """
    config = TrainingConfig.from_dict(context["run"])
    envs = gym.make_vec(
        f"mec_llm_env:{config.env_id}",
        context["num_envs"],
        autoreset_mode=AutoresetMode.NEXT_STEP,  # which RLlib counts on
        **(config.env_kwargs | context["arguments"]),
    )
    return OwnSeeds(envs, context["seed"])


def first_seed(config: TrainingConfig, done: int) -> int:
    """Returns the seed of the first environment, from `done` decisions on.

    What begins after a checkpoint has streams that the beginning had not, of those that
    the run has to itself.
    """
    others = ENVIRONMENTS_PER_RUN // config.n_envs - 1
    turn = 1 + done // config.n_envs % others if done and others else 0
    return config.first_seed + turn * config.n_envs
