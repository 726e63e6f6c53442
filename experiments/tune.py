"""Searches hyperparameters: `python -m experiments.tune --agent a2c --trials 20`.

A trial trains as `train.py` does, with settings of `experiments.search_spaces` in place
of those of `hyperparams/<agent>.yml`, and its objective is the mean share of the
certified bound at its last evaluation, on the 100 validation scenarios; test scenarios
are not used. Trials below the median of the earlier ones are pruned. The first trial
has the settings of that file. After an interrupt the same command continues the study.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import io
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while libraries load


import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from agents.algorithms import ALGORITHMS
from agents.console.command_line import OneLineParser, one_line_errors, positive_integer
from agents.console.terminal import run_script
from agents.run.config import TrainingConfig
from agents.training import start
from agents.training.settings import add_training_options, config_from_options
from agents.training.validation import Validation
from agents.work import Workers
from experiments.search_spaces import SPACES, as_parameters, suggest, with_changes

TRIALS = 20
SEED = 900  # unless it is told; not one of the first, which are compared
_NOT_SEARCHED = (  # settings that are as `train.py` has them
    *("env_id", "eval_freq", "checkpoint_freq", "solver", "scenarios", "engine"),
    *("num_env_runners", "reward", "surplus_ratio", "surplus_cost"),
)
_MOST = 1_000_000  # trials
_RANDOM = 5  # random trials, before the sampler has a model and before pruning
# What Optuna makes of a journal that is damaged, or something else.
_DAMAGED = (ValueError, LookupError, TypeError, AssertionError, AttributeError)
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Searches; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with one_line_errors(parser.prog):
        if options.trials > _MOST:
            raise ValueError(
                f"--trials must be at most {_MOST:,}; got {options.trials:,}."
            )
        config = config_from_options(options)
        default = f"results/tuning/{config.agent}_{config.policy}.log"
        study = open_study(Path(options.study or default), config)
    print(f"Study in {options.study or default}: {_describe(study)}", flush=True)
    left = options.trials - len(study.get_trials(states=_DONE))
    path = Path(options.study or default)
    try:
        if options.jobs == 1 and left > 0:
            study.optimize(
                lambda trial: run_trial(trial, config), left, callbacks=[_print_trial]
            )
        elif left > 0:
            one = functools.partial(run_apart, path, config)
            for _, line in Workers(jobs=options.jobs).completed(one, range(left)):
                print(line, flush=True)
    except KeyboardInterrupt:
        print("Interrupted. The same command continues the study.")
        return 130
    print(f"{_describe(study)}\n{best_entry(study, config)}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = OneLineParser(
        prog="experiments.tune",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_training_options(parser, _NOT_SEARCHED, seed=str(SEED))
    add = parser.add_argument
    add("--trials", type=positive_integer, default=TRIALS, help="in all (%(default)s)")
    add("--jobs", type=positive_integer, default=1, help="at once (%(default)s)")
    add("--study", metavar="FILE", help="(results/tuning/<agent>_<policy>.log)")
    parser.set_defaults(seed=SEED)
    return parser


def open_study(path: Path, config: TrainingConfig) -> optuna.Study:
    """Opens the study of a file, or begins one.

    Raises:
        ValueError: the file holds a study of something else.
        OSError: the file cannot be written.
    """
    about = json.loads(json.dumps(config.to_dict() | {"space": repr(space_of(config))}))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            study_name=config.agent,
            storage=JournalStorage(JournalFileBackend(os.fspath(path))),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(_RANDOM, n_warmup_steps=5),
        )
        found = study.user_attrs.setdefault("about", about)
        if found == about and not study.trials:
            study.set_user_attr("about", about)
            begin = config.hyperparameters | {"n_envs": config.n_envs}
            study.enqueue_trial(as_parameters(begin, space_of(config)))
    except _DAMAGED as error:
        raise ValueError(
            f"{os.fspath(path)!r} is no study of this script: "
            f"{type(error).__name__}: {error}. Give another --study."
        ) from None
    if found != about:
        differing = next(k for k in about if found.get(k) != about[k])
        raise ValueError(
            f"{os.fspath(path)!r} is a study of another {differing!r}: "
            f"{found.get(differing)!r} instead of {about[differing]!r}. Give another "
            "--study."
        )
    # Another seed, else a resumed study would repeat its random trials.
    seed = config.seed + len(study.trials)
    study.sampler = _sampler(seed)
    return study


def _sampler(seed: int, *, apart: bool = False) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(
        n_startup_trials=_RANDOM, multivariate=True, seed=seed, constant_liar=apart
    )


def run_apart(path: Path, config: TrainingConfig, number: int) -> str:
    """Runs a trial of a study in a worker process; returns a line about it.

    Trials that are at work elsewhere count as bad ones, so that no two are alike. What
    is suggested then depends on which trials have ended: a study of several processes
    does not repeat itself.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(path, config)
    study.sampler = _sampler(config.seed + len(study.trials) + number, apart=True)
    ended: list[str] = []
    study.optimize(
        lambda trial: run_trial(trial, config),
        1,
        callbacks=[lambda _, trial: ended.append(_line_of(trial))],
    )
    return ended[0]


