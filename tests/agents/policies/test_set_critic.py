"""The critic on sets of users and servers."""

from __future__ import annotations

import torch

from agents.policies.set_critic import SetCritic


def test_it_reaches_the_mean_scr_within_a_few_updates() -> None:
    """A layer in units of 1 would take thousands, and the noise would hide the rest."""
    torch.manual_seed(0)
    critic = SetCritic(32)
    users, servers = torch.randn(64, 5, 2 + 9), torch.randn(64, 2, 7)
    assert critic(users, servers).abs().max() == 0
    target = 80 + 10 * users[:, :, 0].mean(dim=-1, keepdim=True)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(200):
        loss = torch.nn.functional.mse_loss(critic(users, servers), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (critic(users, servers) - target).mean().abs() < 5


def test_every_user_and_every_server_counts() -> None:
    torch.manual_seed(0)
    critic = SetCritic(8)
    torch.nn.init.normal_(critic.value.weight)
    users, servers = torch.randn(1, 3, 2 + 9), torch.randn(1, 2, 7)
    users.requires_grad_()
    servers.requires_grad_()
    critic(users, servers).backward()
    assert users.grad is not None
    assert servers.grad is not None
    assert (users.grad.abs().sum(dim=-1) > 0).all()
    assert (servers.grad.abs().sum(dim=-1) > 0).all()
