"""A training run, whatever the algorithm: begun, run, interrupted, resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
from filelock import FileLock
from stable_baselines3.common.logger import Logger, configure

from agents.algorithms import ALGORITHMS
from agents.folders import lock_folder, remove_hidden, sync
from agents.training.boundary import Boundary
from agents.training.checkpoint import (
    FOLDER,
    Checkpoint,
    TrainingState,
    cut_back,
    drop_old,
    load_state,
    newest_checkpoint,
    random_states,
    restore_random_states,
)
from agents.training.demonstrations import demonstrate, describe
from agents.training.display import Display
from agents.training.hyperparameters import as_arguments, check_arguments
from agents.training.interrupt import InterruptFlag, TrainingInterrupted
from agents.training.runs import TrainingConfig, create_run, extend_run, load_config
from agents.training.stopwatch import Stopwatch
from agents.training.validation import Validation
from agents.training.warm_settings import WarmStart
from agents.training.warm_start import clone
from mec_llm_env.files import write_whole
from mec_llm_env.task import Task
from mec_llm_env.vector_env import MecLlmVectorEnv

TENSORBOARD = "tensorboard"  # folder of the event files in a run

# What `logger.record` keeps until the next `dump`.
_PENDING = ("name_to_value", "name_to_count", "name_to_excluded")


class Trainer(ABC):
    """A training run; make one with `begin` or `resume`.

    A subclass trains one family of algorithms. Its constructor builds everything and
    writes nothing.

    Args:
        config: what is asked for.
        checkpoint: to go on from; None at the beginning.

    Attributes:
        run: its folder, which is locked until `train` has ended.
        model: the algorithm; it has `num_timesteps`, `predict` and `save`.
        envs: the batched environment.
        logger: of Stable-Baselines3, writing TensorBoard files; set by `train`.
        stopwatch: runs while the algorithm is at work, and not at the boundaries.
        resumed_at: decisions at the checkpoint it went on from, else 0.
        warm_started: `train` has cloned a solver before the first decision.
    """

    model_file: ClassVar[str]  # name of the file that `model.save` writes
    growing: ClassVar[tuple[str, ...]] = ()  # files of the run that rows are added to

    run: Path
    model: Any
    logger: Logger
    _lock: FileLock

    def __init__(
        self, config: TrainingConfig, checkpoint: Checkpoint | None = None
    ) -> None:
        self.config = config
        algorithm = ALGORITHMS[config.agent]
        algorithm_class = algorithm.load_class()
        self.envs = _make_envs(config)
        space = self.envs.single_action_space
        arguments = as_arguments(config.hyperparameters, space)
        check_arguments(algorithm_class, arguments)
        self.validation = Validation(self.envs.task)
        self.stopwatch = Stopwatch()
        self._resumed: TrainingState | None = None
        self.resumed_at = 0
        self.warm_started = False
        if checkpoint is None:
            encoding = self.envs.task.action_codec.encoding
            policy = algorithm.policy_name(config.policy, encoding)
            with _one_kind_of_error(algorithm_class):
                self.model = self._build(algorithm_class, policy, arguments)
        else:
            with _one_kind_of_error(algorithm_class):
                self.model = self._load(algorithm_class, checkpoint.folder)
            self._resumed = load_state(checkpoint.folder)
            self.resumed_at = self.model.num_timesteps

    @staticmethod
    def build(config: TrainingConfig) -> Trainer:
        """Builds everything and writes nothing.

        Raises:
            ValueError: the configuration is not valid, or a library is missing.
        """
        trainer: Trainer = ALGORITHMS[config.agent].load_trainer()(config)
        return trainer

    @staticmethod
    def begin(config: TrainingConfig, output: str | os.PathLike[str]) -> Trainer:
        """Builds everything, then makes the run folder.

        Raises:
            ValueError: the configuration is not valid; no file has changed.
            OSError: the folder cannot be written.
        """
        trainer = Trainer.build(config)
        trainer.run = create_run(output, config).resolve()
        trainer._lock = lock_folder(trainer.run)
        return trainer

    @staticmethod
    def resume(
        run: str | os.PathLike[str],
        timesteps: int | None = None,
        *,
        trust: bool = False,
    ) -> Trainer:
        """Goes on from the newest checkpoint of a run.

        A run that ended before its first one begins anew, in the same folder; one that
        ended after its last one and before `model_file` is given that file by `train`.

        Args:
            run: its folder.
            timesteps: decisions in all; None: as the run was begun.
            trust: unpickle a checkpoint whoever has written it.

        Raises:
            ValueError: the folder is no run, another process is at work in it, its
                checkpoint is damaged or somebody else's, or it has taken all its
                decisions; no file has changed.
        """
        config = load_config(run)
        if timesteps is not None:
            config = dataclasses.replace(config, timesteps=timesteps)
        folder = Path(run).resolve()
        lock = lock_folder(folder)
        try:
            trainer = _resumed(folder, config, trust)
        except BaseException:
            lock.release()
            raise
        trainer._lock = lock
        return trainer

    def train(self, bar: bool | None = None) -> bool:
        """Trains to the end, or to the boundary after an interrupt.

        Args:
            bar: show a progress bar; None: only on a terminal.

        Returns:
            Whether training is complete; if not, `resume` goes on with it.
        """
        self.stopwatch.start()
        self.logger = configure(str(self.run / TENSORBOARD), ["tensorboard"])
        try:
            if self.config.warm_start is not None and self._resumed is None:
                self._warm_start(WarmStart(**self.config.warm_start), bar)
            with (
                InterruptFlag() as flag,
                Display(self.config.agent, self.config.timesteps, bar) as display,
            ):
                self._learn(Boundary(self, display, flag))
            self._publish_last()
        except TrainingInterrupted:
            return False
        finally:
            try:
                self.logger.close()
            finally:
                self._lock.release()
        return True

    def _publish_last(self) -> None:
        """Makes the last checkpoint's model the run's, which ends it."""
        last = newest_checkpoint(self.run)
        assert last is not None
        content = (last.folder / self.model_file).read_bytes()
        write_whole(self.run / self.model_file, content)
        sync(self.run)
        drop_old(self.run)
        for folder in (self.run, self.run / FOLDER):
            remove_hidden(folder)

    def keep_best(self) -> None:
        """Keeps the model as it is now as the best one."""
        buffer = io.BytesIO()
        self.model.save(buffer)
        write_whole(self.run / f"best_{self.model_file}", buffer.getvalue())

    def _warm_start(self, settings: WarmStart, bar: bool | None) -> None:
        """Lets the model learn what a solver does, which is in no checkpoint before.

        Demonstrations made so far are kept in the cache.

        Raises:
            TrainingInterrupted: Ctrl-C, which acts at once.
        """
        try:
            self._clone(settings, bar)
        except KeyboardInterrupt as error:
            raise TrainingInterrupted from error
        self.warm_started = True

    def _clone(self, settings: WarmStart, bar: bool | None) -> None:
        task, solver = self.envs.task, settings.solver
        with Display(f"{solver} demonstrates", settings.scenarios, bar) as display:
            shown = demonstrate(
                task, solver, settings.scenarios, advance=display.advance
            )
            display.say(describe(shown, solver))
        with Display("cloning", settings.steps + settings.critic_steps, bar) as display:
            figures = clone(
                *(self.model, task, shown, settings, self.config.seed, self.logger),
                advance=display.advance,
            )
            display.say(
                f"Cloned: mean SCR {figures['scr']:.2f} on those held out; {solver} "
                f"itself {figures['solver_scr']:.2f}."
            )

    def get_state(self) -> TrainingState:
        """Returns all that training needs to go on, beside the model."""
        return TrainingState(
            environments=self.envs.get_state(),
            validation=self.validation.history,
            pending={name: dict(getattr(self.logger, name)) for name in _PENDING},
            randomness=random_states(),
            own=self._own_state(),
            training_s=self.stopwatch.seconds,
        )

    def growing_files(self) -> list[str]:
        """Returns the files that rows are added to, by their paths in the run."""
        paths = (self.run / TENSORBOARD).iterdir()
        return [*self.growing, *(f"{TENSORBOARD}/{path.name}" for path in paths)]

    def restore(self) -> None:
        """Goes on from the checkpoint that was loaded, once; else does nothing."""
        state, self._resumed = self._resumed, None
        if state is None:
            return
        self.validation.history = state.validation
        self.stopwatch.set(state.training_s)
        for name, values in state.pending.items():
            getattr(self.logger, name).update(values)
        restore_random_states(state.randomness)
        self._set_own_state(state.own)

    @classmethod
    @abstractmethod
    def load_policy(cls, path: Path, config: TrainingConfig, task: Task) -> Any:
        """Returns a trained policy, with Stable-Baselines3's `predict`.

        Args:
            path: of a model, or of weights that `export_policy` wrote.
            config: of the run.
            task: what it is to decide.

        Raises:
            Exception: the file is damaged; of whatever kind the libraries raise.
        """

    @classmethod
    @abstractmethod
    def export_policy(cls, path: Path, config: TrainingConfig, weights: Path) -> None:
        """Writes the weights of a model without pickles, to `load_policy` them."""

    @abstractmethod
    def _build(
        self, algorithm_class: Any, policy: str, arguments: dict[str, Any]
    ) -> Any:
        """Returns a new model, and seeds the environment.

        Raises:
            TypeError, AssertionError, ValueError: an argument does not fit.
        """

    @abstractmethod
    def _load(self, algorithm_class: Any, checkpoint: Path) -> Any:
        """Returns the model of a checkpoint."""

    @abstractmethod
    def _learn(self, boundary: Boundary) -> None:
        """Takes the decisions that are left, calling `boundary` between pieces."""

    def _own_state(self) -> dict[str, Any]:
        """Returns what else this kind of training needs to go on."""
        return {}

    def _set_own_state(self, state: dict[str, Any]) -> None:
        """Inverse of `_own_state`."""
        assert not state


@contextlib.contextmanager
def _one_kind_of_error(algorithm_class: type) -> Iterator[None]:
    """Makes a ValueError of whatever a setting causes in the libraries."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"The hyperparameters do not fit {algorithm_class.__name__}: {error}"
        ) from error


