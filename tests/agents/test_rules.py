"""Agents that follow a rule."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy

from agents import agent_names, make_agent
from agents.problems.instances import held_out_instances
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario, violations
from mec_llm_env.task import Task

RULES = ("random", "rucaa", "gucaa")


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_decides_feasibly_on_any_batch(name: str, batch: tuple[int, ...]) -> None:
    task = Task(preset="tiny-4x2", overrides={"server.max_users": 3})
    scenario = sample_scenario(task.config, np.random.default_rng(0), batch)
    allocation = make_agent(name, task).decide(scenario)
    assert allocation.association.shape == (*batch, 4, 2)
    for excess in violations(scenario, allocation).values():
        assert np.max(excess) <= 1e-9


@pytest.mark.parametrize("encoding", ["box", "dict"])
@pytest.mark.parametrize("observation", ["flat", "tokens"])
def test_acts_from_observations_as_it_decides(encoding: str, observation: str) -> None:
    kwargs = {"action_encoding": encoding, "observation_encoding": observation}
    env = gym.make("MecLlm-v0", **kwargs)
    agent = make_agent("gucaa", Task(**kwargs))
    seen, _ = env.reset(seed=3)
    action, state = agent.predict(seen)
    assert state is None
    scr = env.step(action)[1]
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(3))
    assert scr == pytest.approx(
        float(evaluate(scenario, agent.decide(scenario)).scr), 1e-4
    )


def test_drops_into_stable_baselines3() -> None:
    env = gym.make("MecLlm-v0", preset="tiny-4x2")
    agent = make_agent("gucaa", Task(preset="tiny-4x2"))
    with pytest.warns(UserWarning, match="Monitor"):
        mean, _ = evaluate_policy(agent, env, n_eval_episodes=5)  # type: ignore[arg-type]
    assert mean > 0


def test_randomness_is_the_agents_own_and_seeded() -> None:
    task = Task(preset="tiny-4x2")
    scenario = held_out_instances(task.config, 8)
    for name in ("random", "rucaa"):
        one, same, other = (
            make_agent(name, task, seed=s).decide(scenario) for s in (1, 1, 2)
        )
        np.testing.assert_array_equal(one.association, same.association)
        assert (one.association != other.association).any()


def test_their_order_on_the_default_scenarios() -> None:
    task = Task()
    scenario = held_out_instances(task.config, 50)
    scr = {
        name: evaluate(scenario, make_agent(name, task).decide(scenario)).scr.mean()
        for name in RULES
    }
    assert scr["gucaa"] > 1.1 * scr["rucaa"] > 3 * scr["random"]


def test_names() -> None:
    assert set(RULES) <= set(agent_names())
    with pytest.raises(ValueError, match=r"no agent 'gucca'. Did you mean 'gucaa'"):
        make_agent("gucca")
    with pytest.raises(ValueError, match=r"train.py --agent ppo.*runs/ppo/latest"):
        make_agent("ppo")
    with pytest.raises(ValueError, match="'a/b' is not a run folder"):
        make_agent("a/b")
