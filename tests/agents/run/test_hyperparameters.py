"""Hyperparameter files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from torch import nn

from agents.algorithms import ALGORITHMS
from agents.run.config import WarmStart
from agents.run.hyperparameters import (
    FOLDER,
    RUN_KEYS,
    as_arguments,
    check_arguments,
    describe_hyperparameters,
    load_hyperparameters,
)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_settings_that_it_takes(name: str) -> None:
    settings = load_hyperparameters(name, "MecLlm-v0")
    assert settings["n_timesteps"] > 0
    assert settings["policy"] in ALGORITHMS[name].policies.values()
    own = {k: v for k, v in settings.items() if k not in RUN_KEYS}
    check_arguments(ALGORITHMS[name].load_class(), as_arguments(own))


def test_a_policy_may_have_settings_of_its_own() -> None:
    plain, of_set = (
        load_hyperparameters("ppo", "MecLlm-v0", p) for p in ("mlp", "set")
    )
    assert (plain["policy"], of_set["policy"]) == ("MlpPolicy", "set")
    assert load_hyperparameters("ppo", "MecLlm-v0") == plain


def test_an_action_encoding_may_have_settings_of_its_own() -> None:
    def load(policy: str | None, encoding: str | None) -> dict[str, Any]:
        return load_hyperparameters("ppo", "MecLlm-v0", policy, encoding)

    assert load(None, "association")["policy"] == "mlp"
    assert load("set", "association")["policy"] == "set"
    assert load("set", "association") != load("set", None)
    assert load("mlp", "association") == load(None, "association")
    assert load("set", "multi_discrete") == load("set", None)
    for policy in ALGORITHMS["ppo"].association_policies:
        settings = load(policy, "association")
        own = {k: v for k, v in settings.items() if k not in RUN_KEYS}
        check_arguments(PPO, as_arguments(own))


def test_a_warm_start_changes_some_settings() -> None:
    plain, warm = (
        load_hyperparameters("ppo", "MecLlm-v0", warm=warm) for warm in (False, True)
    )
    assert "warm_start" not in plain
    WarmStart(solver="dual", scenarios=8, **warm.pop("warm_start"))
    assert set(warm) == set(plain)
    assert warm["n_epochs"] == plain["n_epochs"]
    assert warm["learning_rate"] != plain["learning_rate"]
    for_set = load_hyperparameters("ppo", "MecLlm-v0", "set", warm=True)
    assert for_set["policy"] == "set"


def test_every_file_has_an_algorithm() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} == set(ALGORITHMS)
    described = describe_hyperparameters().splitlines()
    assert [line.split()[0] for line in described] == sorted(ALGORITHMS)
    ppo = load_hyperparameters("ppo", "MecLlm-v0")
    line = next(line for line in described if line.split()[0] == "ppo")
    assert f" {ppo['n_timesteps']} decisions" in line
    assert "association set" in line
    assert "warm" in line


def test_notations_of_rl_zoo3() -> None:
    arguments = as_arguments(
        {
            "learning_rate": "lin_4e-3",
            "n_epochs": 3,
            "policy_kwargs": "dict(net_arch=[8], activation_fn=nn.ReLU)",
            "train_freq": [2, "step"],
        }
    )
    assert arguments["learning_rate"](0.25) == pytest.approx(1e-3)
    assert arguments["n_epochs"] == 3
    assert arguments["train_freq"] == (2, "step")
    assert arguments["policy_kwargs"] == {"net_arch": [8], "activation_fn": nn.ReLU}


def test_noise_of_actions() -> None:
    settings = {"noise_type": "normal", "noise_std": 0.5}
    noise = as_arguments(settings, Box(-1, 1, (20_000,)))["action_noise"]
    np.random.seed(0)
    assert np.std(noise()) == pytest.approx(0.5, rel=0.05)
    assert as_arguments(settings) == {"action_noise": None}
    with pytest.raises(ValueError, match="`noise_type` must be one of normal, ornst"):
        as_arguments({"noise_type": "white", "noise_std": 0.5})
    with pytest.raises(ValueError, match="`noise_std` must be a number ≥ 0; got '1'"):
        as_arguments({"noise_type": "normal", "noise_std": "1"})
    with pytest.raises(ValueError, match="`action_noise` is given by `noise_type`"):
        as_arguments({"action_noise": 0.5})


def test_bad_notations() -> None:
    with pytest.raises(ValueError, match="`learning_rate` must be a number or lin_"):
        as_arguments({"learning_rate": "lin_fast"})
    with pytest.raises(ValueError, match=r"`policy_kwargs` cannot be read.*open"):
        as_arguments({"policy_kwargs": "open('file')"})
    with pytest.raises(ValueError, match="must be a dict"):
        as_arguments({"policy_kwargs": "3"})


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"'n_epoch'. Did you mean 'n_epochs'"):
        check_arguments(PPO, {"n_epoch": 3})
    with pytest.raises(ValueError, match="no hyperparameter 'use_sde'"):
        check_arguments(PPO, {"use_sde": True})
    with pytest.raises(ValueError, match="no entry 'Other-v0', only 'MecLlm-v0'"):
        load_hyperparameters("ppo", "Other-v0")
