"""A permutation-equivariant network on sets of users and servers of any size.

It has two stages. The first has a token for every pair of a user and a server, and
scores the association; the second takes an association and decides the resources of
every user. Users exchange messages through their servers only, by sum pooling over the
users of a server, as in the optimality conditions, where users interact only through
the prices of bandwidth and compute. No parameter depends on the numbers of users N and
servers M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.policies.tokens import ONE_DECISION, Tokens
from mec_llm_env.actions import RESOURCES

_GAIN_FEATURES = 3  # log-gain; relative to the best of the user; to all of them
LARGEST_EXPONENT = 8.0  # of the terms in a pooled sum
SMALLEST_SUM = 1e-3  # keeps the logarithm of an empty server's sum finite


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Size of a `SetNetwork`.

    Raises:
        ValueError: a number is out of range.
    """

    width: int = 64  # of every token
    pair_layers: int = 2  # of the first stage; 0 if the association is given
    user_layers: int = 3  # of the second stage
    pooled: int = 32  # pooled sums of a layer

    def __post_init__(self) -> None:
        for name in ("width", "pair_layers", "user_layers", "pooled"):
            value, least = getattr(self, name), 0 if name == "pair_layers" else 1
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`{name}` must be an integer of at least {least}; got {value!r}."
                )


