"""Begins and resumes training runs; `Trainer.train` runs them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from agents.algorithms import ALGORITHMS
from agents.run.config import TrainingConfig
from agents.run.folder import create_run, extend_run, load_config
from agents.storage.folders import lock_folder, remove_hidden
from agents.training.checkpoint import FOLDER, cut_back, newest_checkpoint
from agents.training.trainer import TENSORBOARD, Trainer


def load(config: TrainingConfig) -> None:
    """Loads the libraries of the algorithm.

    Raises:
        ValueError: one is missing.
    """
    algorithm = ALGORITHMS[config.agent]
    algorithm.load_trainer(config.engine)
    algorithm.load_class()


def build(config: TrainingConfig) -> Trainer:
    """Builds everything and writes nothing.

    Raises:
        ValueError: the configuration is not valid, or a library is missing.
    """
    trainer: Trainer = ALGORITHMS[config.agent].load_trainer(config.engine)(config)
    return trainer


def begin(config: TrainingConfig, output: str | os.PathLike[str]) -> Trainer:
    """Builds everything, then makes the run folder.

    Raises:
        ValueError: the configuration is not valid; no file has changed.
        OSError: the folder cannot be written.
    """
    trainer = build(config)
    trainer.run = create_run(output, config).resolve()
    trainer.lock = lock_folder(trainer.run)
    return trainer


def resume(
    run: str | os.PathLike[str], timesteps: int | None = None, *, trust: bool = False
) -> Trainer:
    """Resumes a run from its newest checkpoint.

    A run without a checkpoint starts again in the same folder. If a run has ended after
    its last checkpoint but before its model was written, `train` writes the model.

    Args:
        run: its folder.
        timesteps: decisions in all; None: as the run was begun.
        trust: unpickle a checkpoint that somebody else has written.

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
    trainer.lock = lock
    return trainer


def _resumed(folder: Path, config: TrainingConfig, trust: bool) -> Trainer:
    """Returns the trainer of a locked run."""
    algorithm = ALGORITHMS[config.agent]
    shown, model = repr(os.fspath(folder)), folder / algorithm.model_file
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
    trainer: Trainer = algorithm.load_trainer(config.engine)(config, checkpoint)
    trainer.run = folder
    for part in (folder, folder / FOLDER):
        remove_hidden(part)
    extend_run(folder, config)
    sizes = {} if checkpoint is None else checkpoint.sizes
    cut_back(folder, sizes, (TENSORBOARD,))
    return trainer
