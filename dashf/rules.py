"""The rules that baselines are made of: associations and average resources.

| id | association | resources and split |
|---|---|---|
| random | uniform | a uniform sample of the action space, decoded |
| rucaa | random | average: equal shares, φ = 0.5, full power and frequency |
| gucaa | greedy: strongest channel | average |

Those that optimise are in `alternating.baselines`. All functions here take a batch of
scenarios of any shape and treat it as a whole.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pair.coefficients import local_frequency
from mec_llm_env import Allocation, ObjectiveConfig, Scenario
from mec_llm_env.actions import RESOURCES, decode_resources
from mec_llm_env.allocation import one_hot
from mec_llm_env.assignment import assign
from mec_llm_env.workload.layers import whole_layers

_START_SPLIT = 0.3


def strongest_channel(scenario: Scenario) -> Array:
    """Returns the greedy association [..., N, M]: each user at its strongest channel.

    With finite `max_users`, the Hungarian assignment of the log-gains.
    """
    s = scenario.to_numpy()
    return assign(np.log(s.channel_gain), s.max_users)


def random_association(scenario: Scenario, rng: np.random.Generator) -> Array:
    """Returns a random association [..., N, M]: each user's server uniform.

    With finite `max_users`, users draw slots of the servers without replacement. A
    scenario uses the same number of random numbers either way.
    """
    s = scenario.to_numpy()
    n_users, n_servers = s.n_users, s.n_servers
    keys = rng.random((*s.batch_shape, n_servers, n_users))  # one a possible slot

    free_server = np.floor(n_servers * keys[..., 0, :])
    closed = np.arange(n_users) >= s.max_users[..., None]
    slots = np.where(closed, np.inf, keys).reshape(*s.batch_shape, -1)
    slot_server = np.argsort(slots, axis=-1)[..., :n_users] // n_users

    unlimited = (s.max_users >= n_users).all(axis=-1)[..., None]
    return one_hot(np.where(unlimited, free_server, slot_server), n_servers)


def balanced_association(scenario: Scenario) -> Array:
    """Returns strongest channels with at most ⌈N/M⌉ users per server, [..., N, M].

    A server with a smaller `max_users` keeps that, and the others share what is left.
    """
    s = scenario.to_numpy()
    limit = np.full(s.batch_shape, -(-s.n_users // s.n_servers))[..., None]
    for _ in range(s.n_users):  # raise the common limit until all find room
        slots = np.minimum(s.max_users, limit)
        short = slots.sum(axis=-1, keepdims=True) < s.n_users
        if not short.any():
            break
        limit = limit + short
    return assign(np.log(s.channel_gain), slots)


def compute_greedy(scenario: Scenario) -> Array:
    """Returns an association by server compute, [..., N, M].

    Users in turn, the largest workload first, go to the server with the most FLOP/s a
    user, themselves included, among those with room.
    """
    s = scenario.to_numpy()
    capacity = s.server_flop_per_cycle * s.server_frequency_max_hz  # [..., M] FLOP/s
    association = np.zeros(s.channel_gain.shape)
    for user in np.moveaxis(np.argsort(-s.workload_flop, axis=-1), -1, 0):
        load = association.sum(axis=-2)
        offer = np.where(load < s.max_users, capacity / (load + 1), -np.inf)
        row = one_hot(offer.argmax(axis=-1), s.n_servers)
        np.put_along_axis(
            association, user[..., None, None], row[..., None, :], axis=-2
        )
    return association


def average_allocation(scenario: Scenario, association: Array) -> Allocation:
    """Returns equal shares, φ = 0.5 clipped to its box, full power and frequency.

    With `layers`, φ is that of the nearest whole layers.

    Args:
        scenario: batch shape `[...]`.
        association: [..., N, M] 0 or 1.
    """
    s = scenario.to_numpy()
    load = np.maximum(association.sum(axis=-2), 1)  # [..., M]

    def share(capacity: Array) -> Array:
        return np.einsum("...nm,...m->...n", association, capacity / load)

    return Allocation.unchecked(
        association=np.array(association, dtype=np.float64),
        local_fraction=_split(s, 0.5),
        transmit_power_w=s.transmit_power_max_w.copy(),
        bandwidth_hz=share(s.bandwidth_max_hz),
        user_frequency_hz=s.user_frequency_max_hz.copy(),
        server_frequency_hz=share(s.server_frequency_max_hz),
    )


def _split(s: Scenario, local_fraction: float) -> Array:
    """Returns a φ in the box of each user, [..., N], that of whole layers if asked."""
    phi = np.clip(local_fraction, s.local_fraction_min, s.local_fraction_max)
    if s.layers is None:
        return phi
    return np.clip(
        whole_layers(phi, s.layers), s.local_fraction_min, s.local_fraction_max
    )


def random_allocation(scenario: Scenario, rng: np.random.Generator) -> Allocation:
    """Returns uniform resources at random servers, decoded, a batch as a whole.

    Without finite `max_users` that is what a uniform sample of the action space decodes
    to. With it, users draw slots, as in `random_association`.
    """
    s = scenario.to_numpy()
    association = random_association(s, rng)
    resources = rng.uniform(-1, 1, (*s.batch_shape, s.n_users, len(RESOURCES)))
    return decode_resources(s, association, resources)


def starting_allocation(
    scenario: Scenario, association: Array, objective: ObjectiveConfig
) -> Allocation:
    """Returns where block 2 starts: equal shares, φ = 0.3, full power, best frequency.

    φ is clipped to its box.
    """
    s = scenario
    return average_allocation(s, association).changed(
        local_fraction=_split(s, _START_SPLIT),
        user_frequency_hz=local_frequency(s, objective),
    )
