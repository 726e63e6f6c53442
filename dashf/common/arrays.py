"""Types of NumPy arrays; solvers take no other."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Of rows, users, servers or options.
Indices = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

#: A number, or one for each scenario of a batch.
Numbers = float | Array


def rows_of(array: Any, rows: Indices) -> Any:
    """Returns `array[rows]`; of an array with a single row, that row repeated.

    NumPy lets go of the GIL when it looks up by numbers, and each time another thread
    is woken that may want it.
    """
    return array.repeat(len(rows), axis=0) if len(array) == 1 else array[rows]
