"""Trained policies as agents, on the size they were trained for and on others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import agent_names, make_agent
from agents.export import INSTANCES, export
from agents.learned import LearnedAgent
from agents.problems.instances import mean_scr
from agents.problems.tasks import make_task
from agents.registry import PRETRAINED, pretrained_names, run_config
from agents.run.config import TrainingConfig
from agents.training import start
from mec_llm_env import evaluate, sample_scenario, violations
from mec_llm_env.task import Task

SMALL: dict[str, dict[str, Any]] = {
    "apg": {
        "policy_kwargs": {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2}
    },
    "ppo": {
        **{"n_steps": 4, "batch_size": 16, "n_epochs": 1},
        "policy_kwargs": {"net_arch": [16]},
    },
}
NETWORK = SMALL["apg"]["policy_kwargs"]
_OF_SET = {"policy_kwargs": {"network": NETWORK}}
SMALL["ppo set"] = SMALL["ppo"] | _OF_SET
SMALL["a2c set"] = {"n_steps": 4} | _OF_SET
SMALL["trpo set"] = {"n_steps": 4, "batch_size": 16} | _OF_SET
LSTM = {"net_arch": [16], "lstm_hidden_size": 8}
SMALL["recurrent_ppo"] = SMALL["ppo"] | {"policy_kwargs": LSTM}
OFF_POLICY = {"learning_starts": 16, "batch_size": 8, "buffer_size": 64}
OFF_POLICY_AGENTS = ("sac", "td3", "ddpg", "tqc")
for _agent in OFF_POLICY_AGENTS:
    _networks = dict.fromkeys(("network", "critic_network"), NETWORK)
    SMALL[_agent] = OFF_POLICY | {"policy_kwargs": {"net_arch": [16]}}
    SMALL[f"{_agent} set"] = OFF_POLICY | {"policy_kwargs": _networks}
RUNS = {
    "apg": ("apg", "set"),
    "ppo": ("ppo", "mlp"),
    "recurrent_ppo": ("recurrent_ppo", "lstm"),
    **{f"{agent} set": (agent, "set") for agent in ("ppo", "a2c", "trpo")},
    **{agent: (agent, "mlp") for agent in OFF_POLICY_AGENTS},
    **{f"{agent} set": (agent, "set") for agent in OFF_POLICY_AGENTS},
}


# The runs in the hybrid mode.
HYBRID = {"hybrid": ("ppo", "mlp"), "hybrid set": ("ppo", "set")}
SMALL |= {"hybrid": SMALL["ppo"], "hybrid set": SMALL["ppo set"]}
RUNS |= HYBRID


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run of each agent on tiny-4x2."""
    folders = {}
    for name, (agent, policy) in RUNS.items():
        config = TrainingConfig(
            agent=agent,
            env_id="MecLlm-v0",
            env_kwargs={
                "preset": "tiny-4x2",
                "action_encoding": "association" if name in HYBRID else "box",
            },
            policy=policy,
            timesteps=64,
            n_envs=8,
            seed=0,
            eval_freq=64,
            checkpoint_freq=64,
            hyperparameters=SMALL[name],
        )
        trainer = start.begin(config, tmp_path_factory.mktemp(agent))
        assert trainer.train(bar=False)
        folders[name] = trainer.run
    return folders


