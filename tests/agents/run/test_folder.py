"""Run folders."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from agents.run.config import TrainingConfig
from agents.run.folder import create_run, extend_run, is_run, load_config
from agents.storage.folders import LOCK

CONFIG = TrainingConfig(
    agent="ppo",
    env_id="MecLlm-v0",
    env_kwargs={"preset": "tiny-4x2"},
    timesteps=100,
    n_envs=4,
    seed=3,
    eval_freq=10,
    checkpoint_freq=10,
    hyperparameters={"n_steps": 2},
)


def test_runs_are_numbered_and_latest_points_to_the_newest(tmp_path: Path) -> None:
    first, second = create_run(tmp_path, CONFIG), create_run(tmp_path, CONFIG)
    assert first == tmp_path / "ppo" / "MecLlm-v0_1"
    assert second == tmp_path / "ppo" / "MecLlm-v0_2"
    assert (tmp_path / "ppo" / "latest").resolve() == second.resolve()
    assert {path.name for path in first.parent.iterdir()} == {
        *("MecLlm-v0_1", "MecLlm-v0_2", "latest", LOCK)
    }


def test_the_configuration_is_kept(tmp_path: Path) -> None:
    run = create_run(tmp_path, CONFIG)
    assert is_run(run)
    assert not is_run(tmp_path)
    assert load_config(run) == CONFIG
    content = json.loads((run / "config.json").read_text())
    assert {"command", "git", "versions", "python"} <= set(content)
    longer = dataclasses.replace(CONFIG, timesteps=200)
    extend_run(run, longer)
    assert load_config(run) == longer
    assert json.loads((run / "config.json").read_text())["git"] == content["git"]


def test_a_changed_configuration_is_noticed(tmp_path: Path) -> None:
    run = create_run(tmp_path, CONFIG)
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"seed": 3', '"seed": 4'))
    with pytest.raises(ValueError, match=r"config.json' cannot be read: it is not as"):
        load_config(run)
    with pytest.raises(ValueError, match="it is not as it was written"):
        extend_run(run, CONFIG)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "cannot be read"),
        ("[]", "its format is not"),
        ('{"format": "other"}', "its format is not"),
        ('{"format": "mec-llm-env run 1"}', "cannot be read: 'config'"),
        (
            '{"format": "mec-llm-env run 1", "config": {"agent": "ppo"}}',
            "must have the",
        ),
    ],
)
def test_damaged_configurations(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=error):
        load_config(tmp_path)


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not a run folder: it has no config.json"):
        load_config(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seed": 1000}, "`seed` must lie in 0 … 999"),
        ({"seed": -1}, "`seed` must lie in"),
        ({"n_envs": 10_001}, "`n_envs` must lie in 1 … 10000, so that the runs"),
        ({"timesteps": 0}, "`timesteps` must be an integer of at least 1; got 0"),
    ],
)
def test_bad_configurations(changes: dict[str, int], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]


def test_streams_of_runs_stay_apart() -> None:
    last = dataclasses.replace(CONFIG, seed=999)
    assert last.first_seed + 10_000 <= 10_000_000
    assert dataclasses.replace(CONFIG, seed=4).first_seed - CONFIG.first_seed == 10_000
