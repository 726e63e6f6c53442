"""Associations judged by the surplus that they allow at a given ratio.

The surplus of a slot, Σ v − y Σ c, is that of the best resources for the association,
found in batches by `share_fast`. S slots, N users, M servers.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.pricing.fast_sharing import share_fast
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.allocation import one_hot

#: Pairs of users and servers that are shared out at once: bounds the memory.
_PAIRS_AT_ONCE = 2**20


def share(
    scenario: Scenario, server: Indices, objective: ObjectiveConfig, ratio: Array
) -> Allocation:
    """Returns the allocations [S] of best surplus for servers [S, N] at ratios [S]."""
    x = one_hot(server, scenario.n_servers)
    return share_fast(scenario, objective, x, ratio=ratio)


def worth(
    scenario: Scenario, server: Indices, objective: ObjectiveConfig, ratio: Array
) -> tuple[Array, Array]:
    """Returns Σ v and Σ c, [S] both, where Σ v − y Σ c is highest; no migration."""
    n_slots, step = len(server), max(1, _PAIRS_AT_ONCE // scenario.channel_gain[0].size)
    score, cost = np.empty((2, n_slots))
    for first in range(0, n_slots, step):
        here = slice(first, first + step)
        s = scenario[here]
        allocation = share(s, server[here], objective, ratio[here])
        outcome = evaluate(s, allocation, objective, check=False)
        score[here], cost[here] = outcome.score.sum(axis=-1), outcome.cost.sum(axis=-1)
    return score, cost


def surplus(
    scenario: Scenario, server: Indices, objective: ObjectiveConfig, ratio: Array
) -> Array:
    """Returns Σ v − y Σ c, [S], without migration."""
    score, cost = worth(scenario, server, objective, ratio)
    return score - ratio * cost


def moved_surplus(
    scenario: Scenario, server: Indices, objective: ObjectiveConfig, ratio: Array
) -> Array:
    """Returns the surplus with one user elsewhere, for every pair, [S, N, M].

    At a user's present server it is the present surplus; at one that has no slot left
    it is −∞.
    """
    n_slots, n_users = server.shape
    n_servers = scenario.n_servers
    slot, user, target = np.nonzero(movable(scenario, server))
    candidate = server[slot]
    candidate[np.arange(len(slot)), user] = target
    values = np.full((n_slots, n_users, n_servers), -np.inf)
    rows = np.concatenate([np.arange(n_slots), slot])
    found = surplus(
        scenario[rows], np.concatenate([server, candidate]), objective, ratio[rows]
    )
    values[slot, user, target] = found[n_slots:]
    here = np.arange(n_servers) == server[..., None]
    return np.where(here, found[:n_slots, None, None], values)


def movable(scenario: Scenario, server: Indices) -> Array:
    """Returns whether a user could move to a server that has room, [S, N, M] bool."""
    here = np.arange(scenario.n_servers) == server[..., None]
    room = here.sum(axis=-2) < scenario.max_users
    return room[:, None] & ~here


def best_association(
    scenario: Scenario,
    server: Indices,
    bonus: Array,
    objective: ObjectiveConfig,
    ratio: Array,
    estimate: Array,
    width: int,
) -> Indices:
    """Climbs to a higher surplus and bonus, by single moves, from servers [S, N].

    In each round the moves that are estimated best are judged; the best one is made.

    Args:
        scenario: [S] without `serving`.
        server: [S, N] to begin with.
        bonus: [S, N, M] score that a user at a server is worth besides.
        objective: weights and references.
        ratio: [S] y.
        estimate: [S, N, M] what users are worth at servers, bonus included, up to a
            constant of each.
        width: moves that are judged in a round, at most.

    Returns:
        Servers [S, N].
    """

    def judged(rows: Indices, candidates: Indices) -> Array:
        extra = np.take_along_axis(bonus[rows], candidates[..., None], axis=-1)
        value = surplus(scenario[rows], candidates, objective, ratio[rows])
        return value + extra[..., 0].sum(axis=-1)

    server = server.copy()
    n_users = server.shape[1]
    rows = np.arange(len(server))
    value = judged(rows, server)
    for _ in range(4 * n_users):
        own = np.take_along_axis(estimate[rows], server[rows][..., None], axis=-1)
        gain = np.where(
            movable(scenario[rows], server[rows]), estimate[rows] - own, -np.inf
        )
        flat = gain.reshape(len(rows), -1)
        k = min(width, flat.shape[1])
        move = np.argpartition(-flat, k - 1, axis=-1)[:, :k]
        possible = np.isfinite(np.take_along_axis(flat, move, axis=-1))
        user, target = np.divmod(move, scenario.n_servers)
        candidate = np.repeat(server[rows][:, None], k, axis=1)
        np.put_along_axis(candidate, user[..., None], target[..., None], axis=-1)
        found = judged(np.repeat(rows, k), candidate.reshape(-1, n_users))
        found = np.where(possible, found.reshape(len(rows), k), -np.inf)
        best = found.argmax(axis=-1)
        highest = found[np.arange(len(rows)), best]
        better = highest > value[rows] + 1e-6 * n_users
        if not better.any():
            break
        server[rows[better]] = candidate[better, best[better]]
        value[rows[better]] = highest[better]
        rows = rows[better]
    return server
