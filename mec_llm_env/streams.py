"""`UniformStreams`: the random generators of the batched environment."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.utils import seeding

Array = np.ndarray[Any, Any]

# Uniforms that are drawn in one call: then most of its time goes into them.
_PER_CALL = 1024


class UniformStreams:
    """One generator a sub-environment, each read in blocks of uniforms.

    Small blocks are drawn several at a time and ahead of their use, because a call
    costs more than they do. Nobody sees that: before generators are shown or copied
    they go back to where their last used block ended, and those that have been shown
    draw no more ahead, for their holder may look at them or use them at any time.

    Args:
        n_streams: number of generators.
        block_size: uniforms in a block.
    """

    def __init__(self, n_streams: int, block_size: int) -> None:
        self.block_size = block_size
        self._generators: list[np.random.Generator | None] = [None] * n_streams
        self._seeds = [-1] * n_streams
        n_ahead = max(1, _PER_CALL // block_size)
        self._blocks = np.empty((n_streams, n_ahead, block_size))
        self._n_used = np.full(n_streams, n_ahead)  # of a stream's row of blocks

    def seed(self, seeds: Sequence[int | None], rows: Array) -> None:
        """Makes the generators of the rows that have a seed, or no generator yet."""
        for i in rows.tolist():
            if seeds[i] is not None or self._generators[i] is None:
                self._generators[i], self._seeds[i] = seeding.np_random(seeds[i])
                self._n_used[i] = self._blocks.shape[1]  # the others were the old one's

    def take(self, rows: Array) -> Array:
        """Returns the next block of each of the rows, `[len(rows), block_size]`."""
        spent = rows[self._n_used[rows] == self._blocks.shape[1]]
        for i in spent.tolist():
            self._generators[i].random(out=self._blocks[i])
        self._n_used[spent] = 0
        blocks = self._blocks[rows, self._n_used[rows]]
        self._n_used[rows] += 1
        return blocks

    def show(self) -> tuple[tuple[np.random.Generator, ...], tuple[int, ...]]:
        """Returns the generators and their seeds, and makes those that are missing."""
        n_streams = len(self._generators)
        self.seed([None] * n_streams, np.arange(n_streams))
        self._rewind()
        self._blocks = self._blocks[:, :1].copy()
        self._n_used[:] = 1
        return tuple(g for g in self._generators if g is not None), tuple(self._seeds)

    def get_state(self) -> dict[str, Any]:
        """Returns a snapshot of the generators."""
        self._rewind()
        return deepcopy({"generators": self._generators, "seeds": self._seeds})

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from a snapshot."""
        state = deepcopy(state)
        self._generators, self._seeds = state["generators"], state["seeds"]
        self._n_used[:] = self._blocks.shape[1]

    def _rewind(self) -> None:
        """Puts the generators back to where their last used blocks ended."""
        n_ahead = self._blocks.shape[1]
        for i in np.flatnonzero(self._n_used < n_ahead).tolist():
            n_unused = int(n_ahead - self._n_used[i]) * self.block_size
            bits: Any = self._generators[i].bit_generator  # type: ignore[union-attr]
            bits.advance(-n_unused)
        self._n_used[:] = n_ahead
