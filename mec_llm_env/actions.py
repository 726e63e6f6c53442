"""Actions: one decoder to a feasible `Allocation`, four encodings of its input.

The decoder is part of the benchmark: another range or formula changes every learned
result, so a change of it is a new environment version. A test pins it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from mec_llm_env._array import Array, namespace
from mec_llm_env.allocation import Allocation, indicator
from mec_llm_env.assignment import assign
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.objective import check_shapes
from mec_llm_env.ranges import shorten
from mec_llm_env.record import checked_numpy, describe_index, first_index
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload.layers import whole_layers

ENCODINGS = ("box", "multi_discrete", "dict", "dict_flat")
_KEYS = ("association", "resources")  # of the dictionaries

#: Columns of the resource part of an action, each in [−1, 1].
RESOURCES = ("split", "power", "bandwidth", "compute", "frequency")

#: Levels of a resource in the `multi_discrete` encoding, evenly over [−1, 1].
LEVELS = 11

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


class ActionCodec:
    """Decodes actions for N users and M servers to allocations, and back.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(self, n_users: int, n_servers: int, encoding: str = "box") -> None:
        if not isinstance(encoding, str) or encoding not in ENCODINGS:
            raise ValueError(
                f"`action_encoding` must be one of {', '.join(ENCODINGS)}; got "
                f"{shorten(encoding)}."
            )
        self.n_users, self.n_servers, self.encoding = n_users, n_servers, encoding

    @property
    def space(self) -> spaces.Space[Any]:
        """The Gymnasium space of one action."""
        n, m = self.n_users, self.n_servers
        if self.encoding == "box":
            return spaces.Box(-1.0, 1.0, (n * (m + len(RESOURCES)),), np.float32)
        if self.encoding == "multi_discrete":
            return spaces.MultiDiscrete(([m] + [LEVELS] * len(RESOURCES)) * n)
        return spaces.Dict(
            {
                "association": spaces.MultiDiscrete([m] * n),
                "resources": spaces.Box(-1.0, 1.0, self._table_shape, np.float32),
            }
        )

    @property
    def _table_shape(self) -> tuple[int, ...]:
        """The shape of the resources in a dictionary, user-major where it is flat."""
        table = self.n_users, len(RESOURCES)
        return table if self.encoding == "dict" else (math.prod(table),)

    def decode(self, action: Any, scenario: Scenario) -> Allocation:
        """Returns the allocation, or batch of allocations, that an action stands for.

        Entries of a box beyond [−1, 1] are clipped.

        Raises:
            ValueError: a wrong shape, an entry that is not finite or a choice that
                does not exist; the text names the index.
        """
        scores, resources = self._split(action, scenario)
        association = assign(scores, scenario.max_users)
        return decode_resources(scenario, association, resources)

    def decode_unchecked(self, action: Any, scenario: Scenario) -> Allocation:
        """Returns what `decode` does of a valid action, with room for all everywhere.

        Arrays are of NumPy or JAX, which can trace it as no value is looked at.
        """
        xp, dtype = namespace(scenario.channel_gain), scenario.channel_gain.dtype

        def numbers(part: Array, is_box: bool) -> Array:
            part = xp.astype(part, dtype)
            return xp.clip(part, -1, 1) if is_box else part

        if isinstance(action, dict):
            action = {k: numbers(v, k == "resources") for k, v in action.items()}
        else:
            action = numbers(action, self.encoding == "box")
        choice, resources = self._parts(action)
        if self.encoding == "box":
            choice = xp.argmax(choice, axis=-1)
        association = indicator(choice, self.n_servers, dtype)
        return decode_resources(scenario, association, resources)

    def accepts(self, action: Any) -> Array:
        """Returns whether `decode` takes actions [...] of the right shapes, unchecked.

        Arrays are of NumPy or JAX. Those that it refuses have an entry that is not
        finite, or a choice that does not exist.
        """
        if isinstance(action, dict):
            choices, box = action["association"], action["resources"]
            n_axes = len(self._table_shape)
            return _all_choices(choices, self._n_choices) & _all_finite(box, n_axes)
        if self.encoding == "box":
            return _all_finite(action, 1)
        return _all_choices(action, self._n_choices)

    def encode(self, allocation: Allocation, scenario: Scenario) -> Any:
        """Returns an action that decodes to the allocation.

        To 1e-5 relative for `box`, `dict` and `dict_flat`; `multi_discrete` takes the
        nearest level.

        Raises:
            ValueError: the allocation leaves bandwidth unused or lies outside the
                decoder's range; the text names the field, user and range.
        """
        self._check_size(scenario)
        check_shapes(scenario, allocation)
        resources = _unit_resources(scenario, allocation)
        wrong = ~(np.abs(resources) <= 1 + 1e-6)
        if wrong.any():
            index = first_index(wrong)
            where, name = index[:-1], _FIELDS[index[-1]]
            raise ValueError(
                f"`{name}` must lie in the range of the action encoding, "
                f"{_RANGES[name]}; got {getattr(allocation, name)[where]:g} for "
                f"{describe_index(where, 'N')}."
            )
        unused = 1 - _used_share(scenario, allocation)
        if (unused > 1e-6).any():
            where = first_index(unused > 1e-6)
            raise ValueError(
                "`bandwidth_hz` must use all of each server's `bandwidth_max_hz` to be "
                f"encoded; got {unused[where]:.2g} of it unused for "
                f"{describe_index(where, 'M')}."
            )
        return self._join(allocation.association, resources)

    def project(
        self, allocation: Allocation, scenario: Scenario
    ) -> tuple[Any, np.ndarray[Any, Any]]:
        """Returns the nearest action, by clipping, and how far it is.

        Returns:
            The action, and the `projection_distance` `[...]`: the largest relative
            change of a user's resource between the allocation and the decoded action;
            0 where `encode` is exact.
        """
        self._check_size(scenario)
        check_shapes(scenario, allocation)
        resources = np.clip(_unit_resources(scenario, allocation), -1, 1)
        action = self._join(allocation.association, resources)
        decoded = self.decode(action, scenario)
        distance = [
            np.abs(getattr(decoded, name) / getattr(allocation, name) - 1)
            for name in _FIELDS
        ]
        return action, np.max(distance, axis=(0, -1))

    def asked(self, action: Any, scenario: Scenario) -> Any:
        """Returns the server that each user asks for, [..., N]; None if not known.

        A registered encoding of which the decoder may move users has its own.
        """
        if self.encoding not in ENCODINGS:
            return None
        return self._split(action, scenario)[0].argmax(axis=-1)

    def repaired(self, action: Any, scenario: Scenario, allocation: Allocation) -> Any:
        """Returns how many users are not at the server they asked for, [...] int64.

        There was no room for them. −1 where a registered encoding does not know.
        """
        batch = scenario.batch_shape
        if np.min(scenario.max_users) >= scenario.n_users:
            return np.zeros(batch, dtype=np.int64)
        asked = self.asked(action, scenario)
        if asked is None:
            return np.full(batch, -1)
        moved = allocation.association.argmax(axis=-1) != asked
        return np.asarray(moved.sum(axis=-1), dtype=np.int64)

    def masks(self, scenario: Scenario) -> np.ndarray[Any, Any]:
        """Returns which choices of an action there are, [..., sum of nvec] bool.

        Those of `association` in a dictionary, of the whole action else. A server
        with `max_users` = 0 cannot be chosen.

        Raises:
            ValueError: the encoding has no choices.
        """
        self._check_size(scenario)
        space = self.space
        space = space["association"] if isinstance(space, spaces.Dict) else space
        n, m = self.n_users, self.n_servers
        if not isinstance(space, spaces.MultiDiscrete) or len(space.nvec) % n:
            raise ValueError(
                f"The action encoding {self.encoding!r} has no choices to mask; use "
                "'multi_discrete', 'dict', 'dict_flat' or 'association'."
            )
        # Of each user the server comes first, then what is not limited.
        levels = int(space.nvec[: len(space.nvec) // n].sum()) - m
        batch = scenario.batch_shape
        masks = np.ones((*batch, n, m + levels), dtype=np.bool_)
        slots = np.broadcast_to(scenario.max_users, (*batch, m))
        masks[..., :m] = (slots >= 1)[..., None, :]
        return masks.reshape(*batch, -1)

    def _split(self, action: Any, scenario: Scenario) -> tuple[Any, Any]:
        """Returns association scores [..., N, M] and resources [..., N, 5]."""
        self._check_size(scenario)
        choice, resources = self._parts(self._checked(action, scenario.batch_shape))
        if self.encoding != "box":
            choice = _scores_of_choices(choice, scenario)
        return choice, resources

    def _checked(self, action: Any, batch: tuple[int, ...]) -> Any:
        """Returns the action as arrays that are valid, the box clipped."""
        n, m, k = self.n_users, self.n_servers, len(RESOURCES)
        if self.encoding == "box":
            return _checked_box(action, (*batch, n * (m + k)), "action")
        if self.encoding == "multi_discrete":
            shape = *batch, n * (1 + k)
            return _checked_choices(action, shape, self._n_choices, "action")
        if isinstance(action, dict) and set(action) == set(_KEYS):
            name, shape = "association", (*batch, *self._table_shape)
            server = _checked_choices(action[name], (*batch, n), self._n_choices, name)
            resources = _checked_box(action["resources"], shape, "resources")
            return {name: server, "resources": resources}
        keys = f" with {shorten(list(action))}" if isinstance(action, dict) else ""
        raise ValueError(
            "The action must be a dictionary with keys 'association' and "
            f"'resources'; got {type(action).__name__}{keys}."
        )

    @property
    def _n_choices(self) -> Any:
        """How many choices there are, of each entry that is one."""
        n, m = self.n_users, self.n_servers
        if self.encoding == "multi_discrete":
            return np.array(([m] + [LEVELS] * len(RESOURCES)) * n)
        return np.array(m)

    def _parts(self, action: Any) -> tuple[Any, Any]:
        """Returns scores [..., N, M] of a box, else servers [..., N]; resources."""
        n, m, k = self.n_users, self.n_servers, len(RESOURCES)
        if self.encoding == "box":
            table = action.reshape(*action.shape[:-1], n, m + k)
            return table[..., :m], table[..., m:]
        if self.encoding == "multi_discrete":
            table = action.reshape(*action.shape[:-1], n, 1 + k)
            return table[..., 0], table[..., 1:] * (2 / (LEVELS - 1)) - 1
        server = action["association"]
        return server, action["resources"].reshape(*server.shape[:-1], n, k)

    def _check_size(self, scenario: Scenario) -> None:
        checked_numpy(scenario, Scenario, "scenario")
        if scenario.channel_gain.shape[-2:] != (self.n_users, self.n_servers):
            raise ValueError(
                f"The scenario must have {self.n_users} users and {self.n_servers} "
                f"servers; got {scenario.n_users} and {scenario.n_servers}."
            )

    def _join(self, association: Any, resources: Any) -> Any:
        """Inverse of `_split`: chosen servers score 1, others −1."""
        batch = association.shape[:-2]
        server = association.argmax(axis=-1)
        if self.encoding == "box":
            table = np.concatenate([2 * association - 1, resources], axis=-1)
            return table.reshape(*batch, -1).clip(-1, 1).astype(np.float32)
        if self.encoding == "multi_discrete":
            levels = np.round((resources.clip(-1, 1) + 1) * ((LEVELS - 1) / 2))
            table = np.concatenate([server[..., None], levels], axis=-1)
            return table.reshape(*batch, -1).astype(np.int64)
        resources = resources.reshape(*batch, *self._table_shape)
        return {
            "association": server.astype(np.int64),
            "resources": resources.clip(-1, 1).astype(np.float32),
        }


_FIELDS = (
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


def _unit_resources(scenario: Scenario, allocation: Allocation) -> Any:
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


def _used_share(scenario: Scenario, allocation: Allocation) -> Any:
    """Returns the share of bandwidth in use, [..., M]; 1 where nobody is served."""
    x = allocation.association
    used = np.einsum("...nm,...n->...m", x, allocation.bandwidth_hz)
    return np.where(x.any(axis=-2), used / scenario.bandwidth_max_hz, 1.0)


def choose_association(server: Any, scenario: Scenario, name: str) -> Any:
    """Returns the association [..., N, M] nearest to chosen servers [..., N].

    With finite `max_users` some choices may have to give way.

    Raises:
        ValueError: a wrong shape or a server that does not exist; the text names the
            index, and the array by its `name`.
    """
    batch, (n, m) = scenario.batch_shape, scenario.channel_gain.shape[-2:]
    choices = _checked_choices(server, (*batch, n), np.array(m), name)
    scores = _scores_of_choices(choices, scenario)
    return assign(scores, scenario.max_users)


_REGISTERED: dict[str, Callable[[ScenarioConfig], ActionCodec]] = {}


def register_encoding(
    name: str, maker: Callable[[ScenarioConfig], ActionCodec]
) -> None:
    """Adds an action encoding from outside of this library, for `action_encoding=`.

    Like an environment's id, it is known once the module that registers it is imported.

    Args:
        name: of the encoding.
        maker: returns its codec, of a subclass of `ActionCodec`.

    Raises:
        ValueError: the name is that of one of the library's own.
    """
    if not isinstance(name, str) or name in ENCODINGS:
        raise ValueError(
            f"`name` must not be one of {', '.join(ENCODINGS)} or no text; got "
            f"{shorten(name)}."
        )
    if not callable(maker):
        raise ValueError(f"`maker` must return a codec; got {shorten(maker)}.")
    _REGISTERED[name] = maker


def _with_dashf(encoding: Any) -> str:
    """Says where the solvers' own encoding is, if that was asked for."""
    if isinstance(encoding, str) and encoding == "association":
        return " It comes with the solvers: `import dashf`."
    return ""


def make_codec(config: ScenarioConfig, encoding: str) -> ActionCodec:
    """Returns the codec of an encoding, the library's or a registered one.

    Raises:
        ValueError: the encoding is unknown.
    """
    if not isinstance(config, ScenarioConfig):
        raise ValueError(
            f"`config` must be a mec_llm_env.ScenarioConfig; got {shorten(config)}."
        )
    known = (*ENCODINGS, *_REGISTERED)
    if not isinstance(encoding, str) or encoding not in known:
        raise ValueError(
            f"`action_encoding` must be one of {', '.join(known)}; got "
            f"{shorten(encoding)}.{_with_dashf(encoding)}"
        )
    if encoding in _REGISTERED:
        return _REGISTERED[encoding](config)
    return ActionCodec(config.users, config.servers, encoding)


def _scores_of_choices(server: Any, scenario: Scenario) -> Any:
    """Returns scores that honour as many choices as possible, then rank by gain."""
    chosen = indicator(server, scenario.n_servers, np.float64)
    if (chosen.sum(axis=-2) <= scenario.max_users).all():
        return chosen
    rank = scenario.channel_gain.argsort(axis=-1).argsort(axis=-1)
    return chosen + (1 - chosen) * rank / (scenario.n_users * scenario.n_servers)


def _checked_box(value: Any, shape: tuple[int, ...], name: str) -> Any:
    array = _as_shape(value, shape, name)
    if array.dtype == np.longdouble:  # beyond float64 it is infinite: refused below
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    array = array.astype(np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        index = first_index(~finite)
        raise ValueError(
            f"`{name}` must be finite; got {array[index]} at index {_show(index)}."
        )
    return np.clip(array, -1, 1, out=array)


def _checked_choices(
    value: Any, shape: tuple[int, ...], n_choices: Any, name: str
) -> Any:
    array = _as_shape(value, shape, name)
    valid = _are_choices(array, n_choices)
    if not valid.all():
        index = first_index(~valid)
        highest = np.broadcast_to(n_choices, shape)[index] - 1
        raise ValueError(
            f"`{name}` must hold whole numbers from 0 to {highest}; got "
            f"{array[index]} at index {_show(index)}."
        )
    return array


def _are_choices(array: Array, n_choices: Array) -> Array:
    xp = namespace(array)
    return (array >= 0) & (array < n_choices) & (array == xp.floor(array))


def _all_choices(array: Array, n_choices: Array) -> Array:
    return namespace(array).all(_are_choices(array, n_choices), axis=-1)


def _all_finite(array: Array, n_axes: int) -> Array:
    xp = namespace(array)
    return xp.all(xp.isfinite(array), axis=tuple(range(-n_axes, 0)))


def _as_shape(value: Any, shape: tuple[int, ...], name: str) -> Any:
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"`{name}` must be an array of numbers; got {type(value).__name__}."
        ) from None
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}; got {array.shape}.")
    return array


def _show(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)
