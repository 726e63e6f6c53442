"""Credit for every user: one shared policy, and a reward of each user's own.

A policy that chooses servers decides for all users at once, and its reward is one
number. What a single choice was worth is lost in what the others did. Here every user
gets its own part of the surplus and pays for what it takes from others,

    r_n = v_n − y c_n − λ_m b_n/B_m − μ_m F_n/F_m + (rents of all)/N,

at the shadow prices λ, μ of its server (`dashf.shadow_prices`). Rents are paid back
evenly, so that the rewards add up to the surplus Σ v − y Σ c; y is the SCR of the
policy itself, measured on the way. Without the rents a user would not notice that it
crowds a server, and a policy trained on that gets worse. Returns, advantages and ratios
of Stable-Baselines3's PPO are then those of users: [B, N] instead of [B]. A user's
return ends when its job does. B environments, N users.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, MultiDiscrete
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from agents.training.surplus import UNIT, priced_surplus
from mec_llm_env.mobile.vector_env import MecLlmMobileVectorEnv
from mec_llm_env.vector_env import DecisionVectorEnv

Array = np.ndarray[Any, Any]

_MEMORY = 200.0  # slots over which y is measured


class UserCredit(VecEnvWrapper):
    """Rewards are those of users: [B, N, 2], the reward and whether the user leaves.

    Args:
        venv: around `envs`.
        envs: the batched environment, in the mode SAME_STEP.
    """

    def __init__(self, venv: VecEnv, envs: MecLlmMobileVectorEnv) -> None:
        super().__init__(venv)
        self.envs = envs
        self._score = self._cost = 0.0  # totals that fade

    def reset(self) -> Any:
        """Resets all environments."""
        return self.venv.reset()

    def step_wait(self) -> tuple[Any, Array, Array, list[dict[str, Any]]]:
        """Returns what the environment does, with the users' rewards."""
        observation, _, dones, infos = self.venv.step_wait()
        envs = self.envs
        outcome, allocation = envs.outcome, envs.allocation
        decided, following = envs.decided_scenario, envs.scenario
        assert outcome is not None
        assert allocation is not None
        assert decided is not None
        assert following is not None
        keep = 1 - 1 / _MEMORY
        self._score = keep * self._score + float(outcome.score.sum())
        self._cost = keep * self._cost + float(outcome.cost.sum())
        reward = priced_surplus(
            decided,
            allocation,
            outcome,
            self._score / self._cost,
            envs.task.config.objective,
        )
        assert following.serving is not None
        leaves = ~following.serving.any(axis=-1)
        return observation, np.stack([reward / UNIT, leaves], axis=-1), dones, infos

    def get_state(self) -> dict[str, float]:
        """Returns the state for `set_state`."""
        return {"score": self._score, "cost": self._cost}

    def set_state(self, state: dict[str, float]) -> None:
        """Goes on with the y of a checkpoint."""
        self._score, self._cost = state["score"], state["cost"]


class UserRolloutBuffer(RolloutBuffer):
    """A rollout of users: values, log-probabilities and returns are [B, N] a step.

    The policy's values and log-probabilities must be of users too. Advantages are
    generalised ones [Schulman et al. 2016] along each user's own stay.
    """

    rewards: Array  # [steps, B, N, 2] reward, and whether the user leaves
    values: Array  # [steps, B, N]

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        action_space: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        assert isinstance(observation_space, Box)
        assert isinstance(action_space, MultiDiscrete)
        self.n_users = len(action_space.nvec)
        super().__init__(buffer_size, observation_space, action_space, *args, **kwargs)

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        shape = (self.buffer_size, self.n_envs, self.n_users)
        self.rewards = np.zeros((*shape, 2), dtype=np.float32)
        for name in ("values", "log_probs", "advantages", "returns"):
            setattr(self, name, np.zeros(shape, dtype=np.float32))

    def add(
        self,
        obs: Array,
        action: Array,
        reward: Array,
        episode_start: Array,
        value: torch.Tensor,
        log_prob: torch.Tensor,
    ) -> None:
        """Adds a step of all environments."""
        at = self.pos
        self.observations[at] = obs
        self.actions[at] = action.reshape(self.n_envs, self.action_dim)
        self.rewards[at] = reward
        self.episode_starts[at] = episode_start
        self.values[at] = value.clone().cpu().numpy()
        self.log_probs[at] = log_prob.clone().cpu().numpy()
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def compute_returns_and_advantage(
        self, last_values: torch.Tensor, dones: Array
    ) -> None:
        """Sets advantages and returns; an episode's end is the end of all stays."""
        following = last_values.clone().cpu().numpy()
        advantage = np.zeros_like(following)
        for step in reversed(range(self.buffer_size)):
            reward, leaves = np.moveaxis(self.rewards[step], -1, 0)
            discount = self.gamma * (1 - leaves)
            delta = reward + discount * following - self.values[step]
            advantage = delta + discount * self.gae_lambda * advantage
            self.advantages[step], following = advantage, self.values[step]
        self.returns = self.advantages + self.values

    def _get_samples(self, batch_inds: Array, env: Any = None) -> RolloutBufferSamples:
        def tensor(value: Array) -> torch.Tensor:
            return self.to_torch(value[batch_inds].astype(np.float32))

        return RolloutBufferSamples(
            observations=tensor(self.observations),
            actions=tensor(self.actions),
            old_values=tensor(self.values).flatten(),
            old_log_prob=tensor(self.log_probs),
            advantages=tensor(self.advantages),
            returns=tensor(self.returns).flatten(),
        )


def with_user_credit(
    venv: VecEnv, envs: DecisionVectorEnv, arguments: dict[str, Any]
) -> VecEnv:
    """Pays users, and collects their rollouts, if the setting `user_credit` says so.

    Args:
        venv: around `envs`.
        envs: the batched environment.
        arguments: of the algorithm; `user_credit` is taken out of them.

    Raises:
        ValueError: it cannot be done in this environment, or with this policy.
    """
    if not arguments.pop("user_credit", False):
        return venv
    task = envs.task
    if not isinstance(envs, MecLlmMobileVectorEnv):
        raise ValueError(
            "`user_credit` is for MecLlmMobile-v0, where users come and go; got "
            f"{type(task).__name__}. Leave it out."
        )
    encodings = task.action_codec.encoding, task.observation_codec.encoding
    if encodings != ("association", "flat"):
        raise ValueError(
            "`user_credit` needs --action-encoding association and flat observations; "
            f"got {encodings[0]!r} and {encodings[1]!r}."
        )
    arguments["rollout_buffer_class"] = UserRolloutBuffer
    return UserCredit(venv, envs)
