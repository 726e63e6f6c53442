"""The loss of behaviour cloning, for policies of any algorithm.

For the association it is the cross-entropy of the scores, of which the decoder takes
the highest; for the resources the squared error, weighted by its effect on the SCR.
Policies are those of Stable-Baselines3, or a `SetNetwork`. Shapes:
B batch, N users, M servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor
from torch.nn import functional

from agents.apg import Apg
from agents.policies.set_network import SetNetwork
from mec_llm_env.actions import LEVELS, RESOURCES
from mec_llm_env.observations import USER_FEATURES

#: Of the softmax over scores in [−1, 1]: a difference of 1 means odds of e^4 to 1.
TEMPERATURE = 0.25

#: Approximate relative loss of SCR per squared error of each of `RESOURCES`, measured
#: on paper-10x2: least for power, most for compute.
WEIGHTS = (0.3, 0.05, 1.5, 3.0, 0.1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Demonstrations as tensors."""

    users: Tensor  # [B, N, ·]
    servers: Tensor  # [B, M, ·]
    server: Tensor  # [B, N] index of each user's server
    resources: Tensor  # [B, N, 5] in [−1, 1]
    # [B, 1] what the rest of the episode earned, or of users, [B, N]; None where
    # decisions do not follow one another
    returns: Tensor | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, index: Any) -> Batch:
        return Batch(
            users=self.users[index],
            servers=self.servers[index],
            server=self.server[index],
            resources=self.resources[index],
            returns=None if self.returns is None else self.returns[index],
        )

    def observation(self, space: spaces.Space[Any]) -> Any:
        """Returns the observations as a policy of this observation space takes them."""
        if isinstance(space, spaces.Dict):
            return {"users": self.users, "servers": self.servers}
        return torch.cat([self.users.flatten(1), self.servers.flatten(1)], dim=-1)

    def action(self, space: spaces.Space[Any]) -> Tensor:
        """Returns the actions, [B, …]; the nearest levels where they are discrete."""
        n_users = self.server.shape[1]
        if isinstance(space, spaces.MultiDiscrete):
            levels = torch.round((self.resources + 1) * ((LEVELS - 1) / 2)).long()
            choices = torch.cat([self.server.unsqueeze(-1), levels], dim=-1)
            # Fewer per user if the encoding leaves some of them out.
            return choices[..., : len(space.nvec) // n_users].flatten(1)
        chosen = functional.one_hot(self.server, self.servers.shape[1])
        return torch.cat([2.0 * chosen - 1, self.resources], dim=-1).flatten(1)


def permuted(batch: Batch) -> Batch:
    """Permutes users and servers at random, independently in each scenario.

    Data augmentation for policies that are not equivariant, unlike a `SetNetwork`.
    """
    n_batch, m, _ = batch.servers.shape
    n = batch.users.shape[1]
    order = torch.rand(n_batch, n).argsort(dim=-1)
    server_order = torch.rand(n_batch, m).argsort(dim=-1)

    def rows(table: Tensor, order: Tensor) -> Tensor:
        return table.gather(1, order.unsqueeze(-1).expand(-1, -1, table.shape[-1]))

    users = rows(batch.users, order)
    columns = server_order.unsqueeze(1).expand(-1, n, -1)
    # Gains; in episodes, who holds the user's state too.
    for first in (0, m + len(USER_FEATURES)):
        if first + m <= users.shape[-1]:
            pairs = slice(first, first + m)
            users[..., pairs] = users[..., pairs].gather(2, columns)
    return Batch(
        users=users,
        servers=rows(batch.servers, server_order),
        # The inverse permutation gives the new index of each server.
        server=server_order.argsort(dim=-1).gather(1, batch.server.gather(1, order)),
        resources=rows(batch.resources, order),
        returns=batch.returns,  # not of users, whose networks are equivariant
    )


def set_network(model: Any) -> SetNetwork | None:
    """Returns the set network whose scores are logits of the association, if any."""
    if isinstance(model, Apg):
        return model.network
    actor = getattr(model.policy, "actor", None)  # of `SetPolicy`
    is_box = isinstance(model.policy.action_space, spaces.Box)
    return actor if is_box and isinstance(actor, SetNetwork) else None


def imitation_loss(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns the loss of a model's decisions and their association scores [B, N, M].

    Args:
        model: an algorithm of Stable-Baselines3, or `Apg`.
        batch: the demonstrations.

    Returns:
        The mean over users, and the scores (empty if actions are discrete).
    """
    network = set_network(model)
    if network is not None:
        pairs = network.pairs(batch.users, batch.servers)
        scores = network.scores(pairs)
        chosen = functional.one_hot(batch.server, scores.shape[-1]).float()
        resources = network.resources(pairs, chosen)
        return _cross_entropy(scores, batch) + _error(resources, batch), scores
    policy = model.policy
    observation = batch.observation(policy.observation_space)
    if isinstance(policy.action_space, spaces.MultiDiscrete):
        log_probability = _log_probability(
            policy, observation, batch.action(policy.action_space)
        )
        # Of whole actions, or of users already.
        n_choices = batch.server.numel() / log_probability.numel()
        return -log_probability.mean() / n_choices, torch.empty(0)
    table = mean_action(policy, observation).unflatten(-1, (batch.server.shape[1], -1))
    scores = table[..., : -len(RESOURCES)]
    # Actions are clamped to [−1, 1], where higher scores would become ties.
    beyond = torch.relu(scores.abs() - 1).square().mean()
    loss = _cross_entropy(scores / TEMPERATURE, batch) + beyond
    return loss + _error(table[..., -len(RESOURCES) :], batch), scores


def mean_action(policy: Any, observation: Any) -> Tensor:
    """Returns a policy's deterministic actions [B, …], with their gradients."""
    action: Tensor
    if isinstance(policy, ActorCriticPolicy):
        action = _distribution(policy, observation).mode()
    else:
        action = policy._predict(observation, deterministic=True)
    return action


def random_action(policy: Any, observation: Any) -> Tensor:
    """Samples actions [B, …] as an on-policy algorithm does."""
    memory = initial_memory(policy, observation)
    result: Any = policy._predict(observation, *memory, deterministic=False)
    action: Tensor = result[0] if memory else result
    return action


def values(policy: Any, observation: Any) -> Tensor:
    """Returns the values of the critic of an on-policy algorithm, [B, 1]."""
    memory = initial_memory(policy, observation)
    expected: Tensor = policy.predict_values(observation, *memory)
    return expected


def initial_memory(policy: Any, observation: Any) -> tuple[Any, ...]:
    """Returns initial LSTM states and episode starts; empty without an LSTM."""
    lstm = getattr(policy, "lstm_actor", None)
    if lstm is None:
        return ()
    n_batch = len(observation)
    state = torch.zeros(lstm.num_layers, n_batch, lstm.hidden_size)
    return (state, state), torch.ones(n_batch)


def _distribution(policy: Any, observation: Any) -> Any:
    memory = initial_memory(policy, observation)
    distribution = policy.get_distribution(observation, *memory)
    return distribution[0] if memory else distribution


def _log_probability(policy: Any, observation: Any, action: Tensor) -> Tensor:
    """Returns the log-probabilities of discrete actions, [B]."""
    log_probability: Tensor
    if initial_memory(policy, observation):
        log_probability = _distribution(policy, observation).log_prob(action)
    else:  # also of policies without `get_distribution`
        _, log_probability, _ = policy.evaluate_actions(observation, action)
    return log_probability


def _cross_entropy(logits: Tensor, batch: Batch) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), batch.server.flatten())


def _error(resources: Tensor, batch: Batch) -> Tensor:
    error = (resources - batch.resources).square()
    return (torch.tensor(WEIGHTS) * error).sum(dim=-1).mean()
