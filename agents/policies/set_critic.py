"""The critic of on-policy algorithms: a small network on sets of users and servers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.policies.tokens import ONE_DECISION, Tokens

#: Scale of the output. SCRs are of the order of 100; without the scale the last layer
#: would take thousands of steps of Adam to reach it.
VALUE_UNIT = 30.0


class SetCritic(nn.Module):
    """A value that is invariant to the order of users and servers.

    A deep set [Zaheer et al. 2017]: pair features are pooled over the servers of a user
    by mean and maximum, then over users by mean. It costs less than a second
    `SetNetwork`.
    Shapes: B batch, N users, M servers, D width.

    Args:
        width: of every token.
        tokens: what it is told.
    """

    def __init__(self, width: int, tokens: Tokens = ONE_DECISION) -> None:
        super().__init__()
        self.tokens = tokens
        self.user = nn.Linear(1 + tokens.user, width)  # and its best log-gain
        self.server = nn.Linear(tokens.server, width)
        # Log-gain; relative to the best; what else a pair has.
        self.gain = nn.Linear(2 + tokens.pair, width, bias=False)
        self.over_servers = nn.Linear(2 * width, 2 * width)
        self.over_users = nn.Linear(2 * width, 2 * width)
        self.value = nn.Linear(2 * width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self,
        users: Tensor,  # [B, N, ·] as observed; M + 9 columns in MecLlm-v0
        servers: Tensor,  # [B, M, ·], 7
    ) -> Tensor:
        """Returns values, [B, 1]."""
        gain, own, servers, further = self.tokens.read(users, servers)
        best = gain.amax(dim=-1, keepdim=True)
        features = torch.stack([gain, gain - best], dim=-1)
        if further is not None:
            features = torch.cat([features, further], dim=-1)
        pairs = functional.silu(
            self.user(torch.cat([best, own], dim=-1)).unsqueeze(-2)
            + self.server(servers).unsqueeze(-3)
            + self.gain(features)
        )  # [B, N, M, D]
        pooled = torch.cat([pairs.mean(dim=-2), pairs.amax(dim=-2)], dim=-1)
        user = functional.silu(self.over_servers(pooled)).mean(dim=-2)  # [B, 2D]
        return VALUE_UNIT * self.value.forward(functional.silu(self.over_users(user)))
