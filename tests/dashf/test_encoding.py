"""The action encoding `association`, and environments that use it."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import dashf
from dashf import AssociationCodec
from dashf.pricing.exact import solve_exact
from mec_llm_env import ObjectiveConfig, evaluate, sample_scenario, violations
from mec_llm_env.actions import register_encoding
from mec_llm_env.task import Task


def make_task(**overrides: object) -> Task:
    return Task(preset="tiny-4x2", overrides=overrides, action_encoding="association")


def test_an_action_gets_the_resources_of_the_allocator() -> None:
    task = make_task()
    scenario = sample_scenario(task.config, np.random.default_rng(0), (5,))
    action = np.random.default_rng(1).integers(0, 2, (5, 4))
    allocation, outcome = task.decide(action, scenario)
    np.testing.assert_array_equal(allocation.server, action)
    best = dashf.share_resources(scenario, np.eye(2)[action], task.config.objective)
    np.testing.assert_allclose(outcome.scr, evaluate(scenario, best).scr, rtol=1e-3)


def test_the_best_action_is_the_optimum() -> None:
    """No other action of the 2⁴ is better than the one that the exact solver takes."""
    task = make_task()
    scenario = sample_scenario(task.config, np.random.default_rng(0))
    every = np.array(list(itertools.product(range(2), repeat=4)))
    many = scenario.map(lambda a: np.broadcast_to(a, (16, *np.shape(a))))
    _, outcome = task.decide(every, many)
    exact = solve_exact(scenario)
    np.testing.assert_array_equal(every[outcome.scr.argmax()], exact.allocation.server)


def test_full_servers_make_choices_give_way() -> None:
    task = make_task(**{"server.max_users": 3})
    scenario = sample_scenario(task.config, np.random.default_rng(0))
    allocation, _ = task.decide(np.zeros(4), scenario)
    assert sorted(allocation.association.sum(axis=0)) == [1, 3]
    assert all(np.max(v) <= 1e-9 for v in violations(scenario, allocation).values())
    allocation, _ = task.decide(np.array([1, 0, 0, 0]), scenario)
    assert allocation.server.tolist() == [1, 0, 0, 0]


def test_wrong_choices_are_refused() -> None:
    task = make_task()
    scenario = sample_scenario(task.config, np.random.default_rng(0))
    with pytest.raises(ValueError, match="from 0 to 1; got 2 at index 3"):
        task.decide([0, 1, 0, 2], scenario)
    with pytest.raises(ValueError, match=r"`action` must have shape \(4,\)"):
        task.decide([0, 1, 0], scenario)


def test_solvers_act_in_it() -> None:
    env = gym.make("MecLlm-v0", preset="tiny-4x2", action_encoding="association")
    policy = dashf.SolverPolicy(env, "dual")
    observation, _ = env.reset(seed=0)
    action, _ = policy.predict(observation)
    assert action.dtype == np.int64
    _, reward, *_ = env.step(action)
    scenario = sample_scenario(Task(preset="tiny-4x2").config, np.random.default_rng(0))
    bound = float(dashf.upper_bound(scenario).value)
    assert 0.99 * bound < float(reward) <= bound
    assert policy.projection_distance is not None
    assert policy.projection_distance < 0.2


def test_it_is_a_gymnasium_environment_scalar_and_batched() -> None:
    kwargs = {"preset": "tiny-4x2", "action_encoding": "association"}
    env = gym.make("MecLlm-v0", **kwargs)
    check_env(env.unwrapped)
    envs = gym.make_vec("MecLlm-v0", 3, **kwargs)
    envs.reset(seed=7)
    actions = np.array([[0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    rewards = envs.step(actions)[1]
    for i, action in enumerate(actions):
        env.reset(seed=7 + i)
        assert env.step(action)[1] == pytest.approx(rewards[i], rel=1e-9)


def test_the_objective_is_the_environments_own() -> None:
    task = make_task(**{"objective.energy_weight": 0.1, "objective.delay_weight": 0.9})
    assert isinstance(task.action_codec, AssociationCodec)
    assert task.action_codec.objective == ObjectiveConfig(
        delay_weight=0.9, energy_weight=0.1
    )


def test_encodings_are_known_by_name() -> None:
    with pytest.raises(ValueError, match=r"one of box, .*, association; got 'boxes'"):
        Task(action_encoding="boxes")
    with pytest.raises(ValueError, match=r"must not be one of box, .*; got 'box'"):
        register_encoding("box", AssociationCodec)


def test_repaired_users_and_masks() -> None:
    overrides = {"users": 6, "servers": 3, "server.max_users": 2}
    env = gym.make("MecLlm-v0", action_encoding="association", overrides=overrides)
    env.reset(seed=0)
    assert env.unwrapped.action_masks().shape == (18,)
    *_, info = env.step(np.zeros(6, dtype=np.int64))
    assert info["repaired_users"] == 4
