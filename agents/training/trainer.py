"""A training run: evaluations, checkpoints and interrupts, for any algorithm."""

from __future__ import annotations

import contextlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import gymnasium as gym
from filelock import FileLock
from stable_baselines3.common.logger import Logger, configure

from agents.algorithms import ALGORITHMS
from agents.console.display import Display
from agents.run.config import TrainingConfig
from agents.run.folder import EVALUATIONS
from agents.run.hyperparameters import as_arguments, check_arguments
from agents.storage.folders import remove_hidden, sync
from agents.training.checkpoint import (
    FOLDER,
    Checkpoint,
    TrainingState,
    drop_old,
    load_state,
    newest_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from agents.training.interrupt import InterruptFlag, TrainingInterrupted
from agents.training.stopwatch import Stopwatch
from agents.training.validation import Validation
from agents.training.warm_start import learn_from_solver
from mec_llm_env.files import write_whole
from mec_llm_env.vector_env import DecisionVectorEnv

TENSORBOARD = "tensorboard"  # folder of the event files in a run

# What `logger.record` keeps until the next `dump`.
_PENDING = ("name_to_value", "name_to_count", "name_to_excluded")


class Trainer(ABC):
    """A training run; `agents.training.start` begins and resumes it.

    A subclass trains one family of algorithms. Its constructor builds everything and
    writes nothing. Evaluations, checkpoints and interrupts wait for a boundary, where
    no work of the algorithm is unfinished: between two rollouts, or two updates. None
    of that counts as time spent in training.

    Args:
        config: what is asked for.
        checkpoint: to resume from; None for a new run.

    Attributes:
        run: its folder.
        lock: of the folder, until `train` has ended.
        model: the algorithm; it has `num_timesteps`, `predict` and `save`.
        model_file: name of the file that `model.save` writes.
        envs: the batched environment.
        logger: of Stable-Baselines3, writing TensorBoard files; set by `train`.
        stopwatch: runs during rollouts and updates, and not at the boundaries.
        resumed_at: decisions at the checkpoint that it was resumed from, else 0.
    """

    growing: ClassVar[tuple[str, ...]] = ()  # append-only files of the run

    run: Path
    lock: FileLock
    model: Any
    logger: Logger
    _display: Display
    _flag: InterruptFlag

    def __init__(
        self, config: TrainingConfig, checkpoint: Checkpoint | None = None
    ) -> None:
        self.config = config
        algorithm = ALGORITHMS[config.agent]
        self.model_file = algorithm.model_file
        algorithm_class = algorithm.load_class()
        self.envs = _make_envs(config)
        space = self.envs.single_action_space
        arguments = as_arguments(config.hyperparameters, space)
        check_arguments(algorithm_class, arguments)
        self.validation = Validation(self.envs.task)
        self.stopwatch = Stopwatch()
        self._resumed: TrainingState | None = None
        self._saved_at = 0  # decisions at the last checkpoint; −1: one is due
        self.resumed_at = 0
        if checkpoint is None:
            encoding = self.envs.task.action_codec.encoding
            policy = algorithm.policy_name(config.policy, encoding)
            with _errors_of_settings(algorithm_class):
                self.model = self._build(algorithm_class, policy, arguments)
        else:
            with _errors_of_settings(algorithm_class):
                self.model = self._load(algorithm_class, checkpoint.folder)
            self._resumed = load_state(checkpoint.folder)
            self.resumed_at = self._saved_at = self.model.num_timesteps

    def train(self, bar: bool | None = None) -> bool:
        """Trains to the end, or to the boundary after an interrupt.

        Args:
            bar: show a progress bar; None: only on a terminal.

        Returns:
            Whether training is complete; if not, `start.resume` goes on with it.
        """
        self.stopwatch.start()
        self.logger = configure(str(self.run / TENSORBOARD), ["tensorboard"])
        try:
            if self.config.warm_start is not None and self._resumed is None:
                self._warm_start(bar)
            with (
                InterruptFlag() as self._flag,
                Display(self.config.agent, self.config.timesteps, bar) as self._display,
            ):
                self._learn()
            self._publish_last()
        except TrainingInterrupted:
            return False
        finally:
            try:
                self.logger.close()
            finally:
                self.lock.release()
        return True

    def _warm_start(self, bar: bool | None) -> None:
        """Clones a solver; a checkpoint is then due before the first decision.

        Raises:
            TrainingInterrupted: Ctrl-C, which acts at once.
        """
        assert self.config.warm_start is not None
        try:
            learn_from_solver(
                *(self.model, self.envs.task, self.config.warm_start),
                *(self.config.seed, self.logger, bar),
            )
        except KeyboardInterrupt as error:
            raise TrainingInterrupted from error
        self._saved_at = -1

    def at_boundary(self) -> None:
        """Does what is due between two rollouts, or two updates.

        Raises:
            TrainingInterrupted: the user wants to stop, and a checkpoint is written.
        """
        with self.stopwatch.paused():
            self._restore()  # not earlier, as `learn` may draw random numbers first
            self._display.update(self._done)
            if self._is_due(self.config.eval_freq, self.validation.last_timesteps):
                self._evaluate()
            if self._flag.raised:
                self._save()
                raise TrainingInterrupted
            if self._is_due(self.config.checkpoint_freq, self._saved_at):
                self._save()

    def at_end(self) -> None:
        """Evaluates the final policy and writes the final checkpoint, if need be."""
        self._restore()  # of a run that was resumed at its last checkpoint
        self.stopwatch.stop()
        if self.validation.last_timesteps < self._done:
            self._evaluate()
            self._saved_at = -1
        if self._saved_at < self._done:
            self._save()

    @property
    def _done(self) -> int:
        """Decisions so far."""
        return int(self.model.num_timesteps)

    def _is_due(self, frequency: int, last: int) -> bool:
        """Returns whether a multiple of `frequency` was passed since `last`."""
        return last < 0 or self._done // frequency > last // frequency

    def _evaluate(self) -> None:
        """Measures the policy on the validation scenarios and keeps the best one."""
        figures = self.validation.measure(self.model, self.stopwatch.seconds)
        for name, value in figures.items():
            self.logger.record(f"eval/{name}", value)
        self.logger.dump(self._done)
        kept = self.validation.keeps_last()
        if kept:
            self.keep_best()
        self.validation.save(self.run / EVALUATIONS)
        scr = f"SCR {figures['scr']:.2f}"
        if "optimality" in figures:
            scr += f" ({100 * figures['optimality']:.1f} % of the bound)"
        self._display.update(self._done, scr)
        if not self._display.has_bar:
            note = "" if kept else "  worse than before"
            self._display.say(f"{self._done:>12,} decisions   validation {scr}{note}")

    def _save(self) -> None:
        """Writes a checkpoint."""
        for output in self.logger.output_formats:
            getattr(output, "writer").flush()  # noqa: B009 - TensorBoard's
        paths = (self.run / TENSORBOARD).iterdir()
        growing = [*self.growing, *(f"{TENSORBOARD}/{path.name}" for path in paths)]
        state = TrainingState(
            environments=self.envs.get_state(),
            validation=self.validation.history,
            pending={name: dict(getattr(self.logger, name)) for name in _PENDING},
            randomness=random_states(),
            own=self._own_state(),
            training_s=self.stopwatch.seconds,
        )
        save_checkpoint(self.run, self.model, state, self.model_file, growing)
        self._saved_at = self._done

    def _restore(self) -> None:
        """Restores the state of the loaded checkpoint, once; else does nothing."""
        state, self._resumed = self._resumed, None
        if state is None:
            return
        self.validation.history = state.validation
        self.stopwatch.set(state.training_s)
        for name, values in state.pending.items():
            getattr(self.logger, name).update(values)
        restore_random_states(state.randomness)
        self._set_own_state(state.own)

    def keep_best(self) -> None:
        """Saves the current model as the best one."""
        self._write(f"best_{self.model_file}", self.model.save)

    def _write(self, name: str, save: Callable[[BinaryIO], Any]) -> None:
        """Writes what `save` writes as a file of the run, whole."""
        buffer = io.BytesIO()
        save(buffer)
        write_whole(self.run / name, buffer.getvalue())

    def _publish_last(self) -> None:
        """Copies the model of the last checkpoint to the run folder, at the end."""
        last = newest_checkpoint(self.run)
        assert last is not None
        content = (last.folder / self.model_file).read_bytes()
        write_whole(self.run / self.model_file, content)
        sync(self.run)
        drop_old(self.run)
        for folder in (self.run, self.run / FOLDER):
            remove_hidden(folder)

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
    def _learn(self) -> None:
        """Trains for the remaining decisions.

        Calls `at_boundary` between two rollouts or updates, and `at_end` at the end.
        """

    def _own_state(self) -> dict[str, Any]:
        """Returns the state of the subclass."""
        return {}

    def _set_own_state(self, state: dict[str, Any]) -> None:
        """Inverse of `_own_state`."""
        assert not state


@contextlib.contextmanager
def _errors_of_settings(algorithm_class: type) -> Iterator[None]:
    """Turns errors that settings cause in the libraries into a ValueError."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"The hyperparameters do not fit {algorithm_class.__name__}: {error}"
        ) from error


def _make_envs(config: TrainingConfig) -> DecisionVectorEnv:
    """Makes the batched environment.

    Raises:
        ValueError: the environment is not known or not one of ours, or its arguments
            are not valid.
    """
    try:
        envs = gym.make_vec(config.env_id, config.n_envs, **config.env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"--env {config.env_id}: {error}") from None
    if not isinstance(envs, DecisionVectorEnv):
        raise ValueError(
            f"--env must be one of this project's, such as MecLlm-v0; got "
            f"{config.env_id!r}."
        )
    return envs
