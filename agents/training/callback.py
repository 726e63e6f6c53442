"""What happens at the rollout boundaries of a Stable-Baselines3 algorithm."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from agents.training.checkpoint import (
    TrainingState,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from agents.training.display import Display
from agents.training.interrupt import InterruptFlag, TrainingInterrupted
from agents.training.monitor import FILE as MONITOR
from agents.training.monitor import ResumableMonitor
from agents.training.runs import TrainingConfig
from agents.training.validation import Validation
from mec_llm_env.files import write_whole
from mec_llm_env.vector_env import MecLlmVectorEnv

TENSORBOARD = "tensorboard"  # folder of the event files in a run
EVALUATIONS = "evaluations.npz"
BEST_MODEL = "best_model.zip"

# What `logger.record` keeps until the next `dump`.
_PENDING = ("name_to_value", "name_to_count", "name_to_excluded")


class BoundaryCallback(BaseCallback):
    """Evaluates, writes checkpoints, shows progress and honours interrupts.

    All of it between two rollouts, when there is no unfinished work in the algorithm.

    Args:
        run: the run folder.
        config: of the run.
        envs: the batched environment.
        monitor: around it.
        display: shows progress.
        flag: raised when the user wants to stop.
        resumed: state to go on from, None at the beginning.
    """

    def __init__(
        self,
        run: Path,
        config: TrainingConfig,
        *,
        envs: MecLlmVectorEnv,
        monitor: ResumableMonitor,
        validation: Validation,
        display: Display,
        flag: InterruptFlag,
        resumed: TrainingState | None = None,
    ) -> None:
        super().__init__()
        self.run, self.config = run, config
        self.envs, self.monitor, self.validation = envs, monitor, validation
        self.display, self.flag = display, flag
        self._resumed = resumed
        self._saved_at = 0  # decisions at the last checkpoint

    def _on_training_start(self) -> None:
        if self._resumed is not None:
            self._saved_at = self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        if self._resumed is not None:
            self._restore(self._resumed)
            self._resumed = None
        done = self.model.num_timesteps
        self.display.advance(done)
        if self._is_due(self.config.eval_freq, self.validation.last_timesteps):
            self.evaluate()
        if self.flag.raised:
            self.save()
            raise TrainingInterrupted
        if self._is_due(self.config.checkpoint_freq, self._saved_at):
            self.save()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self.validation.last_timesteps < self.model.num_timesteps:
            self.evaluate()
        self.save()

    def evaluate(self) -> None:
        """Measures the policy on the validation scenarios and keeps the best one."""
        figures = self.validation.measure(self.model)
        for name, value in figures.items():
            self.logger.record(f"eval/{name}", value)
        self.logger.dump(self.model.num_timesteps)
        best = self.validation.is_best()
        if best:
            save_model(self.model, self.run / BEST_MODEL)
        self.validation.save(self.run / EVALUATIONS)
        self.display.evaluated(self.model.num_timesteps, figures["scr"], best)

    def save(self) -> None:
        """Writes a checkpoint."""
        for output in self.logger.output_formats:
            getattr(output, "writer").flush()  # noqa: B009 - TensorBoard's
        growing = [self.run / MONITOR, *(self.run / TENSORBOARD).iterdir()]
        state = TrainingState(
            environments=self.envs.get_state(),
            monitor=self.monitor.get_state(),
            callback={
                "validation": self.validation.history,
                "pending": {
                    name: dict(getattr(self.logger, name)) for name in _PENDING
                },
            },
            randomness=random_states(self.model),
            file_sizes={
                str(path.relative_to(self.run)): path.stat().st_size for path in growing
            },
        )
        save_checkpoint(self.run, self.model, state)
        self._saved_at = self.model.num_timesteps

    def _restore(self, state: TrainingState) -> None:
        # Here, because what leads up to the first rollout draws random numbers.
        restore_random_states(self.model, state.randomness)
        for name, values in state.callback["pending"].items():
            getattr(self.logger, name).update(values)

    def _is_due(self, frequency: int, last: int) -> bool:
        """Returns whether a multiple of `frequency` lies behind `last`."""
        return last < 0 or self.model.num_timesteps // frequency > last // frequency


def save_model(model: Any, path: Path) -> None:
    """Writes a model in Stable-Baselines3's format, whole or not at all."""
    buffer = io.BytesIO()
    model.save(buffer)
    write_whole(path, buffer.getvalue())
