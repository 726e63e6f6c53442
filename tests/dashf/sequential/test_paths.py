"""Best and mixed paths against the enumeration of all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dashf.sequential.paths import best_paths, soft_paths


@pytest.mark.parametrize("seed", range(40))
def test_against_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_slots, n_users, n_servers = rng.integers(1, 6), 2, rng.integers(1, 4)
    value = 3 * rng.normal(size=(n_slots, n_users, n_servers))
    penalty = rng.exponential(size=(n_slots, n_users))
    penalty *= rng.choice([0, 1, 1000], size=penalty.shape)  # free, dear, never
    if n_servers > 1:
        value[rng.integers(n_slots), 0, rng.integers(n_servers)] = -np.inf
    temperature = float(rng.choice([0.01, 0.3, 3.0]))
    best, server = best_paths(value, penalty)
    smooth, share = soft_paths(value, penalty, temperature)
    np.testing.assert_allclose(share.sum(axis=-1), 1)
    paths = list(itertools.product(range(n_servers), repeat=n_slots))
    for n in range(n_users):
        total = np.array(
            [
                sum(value[t, n, m] for t, m in enumerate(path))
                - sum(
                    penalty[t, n] for t in range(1, n_slots) if path[t] != path[t - 1]
                )
                for path in paths
            ]
        )
        assert best[n] == pytest.approx(total.max())
        assert total[paths.index(tuple(server[:, n]))] == pytest.approx(total.max())
        weight = np.exp((total - total.max()) / temperature)
        expected = total.max() + temperature * np.log(weight.sum())
        assert smooth[n] == pytest.approx(expected)
        for t, m in itertools.product(range(n_slots), range(n_servers)):
            there = [path[t] == m for path in paths]
            expected = (weight * there).sum() / weight.sum()
            assert share[t, n, m] == pytest.approx(expected, abs=1e-9)


def test_by_hand() -> None:
    # One user: server 0 is worth 5, 0, 5 and server 1 is worth 0, 4, 0. Going there
    # and back gives 5 + 4 + 5 and costs two migrations; staying gives 10.
    value = np.array([[[5.0, 0.0]], [[0.0, 4.0]], [[5.0, 0.0]]])
    for price, total, server in ((1.9, 10.2, [0, 1, 0]), (2.1, 10.0, [0, 0, 0])):
        penalty = np.full((3, 1), price)
        best, path = best_paths(value, penalty)
        assert best[0] == pytest.approx(total)
        assert path[:, 0].tolist() == server
    # A new user in the second slot has nothing to move.
    penalty = np.array([[9.0], [0.0], [9.0]])
    best, path = best_paths(value, penalty)
    assert best[0] == pytest.approx(10.0)
    assert path[:, 0].tolist() == [0, 0, 0]
