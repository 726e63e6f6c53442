"""Policies for the action encoding `association` that mask full servers.

Servers are sampled user by user, autoregressively. A server that is full is masked for
the remaining users, so that every sampled action is feasible. Where no server can be
full, the users' choices are independent categorical variables.

The most likely action is the association of the highest total score that fits, by
`round_assignment` (the Hungarian method where servers are short), rather than the
greedy choice user by user: it scores higher and does not depend on the order of the
users. Shapes: B batch, N users, M servers.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn
from torch.distributions import Categorical

from agents.policies.set_network import NetworkConfig, SetNetwork, initialise_head
from agents.policies.tokens import MAX_USERS, MOBILE, split_tokens, tokens_of
from mec_llm_env.assignment import round_assignment

#: Scale of the critics' output. SCRs are of that order; without the scale the last
#: layer would take thousands of steps to reach it.
VALUE_UNIT = 100.0
#: Initial logit of a user's own server: odds of e² to 1 for each of the others.
_STAY = 2.0


class MaskedChoices:
    """A distribution over feasible associations.

    Args:
        scores: [B, N, M] logits of the choices while no server is full.
        slots: [B, M] users that a server may serve; together at least N.
    """

    def __init__(self, scores: Tensor, slots: Tensor) -> None:
        self.scores, self.slots = scores, slots
        self.limited = bool((slots < scores.shape[-2]).any())

    def sample(self) -> Tensor:
        """Returns the server of every user, [B, N] int64."""
        if not self.limited:
            independent: Tensor = Categorical(logits=self.scores).sample()
            return independent
        room = self.slots.clone()
        chosen = []
        for scores in self.scores.unbind(dim=-2):  # user by user
            full = room < 0.5
            server = Categorical(logits=scores.masked_fill(full, -torch.inf)).sample()
            room.scatter_add_(-1, server[:, None], -torch.ones_like(room[:, :1]))
            chosen.append(server)
        return torch.stack(chosen, dim=-1)

    def mode(self) -> Tensor:
        """Returns the feasible association of the highest total score, [B, N]."""
        scores = self.scores.detach().numpy()
        association = round_assignment(scores, self.slots.numpy())
        return torch.from_numpy(association.argmax(axis=-1))

    def conditionals(self, actions: Tensor) -> Categorical:
        """Returns every user's choice given those before it in `actions` [B, N]."""
        if not self.limited:
            return Categorical(logits=self.scores)
        one_hot = nn.functional.one_hot(actions.long(), self.scores.shape[-1])
        before = one_hot.cumsum(dim=-2) - one_hot  # [B, N, M] users served already
        full = before > self.slots[:, None] - 0.5
        # An infeasible choice has probability 0 and log-probability −∞.
        return Categorical(logits=self.scores.masked_fill(full, -torch.inf))

    def log_prob(self, actions: Tensor) -> Tensor:
        """Returns the log-probability of actions [B, N], [B]."""
        each: Tensor = self.conditionals(actions).log_prob(actions.long())
        return each.sum(dim=-1)


