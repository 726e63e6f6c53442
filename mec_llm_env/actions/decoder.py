"""The decoder: from unit resources to a feasible `Allocation`, and its inverse.

It is part of the benchmark: another range or formula changes every learned result, so a
change of it is a new environment version. A test pins it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mec_llm_env._array import Array, namespace
from mec_llm_env.allocation import Allocation
from mec_llm_env.record import describe_index, first_index
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload.layers import whole_layers

#: Columns of the resource part of an action, each in [−1, 1].
RESOURCES = ("split", "power", "bandwidth", "compute", "frequency")

_LOWEST_SHARE = 0.01  # of maximum power and frequency
_BANDWIDTH_NEPERS = 3.0  # bandwidth weight e^(3a)
_COMPUTE_DECADES = 1.5  # compute request 10^(1.5 (a − 1))


def decode_resources(
    scenario: Scenario,
    association: Array,  # [..., N, M] 0 or 1; relaxed rows that sum to 1 interpolate
    resources: Array,  # [..., N, 5] in [−1, 1], columns as `RESOURCES`
) -> Allocation:
    """Maps an association and unit resources to an allocation.

    NumPy, PyTorch and JAX alike, differentiable in both arguments. Always feasible for
    a feasible association: bandwidth is shared by weights, compute by requests that are
    scaled down only if they exceed the server, so that it can be left idle. The split
    is that of the nearest whole layers where the scenario has `layers`.
    """
    s = scenario
    xp = namespace(s.channel_gain, association, resources)
    split, power, bandwidth, compute, frequency = (
        resources[..., i] for i in range(len(RESOURCES))
    )
    split_range = s.local_fraction_max - s.local_fraction_min
    weight = xp.exp(_BANDWIDTH_NEPERS * bandwidth)
    request = xp.exp(_COMPUTE_DECADES * math.log(10) * (compute - 1))

    def at_server(per_server: Array) -> Array:  # [..., M] → [..., N]
        return xp.matmul(association, per_server[..., None])[..., 0]

    def total(per_user: Array) -> Array:  # [..., N] → [..., M]
        return xp.vecdot(xp.matrix_transpose(association), per_user[..., None, :])

    requested = total(request)
    local_fraction = s.local_fraction_min + split_range * (split + 1) / 2
    if s.layers is not None:
        local_fraction = whole_layers(local_fraction, s.layers)
    return Allocation.unchecked(
        association=association,
        local_fraction=local_fraction,
        transmit_power_w=s.transmit_power_max_w * _share_of_maximum(power),
        bandwidth_hz=at_server(s.bandwidth_max_hz)
        * (weight / at_server(total(weight))),
        user_frequency_hz=s.user_frequency_max_hz * _share_of_maximum(frequency),
        server_frequency_hz=at_server(s.server_frequency_max_hz)
        * (request / at_server(xp.where(requested > 1, requested, 1.0))),
    )


def _share_of_maximum(unit: Array) -> Array:
    return _LOWEST_SHARE + (1 - _LOWEST_SHARE) * (unit + 1) / 2


#: The field of an allocation that each of `RESOURCES` is.
FIELDS = (
    "local_fraction",
    "transmit_power_w",
    "bandwidth_hz",
    "server_frequency_hz",
    "user_frequency_hz",
)
_RANGES = {
    "local_fraction": "`local_fraction_min` to `local_fraction_max`",
    "transmit_power_w": "0.01 to 1 of `transmit_power_max_w`",
    "user_frequency_hz": "0.01 to 1 of `user_frequency_max_hz`",
    "bandwidth_hz": "a factor of at most e^6 = 403 between the users of a server",
    "server_frequency_hz": "0.001 to 1 of `server_frequency_max_hz`, or, where all of "
    "it is used, a factor of at most 1000 between the users of a server",
}


def unit_resources(scenario: Scenario, allocation: Allocation) -> Any:
    """Inverts `decode_resources`, [..., N, 5]; beyond ±1 where out of its range."""
    s, z = scenario, allocation
    x = z.association

    def at_server(per_server: Any) -> Any:
        return np.einsum("...nm,...m->...n", x, per_server)

    def extremes(values: Any) -> tuple[Any, Any]:
        """Returns the lowest and highest over the users of each user's server."""
        column = values[..., None]
        lowest = np.where(x > 0, column, np.inf).min(axis=-2)
        highest = np.where(x > 0, column, -np.inf).max(axis=-2)
        occupied = x.any(axis=-2)
        return (
            at_server(np.where(occupied, lowest, 0.0)),
            at_server(np.where(occupied, highest, 0.0)),
        )

    width = s.local_fraction_max - s.local_fraction_min
    offset = 2 * (z.local_fraction - s.local_fraction_min) - width
    split = offset / np.where(width == 0, 1.0, width)

    weight = np.log(z.bandwidth_hz)
    bandwidth = (weight - np.add(*extremes(weight)) / 2) / _BANDWIDTH_NEPERS

    # A fully used server divides its requests by their sum, so they may be scaled up:
    # until the largest is all of it, so that small changes of them leave none idle.
    share = z.server_frequency_hz / at_server(s.server_frequency_max_hz)
    used = at_server(np.einsum("...nm,...n->...m", x, share))
    request = share / np.where(used >= 1 - 1e-6, extremes(share)[1], 1.0)
    compute = np.log10(request) / _COMPUTE_DECADES + 1

    def unit_of_share(share: Any) -> Any:
        return 2 * (share - _LOWEST_SHARE) / (1 - _LOWEST_SHARE) - 1

    power = unit_of_share(z.transmit_power_w / s.transmit_power_max_w)
    frequency = unit_of_share(z.user_frequency_hz / s.user_frequency_max_hz)
    return np.stack([split, power, bandwidth, compute, frequency], axis=-1)


def refuse_undecodable(
    scenario: Scenario, allocation: Allocation, resources: Any
) -> None:
    """Refuses an allocation that no action decodes to, with its `unit_resources`.

    Raises:
        ValueError: a resource lies outside of the decoder's range, or bandwidth is left
            unused; the text names the field, user or server, and the range.
    """
    wrong = ~(np.abs(resources) <= 1 + 1e-6)
    if wrong.any():
        index = first_index(wrong)
        where, name = index[:-1], FIELDS[index[-1]]
        raise ValueError(
            f"`{name}` must lie in the range of the action encoding, "
            f"{_RANGES[name]}; got {getattr(allocation, name)[where]:g} for "
            f"{describe_index(where, 'N')}."
        )
    x = allocation.association
    used = np.einsum("...nm,...n->...m", x, allocation.bandwidth_hz)
    unused = np.where(x.any(axis=-2), 1 - used / scenario.bandwidth_max_hz, 0.0)
    if (unused > 1e-6).any():
        where = first_index(unused > 1e-6)
        raise ValueError(
            "`bandwidth_hz` must use all of each server's `bandwidth_max_hz` to be "
            f"encoded; got {unused[where]:.2g} of it unused for "
            f"{describe_index(where, 'M')}."
        )
