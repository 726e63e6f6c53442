"""Local search around a decision: a few associations are evaluated with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mec_llm_env import ObjectiveConfig, Scenario, evaluate
from mec_llm_env.actions import decode_resources
from mec_llm_env.assignment import round_assignment

if TYPE_CHECKING:
    from agents.policies.compiled_network import CompiledNetwork

Array = np.ndarray[Any, Any]


def choose_best(
    users: Array,  # [B, N, M + 9]
    servers: Array,  # [B, M, 7]
    scenario: Scenario,  # [B], of these tokens
    network: CompiledNetwork,
    objective: ObjectiveConfig,
    count: int,
    margin: float = np.inf,
) -> tuple[Array, Array]:
    """Returns the best association [B, N, M] and its unit resources [B, N, 5].

    Candidates are the association of the highest scores and those of its `count`
    neighbours whose sum of scores is at most `margin` lower, each with the resources
    that the network decides for it.
    """
    pairs = network.pairs(users, servers)
    scores = network.scores(pairs)
    first = round_assignment(scores, scenario.max_users)
    tried, loss = neighbours(scores, first, count)  # [B, C, N, M], [B, C]
    worth = loss <= margin
    if (scenario.max_users < scenario.n_users).any():
        worth &= (tried.sum(axis=-2) <= scenario.max_users[:, None]).all(axis=-1)
    worth[:, 0] = True
    row, _ = np.nonzero(worth)  # K in all, in the order of scenarios
    association = tried[worth]
    resources = network.resources(pairs, association, row)  # [K, N, 5]
    if len(row) == len(worth):
        return first, resources
    many = scenario[row]
    allocation = decode_resources(many, association, resources.astype(np.float64))
    scr = np.full(worth.shape, -np.inf)
    scr[worth] = evaluate(many, allocation, objective, check=False).scr
    position = worth.cumsum().reshape(worth.shape) - 1  # among the K
    best = position[np.arange(len(scr)), scr.argmax(axis=-1)]
    return association[best], resources[best]


def neighbours(scores: Array, association: Array, count: int) -> tuple[Array, Array]:
    """Returns an association followed by its neighbours, and their losses of score.

    In a neighbour one user is at another server; those that lower the sum of scores
    least come first.

    Returns:
        [B, C, N, M] associations, C being 1 + `count` or less where there are fewer
        changes, and [B, C] how much lower the sum of scores is.
    """
    n_batch, n_users, n_servers = scores.shape
    count = min(count, n_users * (n_servers - 1))
    tried = np.repeat(association[:, None], 1 + count, axis=1)
    losses = np.zeros((n_batch, 1 + count))
    if count == 0:
        return tried, losses
    now = (scores * association).sum(axis=-1, keepdims=True)
    loss = np.where(association > 0, np.inf, now - scores).reshape(n_batch, -1)
    change = loss.argsort(axis=-1, kind="stable")[:, :count]  # [B, C − 1]
    losses[:, 1:] = np.take_along_axis(loss, change, axis=-1)
    user, server = change // n_servers, change % n_servers
    row, column = np.arange(n_batch)[:, None], np.arange(1, 1 + count)[None]
    tried[row, column, user] = 0.0
    tried[row, column, user, server] = 1.0
    return tried, losses
