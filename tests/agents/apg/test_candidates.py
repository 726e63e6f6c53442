"""The second look at a decision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from agents.apg import Apg
from agents.apg.candidates import choose_best, neighbours
from mec_llm_env import evaluate, sample_scenario, violations
from mec_llm_env.actions import decode_resources
from mec_llm_env.task import Task
from tests.agents.policies.torch_network import TorchNetwork

SMALL = {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}


def test_neighbours_are_the_nearest_changes_of_one_user() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 4, 3))
    first = np.eye(3)[scores.argmax(axis=-1)]
    tried, loss = neighbours(scores, first, 5)
    assert tried.shape == (6, 6, 4, 3)
    np.testing.assert_array_equal(tried[:, 0], first)
    for b in range(6):
        total = (scores[b] * first[b]).sum()
        changes = []  # (loss of score, association), by enumeration
        for user, server in itertools.product(range(4), range(3)):
            if first[b, user, server] == 0:
                other = first[b].copy()
                other[user] = np.eye(3)[server]
                changes.append((total - (scores[b] * other).sum(), other))
        changes.sort(key=lambda change: change[0])
        for k in range(5):
            np.testing.assert_array_equal(tried[b, 1 + k], changes[k][1])
        wanted = [0.0, *(change[0] for change in changes[:5])]
        np.testing.assert_allclose(loss[b], wanted, rtol=1e-12)


def test_there_may_be_fewer_neighbours_than_asked_for() -> None:
    scores = np.zeros((2, 3, 2))
    first = np.eye(2)[np.zeros((2, 3), dtype=int)]
    assert neighbours(scores, first, 10)[0].shape == (2, 4, 3, 2)
    assert neighbours(scores, first, 0)[0].shape == (2, 1, 3, 2)
    one_server = np.ones((2, 3, 1))
    assert neighbours(one_server, one_server, 10)[0].shape == (2, 1, 3, 1)


@pytest.mark.parametrize("limit", [4, 2])
def test_takes_the_best_feasible_by_the_model(limit: int) -> None:
    task = Task(preset="tiny-4x2", overrides={"server.max_users": limit})
    model = Apg("SetPolicy", task, policy_kwargs=SMALL)
    scenario = sample_scenario(task.config, np.random.default_rng(0), (40,))
    tokens = task.observation_codec.unpack(task.observation_codec.encode(scenario))
    objective = task.config.objective

    def scr(count: int, margin: float = np.inf) -> np.ndarray:
        network = TorchNetwork(model.policy)
        x, unit = choose_best(*tokens, scenario, network, objective, count, margin)
        allocation = decode_resources(scenario, x, unit.astype(np.float64))
        assert max(v.max() for v in violations(scenario, allocation).values()) < 1e-6
        return evaluate(scenario, allocation, objective).scr

    none, close, few, all_ = scr(0), scr(2, 0.05), scr(2), scr(4)
    assert (close >= none - 1e-4).all()  # float32 of another batch
    assert (few >= close - 1e-4).all()
    assert (all_ >= few - 1e-4).all()
    np.testing.assert_allclose(scr(2, 0.0), none, rtol=1e-5)
    if limit == 4:  # else all servers are full, so that there is no neighbour
        assert none.mean() < close.mean() < few.mean()
        assert (all_ > none).mean() > 0.5  # the network is untrained
