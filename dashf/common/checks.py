"""Checks of what users hand to solvers; each error names the argument and a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from dashf.common.arrays import Array
from mec_llm_env import Allocation, ObjectiveConfig, Scenario
from mec_llm_env.config import checked_objective
from mec_llm_env.ranges import Limits, Rule, shorten, word_argument
from mec_llm_env.record import as_floats, checked_record, describe_index, first_index

T = TypeVar("T")

#: Highest number of iterations, tries and the like.
_MOST = 10**9


def check_objective(objective: Any) -> ObjectiveConfig:
    """Returns the objective, the default one for None.

    Raises:
        ValueError: it is something else.
    """
    return checked_objective(objective)


def check_scenario(scenario: Any) -> Scenario:
    """Returns a scenario, or a batch of them, as NumPy arrays.

    Raises:
        ValueError: it is something else, or the batch is empty.
    """
    checked_record(scenario, Scenario, "scenario")
    check_batch(scenario)
    return scenario.to_numpy()


def check_batch(scenario: Scenario) -> None:
    """Raises a ValueError if the batch is empty."""
    if 0 in scenario.batch_shape:
        raise ValueError(
            "`scenario` must hold at least one; got batch shape "
            f"{scenario.batch_shape}. There is no scenario to decide on."
        )


def check_single(scenario: Any) -> Scenario:
    """Returns a scenario that is not a batch, as NumPy arrays.

    Raises:
        ValueError: it is a batch, or no scenario.
    """
    s = check_scenario(scenario)
    if s.batch_shape != ():
        raise ValueError(
            "`scenario` must be a single one, batch shape (); got batch shape "
            f"{s.batch_shape}. Solve `scenario[i]`, or all by `dashf.solve_batch`."
        )
    return s


def check_allocation(scenario: Scenario, allocation: Any) -> Allocation:
    """Returns an allocation of the scenario's size, as NumPy arrays.

    Raises:
        ValueError: it is something else, or of another size or batch shape.
    """
    checked_record(allocation, Allocation, "allocation")
    wanted, got = scenario.channel_gain.shape, allocation.association.shape
    if tuple(got) != tuple(wanted):
        raise ValueError(
            f"`allocation.association` must have shape {tuple(wanted)} as the scenario "
            f"has; got {tuple(got)}."
        )
    return allocation.to_numpy()


def check_association(scenario: Scenario, association: Any) -> Array:
    """Returns an association [..., N, M] of the scenario's shape, of 0 and 1.

    Raises:
        ValueError: it has another shape or other numbers, a user has not exactly one
            server, or a server more users than `max_users`; the text names where.
    """
    name, wanted = "association", tuple(scenario.channel_gain.shape)
    x = check_array(name, association, wanted)
    binary = (x == 0) | (x == 1)
    if not binary.all():
        index = first_index(~binary)
        raise ValueError(
            f"`{name}` must hold 0 and 1 only; got {x[index]:g} for "
            f"{describe_index(index, 'NM')}. `round_assignment` rounds a relaxed one."
        )
    servers, users = x.sum(axis=-1), x.sum(axis=-2)
    if (servers != 1).any():
        index = first_index(servers != 1)
        raise ValueError(
            f"`{name}` must give each user one server; got {servers[index]:.0f} for "
            f"{describe_index(index, 'N')}."
        )
    if (users > scenario.max_users).any():
        index = first_index(users > scenario.max_users)
        raise ValueError(
            f"`{name}` must keep to `max_users`; got {users[index]:.0f} users for "
            f"{describe_index(index, 'M')}, which may serve "
            f"{scenario.max_users[index]:.0f}."
        )
    return x


def check_array(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Returns a float64 array of exactly that shape and of finite numbers.

    Raises:
        ValueError: it is another one.
    """
    if type(value).__module__.startswith("torch") and hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = as_floats(value, name)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}; got {array.shape}.")
    finite = np.isfinite(array)
    if not finite.all():
        index = first_index(~finite)
        raise ValueError(
            f"`{name}` must be finite; got {array[index]} at index {index}."
        )
    return array


def check_tolerance(tolerance: Any, lowest: float = 1e-9) -> float:
    """Returns a relative tolerance.

    Raises:
        ValueError: it is not between the lowest and 1.
    """
    return check_number("tolerance", tolerance, lowest, 1)


def check_count(name: str, value: Any, least: int) -> int:
    """Returns a number of things.

    Raises:
        ValueError: it is no integer, below the least one or above 10^9.
    """
    try:
        return int(Rule(Limits(least, _MOST), integer=True).clean(value))
    except ValueError:
        most = f" and at most {_MOST}" if isinstance(value, int) and value > 0 else ""
        raise ValueError(
            f"`{name}` must be an integer of at least {least}{most}; got "
            f"{shorten(value)}."
        ) from None


def check_number(name: str, value: Any, lowest: float, highest: float) -> float:
    """Returns a number in a range, both ends allowed.

    Raises:
        ValueError: it is something else.
    """
    try:
        return float(Rule(Limits(lowest, highest)).clean(value))
    except ValueError:
        ends = ", ".join(f"{end:g}".replace("e-0", "e-") for end in (lowest, highest))
        raise ValueError(
            f"`{name}` must be in [{ends}]; got {shorten(value)}."
        ) from None


def check_ratio(ratio: Any) -> float:
    """Returns y, a price of cost in score.

    Raises:
        ValueError: it is negative, not finite or no number.
    """
    if isinstance(ratio, np.ndarray) and ratio.shape == ():
        ratio = ratio[()]
    return check_number("ratio", ratio, 0, 1e300)


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns one of some words.

    Raises:
        ValueError: it is something else.
    """
    return word_argument(name, value, tuple(choices))


def check_kind(name: str, value: Any, kind: type[T]) -> T:
    """Returns an object of a class.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, kind):
        raise ValueError(
            f"`{name}` must be a {kind.__name__}; got {type(value).__name__}."
        )
    return value


def check_flag(name: str, value: Any) -> bool:
    """Returns a truth value.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False; got {shorten(value)}.")
    return bool(value)


def check_callable(name: str, value: Any) -> Callable[..., Any]:
    """Returns a function.

    Raises:
        ValueError: it is something else.
    """
    if not callable(value):
        raise ValueError(f"`{name}` must be a function; got {shorten(value)}.")
    return value
