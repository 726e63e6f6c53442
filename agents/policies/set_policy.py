"""The set network as a policy of Stable-Baselines3's on-policy algorithms."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from agents.policies.hybrid_distribution import HybridDistribution
from agents.policies.set_critic import SetCritic
from agents.policies.set_network import NetworkConfig, SetNetwork
from agents.policies.tokens import split_tokens, tokens_of
from mec_llm_env.actions import RESOURCES

#: Scale of the log-deviations, which makes their learning rate higher than that of the
#: weights: they are five numbers that the decisions of all users share.
LOG_STD_UNIT = 4.0


class SetPolicy(ActorCriticPolicy):
    """Actor and critic on sets of users and servers.

    Its parameters do not depend on the numbers of users N and servers M, so that
    weights can be transferred between sizes. The actor is a `SetNetwork`: its scores
    and resources are the parameters of a `HybridDistribution`. The
    critic is a `SetCritic`.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `box` encoding.
        lr_schedule: of the learning rate.
        n_users: N, which cannot be inferred from a flat observation.
        n_servers: M.
        log_std_init: of each of the five resources.
        network: of `NetworkConfig`.
        **kwargs: of `ActorCriticPolicy`.

    Raises:
        ValueError: the spaces are not those of N users and M servers.
    """

    def __init__(
        self,
        observation_space: gym.spaces.Space[Any],
        action_space: gym.spaces.Space[Any],
        lr_schedule: Any,
        *,
        n_users: int,
        n_servers: int,
        log_std_init: float = -0.5,
        network: dict[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        check_action_space(action_space, n_users, n_servers)
        self.n_users, self.n_servers = n_users, n_servers
        self.network_config = NetworkConfig(**(network or {}))
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            log_std_init=log_std_init,
            **kwargs,
        )

    def _build(self, lr_schedule: Any) -> None:
        size = self.n_users, self.n_servers
        tokens = tokens_of(self.observation_space, *size)
        self.actor = SetNetwork(self.network_config, tokens=tokens)
        self.critic = SetCritic(self.network_config.width, tokens)
        start = float(self.log_std_init) / LOG_STD_UNIT
        self.scaled_log_std = nn.Parameter(torch.full((len(RESOURCES),), start))
        self.actor.initialise_near_zero()
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def forward(
        self, obs: Any, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns actions [B, N(M+5)], values [B, 1], log-probabilities [B]."""
        distribution = self._distribution(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self.predict_values(obs), distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: Any, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns values [B, 1], log-probabilities [B] and entropies [B]."""
        distribution = self._distribution(obs)
        log_probability = distribution.log_prob(actions)
        return self.predict_values(obs), log_probability, distribution.entropy()

    def get_distribution(self, obs: Any) -> HybridDistribution:
        """Returns the distribution of actions, fixed for comparisons by TRPO."""
        distribution = self._distribution(obs)
        distribution.distribution.fix()
        return distribution

    @property
    def log_std(self) -> Tensor:  # type: ignore[override]
        """Logarithms of the deviations of the resources, [5]."""
        return LOG_STD_UNIT * self.scaled_log_std

    def _distribution(self, obs: Any) -> HybridDistribution:
        pairs = self.actor.pairs(*split_tokens(obs, self.n_users, self.n_servers))
        return HybridDistribution().proba_distribution(  # type: ignore[no-untyped-call]
            self.actor.scores(pairs),
            lambda association: self.actor.resources(pairs, association),
            self.log_std,
        )

    def predict_values(self, obs: Any) -> Tensor:
        """Returns the critic's values, [B, 1]."""
        return self.critic.forward(*split_tokens(obs, self.n_users, self.n_servers))

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self._distribution(observation).get_actions(deterministic=deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {
            "n_users": self.n_users,
            "n_servers": self.n_servers,
            "network": dataclasses.asdict(self.network_config),
        }


def check_action_space(
    action_space: gym.spaces.Space[Any], n_users: int, n_servers: int
) -> None:
    """Checks that actions are those of the `box` encoding for N users and M servers.

    Raises:
        ValueError: they are not.
    """
    wanted = (n_users * (n_servers + len(RESOURCES)),)
    if action_space.shape != wanted:
        raise ValueError(
            "`--policy set` needs --action-encoding box with an action of shape "
            f"{wanted} for {n_users} users and {n_servers} servers; got "
            f"{action_space}."
        )
