"""The second look at a decision: a few associations, compared by the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.set_network import SetNetwork
from mec_llm_env import ObjectiveConfig, Scenario, evaluate
from mec_llm_env.actions import decode_resources
from mec_llm_env.assignment import round_assignment

Array = np.ndarray[Any, Any]


def choose_best(
    network: SetNetwork,
    pairs: Tensor,  # [B, N, M, D]
    scenario: Scenario,  # [B], NumPy
    objective: ObjectiveConfig,
    count: int,
) -> tuple[Array, Array]:
    """Returns the best association [B, N, M] and its unit resources [B, N, 5].

    Considered are the association of the highest scores and `count` neighbours of it,
    each with the resources that the network gives it.
    """
    scores = network.scores(pairs).numpy()
    first = round_assignment(scores, scenario.max_users)
    tried = neighbours(scores, first, count)  # [B, C, N, M]
    association = torch.from_numpy(tried.astype(np.float32))
    resources = network.resources(pairs[:, None], association).numpy()
    if tried.shape[1] == 1:
        return first, resources[:, 0]
    many = scenario.map(
        lambda a: np.broadcast_to(a[:, None], (*tried.shape[:2], *a.shape[1:]))
    )
    allocation = decode_resources(many, tried, resources.astype(np.float64))
    scr = evaluate(many, allocation, objective, check=False).scr  # [B, C]
    fits = (tried.sum(axis=-2) <= many.max_users).all(axis=-1)
    best = np.where(fits, scr, -np.inf).argmax(axis=-1)
    row = np.arange(len(best))
    return tried[row, best], resources[row, best]


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
    change = loss.argpartition(count - 1, axis=-1)[:, :count]  # [B, C − 1]
    change = np.take_along_axis(
        change, np.take_along_axis(loss, change, axis=-1).argsort(axis=-1), axis=-1
    )
    user, server = change // n_servers, change % n_servers
    row, column = np.arange(n_batch)[:, None], np.arange(1, 1 + count)[None]
    tried[row, column, user] = 0.0
    tried[row, column, user, server] = 1.0
    return tried
