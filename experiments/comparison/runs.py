"""The run folders of a comparison, and their progress."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agents.algorithms import ALGORITHMS
from agents.run.config import TrainingConfig
from agents.run.folder import CONFIG, EVALUATIONS, load_config
from experiments.comparison.plan import Entry
from mec_llm_env.files import read_arrays

Array = Any


@dataclass(frozen=True, kw_only=True)
class Run:
    """One seed of an entry: `<comparison>/runs/<entry>/<agent>/<env>_<k>`."""

    entry: Entry
    seed: int
    parent: Path  # <comparison>/runs/<entry>, where train.py makes the folder

    @cached_property
    def config(self) -> TrainingConfig:
        """Returns the settings that its folder must have."""
        return dataclasses.replace(self.entry.config, seed=self.seed)

    @property
    def name(self) -> str:
        """Label and seed, for messages."""
        return f"{self.entry.label}, seed {self.seed}"

    @property
    def folder(self) -> Path | None:
        """The run folder, finished or to be resumed; None if there is neither."""
        own = [path for path, config in self._siblings() if config == self.config]
        finished = [path for path in own if self._is_finished(path)]
        return next(reversed(finished or own), None)

    @property
    def finished(self) -> bool:
        """Whether training is complete."""
        folder = self.folder
        return folder is not None and self._is_finished(folder)

    @property
    def share(self) -> float:
        """How much of its training is done and evaluated; 1 only if it is complete."""
        if self.finished:
            return 1.0
        found = self.evaluations()
        if found is None or not len(found["timesteps"]):
            return 0.0
        return min(float(found["timesteps"][-1]) / self.config.timesteps, 0.99)

    def check(self) -> None:
        """Checks the existing run folders.

        Raises:
            ValueError: runs of this seed were trained with other settings.
        """
        for path, config in self._siblings():
            if config.seed == self.seed and config != self.config:
                raise ValueError(
                    f"{os.path.relpath(path)!r} was trained with other settings than "
                    f"{self.entry.label!r} has now: {_difference(config, self.config)}."
                    " Give another --output, or move that run away."
                )

    def evaluations(self) -> dict[str, Array] | None:
        """Returns its evaluations so far; None before the first.

        Raises:
            ValueError: their file is damaged.
        """
        folder = self.folder
        if folder is None or not (folder / EVALUATIONS).is_file():
            return None
        try:
            return read_arrays(folder / EVALUATIONS)
        except ValueError as error:
            path = os.path.relpath(folder / EVALUATIONS)
            raise ValueError(f"{path!r} cannot be read: {error}.") from None

    def _siblings(self) -> Iterator[tuple[Path, TrainingConfig]]:
        """Yields all runs of the entry, oldest first."""
        paths = (self.parent / self.config.agent).glob(f"{self.config.env_id}_*")
        for path in sorted(paths, key=lambda path: int(path.name.rpartition("_")[2])):
            if (path / CONFIG).is_file():
                yield path, load_config(path)

    def _is_finished(self, folder: Path) -> bool:
        file = ALGORITHMS[self.config.agent].model_file
        return (folder / file).is_file()


def make_runs(output: Path, entries: Sequence[Entry], seeds: int) -> list[Run]:
    """Returns the runs of all entries, the first seed of all before the second.

    Raises:
        ValueError: some were trained with other settings.
    """
    runs = [
        Run(entry=entry, seed=seed, parent=output / "runs" / entry.folder)
        for seed in range(seeds)
        for entry in entries
    ]
    for run in runs:
        run.check()
    return runs


def _difference(found: TrainingConfig, wanted: TrainingConfig) -> str:
    ours, theirs = wanted.to_dict(), found.to_dict()
    name = next(name for name in ours if ours[name] != theirs[name])
    return f"`{name}` is {theirs[name]!r}, not {ours[name]!r}"
