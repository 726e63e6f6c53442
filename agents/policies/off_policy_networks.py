"""Actors and critics of off-policy algorithms on the set network.

An actor is a `SetNetwork`. A critic uses its pair tokens, at the association that an
action decodes to and with each user's resources as further features. No parameter
depends on the numbers of users N and servers M.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.sac.policies import LOG_STD_MAX, LOG_STD_MIN
from torch import Tensor, nn
from torch.nn import functional

from agents.policies.set_network import (
    LARGEST_EXPONENT,
    NetworkConfig,
    Residual,
    SetNetwork,
    log_sum,
    project,
    summands,
)
from agents.policies.tokens import Tokens, split_tokens, tokens_of
from mec_llm_env.actions import RESOURCES

Space = gym.spaces.Space[Any]


class DeterministicActor(BasePolicy):
    """Decides the association of the highest scores, and resources given it.

    Both are clamped to the box by `project`. With a tanh the actors of some seeds
    saturated and did not recover.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `box` encoding.
        size: N and M, which cannot be inferred from a flat observation.
        config: of the network.
        temperature: of the softmax in the straight-through gradient of the choice of a
            server.
    """

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        size: tuple[int, int],
        config: NetworkConfig,
        temperature: float,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True)
        self.size, self.temperature = size, temperature
        tokens = tokens_of(observation_space, *size)
        self.network = SetNetwork(config, limit=project, tokens=tokens)
        self.network.initialise_near_zero()

    def forward(self, obs: Any) -> Tensor:
        """Returns actions [B, N(M+5)]."""
        pairs = self.network.pairs(*split_tokens(obs, *self.size))
        scores = project(self.network.scores(pairs))
        chosen = choose_server(scores, self.temperature)
        resources = self.network.resources(pairs, chosen)
        return torch.cat([scores, resources], dim=-1).flatten(-2)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self.forward(observation)


class SquashedActor(DeterministicActor):
    """Samples the scores, then the resources given the association that they choose.

    Both have normal distributions squashed by tanh, whose deviations depend on the
    token.

    Args:
        log_std_init: logarithm of the deviations before training.
        **kwargs: of `DeterministicActor`.
    """

    def __init__(self, *, log_std_init: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width = self.network.config.width
        self.score_log_std = nn.Linear(width, 1)
        self.resource_log_std = nn.Linear(width, len(RESOURCES))
        for head in (self.score_log_std, self.resource_log_std):
            nn.init.orthogonal_(head.weight, gain=0.01)
            nn.init.constant_(head.bias, log_std_init)

    def forward(self, obs: Any, deterministic: bool = False) -> Tensor:
        """Returns actions [B, N(M+5)]."""
        return self._decide(obs, deterministic)[0]

    def action_log_prob(self, obs: Any) -> tuple[Tensor, Tensor]:
        """Returns random actions [B, N(M+5)] and log-probabilities [B]."""
        return self._decide(obs, deterministic=False)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self.forward(observation, deterministic)

    def _decide(self, obs: Any, deterministic: bool) -> tuple[Tensor, Tensor]:
        pairs = self.network.pairs(*split_tokens(obs, *self.size))
        scores, log_probability = _squashed(
            self.network.score(pairs), self.score_log_std(pairs), deterministic
        )
        chosen = choose_server(scores.squeeze(-1), self.temperature)
        users = self.network.users(pairs, chosen)
        resources, other = _squashed(
            self.network.resource(users), self.resource_log_std(users), deterministic
        )
        actions = torch.cat([scores.squeeze(-1), resources], dim=-1).flatten(-2)
        return actions, log_probability + other


class ActionCritic(BaseModel):
    """Values of actions, from one or several independent networks.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `box` encoding.
        size: N and M.
        config: of a network.
        temperature: as of the actor.
        n_critics: independent networks.  outputs: of a network; more than one are
            quantiles.  value_scale: initial output, about.
    """

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        size: tuple[int, int],
        config: NetworkConfig,
        temperature: float,
        *,
        n_critics: int,
        outputs: int = 1,
        value_scale: float,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.size, self.temperature = size, temperature
        tokens = tokens_of(observation_space, *size)
        self.q_networks = nn.ModuleList(
            _ActionValue(config, outputs, value_scale, tokens) for _ in range(n_critics)
        )

    def forward(self, obs: Any, actions: Tensor) -> tuple[Tensor, ...]:
        """Returns the values [B, outputs] of each network."""
        given = self._given(obs, actions)
        return tuple(network(*given) for network in self.q_networks)

    def q1_forward(self, obs: Any, actions: Tensor) -> Tensor:
        """Returns the values [B, outputs] of the first network."""
        value: Tensor = self.q_networks[0](*self._given(obs, actions))
        return value

    def _given(self, obs: Any, actions: Tensor) -> tuple[Tensor, ...]:
        n, m = self.size
        scores, resources = actions.unflatten(-1, (n, -1)).split(
            [m, len(RESOURCES)], -1
        )
        chosen = choose_server(scores, self.temperature)
        return *split_tokens(obs, n, m), chosen, resources


class _ActionValue(nn.Module):
    """Value of an association and resources: a ratio of two sums over users.

    It has the form of the SCR, and is invariant to the order of users and servers.
    Pairs that are not chosen have tokens too, and the association weights them only at
    the end: so its gradient compares the server of a user with the alternatives.
    """

    def __init__(
        self, config: NetworkConfig, outputs: int, scale: float, tokens: Tokens
    ) -> None:
        super().__init__()
        # Only its pair tokens are used.
        of_pairs = dataclasses.replace(config, user_layers=1)
        self.network = SetNetwork(of_pairs, tokens=tokens)
        self.resources = nn.Linear(len(RESOURCES), config.width)
        self.layers = nn.ModuleList(
            _LoadLayer(config.width, config.pooled) for _ in range(config.user_layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.value = nn.Linear(config.width, 2 * outputs)
        self.scale = scale

    def forward(
        self,
        users: Tensor,  # [B, N, ·]
        servers: Tensor,  # [B, M, ·]
        association: Tensor,  # [B, N, M]
        resources: Tensor,  # [B, N, 5]
    ) -> Tensor:
        pairs = self.network.pairs(users, servers)
        pairs = pairs + self.resources(resources).unsqueeze(-2)
        chosen = association.unsqueeze(-1)
        for layer in self.layers:
            pairs = layer(pairs, chosen)
        exponents = self.value(self.norm(pairs)).clamp(
            -LARGEST_EXPONENT, LARGEST_EXPONENT
        )
        total = (chosen * torch.exp(exponents)).sum(dim=(-3, -2))
        worth, cost = total.chunk(2, dim=-1)
        return self.scale * worth / cost


class _LoadLayer(nn.Module):
    """Adds to every pair the pooled features of its server's users, itself included."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.sent = nn.Linear(width, pooled)
        self.of_server = nn.Linear(pooled + 1, width, bias=False)
        self.residual = Residual(width)

    def forward(self, pairs: Tensor, chosen: Tensor) -> Tensor:  # [B, N, M, ·]
        terms = summands(self.sent(pairs))
        taken = chosen * terms
        load = taken.sum(dim=-3, keepdim=True) + (terms - taken)  # [B, N, M, P + 1]
        return self.residual.forward(pairs, self.of_server(log_sum(load)))


