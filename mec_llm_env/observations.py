"""Observations: a lossless float32 encoding of a scenario.

Every parameter enters as an affine map of its logarithm (`max_users`: of its share of
N), chosen once for all configurations, so that a policy trained on one can be run on
another. Positions are left out; the objective is the environment's own. The noise is
what each server hears, with the noise rise of interference, which all scenarios of an
environment share.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from mec_llm_env._array import Array, like, namespace
from mec_llm_env.ranges import Limits, shorten
from mec_llm_env.record import checked_numpy, first_index
from mec_llm_env.scenario import FIELD_LIMITS, Scenario
from mec_llm_env.workload.layers import whole_layers

#: Bound of every entry; in practice entries lie within about ±3.
LIMIT = 10.0

ENCODINGS = ("flat", "tokens")
_TOKENS = ("users", "servers")


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


class TokenCodec:
    """Lays out the numbers of an observation: N user tokens, then M server tokens.

    `flat` is one vector of them; `tokens` a dictionary of the same numbers, `users` and
    `servers`. A column is a raw number less its centre, over its spread.

    Args:
        n_users: N.
        n_servers: M.
        encoding: "flat" or "tokens".
        user: centres and spreads of the columns of a user token, [2, ·].
        server: likewise of a server token.
        noise_rise: [M], of all scenarios; None: they have none.
        layers: Υ where the split is that of whole layers: not in the observation, as
            all scenarios of an environment have it.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(
        self,
        n_users: int,
        n_servers: int,
        encoding: str,
        *,
        user: Any,
        server: Any,
        noise_rise: Any = None,
        layers: int | None = None,
    ) -> None:
        if not isinstance(encoding, str) or encoding not in ENCODINGS:
            raise ValueError(
                f"`observation_encoding` must be one of {', '.join(ENCODINGS)}; got "
                f"{shorten(encoding)}."
            )
        self.n_users, self.n_servers, self.encoding = n_users, n_servers, encoding
        self.noise_rise = noise_rise
        self.layers = layers
        self.user_shape = (n_users, user.shape[-1])
        self.server_shape = (n_servers, server.shape[-1])
        self._size = math.prod(self.user_shape) + math.prod(self.server_shape)
        # One a column of the flat encoding.
        flat = [np.tile(user, n_users), np.tile(server, n_servers)]
        self._centres, self._spreads = np.concatenate(flat, axis=-1)

    @property
    def space(self) -> spaces.Space[Any]:
        """The Gymnasium space of one observation."""

        def box(*shape: int) -> spaces.Box:
            return spaces.Box(-LIMIT, LIMIT, shape, np.float32)

        if self.encoding == "tokens":
            return spaces.Dict(
                {"users": box(*self.user_shape), "servers": box(*self.server_shape)}
            )
        return box(self._size)

    def _scale(self, values: Any) -> bool:
        """Scales raw numbers [..., size] where they are; tells whether all fit."""
        values -= self._centres
        values /= self._spreads
        return bool(values.max() <= LIMIT and values.min() >= -LIMIT)

    def _show(self, values: Any) -> Any:
        """Returns the observation of scaled numbers, [..., size]."""
        if self.encoding == "flat":
            return values.astype(np.float32)
        users, servers = self._split(values)
        return {
            "users": users.astype(np.float32),
            "servers": servers.astype(np.float32),
        }

    def unpack(self, observation: Any) -> tuple[Any, Any]:
        """Splits an observation into its user and server tokens.

        Raises:
            ValueError: the observation has another shape than `space`.
        """
        if self.encoding == "tokens":
            if not isinstance(observation, dict) or set(observation) != set(_TOKENS):
                raise ValueError(
                    "The observation must be a dictionary with keys 'users' and "
                    f"'servers'; got {shorten(observation)}."
                )
            users, servers = (_numbers(observation[key], key) for key in _TOKENS)
            self._check_shape("users", users, self.user_shape)
            self._check_shape("servers", servers, self.server_shape)
            return users, servers
        flat = _numbers(observation, "flat")
        self._check_shape("flat", flat, (self._size,))
        return self._split(flat)

    def _split(self, flat: Any) -> tuple[Any, Any]:
        """Returns views of the user and server tokens in a flat array."""
        batch, n_user = flat.shape[:-1], math.prod(self.user_shape)
        return (
            flat[..., :n_user].reshape(*batch, *self.user_shape),
            flat[..., n_user:].reshape(*batch, *self.server_shape),
        )

    def _check_size(self, scenario: Scenario) -> None:
        shape = scenario.channel_gain.shape[-2:]
        if shape != (self.n_users, self.n_servers):
            raise ValueError(
                f"The scenario must have {self.n_users} users and {self.n_servers} "
                f"servers; got {shape[0]} and {shape[1]}."
            )
        self._check_noise_rise(scenario.noise_rise)
        self._check_layers(scenario.layers)

    def _check_noise_rise(self, given: Any) -> None:
        """Refuses a scenario with another noise rise than the observed ones."""
        if self.noise_rise is None and given is None:
            return
        none = np.ones(self.n_servers)
        own = none if self.noise_rise is None else self.noise_rise
        other, own = np.broadcast_arrays(none if given is None else given, own)
        if not (same := np.isclose(other, own, rtol=1e-9, atol=0)).all():
            index = first_index(~same)
            raise ValueError(
                "The scenario must have the `noise_rise` of the environment; got "
                f"{other[index]:g} instead of {own[index]:g} for server {index[-1]}. "
                "Make the environment with the scenario's `server.noise_rise_db`, "
                f"there {10 * math.log10(other[index]):g}."
            )

    def _check_layers(self, layers: Any) -> None:
        """Refuses a scenario with another number of layers than the observed ones."""
        if self.layers is None and layers is None:
            return
        if self.layers is None:
            raise ValueError(
                "This encoding has no place for `layers`; got a scenario that has "
                "them. Make the environment with `workload.split` = 'whole_layers'."
            )
        if layers is None or (layers != self.layers).any():
            got = "a scenario without" if layers is None else f"{layers.ravel()[0]:g}"
            raise ValueError(
                f"The scenario must have `layers` = {self.layers}, as `workload.model` "
                f"or `workload.layers` says; got {got}."
            )

    def _check_shape(self, name: str, value: Any, wanted: tuple[int, ...]) -> None:
        if value.shape[-len(wanted) :] != wanted:
            raise ValueError(
                f"The observation (`{name}`) must have shape [..., {wanted}] for "
                f"{self.n_users} users and {self.n_servers} servers; got {value.shape}."
            )


