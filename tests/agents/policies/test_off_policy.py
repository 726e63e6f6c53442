"""The set network as a policy of off-policy algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributions

from agents.algorithms import ALGORITHMS, load_object
from agents.policies.off_policy import SetSACPolicy, SetTD3Policy
from agents.policies.off_policy_networks import choose_server
from mec_llm_env import sample_scenario
from mec_llm_env.task import Task

SMALL = {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}
AGENTS = ("sac", "td3", "tqc")


def make(
    agent: str, n_users: int, n_servers: int, encoding: str = "flat", **kwargs: Any
) -> tuple[Any, Any]:
    """Returns a policy of small networks, and observations of 3 scenarios."""
    task = Task(
        preset="tiny-4x2",
        overrides={"users": n_users, "servers": n_servers},
        observation_encoding=encoding,
    )
    torch.manual_seed(0)
    policy = load_object(ALGORITHMS[agent].policies["set"])(
        task.observation_codec.space,
        task.action_codec.space,
        lambda remaining: 1e-3,
        n_users=n_users,
        n_servers=n_servers,
        **{"network": SMALL, "critic_network": SMALL | {"pair_layers": 0}} | kwargs,
    )
    scenario = sample_scenario(task.config, np.random.default_rng(0), (3,))
    return policy, policy.obs_to_tensor(task.observation_codec.encode(scenario))[0]


def values(policy: Any, obs: Any, actions: torch.Tensor) -> torch.Tensor:
    """Returns the values [B, K] of all critics."""
    found = policy.critic(obs, actions)
    return found.flatten(1) if torch.is_tensor(found) else torch.cat(found, dim=1)


@pytest.mark.parametrize("agent", AGENTS)
def test_weights_of_one_size_fit_another(agent: str) -> None:
    (small, _), (large, seen) = make(agent, 4, 2), make(agent, 5, 3)
    large.load_state_dict(small.state_dict())
    actions = large(seen)
    assert actions.shape == (3, 5 * 8)
    assert actions.abs().max() <= 1
    assert values(large, seen, actions).shape == (3, 50 if agent == "tqc" else 2)


def test_decisions_at_the_limits_find_back() -> None:
    policy, seen = make("td3", 4, 2)
    heads = (policy.actor.network.score, policy.actor.network.resource)
    with torch.no_grad():
        for head in heads:
            head.bias += 20.0
    actions = policy.actor(seen)
    assert (actions == 1).all()
    actions.sum().backward()  # descent lowers them
    for head in heads:
        assert (head.bias.grad > 1).all()


@pytest.mark.parametrize("agent", AGENTS)
def test_flat_observations_and_tokens_are_decided_alike(agent: str) -> None:
    (flat, seen), (tokens, same) = make(agent, 4, 2), make(agent, 4, 2, "tokens")
    actions = flat(seen, deterministic=True)
    torch.testing.assert_close(actions, tokens(same, deterministic=True))
    torch.testing.assert_close(
        values(flat, seen, actions), values(tokens, same, actions)
    )


@pytest.mark.parametrize("agent", AGENTS)
def test_actions_and_values_follow_the_order_of_users_and_servers(agent: str) -> None:
    policy, seen = make(agent, 4, 3, "tokens")
    user, server = [2, 0, 3, 1], [1, 2, 0]
    gain, own = seen["users"][..., :3], seen["users"][..., 3:]
    moved = {
        "users": torch.cat([gain[..., server], own], dim=-1)[:, user],
        "servers": seen["servers"][:, server],
    }
    action, other = (policy(o, deterministic=True) for o in (seen, moved))
    fields = action.reshape(3, 4, 8)[:, user]
    expected = torch.cat([fields[..., server], fields[..., 3:]], dim=-1).flatten(1)
    torch.testing.assert_close(other, expected)
    random = torch.rand(3, 4, 8) * 2 - 1
    same = torch.cat([random[..., server], random[..., 3:]], dim=-1)[:, user]
    torch.testing.assert_close(
        values(policy, moved, same.flatten(1)), values(policy, seen, random.flatten(1))
    )


@pytest.mark.parametrize("agent", AGENTS)
def test_the_critic_sees_the_association_that_is_decoded(agent: str) -> None:
    policy, seen = make(agent, 4, 2)
    actions = torch.zeros(3, 4, 7)
    actions[..., 0] = 0.1  # the scores 0.1 and 0 of two servers: all users at the first
    nearer = actions.clone()
    nearer[..., 1] = 0.09
    moved = actions.clone()
    moved[:, 0, 1] = 0.2  # the first user at the second server
    value, same, other = (
        values(policy, seen, a.flatten(1)) for a in (actions, nearer, moved)
    )
    torch.testing.assert_close(value, same, rtol=0, atol=0)
    assert (value != other).all()


def test_the_choice_of_a_server_has_the_gradient_of_the_softmax() -> None:
    scores = torch.tensor([[0.0, 0.5, 0.5]], requires_grad=True)
    chosen = choose_server(scores, 0.5)
    assert chosen.tolist() == [[0, 1, 0]]  # the lowest index, as the decoder
    (gradient,) = torch.autograd.grad(chosen[0, 0], scores)
    soft = torch.softmax(torch.tensor([0.0, 1.0, 1.0]), dim=0)
    expected = (torch.tensor([1.0, 0, 0]) * soft - soft[0] * soft) / 0.5
    torch.testing.assert_close(gradient[0], expected)


@pytest.mark.parametrize("agent", ["sac", "tqc"])
def test_the_likelihood_of_an_action(agent: str) -> None:
    policy, seen = make(agent, 4, 2)
    actor = policy.actor
    actions, log_probability = actor.action_log_prob(seen)
    scores, resources = actions.unflatten(-1, (4, 7)).split([2, 5], dim=-1)
    # Resources are drawn for the association that the scores drawn before them choose.
    users, servers = seen.split([4 * 11, 2 * 7], dim=-1)
    pairs = actor.network.pairs(
        users.unflatten(-1, (4, 11)), servers.unflatten(-1, (2, 7))
    )
    tokens = actor.network.users(pairs, choose_server(scores, 1.0))
    expected = torch.zeros(3)
    for value, mean, log_std in (
        (
            scores,
            actor.network.score(pairs)[..., 0],
            actor.score_log_std(pairs)[..., 0],
        ),
        (resources, actor.network.resource(tokens), actor.resource_log_std(tokens)),
    ):
        squashed = distributions.TransformedDistribution(
            distributions.Normal(mean, log_std.exp()),
            [distributions.TanhTransform(cache_size=1)],
        )
        expected = expected + squashed.log_prob(value).flatten(1).sum(dim=1)
    torch.testing.assert_close(log_probability, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("agent", AGENTS)
def test_the_actor_learns_from_the_critic(agent: str) -> None:
    policy, seen = make(agent, 4, 2)
    values(policy, seen, policy(seen)).sum().backward()
    for name, parameter in policy.actor.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0 or "sent" in name, name


@pytest.mark.parametrize("policy_class", [SetTD3Policy, SetSACPolicy])
def test_saved_and_loaded_it_decides_the_same(
    policy_class: Any, tmp_path: Path
) -> None:
    agent = "td3" if policy_class is SetTD3Policy else "sac"
    policy, seen = make(agent, 4, 2, n_critics=3, temperature=0.3)
    policy.save(tmp_path / "policy")
    loaded = policy_class.load(tmp_path / "policy", device="cpu")
    actions = policy(seen, deterministic=True)
    torch.testing.assert_close(loaded(seen, deterministic=True), actions)
    torch.testing.assert_close(
        values(loaded, seen, actions), values(policy, seen, actions)
    )


def test_the_actor_learns_at_a_share_of_the_rate() -> None:
    policy, seen = make("td3", 4, 2, actor_rate=0.25)
    before = policy.actor.network.resource.bias.detach().clone()
    values(policy, seen, policy(seen)).sum().backward()
    policy.actor.optimizer.step()
    moved = (policy.actor.network.resource.bias - before).abs()
    torch.testing.assert_close(moved, torch.full((5,), 0.25e-3), rtol=1e-3, atol=0)
    assert policy.actor.optimizer.param_groups[0]["lr"] == 1e-3


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="`temperature` must be positive; got 0"):
        make("td3", 4, 2, temperature=0)
    with pytest.raises(ValueError, match="`value_scale` must be positive; got -1"):
        make("sac", 4, 2, value_scale=-1)
    with pytest.raises(ValueError, match="`actor_rate` must be positive; got 0"):
        make("tqc", 4, 2, actor_rate=0)
    with pytest.raises(ValueError, match="`net_arch` does not fit --policy set"):
        make("sac", 4, 2, net_arch=[16])
    task = Task(preset="tiny-4x2")
    with pytest.raises(ValueError, match=r"of shape \(35,\) for 5 users and 2 servers"):
        SetTD3Policy(
            task.observation_codec.space,
            task.action_codec.space,
            lambda remaining: 1e-3,
            n_users=5,
            n_servers=2,
        )
