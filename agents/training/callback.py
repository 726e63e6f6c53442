"""Stable-Baselines3's callback at the boundaries between its rollouts."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from agents.training.boundary import Boundary


class BoundaryCallback(BaseCallback):
    """Hands every boundary between two rollouts to a `Boundary`."""

    def __init__(self, boundary: Boundary) -> None:
        super().__init__()
        self.boundary = boundary

    def _on_rollout_start(self) -> None:
        self.boundary.reached()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.boundary.ended()
