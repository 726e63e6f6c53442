"""The distribution of an association and of the resources given it."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from stable_baselines3.common.distributions import kl_divergence
from torch import Tensor

from agents.policies.hybrid_distribution import HybridDistribution

# One scenario of 2 users, 2 servers, and of 5 resources that follow the server.
SCORES = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0]]])  # P(server 1) 3/4 and 1/2
LOG_STD = torch.tensor([0.0, -1.0, 0.0, 0.0, 1.0])


def mean_of(association: Tensor) -> Tensor:
    return association[..., 1:].expand(-1, -1, 5)  # 0 at server 0, 1 at server 1


def make(scores: Tensor = SCORES, shift: float = 0.0) -> HybridDistribution:
    return HybridDistribution().proba_distribution(
        scores, lambda association: mean_of(association) + shift, LOG_STD
    )


def action(servers: tuple[int, int], resource: float = 0.0) -> Tensor:
    rows = [[1 - 2 * m, 2 * m - 1, *[resource] * 5] for m in servers]
    return torch.tensor(rows, dtype=torch.float32).reshape(1, 14)


def test_the_density_is_that_of_the_server_times_that_of_the_resources() -> None:
    # Servers 1 and 0; resources 0, that is 1 and 0 from their means.
    server = math.log(3 / 4) + math.log(1 / 2)
    constant = 10 * 0.5 * math.log(2 * math.pi) + 2 * LOG_STD.sum().item()
    squares = 0.5 * (3 * 1 + math.exp(2) + math.exp(-2))  # of user 0 alone
    density = make().log_prob(action((1, 0)))
    assert density.item() == pytest.approx(server - constant - squares, rel=1e-6)


def test_probabilities_of_all_associations_sum_to_one() -> None:
    total = sum(
        make().distribution.server.log_prob(torch.tensor([servers])).sum().exp().item()
        for servers in product(range(2), repeat=2)
    )
    assert total == pytest.approx(1, rel=1e-6)


def test_the_mode_has_the_likeliest_servers_and_their_resources() -> None:
    scores = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    mode = make(scores).mode().reshape(2, 7)
    assert mode.tolist() == [[-1, 1, 1, 1, 1, 1, 1], [1, -1, 0, 0, 0, 0, 0]]


def test_samples_follow_the_distribution() -> None:
    torch.manual_seed(0)
    distribution = make(SCORES.expand(4000, -1, -1))
    drawn = distribution.sample()
    assert not drawn.requires_grad
    table = drawn.reshape(4000, 2, 7)
    is_second = table[..., 1] == 1
    assert is_second.float().mean(dim=0).tolist() == pytest.approx(
        [0.75, 0.5], abs=0.03
    )
    residual = table[..., 2:] - is_second[..., None].float()
    torch.testing.assert_close(
        residual.std(dim=(0, 1)), torch.exp(LOG_STD), rtol=0.05, atol=0
    )
    # The entropy is the mean of −ln p.
    estimate = -distribution.log_prob(drawn).mean().item()
    assert estimate == pytest.approx(distribution.entropy()[0].item(), abs=0.1)


def test_divergence_as_stable_baselines3_asks_for_it() -> None:
    one, other = make(), make(torch.zeros(1, 2, 2), shift=0.5)
    one.distribution.fix()
    other.distribution.fix()
    assert kl_divergence(one, one).item() == pytest.approx(0, abs=1e-6)
    # Servers: 3/4 ln 3/2 + 1/4 ln 1/2 of user 0; resources: 0.5² / 2σ², each user.
    servers = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    resources = 2 * 0.125 * (3 + math.exp(2) + math.exp(-2))
    assert kl_divergence(one, other).item() == pytest.approx(
        servers + resources, rel=1e-5
    )
    with pytest.raises(AssertionError, match="`fix` it"):
        kl_divergence(one, make())
