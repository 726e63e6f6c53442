"""The set network as a policy of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.policies.set_policy import LOG_STD_UNIT, SetPolicy
from agents.policies.tokens import split_tokens
from agents.policies.trpo import TRPO
from mec_llm_env import sample_scenario
from mec_llm_env.sb3 import SB3VecEnv
from mec_llm_env.task import Task

SMALL = {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}


def make(n_users: int, n_servers: int, encoding: str = "flat") -> tuple[SetPolicy, Any]:
    task = Task(
        preset="tiny-4x2",
        overrides={"users": n_users, "servers": n_servers},
        observation_encoding=encoding,
    )
    torch.manual_seed(0)
    policy = SetPolicy(
        task.observation_codec.space,
        task.action_codec.space,
        lambda remaining: 1e-3,
        n_users=n_users,
        n_servers=n_servers,
        network=SMALL,
    )
    torch.nn.init.normal_(policy.critic.value.weight)  # not the 0 that it begins with
    scenario = sample_scenario(task.config, np.random.default_rng(0), (3,))
    return policy, policy.obs_to_tensor(task.observation_codec.encode(scenario))[0]


def test_weights_of_one_size_fit_another() -> None:
    (small, _), (large, seen) = make(4, 2), make(5, 3)
    large.load_state_dict(small.state_dict())
    actions, values, log_probability = large(seen)
    assert actions.shape == (3, 5 * 8)
    assert values.shape == (3, 1)
    assert log_probability.shape == (3,)


def test_flat_observations_and_tokens_are_decided_alike() -> None:
    (flat, seen), (tokens, same) = make(4, 2), make(4, 2, "tokens")
    torch.testing.assert_close(
        flat.get_distribution(seen).mode(), tokens.get_distribution(same).mode()
    )
    torch.testing.assert_close(flat.predict_values(seen), tokens.predict_values(same))


def test_actions_and_values_follow_the_order_of_users_and_servers() -> None:
    policy, seen = make(4, 3, "tokens")
    user, server = [2, 0, 3, 1], [1, 2, 0]
    gain, own = seen["users"][..., :3], seen["users"][..., 3:]
    moved = {
        "users": torch.cat([gain[..., server], own], dim=-1)[:, user],
        "servers": seen["servers"][:, server],
    }
    action, other = (
        policy.get_distribution(o).mode().reshape(3, 4, 8) for o in (seen, moved)
    )
    torch.testing.assert_close(other[..., :3], action[:, user][..., server][..., :3])
    torch.testing.assert_close(other[..., 3:], action[:, user][..., 3:])
    values = policy.predict_values(seen)
    assert values.std() > 0.1
    torch.testing.assert_close(policy.predict_values(moved), values)


def test_resources_follow_the_association_that_was_drawn() -> None:
    policy, seen = make(4, 2)
    torch.nn.init.normal_(policy.actor.resource.weight)
    with torch.no_grad():
        policy.scaled_log_std.fill_(-10)  # resources are their means
    actions = torch.stack([policy(seen)[0].detach() for _ in range(20)])
    table = actions.reshape(20, 3, 4, 7)
    given = (table[:, 0, :, :2] > 0).float()  # [20, N, M]
    assert given.std(dim=0).max() > 0.1  # not always the same one
    pairs = policy.actor.pairs(
        *split_tokens(seen[:1], policy.n_users, policy.n_servers)
    )
    expected = policy.actor.resources(pairs.expand(20, -1, -1, -1), given)
    torch.testing.assert_close(table[:, 0, :, 2:], expected.detach())


def test_each_resource_has_its_own_deviation() -> None:
    policy, seen = make(4, 2)
    with torch.no_grad():
        policy.scaled_log_std.copy_(torch.arange(5.0) / LOG_STD_UNIT)
    torch.manual_seed(0)
    actions = torch.stack([policy(seen)[0].detach() for _ in range(2000)])
    deviation = actions.reshape(2000, 3, 4, 7)[..., 2:].std(dim=0)
    expected = torch.exp(torch.arange(5.0)).expand(3, 4, 5)
    torch.testing.assert_close(deviation, expected, rtol=0.1, atol=0)


def test_the_likelihood_of_an_action_has_a_gradient_everywhere() -> None:
    policy, seen = make(4, 2)
    values, log_probability, entropy = policy.evaluate_actions(seen, policy(seen)[0])
    assert entropy is not None
    (values.sum() + log_probability.sum() + entropy.sum()).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name


def test_a_step_of_trpo_moves_the_actor_by_the_divergence_it_may() -> None:
    """TRPO looks for the actor's parameters itself and needs second derivatives."""
    envs = SB3VecEnv(gym.make_vec("MecLlm-v0", 16, preset="tiny-4x2"))
    kwargs = {"n_users": 4, "n_servers": 2, "network": SMALL}
    target = 0.01
    model = TRPO(
        SetPolicy,
        envs,
        **{"n_steps": 16, "batch_size": 64, "gamma": 0.0, "target_kl": target},
        **{"policy_kwargs": kwargs, "seed": 0, "device": "cpu"},
    )
    before = {k: v.clone() for k, v in model.policy.state_dict().items()}
    model.learn(256)
    logged = model.logger.name_to_value
    assert logged["train/is_line_search_success"] == 1
    assert 0.3 * target < logged["train/kl_divergence_loss"] < target
    for name, value in model.policy.state_dict().items():
        # The critic's resources decide nothing, and softmax ignores a constant.
        used = not name.startswith("critic.resource") and name not in (
            *("actor.score.bias", "critic.score.bias"),
        )
        assert not used or not torch.equal(value, before[name]), name


def test_spaces_of_another_size_are_refused() -> None:
    task = Task(preset="tiny-4x2")
    with pytest.raises(ValueError, match=r"of shape \(35,\) for 5 users and 2 servers"):
        SetPolicy(
            task.observation_codec.space,
            task.action_codec.space,
            lambda remaining: 1e-3,
            n_users=5,
            n_servers=2,
        )
