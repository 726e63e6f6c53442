r"""Associations near a given one, and what they are worth at its shadow prices.

A user's option is a server and one of two parts of the range of φ, in which its priced
benefit β = max v − y c − λ b/B − μ F/F_m may each have a maximum of its own. At given
prices the best choice of options is an assignment. Three kinds of neighbours:

- *the same numbers of users per server*: the best assignment of that kind, by the
  Hungarian method. That is every exchange of places among any number of users;
- *one user more at b, one fewer at a*: from there, the best chain a → … → b of moves,
  for every a and b. After the Hungarian method no cycle gains, so the best chains are
  longest paths in a graph of the servers, where an arc is what the move of its best
  user gains, found by Floyd and Warshall's method. (This is the theory of minimum-cost
  flow: with those numbers of users per server it is the best assignment.);
- *one or two users*: single moves, exchanges of two, and other parts of the range of φ.

By weak duality the sum of the benefits bounds what a neighbour can add to G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array
from mec_llm_env.assignment import round_assignment

LOWER, UPPER, HIGHEST, ANY = range(4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An option for every user: its server, and where in its range φ is sought."""

    association: Array  # [N, M] 0 or 1
    part: Array  # [N] `LOWER` or `UPPER` part, `HIGHEST` for φ_max; `ANY`, from below

    @property
    def key(self) -> bytes:
        """What tells choices apart."""
        return self.association.tobytes() + self.part.tobytes()


def neighbours(
    choice: Choice,  # nobody's part is `ANY`
    benefit: Array,  # [N, M, 2] of every option at the prices of the choice
    highest: Array,  # [N, M] whether the best φ in the upper part is φ_max
    room: Array,  # [M] users that a server may have
    width: int,  # of each kind, at most
) -> list[Choice]:
    """Returns neighbouring choices, those that are worth most of every kind."""
    x, user = choice.association, np.arange(len(benefit))
    server, part = x.argmax(axis=-1), np.minimum(choice.part, UPPER)
    upper = np.where(highest, HIGHEST, UPPER)  # [N, M]
    best = np.where(benefit.argmax(axis=-1) == LOWER, LOWER, upper)
    value = benefit.max(axis=-1)
    value[user, server] = own = benefit[user, server, part]

    found = []
    if x.shape[1] > 1:
        found += _reassigned(x, value, room, width)
    choices = []
    for association in found:
        there = association.argmax(axis=-1)
        parts = np.where(there == server, choice.part, best[user, there])
        choices.append(Choice(association=association, part=parts))
    # The other half of the range of φ; and within the upper one φ_max, or below it.
    at_own = upper[user, server]
    half = np.where(part == LOWER, at_own, LOWER)
    gain = benefit[user, server, 1 - part] - own
    turned = (part == UPPER) & (choice.part != at_own)
    choices += _other_parts(choice, half, gain, width)
    choices += _other_parts(choice, at_own, np.where(turned, 1.0, 0.0), width)
    return choices


def _reassigned(x: Array, value: Array, room: Array, width: int) -> list[Array]:
    """Returns associations that differ from x, best first within a kind."""
    gain = value - (x * value).sum(axis=-1, keepdims=True)
    load = x.sum(axis=0)
    found = [round_assignment(value, room), round_assignment(value, load)]
    found += _chains(found[1], value, room, width)
    found += _few(x, gain, room, width)
    return [association for association in found if (association != x).any()]


def _other_parts(choice: Choice, other: Array, gain: Array, width: int) -> list[Choice]:
    """Returns choices where users seek φ in the other part: one, and all that gain."""
    users = np.flatnonzero(gain > 0)
    users = users[np.argsort(-gain[users], kind="stable")][:width]
    groups = [[user] for user in users]
    if len(users) > 1:
        groups.append(list(users))
    choices = []
    for group in groups:
        part = choice.part.copy()
        part[group] = other[group]
        choices.append(Choice(association=choice.association, part=part))
    return choices


def _chains(x: Array, value: Array, room: Array, width: int) -> list[Array]:
    """Returns the best associations with a user more at one server, fewer at another.

    x must be the best association of its numbers of users.
    """
    n_servers = x.shape[1]
    mover, gain, following = _paths(x, value)
    open_ = np.isfinite(gain) & (x.sum(axis=0) < room)
    pairs = np.argwhere(open_)
    order = np.argsort(-gain[open_], kind="stable")[:width]
    found = []
    for first, last in pairs[order]:
        moved, at = x.copy(), first
        for _ in range(n_servers):
            to = following[at, last]
            moved[mover[at, to]] = 0.0
            moved[mover[at, to], to] = 1.0
            at = to
            if at == last:
                found.append(moved)
                break
    return found


def _paths(x: Array, value: Array) -> tuple[Array, Array, Array]:
    """Returns who moves from a to b, the gain of the best chain, and its first stop.

    All [M, M]; the gain is −∞ where a has nobody, and on the diagonal.
    """
    n_servers = x.shape[1]
    gain = np.full((n_servers, n_servers), -np.inf)
    mover = np.zeros((n_servers, n_servers), dtype=int)
    for a in range(n_servers):
        users = np.flatnonzero(x[:, a])
        if len(users):
            change = value[users] - value[users, a][:, None]
            best = change.argmax(axis=0)
            gain[a], mover[a] = change[best, np.arange(n_servers)], users[best]
    np.fill_diagonal(gain, -np.inf)
    following = np.tile(np.arange(n_servers), (n_servers, 1))
    # So that rounding makes no cycle of gain zero.
    margin = 1e-12 * np.abs(gain[np.isfinite(gain)]).max(initial=0.0)
    for k in range(n_servers):  # Floyd and Warshall
        via = gain[:, k, None] + gain[k]
        np.fill_diagonal(via, -np.inf)
        better = via > gain + margin
        gain = np.where(better, via, gain)
        following = np.where(better, following[:, k, None], following)
    return mover, gain, following


def _few(x: Array, gain: Array, room: Array, width: int) -> list[Array]:
    """Returns single moves and exchanges of two with a priced gain, best first."""
    server = x.argmax(axis=-1)
    moves = np.where((x == 0) & (x.sum(axis=0) < room), gain, -np.inf)
    swaps = gain[:, server] + gain[:, server].T  # each takes the other's server
    swaps[(server[:, None] == server) | ~np.tri(len(x), k=-1, dtype=bool)] = -np.inf
    found = []
    for value, kind in ((moves, "move"), (swaps, "swap")):
        flat = value.reshape(-1)
        count = min(width, int((flat > 0).sum()))
        if not count:
            continue
        top = np.argpartition(-flat, count - 1)[:count]
        for one, other in zip(*np.unravel_index(top, value.shape), strict=True):
            moved = x.copy()
            if kind == "move":
                moved[one], moved[one, other] = 0.0, 1.0
            else:
                moved[[one, other]] = x[[other, one]]
            found.append((value[one, other], moved))
    found.sort(key=lambda item: -item[0])
    return [moved for _, moved in found[:width]]