class ObservationCodec(TokenCodec):
    """Encodes scenarios of N users and M servers as observations, and back.

    `flat` is one vector, user tokens then server tokens; `tokens` is a dictionary of
    the same numbers: `users` [..., N, M + 9] and `servers` [..., M, 7].

    Args:
        n_users: N.
        n_servers: M.
        encoding: "flat" or "tokens".
        noise_rise: [M], of all scenarios; None: they have none.
        layers: Υ where the split is that of whole layers.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(
        self,
        n_users: int,
        n_servers: int,
        encoding: str = "flat",
        *,
        noise_rise: Any = None,
        layers: int | None = None,
    ) -> None:
        super().__init__(
            n_users,
            n_servers,
            encoding,
            user=user_columns(n_servers),
            server=server_columns(),
            noise_rise=noise_rise,
            layers=layers,
        )

    def encode(self, scenario: Scenario) -> Any:
        """Returns the observation, or batch of observations, of a scenario.

        Raises:
            ValueError: the scenario has another size, or a field lies outside the
                range that the encoding can hold; the text names both.
        """
        checked_numpy(scenario, Scenario, "scenario")
        self._check_size(scenario)
        if scenario.serving is not None:
            raise ValueError(
                "This encoding has no place for `serving`; got a scenario that has it. "
                "Observations of MecLlmMobile-v0 do; solvers take it directly."
            )
        batch = scenario.batch_shape
        if 0 in batch:
            raise ValueError(
                f"`scenario` must hold at least one; got batch shape {batch}."
            )
        values = np.empty((*batch, self._size))
        users, servers = self._split(values)  # views
        write_scenario(scenario, users, servers)
        if not self._scale(values):
            refuse_scenario(users, servers)
        return self._show(values)

    def encode_unchecked(self, scenario: Scenario) -> Any:
        """Returns what `encode` does of a scenario that is known to fit.

        Nothing is written in place and no value looked at, so that JAX can trace it.
        """
        gain, user, server = raw_columns(scenario)
        xp, batch = namespace(gain), scenario.batch_shape

        def row(columns: Iterable[Array], n_tokens: int) -> Array:
            shape = *batch, n_tokens
            return xp.stack([xp.broadcast_to(c, shape) for c in columns], axis=-1)

        users = xp.concat([gain, row(user, self.n_users)], axis=-1)
        servers = row(server, self.n_servers)
        flat = [xp.reshape(tokens, (*batch, -1)) for tokens in (users, servers)]
        values = xp.concat(flat, axis=-1) - like(gain, self._centres)
        return self._show(values / like(gain, self._spreads))

    def decode(self, observation: Any) -> Scenario:
        """Rebuilds the scenario, to 1e-5 relative; positions are absent.

        Raises:
            ValueError: the observation has another shape than `space`, or an entry that
                no scenario has; the text names its index.
        """
        users, servers = self.unpack(observation)
        check_entries(users, servers)
        centres, spreads = self._split(self._centres), self._split(self._spreads)
        users = users * spreads[0] + centres[0]
        return read_scenario(
            users,
            servers * spreads[1] + centres[1],
            noise_rise=self.noise_rise,
            layers=self.layers,
        )


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


def read_scenario(
    users: Any, servers: Any, *, noise_rise: Any = None, layers: int | None = None
) -> Scenario:
    """Rebuilds the scenario from raw tokens.

    With a noise rise [M] and a number of layers where scenarios have them.
    """
    n, m = users.shape[-2], servers.shape[-2]
    slots = np.round((servers[..., -1] + 1) / 2 * n)
    users, servers = np.exp(users), np.exp(servers)
    fields = {name: users[..., m + i].copy() for i, name in enumerate(_USER)}
    fields |= {name: servers[..., i].copy() for i, name in enumerate(_SERVER)}
    noise = fields.pop("noise_density_w_per_hz")[..., 0]
    if noise_rise is not None:
        noise = noise / noise_rise[0]
        fields["noise_rise"] = np.broadcast_to(noise_rise, (*noise.shape, m)).copy()
    # Rounding must not carry these over their ends, where equations end too.
    for name in ("local_fraction_min", "local_fraction_max"):
        np.minimum(fields[name], FIELD_LIMITS[name].highest, out=fields[name])
        if layers is not None:
            fields["layers"] = np.full(fields[name].shape, float(layers))
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


def _numbers(value: Any, name: str) -> Any:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"The observation (`{name}`) must be an array of numbers; got "
            f"{shorten(value)}."
        ) from None
    return array


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