def _resumed(folder: Path, config: TrainingConfig, trust: bool) -> Trainer:
    """Returns the trainer of a run that is locked, ready to go on."""
    trainer_class: type[Trainer] = ALGORITHMS[config.agent].load_trainer()
    shown, model = repr(os.fspath(folder)), folder / trainer_class.model_file
    checkpoint = newest_checkpoint(folder)
    if checkpoint is None and model.exists():
        raise ValueError(
            f"{shown} has a model but no checkpoint to go on from; train another run."
        )
    if checkpoint is not None:
        if not (trust or checkpoint.is_own):
            raise ValueError(
                f"The checkpoint in {shown} was not written by you on this machine, "
                "and a checkpoint can hold code that is executed when it is read. Give "
                "--trust if you know who made it."
            )
        if checkpoint.timesteps >= config.timesteps and checkpoint.has(model):
            raise ValueError(
                f"{shown} has taken {checkpoint.timesteps} decisions of "
                f"{config.timesteps}: there is nothing left to do. Give a larger "
                "--timesteps, the total, to train it further."
            )
    trainer = trainer_class(config, checkpoint)
    trainer.run = folder
    for part in (folder, folder / FOLDER):
        remove_hidden(part)
    extend_run(folder, config)
    sizes = {} if checkpoint is None else checkpoint.sizes
    cut_back(folder, sizes, (TENSORBOARD,))
    return trainer


def _make_envs(config: TrainingConfig) -> MecLlmVectorEnv:
    """Makes the batched environment.

    Raises:
        ValueError: the environment is not known or not one of ours, or its arguments
            are not valid.
    """
    try:
        envs = gym.make_vec(config.env_id, config.n_envs, **config.env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"--env {config.env_id}: {error}") from None
    if not isinstance(envs, MecLlmVectorEnv):
        raise ValueError(
            f"--env must be one of this project's, such as MecLlm-v0; got "
            f"{config.env_id!r}."
        )
    return envs
