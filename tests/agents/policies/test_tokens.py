"""What networks are told of tokens, of both environments and any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.policies.set_critic import SetCritic
from agents.policies.set_network import NetworkConfig, SetNetwork
from agents.policies.tokens import MOBILE, ONE_DECISION, split_tokens, tokens_of
from agents.problems.instances import held_out_instances
from agents.problems.tasks import MOBILE_ENV, make_task
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.scenario import Scenario

NETWORK = NetworkConfig(width=8, pair_layers=1, user_layers=1, pooled=2)


def mobile_task(users: int, servers: int, encoding: str = "flat") -> MobileTask:
    task = make_task(
        MOBILE_ENV,
        overrides={"users": users, "servers": servers, "mobility.slots": 3},
        observation_encoding=encoding,
    )
    assert isinstance(task, MobileTask)
    return task


def observed(task: MobileTask, server: list[int]) -> torch.Tensor:
    """Returns the flat observation of a first slot with states at servers."""
    trajectory = held_out_instances(task.config, 1)[0]
    situation = task.begin(task.recall(trajectory, (), 0))
    seen = situation.seen
    fields = seen.scenario.to_dict()
    fields["serving"] = np.eye(task.config.servers)[server]
    changed = {**seen.to_dict(), "scenario": Scenario.unchecked(**fields)}
    return torch.from_numpy(task.observation_codec.encode(type(seen)(**changed)))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2), (2, 5), (10, 2), (7, 7)])
@pytest.mark.parametrize("encoding", ["flat", "tokens"])
def test_tokens_are_known_by_their_sizes(n: int, m: int, encoding: str) -> None:
    mobile = mobile_task(n, m, encoding).observation_codec
    assert tokens_of(mobile.space, n, m) is MOBILE
    overrides = {"users": n, "servers": m}
    single = make_task("MecLlm-v0", overrides=overrides, observation_encoding=encoding)
    assert tokens_of(single.observation_codec.space, n, m) is ONE_DECISION
    with pytest.raises(ValueError, match=f"of {n + 1} users and {m} servers"):
        tokens_of(mobile_task(n, m).observation_codec.space, n + 1, m)


def test_places_are_relative_to_servers() -> None:
    task = mobile_task(3, 2)
    users, servers = split_tokens(observed(task, [1, 0, 1])[None], 3, 2)
    found = MOBILE.read(users, servers)
    assert found.user.shape == (1, 3, MOBILE.user)
    assert found.server.shape == (1, 2, MOBILE.server)
    assert found.pair is not None
    assert found.pair.shape == (1, 3, 2, MOBILE.pair)
    trajectory = held_out_instances(task.config, 1)[0]
    s, velocity = trajectory.slot(0), trajectory.user_velocity_m_per_s[0]
    radius = task.config.layout.cell_radius_m
    offset = s.server_position_m - s.user_position_m[:, None]
    pair = found.pair[0].numpy()
    np.testing.assert_array_equal(pair[..., 0], [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_allclose(pair[0, 1, 1], 0, atol=1e-6)  # its own server
    np.testing.assert_allclose(pair[..., 2:4], offset / radius, atol=1e-5)
    length = np.linalg.norm(offset, axis=-1) / radius
    np.testing.assert_allclose(pair[..., 4], np.log(length + 0.05), atol=1e-4)
    moved = s.user_position_m + velocity * task.config.mobility.slot_s
    inside = np.linalg.norm(moved, axis=-1) < radius
    assert inside.any()
    length = np.linalg.norm(s.server_position_m - moved[:, None], axis=-1) / radius
    expected = np.log(length + 0.05)[inside]
    np.testing.assert_allclose(pair[inside][..., 5], expected, atol=1e-4)


def test_networks_do_not_depend_on_the_order() -> None:
    task = mobile_task(4, 3)
    users, servers = split_tokens(observed(task, [0, 2, 1, 1])[None], 4, 3)
    torch.manual_seed(0)
    network = SetNetwork(NETWORK, tokens=MOBILE)
    critic = SetCritic(8, MOBILE)
    torch.nn.init.normal_(critic.value.weight)
    rows, columns = [2, 0, 3, 1], [1, 2, 0]
    own = [3 + i for i in range(9)], [15 + i for i in range(6)]
    serving = [12 + i for i in columns]
    order = [*columns, *own[0], *serving, *own[1]]
    turned = users[:, rows][..., order], servers[:, columns]
    scores = network.scores(network.pairs(users, servers))
    again = network.scores(network.pairs(*turned))
    torch.testing.assert_close(again, scores[:, rows][..., columns])
    torch.testing.assert_close(critic(*turned), critic(users, servers))
    # States elsewhere are another question.
    other, _ = split_tokens(observed(task, [1, 2, 1, 1])[None], 4, 3)
    assert (network.scores(network.pairs(other, servers)) != scores).any()
