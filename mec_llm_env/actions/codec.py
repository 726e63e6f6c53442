"""`ActionCodec`: four encodings of an association and unit resources."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from mec_llm_env._array import Array, indicator, namespace
from mec_llm_env.actions.decoder import (
    FIELDS,
    RESOURCES,
    decode_resources,
    refuse_undecodable,
    unit_resources,
)
from mec_llm_env.allocation import Allocation
from mec_llm_env.assignment import assign
from mec_llm_env.objective import check_shapes
from mec_llm_env.ranges import shorten, word_argument
from mec_llm_env.record import as_numbers, checked_numpy, first_index
from mec_llm_env.scenario import Scenario

ENCODINGS = ("box", "multi_discrete", "dict", "dict_flat")
_KEYS = ("association", "resources")  # of the dictionaries

#: Levels of a resource in the `multi_discrete` encoding, evenly over [−1, 1].
LEVELS = 11


class ActionCodec:
    """Decodes actions for N users and M servers to allocations, and back.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(self, n_users: int, n_servers: int, encoding: str = "box") -> None:
        word_argument("action_encoding", encoding, ENCODINGS)
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
        resources = unit_resources(scenario, allocation)
        refuse_undecodable(scenario, allocation, resources)
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
        resources = np.clip(unit_resources(scenario, allocation), -1, 1)
        action = self._join(allocation.association, resources)
        decoded = self.decode(action, scenario)
        distance = [
            np.abs(getattr(decoded, name) / getattr(allocation, name) - 1)
            for name in FIELDS
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


def _scores_of_choices(server: Any, scenario: Scenario) -> Any:
    """Returns scores that honour as many choices as possible, then rank by gain."""
    chosen = indicator(server, scenario.n_servers, np.float64)
    if (chosen.sum(axis=-2) <= scenario.max_users).all():
        return chosen
    rank = scenario.channel_gain.argsort(axis=-1).argsort(axis=-1)
    return chosen + (1 - chosen) * rank / (scenario.n_users * scenario.n_servers)


def _checked_box(value: Any, shape: tuple[int, ...], name: str) -> Any:
    """Returns finite numbers of a shape, clipped to [−1, 1].

    Raises:
        ValueError: they are not; the text names the array by its `name`, and the index.
    """
    array = _of_shape(value, shape, name)
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
    """Returns numbers of choices of a shape, of `n_choices` each.

    Raises:
        ValueError: they are not; the text names the array by its `name`, and the index.
    """
    array = _of_shape(value, shape, name)
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
    """Returns whether all of the last axis are numbers of choices."""
    return namespace(array).all(_are_choices(array, n_choices), axis=-1)


def _all_finite(array: Array, n_axes: int) -> Array:
    """Returns whether all of the last axes, so many, are finite."""
    xp = namespace(array)
    return xp.all(xp.isfinite(array), axis=tuple(range(-n_axes, 0)))


def _of_shape(value: Any, shape: tuple[int, ...], name: str) -> Any:
    array = as_numbers(value, name)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}; got {array.shape}.")
    return array


def _show(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)
