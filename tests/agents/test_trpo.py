"""TRPO with one backward pass for all parameters."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
import sb3_contrib
import torch

from agents.policies.set_policy import SetPolicy
from agents.trpo import TRPO
from mec_llm_env.sb3 import SB3VecEnv

NETWORK = {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2}
POLICIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "mlp": ("MlpPolicy", {"net_arch": [8]}),
    "set": (SetPolicy, {"n_users": 4, "n_servers": 2, "network": NETWORK}),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_its_steps_are_those_of_the_original(policy: str) -> None:
    policy_class, kwargs = POLICIES[policy]
    weights = []
    for algorithm in (TRPO, sb3_contrib.TRPO):
        model = algorithm(
            policy_class,
            SB3VecEnv(gym.make_vec("MecLlm-v0", 8, preset="tiny-4x2")),
            **{"n_steps": 4, "batch_size": 16, "policy_kwargs": kwargs},
            **{"seed": 0, "device": "cpu", "target_kl": 0.01},
        )
        model.learn(64)
        weights.append(model.policy.state_dict())
    ours, theirs = weights
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-5)
