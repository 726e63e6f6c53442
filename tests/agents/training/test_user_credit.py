"""Rewards and rollouts of users."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, MultiDiscrete

import dashf
import mec_llm_env  # noqa: F401 - registers the environments
from agents.training.surplus import UNIT, priced_surplus
from agents.training.user_credit import (
    UserCredit,
    UserRolloutBuffer,
    with_user_credit,
)
from mec_llm_env import ObjectiveConfig, evaluate
from mec_llm_env.sb3 import SB3VecEnv
from tests.dashf.extremes import random_objective, random_scenario, with_serving

TINY = {"users": 3, "mobility.slots": 4, "mobility.job_end_probability": 0.4}


def make(count: int = 5, **kwargs):
    kwargs = {"action_encoding": "association", "overrides": TINY} | kwargs
    return gym.make_vec("MecLlmMobile-v0", num_envs=count, **kwargs)


@pytest.mark.parametrize("seed", range(8))
def test_rewards_add_up_to_the_surplus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s = with_serving(random_scenario(rng), rng)
    s = type(s).stack([s] * 3)
    objective = random_objective(rng)
    z = dashf.solve_batch(s, objective, solver="gucaa").allocation
    outcome = evaluate(s, z, objective)
    ratio = 1.1 * float(outcome.scr[0])
    found = priced_surplus(s, z, outcome, ratio, objective)
    surplus = outcome.score.sum(-1) - ratio * outcome.cost.sum(-1)
    np.testing.assert_allclose(found.sum(-1), surplus, rtol=1e-9, atol=1e-7)


def test_a_user_pays_for_crowding_a_server() -> None:
    """Rents tell most of what a user takes from the others at its server."""
    env = make(40, overrides={"users": 6})
    env.reset(seed=0)
    s, o = env.unwrapped.scenario, ObjectiveConfig()
    s = type(s).unchecked(**s.to_dict() | {"serving": None})
    x = np.zeros(s.channel_gain.shape)
    x[..., :] = np.eye(2)[np.arange(6) % 2]
    z = dashf.share_resources(s, x, o)
    outcome = evaluate(s, z, o)
    ratio = float(outcome.scr.mean())
    paid = priced_surplus(s, z, outcome, ratio, o)
    own = outcome.score - ratio * outcome.cost
    # Take user 0 out, as if it asked for nothing, and see what the others gain.
    gone = s.to_dict()
    for name in ("channel_gain", "serving", "user_position_m"):
        if name in gone:
            gone[name] = gone[name][:, 1:]
    for name, value in gone.items():
        if value.shape == (40, 6):
            gone[name] = value[:, 1:]
    without = type(s).unchecked(**gone)
    alone = evaluate(without, dashf.share_resources(without, x[:, 1:], o), o)
    others = (alone.score - ratio * alone.cost).sum(-1) - own[:, 1:].sum(-1)
    rent = own - paid  # above the mean one, which is paid back
    assert (others > 0).all()
    assert np.corrcoef(others, rent[:, 0])[0, 1] > 0.5


def test_returns_by_hand() -> None:
    # One environment, two users, three steps, γ = 1, λ = 1, values 0.5 throughout.
    buffer = UserRolloutBuffer(
        3, Box(-1, 1, (2,)), MultiDiscrete([2, 2]), gamma=1.0, gae_lambda=1.0, n_envs=1
    )
    buffer.reset()
    half = torch.full((1, 2), 0.5)
    for step, (rewards, leaves) in enumerate(
        [((1, 10), (0, 1)), ((2, 20), (0, 0)), ((4, 40), (0, 0))]
    ):
        buffer.add(
            np.zeros((1, 2)),
            np.array([[step % 2, 1]]),
            np.array([[[rewards[0], leaves[0]], [rewards[1], leaves[1]]]]),
            np.zeros(1),
            half,
            torch.zeros(1, 2),
        )
    buffer.compute_returns_and_advantage(torch.full((1, 2), 100.0), np.zeros(1))
    # User 0 stays: 1 + 2 + 4 + 100. User 1 leaves after 10; the next one has 20 + 40.
    np.testing.assert_allclose(buffer.returns[:, 0, 0], [107, 106, 104])
    np.testing.assert_allclose(buffer.returns[:, 0, 1], [10, 160, 140])
    np.testing.assert_allclose(buffer.advantages, buffer.returns - 0.5)
    (batch,) = buffer.get()
    assert batch.advantages.shape == batch.old_log_prob.shape == (3, 2)
    assert batch.returns.shape == batch.old_values.shape == (6,)


def test_the_wrapper_says_who_leaves() -> None:
    env = make()
    inner = env.unwrapped
    venv = UserCredit(SB3VecEnv(inner), inner)
    venv.reset()
    rng = np.random.default_rng(0)
    left = 0
    for step in range(1, 13):
        _, rewards, dones, _ = venv.step(rng.integers(0, 2, (5, 3)))
        assert rewards.shape == (5, 3, 2)
        new = ~inner.scenario.serving.any(-1)
        np.testing.assert_array_equal(rewards[..., 1], new)
        assert dones.all() == (step % 4 == 0)
        assert rewards[dones][..., 1].all()  # the next episode's users are others
        left += new[~dones].sum()
        outcome, state = inner.outcome, venv.get_state()
        ratio = state["score"] / state["cost"]
        surplus = (outcome.score - ratio * outcome.cost).sum(-1)
        np.testing.assert_allclose(UNIT * rewards[..., 0].sum(-1), surplus, atol=1e-6)
    assert left > 0


def test_where_it_cannot_be_done_it_says_so() -> None:
    one = gym.make_vec("MecLlm-v0", num_envs=2, action_encoding="association").unwrapped
    with pytest.raises(ValueError, match="`user_credit` is for MecLlmMobile-v0"):
        with_user_credit(SB3VecEnv(one), one, {"user_credit": True})
    box = make(2, action_encoding="box").unwrapped
    with pytest.raises(ValueError, match="`user_credit` needs --action-encoding assoc"):
        with_user_credit(SB3VecEnv(box), box, {"user_credit": True})
    arguments = {"user_credit": False}
    venv = SB3VecEnv(box)
    assert with_user_credit(venv, box, arguments) is venv
    assert not arguments
