"""Checks of what users hand to solvers; each error names the argument and a remedy."""

from __future__ import annotations

import operator
from typing import Any

from mec_llm_env import ObjectiveConfig, Scenario


def check_objective(objective: Any) -> ObjectiveConfig:
    """Returns the objective, the default one for None.

    Raises:
        ValueError: it is something else.
    """
    if objective is None:
        return ObjectiveConfig()
    if not isinstance(objective, ObjectiveConfig):
        raise ValueError(
            f"`objective` must be an `ObjectiveConfig`; got {type(objective).__name__}."
            " Of a `ScenarioConfig` take its `.objective`."
        )
    return objective


def check_batch(scenario: Scenario) -> None:
    """Raises a ValueError if the batch is empty."""
    if 0 in scenario.batch_shape:
        raise ValueError(
            "`scenario` must hold at least one; got batch shape "
            f"{scenario.batch_shape}."
        )


def check_tolerance(tolerance: Any) -> None:
    """Raises a ValueError if the tolerance is not between 1e-9 and 1."""
    try:
        valid = not isinstance(tolerance, bool) and bool(1e-9 <= tolerance <= 1)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"`tolerance` must be in [1e-9, 1]; got {tolerance!r}.")


def check_count(name: str, value: Any, least: int) -> None:
    """Raises a ValueError if a number is no integer, or below the least one."""
    try:
        valid = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}; got {value!r}."
        )
