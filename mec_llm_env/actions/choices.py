"""Checks of what an action holds, and the association of chosen servers."""

from __future__ import annotations

from typing import Any

import numpy as np

from mec_llm_env._array import Array, namespace
from mec_llm_env.allocation import indicator
from mec_llm_env.assignment import assign
from mec_llm_env.record import first_index
from mec_llm_env.scenario import Scenario


def choose_association(server: Any, scenario: Scenario, name: str) -> Any:
    """Returns the association [..., N, M] nearest to chosen servers [..., N].

    With finite `max_users` some choices may have to give way.

    Raises:
        ValueError: a wrong shape or a server that does not exist; the text names the
            index, and the array by its `name`.
    """
    batch, (n, m) = scenario.batch_shape, scenario.channel_gain.shape[-2:]
    choices = checked_choices(server, (*batch, n), np.array(m), name)
    scores = scores_of_choices(choices, scenario)
    return assign(scores, scenario.max_users)


def scores_of_choices(server: Any, scenario: Scenario) -> Any:
    """Returns scores that honour as many choices as possible, then rank by gain."""
    chosen = indicator(server, scenario.n_servers, np.float64)
    if (chosen.sum(axis=-2) <= scenario.max_users).all():
        return chosen
    rank = scenario.channel_gain.argsort(axis=-1).argsort(axis=-1)
    return chosen + (1 - chosen) * rank / (scenario.n_users * scenario.n_servers)


def checked_box(value: Any, shape: tuple[int, ...], name: str) -> Any:
    """Returns finite numbers of a shape, clipped to [−1, 1].

    Raises:
        ValueError: they are not; the text names the array by its `name`, and the index.
    """
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


def checked_choices(
    value: Any, shape: tuple[int, ...], n_choices: Any, name: str
) -> Any:
    """Returns numbers of choices of a shape, of `n_choices` each.

    Raises:
        ValueError: they are not; the text names the array by its `name`, and the index.
    """
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


def all_choices(array: Array, n_choices: Array) -> Array:
    """Returns whether all of the last axis are numbers of choices."""
    return namespace(array).all(_are_choices(array, n_choices), axis=-1)


def all_finite(array: Array, n_axes: int) -> Array:
    """Returns whether all of the last axes, so many, are finite."""
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
