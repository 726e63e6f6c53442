"""What happens between two pieces of training, whatever the algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.training.checkpoint import save_checkpoint
from agents.training.display import Display
from agents.training.interrupt import InterruptFlag, TrainingInterrupted

if TYPE_CHECKING:
    from agents.training.trainer import Trainer

EVALUATIONS = "evaluations.npz"


class Boundary:
    """Evaluates, writes checkpoints, shows progress and honours interrupts.

    All of it where there is no unfinished work in the algorithm: between two rollouts,
    or two updates. None of it counts as time spent in training.

    Args:
        trainer: whose run it is.
        display: shows progress.
        flag: raised when the user wants to stop.
    """

    def __init__(self, trainer: Trainer, display: Display, flag: InterruptFlag) -> None:
        self.trainer, self.display, self.flag = trainer, display, flag
        # Decisions at the last checkpoint; −1: one is due before the first decision.
        self._saved_at = -1 if trainer.warm_started else trainer.resumed_at

    def reached(self) -> None:
        """Does what is due now that training stands between two pieces.

        Raises:
            TrainingInterrupted: the user wants to stop, and a checkpoint is written.
        """
        with self.trainer.stopwatch.paused():
            self._do_what_is_due()

    def ended(self) -> None:
        """Evaluates the final policy and writes the final checkpoint, if need be."""
        self.trainer.restore()  # of a run that had only its end before it
        self.trainer.stopwatch.stop()
        if self.trainer.validation.last_timesteps < self._done:
            self.evaluate()
            self._saved_at = -1
        if self._saved_at < self._done:
            self.save()

    def evaluate(self) -> None:
        """Measures the policy on the validation scenarios and keeps the best one."""
        trainer, validation = self.trainer, self.trainer.validation
        figures = validation.measure(trainer.model, trainer.stopwatch.seconds)
        for name, value in figures.items():
            trainer.logger.record(f"eval/{name}", value)
        trainer.logger.dump(self._done)
        kept = validation.keeps_last()
        if kept:
            trainer.keep_best()
        validation.save(trainer.run / EVALUATIONS)
        self.display.evaluated(self._done, figures, kept)

    def save(self) -> None:
        """Writes a checkpoint."""
        trainer = self.trainer
        for output in trainer.logger.output_formats:
            getattr(output, "writer").flush()  # noqa: B009 - TensorBoard's
        save_checkpoint(
            *(trainer.run, trainer.model, trainer.get_state()),
            *(trainer.model_file, trainer.growing_files()),
        )
        self._saved_at = self._done

    def _do_what_is_due(self) -> None:
        trainer = self.trainer
        trainer.restore()  # here, as what leads up to it may draw random numbers
        self.display.advance(self._done)
        if self._is_due(trainer.config.eval_freq, trainer.validation.last_timesteps):
            self.evaluate()
        if self.flag.raised:
            self.save()
            raise TrainingInterrupted
        if self._is_due(trainer.config.checkpoint_freq, self._saved_at):
            self.save()

    @property
    def _done(self) -> int:
        """Decisions so far."""
        return int(self.trainer.model.num_timesteps)

    def _is_due(self, frequency: int, last: int) -> bool:
        """Returns whether a multiple of `frequency` lies behind `last`."""
        return last < 0 or self._done // frequency > last // frequency
