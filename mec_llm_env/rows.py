"""Rows of batches: those of some sub-environments, in all that a batch is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mec_llm_env.record import ArrayRecord

Array = np.ndarray[Any, Any]


def add_masked(infos: dict[str, Any], figures: Any, mask: Array) -> None:
    """Adds figures with their masks as Gymnasium does: zero where the mask is not."""
    if not mask.any():
        return
    for name, values in figures.items():
        infos[name] = (
            values if mask.all() else put(np.zeros_like(values), values[mask], mask)
        )
        infos[f"_{name}"] = mask.copy()


def put(old: Any, new: Any, mask: Array) -> Any:
    """Returns `old` with the rows of the mask replaced, in all that it is made of."""
    if old is None or new is None:
        return None
    if isinstance(old, ArrayRecord):
        return old.unchecked(
            **{
                k: put(getattr(old, k), getattr(new, k), mask)
                for k in old.field_names()
            }
        )
    if isinstance(old, dict):
        return {key: put(old[key], new[key], mask) for key in old}
    merged = np.array(old)
    merged[mask] = new
    return merged


def members(situation: Any, mask: Array) -> Any:
    """Returns the situations of the mask; all of them without a copy."""
    return situation if mask.all() else situation[mask]


def each_row(batch: Any) -> Iterable[Any]:
    """Returns the members of a batch; dictionaries key by key."""
    if isinstance(batch, dict):
        rows = zip(*batch.values(), strict=True)
        return (dict(zip(batch, row, strict=True)) for row in rows)
    return batch


def blank(actions: Any, idle: Array) -> Any:
    """Returns actions, or figures, with zeros where sub-environments only begin."""
    if not idle.any():
        return actions
    if isinstance(actions, dict):
        return {key: blank(value, idle) for key, value in actions.items()}
    try:
        array = np.asarray(actions).copy()
    except (TypeError, ValueError, RuntimeError):
        return actions  # no array: refused by the decoder, with words
    if array.shape[:1] == idle.shape:
        array[idle] = 0
    return array
