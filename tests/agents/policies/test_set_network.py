"""The set network: equivariant, and of any size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from agents.policies.compiled_network import CompiledNetwork
from agents.policies.set_network import (
    NetworkConfig,
    SetNetwork,
    project,
)
from mec_llm_env import ScenarioConfig, sample_scenario
from mec_llm_env.observations import ObservationCodec
from tests.agents.policies.torch_network import TorchNetwork

SIZES = [(4, 2), (6, 2), (5, 3), (20, 2), (50, 10), (1, 1)]


def tokens(n_users: int, n_servers: int, batch: int = 3) -> list[torch.Tensor]:
    config = ScenarioConfig().with_overrides({"users": n_users, "servers": n_servers})
    scenario = sample_scenario(config, np.random.default_rng(0), (batch,))
    seen = ObservationCodec(n_users, n_servers, "tokens").encode(scenario)
    return [torch.from_numpy(seen["users"]), torch.from_numpy(seen["servers"])]


def network() -> SetNetwork:
    torch.manual_seed(0)
    return SetNetwork(NetworkConfig(width=32, pooled=8), limit=project)


@torch.no_grad()
def decisions(
    net: SetNetwork, users: torch.Tensor, servers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and the resources at soft associations."""
    pairs = net.pairs(users, servers)
    scores = net.scores(pairs)
    return scores, net.resources(pairs, torch.softmax(scores, dim=-1))


@pytest.mark.parametrize(("n_users", "n_servers"), SIZES)
def test_equivariant_in_users_and_servers(n_users: int, n_servers: int) -> None:
    net, (users, servers) = network(), tokens(n_users, n_servers)
    scores, resources = decisions(net, users, servers)
    assert scores.shape == (3, n_users, n_servers)
    assert resources.shape == (3, n_users, 5)
    user = torch.randperm(n_users, generator=torch.Generator().manual_seed(1))
    server = torch.randperm(n_servers, generator=torch.Generator().manual_seed(2))
    gain, own = users[..., :n_servers], users[..., n_servers:]
    moved = torch.cat([gain[..., server], own], dim=-1)[:, user]
    other_scores, other_resources = decisions(net, moved, servers[:, server])
    torch.testing.assert_close(
        other_scores, scores[:, user][..., server], rtol=0, atol=1e-5
    )
    torch.testing.assert_close(other_resources, resources[:, user], rtol=0, atol=1e-5)
    if n_users > 1:  # the numbers that are permuted do differ
        assert (resources[:, 0] - resources[:, 1]).abs().max() > 1e-3


def test_members_of_a_batch_do_not_meet() -> None:
    net, (users, servers) = network(), tokens(6, 2)
    scores, resources = decisions(net, users, servers)
    one_scores, one_resources = decisions(net, users[1], servers[1])  # no batch axis
    torch.testing.assert_close(one_scores, scores[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(one_resources, resources[1], rtol=0, atol=1e-5)


def test_every_user_and_server_matters_to_every_other() -> None:
    net, (users, servers) = network(), tokens(4, 2, batch=1)
    users.requires_grad_()
    servers.requires_grad_()
    pairs = net.pairs(users, servers)
    association = torch.softmax(net.scores(pairs), dim=-1)
    net.resources(pairs, association)[0, 0].sum().backward()
    for name, tensor in (("users", users), ("servers", servers)):
        assert tensor.grad is not None
        assert (tensor.grad[0].abs().sum(dim=-1) > 0).all(), name


def test_resources_are_units_whatever_comes_in() -> None:
    net, (users, servers) = network(), tokens(10, 2)
    for factor in (0.0, 1.0, 1e3):  # far beyond what is observed
        scores, resources = decisions(net, users * factor, servers * factor)
        assert torch.isfinite(scores).all()
        assert resources.abs().max() <= 1


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(NetworkConfig)])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_sizes_are_checked(name: str, value: float) -> None:
    if (name, value) == ("pair_layers", 0):
        return  # for critics, to whom the association is given
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least"):
        NetworkConfig(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_users", "n_servers"), SIZES)
def test_compiled_it_is_the_same(n_users: int, n_servers: int) -> None:
    net, seen = network(), tokens(n_users, n_servers)
    with torch.no_grad():
        for parameter in net.parameters():  # norms too, which begin as 1 and 0
            parameter += 0.1 * torch.randn_like(parameter)
    users, servers = (tensor.numpy() for tensor in seen)
    ours, wanted = CompiledNetwork(net), TorchNetwork(net)
    pairs, wanted_pairs = ours.pairs(users, servers), wanted.pairs(users, servers)
    scores = ours.scores(pairs)
    np.testing.assert_allclose(scores, wanted.scores(wanted_pairs), atol=1e-4)
    row = np.array([0, 0, 1, 2, 2])  # of three scenarios, some of them twice
    server = np.random.default_rng(0).integers(n_servers, size=(5, n_users))
    association = np.eye(n_servers)[server]
    resources = ours.resources(pairs, association, row)
    assert resources.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(
        resources, wanted.resources(wanted_pairs, association, row), atol=1e-4
    )


def test_compiled_it_is_the_same_far_beyond_what_is_observed() -> None:
    net, seen = network(), tokens(6, 3)
    users, servers = (1e3 * tensor.numpy() for tensor in seen)
    ours, wanted = CompiledNetwork(net), TorchNetwork(net)
    pairs, wanted_pairs = ours.pairs(users, servers), wanted.pairs(users, servers)
    np.testing.assert_allclose(pairs, wanted_pairs, rtol=1e-3, atol=1e-2)
    association, row = np.eye(3)[np.zeros((3, 6), dtype=int)], np.arange(3)
    np.testing.assert_allclose(
        ours.resources(pairs, association, row),
        wanted.resources(wanted_pairs, association, row),
        atol=1e-3,
    )


def test_compiled_with_another_limit() -> None:
    with pytest.raises(ValueError, match="`network` must have limit=project; got"):
        CompiledNetwork(SetNetwork(NetworkConfig(width=32, pooled=8)))


def test_projected_gradients_lead_inside() -> None:
    x = torch.tensor([-3.0, -1.0, -0.5, 0.5, 1.0, 3.0], requires_grad=True)
    limited = project(x)
    assert limited.tolist() == [-1.0, -1.0, -0.5, 0.5, 1.0, 1.0]
    (upward,) = torch.autograd.grad(limited.sum(), x, retain_graph=True)
    assert upward.tolist() == [0, 0, 1, 1, 1, 1]  # descent: all of them fall
    (downward,) = torch.autograd.grad(-limited.sum(), x)
    assert downward.tolist() == [-1, -1, -1, -1, 0, 0]
