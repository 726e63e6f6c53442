"""Files of training runs, comparisons and searches."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from agents import export
from agents.learned import LearnedAgent
from agents.problems.instances import held_out_instances
from agents.problems.tasks import make_task
from agents.run.folder import load_config, read_content
from agents.storage.folders import LOCK
from agents.training import start
from experiments.comparison.plan import Entry
from experiments.comparison.runs import Run
from experiments.learning_curves import evaluations
from tests.agents.training.small_runs import config
from tests.faults.kinds import Kind, digest

Made = tuple[Path, Callable[[], Any]]
Make = Callable[[Path, ExitStack], Made]


def _trained(agent: str, folder: Path, stack: ExitStack, **changes: Any) -> Path:
    """Returns a finished run whose checkpoints this user has signed."""
    home = {"XDG_CONFIG_HOME": os.fspath(folder / "home")}
    stack.enter_context(mock.patch.dict(os.environ, home))
    trainer = start.begin(config(agent, **changes), folder)
    with contextlib.redirect_stdout(None):
        assert trainer.train(bar=False)
    return trainer.run


def deciding(agent: str, name: str, **changes: Any) -> Make:
    """A file that `evaluate.py` reads of a run."""

    def make(folder: Path, stack: ExitStack) -> Made:
        run = _trained(agent, folder, stack, **changes)
        if name == "policy.npz":
            run = export.export(run, folder / "exported")
        task = make_task("MecLlm-v0", preset="tiny-4x2")
        scenario = held_out_instances(task.config, 2)

        def read() -> list[Any]:
            agent = LearnedAgent.from_run(run, task)
            return [
                digest(agent.decide(scenario).to_dict()),
                read_content(run)["config"],
            ]

        return run / name, read

    return make


def pickled_model(folder: Path, stack: ExitStack) -> Made:
    """A model of Stable-Baselines3, which `agents.export --trust` reads."""
    run = _trained("ppo", folder, stack)
    (run / "best_policy.npz").unlink(missing_ok=True)
    names = ("best_model.zip", "model.zip")
    path = next(run / name for name in names if (run / name).is_file())

    def read() -> str:
        out = folder / "exported"
        shutil.rmtree(out, ignore_errors=True)
        written = export.export(run, out, trust=True)
        with np.load(written / "policy.npz") as archive:
            arrays = {k: v for k, v in archive.items() if k != "sha256"}
        return digest(arrays)

    return path, read


def resuming(agent: str, name: str, *, trust: bool = False, **changes: Any) -> Make:
    """A file of a run that `train.py --resume` reads."""

    def make(folder: Path, stack: ExitStack) -> Made:
        run = _trained(agent, folder, stack, **changes)
        if name.startswith("tensorboard"):
            (path,) = (run / "tensorboard").iterdir()
        elif "/" in name:
            path = max((run / "checkpoints").iterdir()) / name.partition("/")[2]
        else:
            path = run / name
        kept = folder / "kept"
        shutil.copytree(run, kept, symlinks=True)

        def read() -> list[Any]:
            trainer = start.resume(run, 999, trust=trust)
            trainer.lock.release()
            state = trainer._resumed
            assert state is not None
            values = {
                k: v.numpy() for k, v in trainer.model.policy.state_dict().items()
            }
            said = [trainer.resumed_at, digest(values), repr(state.validation)]
            said += [_sizes(run), load_config(run).to_dict()]
            for file in kept.rglob("*"):  # as it was before it was resumed
                if file.is_file() and file.name != LOCK:
                    shutil.copy(file, run / file.relative_to(kept))
            return said

        return path, read

    return make


def _sizes(run: Path) -> dict[str, int]:
    files = (*run.glob("monitor.csv"), *run.glob("tensorboard/*"))
    return {path.name: path.stat().st_size for path in files}


def evaluations_npz(folder: Path, stack: ExitStack) -> Made:
    run = _trained("apg", folder, stack)
    path = run / "evaluations.npz"

    def read() -> list[str]:
        entry = mock.Mock(spec=Entry, config=load_config(run), label="apg")
        seed = load_config(run).seed
        compared = Run(entry=entry, seed=seed, parent=run.parents[1]).evaluations()
        assert compared is not None
        return [digest(evaluations(os.fspath(run))), digest(compared)]

    return path, read


def solved_npz(folder: Path, stack: ExitStack) -> Made:
    """An instance that `benchmarks/make_bank.py` has solved."""
    from agents.work import HERE
    from benchmarks import make_bank

    def solve(preset: str, gap: float, limit: float | None, seed: int) -> Any:
        return "solved", {"bound": np.float64(seed), "scr": np.arange(3.0)}

    stack.enter_context(mock.patch.object(make_bank, "solve", solve))
    stack.enter_context(mock.patch("builtins.print"))

    def read() -> str:
        (path,) = make_bank.make_instances("tiny-4x2", 1, folder, HERE)
        return digest(make_bank.solved_arrays(path))

    read()
    (path,) = folder.rglob("*.npz")
    return path, read


def study_log(folder: Path, stack: ExitStack) -> Made:
    """A search of hyperparameters, as Optuna keeps it."""
    import optuna

    from experiments import tune

    path = folder / "study.log"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = tune.open_study(path, config("ppo"))
    for value in (0.25, 0.5):
        trial = study.ask()
        trial.suggest_float("gamma", 0.0, 1.0)
        study.tell(trial, value)

    def read() -> str:
        found = tune.open_study(path, config("ppo"))
        return json.dumps([[t.params, t.values] for t in found.trials])

    return path, read


def signing_key(folder: Path, stack: ExitStack) -> Made:
    run = _trained("apg", folder, stack)

    def read() -> int:
        trainer = start.resume(run, 999)
        trainer.lock.release()
        return trainer.resumed_at

    return folder / "home" / "mec-llm-env" / "key", read


RUNS = [
    Kind("config.json", deciding("ppo", "config.json")),
    Kind("best_policy.npz", deciding("ppo", "best_policy.npz")),
    Kind("best_model.npz", deciding("apg", "best_model.npz")),
    Kind("policy.npz", deciding("apg", "policy.npz")),
    Kind("model.zip with --trust", pickled_model),
    Kind("config.json in resuming", resuming("ppo", "config.json")),
    Kind("checkpoint.json", resuming("apg", "checkpoints/checkpoint.json")),
    Kind(
        "checkpoint.json with --trust",
        resuming("apg", "checkpoints/checkpoint.json", trust=True),
    ),
    Kind("state.pkl", resuming("ppo", "checkpoints/state.pkl", trust=True)),
    Kind("model.zip", resuming("ppo", "checkpoints/model.zip", trust=True)),
    Kind("model.npz", resuming("apg", "checkpoints/model.npz", trust=True)),
    Kind("replay_buffer.pkl", resuming("sac", "checkpoints/replay_buffer.pkl")),
    Kind("monitor.csv", resuming("ppo", "monitor.csv")),
    Kind("event file", resuming("ppo", "tensorboard")),
    Kind("evaluations.npz", evaluations_npz),
    Kind("solved instance", solved_npz, is_cache=True),
    Kind("study.log", study_log, unsigned=True),
    Kind("signing key", signing_key, "not written by you"),
]
