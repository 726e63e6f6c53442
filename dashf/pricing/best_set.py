"""The best set of users for a server: an exact search, compiled, for `user_sets`."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array, Indices, Mask

_SAME = 1e-7  # score by which a better set may be overlooked, as the answer allows
_FREE, _IN, _OUT = 0, 1, -1


def best_set_loop(
    first: int,
    last: int,
    server: Indices,  # [searches]
    forced: Indices,  # [searches] a user that the set must hold, or −1
    begin: Indices,  # [M + 1] the first point of each server
    rent: Array,  # [points]
    worth: Array,  # [points, N] β − u
    allowed: Mask,  # [M, N]
    slots: Indices,  # [M]
    most: int,
    limit: Array,  # [searches] the answer: at least the value of every set
    member: Mask,  # [searches, N] the answer: the best set, empty if none was found
) -> None:
    """Finds the set of users of a server that is worth most."""
    for i in range(first, last):
        m = server[i]
        own = slice(begin[m], begin[m + 1])
        what = rent[own], worth[own], allowed[m], forced[i], slots[m]
        limit[i] = best_set(*what, most, member[i])


def best_set(
    rent: Array,  # [P]
    worth: Array,  # [P, N]
    allowed: Mask,  # [N]
    forced: int,
    slots: int,
    most: int,
    member: Mask,  # [N] the answer
) -> float:
    """Maximises min_p (rent_p + Σ_{n in S} worth_pn) over sets S: depth first.

    Users are taken in one after another, the most wanted first, and then left out. A
    node is bounded at each point by what is worth taking there. The empty set is worth
    0, unless a user must be in. After `most` nodes the answer is a bound.
    """
    P, N = worth.shape
    held, state = np.empty((N + 1, P)), np.full(N, _FREE)
    user, left, depth = np.zeros(N + 1, np.int64), slots, 0
    held[0] = rent
    for n in range(N):
        state[n] = _FREE if allowed[n] else _OUT
        member[n] = False
    if forced >= 0:
        state[forced], left = _IN, left - 1
        held[0] += worth[:, forced]
    best, limit, nodes = (-np.inf if forced >= 0 else 0.0), -np.inf, 0
    while True:
        nodes, empty = nodes + 1, left == slots
        bound, pick, value = relaxed(held[depth], worth, state, left, empty)
        if not empty and value > best:
            best = value
            for n in range(N):
                member[n] = state[n] == _IN
        more = bound > best + _SAME and pick >= 0
        if more and nodes < most:
            user[depth], state[pick], left = pick, _IN, left - 1
            held[depth + 1] = held[depth] + worth[:, pick]
            depth += 1
            continue
        if more:
            limit = max(limit, bound)
        # The last user that is in is left out; those left out after it are free again.
        while depth > 0 and state[user[depth - 1]] == _OUT:
            depth -= 1
            state[user[depth]] = _FREE
        if depth == 0:
            return max(best, limit) + _SAME
        state[user[depth - 1]], left = _OUT, left + 1
        held[depth] = held[depth - 1]


def relaxed(
    held: Array, worth: Array, state: Indices, left: int, empty: bool
) -> tuple[float, int, float]:
    """Bounds what a set may still be worth: at any point, with the best of the free.

    Returns:
        the bound, the user to decide about (−1 if none can add anything), and what the
        set is worth as it is.
    """
    P, N = worth.shape
    bound, value, at, lowest = np.inf, np.inf, 0, 0
    gains = np.empty(N)
    for p in range(P):
        count, total = 0, held[p]
        for n in range(N):
            if state[n] == _FREE and worth[p, n] > 0:
                gains[count] = worth[p, n]
                count, total = count + 1, total + worth[p, n]
        if count > left:
            total = held[p] + np.sort(gains[:count])[count - left :].sum()
        if total < bound:
            bound, at = total, p
        if held[p] < value:
            value, lowest = held[p], p
    if left == 0:
        return bound, -1, value
    pick, most = -1, 0.0
    for point in (at, lowest):
        for n in range(N):
            if state[n] == _FREE and worth[point, n] > most:
                pick, most = n, worth[point, n]
        if pick >= 0:
            return bound, pick, value
    if empty:  # not worth anything itself, so that even what costs has to be taken
        most = -np.inf
        for n in range(N):
            if state[n] == _FREE and worth[at, n] > most:
                pick, most = n, worth[at, n]
    return bound, pick, value
