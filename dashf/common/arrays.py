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
