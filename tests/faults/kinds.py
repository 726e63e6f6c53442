"""What a kind of file is to the tests that damage it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Kind(NamedTuple):
    """A kind of file that the project reads."""

    name: str
    #: Makes a file in a folder; returns it, and what reads it and returns what it says.
    #: The stack undoes what was patched.
    make: Callable[[Path, ExitStack], tuple[Path, Callable[[], Any]]]
    #: What the error has to contain, of the file's {name}.
    named: str = "{name}"
    unsigned: bool = False  # written by people, or other libraries, without check sums
    is_cache: bool = False  # can be made again


def digest(arrays: Mapping[str, Any]) -> str:
    """Returns what tells arrays, or values, from others."""
    plain = {
        name: (
            np.asarray(value).dtype.str,
            np.shape(value),
            np.asarray(value).tobytes(),
        )
        for name, value in sorted(arrays.items())
        if value is not None
    }
    return hashlib.sha256(pickle.dumps(plain)).hexdigest()
