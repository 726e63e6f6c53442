"""Crashes short runs at their file operations and goes on with them.

    python -m tests.faults.crashes ppo FOLDER --first 0 --step 9

For every crash, in training and then in resuming, the run has to be there, to go on to
its end, and to equal the one that nothing has disturbed, bit for bit. What is wrong is
printed, a line each, and the last line counts the crashes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # as the first optimiser does, which would take seconds each time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.folders import LOCK
from agents.run.config import TrainingConfig, WarmStart
from agents.run.folder import is_run
from agents.training import demonstrations, start
from tests.faults.injection import CRASHED, DONE, run_apart

NETWORK = {"width": 4, "pair_layers": 1, "user_layers": 1, "pooled": 2}
ON_POLICY = {"n_steps": 4, "batch_size": 16, "n_epochs": 1}
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
}
#: At its last decision there is a checkpoint, and then an evaluation is due.
TIMESTEPS = {"apg": 40, "sac": 40}


def config(kind: str) -> TrainingConfig:
    """Returns a run of a few updates, evaluations and checkpoints."""
    return TrainingConfig(
        agent="ppo" if kind == "warm" else kind,
        env_id="MecLlm-v0",
        env_kwargs={"preset": "tiny-4x2"},
        **{"timesteps": TIMESTEPS.get(kind, 48), "n_envs": 4, "seed": 1},
        **{"eval_freq": 32, "checkpoint_freq": 20},
        **KINDS[kind],
    )


def go_on(kind: str, output: Path) -> Callable[[], None]:
    """Returns what begins the run, or resumes it where there is one."""

    def action() -> None:
        torch.set_num_threads(1)
        demonstrations.CACHE, demonstrations.CHUNK = output / "cache", 2
        runs = [path for path in output.glob("*/MecLlm-v0_*") if path.is_dir()]
        assert all(is_run(path) for path in runs), "a run without config.json"
        assert len(runs) < 2
        run = start.resume(runs[0]) if runs else start.begin(config(kind), output)
        with contextlib.redirect_stdout(io.StringIO()):
            assert run.train(bar=False)

    return action


def result(output: Path) -> dict[str, str]:
    """Returns digests of all that a run amounts to, but for times."""
    (run,) = output.glob("*/MecLlm-v0_*")
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
        assert run_apart(go_on(kind, whole), whole, None) == DONE
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
            status = run_apart(action, output, None)
            found = result(output) if status == DONE else {}
            if status != DONE:
                self.wrong.append(f"operation {at}: lost")
            for name in sorted(self.expected.keys() | found.keys()):
                if status == DONE and self.expected.get(name) != found.get(name):
                    self.wrong.append(
                        f"operation {at}: {name} differs: {str(found.get(name))[:20]}"
                    )
            return True
        if status != DONE:
            self.wrong.append(f"operation {at}: failed without a crash")
        return False

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
    options = parser.parse_args()
    crashes = Crashes(options.kind, options.folder, options.step)
    at = options.resume_at
    begun = None if at is None else crashes.begun_run(at)
    crashes.in_all(options.first, begun)
    print("\n".join([*crashes.wrong, f"{crashes.count} crashes"]))
    return int(bool(crashes.wrong))


if __name__ == "__main__":
    sys.exit(main())
