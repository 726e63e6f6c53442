"""Warm starts where decisions follow one another."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

from agents.problems.episodes import play
from agents.problems.instances import demonstration_instances
from agents.registry import make_agent
from agents.run.config import TrainingConfig, WarmStart
from agents.training import demonstrations, start
from agents.training.demonstrations import EpisodeDemonstrations, demonstrate
from agents.training.imitation import imitation_loss, permuted, values
from agents.training.surplus import UNIT
from agents.training.warm_start import _returns, _split, clone
from mec_llm_env.mobile.task import MobileTask
from tests.agents.training.small_runs import (
    assert_same_weights,
    at_decision,
    config,
    send,
)

SIZE = {"users": 3, "mobility.slots": 5, "mobility.job_end_probability": 0.3}
TASK = MobileTask(overrides=SIZE)
QUICK = WarmStart(
    **{"solver": "lookahead", "scenarios": 160, "steps": 150, "critic_steps": 300},
    **{"batch_size": 32, "learning_rate": 3e-3},
)
NETWORK = {"network": {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}}

#: Agent, policy, action encoding, and whether users have rewards of their own.
POLICIES = [
    ("ppo", "set", "association", True),
    ("ppo", "mlp", "association", False),
    ("a2c", "set", "association", False),
    ("ppo", "set", "box", False),
    ("a2c", "mlp", "box", False),
    ("ppo", "mlp", "multi_discrete", False),
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Demonstrations for all tests of this file; they are made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstrations, "CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr(demonstrations, "EPISODES", 8)
        yield


def shown(solver: str = "lookahead", count: int = 160) -> EpisodeDemonstrations:
    found = demonstrate(TASK, solver, count)
    assert isinstance(found, EpisodeDemonstrations)
    return found


def in_episodes(agent: str, policy: str, encoding: str, paid: bool) -> dict[str, Any]:
    """Returns what `config` takes for a small run in episodes."""
    own: dict[str, Any] = {"n_steps": 5, "learning_rate": 1e-3, "gamma": 1.0}
    own["policy_kwargs"] = NETWORK if policy == "set" else {"net_arch": [32]}
    if agent == "ppo":
        own |= {"batch_size": 20, "n_epochs": 1}
    if paid:
        own["user_credit"] = True
    return {
        "agent": agent,
        "policy": policy,
        "env_id": "MecLlmMobile-v0",
        "env_kwargs": {"overrides": SIZE, "action_encoding": encoding},
        "hyperparameters": own,
        "timesteps": 40,
    }


@pytest.mark.parametrize("solver", ["lookahead", "hysteresis", "gucaa"])
def test_they_are_the_episodes_of_the_demonstrator(solver: str) -> None:
    found = shown(solver, 80)
    trajectory = demonstration_instances(TASK.config, 8, 8)
    played = play(make_agent(solver, TASK), TASK, trajectory)
    reward = found.reward.reshape(16, 5)[8:]
    # The return of an episode is its SCR.
    np.testing.assert_allclose(reward.sum(axis=1), played["scr"], rtol=1e-6)
    assert found.ends.reshape(16, 5)[:, -1].all()
    assert found.ends.sum() == 16
    assert found.leaves[found.ends].all()
    # A row that changes hands begins without a state, the ones in between keep theirs.
    m = TASK.config.servers
    serving = found.users[..., m + 9 : 2 * m + 9]
    fresh = serving.sum(axis=-1)[1:] == 0
    np.testing.assert_array_equal(found.leaves[:-1], fresh)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.0])
def test_returns_are_what_follows(discount: float) -> None:
    found = shown(count=80)
    total, own = found.returns(discount, False), found.returns(discount, True)
    assert total.shape == (80, 1)
    assert own.shape == (80, 3)
    for k in range(80):
        for n in range(3):
            expected, j, weight = 0.0, k, 1.0
            while True:
                expected += weight * found.user_reward[j, n]
                if found.leaves[j, n] or found.ends[j]:
                    break
                j, weight = j + 1, weight * discount
            assert own[k, n] == pytest.approx(expected)
        rest = range(k, 5 * (k // 5) + 5)
        expected = sum(found.reward[j] * discount ** (j - k) for j in rest)
        assert total[k, 0] == pytest.approx(expected)


def test_rewards_of_users_are_the_surplus_of_the_demonstrator() -> None:
    found = shown(count=40)  # one chunk, over which its ratio is taken
    assert float(found.user_reward.sum() * UNIT) == pytest.approx(0, abs=1e-6)


def test_another_order_is_the_same_decision_in_the_same_slot() -> None:
    torch.manual_seed(0)
    batch = _split(shown())[0]
    other = permuted(batch)
    assert not torch.equal(other.users, batch.users)
    scr = []
    for one in (batch, other):
        observation = one.observation(TASK.observation_codec.space).numpy()
        scenario = TASK.observation_codec.decode(observation)
        action = one.action(TASK.action_codec.space).numpy()
        scr.append(TASK.decide(action, scenario)[1].scr)
    np.testing.assert_allclose(scr[0], scr[1], rtol=1e-5)
    np.testing.assert_allclose(scr[0], shown().scr[: len(batch)], rtol=1e-5)


@pytest.mark.parametrize(("agent", "policy", "encoding", "paid"), POLICIES)
def test_a_clone_is_better_than_a_fresh_network(
    agent: str, policy: str, encoding: str, paid: bool, tmp_path: Path
) -> None:
    changes = in_episodes(agent, policy, encoding, paid)
    begun = start.begin(config(**changes, warm_start=QUICK), tmp_path)
    model, found = begun.model, shown()
    batch = _split(found, _returns(model, found))[0]
    assert batch.returns is not None
    assert batch.returns.shape[1] == (3 if paid else 1)
    observation = batch.observation(model.policy.observation_space)

    def error() -> float:
        with torch.no_grad():
            missed = values(model.policy, observation) - batch.returns
            return float(missed.square().mean())

    with torch.no_grad():
        before, wrong = imitation_loss(model, batch)[0].item(), error()
    clone(model, begun.envs.task, found, QUICK, 0, Logger(None, []))
    with torch.no_grad():
        assert imitation_loss(model, batch)[0].item() < 0.9 * before
    assert error() < wrong
    assert begun.train(bar=False)


def test_resumed_without_cloning_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = in_episodes(*POLICIES[0]) | {"warm_start": QUICK}
    whole = start.begin(config(**changes), tmp_path / "whole")
    assert whole.train(bar=False)
    begun = start.begin(config(**changes), tmp_path / "cut")
    with monkeypatch.context() as patch:
        at_decision(patch, 20, send(signal.SIGINT))
        assert not begun.train(bar=False)

    def never(*arguments: Any, **settings: Any) -> None:
        raise AssertionError("cloned again")

    monkeypatch.setattr("agents.training.warm_start.clone", never)
    resumed = start.resume(begun.run)
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)


def refused(**changes: Any) -> TrainingConfig:
    kwargs = {"env_kwargs": {}, "warm_start": QUICK, "hyperparameters": {}}
    return config(**kwargs | changes)


@pytest.mark.parametrize("agent", ["sac", "recurrent_ppo", "trpo"])
def test_what_cannot_clone_episodes_says_so(agent: str) -> None:
    match = rf"--warm-start in MecLlmMobile-v0 needs --agent ppo or a2c; got {agent}"
    with pytest.raises(ValueError, match=match):
        refused(agent=agent, env_id="MecLlmMobile-v0")


def test_who_decides_episodes_demonstrates_nothing_else() -> None:
    match = r"'lookahead' decides episodes, those of MecLlmMobile-v0; got MecLlm-v0"
    with pytest.raises(ValueError, match=match):
        refused(agent="ppo", env_id="MecLlm-v0")
    with pytest.raises(ValueError, match="Did you mean 'lookahead'"):
        dataclasses.replace(QUICK, solver="lookahed")
