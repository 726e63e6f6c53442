"""Runs that were interrupted, killed or damaged are resumed exactly, or refused."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents import apg
from agents.algorithms import ALGORITHMS
from agents.run.folder import load_config
from agents.training import sb3_trainer, start, stopwatch, trust
from agents.training.validation import Validation
from tests.agents.training.small_runs import (
    FAMILIES,
    MOBILE,
    OFF_POLICY_AGENTS,
    SMALL,
    assert_same_buffer,
    assert_same_weights,
    at_decision,
    config,
    monitor_rows,
    scalars,
    send,
    train,
)


def of_network(agent: str, policy: str, **more: Any) -> dict[str, Any]:
    """Returns the changes of a run with another policy, its networks small."""
    if policy != "set":
        return {"policy": policy}
    network = SMALL["apg"]["policy_kwargs"]
    networks = {"network": network}
    if agent in OFF_POLICY_AGENTS:
        networks["critic_network"] = network
    own = SMALL[agent] | {"policy_kwargs": networks} | more
    return {"policy": policy, "hyperparameters": own}


def in_steps(length: int, **more: Any) -> dict[str, Any]:
    kwargs = {"preset": "tiny-4x2", "episode_length": length, **more}
    return {"env_kwargs": kwargs}


def in_episodes(encoding: str) -> dict[str, Any]:
    return MOBILE | {"env_kwargs": MOBILE["env_kwargs"] | {"action_encoding": encoding}}


CHOOSING = {
    "overrides": {"server.max_users": 2},  # so that servers fill up
    "action_encoding": "association",
}
SET_AGENTS = ("ppo", "a2c", "trpo", *OFF_POLICY_AGENTS)
RESUMED: dict[str, tuple[str, dict[str, Any]]] = {
    **{agent: (agent, in_steps(3)) for agent in ALGORITHMS},
    **{f"{a} set": (a, in_steps(1) | of_network(a, "set")) for a in SET_AGENTS},
    **{
        f"ppo {policy} association": (
            *("ppo", in_steps(3, **CHOOSING) | of_network("ppo", policy)),
        )
        for policy in ALGORITHMS["ppo"].association_policies
    },
    **{
        f"{agent} in episodes": (agent, in_episodes("box"))
        for agent in ("ppo", "a2c", "sac", "recurrent_ppo")
    },
    **{
        f"ppo set {encoding} in episodes": (
            *("ppo", in_episodes(encoding) | of_network("ppo", "set")),
        )
        for encoding in ("box", "association")
    },
    "user credit": (
        "ppo",
        in_episodes("association") | of_network("ppo", "set", user_credit=True),
    ),
}


@pytest.mark.parametrize("case", RESUMED)
def test_interrupted_and_resumed_equals_uninterrupted(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, changes = RESUMED[case]
    whole = train(tmp_path / "whole", agent=agent, **changes)
    begun = start.begin(config(agent, **changes), tmp_path / "cut")
    with monkeypatch.context() as patch:
        at_decision(patch, 56, send(signal.SIGINT))
        assert not begun.train(bar=False)
    assert not (begun.run / begun.model_file).exists()
    np.random.seed(0)  # whatever happens between
    torch.rand(3)
    resumed = start.resume(begun.run)
    assert 56 <= resumed.model.num_timesteps < 128
    assert resumed.train(bar=False)

    assert_same_weights(whole, resumed)
    assert_same_buffer(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)
    with (
        np.load(whole.run / "evaluations.npz") as one,
        np.load(resumed.run / "evaluations.npz") as other,
    ):
        assert set(one) == set(other)
        # Wall time, and so the sum of all, is no part of the result.
        for name in set(one) - {"training_s", "sha256"}:
            np.testing.assert_array_equal(one[name], other[name])
        for archive in (one, other):
            assert (np.diff(archive["training_s"]) > 0).all()


@pytest.mark.parametrize("agent", FAMILIES)
def test_the_time_is_that_of_training_alone(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # s; four decisions take one, evaluations and interruptions hundreds
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])

    def wait(owner: Any, name: str, seconds: float) -> None:
        method = getattr(owner, name)

        def patched(*arguments: Any) -> Any:
            now[0] += seconds
            return method(*arguments)

        monkeypatch.setattr(owner, name, patched)

    wait(sb3_trainer.BoundaryCallback, "_on_step", 1.0)
    wait(apg.Apg, "update", 1.0)
    wait(Validation, "measure", 100.0)
    begun = start.begin(config(agent), tmp_path)
    with monkeypatch.context() as patch:
        at_decision(patch, 56, send(signal.SIGINT))
        assert not begun.train(bar=False)
    now[0] += 1000
    assert start.resume(begun.run).train(bar=False)
    with np.load(begun.run / "evaluations.npz") as archive:
        assert archive["timesteps"].tolist() == [0, 32, 64, 96, 128]
        assert archive["training_s"].tolist() == [0, 8, 16, 24, 32]


@pytest.mark.parametrize("agent", FAMILIES)
def test_resumed_after_a_crash_cuts_files_back_to_the_checkpoint(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", agent=agent)
    begun = start.begin(config(agent), tmp_path / "cut")

    class CrashError(Exception):
        pass

    def crash() -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        at_decision(patch, 104, crash)  # after the checkpoint at 96
        with pytest.raises(CrashError):
            begun.train(bar=False)
    for name in begun.growing:
        with (begun.run / name).open("a") as file:
            file.write("1.0,1,half a li")
    resumed = start.resume(begun.run)
    assert resumed.model.num_timesteps == 96
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)


@pytest.mark.parametrize("agent", FAMILIES)
def test_resumed_to_more_timesteps(agent: str, tmp_path: Path) -> None:
    run = train(tmp_path, agent=agent).run
    with pytest.raises(ValueError, match="128 decisions of 128: there is nothing left"):
        start.resume(run)
    longer = start.resume(run, timesteps=160)
    assert longer.train(bar=False)
    assert longer.model.num_timesteps == 160
    assert load_config(run).timesteps == 160


@pytest.mark.parametrize("agent", FAMILIES)
def test_damaged_checkpoints_are_named(agent: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, agent=agent)
    run = trainer.run
    newest = run / "checkpoints" / "step_000000000128"
    buffer = ("replay_buffer.pkl",) if agent in OFF_POLICY_AGENTS else ()
    for name in (trainer.model_file, "state.pkl", *buffer):
        whole = (newest / name).read_bytes()
        (newest / name).write_bytes(whole[:-1])
        with pytest.raises(ValueError, match=rf"step_000000000128.*damaged: {name}"):
            start.resume(run, timesteps=160)
        (newest / name).write_bytes(whole)
    (newest / "checkpoint.json").write_text(json.dumps([]))
    with pytest.raises(ValueError, match=r"damaged: checkpoint\.json"):
        start.resume(run, timesteps=160)
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert start.resume(run, timesteps=160).model.num_timesteps == 96


def test_checkpoints_of_earlier_versions(tmp_path: Path) -> None:
    """Their manifests have a signature alone, which a sum may not be taken from."""
    run = train(tmp_path, agent="apg").run
    path = run / "checkpoints" / "step_000000000128" / "checkpoint.json"
    content = json.loads(path.read_text())
    own = {k: v for k, v in content.items() if k not in ("sum", "signature")}
    path.write_text(json.dumps(own | {"signature": content["signature"]}))
    with pytest.raises(ValueError, match="check sum is another one"):
        start.resume(run, timesteps=160)
    own["format"] = "mec-llm-env checkpoint 2"
    path.write_text(json.dumps(own | {"signature": trust.sign(own)}))
    assert start.resume(run, timesteps=160).model.num_timesteps == 128


@pytest.mark.parametrize("agent", ["ppo", "apg"])
def test_files_that_grow_are_as_at_the_checkpoint(agent: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, agent=agent)
    event_file = next((trainer.run / "tensorboard").iterdir())
    for path in (*(trainer.run / name for name in trainer.growing), event_file):
        whole = path.read_bytes()
        changed = whole[:9] + bytes([whole[9] ^ 1]) + whole[10:]
        for damaged in (whole[:-1], changed, None):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(ValueError, match=f"damaged: .*{path.name}"):
                start.resume(trainer.run, 160)
        path.write_bytes(whole + b"more")
        start.resume(trainer.run, 160).lock.release()
        assert path.read_bytes() == whole


def test_a_run_without_checkpoints_is_left_alone(tmp_path: Path) -> None:
    run = train(tmp_path).run
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(ValueError, match="has a model but no checkpoint to go on from"):
        start.resume(run, 160)


def test_a_model_of_an_earlier_end_is_not_taken_for_the_last(tmp_path: Path) -> None:
    run = train(tmp_path).run
    early = (run / "model.zip").read_bytes()
    assert start.resume(run, 160).train(bar=False)
    late = (run / "model.zip").read_bytes()
    (run / "model.zip").write_bytes(early)  # as a crash just before the end leaves it
    assert start.resume(run).train(bar=False)
    assert (run / "model.zip").read_bytes() == late


@pytest.mark.parametrize("agent", FAMILIES)
def test_resumed_before_the_first_checkpoint_begins_anew(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", agent=agent)
    begun = start.begin(config(agent), tmp_path / "cut")

    def crash() -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        at_decision(patch, 32, crash)
        with pytest.raises(RuntimeError, match="the power fails"):
            begun.train(bar=False)
    assert not (begun.run / "checkpoints").exists()
    resumed = start.resume(begun.run)
    assert resumed.resumed_at == 0
    assert resumed.train(bar=False)
    assert_same_weights(whole, resumed)
    assert monitor_rows(whole.run) == monitor_rows(resumed.run)
    assert scalars(whole.run) == scalars(resumed.run)