@pytest.mark.parametrize("size", [(4, 2), (6, 2), (5, 3)])
@pytest.mark.parametrize("name", [k for k, (_, p) in RUNS.items() if p == "set"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_set_policies_decide_on_any_size(
    name: str, size: tuple[int, int], batch: tuple[int, ...], runs: dict[str, Path]
) -> None:
    task = Task(
        preset="tiny-4x2",
        overrides={"users": size[0], "servers": size[1], "server.max_users": 3},
    )
    scenario = sample_scenario(task.config, np.random.default_rng(0), batch)
    allocation = LearnedAgent.from_run(runs[name], task).decide(scenario)
    assert allocation.association.shape == (*batch, *size)
    for excess in violations(scenario, allocation).values():
        assert np.max(excess) <= 1e-9


def test_other_policies_are_tied_to_their_size(runs: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="trained for 4 users and 2 servers, which"):
        LearnedAgent.from_run(runs["ppo"], Task())


def test_a_policy_with_memory_decides_on_what_it_has_seen(
    runs: dict[str, Path],
) -> None:
    task = Task(preset="tiny-4x2")
    agent = LearnedAgent.from_run(runs["recurrent_ppo"], task)
    seen, other = (
        task.observation_codec.encode(
            sample_scenario(task.config, np.random.default_rng(seed), (3,))
        )
        for seed in (0, 1)
    )
    fresh, _ = agent.predict(seen)
    _, state = agent.predict(other)
    assert state is not None
    starts = np.array([False, True, False])  # the second forgets
    action, after = agent.predict(seen, state, starts)
    assert after is not None
    assert after[0].shape == state[0].shape == (1, 3, 8)
    np.testing.assert_allclose(action[1], fresh[1], rtol=1e-5)
    assert np.abs(action[[0, 2]] - fresh[[0, 2]]).max(axis=-1).min() > 1e-5


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_each_scenario_is_an_episode_of_its_own(
    batch: tuple[int, ...], runs: dict[str, Path]
) -> None:
    task = Task(preset="tiny-4x2")
    agent = LearnedAgent.from_run(runs["recurrent_ppo"], task)
    scenario = sample_scenario(task.config, np.random.default_rng(0), batch)
    whole = agent.decide(scenario)
    assert whole.association.shape == (*batch, 4, 2)
    if batch:
        index = tuple(size - 1 for size in batch)
        alone = agent.decide(scenario[index])
        for field, value in alone.to_dict().items():
            np.testing.assert_allclose(getattr(whole, field)[index], value, rtol=1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_exported_without_pickles_it_decides_the_same(
    name: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = export(runs[name], tmp_path)
    assert folder == tmp_path / RUNS[name][0]
    assert {path.name for path in folder.iterdir()} == {"config.json", "policy.npz"}
    with np.load(folder / "policy.npz", allow_pickle=False) as archive:
        assert all(array.dtype != object for array in archive.values())
        if name.split()[0] in OFF_POLICY_AGENTS:  # what decides, and nothing else
            assert not any("critic" in entry or "target" in entry for entry in archive)
    task = Task(preset="tiny-4x2")
    content = json.loads((folder / "config.json").read_text())
    agent = LearnedAgent.from_run(runs[name], task)
    assert content["policy"]["mean_scr"] == mean_scr(agent, task, INSTANCES)
    assert content["policy"]["instances"] == INSTANCES
    scenario = sample_scenario(task.config, np.random.default_rng(0), (20,))
    ours, exported = (
        LearnedAgent.from_run(path, task).decide(scenario)
        for path in (runs[name], folder)
    )
    for field, value in ours.to_dict().items():
        np.testing.assert_array_equal(getattr(exported, field), value)


def test_an_export_replaces_no_policy_and_is_whole_or_not_there(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = next(iter(runs.values()))
    with pytest.raises(ValueError, match="takes no hyperparameter"):
        export(run, tmp_path, {"nothing_of_it": 3})
    with monkeypatch.context() as patch:
        patch.setattr("agents.export.mean_scr", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(run, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
    folder = export(run, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=r"is there and is not replaced.*--output"):
        export(run, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", pretrained_names())
def test_pretrained_policies_reach_what_they_reached(name: str) -> None:
    """Fails where a change of the environment breaks them; then export them anew."""
    config = run_config(name)
    assert config is not None
    folder = PRETRAINED / name.removesuffix(":pretrained")
    recorded = json.loads((folder / "config.json").read_text())["policy"]
    task = make_task(config.env_id, **config.env_kwargs)
    reached = mean_scr(make_agent(name, task), task, INSTANCES)
    assert reached == pytest.approx(recorded["mean_scr"], rel=1e-3)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_pretrained_policies_beat_the_rules() -> None:
    task = Task()
    scenario = sample_scenario(task.config, np.random.default_rng(0), (50,))
    means = {
        name: evaluate(scenario, make_agent(name, task).decide(scenario)).scr.mean()
        for name in ("apg:pretrained", "ppo:pretrained", "gucaa")
    }
    for name in ("apg:pretrained", "ppo:pretrained"):
        assert means[name] > 1.15 * means["gucaa"]
        assert name in agent_names()
    with pytest.raises(ValueError, match="no pretrained agent 'a:pretrained'; with"):
        make_agent("a:pretrained")


def test_loading_a_policy_imports_no_trainer() -> None:
    code = (
        f"import sys, agents; [agents.make_agent(n) for n in {pretrained_names()}]; "
        "print([m for m in sys.modules if m.startswith('agents.training')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PRETRAINED.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
