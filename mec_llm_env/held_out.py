"""Held-out scenarios, one after another: what `split` of an environment plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.ranges import integer_argument, shorten
from mec_llm_env.record import ArrayRecord

#: The seed of scenario, or episode, 0 of each split; that of number i is i more.
SPLITS = {"validation": 10_000_000, "test": 20_000_000}

#: Scenarios of a split, at most, so that their seeds do not overlap.
MOST_HELD_OUT = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldOutBlock(ArrayRecord):
    """What a held-out scenario is made of, or a batch. Shapes: `...` batch."""

    uniforms: Array  # [..., block]
    number: Array  # [...] within its split


def check_split(split: Any, stride: Any) -> None:
    """Refuses an unknown split, and a stride that is invalid or has no use.

    Raises:
        ValueError: it is one.
    """
    if split is not None and (not isinstance(split, str) or split not in SPLITS):
        raise ValueError(
            f"`split` must be None or one of {', '.join(SPLITS)}; got {shorten(split)}."
        )
    if stride is None:
        return
    if split is None:
        raise ValueError(
            f"`split_stride` is for a `split`; got {shorten(stride)} without. Add "
            "split='test' or leave it out."
        )
    integer_argument("split_stride", stride, 1, MOST_HELD_OUT)


class HeldOutStreams:
    """Where each sub-environment is in a split.

    A sub-environment goes on by `stride`; the first `reset(seed=k)` puts it to number
    k, and without seeds sub-environment i begins at number i.

    Args:
        split: a key of `SPLITS`.
        n_streams: number of sub-environments.
        block_size: uniforms that a situation is made of.
        stride: numbers from one to the next; None: as many as there are streams, so
            that together they play every number once.
        by_episode: whether a number is an episode, and not a situation.
    """

    def __init__(
        self,
        split: str,
        n_streams: int,
        block_size: int,
        stride: int | None,
        by_episode: bool,
    ) -> None:
        self._first_seed, self._block_size = SPLITS[split], block_size
        self._stride = n_streams if stride is None else stride
        self._by_episode = by_episode
        self._next = np.arange(n_streams)
        self._current = np.zeros(n_streams, dtype=np.int64)
        self._generators: list[np.random.Generator | None] = [None] * n_streams

    def seed(self, seeds: Sequence[int | None], rows: Array) -> None:
        """Puts those of the rows that have a seed to the number that it says.

        Raises:
            ValueError: a seed is beyond the split; nothing has changed.
        """
        given = {i: seeds[i] for i in rows.tolist() if seeds[i] is not None}
        for seed in given.values():
            if seed is not None and seed >= MOST_HELD_OUT:
                raise ValueError(
                    f"`seed` must be below {MOST_HELD_OUT:,} with a `split`, where it "
                    f"is the number of a scenario; got {seed}."
                )
        if any(seed is not None and seed < 0 for seed in given.values()):
            return  # the generators' to refuse
        for i, seed in given.items():
            self._next[i] = seed

    def take(self, rows: Array, first: bool) -> HeldOutBlock:
        """Returns what the next situations of the rows are made of, [len(rows)].

        Args:
            rows: indices of sub-environments.
            first: whether the situations begin episodes.
        """
        if first or not self._by_episode:
            self._current[rows] = self._next[rows]
            self._next[rows] = (self._next[rows] + self._stride) % MOST_HELD_OUT
            for i in rows.tolist():
                seed = self._first_seed + int(self._current[i])
                self._generators[i] = np.random.default_rng(seed)
        blocks = np.empty((len(rows), self._block_size))
        for row, i in enumerate(rows.tolist()):
            self._generators[i].random(out=blocks[row])
        return HeldOutBlock(uniforms=blocks, number=self._current[rows].copy())
