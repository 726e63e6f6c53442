"""Trained policies as agents, on the size they were trained for and on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import agent_names, make_agent
from agents.export import INSTANCES, export, mean_scr
from agents.learned import LearnedAgent
from agents.registry import PRETRAINED, pretrained_names, run_config
from agents.training.runs import TrainingConfig
from agents.training.trainer import Trainer
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
SMALL["ppo set"] = SMALL["ppo"] | {"policy_kwargs": {"network": NETWORK}}
RUNS = {"apg": ("apg", "set"), "ppo": ("ppo", "mlp"), "ppo set": ("ppo", "set")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run of each agent on tiny-4x2."""
    folders = {}
    for name, (agent, policy) in RUNS.items():
        config = TrainingConfig(
            agent=agent,
            env_id="MecLlm-v0",
            env_kwargs={"preset": "tiny-4x2"},
            policy=policy,
            timesteps=64,
            n_envs=8,
            seed=0,
            eval_freq=64,
            checkpoint_freq=64,
            hyperparameters=SMALL[name],
        )
        trainer = Trainer.begin(config, tmp_path_factory.mktemp(agent))
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


@pytest.mark.parametrize("name", RUNS)
def test_exported_without_pickles_it_decides_the_same(
    name: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = export(runs[name], tmp_path)
    assert folder == tmp_path / RUNS[name][0]
    assert {path.name for path in folder.iterdir()} == {"config.json", "policy.npz"}
    with np.load(folder / "policy.npz", allow_pickle=False) as archive:
        assert all(array.dtype != object for array in archive.values())
    task = Task(preset="tiny-4x2")
    content = json.loads((folder / "config.json").read_text())
    assert content["policy"]["mean_scr"] == mean_scr(runs[name], task)
    assert content["policy"]["instances"] == INSTANCES
    scenario = sample_scenario(task.config, np.random.default_rng(0), (20,))
    ours, exported = (
        LearnedAgent.from_run(path, task).decide(scenario)
        for path in (runs[name], folder)
    )
    for field, value in ours.to_dict().items():
        np.testing.assert_array_equal(getattr(exported, field), value)


@pytest.mark.parametrize("name", pretrained_names())
def test_pretrained_policies_reach_what_they_reached(name: str) -> None:
    """Fails where a change of the environment breaks them; then export them anew."""
    config = run_config(name)
    assert config is not None
    folder = PRETRAINED / config.agent
    recorded = json.loads((folder / "config.json").read_text())["policy"]
    assert mean_scr(name, Task(**config.env_kwargs)) == pytest.approx(
        recorded["mean_scr"], rel=1e-3
    )
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
