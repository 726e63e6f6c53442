"""Trained policies as agents."""

from __future__ import annotations

import copy
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agents.algorithms import ALGORITHMS
from agents.problems.tasks import AnyTask, env_id_of, make_task
from agents.run.config import TrainingConfig
from agents.run.folder import BEST_WEIGHTS, CONFIG, WEIGHTS, load_config, read_content
from mec_llm_env import Allocation, Scenario
from mec_llm_env.actions import make_codec


class LearnedAgent:
    """A trained policy as an agent.

    Args:
        name: shown in tables.
        model: only its `predict` is used, as Stable-Baselines3 has it.
        task: what it decides, in the encodings that it was trained with.
    """

    def __init__(self, name: str, model: Any, task: AnyTask) -> None:
        self.name, self.model, self.task = name, model, task

    @classmethod
    def from_run(cls, run: str | os.PathLike[str], task: AnyTask) -> Self:
        """Loads the best model of a training run, by its validation scenarios.

        Raises:
            ValueError: the folder is no run, has no model yet or a damaged one, was
                trained in another environment, or its policy is tied to other numbers
                of users and servers than `task` has.
        """
        config = load_config(run)
        trained = make_task(config.env_id, **config.env_kwargs)
        if type(trained) is not type(task):
            raise ValueError(
                f"{os.fspath(run)!r} was trained in {env_id_of(trained)}, whose "
                f"observations are others; asked for {env_id_of(task)}."
            )
        if config.policy not in ALGORITHMS[config.agent].any_size:
            _check_size(run, trained, task)
        usable = _with_encodings(task, trained)
        return cls(config.agent, _load_model(Path(run), config, usable), usable)

    def decide(self, scenario: Scenario) -> Allocation:
        """Returns the decoded actions for scenarios of any batch shape."""
        batch = scenario.batch_shape
        flat = scenario if len(batch) < 2 else scenario.flatten(len(batch))
        observation = self.task.observation_codec.encode(flat)
        action, _ = self.predict(observation)
        allocation = self.task.action_codec.decode(action, flat)
        return allocation if len(batch) < 2 else allocation.unflatten(batch)

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns action and state; unlike a model's it is deterministic by default."""
        action, state = self.model.predict(
            observation, state, episode_start, deterministic
        )
        return action, state


def _check_size(run: str | os.PathLike[str], trained: AnyTask, task: AnyTask) -> None:
    size = trained.config.users, trained.config.servers
    wanted = task.config.users, task.config.servers
    if size != wanted:
        raise ValueError(
            f"{os.fspath(run)!r} was trained for {size[0]} users and {size[1]} "
            f"servers, which its policy is tied to; asked for {wanted[0]} and "
            f"{wanted[1]}. Evaluate it with the --preset or --config it was trained on."
        )


def _with_encodings(task: AnyTask, trained: AnyTask) -> AnyTask:
    """Returns a task with the size of `task` and the encodings of `trained`."""
    usable = copy.copy(task)
    usable.action_codec = make_codec(task.config, trained.action_codec.encoding)
    codec = copy.copy(task.observation_codec)  # both encodings have the same numbers
    codec.encoding = trained.observation_codec.encoding
    usable.observation_codec = codec
    return usable


def find_model(run: Path, config: TrainingConfig, *, trust: bool = False) -> Path:
    """Returns the file of the best model of a run, or else of the last one.

    Args:
        run: its folder.
        config: of it.
        trust: it may be a file of Stable-Baselines3, in which weights are pickled.

    Raises:
        ValueError: there is none yet, or none without pickles.
    """
    file = ALGORITHMS[config.agent].model_file
    paths = [run / name for name in (WEIGHTS, BEST_WEIGHTS, f"best_{file}", file)]
    found = [path for path in paths if path.is_file()]
    for path in found:
        if trust or path.suffix == ".npz":
            return path
    if found:
        raise ValueError(
            f"{os.fspath(run)!r} has its weights in {found[0].name} alone, whose "
            "pickles can execute code. If you know who made it, let python "
            f"-m agents.export {os.fspath(run)} --trust --output FOLDER write them as "
            "data."
        )
    raise ValueError(
        f"{os.fspath(run)!r} has no model yet: neither best_{file} nor {file}. Go on "
        f"with python train.py --resume {os.fspath(run)}."
    )


def _load_model(run: Path, config: TrainingConfig, task: AnyTask) -> Any:
    path = find_model(run, config)
    stated = read_content(run).get("policy")  # written by `agents.export`
    if path.name == WEIGHTS and isinstance(stated, dict):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != stated.get("sha256"):
            raise ValueError(f"{os.fspath(path)!r} is not as it was written.")
    policy_files = ALGORITHMS[config.agent].load_policy_files()
    with errors_of_loading(path):
        return policy_files.load_policy(path, config, task)


@contextmanager
def errors_of_loading(path: Path) -> Iterator[None]:
    """Turns what a damaged file of weights causes into a ValueError that names it."""
    try:
        yield
    except Exception as error:  # zipfile, pickle and PyTorch raise many kinds
        raise ValueError(
            f"{os.fspath(path)!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What `LearnedAgent.from_run` reads of a run, to be sent to another machine."""

    content: Mapping[str, bytes]  # by the name of the file

    @classmethod
    def of(cls, run: str | os.PathLike[str]) -> Self:
        """Reads the files of a run.

        Raises:
            ValueError: the folder is no run, or has no model.
        """
        folder = Path(run)
        model = find_model(folder, load_config(folder))
        return cls({p.name: p.read_bytes() for p in (folder / CONFIG, model)})

    @contextmanager
    def unpacked(self) -> Iterator[str]:
        """Yields a temporary folder that holds the files."""
        with tempfile.TemporaryDirectory(prefix="mec-llm-run-") as folder:
            for name, content in self.content.items():
                (Path(folder) / name).write_bytes(content)
            yield folder
