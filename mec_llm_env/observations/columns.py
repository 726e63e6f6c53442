"""The columns of an observation: which numbers of a scenario, and on which scale.

Every parameter enters as an affine map of its logarithm (`max_users`: of its share of
N), chosen once for all configurations, so that a policy trained on one can be run on
another. Positions are left out; the objective is the environment's own. The noise is
what each server hears, with the noise rise of interference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mec_llm_env._array import Array, namespace
from mec_llm_env.observations.shared import Shared
from mec_llm_env.ranges import Limits
from mec_llm_env.record import first_index
from mec_llm_env.scenario import FIELD_LIMITS, Scenario
from mec_llm_env.workload.layers import whole_layers

#: Bound of every entry; in practice entries lie within about ±3.
LIMIT = 10.0


class LogScale(NamedTuple):
    """The map x → ln(x / centre) / spread."""

    centre: float  # in the field's unit
    spread: float  # nepers

    @property
    def range(self) -> tuple[float, float]:
        """The values that the encoding can hold, in the field's unit."""
        span = math.exp(LIMIT * self.spread)
        return self.centre / span, self.centre * span


_GAIN = LogScale(10**-10.8, 1.6 * math.log(10))  # ±160 dB, to the physical end of 1

_USER = {
    "workload_flop": LogScale(1e14, 0.7),
    "data_bit": LogScale(1e6, 0.7),
    "adapter_bit": LogScale(5.4e8, 0.7),
    "user_flop_per_cycle": LogScale(2560, 0.4),
    "user_frequency_max_hz": LogScale(1e9, 0.3),
    "user_power_coefficient": LogScale(2e-27, 0.5),
    "transmit_power_max_w": LogScale(0.5, 0.5),
    # One map for both, so that equal limits stay equal.
    "local_fraction_min": LogScale(0.25, 0.5),
    "local_fraction_max": LogScale(0.25, 0.5),
}
_SERVER = {
    "server_flop_per_cycle": LogScale(4600, 0.5),
    "server_frequency_max_hz": LogScale(1.4e9, 0.3),
    "server_power_coefficient": LogScale(2.2e-26, 0.7),
    "bandwidth_max_hz": LogScale(1e7, 0.5),
    "downlink_power_w": LogScale(20, 0.7),
    "noise_density_w_per_hz": LogScale(1.26e-20, 1.0),  # repeated at every server
}

#: Names of the columns of a user token after its M log-gains, and of a server token.
USER_FEATURES = tuple(_USER)
SERVER_FEATURES = (*_SERVER, "max_users")


#: The values that an observation can hold, by field of the scenario; of those, only
#: the ones that a `Scenario` may have.
OBSERVABLE = {
    name: Limits(
        max(scale.range[0], FIELD_LIMITS[name].lowest),
        min(scale.range[1], FIELD_LIMITS[name].highest),
    )
    for name, scale in {"channel_gain": _GAIN, **_USER, **_SERVER}.items()
}


def user_columns(n_servers: int) -> Any:
    """Returns centres and spreads of what a user token tells of a scenario, [2, ·]."""
    return _columns([_GAIN] * n_servers + list(_USER.values()))


def server_columns() -> Any:
    """Returns likewise those of a server token; `max_users` has no logarithm."""
    return _columns([*_SERVER.values(), LogScale(1, 1)])


def _columns(scales: list[LogScale]) -> Any:
    return np.stack([np.log([s.centre for s in scales]), [s.spread for s in scales]])


def write_scenario(scenario: Scenario, users: Any, servers: Any) -> None:
    """Writes a scenario into raw tokens, [..., N, M + 9] and [..., M, 7]."""
    m = scenario.n_servers
    users[..., :m], user, server = raw_columns(scenario)
    for column, values in enumerate(user, start=m):
        users[..., column] = values
    for column, values in enumerate(server):
        servers[..., column] = values


