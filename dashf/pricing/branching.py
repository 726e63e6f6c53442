"""What a node of branch and bound is split into.

The user that the fractional choice splits most is branched on: between servers, then
between halves of its range of φ (docs/bounds.md, 5). Where the scenario has `layers`
the halves are of whole layers, so that a node ends with φ given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array, Indices, Mask
from dashf.pair.coefficients import layer_parts, part_edges
from dashf.pricing.bound import PARTS
from dashf.pricing.options import Options

_SPLIT_SERVERS = 1e-3  # choice off a user's first server from which that is branched on
_WIDTH_WEIGHT = 1e-3  # of a user's range of φ beside its split, in the order of users
_NARROW = 1e-9  # range of φ that is not halved


@dataclass(slots=True)
class Node:
    """Some of the allocations of a scenario."""

    value: float  # none of them has a higher SCR
    options: Options  # [1, N, J]


def branch(node: Node, choice: Array, layers: Array | None = None) -> list[Node]:
    """Splits a node into two that together hold all its allocations, or into none.

    With `layers` [N], all of those in which every φ is that of whole layers.
    """
    o = node.options
    allowed = o.allowed[0]
    by_server = choice.reshape(len(choice), -1, PARTS)
    weight = by_server.sum(axis=-1)
    loose = 1 - weight.max(axis=-1)
    several = allowed.reshape(by_server.shape).any(axis=-1).sum(axis=-1) > 1

    def between_servers(user: int) -> list[Node]:
        """Branches: at the preferred server, or no user like it at a server like it."""
        server = int(weight[user].argmax())
        option_server = np.arange(allowed.shape[1]) // PARTS
        users, servers = interchangeable(o, user, server)
        elsewhere = ~np.isin(option_server, servers)
        halves = (
            restricted(node, [user], option_server == server),
            restricted(node, users, elsewhere),
        )
        return [half for half in halves if possible(half)]

    user = int(np.where(several, loose, -1).argmax())
    if several[user] and loose[user] > _SPLIT_SERVERS:
        return between_servers(user)
    # Between parts of φ: the user with the most split choice, else the widest range.
    width = np.where(allowed, o.high[0] - o.low[0], 0).sum(axis=-1)
    split = 1 - choice.max(axis=-1)
    wide = width > _NARROW
    if layers is not None:  # parts of one φ each may be left
        both = allowed.reshape(by_server.shape).all(axis=-1).any(axis=-1)
        wide, width = wide | both, np.maximum(width, both / layers)
    score = np.where(wide, split + _WIDTH_WEIGHT * width, -1)
    if score.max() <= 0:
        return between_servers(user) if several[user] else []
    user = int(score.argmax())
    first = np.arange(allowed.shape[1]) % PARTS == 0
    return [
        _halved(restricted(node, [user], part), user, layers)
        for part in (first, ~first)
        if (allowed[user] & part).any()
    ]


def interchangeable(o: Options, user: int, server: int) -> tuple[Indices, Indices]:
    """Returns the users and servers that may change places with these, in a node.

    Users are alike if their rows are equal, servers if their columns are, with what
    the node allows. Who is at which of them does not matter then: orbital branching
    (Ostrowski, Linderoth, Rossi and Smriglio 2011).
    """
    rows = np.concatenate([o.table[0], o.allowed[0, ..., None]], axis=-1)  # [N, J, 13]
    users = (rows == rows[user]).all(axis=(1, 2))
    columns = rows.reshape(len(rows), -1, PARTS, rows.shape[-1])
    servers = (columns == columns[:, [server]]).all(axis=(0, 2, 3))
    servers &= (o.capacity[0] == o.capacity[0, server]).all(axis=-1)
    return np.flatnonzero(users), np.flatnonzero(servers)


def possible(node: Node) -> bool:
    """Whether every user can be at some server."""
    o = node.options
    at_server = o.allowed[0].reshape(len(o.allowed[0]), -1, PARTS).any(axis=-1)
    if not at_server.any(axis=-1).all():
        return False
    if o.capacity.shape[-1] == 3:  # as many users as possible on slots: all?
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_bipartite_matching

        slots = np.repeat(at_server, o.capacity[0, :, 2].astype(int), axis=-1)
        return bool((maximum_bipartite_matching(csr_array(slots), "column") >= 0).all())
    return True


def restricted(node: Node, users: Sequence[int] | Indices, options: Mask) -> Node:
    """Returns the allocations of a node in which users keep to some options."""
    allowed = node.options.allowed.copy()
    allowed[0, users] &= options
    return Node(node.value, dataclasses.replace(node.options, allowed=allowed))


def _halved(node: Node, user: int, layers: Array | None) -> Node:
    """Cuts the ranges of φ that a user is allowed in two again: they become options."""
    o = node.options
    shape = (-1, PARTS)
    allowed = o.allowed[0, user].reshape(shape)
    here = allowed.any(axis=-1)
    part = allowed.argmax(axis=-1)[:, None]
    low = np.take_along_axis(o.low[0, user].reshape(shape), part, axis=1)
    high = np.take_along_axis(o.high[0, user].reshape(shape), part, axis=1)
    if layers is None:
        edges = part_edges(low, high, PARTS)
        begins, ends = edges[:, :-1], edges[:, 1:]
        several = ends > begins
    else:
        own = np.full(len(low), layers[user])
        begins, ends = layer_parts(low[:, 0], high[:, 0], own)
        several = np.repeat(high > low, PARTS, axis=-1)
    table, new = o.table.copy(), o.allowed.copy()
    table[0, user, :, 0], table[0, user, :, 1] = begins.reshape(-1), ends.reshape(-1)
    first = np.arange(new.shape[-1]) % PARTS == 0
    new[0, user] = np.repeat(here, PARTS) & (several.reshape(-1) | first)
    changed = dataclasses.replace(o, table=table, allowed=new)
    return Node(node.value, changed)
