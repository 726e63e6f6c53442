"""Warm start: every policy learns from a solver, once, and resumes exactly."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import train as script
from agents.algorithms import ALGORITHMS
from agents.run.config import WarmStart
from agents.run.folder import load_config
from agents.training import demonstrations, start, warm_start
from agents.training.demonstrations import demonstrate
from agents.training.imitation import Batch, imitation_loss, permuted, values
from agents.training.validation import Validation
from agents.training.warm_start import _split
from mec_llm_env.task import Task
from tests.agents.training.small_runs import (
    FAMILIES,
    SMALL,
    assert_same_weights,
    at_decision,
    config,
    monitor_rows,
    scalars,
    send,
    train,
)

TASK = Task(preset="tiny-4x2")
QUICK = WarmStart(
    **{"solver": "dual", "scenarios": 128, "steps": 100, "critic_steps": 50},
    **{"batch_size": 32, "learning_rate": 3e-3},
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Demonstrations for all tests of this file; they are solved once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(demonstrations, "CACHE", folder)
        patch.setattr(demonstrations, "CHUNK", 64)
        yield


def with_policy(agent: str, policy: str) -> dict[str, Any]:
    """Returns what `config` takes for an algorithm with a small policy."""
    if policy != "set" or agent == "apg":
        return {"agent": agent, "policy": policy}
    network = SMALL["apg"]["policy_kwargs"]
    own = SMALL[agent] | {"policy_kwargs": {"network": network}}
    return {"agent": agent, "policy": policy, "hyperparameters": own}


POLICIES = [(agent, policy) for agent, a in ALGORITHMS.items() for policy in a.policies]


def shown(count: int = 128) -> Batch:
    return _split(demonstrate(TASK, "dual", count))[0]


def test_another_order_is_the_same_decision_in_the_same_scenario() -> None:
    torch.manual_seed(0)
    batch = shown(64)
    other = permuted(batch)
    assert not torch.equal(other.users, batch.users)
    assert not torch.equal(other.servers, batch.servers)
    space = TASK.action_codec.space
    scr = []
    for one in (batch, other):
        observation = one.observation(TASK.observation_codec.space).numpy()
        scenario = TASK.observation_codec.decode(observation)
        _, outcome = TASK.decide(one.action(space).numpy(), scenario)
        scr.append(outcome.scr)
    np.testing.assert_allclose(scr[0], scr[1], rtol=1e-5)
    np.testing.assert_allclose(
        scr[0], demonstrate(TASK, "dual", 64).scr[: len(batch)], rtol=1e-5
    )


def test_discrete_actions_are_the_nearest_levels() -> None:
    space = Task(preset="tiny-4x2", action_encoding="multi_discrete").action_codec.space
    batch = Batch(
        users=torch.zeros(1, 4, 11),
        servers=torch.zeros(1, 2, 7),
        server=torch.tensor([[0, 1, 1, 0]]),
        resources=torch.tensor([-1.0, -0.95, 0.11, 0.88, 1.0]).expand(1, 4, 5),
    )
    # Eleven levels, 0.2 apart: −0.95 lies nearest to −1, 0.11 to 0.2, 0.88 to 0.8.
    assert batch.action(space).reshape(4, 6).tolist() == [
        [server, 0, 0, 6, 9, 10] for server in (0, 1, 1, 0)
    ]


@pytest.mark.parametrize(("agent", "policy"), POLICIES)
def test_a_clone_is_better_than_a_fresh_network(
    agent: str, policy: str, tmp_path: Path
) -> None:
    changes = with_policy(agent, policy) | {"timesteps": 16, "eval_freq": 16}
    fresh = start.begin(config(**changes), tmp_path)
    before = imitation_loss(fresh.model, shown())[0].item()
    scr = Validation(TASK).measure(fresh.model, 0.0)["scr"]
    warm = train(tmp_path, **changes, warm_start=QUICK)
    assert load_config(warm.run).warm_start == QUICK
    results = warm.validation.history["results"]
    assert float(results[0].mean()) > 1.2 * scr
    tags = scalars(warm.run)
    losses = [value for _, value in tags["warm_start/loss"]]
    assert losses[-1] < 0.8 * before
    assert agent == "apg" or "warm_start/critic_loss" in tags
    buffer = getattr(warm.model, "replay_buffer", None)
    if buffer is not None:  # demonstrations, then the decisions of the run
        rows = min(122 // 4, buffer.buffer_size)
        assert buffer.size() >= rows
        assert (buffer.rewards[:rows] > 0).all()


def test_the_critic_knows_about_what_to_expect(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, critic_steps=600)
    # Wide enough to reach an SCR of about 100 by steps of 3e-3.
    wide = SMALL["ppo"] | {"policy_kwargs": {"net_arch": [128]}}
    changes = {"warm_start": settings, "timesteps": 16, "hyperparameters": wide}
    begun = start.begin(config(**changes), tmp_path)
    policy = begun.model.policy
    observation = shown().observation(TASK.observation_codec.space)
    assert abs(values(policy, observation).mean().item()) < 10
    assert begun.train(bar=False)
    assert 60 < values(policy, observation).mean().item() < 200
    assert policy.log_std.max().item() < -2  # explores near the clone


def test_discrete_actions_are_cloned(tmp_path: Path) -> None:
    discrete = {"preset": "tiny-4x2", "action_encoding": "multi_discrete"}
    changes = {"env_kwargs": discrete, "timesteps": 16, "eval_freq": 16}
    fresh = train(tmp_path, **changes)
    warm = train(tmp_path, **changes, warm_start=QUICK)
    begun, cloned = (
        float(one.validation.history["results"][0].mean()) for one in (fresh, warm)
    )
    assert cloned > 1.2 * begun


@pytest.mark.parametrize("agent", FAMILIES)
def test_resumed_without_cloning_again(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"agent": agent, "warm_start": QUICK}
    torch.manual_seed(1)
    whole = train(tmp_path / "whole", **changes)

    class CrashError(Exception):
        pass

    def crash() -> None:
        raise CrashError

    torch.manual_seed(2)
    begun = start.begin(config(**changes), tmp_path / "cut")
    with monkeypatch.context() as patch:
        at_decision(patch, 4, crash)  # before any but the first checkpoint
        with pytest.raises(CrashError):
            begun.train(bar=False)

    def never(*arguments: Any, **settings: Any) -> None:
        raise AssertionError("cloned again")

    monkeypatch.setattr(warm_start, "clone", never)
    resumed = start.resume(begun.run)
    assert resumed.model.num_timesteps == 0
    with monkeypatch.context() as patch:
        at_decision(patch, 56, send(signal.SIGINT))
        assert not resumed.train(bar=False)
    resumed = start.resume(begun.run)
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)


def test_interrupted_while_cloning_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", warm_start=QUICK)
    begun = start.begin(config(warm_start=QUICK), tmp_path / "cut")
    with monkeypatch.context() as patch:
        patch.setattr(warm_start, "clone", lambda *_, **__: send(signal.SIGINT)())
        assert not begun.train(bar=False)
    resumed = start.resume(begun.run)
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--warm-start", "dualf"], "no solver 'dualf'. Did you mean 'dual'?"),
        (["--warm-start-scenarios", "9"], "needs --warm-start SOLVER"),
        (["--warm-start", "dual", "--warm-start-scenarios", "0"], "2; got '0'"),
        (["--warm-start", "dual", "--warm-start-scenarios", "1"], "2; got '1'"),
        (
            ["--warm-start", "dual", "--action-encoding", "dict"],
            "has no dictionary actions",
        ),
        (
            ["--warm-start", "dual", "--hyperparameter", "warm_start=1"],
            "does not set 'warm_start': --warm-start.",
        ),
    ],
)
def test_mistakes_on_the_command_line(
    arguments: list[str],
    error: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "runs"
    given = ["--agent", "ppo", "--output", str(output), *arguments]
    with pytest.raises(SystemExit, match="2"):
        script.main(given)
    shown = capsys.readouterr().err
    assert error in shown
    assert shown.count("\n") == 1
    assert not output.exists()


def test_not_with_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(["--resume", str(tmp_path), "--warm-start", "dual"])
    assert "so --warm-start cannot be given with it" in capsys.readouterr().err


def test_settings_out_of_range() -> None:
    with pytest.raises(
        ValueError, match=r"start\.steps` must be an integer of at least 1"
    ):
        WarmStart(solver="dual", scenarios=8, steps=0)
    with pytest.raises(
        ValueError, match=r"start\.learning_rate` must lie in 1e-12 … 1\.0; got 0.0"
    ):
        WarmStart(solver="dual", scenarios=8, learning_rate=0.0)