def raw_columns(scenario: Scenario) -> tuple[Array, Iterator[Array], Iterator[Array]]:
    """Returns the columns of raw tokens.

    Returns:
        The gains, [..., N, M]; the other columns of users, [..., N] or [N] each; those
        of servers, [..., M], [M] or [..., 1] each.
    """
    s, xp = scenario, namespace(scenario.channel_gain)
    n_batch = len(s.batch_shape)

    def logarithm(name: str) -> Array:
        noise = name == "noise_density_w_per_hz"
        value = s.uplink_noise_w_per_hz if noise else getattr(s, name)
        return xp.log(once(value, n_batch))

    slots = 2 * xp.minimum(s.max_users, s.n_users) / s.n_users - 1
    server = itertools.chain(map(logarithm, _SERVER), [slots])
    return xp.log(s.channel_gain), map(logarithm, _USER), server


def read_scenario(users: Any, servers: Any, shared: Shared) -> Scenario:
    """Rebuilds the scenario from raw tokens and what all scenarios share."""
    n, m = users.shape[-2], servers.shape[-2]
    slots = np.round((servers[..., -1] + 1) / 2 * n)
    users, servers = np.exp(users), np.exp(servers)
    fields = {name: users[..., m + i].copy() for i, name in enumerate(_USER)}
    fields |= {name: servers[..., i].copy() for i, name in enumerate(_SERVER)}
    noise = fields.pop("noise_density_w_per_hz")[..., 0]
    if shared.noise_rise is not None:
        noise = noise / shared.noise_rise[0]
        fields["noise_rise"] = np.broadcast_to(
            shared.noise_rise, (*noise.shape, m)
        ).copy()
    # Rounding must not carry these over their ends, where equations end too.
    for name in ("local_fraction_min", "local_fraction_max"):
        np.minimum(fields[name], FIELD_LIMITS[name].highest, out=fields[name])
        if shared.layers is not None:
            fields["layers"] = np.full(fields[name].shape, float(shared.layers))
            fields[name] = whole_layers(fields[name], fields["layers"])
    return Scenario.unchecked(
        channel_gain=np.minimum(users[..., :m], FIELD_LIMITS["channel_gain"].highest),
        noise_density_w_per_hz=np.asarray(noise),
        max_users=slots,
        **fields,
    )


def refuse_scenario(users: Any, servers: Any) -> None:
    """Refuses scaled tokens of a scenario that an observation cannot hold.

    Raises:
        ValueError: there are such; the text names the field and its range.
    """
    m = servers.shape[-2]
    columns = [("channel_gain", _GAIN, users[..., :m])]
    columns += [(k, s, users[..., m + i]) for i, (k, s) in enumerate(_USER.items())]
    columns += [(k, s, servers[..., i]) for i, (k, s) in enumerate(_SERVER.items())]
    for name, scale, units in columns:
        worst = float(units.ravel()[np.abs(units).argmax()])
        if abs(worst) > LIMIT:
            value = scale.centre * math.exp(scale.spread * worst)
            raise ValueError(
                f"`{name}` must be from {OBSERVABLE[name]} to be observed; got "
                f"{value:.3g}. Solvers take such a scenario directly."
            )


def check_entries(users: Any, servers: Any) -> None:
    """Refuses entries of tokens that no scenario is encoded as.

    Raises:
        ValueError: there are such; the text names the index of one.
    """
    slots = servers[..., len(SERVER_FEATURES) - 1]
    for name, values, limit in (
        ("users", users, LIMIT),
        ("servers", servers, LIMIT),
        ("slots (`max_users`)", slots, 1.0),
    ):
        finite = np.isfinite(values)
        inside = finite & (np.abs(np.where(finite, values, 0)) <= limit)
        if not inside.all():
            index = first_index(~(inside if finite.all() else finite))
            rule = f"from {-limit:g} to {limit:g}" if finite.all() else "finite"
            raise ValueError(
                f"The observation must be {rule}; got {values[index]} at index "
                f"{index} of its {name}."
            )


def once(value: Any, n_batch: int) -> Any:
    """Returns one member of an array that only repeats it over the batch axes.

    Drawn scenarios repeat what their configuration fixes; one logarithm is enough.
    """
    if not isinstance(value, np.ndarray):
        return value
    repeats = n_batch and not any(value.strides[:n_batch])
    return value[(0,) * n_batch] if repeats else value
