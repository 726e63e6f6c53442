"""The critic of on-policy algorithms: a small network on sets of users and servers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mec_llm_env.observations import SERVER_FEATURES, USER_FEATURES

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
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.user = nn.Linear(1 + len(USER_FEATURES), width)  # and its best log-gain
        self.server = nn.Linear(len(SERVER_FEATURES), width)
        self.gain = nn.Linear(2, width, bias=False)  # log-gain; relative to the best
        self.over_servers = nn.Linear(2 * width, 2 * width)
        self.over_users = nn.Linear(2 * width, 2 * width)
        self.value = nn.Linear(2 * width, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self,
        users: Tensor,  # [B, N, M + 9] log-gains and features, as observed
        servers: Tensor,  # [B, M, 7]
    ) -> Tensor:
        """Returns values, [B, 1]."""
        m = servers.shape[-2]
        gain, own = users.split([m, users.shape[-1] - m], dim=-1)
        best = gain.amax(dim=-1, keepdim=True)
        pairs = functional.silu(
            self.user(torch.cat([best, own], dim=-1)).unsqueeze(-2)
            + self.server(servers).unsqueeze(-3)
            + self.gain(torch.stack([gain, gain - best], dim=-1))
        )  # [B, N, M, D]
        pooled = torch.cat([pairs.mean(dim=-2), pairs.amax(dim=-2)], dim=-1)
        user = functional.silu(self.over_servers(pooled)).mean(dim=-2)  # [B, 2D]
        return VALUE_UNIT * self.value.forward(functional.silu(self.over_users(user)))
