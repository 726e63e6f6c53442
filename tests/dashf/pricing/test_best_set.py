import itertools

import numpy as np
import pytest

from dashf.pair.jit import compiled
from dashf.pricing.best_set import best_set_loop


def enumerated(rent, worth, allowed, forced, slots):
    """The highest min_p (rent_p + Σ worth_pn) of a set; the empty one is worth 0."""
    best = -np.inf if forced >= 0 else 0.0
    for chosen in itertools.product((False, True), repeat=len(allowed)):
        users = np.array(chosen)
        if not users.any() or users.sum() > slots or (users & ~allowed).any():
            continue
        if forced >= 0 and not users[forced]:
            continue
        best = max(best, (rent + worth[:, users].sum(axis=-1)).min())
    return best


def searched(rent, worth, allowed, forced, slots, most=10_000):
    limit, member = np.empty(1), np.zeros((1, len(allowed)), dtype=bool)
    begin, one = np.array([0, len(rent)]), np.zeros(1, dtype=np.int64)
    what = one, np.array([forced]), begin, rent, worth, allowed[None]
    slots = np.array([slots])
    compiled(best_set_loop)(0, 1, *what, slots, most, limit, member)
    return limit[0], member[0]


def random_case(rng):
    users, points = int(rng.integers(1, 9)), int(rng.integers(1, 7))
    rent = rng.random(points) * rng.choice([0.0, 1.0, 5.0])
    worth = rng.normal(size=(points, users))
    if rng.random() < 0.3:  # users alike
        worth[:] = worth[:, :1]
    allowed = rng.random(users) < 0.9
    forced = -1
    if allowed.any() and rng.random() < 0.5:
        forced = int(rng.choice(np.flatnonzero(allowed)))
    return rent, worth, allowed, forced, int(rng.integers(1, users + 1))


@pytest.mark.parametrize("block", range(4))
def test_the_best_set_is_that_of_enumeration(block):
    for seed in range(100 * block, 100 * block + 100):
        case = random_case(np.random.default_rng(seed))
        rent, worth, _, forced, slots = case
        limit, member = searched(*case)
        best = enumerated(*case)
        assert limit >= best, seed
        assert limit == pytest.approx(best, abs=2e-7), seed
        if member.any():
            assert member.sum() <= slots
            assert forced < 0 or member[forced]
            value = (rent + worth[:, member].sum(axis=-1)).min()
            assert value == pytest.approx(best, abs=2e-7), seed
        else:
            assert best == 0.0 or not np.isfinite(best)


def test_a_search_that_is_cut_short_leaves_a_bound():
    ended = 0
    for seed in range(200):
        case = random_case(np.random.default_rng(seed))
        for most in (1, 2, 5):
            limit, _ = searched(*case, most=most)
            best = enumerated(*case)
            assert limit >= best, seed
            ended += limit > best + 1e-6
    assert ended > 20
