"""Masked choices of servers, and the policies that make them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution

from agents.policies.association_policy import (
    AssociationMlpPolicy,
    AssociationSetPolicy,
    MaskedChoices,
)
from mec_llm_env import sample_scenario
from mec_llm_env.task import Task

NETWORK = {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}


def all_associations(n_users: int, n_servers: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(n_servers), repeat=n_users)))


def loads(actions: torch.Tensor, n_servers: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(actions, n_servers).sum(dim=-2)


@pytest.mark.parametrize("slots", [[2, 2, 2], [1, 4, 1], [0, 3, 2], [4, 4, 4]])
def test_probabilities_of_what_fits_sum_to_one(slots: list[int]) -> None:
    torch.manual_seed(0)
    every = all_associations(4, 3)
    scores = torch.randn(1, 4, 3).expand(len(every), 4, 3)
    room = torch.tensor(slots, dtype=torch.float32)
    probability = MaskedChoices(scores, room.expand(len(every), 3)).log_prob(every)
    probability = probability.exp()
    fits = (loads(every, 3) <= room).all(dim=-1)
    assert probability[fits].sum() == pytest.approx(1.0, abs=1e-5)
    assert (probability[~fits] == 0).all()
    assert (probability[fits] > 0).all()


def test_samples_fit_and_come_as_often_as_they_are_likely() -> None:
    torch.manual_seed(0)
    count = 40_000
    scores, room = torch.randn(1, 3, 2), torch.tensor([[2.0, 2.0]])
    choices = MaskedChoices(scores.expand(count, 3, 2), room.expand(count, 2))
    sampled = choices.sample()
    assert (loads(sampled, 2) <= 2).all()
    every = all_associations(3, 2)
    likely = MaskedChoices(scores.expand(8, 3, 2), room.expand(8, 2)).log_prob(every)
    found = torch.stack([(sampled == one).all(dim=-1).float().mean() for one in every])
    torch.testing.assert_close(found, likely.exp(), atol=0.01, rtol=0)


def test_without_full_servers_it_is_stable_baselines3s_distribution() -> None:
    torch.manual_seed(0)
    scores, actions = torch.randn(6, 4, 3), torch.randint(0, 3, (6, 4))
    theirs = MultiCategoricalDistribution([3] * 4)
    theirs.proba_distribution(scores.flatten(1))
    for slots in (4.0, 9.0):  # as many as there are users, and more
        ours = MaskedChoices(scores, torch.full((6, 3), slots))
        torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
        entropy = ours.conditionals(actions).entropy().sum(dim=-1)
        torch.testing.assert_close(entropy, theirs.entropy())
        assert torch.equal(ours.mode(), theirs.mode())


def test_the_mode_is_the_best_that_fits_whatever_the_order() -> None:
    scores = torch.tensor([[[3.0, 0.0], [9.0, 0.0], [2.0, 0.0]]])
    room = torch.tensor([[1.0, 2.0]])
    # User 1 loses most elsewhere; one after another user 0 would take its place.
    assert MaskedChoices(scores, room).mode().tolist() == [[1, 0, 1]]
    turned = MaskedChoices(scores[:, [1, 2, 0]], room).mode()
    assert turned.tolist() == [[0, 1, 1]]


def make(kind: str, encoding: str = "flat", **overrides: Any) -> tuple[Any, Any, Any]:
    task = Task(
        preset="tiny-4x2",
        overrides=overrides,
        action_encoding="association",
        observation_encoding=encoding,
    )
    torch.manual_seed(0)
    spaces = task.observation_codec.space, task.action_codec.space
    policy: Any
    if kind == "mlp":
        policy = AssociationMlpPolicy(*spaces, lambda remaining: 1e-3)
    else:
        n, m = task.config.users, task.config.servers
        policy = AssociationSetPolicy(
            *spaces,
            lambda remaining: 1e-3,
            n_users=n,
            n_servers=m,
            network=NETWORK,
        )
    scenario = sample_scenario(task.config, np.random.default_rng(0), (64,))
    observation = task.observation_codec.encode(scenario)
    return policy, policy.obs_to_tensor(observation)[0], scenario


@pytest.mark.parametrize("slots", [None, 1, 2, 3])
@pytest.mark.parametrize("kind", ["mlp", "set"])
def test_policies_read_the_slots_and_keep_to_them(kind: str, slots: int | None) -> None:
    sizes = {"users": 4, "servers": 4 if slots == 1 else 2}
    policy, seen, scenario = make(kind, **sizes, **{"server.max_users": slots})
    choices = policy.choices(seen)
    room = np.broadcast_to(scenario.max_users, (64, sizes["servers"]))
    assert (choices.slots.numpy() == np.minimum(room, 4)).all()
    assert choices.limited == (slots is not None)
    for deterministic in (False, True):
        actions, values, log_probability = policy(seen, deterministic=deterministic)
        assert (loads(actions, sizes["servers"]).numpy() <= room).all()
        assert values.shape == (64, 1)
        again = policy.evaluate_actions(seen, actions.float())
        torch.testing.assert_close(again[1], log_probability)
        assert (again[2] >= 0).all()


@pytest.mark.parametrize("kind", ["mlp", "set"])
def test_gradients_are_finite_where_servers_are_full(kind: str) -> None:
    policy, seen, _ = make(kind, **{"server.max_users": 2})
    values, log_probability, entropy = policy.evaluate_actions(seen, policy(seen)[0])
    (values.sum() + log_probability.sum() + entropy.sum()).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # What is added to all scores alike, as some biases are, changes no choice.
        assert parameter.grad.abs().sum() > 0 or name.endswith("bias"), name


def test_the_set_policy_follows_the_order_of_users_and_servers() -> None:
    policy, seen, _ = make("set", "tokens", servers=3)
    user, server = [2, 0, 3, 1], [1, 2, 0]
    gain, own = seen["users"][..., :3], seen["users"][..., 3:]
    moved = {
        "users": torch.cat([gain[..., server], own], dim=-1)[:, user],
        "servers": seen["servers"][:, server],
    }
    scores = policy.scores(seen)
    torch.testing.assert_close(
        policy.scores(moved), scores[:, user][..., server], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        policy.predict_values(moved), policy.predict_values(seen)
    )


def test_spaces_of_another_size_are_refused() -> None:
    task = Task(preset="tiny-4x2", action_encoding="association")
    with pytest.raises(ValueError, match="for 5 users and 2 servers; got MultiDisc"):
        AssociationSetPolicy(
            task.observation_codec.space,
            task.action_codec.space,
            lambda remaining: 1e-3,
            n_users=5,
            n_servers=2,
        )
