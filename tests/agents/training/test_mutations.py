"""Whatever a configuration or a file of hyperparameters says: it works, or one line."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import evaluate
import train
from agents.run import hyperparameters
from agents.run.folder import CONFIG, _check_sum
from agents.training import start
from agents.training.trainer import Trainer
from tests.agents.training.small_runs import config

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 3, 64, 10**6, 10**18, 10**30, 0.5, -0.0, 1e-320),
    *(1e308, float("nan"), float("inf"), "", "x", "../..", "lin_1", "lin_nan", "1e3"),
    *("dict()", "dict(a=1)", "auto", "é", [], [1], [1, "step"], ["x", None], [[[]]]),
    *({}, {"a": 1}, {"": {}}),
]
NAMES = [
    *(
        "new",
        "n_steps",
        "gamma",
        "train_freq",
        "policy_kwargs",
        "normalize",
        "ent_coef",
    ),
    *("noise_type", "tensorboard_log", "replay_buffer_kwargs", "_init_setup_model"),
    *("rollout_buffer_class", "optimize_memory_usage", "target_entropy", "warm_start"),
]


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the paths of all values within a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*here, key)
        yield from places(inner, (*here, key))


def mutated(value: Any, rng: random.Random) -> Any:
    """Returns a value with one of its parts changed, removed or added."""
    value = copy.deepcopy(value)
    *outer, key = rng.choice(list(places(value)))
    part = value
    for name in outer:
        part = part[name]
    action = rng.random()
    if action < 0.7:
        part[key] = rng.choice(VALUES)
    elif action < 0.85:
        del part[key]
    elif isinstance(part, dict):
        part[rng.choice(NAMES)] = rng.choice(VALUES)
    return value


def damaged(text: bytes, rng: random.Random) -> bytes:
    """Returns a text with some bytes changed, or its end missing."""
    content = bytearray(text)
    for _ in range(rng.choice([1, 3])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    end = rng.choice([len(content), rng.randrange(len(content))])
    return bytes(content[:end])


class Stopped(Exception):  # noqa: N818 - it is no error
    """What a command was asked for is valid, and would now begin."""


def begin(trainer: Trainer, bar: Any) -> None:
    """Stands for training."""
    trainer.lock.release()
    raise Stopped


def measure(*arguments: Any) -> None:
    """Stands for the measuring of agents."""
    raise Stopped


def works_or_says_why(main: Any, words: list[str], capsys: Any) -> bool:
    """Returns whether a command works; asserts that it says in one line why not."""
    status = 0
    try:
        status = main(words)
    except Stopped:
        pass
    except SystemExit as ended:
        status = int(ended.code or 0)
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == (status != 0)
    assert status in (0, 2)
    return status == 0


COUNTS = [60, pytest.param(5000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_configurations(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    rng = random.Random(0)
    runs = []
    for agent in ("ppo", "sac", "apg"):
        trainer = start.begin(config(agent), tmp_path)
        assert trainer.train(bar=False)
        runs.append(trainer.run)
    # What is read of them, without the decisions that follow.
    monkeypatch.setattr(Trainer, "train", begin)
    monkeypatch.setattr(evaluate, "held_out_instances", measure)
    worked = 0
    for _ in range(count):
        path = rng.choice(runs) / CONFIG
        whole = path.read_bytes()
        content = json.loads(whole)
        if rng.random() < 0.7:
            content["config"] = mutated(content["config"], rng)
            content["sha256"] = _check_sum(content)
            path.write_text(json.dumps(content))
        else:
            path.write_bytes(damaged(whole, rng))
        for main, words in (
            (evaluate.main, ["--agents", str(path.parent)]),
            (train.main, ["--resume", str(path.parent), "--timesteps", "999"]),
        ):
            try:
                worked += works_or_says_why(main, words, capsys)
            except Exception as error:
                raise AssertionError(path.read_bytes()) from error
        path.write_bytes(whole)
    assert 0 < worked < 2 * count


@pytest.mark.parametrize("count", COUNTS)
def test_mutated_hyperparameters(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    rng = random.Random(0)
    worked = 0
    files = sorted(hyperparameters.FOLDER.glob("*.yml"))
    monkeypatch.setattr(hyperparameters, "FOLDER", tmp_path)
    monkeypatch.setattr(train, "describe_hyperparameters", str)
    for _ in range(count):
        file = rng.choice(files)
        entry = {"MecLlm-v0": yaml.safe_load(file.read_text())["MecLlm-v0"]}
        if "buffer_size" in entry["MecLlm-v0"]:
            entry["MecLlm-v0"]["buffer_size"] = 64  # not the memory that is asked for
        text = yaml.safe_dump(entry).encode()
        if rng.random() < 0.7:
            text = yaml.safe_dump(mutated(entry, rng)).encode()
        else:
            text = damaged(text, rng)
        (tmp_path / file.name).write_bytes(text)
        words = ["--agent", file.stem, "--dry-run", "--preset", "tiny-4x2"]
        try:
            worked += works_or_says_why(train.main, words, capsys)
        except Exception as error:
            raise AssertionError(text) from error
    assert 0 < worked < count
