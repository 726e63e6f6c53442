"""Crashes short runs at their file operations and goes on with them.

    python -m tests.faults.crashes ppo FOLDER --first 0 --step 9
    python -m tests.faults.crashes sac FOLDER --kills 25

For every crash, in training and then in resuming, the run has to be there, to go on to
its end, and to equal the one that nothing has disturbed, bit for bit. With --kills it
is killed at random moments instead, again and again until it ends. What is wrong is
printed, a line each, and the last line counts the crashes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # as the first optimiser does, which would take seconds each time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.algorithms import ALGORITHMS
from agents.run.config import TrainingConfig, WarmStart
from agents.run.folder import is_run
from agents.storage.folders import LOCK
from agents.training import demonstrations, start
from tests.faults.injection import CRASHED, DONE, run_apart, run_killed

NETWORK = {"width": 4, "pair_layers": 1, "user_layers": 1, "pooled": 2}
ON_POLICY = {"n_steps": 4, "batch_size": 16, "n_epochs": 1}
EPISODES: dict[str, Any] = {
    "env_id": "MecLlmMobile-v0",
    "env_kwargs": {
        "preset": "mobile-10x2",
        "overrides": {"users": 3, "mobility.slots": 3},
        "reward": "slot",
        "action_encoding": "association",
    },
}
KINDS: dict[str, dict[str, Any]] = {
    "ppo": {"hyperparameters": ON_POLICY | {"policy_kwargs": {"net_arch": [4]}}},
    "sac": {
        "hyperparameters": {
            **{"learning_starts": 8, "batch_size": 4, "buffer_size": 32},
            "policy_kwargs": {"net_arch": [4]},
        }
    },
    "apg": {"policy": "set", "hyperparameters": {"policy_kwargs": NETWORK}},
    "warm": {
        "hyperparameters": ON_POLICY | {"policy_kwargs": {"net_arch": [4]}},
        "warm_start": WarmStart(
            solver="dual", scenarios=4, steps=2, critic_steps=1, batch_size=2
        ),
    },
    "mobile": {
        "hyperparameters": ON_POLICY | {"policy_kwargs": {"net_arch": [4]}},
        **EPISODES,
    },
    "mobile-warm": {
        "policy": "set",
        "hyperparameters": ON_POLICY | {"policy_kwargs": {"network": NETWORK}},
        "warm_start": WarmStart(
            solver="hysteresis", scenarios=8, steps=2, critic_steps=1, batch_size=2
        ),
        **EPISODES,
    },
}
#: At its last decision there is a checkpoint, and then an evaluation is due.
TIMESTEPS = {"apg": 40, "sac": 40}


def config(kind: str) -> TrainingConfig:
    """Returns a run of a few updates, evaluations and checkpoints."""
    return TrainingConfig(
        agent=kind if kind in ALGORITHMS else "ppo",
        **{"timesteps": TIMESTEPS.get(kind, 48), "n_envs": 4, "seed": 1},
        **{"eval_freq": 32, "checkpoint_freq": 20},
        **{"env_id": "MecLlm-v0", "env_kwargs": {"preset": "tiny-4x2"}} | KINDS[kind],
    )


def go_on(kind: str, output: Path) -> Callable[[], None]:
    """Returns what begins the run, or resumes it where there is one."""

    def action() -> None:
        torch.set_num_threads(1)
        demonstrations.CACHE, demonstrations.CHUNK = output / "cache", 2
        demonstrations.EPISODES = 2
        runs = [path for path in output.glob("*/MecLlm*_*") if path.is_dir()]
        assert all(is_run(path) for path in runs), "a run without config.json"
        assert len(runs) < 2
        try:
            run = start.resume(runs[0]) if runs else start.begin(config(kind), output)
        except ValueError as error:  # killed when all was there
            if "there is nothing left to do" in str(error):
                return
            raise
        with contextlib.redirect_stdout(io.StringIO()):
            assert run.train(bar=False)

    return action


def result(output: Path) -> dict[str, str]:
    """Returns digests of all that a run amounts to, but for times."""
    (run,) = output.glob("*/MecLlm*_*")
    digests: dict[str, str] = {}
    for path in sorted(run.rglob("*")):
        name = os.fspath(path.relative_to(run))
        if path.name.startswith(".") and path.name != LOCK:
            digests[name] = "hidden"
        elif name.endswith("monitor.csv"):
            rows = [line.split(",")[:2] for line in path.read_text().splitlines()[1:]]
            digests[name] = repr(rows)
        elif name.endswith(".npz"):
            with np.load(path) as archive:
                own = ("training_s", "sha256")  # the time, and so the sum of all
                arrays = {k: v for k, v in archive.items() if k not in own}
            digests[name] = _digest(arrays)
        elif name.endswith("model.zip"):
            with zipfile.ZipFile(path) as archive:
                digests[name] = _digest_tensors(archive)
    events = EventAccumulator(os.fspath(run / "tensorboard"))
    events.Reload()
    for tag in events.Tags()["scalars"]:
        if not tag.startswith("time/"):
            values = [(event.step, event.value) for event in events.Scalars(tag)]
            digests[tag] = repr(values)
    return digests


def _digest(arrays: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _digest_tensors(archive: Any) -> str:
    with archive.open("policy.pth") as file:
        state = torch.load(io.BytesIO(file.read()), weights_only=True)
    return _digest({name: tensor.numpy() for name, tensor in state.items()})


class Crashes:
    """Counts crashes, and what was wrong after them."""

    def __init__(self, kind: str, folder: Path, step: int) -> None:
        self.kind, self.folder, self.step = kind, folder, step
        self.count = 0
        torch.set_num_threads(1)
        trainer = start.build(config(kind))  # imports what is needed by all forks
        trainer.validation.measure(trainer.model, 0.0)
        self.wrong: list[str] = []
        whole = folder / "whole"
        whole.mkdir(parents=True)
        start_s = time.monotonic()
        assert run_apart(go_on(kind, whole), whole, None) == DONE
        self.seconds = time.monotonic() - start_s
        self.expected = result(whole)

    def in_all(self, first: int, begun: Path | None = None) -> None:
        """Crashes at every `step`-th operation from `first` until there is none."""
        at = first
        while self._crash(at, begun):
            at += self.step

    def _crash(self, at: int, begun: Path | None) -> bool:
        """Crashes at one operation; returns whether there was one."""
        output = self.folder / "crashed"
        shutil.rmtree(output, ignore_errors=True)
        if begun is None:
            output.mkdir()
        else:
            shutil.copytree(begun, output, symlinks=True)
        action = go_on(self.kind, output)
        status = run_apart(action, output, at)
        if status == CRASHED:
            self.count += 1
            self._check(f"operation {at}", run_apart(action, output, None), output)
            return True
        if status != DONE:
            self.wrong.append(f"operation {at}: failed without a crash")
        return False

    def kill(self, count: int) -> None:
        """Kills so many runs at random moments, each until it has ended."""
        rng = np.random.default_rng()
        output, trained = self.folder / "killed", 0
        while trained < count or output.exists():
            output.mkdir(exist_ok=True)
            status = run_killed(
                go_on(self.kind, output), self.seconds * rng.uniform(0, 1.2)
            )
            self.count += status == -signal.SIGKILL
            if status != -signal.SIGKILL:
                self._check(f"after {self.count} kills", status, output)
                shutil.rmtree(output)
                trained += 1

    def _check(self, where: str, status: int, output: Path) -> None:
        """Notes how a run that has ended differs from what it should be."""
        if status != DONE:
            self.wrong.append(f"{where}: lost")
            return
        found = result(output)
        for name in sorted(self.expected.keys() | found.keys()):
            if self.expected.get(name) != found.get(name):
                text = str(found.get(name))[:20]
                self.wrong.append(f"{where}: {name} differs: {text}")

    def begun_run(self, at: int) -> Path:
        """Returns a folder with a run that has crashed at an operation."""
        begun = self.folder / "begun"
        begun.mkdir()
        assert run_apart(go_on(self.kind, begun), begun, at) == CRASHED
        return begun


def main() -> int:
    """Crashes; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--resume-at", type=int, help="crash in resuming from there")
    parser.add_argument("--kills", type=int, metavar="RUNS", help="at random moments")
    options = parser.parse_args()
    crashes = Crashes(options.kind, options.folder, options.step)
    at = options.resume_at
    if options.kills:
        crashes.kill(options.kills)
    else:
        begun = None if at is None else crashes.begun_run(at)
        crashes.in_all(options.first, begun)
    print("\n".join([*crashes.wrong, f"{crashes.count} crashes"]))
    return int(bool(crashes.wrong))


if __name__ == "__main__":
    sys.exit(main())
