"""The search for hyperparameters, and what it searches."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import yaml

from agents.algorithms import ALGORITHMS
from agents.run.config import TrainingConfig
from agents.run.hyperparameters import (
    RUN_KEYS,
    as_arguments,
    check_arguments,
    load_hyperparameters,
)
from experiments import tune
from experiments.search_spaces import (
    SPACES,
    Range,
    as_parameters,
    as_text,
    suggest,
    with_changes,
)

WORDS = [
    *("--agent", "a2c", "--preset", "tiny-4x2", "--n-envs", "8", "--timesteps", "128"),
    *("--hyperparameter", 'policy_kwargs={"net_arch": [8]}'),
]


def config() -> TrainingConfig:
    options = tune.build_parser().parse_args(WORDS)
    return tune.config_from_options(options)


@pytest.mark.parametrize("agent", ALGORITHMS)
def test_every_algorithm_takes_what_is_searched(agent: str) -> None:
    settings = load_hyperparameters(agent, "MecLlm-v0")
    lowest = {
        name: values.low if isinstance(values, Range) else values[0]
        for name, values in SPACES[agent].items()
    }
    changes = suggest(optuna.trial.FixedTrial(lowest), SPACES[agent])
    assert list(changes) == list(SPACES[agent])
    changed = with_changes(settings, changes)
    own = {k: v for k, v in changed.items() if k not in RUN_KEYS}
    check_arguments(ALGORITHMS[agent].load_class(), as_arguments(own))
    assert as_parameters(changed, SPACES[agent]) == pytest.approx(lowest)


@pytest.mark.parametrize("agent", ALGORITHMS)
def test_a_search_begins_with_what_is_in_use(agent: str) -> None:
    settings = load_hyperparameters(agent, "MecLlm-v0")
    known = as_parameters(settings, SPACES[agent])
    assert known["learning_rate"] == float(settings["learning_rate"][4:])
    space = {name: SPACES[agent][name] for name in known}
    again = with_changes(settings, suggest(optuna.trial.FixedTrial(known), space))
    kwargs, same = (as_arguments(s)["policy_kwargs"] for s in (settings, again))
    assert kwargs == same


def test_settings_are_written_as_rl_zoo3_reads_them() -> None:
    settings = {"policy_kwargs": "dict(net_arch=dict(pi=[8]), activation_fn=nn.ReLU)"}
    changes = {"n_steps": 4, "policy_kwargs.log_std_init": -0.5}
    assert with_changes(settings, changes) == {
        "n_steps": 4,
        "policy_kwargs": "dict(net_arch=dict(pi=[8]), activation_fn=nn.ReLU, "
        "log_std_init=-0.5)",
    }
    assert as_text({"a": {"b": [1, "c"]}}) == "dict(a=dict(b=[1, 'c']))"


def test_searched_interrupted_and_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--study", str(tmp_path / "study.log")]
    assert tune.main([*words, "--trials", "1"]) == 0
    assert "1 complete, 0 pruned trials" in capsys.readouterr().out
    assert tune.main([*words, "--trials", "3"]) == 0
    printed = capsys.readouterr().out
    assert printed.count(" complete  ") == 2  # trials
    assert "3 complete, 0 pruned trials" in printed

    study = tune.open_study(tmp_path / "study.log", config())
    values = [trial.value for trial in study.trials]
    assert len({str(trial.params) for trial in study.trials}) == 3
    assert all(0.1 < value < 1 for value in values if value is not None)
    in_use = load_hyperparameters("a2c", "MecLlm-v0")
    assert study.trials[0].params["n_steps"] == in_use["n_steps"]

    entry = yaml.safe_load(printed[printed.index("MecLlm-v0:") :])["MecLlm-v0"]
    best = study.best_params
    assert entry["n_steps"] == best["n_steps"]
    assert entry["learning_rate"] == f"lin_{best['learning_rate']:.3g}"
    assert (entry["n_envs"], entry["n_timesteps"]) == (8, 128)
    assert entry["policy"] == "MlpPolicy"
    assert as_arguments(entry)["policy_kwargs"]["net_arch"] == [8]
    assert [path.name for path in tmp_path.iterdir()] == ["study.log"]


def test_another_search_does_not_go_on_in_the_same_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune.open_study(tmp_path / "study.log", config())
    words = [*WORDS, "--study", str(tmp_path / "study.log"), "--seed", "1"]
    with pytest.raises(SystemExit):
        tune.main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a study of another 'seed': 900 instead of 1" in line


def test_a_file_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("What I know:\nlittle\n")
    with pytest.raises(SystemExit):
        tune.main([*WORDS, "--study", str(path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "notes.txt' is no study of this script" in line
    assert path.read_text() == "What I know:\nlittle\n"


def test_a_trial_is_pruned_at_an_evaluation() -> None:
    # No policy reaches twice its bound.
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(lower=2.0))
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned):
        tune.run_trial(trial, config())
    seen = study.trials[0].intermediate_values
    assert list(seen) == [0]
    assert 0.1 < seen[0] < 1
