"""Training: reproducible, and resumed exactly."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import apg
from agents.algorithms import ALGORITHMS
from agents.learned import LearnedAgent
from agents.problems.episodes import play
from agents.problems.instances import validation_instances
from agents.run.config import TrainingConfig
from agents.run.folder import load_config
from agents.run.hyperparameters import load_hyperparameters
from agents.storage.folders import LOCK
from agents.training import sb3_trainer, start, stopwatch, trust
from agents.training.trainer import Trainer
from agents.training.validation import Validation

# Of the off-policy algorithms: random actions at first, then an update a step, and a
# replay buffer that is soon full.
OFF_POLICY_AGENTS = ("sac", "td3", "ddpg", "tqc")
OFF_POLICY: dict[str, Any] = {
    **{"learning_starts": 16, "batch_size": 8, "buffer_size": 64, "train_freq": 2},
    "policy_kwargs": {"net_arch": [16]},
}
NOISE = {"noise_type": "ornstein-uhlenbeck", "noise_std": 0.2}  # it has a state

# A few rollouts or updates of each algorithm, with small networks.
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {
        **{"n_steps": 4, "batch_size": 16, "n_epochs": 2},
        "policy_kwargs": {"net_arch": [16]},
    },
    "a2c": {
        **{"n_steps": 4, "policy_kwargs": {"net_arch": [16]}},
        "normalize": "dict(norm_obs=False, norm_reward=True)",
    },
    "trpo": {
        **{"n_steps": 4, "batch_size": 16, "cg_max_steps": 3, "n_critic_updates": 2},
        "policy_kwargs": {"net_arch": [16]},
    },
    "recurrent_ppo": {
        **{"n_steps": 4, "batch_size": 16, "n_epochs": 2},
        "policy_kwargs": {"net_arch": [16], "lstm_hidden_size": 8},
    },
    "sac": OFF_POLICY,
    "td3": OFF_POLICY | NOISE,
    "ddpg": OFF_POLICY | NOISE,
    "tqc": OFF_POLICY,
    "apg": {
        "candidates": 1,
        "policy_kwargs": {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2},
    },
}
assert set(SMALL) == set(ALGORITHMS)

# One of each kind that trains in another way. What is particular to an algorithm, its
# memory, noise or normalisation, shows in `test_interrupted_and_resumed_…`.
FAMILIES = ("ppo", "sac", "apg")


def config(agent: str = "ppo", **changes: Any) -> TrainingConfig:
    tuned = load_hyperparameters(agent, "MecLlm-v0")
    tuned = {k: v for k, v in tuned.items() if k == "learning_rate"}
    settings = {
        "agent": agent,
        "env_id": "MecLlm-v0",
        "env_kwargs": {"preset": "tiny-4x2"},
        "timesteps": 128,
        "n_envs": 4,
        "seed": 5,
        "eval_freq": 32,
        "checkpoint_freq": 48,
        "policy": next(iter(ALGORITHMS[agent].policies)),
        "hyperparameters": {**tuned, **SMALL[agent]},
    }
    return TrainingConfig(**{**settings, **changes})


def train(output: Path, **changes: Any) -> Trainer:
    trainer = start.begin(config(**changes), output)
    assert trainer.train(bar=False)
    return trainer


def at_decision(
    monkeypatch: pytest.MonkeyPatch, timesteps: int, action: Callable[[], Any]
) -> None:
    """Does something in the step, or update, that ends after so many decisions."""
    on_step, update = sb3_trainer.BoundaryCallback._on_step, apg.Apg.update

    def patched_step(self: Any) -> bool:
        if self.num_timesteps == timesteps:
            action()
        return on_step(self)

    def patched_update(self: Any, *args: Any) -> Any:
        figures = update(self, *args)
        if self.num_timesteps == timesteps:
            action()
        return figures

    monkeypatch.setattr(sb3_trainer.BoundaryCallback, "_on_step", patched_step)
    monkeypatch.setattr(apg.Apg, "update", patched_update)


def send(*numbers: int) -> Callable[[], None]:
    """Returns what sends signals to this process."""
    return lambda: [os.kill(os.getpid(), number) for number in numbers] and None


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.model.policy.state_dict()


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    ours, theirs = weights(one), weights(other)
    assert set(ours) == set(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


def assert_same_buffer(one: Trainer, other: Trainer) -> None:
    """Compares replay buffers, where the algorithm has one."""
    ours, theirs = (getattr(t.model, "replay_buffer", None) for t in (one, other))
    assert (ours is None) == (theirs is None)
    if ours is None:
        return
    assert (ours.pos, ours.full) == (theirs.pos, theirs.full)
    for name in ("observations", "next_observations", "actions", "rewards", "dones"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)


def monitor_rows(run: Path) -> list[list[str]]:
    """Returns and lengths; the time of day is not part of the result."""
    if not (run / "monitor.csv").exists():
        return []
    lines = (run / "monitor.csv").read_text().splitlines()
    return [line.split(",")[:2] for line in lines[1:]]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(os.fspath(run / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("time/")
    }


@pytest.mark.parametrize("agent", FAMILIES)
def test_one_seed_gives_the_same_weights(agent: str, tmp_path: Path) -> None:
    one, same = train(tmp_path, agent=agent), train(tmp_path, agent=agent)
    assert_same_weights(one, same)
    other = train(tmp_path, agent=agent, seed=6)
    assert any(
        not torch.equal(ours, theirs)
        for ours, theirs in zip(
            weights(one).values(), weights(other).values(), strict=True
        )
    )


@pytest.mark.parametrize(
    ("agent", "length", "policy"),
    [
        *((agent, 3, None) for agent in ALGORITHMS),
        *((agent, 1, "set") for agent in ("ppo", "a2c", "trpo", *OFF_POLICY_AGENTS)),
    ],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    agent: str,
    length: int,
    policy: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes: dict[str, Any] = {
        "env_kwargs": {"preset": "tiny-4x2", "episode_length": length}
    }
    if policy is not None:
        network = SMALL["apg"]["policy_kwargs"]
        networks = {"network": network}
        if agent in OFF_POLICY_AGENTS:
            networks["critic_network"] = network
        own = SMALL[agent] | {"policy_kwargs": networks}
        changes |= {"policy": policy, "hyperparameters": own}
    assert_resumed_exactly(agent, changes, tmp_path, monkeypatch)


@pytest.mark.parametrize("policy", ALGORITHMS["ppo"].association_policies)
def test_with_the_association_encoding_too(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {
        "policy": policy,
        "env_kwargs": {
            "preset": "tiny-4x2",
            "overrides": {"server.max_users": 2},  # so that servers fill up
            "action_encoding": "association",
            "episode_length": 3,
        },
    }
    if policy == "set":
        network = SMALL["apg"]["policy_kwargs"]
        own = SMALL["ppo"] | {"policy_kwargs": {"network": network}}
        changes |= {"hyperparameters": own}
    assert_resumed_exactly("ppo", changes, tmp_path, monkeypatch)


#: `MecLlmMobile-v0`, small.
MOBILE: dict[str, Any] = {
    "env_id": "MecLlmMobile-v0",
    "env_kwargs": {
        "preset": "mobile-10x2",
        "overrides": {"users": 3, "mobility.slots": 3},
        "reward": "slot",
    },
}


@pytest.mark.parametrize(
    ("agent", "policy", "encoding"),
    [
        *((agent, None, "box") for agent in ("ppo", "a2c", "sac", "recurrent_ppo")),
        *(("ppo", "set", encoding) for encoding in ("box", "association")),
        ("ppo", "set", "user_credit"),
    ],
)
def test_in_episodes_too(
    agent: str,
    policy: str | None,
    encoding: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credit = encoding == "user_credit"
    encoding = "association" if credit else encoding
    kwargs = MOBILE["env_kwargs"] | {"action_encoding": encoding}
    changes: dict[str, Any] = MOBILE | {"env_kwargs": kwargs}
    if policy is not None:
        network = {"network": SMALL["apg"]["policy_kwargs"]}
        own = SMALL[agent] | {"policy_kwargs": network, "user_credit": credit}
        changes |= {"policy": policy, "hyperparameters": own}
    assert_resumed_exactly(agent, changes, tmp_path, monkeypatch)


def test_a_run_in_episodes(tmp_path: Path) -> None:
    trainer = train(tmp_path, **MOBILE)
    assert trainer.run.name == "MecLlmMobile-v0_1"
    assert {"eval/optimality", "eval/migrations"} <= set(scalars(trainer.run))
    with np.load(trainer.run / "evaluations.npz") as archive:
        assert archive["results"].shape == (5, 32)
        assert (archive["ep_lengths"] == 3).all()
        assert (archive["results"] <= archive["bound"]).all()
    rows = monitor_rows(trainer.run)  # heading and episodes
    assert len(rows) == 1 + 4 * (128 // 4 // 3)
    assert {row[1] for row in rows[1:]} == {"3"}
    task = trainer.envs.task
    trajectory = validation_instances(task.config, 32)
    best = play(LearnedAgent.from_run(trainer.run, task), task, trajectory)
    with np.load(trainer.run / "evaluations.npz") as archive:
        same = [np.array_equal(best["scr"], scr) for scr in archive["results"]]
    assert any(same)


def test_what_is_of_single_decisions_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"apg trains on single decisions"):
        start.begin(config("apg", **MOBILE), tmp_path)


def assert_resumed_exactly(
    agent: str,
    changes: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
def test_a_second_signal_does_not_wait(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_decision(monkeypatch, 56, send(signal.SIGINT, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        start.begin(config(agent), tmp_path).train(bar=False)


@pytest.mark.parametrize("agent", FAMILIES)
def test_what_a_run_leaves(agent: str, tmp_path: Path) -> None:
    trainer = train(tmp_path, agent=agent)
    names = {path.name for path in trainer.run.iterdir()}
    file = trainer.model_file
    assert names == {
        *("config.json", file, f"best_{file}", "evaluations.npz"),
        *("tensorboard", "checkpoints", LOCK, *trainer.growing),
        *(["best_policy.npz"] if file.endswith(".zip") else []),
    }
    assert {path.name for path in (trainer.run / "checkpoints").iterdir()} == {
        *("step_000000000096", "step_000000000128")
    }
    tags = set(scalars(trainer.run))
    assert {"eval/scr", "eval/optimality", "eval/delay_s", "eval/energy_j"} <= tags
    rollouts = "monitor.csv" in names  # as Stable-Baselines3's algorithms make them
    assert ("rollout/ep_rew_mean" if rollouts else "train/scr") in tags
    with np.load(trainer.run / "evaluations.npz") as archive:
        assert archive["timesteps"].tolist() == [0, 32, 64, 96, 128]
        assert archive["results"].shape == (5, 100)
    if rollouts:
        assert len(monitor_rows(trainer.run)) == 1 + 128  # heading and decisions


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


def test_one_process_a_run(tmp_path: Path) -> None:
    begun = start.begin(config(), tmp_path)
    with pytest.raises(ValueError, match=r"MecLlm-v0_1' is in use by another process"):
        start.resume(begun.run)
    assert begun.train(bar=False)
    longer = start.resume(begun.run, 160)
    with pytest.raises(ValueError, match="is in use by another process"):
        start.resume(begun.run, 160)
    assert longer.train(bar=False)


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


def test_nothing_is_written_for_a_bad_configuration(tmp_path: Path) -> None:
    bad = {"n_steps": 4, "batch_sise": 16}
    with pytest.raises(ValueError, match="Did you mean 'batch_size'"):
        start.begin(config(hyperparameters=bad), tmp_path / "runs")
    bad = {"noise_type": "normal"}
    with pytest.raises(ValueError, match="`noise_std` must be a number ≥ 0; got None"):
        start.begin(config("td3", hyperparameters=bad), tmp_path / "runs")
    bad = {"train_freq": [1, "episode"]}
    with pytest.raises(ValueError, match="in episodes needs --n-envs 1; got 4 env"):
        start.begin(config("td3", hyperparameters=bad), tmp_path / "runs")
    bad = {"policy_kwargs": {"net_arch": [16]}}
    with pytest.raises(ValueError, match="`net_arch` does not fit --policy set"):
        start.begin(config("sac", policy="set", hyperparameters=bad), tmp_path / "runs")
    bad = {"normalize": True}
    with pytest.raises(ValueError, match="observations are scaled already; got True"):
        start.begin(config(hyperparameters=bad), tmp_path / "runs")
    bad = {"normalize": True}
    with pytest.raises(ValueError, match="takes no hyperparameter 'normalize'"):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    bad = {"candidate": 4}
    with pytest.raises(ValueError, match="Did you mean 'candidates'"):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    bad = {"averaging": 2}
    with pytest.raises(
        ValueError, match="`averaging` must be a number ≥ 0 and ≤ 1; got 2"
    ):
        start.begin(config("apg", hyperparameters=bad), tmp_path / "runs")
    hybrid = {"action_encoding": "association"}
    with pytest.raises(ValueError, match=r"needs --agent ppo.*; Apg decides"):
        start.begin(config("apg", env_kwargs=hybrid), tmp_path / "runs")
    discrete = {"action_encoding": "multi_discrete"}
    with pytest.raises(ValueError, match="apg needs --action-encoding box"):
        start.begin(config("apg", env_kwargs=discrete), tmp_path / "runs")
    with pytest.raises(ValueError, match=r"SAC: The algorithm only supports .*Box"):
        start.begin(config("sac", env_kwargs=discrete), tmp_path / "runs")
    with pytest.raises(ValueError, match="--env Nothing-v0"):
        start.begin(config(env_id="Nothing-v0"), tmp_path / "runs")
    with pytest.raises(ValueError, match="one of this project's"):
        start.begin(config(env_id="CartPole-v1", env_kwargs={}), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


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
