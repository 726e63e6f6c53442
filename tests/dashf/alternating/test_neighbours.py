"""Neighbouring associations, against enumeration."""

import itertools

import numpy as np
import pytest

from dashf.alternating.neighbours import HIGHEST, LOWER, UPPER, Choice, neighbours
from mec_llm_env.allocation import one_hot


def choice(server, n_servers, part=LOWER):
    server = np.array(server)
    return Choice(
        association=one_hot(server, n_servers), part=np.full(len(server), part)
    )


def near(here, benefit, room, width, highest=False):
    return neighbours(here, benefit, np.full(benefit.shape[:2], highest), room, width)


def associations(found):
    return {tuple(c.association.argmax(axis=-1).tolist()) for c in found}


def test_by_hand():
    # Users 0 and 1 at server 0, user 2 at server 1; each has benefit 0 where it is.
    gain = np.array([[0.0, 5.0], [0.0, -1.0], [2.0, 0.0]])
    benefit = np.stack([gain, gain - 10], axis=-1)  # nobody wants the other part
    found = near(choice([0, 0, 1], 2), benefit, np.array([3, 3]), 10)
    # All at their best, which is the best of two users at server 0 too (7); the best of
    # one at server 0 (6) and of three (2); users 0 and 2 alone, and 1 and 2 exchanged.
    assert associations(found) == {
        (1, 0, 0),
        (1, 1, 0),
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, 0),
    }
    full = near(choice([0, 0, 1], 2), benefit, np.array([2, 1]), 10)
    assert associations(full) == {(1, 0, 0), (0, 1, 0)}


@pytest.mark.parametrize("number", range(20))
def test_chains_and_exchanges_are_the_best_of_their_numbers_of_users(number):
    """For every number of users a server, one away at most, the best assignment."""
    rng = np.random.default_rng(number)
    n, m = 6, 3
    gain = rng.normal(size=(n, m)) * 5
    here = choice(rng.integers(0, m, n), m)
    load = here.association.sum(axis=0)
    room = np.full(m, n)
    benefit = np.stack([gain, gain - 100], axis=-1)
    found = near(here, benefit, room, 100)
    found_here = [*found, here]

    def value(server):
        return gain[np.arange(n), list(server)].sum()

    best: dict[tuple[int, ...], float] = {}
    for server in itertools.product(range(m), repeat=n):
        counts = tuple(np.bincount(server, minlength=m).tolist())
        if np.abs(np.array(counts) - load).sum() <= 2:
            best[counts] = max(best.get(counts, -np.inf), value(server))
    assert len(best) > 1
    for counts, expected in best.items():
        reached = [
            value(c.association.argmax(axis=-1))
            for c in found_here
            if tuple(c.association.sum(axis=0).astype(int).tolist()) == counts
        ]
        assert max(reached) == pytest.approx(expected)


def test_room_is_kept_and_every_user_has_one_server():
    rng = np.random.default_rng(1)
    for _ in range(50):
        n, m = int(rng.integers(1, 9)), int(rng.integers(1, 5))
        room = np.full(m, -(-n // m)) + rng.integers(0, 2, m)
        server = np.repeat(np.arange(m), room)[:n]
        found = near(choice(server, m), rng.normal(size=(n, m, 2)), room, 5)
        for c in found:
            assert (c.association.sum(axis=1) == 1).all()
            assert (c.association.sum(axis=0) <= room).all()


def test_the_other_part_of_the_range_is_a_neighbour_where_it_gains():
    benefit = np.zeros((3, 1, 2))
    benefit[:, 0, 1] = [1.0, -1.0, 2.0]
    found = near(choice([0, 0, 0], 1), benefit, np.array([3]), 10)
    assert [c.part.tolist() for c in found] == [[0, 0, 1], [1, 0, 0], [1, 0, 1]]
    back = near(choice([0, 0, 0], 1, part=UPPER), benefit, np.array([3]), 10)
    assert [c.part.tolist() for c in back] == [[1, 0, 1]]


def test_movers_take_their_better_part_and_the_others_keep_theirs():
    benefit = np.full((2, 2, 2), -1.0)
    benefit[0, 0], benefit[1, 1] = [0, -9], [0, 0.5]
    benefit[0, 1] = [1, 3]
    found = near(choice([0, 1], 2), benefit, np.array([1, 2]), 10)
    moved = [c for c in found if c.association[0, 1] == 1 and c.association[1, 1] == 1]
    assert moved
    assert all(c.part.tolist() == [1, 0] for c in moved)


def test_where_the_best_response_is_the_highest_split_that_is_the_part():
    benefit = np.zeros((2, 1, 2))
    benefit[0, 0, 1] = 1.0
    (found,) = near(choice([0, 0], 1), benefit, np.array([2]), 10, highest=True)
    assert found.part.tolist() == [HIGHEST, LOWER]
    benefit[0, 0, 1] = -1.0
    at_most = choice([0, 0], 1, HIGHEST)
    (back,) = near(at_most, benefit, np.array([2]), 10, highest=True)
    assert back.part.tolist() == [LOWER, HIGHEST]


def test_the_highest_split_and_what_is_below_it_are_neighbours():
    """Whichever is better at the prices, for users who have the other."""
    benefit = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    for part, other in ((HIGHEST, UPPER), (UPPER, HIGHEST)):
        here = choice([0, 0], 1, part)
        found = near(here, benefit, np.array([2]), 10, highest=part == UPPER)
        parts = [c.part.tolist() for c in found]
        assert parts == [[other, part], [part, other], [other, other]]
        assert not near(here, benefit, np.array([2]), 10, highest=part == HIGHEST)
