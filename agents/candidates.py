"""The second look at a decision: a few associations, compared by the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.numpy_network import NumpyNetwork
from agents.set_network import TorchNetwork
from mec_llm_env import ObjectiveConfig, Scenario, evaluate
from mec_llm_env.actions import decode_resources
from mec_llm_env.assignment import round_assignment

Array = np.ndarray[Any, Any]


def choose_best(
    users: Array,  # [B, N, M + 9]
    servers: Array,  # [B, M, 7]
    scenario: Scenario,  # [B], of these tokens
    network: NumpyNetwork | TorchNetwork,
    objective: ObjectiveConfig,
    count: int,
) -> tuple[Array, Array]:
    """Returns the best association [B, N, M] and its unit resources [B, N, 5].

    Considered are the association of the highest scores and `count` neighbours of it,
    each with the resources that the network gives it.
    """
    pairs: Any = network.pairs(users, servers)
    scores = network.scores(pairs)
    first = round_assignment(scores, scenario.max_users)
    tried = neighbours(scores, first, count)  # [B, C, N, M]
    resources = network.resources(pairs[:, None], tried.astype(np.float32))
    if tried.shape[1] == 1:
        return first, resources[:, 0]
    many = _broadcast(scenario, tried.shape)
    allocation = decode_resources(many, tried, resources.astype(np.float64))
    scr = evaluate(many, allocation, objective, check=False).scr  # [B, C]
    if (scenario.max_users < scenario.n_users).any():
        fits = (tried.sum(axis=-2) <= many.max_users).all(axis=-1)
        scr = np.where(fits, scr, -np.inf)
    best = scr.argmax(axis=-1)
    row = np.arange(len(best))
    return tried[row, best], resources[row, best]


def _broadcast(scenario: Scenario, shape: tuple[int, ...]) -> Scenario:
    """Returns scenarios [B] with an axis C for associations of shape [B, C, N, M]."""
    fields = scenario.map(lambda a: a[:, None]).to_dict()
    gain = np.broadcast_to(fields["channel_gain"], shape)
    return Scenario.unchecked(**fields | {"channel_gain": gain})


def neighbours(scores: Array, association: Array, count: int) -> Array:
    """Returns associations [B, C, N, M]: the one given, then ones near it.

    In each neighbour one user is at another server; the changes that lower the sum of
    scores least come first. C is 1 + `count`, or fewer where there are fewer changes.
    """
    n_batch, n_users, n_servers = scores.shape
    count = min(count, n_users * (n_servers - 1))
    tried = np.repeat(association[:, None], 1 + count, axis=1)
    if count == 0:
        return tried
    now = (scores * association).sum(axis=-1, keepdims=True)
    loss = np.where(association > 0, np.inf, now - scores).reshape(n_batch, -1)
    change = loss.argsort(axis=-1, kind="stable")[:, :count]  # [B, C − 1]
    user, server = change // n_servers, change % n_servers
    row, column = np.arange(n_batch)[:, None], np.arange(1, 1 + count)[None]
    tried[row, column, user] = 0.0
    tried[row, column, user, server] = 1.0
    return tried
