"""Stable-Baselines3's MLP policy of TD3, with a clamp in place of the tanh.

The original actor ends with a tanh. On this task it saturates at a corner of the box
before the critic has learned the values there, and the vanishing gradient of the tanh
keeps it there (docs/training.md).
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import Tensor, nn

from agents.policies.set_network import initialise_head, project


class MlpTD3Policy(TD3Policy):
    """`MlpPolicy` of TD3 and DDPG with a `ClampedActor`."""

    def make_actor(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> Actor:
        """Returns a new actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return ClampedActor(**kwargs).to(self.device)


class ClampedActor(Actor):
    """TD3's actor, clamped to the box by `project` and initialised near its middle."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        *hidden, last, _ = self.mu  # the last module is the tanh
        assert isinstance(last, nn.Linear)
        initialise_head(last)
        self.mu = nn.Sequential(*hidden, last, _Clamp())


class _Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return project(x)
