"""TD3's policy of fully connected layers, kept inside the box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from gymnasium.spaces import Box

from agents.policies.mlp_td3 import MlpTD3Policy

OBSERVATIONS = torch.linspace(-1, 1, 12).reshape(3, 4)


def make() -> MlpTD3Policy:
    """Returns a policy of small networks: actions [6] of observations [4]."""
    torch.manual_seed(0)
    spaces = (Box(-np.ones(k, np.float32), np.ones(k, np.float32)) for k in (4, 6))
    policy = MlpTD3Policy(*spaces, lambda remaining: 1e-2, net_arch=[8])
    policy.set_training_mode(True)
    return policy


def test_decisions_begin_in_the_middle_and_find_back_from_the_limits() -> None:
    policy = make()
    assert policy.actor(OBSERVATIONS).abs().max() < 0.1
    last = policy.actor.mu[-2]
    with torch.no_grad():
        last.bias += 20.0
    actions = policy.actor(OBSERVATIONS)
    assert (actions == 1).all()
    actions.sum().backward()  # descent lowers them
    assert (last.bias.grad > 1).all()


def test_a_copy_decides_alike(tmp_path: Path) -> None:
    policy = make()
    policy.save(tmp_path / "policy.pt")
    copy = MlpTD3Policy.load(tmp_path / "policy.pt")
    torch.testing.assert_close(copy.actor(OBSERVATIONS), policy.actor(OBSERVATIONS))
