"""Joint distribution of an association and of the resources given it.

An action of the `box` encoding is sampled in two steps: every user's server from a
categorical distribution x_n ~ softmax(s_n), then its resources from a normal
distribution whose mean depends on the association, r ~ N(μ(x), σ²). So

  ln p(x, r) = Σ_n ln softmax(s_n)[x_n] + Σ_nk ln N(r_nk; μ_nk(x), σ_k²).

In the action, the chosen server scores 1 and the others −1. Shapes: B batch, N users,
M servers, K = 5 resources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from stable_baselines3.common.distributions import Distribution
from torch import Tensor
from torch.distributions import Categorical, Normal, kl_divergence, register_kl
from torch.nn import functional


class AssociationAndResources(torch.distributions.Distribution):
    """The distribution in PyTorch's interface.

    Args:
        scores: [B, N, M] logits of the association.
        mean_of: from an association [B, N, M] of 0 and 1 to the means [B, N, K]. It
            uses weights that training may change; call `fix` before, if distributions
            are compared afterwards.
        log_std: [K] of the resources.
    """

    arg_constraints: dict[str, Any] = {}

    def __init__(
        self, scores: Tensor, mean_of: Callable[[Tensor], Tensor], log_std: Tensor
    ) -> None:
        n_batch, n_users, n_servers = scores.shape
        size = n_users * (n_servers + log_std.shape[0])
        super().__init__(torch.Size([n_batch]), torch.Size([size]), validate_args=False)
        self.server = Categorical(logits=scores, validate_args=False)
        self.n_servers, self._mean_of, self.std = n_servers, mean_of, log_std.exp()
        self._fixed: tuple[Tensor, Normal] | None = None

    def fix(self) -> None:
        """Samples and keeps an association and its resources, for `kl_divergence`.

        Their means cannot be computed once the weights have changed.
        """
        with torch.no_grad():
            association = self._one_hot(self.server.sample())
        self._fixed = association, self.resources(association)

    @property
    def fixed(self) -> tuple[Tensor, Normal]:
        """What `fix` has kept: an association, and the resources given it."""
        assert self._fixed is not None, "`fix` it before the weights change"
        return self._fixed

    def resources(self, association: Tensor) -> Normal:
        """Returns the distribution of the resources [B, N, K] for an association."""
        mean = self._mean_of(association)
        return Normal(mean, self.std.expand_as(mean), validate_args=False)

    @property
    def mode(self) -> Tensor:
        """The most probable server of each user and its mean resources [B, N(M+K)]."""
        association = self._one_hot(self.server.logits.argmax(dim=-1))
        return _action(association, self._mean_of(association))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Returns one action, [B, N(M+K)], without a gradient."""
        assert not sample_shape
        with torch.no_grad():
            association = self._one_hot(self.server.sample())
            return _action(association, self.resources(association).sample())

    def log_prob(self, value: Tensor) -> Tensor:
        """Returns the log-density [B] of actions; the highest score is the server."""
        table = value.unflatten(-1, (self.server.batch_shape[-1], -1))
        scores = table[..., : self.n_servers]
        resources = table[..., self.n_servers :]
        server = scores.argmax(dim=-1)
        given: Tensor = self.resources(self._one_hot(server)).log_prob(resources)
        chosen: Tensor = self.server.log_prob(server)
        return chosen.sum(dim=-1) + given.sum(dim=(-1, -2))

    def entropy(self) -> Tensor:
        """Returns the exact entropy [B]; that of the resources does not depend on x."""
        resources = torch.log(self.std).sum() + self.std.shape[0] * _NORMAL_ENTROPY
        association: Tensor = self.server.entropy()
        return association.sum(dim=-1) + self.server.batch_shape[-1] * resources

    def _one_hot(self, server: Tensor) -> Tensor:
        return functional.one_hot(server, self.n_servers).to(self.server.logits.dtype)


_NORMAL_ENTROPY = 0.5 + 0.9189385332046727  # of N(0, 1): (1 + ln 2π) / 2


def _action(association: Tensor, resources: Tensor) -> Tensor:
    return torch.cat([2 * association - 1, resources], dim=-1).flatten(-2)


def _kl(p: AssociationAndResources, q: AssociationAndResources) -> Tensor:
    """Estimates KL(p ‖ q), [B].

    The divergence of the resources is an expectation over x ~ p, estimated with one x ~
    q. It is unbiased at p = q, where TRPO takes the curvature.
    """
    association, resources = q.fixed
    given = kl_divergence(p.resources(association), resources).sum(dim=(-1, -2))
    return kl_divergence(p.server, q.server).sum(dim=-1) + given


register_kl(AssociationAndResources, AssociationAndResources)(_kl)


class HybridDistribution(Distribution):
    """`AssociationAndResources` as a distribution of Stable-Baselines3."""

    distribution: AssociationAndResources

    def _unsupported(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("The set network returns the parameters.")

    proba_distribution_net = _unsupported
    actions_from_params = log_prob_from_params = _unsupported

    def proba_distribution(
        self, scores: Tensor, mean_of: Callable[[Tensor], Tensor], log_std: Tensor
    ) -> Self:
        """Sets the parameters of `AssociationAndResources`."""
        self.distribution = AssociationAndResources(scores, mean_of, log_std)
        return self

    def log_prob(self, actions: Tensor) -> Tensor:
        """Returns the log-density [B] of actions [B, N(M+K)]."""
        return self.distribution.log_prob(actions)

    def entropy(self) -> Tensor:
        """Returns the entropy [B]."""
        return self.distribution.entropy()

    def sample(self) -> Tensor:
        """Returns one action [B, N(M+K)]."""
        return self.distribution.sample()

    def mode(self) -> Tensor:
        """Returns the most probable association and its mean resources."""
        return self.distribution.mode
