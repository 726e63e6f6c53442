"""The set network as a policy of Stable-Baselines3's on-policy algorithms."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from agents.set_network import NetworkConfig, SetNetwork
from mec_llm_env.actions import RESOURCES
from mec_llm_env.observations import SERVER_FEATURES, USER_FEATURES


class SetPolicy(ActorCriticPolicy):
    """Actor and critic on sets of users and servers.

    Its parameters do not depend on the numbers of users N and servers M, so that the
    weights of a policy for one size fit a policy for another. The actor is a
    `SetNetwork` at the association that it leans to; the critic is another one, whose
    value is a mean over users, and so the same for every order of them.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `box` encoding.
        lr_schedule: of the learning rate.
        n_users: N, which a flat observation does not tell.
        n_servers: M.
        log_std_init: of each of the six fields of an action: score and resources.
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
        self.actor = SetNetwork(self.network_config)
        self.critic = SetNetwork(self.network_config)
        self.value = nn.Linear(self.network_config.width, 1)
        fields = 1 + len(RESOURCES)
        self.log_std = nn.Parameter(torch.full((fields,), float(self.log_std_init)))
        # Decisions begin near the middle of the box, as Stable-Baselines3's do.
        for head in (self.actor.score, self.actor.resource):
            nn.init.orthogonal_(head.weight, gain=0.01)
            nn.init.zeros_(head.bias)
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def forward(
        self, obs: Any, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns actions [B, N(M+5)], values [B, 1], log-probabilities [B]."""
        distribution = self.get_distribution(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self.predict_values(obs), distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: Any, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns values [B, 1], log-probabilities [B] and entropies [B]."""
        distribution = self.get_distribution(obs)
        log_probability = distribution.log_prob(actions)
        return self.predict_values(obs), log_probability, distribution.entropy()

    def get_distribution(self, obs: Any) -> DiagGaussianDistribution:
        """Returns the distribution of actions, a normal one in each entry."""
        pairs = self.actor.pairs(*split_tokens(obs, self.n_users, self.n_servers))
        scores = self.actor.scores(pairs)
        resources = self.actor.resources(pairs, torch.softmax(scores, dim=-1))
        mean = torch.cat([torch.tanh(scores), resources], dim=-1).flatten(-2)
        score, other = self.log_std[:1], self.log_std[1:]
        per_user = torch.cat([score.expand(self.n_servers), other])
        distribution = DiagGaussianDistribution(mean.shape[-1])
        return distribution.proba_distribution(mean, per_user.repeat(self.n_users))

    def predict_values(self, obs: Any) -> Tensor:
        """Returns the critic's values, [B, 1]."""
        pairs = self.critic.pairs(*split_tokens(obs, self.n_users, self.n_servers))
        association = torch.softmax(self.critic.scores(pairs), dim=-1)
        return self.value(self.critic.users(pairs, association).mean(dim=-2))

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self.get_distribution(observation).get_actions(
            deterministic=deterministic
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {
            "n_users": self.n_users,
            "n_servers": self.n_servers,
            "network": {
                name: getattr(self.network_config, name)
                for name in ("width", "pair_layers", "user_layers", "pooled")
            },
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


def split_tokens(obs: Any, n_users: int, n_servers: int) -> tuple[Tensor, Tensor]:
    """Splits observations [B], flat or of tokens, into user and server tokens."""
    if isinstance(obs, dict):
        return obs["users"].float(), obs["servers"].float()
    n, m = n_users, n_servers
    width = m + len(USER_FEATURES)
    users, servers = obs.float().split([n * width, m * len(SERVER_FEATURES)], -1)
    return users.unflatten(-1, (n, width)), servers.unflatten(-1, (m, -1))
