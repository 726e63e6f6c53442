"""What is drawn ahead must never show."""

from __future__ import annotations

import numpy as np
import pytest

from mec_llm_env.streams import UniformStreams

SMALL, LARGE = 100, 5000  # drawn ten at a time, and one by one
EVERYONE = np.arange(3)


def streams(block_size: int) -> UniformStreams:
    made = UniformStreams(3, block_size)
    made.seed([4, 5, 6], EVERYONE)
    return made


@pytest.mark.parametrize("block_size", [SMALL, LARGE])
def test_blocks_are_successive_draws_of_each_generator(block_size: int) -> None:
    made = streams(block_size)
    generators = [np.random.default_rng(seed) for seed in (4, 5, 6)]
    rng = np.random.default_rng(0)
    for _ in range(40):
        rows = np.flatnonzero(rng.random(3) < 0.6)  # puts them out of step
        blocks = made.take(rows)
        assert blocks.shape == (len(rows), block_size)
        for block, i in zip(blocks, rows, strict=True):
            np.testing.assert_array_equal(block, generators[i].random(block_size))


@pytest.mark.parametrize("block_size", [SMALL, LARGE])
def test_shown_generators_are_where_they_would_be_and_stay_in_use(
    block_size: int,
) -> None:
    made = streams(block_size)
    expected = [np.random.default_rng(seed) for seed in (4, 5, 6)]

    def take(rows: np.ndarray) -> None:
        for block, i in zip(made.take(rows), rows, strict=True):
            np.testing.assert_array_equal(block, expected[i].random(block_size))

    take(EVERYONE)
    take(EVERYONE[:2])
    shown, seeds = made.show()
    assert seeds == (4, 5, 6)
    for i in range(3):
        take(EVERYONE[i:])
        for ours, theirs in zip(shown, expected, strict=True):
            assert ours.bit_generator.state == theirs.bit_generator.state
        # A draw by the holder, even one that leaves half a word over, moves the stream.
        assert shown[i].integers(9, dtype=np.int32) == expected[i].integers(
            9, dtype=np.int32
        )
        assert shown[i].bit_generator.state["has_uint32"]
    assert made.show()[0] == shown


def test_a_new_seed_drops_what_is_left_of_the_old_one() -> None:
    made = streams(SMALL)
    made.take(EVERYONE)
    made.seed([None, 9, None], EVERYONE)
    blocks = made.take(EVERYONE)
    np.testing.assert_array_equal(blocks[1], np.random.default_rng(9).random(SMALL))
    again = np.random.default_rng(4).random(2 * SMALL)
    np.testing.assert_array_equal(blocks[0], again[SMALL:])
    assert made.show()[1] == (4, 9, 6)


def test_a_snapshot_changes_nothing_and_goes_on() -> None:
    made, other = streams(SMALL), UniformStreams(3, SMALL)
    made.take(EVERYONE)
    state = made.get_state()
    expected = [made.take(EVERYONE) for _ in range(15)]
    for _ in range(2):  # a snapshot serves more than once
        other.set_state(state)
        for blocks in expected:
            np.testing.assert_array_equal(other.take(EVERYONE), blocks)
    uninterrupted = streams(SMALL)
    uninterrupted.take(EVERYONE)
    for blocks in expected:
        np.testing.assert_array_equal(uninterrupted.take(EVERYONE), blocks)


def test_missing_generators_are_made_when_they_are_asked_for() -> None:
    generators, seeds = UniformStreams(2, SMALL).show()
    assert len(generators) == 2
    assert generators[0].random() != generators[1].random()
    assert min(seeds) >= 0
