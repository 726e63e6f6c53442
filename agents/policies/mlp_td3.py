"""Stable-Baselines3's TD3 policy of fully connected layers, kept inside the box.

The original ends its actor with a tanh. Here the actor runs to a corner of the box
before the critic knows what is there, and in a corner a tanh has no gradient left that
could lead it out (docs/training.md).
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.td3.policies import Actor, TD3Policy
from torch import Tensor, nn

from agents.policies.set_network import begin_near_zero, project


class MlpTD3Policy(TD3Policy):
    """`MlpPolicy` of TD3 and DDPG with a `CutActor`."""

    def make_actor(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> Actor:
        """Returns a new actor."""
        kwargs = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return CutActor(**kwargs).to(self.device)


class CutActor(Actor):
    """TD3's actor, its actions cut to the box by `project`; it begins in the middle."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        *hidden, last, _ = self.mu  # what comes last is the tanh
        assert isinstance(last, nn.Linear)
        begin_near_zero(last)
        self.mu = nn.Sequential(*hidden, last, _Cut())


class _Cut(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return project(x)