class SetNetwork(nn.Module):
    """Maps tokens to association scores and unit resources.

    It is equivariant to permutations of users and of servers. Shapes: B batch, N users,
    M servers, D width.

    Args:
        config: its size.
        limit: maps the unit resources to [−1, 1]: `torch.tanh`, or `project`.
        tokens: what it is told.
    """

    def __init__(
        self,
        config: NetworkConfig | None = None,
        limit: Callable[[Tensor], Tensor] = torch.tanh,
        tokens: Tokens = ONE_DECISION,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.config = config or NetworkConfig()
        self.limit = limit
        width, pooled = self.config.width, self.config.pooled
        self.user_embedding = nn.Linear(tokens.user, width)
        self.server_embedding = nn.Linear(tokens.server, width)
        n_pair = _GAIN_FEATURES + tokens.pair
        self.gain_embedding = nn.Linear(n_pair, width, bias=False)
        self.first = Residual(width)
        self.pair_layers = nn.ModuleList(
            _PairLayer(width, pooled) for _ in range(self.config.pair_layers)
        )
        self.score = nn.Linear(width, 1)
        self.user_layers = nn.ModuleList(
            _UserLayer(width, pooled) for _ in range(self.config.user_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.resource = nn.Linear(width, len(RESOURCES))

    def initialise_near_zero(self) -> None:
        """Initialises the heads so that decisions are near 0, the middle of the box."""
        initialise_head(self.score)
        initialise_head(self.resource)

    def pairs(
        self,
        users: Tensor,  # [B, N, ·] as observed; M + 9 columns in MecLlm-v0
        servers: Tensor,  # [B, M, ·], 7
    ) -> Tensor:
        """Returns a token for every pair, [B, N, M, D]."""
        gain, own, servers, further = self.tokens.read(users, servers)
        best = gain.amax(dim=-1, keepdim=True)
        total = torch.logsumexp(gain, dim=-1, keepdim=True)
        features = torch.stack([gain, gain - best, gain - total], dim=-1)
        if further is not None:
            features = torch.cat([features, further], dim=-1)
        pairs = (
            _linear(self.user_embedding, own).unsqueeze(-2)
            + _linear(self.server_embedding, servers).unsqueeze(-3)
            + _linear(self.gain_embedding, features)
        )
        pairs = self.first.forward(pairs)
        for layer in self.pair_layers:
            pairs = layer.forward(pairs)
        return pairs

    def scores(self, pairs: Tensor) -> Tensor:
        """Returns the association scores [B, N, M] of pair tokens, unbounded."""
        return _linear(self.score, pairs).squeeze(-1)

    def users(
        self,
        pairs: Tensor,  # [B, N, M, D]
        association: Tensor,  # [B, N, M] 0 or 1, or rows that sum to 1
    ) -> Tensor:
        """Returns a token for every user, given the association, [B, N, D]."""
        users = (association.unsqueeze(-1) * pairs).sum(dim=-2)  # faster than matmul
        for layer in self.user_layers:
            users = layer.forward(users, association)
        return self.norm.forward(users)

    def resources(self, pairs: Tensor, association: Tensor) -> Tensor:
        """Returns the unit resources [B, N, 5] in [−1, 1] for an association."""
        return self.limit(_linear(self.resource, self.users(pairs, association)))


class Residual(nn.Module):
    """x + W₂ silu(W₁ norm(x) + context), of tokens [..., D]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Returns the updated tokens."""
        hidden = _linear(self.inner, self.norm.forward(x))
        hidden = hidden if context is None else hidden + context
        return x + _linear(self.outer, functional.silu(hidden))


class _PairLayer(nn.Module):
    """Updates pair tokens by attention over a user's servers and pooling over users.

    The attention weights of a user stand for its association, which is not decided yet:
    they weight its terms in the sums of each server.
    """

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.pooled = pooled
        self.sent = nn.Linear(width, 1 + pooled)  # logit of the share, summands
        self.of_server = nn.Linear(pooled + 1, width, bias=False)
        self.of_all = nn.Linear(pooled + 1, width, bias=False)
        self.of_user = nn.Linear(width, width, bias=False)
        self.residual = Residual(width)

    def forward(self, pairs: Tensor) -> Tensor:  # [B, N, M, D] → [B, N, M, D]
        sent = _linear(self.sent, pairs)
        share = torch.softmax(sent.select(-1, 0), dim=-1)  # [B, N, M]
        terms = summands(sent.narrow(-1, 1, self.pooled)) * share.unsqueeze(-1)
        load = log_sum(terms.sum(dim=-3))  # [B, M, P + 1]
        mine = (share.unsqueeze(-2) @ pairs).squeeze(-2)  # [B, N, D]
        server = _linear(self.of_server, load)
        server = server + _linear(self.of_all, load.mean(dim=-2, keepdim=True))
        context = server.unsqueeze(-3) + _linear(self.of_user, mine).unsqueeze(-2)
        return self.residual.forward(pairs, context)


class _UserLayer(nn.Module):
    """Updates user tokens by pooling over the users of their server, and over all."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.sent = nn.Linear(width, pooled)
        self.of_server = nn.Linear(pooled + 1, width, bias=False)
        self.of_all = nn.Linear(pooled + 1, width, bias=False)
        self.residual = Residual(width)

    def forward(self, users: Tensor, association: Tensor) -> Tensor:  # [B, N, D]
        terms = summands(_linear(self.sent, users))
        load = log_sum(association.transpose(-1, -2) @ terms)  # [B, M, P + 1]
        mean = log_sum(terms.mean(dim=-2, keepdim=True))  # [B, 1, P + 1]
        server = _linear(self.of_server, load) + _linear(self.of_all, mean)
        return self.residual.forward(users, association @ server)


def initialise_head(head: nn.Linear) -> None:
    """Initialises a last layer as Stable-Baselines3 does for on-policy actors."""
    nn.init.orthogonal_(head.weight, gain=0.01)
    nn.init.zeros_(head.bias)


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        outward = ((x >= 1) & (gradient < 0)) | ((x <= -1) & (gradient > 0))
        return gradient.masked_fill(outward, 0)


_project: Any = _Projection.apply


def project(x: Tensor) -> Tensor:
    """Clamps to [−1, 1]; only gradients that point further outside are masked.

    A tanh saturates instead: where most users are best at a limit, as with the lowest
    local fraction, it takes all of them there, and none can leave.
    """
    return cast(Tensor, _project(x))


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Applies a layer without the hooks of `nn.Module`, whose overhead is as large."""
    return functional.linear(x, layer.weight, layer.bias)


def summands(exponent: Tensor) -> Tensor:
    """Returns the terms [..., P + 1] of pooled sums; the last one counts users."""
    return torch.exp(
        functional.pad(exponent.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT), (0, 1))
    )


def log_sum(total: Tensor) -> Tensor:
    """Returns the logarithm of pooled sums, finite for servers without users."""
    return torch.log(total + SMALLEST_SUM)
