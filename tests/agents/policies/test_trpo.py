"""TRPO with one backward pass for all parameters."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import Tensor

from agents.policies.set_policy import SetPolicy
from agents.policies.trpo import TRPO
from mec_llm_env.sb3 import SB3VecEnv

NETWORK = {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2}
POLICIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "mlp": ("MlpPolicy", {"net_arch": [8]}),
    "set": (SetPolicy, {"n_users": 4, "n_servers": 2, "network": NETWORK}),
}
UPDATES = 2


class Compared(TRPO):
    """Compares what an update is made of with the original's, at the same weights.

    The weights after updates are no measure: 15 conjugate gradients and a line search
    enlarge float32's rounding, which differs from processor to processor.
    """

    compared = 0

    def _compute_actor_grad(self, kl_div: Tensor, policy_objective: Tensor) -> Any:
        original = super(TRPO, self)._compute_actor_grad(kl_div, policy_objective)
        ours = super()._compute_actor_grad(kl_div, policy_objective)
        assert [id(x) for x in ours[0]] == [id(x) for x in original[0]]
        assert ours[3] == original[3]
        _assert_close(ours[1], original[1])
        for _ in range(3):
            vector = torch.randn_like(ours[1])
            products = [
                self.hessian_vector_product(parts[0], parts[2], vector)
                for parts in (ours, original)
            ]
            _assert_close(*products)
        self.compared += 1
        return ours


def _assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Asserts that vectors agree as far as float32 sums of another order do."""
    assert theirs.norm() > 0
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()


@pytest.mark.parametrize("policy", POLICIES)
def test_its_steps_are_those_of_the_original(policy: str) -> None:
    policy_class, kwargs = POLICIES[policy]
    model = Compared(
        policy_class,
        SB3VecEnv(gym.make_vec("MecLlm-v0", 8, preset="tiny-4x2")),
        **{"n_steps": 4, "batch_size": 16, "policy_kwargs": kwargs},
        **{"seed": 0, "device": "cpu", "target_kl": 0.01},
    )
    model.learn(32 * UPDATES)
    assert model.compared == UPDATES
    own = {name for name, value in vars(TRPO).items() if callable(value)}
    assert own == {"_compute_actor_grad"}  # all that an update has of ours
