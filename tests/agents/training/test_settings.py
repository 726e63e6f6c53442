"""`--engine`: what trains, and what does not go with it."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest

import train
from agents.evaluation.selection import run_label
from agents.run.config import TrainingConfig, WarmStart
from agents.run.setting import settings_of

PPO = TrainingConfig(
    agent="ppo",
    env_id="MecLlm-v0",
    env_kwargs={"preset": "tiny-4x2"},
    timesteps=10,
    n_envs=4,
    seed=0,
    eval_freq=5,
    checkpoint_freq=5,
)


def test_the_documentation_has_every_setting_as_it_is_stated():
    text = (Path(train.__file__).parent / "docs" / "training.md").read_text()
    stated = {**settings_of(TrainingConfig), **settings_of(WarmStart)}
    options = train.build_parser()._option_string_actions
    rows = []
    for name, about in stated.items():
        field = f"warm_start.{name}" if name in settings_of(WarmStart) else name
        option = about.option or f"--{name.replace('_', '-')}"
        option = f"`{option}`" if option in options else ""
        rows.append(f"| `{field}` | {option} | {about.help} | {about.left_out} |")
    table = text.partition("| in `config.json` | option")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows
    described = {row.split("`")[3] for row in rows if row.count("`") > 3}
    more = ["--preset", "--config", "--override", "--action-encoding", "--reward"]
    more += ["--surplus-ratio", "--surplus-cost", "--output", "--resume", "--trust"]
    more += ["--dry-run", "--progress", "--no-progress", "--ray-address"]
    hidden = {"-h", "--help", "--stop-with-parent"}
    assert set(options) - hidden == described | set(more)


@pytest.mark.parametrize("kind", [TrainingConfig, WarmStart])
@pytest.mark.parametrize("value", [None, "3", True, [1], float("nan"), -30, 10**13])
def test_every_number_is_checked(kind, value):
    own = {"solver": "dual", "scenarios": 8} if kind is WarmStart else PPO.to_dict()
    for name, about in settings_of(kind).items():
        if about.least is not None:
            with pytest.raises(ValueError, match=rf"`(warm_start\.)?{name}` must"):
                kind(**{**own, name: value})


def error_of(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        train.main([*words, "--dry-run"])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a2c", "--engine", "rllib"), "'rllib' does not train a2c, only ppo"),
        (("ppo", "--engine", "rlib"), "'rlib' does not train ppo, only nothing"),
        (("ppo", "--num-env-runners", "2"), "--num-env-runners needs --engine rllib"),
        (("ppo", "--ray-address", "a:1"), "--ray-address needs --engine rllib"),
        (("ppo", "--engine", "rllib", "--warm-start", "dual"), "leave --warm-start"),
        (
            *(("ppo", "--engine", "rllib", "--num-env-runners", "999"),),
            "`num_env_runners` must be at most 256",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(capsys, words, text):
    assert text in error_of(capsys, "--agent", *words)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_the_remedy_is_told(capsys):
    line = error_of(capsys, "--agent", "ppo", "--engine", "rllib")
    assert line.endswith("which is not installed: pip install '.[rllib]'.")


def test_an_engine_is_kept_and_the_own_one_is_not_written():
    far = dataclasses.replace(PPO, engine="rllib", num_env_runners=2)
    written = json.loads(json.dumps(far.to_dict()))
    assert TrainingConfig.from_dict(written) == far
    assert "engine" not in PPO.to_dict()
    assert TrainingConfig.from_dict(PPO.to_dict()) == PPO
    assert (run_label(PPO), run_label(far)) == ("ppo", "ppo rllib")


@pytest.mark.parametrize(
    "wrong",
    [{"engine": 3}, {"engine": "rllib", "num_env_runners": -1}, {"num_env_runners": 1}],
)
def test_a_damaged_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match=r"engine|num_env_runners"):
        TrainingConfig.from_dict(PPO.to_dict() | wrong)