def space_of(config: TrainingConfig) -> dict[str, Any]:
    """Returns what is searched.

    Raises:
        ValueError: there is no search space for the algorithm.
    """
    if config.agent not in SPACES:
        raise ValueError(
            f"experiments/search_spaces.py has no entry for {config.agent!r}; add one."
        )
    return SPACES[config.agent]


def run_trial(trial: optuna.Trial, config: TrainingConfig) -> float:
    """Trains with the settings of a trial, in a temporary folder.

    Returns:
        The mean share of the bound at the last evaluation.

    Raises:
        optuna.TrialPruned: the trial is worse than those before it, or its policy has
            become NaN.
        KeyboardInterrupt: Ctrl-C.
    """
    tried = trial_config(config, suggest(trial, space_of(config)))
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        trainer = start.begin(tried, folder)
        reporting = ReportingValidation(trainer.validation, trial, tried.eval_freq)
        trainer.validation = reporting
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                complete = trainer.train(bar=False)
        except ValueError as error:  # of PyTorch's distributions, and the decoder's
            raise optuna.TrialPruned(f"The policy diverged: {error}") from error
    if not complete:
        raise KeyboardInterrupt
    return reporting.last


def trial_config(config: TrainingConfig, changes: dict[str, Any]) -> TrainingConfig:
    """Returns the configuration of a training with some settings changed."""
    settings = with_changes(config.hyperparameters, changes)
    n_envs = settings.pop("n_envs", config.n_envs)
    return dataclasses.replace(
        config,
        n_envs=n_envs,
        hyperparameters=settings,
        checkpoint_freq=config.timesteps,  # only the last: trials are not resumed
    )


class ReportingValidation(Validation):
    """Reports every evaluation to a trial, which may be pruned."""

    def __init__(
        self, validation: Validation, trial: optuna.Trial, eval_freq: int
    ) -> None:
        super().__init__(validation.task)
        if self.bound is None:
            raise ValueError(
                "The validation scenarios are too large to be bounded; choose a "
                "smaller --preset."
            )
        self.last = float("nan")
        self._trial, self._eval_freq = trial, eval_freq

    def measure(self, model: Any, training_s: float) -> dict[str, float]:
        """Evaluates as `Validation` does.

        Raises:
            optuna.TrialPruned: the trial is worse than those before it.
        """
        figures = super().measure(model, training_s)
        self.last = figures["optimality"]
        # Steps are evaluations, as rollouts of trials have different lengths.
        self._trial.report(self.last, round(model.num_timesteps / self._eval_freq))
        if self._trial.should_prune():
            raise optuna.TrialPruned
        return figures


def best_entry(study: optuna.Study, config: TrainingConfig) -> str:
    """Returns the best trial's settings as an entry of `hyperparams/<agent>.yml`."""
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return "No trial has been completed."
    changes = suggest(optuna.trial.FixedTrial(study.best_params), space_of(config))
    tried = trial_config(config, changes)
    names = ALGORITHMS[config.agent].policies
    own = config.policy != next(iter(names))
    entry = {
        "n_envs": tried.n_envs,
        "n_timesteps": tried.timesteps,
        "policy": config.policy if own else names[config.policy],
        **tried.hyperparameters,
    }
    key = f"{config.env_id}:{config.policy}" if own else config.env_id
    text = yaml.safe_dump({key: entry}, sort_keys=False, width=10_000)
    return f"# {study.best_value:.4f} of the bound on the validation scenarios\n{text}"


def _print_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    print(_line_of(trial), flush=True)


def _line_of(trial: optuna.trial.FrozenTrial) -> str:
    seen = max(trial.intermediate_values.items(), default=(0, float("nan")))
    text = ", ".join(f"{k}={v:.3g}" for k, v in trial.params.items())
    return (
        f"{trial.number:>4} {trial.state.name.lower():<9} {seen[1]:.4f} after "
        f"{seen[0]:>2} evaluations: {text}"
    )


def _describe(study: optuna.Study) -> str:
    counts = {
        state.name.lower(): len(study.get_trials(states=(state,))) for state in _DONE
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items()) + " trials"


if __name__ == "__main__":
    raise SystemExit(run_script(main, "experiments.tune"))
