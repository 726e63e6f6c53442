"""The set network as a policy of sb3-contrib's TQC."""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.tqc.policies import TQCPolicy
from torch import Tensor

from agents.policies.off_policy import SquashedSetPolicyMixin
from agents.policies.off_policy_networks import ActionCritic


class SetTQCPolicy(SquashedSetPolicyMixin, TQCPolicy):
    """Actor and critics on sets of users and servers, for TQC."""

    def make_critic(self, features_extractor: Any = None) -> Any:
        """Returns new critics."""
        return QuantileCritic(
            **self._common("critic_network"),
            n_critics=self.critic_kwargs["n_critics"],
            outputs=self.critic_kwargs["n_quantiles"],
            value_scale=self._own["value_scale"],
        )


class QuantileCritic(ActionCritic):
    """Quantiles of the values of actions.

    Attributes:
        n_critics: independent networks.
        quantiles_total: of all networks together.
    """

    def __init__(self, *args: Any, n_critics: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(*args, n_critics=n_critics, outputs=outputs, **kwargs)
        self.n_critics, self.quantiles_total = n_critics, n_critics * outputs

    def forward(self, obs: Any, actions: Tensor) -> Any:
        """Returns quantiles [B, n_critics, outputs]."""
        return torch.stack(super().forward(obs, actions), dim=1)