class SlowerAdam(torch.optim.Adam):
    """Adam at a fixed share of the learning rate.

    Stable-Baselines3 sets one rate for actor and critics. An actor as fast as its
    critics moves to a corner of the box before they have learned the values there.

    Args:
        parameters: of the actor.
        share: of the rate that is set.
        **kwargs: of Adam.
    """

    def __init__(self, parameters: Any, *, share: float, **kwargs: Any) -> None:
        super().__init__(parameters, **kwargs)
        self.share = share

    def step(self, closure: Any = None) -> Any:
        """Takes a step."""
        rates = [group["lr"] for group in self.param_groups]
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate * self.share
        loss = super().step(closure)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        return loss


def choose_server(scores: Tensor, temperature: float) -> Tensor:
    """Returns what the decoder chooses: 1 at the highest score [B, N, M], else 0.

    Its gradient is that of the softmax (straight-through estimator). Limits on the
    users of a server, which the decoder respects, are ignored.
    """
    soft = torch.softmax(scores / temperature, dim=-1)
    hard = functional.one_hot(scores.argmax(dim=-1), scores.shape[-1])
    return hard + (soft - soft.detach())


def _squashed(
    mean: Tensor,  # [B, N, K] before tanh
    log_std: Tensor,  # [B, N, K]
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    """Returns squashed normal numbers [B, N, K] and their log-probabilities [B]."""
    distribution = SquashedDiagGaussianDistribution(mean[0].numel())
    distribution.proba_distribution(
        mean.flatten(1), log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).flatten(1)
    )
    actions = distribution.get_actions(deterministic)
    log_probability = distribution.log_prob(actions, distribution.gaussian_actions)
    return actions.view_as(mean), log_probability
