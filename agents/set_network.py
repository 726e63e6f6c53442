"""A network on sets of users and servers: any number of each, in any order.

It has two stages. The first looks at every pair of a user and a server and scores
the association; the second takes an association and gives every user its resources.
What a user learns of the others it learns through its server: sums over the users of
a server, as in the optimality conditions, where users meet in the prices of bandwidth
and compute alone. No parameter depends on the numbers of users N and servers M.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mec_llm_env.actions import RESOURCES
from mec_llm_env.observations import SERVER_FEATURES, USER_FEATURES

_GAIN_FEATURES = 3  # log-gain; relative to the best of the user; share of the sum
_LARGEST_EXPONENT = 8.0  # nepers, of the weights in a sum over users
_FEWEST = 1e-3  # users, so that the logarithm of an empty server's sum is finite


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Size of a `SetNetwork`.

    Raises:
        ValueError: a number is out of range.
    """

    width: int = 64  # of every token
    pair_layers: int = 2  # of the first stage
    user_layers: int = 3  # of the second stage
    pooled: int = 32  # sums over users that a layer takes

    def __post_init__(self) -> None:
        for name in ("width", "pair_layers", "user_layers", "pooled"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be an integer of at least 1; got {value!r}."
                )


class SetNetwork(nn.Module):
    """Tokens in, association scores and unit resources out.

    Equivariant: another order of users or servers gives the same numbers in that
    order. Shapes: B batch, N users, M servers, D width.
    """

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        width, pooled = self.config.width, self.config.pooled
        self.user_embedding = nn.Linear(len(USER_FEATURES), width)
        self.server_embedding = nn.Linear(len(SERVER_FEATURES), width)
        self.gain_embedding = nn.Linear(_GAIN_FEATURES, width, bias=False)
        self.first = _Residual(width)
        self.pair_layers = nn.ModuleList(
            _PairLayer(width, pooled) for _ in range(self.config.pair_layers)
        )
        self.score = nn.Linear(width, 1)
        self.user_layers = nn.ModuleList(
            _UserLayer(width, pooled) for _ in range(self.config.user_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.resource = nn.Linear(width, len(RESOURCES))

    def pairs(
        self,
        users: Tensor,  # [B, N, M + 9] log-gains and features, as observed
        servers: Tensor,  # [B, M, 7]
    ) -> Tensor:
        """Returns a token for every pair, [B, N, M, D]."""
        m = servers.shape[-2]
        gain, own = users[..., :m], users[..., m:]
        features = torch.stack(
            [
                gain,
                gain - gain.amax(dim=-1, keepdim=True),
                gain - torch.logsumexp(gain, dim=-1, keepdim=True),
            ],
            dim=-1,
        )  # [B, N, M, 3]
        pairs = (
            self.user_embedding(own)[..., :, None, :]
            + self.server_embedding(servers)[..., None, :, :]
            + self.gain_embedding(features)
        )
        pairs = self.first(pairs)
        for layer in self.pair_layers:
            pairs = layer(pairs)
        return pairs

    def scores(self, pairs: Tensor) -> Tensor:
        """Returns the association scores [B, N, M] of pair tokens, unbounded."""
        return self.score(pairs)[..., 0]

    def resources(
        self,
        pairs: Tensor,  # [B, N, M, D]
        association: Tensor,  # [B, N, M] 0 or 1, or rows that sum to 1
    ) -> Tensor:
        """Returns the unit resources [B, N, 5] in [−1, 1] for an association."""
        users = (association[..., None, :] @ pairs)[..., 0, :]  # [B, N, D]
        for layer in self.user_layers:
            users = layer(users, association)
        return torch.tanh(self.resource(self.norm(users)))


class _Residual(nn.Module):
    """x + W₂ gelu(W₁ norm(x) + context)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | float = 0.0) -> Tensor:
        hidden = self.inner(self.norm(x)) + context
        return x + self.outer(functional.gelu(hidden, approximate="tanh"))


class _PairLayer(nn.Module):
    """Tells every pair about its server's users and its user's other servers."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1)
        self.summand = nn.Linear(width, pooled)
        self.of_server = nn.Linear(pooled + 1, width, bias=False)
        self.of_all = nn.Linear(pooled, width, bias=False)
        self.of_user = nn.Linear(width, width, bias=False)
        self.residual = _Residual(width)

    def forward(self, pairs: Tensor) -> Tensor:  # [B, N, M, D] → [B, N, M, D]
        share = torch.softmax(self.weight(pairs)[..., 0], dim=-1)  # [B, N, M]
        positive = _positive(self.summand(pairs)) * share[..., None]
        load = torch.cat([positive, share[..., None]], dim=-1).sum(dim=-3)
        mine = (share[..., None, :] @ pairs)[..., 0, :]  # [B, N, D]
        context = (
            self.of_server(_log(load))[..., None, :, :]
            + self.of_all(_log(positive.sum(dim=-2).mean(dim=-2)))[..., None, None, :]
            + self.of_user(mine)[..., :, None, :]
        )
        return self.residual(pairs, context)


class _UserLayer(nn.Module):
    """Tells every user about the users of its server and about all users."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.summand = nn.Linear(width, pooled)
        self.of_server = nn.Linear(pooled + 1, width, bias=False)
        self.of_all = nn.Linear(pooled, width, bias=False)
        self.residual = _Residual(width)

    def forward(self, users: Tensor, association: Tensor) -> Tensor:  # [B, N, D]
        positive = _positive(self.summand(users))
        one = torch.ones_like(positive[..., :1])
        summands = torch.cat([positive, one], dim=-1)  # [B, N, P + 1]
        load = association.transpose(-1, -2) @ summands  # [B, M, P + 1]
        context = (
            association @ self.of_server(_log(load))
            + self.of_all(_log(positive.mean(dim=-2)))[..., None, :]
        )
        return self.residual(users, context)


def _positive(exponent: Tensor) -> Tensor:
    return torch.exp(exponent.clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT))


def _log(total: Tensor) -> Tensor:
    return torch.log(total + _FEWEST)