class _AssociationPolicy(ActorCriticPolicy):
    """What both policies share: all but the scores and the values."""

    #: Whether values, log-probabilities and entropies are those of users, [B, N].
    per_user = False

    def scores(self, obs: Any) -> Tensor:
        """Returns the logits of the choices, [B, N, M]."""
        raise NotImplementedError

    def forward(
        self, obs: Any, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns actions [B, N], values [B, 1], log-probabilities [B].

        If `per_user`, values and log-probabilities are [B, N].
        """
        choices = self.choices(obs)
        actions = choices.mode() if deterministic else choices.sample()
        log_probability = choices.conditionals(actions).log_prob(actions.long())
        return actions, self.predict_values(obs), self._of_action(log_probability)

    def evaluate_actions(
        self, obs: Any, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns values [B, 1], log-probabilities [B] and entropies [B].

        The entropy is the sum of the conditional entropies along the action: an
        estimate of the joint entropy, and equal to it if no server can be full.
        """
        each = self.choices(obs).conditionals(actions)
        log_probability = self._of_action(each.log_prob(actions.long()))
        return (
            self.predict_values(obs),
            log_probability,
            self._of_action(each.entropy()),
        )

    def _of_action(self, each: Tensor) -> Tensor:
        """Returns the sum over users of [B, N], or the users' own."""
        return each if self.per_user else each.sum(dim=-1)

    def choices(self, obs: Any) -> MaskedChoices:
        """Returns the distribution of actions."""
        _, servers = split_tokens(obs, *self._size())
        share = servers[..., MAX_USERS]  # 2 min(max_users, N)/N − 1
        slots = torch.round((share + 1) / 2 * self._size()[0])
        return MaskedChoices(self.scores(obs), slots)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        choices = self.choices(observation)
        return choices.mode() if deterministic else choices.sample()

    def _size(self) -> tuple[int, int]:
        """Returns N and M."""
        assert isinstance(self.action_space, gym.spaces.MultiDiscrete)
        return len(self.action_space.nvec), int(self.action_space.nvec[0])


class AssociationMlpPolicy(_AssociationPolicy):
    """Scores and values from fully connected layers; tied to N and M."""

    def scores(self, obs: Any) -> Tensor:
        """Returns the logits of the choices, [B, N, M]."""
        features = self.extract_features(obs, self.pi_features_extractor)
        assert isinstance(features, Tensor)  # of one extractor
        hidden = self.mlp_extractor.forward_actor(features)
        logits: Tensor = self.action_net(hidden).unflatten(-1, self._size())
        return logits

    def predict_values(self, obs: Any) -> Tensor:
        """Returns the critic's values, [B, 1]."""
        return VALUE_UNIT * super().predict_values(obs)


class AssociationSetPolicy(_AssociationPolicy):
    """Scores and values from sets of users and servers, for any N and M.

    The actor is the first stage of a `SetNetwork`. The critic is a whole one, at the
    softmax of its own scores as the association, with mean pooling over users.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `association` encoding.
        lr_schedule: of the learning rate.
        n_users: N, as in the action space.
        n_servers: M, as in the action space.
        network: of `NetworkConfig`.
        per_user: whether values, log-probabilities and entropies are those of users.
        **kwargs: of `ActorCriticPolicy`.

    Raises:
        ValueError: the action space is not that of N users and M servers.
    """

    def __init__(
        self,
        observation_space: gym.spaces.Space[Any],
        action_space: gym.spaces.Space[Any],
        lr_schedule: Any,
        *,
        n_users: int,
        n_servers: int,
        network: dict[str, int] | None = None,
        per_user: bool = False,
        **kwargs: Any,
    ) -> None:
        self.per_user = per_user
        wanted = gym.spaces.MultiDiscrete([n_servers] * n_users)
        if action_space != wanted:
            raise ValueError(
                f"`action_space` must be {wanted} for {n_users} users and {n_servers} "
                f"servers; got {action_space}."
            )
        self.network_config = NetworkConfig(**(network or {}))
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def scores(self, obs: Any) -> Tensor:
        """Returns the logits of the choices, [B, N, M]."""
        users, servers = split_tokens(obs, *self._size())
        scores = self.actor.scores(self.actor.pairs(users, servers))
        serving = self.actor.tokens.serving(users, servers)
        return scores if serving is None else scores + self.stay * serving

    def predict_values(self, obs: Any) -> Tensor:
        """Returns the critic's values, [B, 1]; of users, [B, N], if `per_user`."""
        pairs = self.critic.pairs(*split_tokens(obs, *self._size()))
        association = torch.softmax(self.critic.scores(pairs), dim=-1)
        users = self.critic.users(pairs, association)
        if self.per_user:
            return self.value.forward(users).squeeze(-1)
        return VALUE_UNIT * self.value.forward(users.mean(dim=-2))

    def _build(self, lr_schedule: Any) -> None:
        tokens = tokens_of(self.observation_space, *self._size())
        self.actor = SetNetwork(self.network_config, tokens=tokens)
        # The second stage would decide resources, which the codec does here.
        del self.actor.user_layers, self.actor.norm, self.actor.resource
        self.critic = SetNetwork(self.network_config, tokens=tokens)
        del self.critic.resource
        self.value = nn.Linear(self.network_config.width, 1)
        initialise_head(self.actor.score)
        if tokens is MOBILE:  # who moves by chance pays for it, so begin with staying
            self.stay = nn.Parameter(torch.tensor(_STAY))
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def _get_constructor_parameters(self) -> dict[str, Any]:
        n, m = self._size()
        network = dataclasses.asdict(self.network_config)
        return super()._get_constructor_parameters() | {
            "n_users": n,
            "n_servers": m,
            "network": network,
            "per_user": self.per_user,
        }
