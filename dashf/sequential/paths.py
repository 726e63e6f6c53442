"""The best path of every user through the servers, slot by slot.

A user that is at server m in slot t has the value `value[t, n, m]`, and a change of
server from slot t − 1 to t takes `penalty[t, n]` from it, whichever server it goes to.
So the best way to be at m comes from m itself or from the best server of all, and a
path is found in O(T M) a user. Shapes: T slots, N users, M servers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from dashf.common.arrays import Array, Indices


def best_paths(value: Array, penalty: Array) -> tuple[Array, Indices]:
    """Returns the highest total value of a path, [N], and its servers [T, N].

    Args:
        value: [T, N, M], −∞ where a user may not be.
        penalty: [T, N] ≥ 0 of a change from the slot before, 0 where a user is new.
    """
    n_slots, n_users, n_servers = value.shape
    users = np.arange(n_users)
    after = np.empty((n_slots, n_users, n_servers), dtype=np.int64)
    total = value[-1]  # from slot t on, for who is at m in it
    for t in range(n_slots - 2, -1, -1):
        target = total.argmax(axis=-1)[:, None]
        go = total[users[:, None], target] - penalty[t + 1][:, None]
        stays = total >= go
        after[t] = np.where(stays, np.arange(n_servers), target)
        total = value[t] + np.where(stays, total, go)
    server = np.empty((n_slots, n_users), dtype=np.int64)
    server[0] = total.argmax(axis=-1)
    for t in range(n_slots - 1):
        server[t + 1] = after[t, users, server[t]]
    return total[users, server[0]], server


def soft_paths(value: Array, penalty: Array, temperature: float) -> tuple[Array, Array]:
    """Returns a smooth maximum over paths, [N], from above, and its derivatives.

    It is τ ln Σ exp(total / τ) over all paths with temperature τ. Its derivatives by
    the values are the shares of the paths that are at m in slot t, if each is taken
    with a probability that goes with exp(total / τ).

    Returns:
        total [N]; share [T, N, M], which sums to 1 over servers.
    """
    n_slots = len(value)
    v, change = value / temperature, -penalty / temperature
    with np.errstate(divide="ignore"):
        stay = np.log(-np.expm1(change))  # beside a change to the server itself

    def carried(log_sum: Array, t: int) -> Array:
        whole = logsumexp(log_sum, axis=-1, keepdims=True)
        return np.logaddexp(stay[t][:, None] + log_sum, change[t][:, None] + whole)

    after = np.zeros_like(v)
    for t in range(n_slots - 2, -1, -1):
        after[t] = carried(v[t + 1] + after[t + 1], t + 1)
    before = np.zeros_like(v)  # without the slot itself
    for t in range(1, n_slots):
        before[t] = carried(before[t - 1] + v[t - 1], t)
    log_share = before + v + after
    total = logsumexp(log_share, axis=-1, keepdims=True)
    share = np.exp(log_share - total)
    return temperature * total[0, :, 0], share


def best_joint_path(value: Array, penalty: Array) -> tuple[float, Indices]:
    """Returns the highest total value of all users' paths, and their servers [T, N].

    As `best_paths`, but the value of a slot depends on where all users are. From slot
    to slot one user after another may change, which is exact, because changes add up.

    Args:
        value: [T, M, …, M], an axis for each of N users; −∞ where they may not be so.
        penalty: [T, N] ≥ 0 of a user's change from the slot before.
    """
    n_slots, n_users = penalty.shape
    totals = [value[-1]]  # from a slot on, for where users are in it, from the last one
    for t in range(n_slots - 2, -1, -1):
        total = totals[-1]
        for n in range(n_users):
            total = np.maximum(
                total, total.max(axis=n, keepdims=True) - penalty[t + 1, n]
            )
        totals.append(value[t] + total)
    totals.reverse()
    highest = float(totals[0].max())
    server = np.empty((n_slots, n_users), dtype=np.int64)
    for t, total in enumerate(totals):
        if t:
            for n in range(n_users):
                stays = np.arange(total.shape[n]) == server[t - 1, n]
                shape = [1] * n + [-1] + [1] * (n_users - n - 1)
                total = total - np.where(stays, 0.0, penalty[t, n]).reshape(shape)
        server[t] = np.unravel_index(total.argmax(), total.shape)
    return highest, server
