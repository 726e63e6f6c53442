import itertools

import numpy as np
import pytest

from dashf.pricing.bound import PARTS, Problem
from dashf.pricing.branching import Node, branch, interchangeable
from mec_llm_env import ObjectiveConfig, ScenarioConfig, sample_scenario
from tests.dashf.cases import all_alike
from tests.dashf.extremes import random_configuration
from tests.dashf.searches import associations


def allowed_associations(scenario, nodes):
    """For every association, in how many of the nodes it is allowed."""
    counts = []
    for x in associations(scenario):
        server = x.argmax(axis=-1)
        counts.append(
            sum(
                all(
                    node.options.allowed[0, user].reshape(-1, PARTS)[m].any()
                    for user, m in enumerate(server)
                )
                for node in nodes
            )
        )
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_children_hold_every_association_once(seed):
    rng = np.random.default_rng(seed)
    s = sample_scenario(ScenarioConfig(users=4, servers=3), rng)
    p = Problem.of(s, ObjectiveConfig())
    nodes = [Node(np.inf, p.options)]
    for _ in range(5):
        node = nodes.pop(0)
        choice = rng.dirichlet(np.ones(3 * PARTS), 4) * node.options.allowed[0]
        choice /= choice.sum(axis=-1, keepdims=True)
        nodes += branch(node, choice)
    assert set(allowed_associations(s, nodes)) == {1}


@pytest.mark.parametrize("seed", range(6))
def test_children_hold_every_whole_layer_once(seed):
    rng = np.random.default_rng(seed)
    config = ScenarioConfig(users=2, servers=2).with_overrides(
        {"workload.layers": int(rng.integers(2, 7)), "workload.split": "whole_layers"}
    )
    s = sample_scenario(config, rng)
    p, layers = Problem.of(s, ObjectiveConfig(), whole=True), s.layers
    nodes, ends = [Node(np.inf, p.options)], []
    while nodes:
        node = nodes.pop()
        choice = rng.dirichlet(np.ones(2 * PARTS), 2) * node.options.allowed[0]
        choice /= choice.sum(axis=-1, keepdims=True)
        children = branch(node, choice, layers)
        nodes += children
        ends += [] if children else [node.options]
    # A node that ends has one server and one φ for each user.
    found = []
    for o in ends:
        assert (o.allowed[0].sum(axis=-1) == 1).all()
        option = o.allowed[0].argmax(axis=-1)
        low, high = (side[0, [0, 1], option] for side in (o.low, o.high))
        assert (low == high).all()
        found.append((*(option // PARTS), *np.round(low * layers)))
    splits = range(1, int(layers[0]))
    every = itertools.product(range(2), range(2), splits, splits)
    assert sorted(found) == sorted(every)


def test_users_and_servers_alike_are_recognised():
    o = Problem.of(all_alike(4, 3), ObjectiveConfig()).options
    users, servers = interchangeable(o, 1, 2)
    assert users.tolist() == [0, 1, 2, 3]
    assert servers.tolist() == [0, 1, 2]
    s, objective = random_configuration(2)
    users, servers = interchangeable(Problem.of(s, objective).options, 3, 1)
    assert (users.tolist(), servers.tolist()) == ([3], [1])


def test_nodes_without_an_allocation_are_left_out():
    s = sample_scenario(
        ScenarioConfig().with_overrides(
            {"users": 3, "servers": 3, "server.max_users": 1}
        ),
        np.random.default_rng(0),
    )
    p = Problem.of(s, ObjectiveConfig())
    node = Node(np.inf, p.options)
    # All but one user may be at server 0 alone, or not at all.
    node.options.allowed[0, 1:, PARTS:] = False
    choice = np.full((3, 3 * PARTS), 1 / (3 * PARTS))
    assert branch(node, choice) == []
