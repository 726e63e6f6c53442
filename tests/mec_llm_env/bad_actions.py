"""Actions of every kind, most of them not valid."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch

ODD_NUMBERS = [
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 0.5, -1, 2, 11, 10**6, -0.0),
    *(5e-324, 2**63, -(2**63)),
]
ODD_VALUES: list[Any] = [
    *(None, True, 3, 0.5, "left", b"left", "", 1j, object(), print, range(3)),
    *([], [[]], [[1.0], [1.0, 2.0]], {}, {"association": 0}, {1: 2, "a": 3}, set()),
    *(np.array(None), np.array(["a"]), np.array([1j]), np.zeros((0, 3)), np.nan),
    *(np.array([object()]), np.datetime64("2024-01-01"), np.ma.masked, [None, 1]),
    *(torch.zeros(3, requires_grad=True), torch.tensor(1j), torch.float32, 10**400),
    *(itertools.count(), np.longdouble("1e4000"), float, ..., NotImplemented),
]
ODD_KEYS: list[Any] = [1, None, (1, 2), 0.5, b"association", "Association", True, ""]
DTYPES = [
    *(np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.int8),
    *(np.uint64, np.bool_, object, str),
]


def spoiled_array(rng: np.random.Generator, valid: Any) -> Any:
    """An array with an odd entry, shape or type, or another thing."""
    array = np.array(valid)
    kind = rng.integers(8)
    if kind == 0:
        return ODD_VALUES[rng.integers(len(ODD_VALUES))]
    if kind == 1:  # another type
        with np.errstate(all="ignore"):
            return array.astype(DTYPES[rng.integers(len(DTYPES))], casting="unsafe")
    if kind == 2:  # another shape
        shape = list(array.shape)
        shape[rng.integers(len(shape))] += int(rng.choice([-1, 1, 5]))
        return np.resize(array, [max(size, 0) for size in shape])
    if kind == 3:
        return array[None] if rng.random() < 0.5 else array.T
    if kind == 4:
        return array.tolist() if rng.random() < 0.5 else torch.as_tensor(array)
    array = array.astype(np.float64)
    for _ in range(rng.integers(1, 3)):  # odd entries
        index = tuple(rng.integers(size) for size in array.shape)
        array[index] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    return array


def spoiled_action(rng: np.random.Generator, valid: Any) -> Any:
    """A valid action with something wrong about it, most of the time."""
    if not isinstance(valid, dict):
        return spoiled_array(rng, valid)
    action: dict[Any, Any] = dict(valid)
    kind = rng.integers(6)
    if kind == 0:
        return ODD_VALUES[rng.integers(len(ODD_VALUES))]
    key = str(rng.choice([*valid]))
    if kind == 1:  # keys that are not strings, or other ones, and mixtures
        value = action.pop(key) if rng.random() < 0.5 else 0
        action[ODD_KEYS[rng.integers(len(ODD_KEYS))]] = value
        return action
    if kind == 2:
        del action[key]
        return action
    action[key] = spoiled_array(rng, action[key])
    return action
