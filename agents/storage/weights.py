"""Files of weights without pickles: arrays and JSON in one `.npz`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mec_llm_env.files import read_arrays, with_sum

_ABOUT = "about.json"  # name of the entry that holds the JSON text, as bytes

Arrays = dict[str, np.ndarray[Any, Any]]


def write_weights(
    file: str | Path | BinaryIO, arrays: Arrays, about: dict[str, Any]
) -> None:
    """Writes named arrays, and a description of them as JSON, with their SHA-256."""
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    if isinstance(file, (str, Path)):
        with open(file, "wb") as stream:
            write_weights(stream, arrays, about)
    else:
        np.savez(file, allow_pickle=False, **with_sum({**arrays, _ABOUT: text}))


def read_weights(file: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """Inverse of `write_weights`.

    Raises:
        ValueError: the file is not one that `write_weights` wrote.
        FileNotFoundError: there is no such file.
    """
    try:
        arrays = read_arrays(file)
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if not isinstance(about, dict):
            raise TypeError(f"{_ABOUT} is no JSON object")
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, NumPy and json raise many kinds
        raise ValueError(
            f"{os.fspath(file)!r} is not a file of weights: "
            f"{type(error).__name__}: {error}"
        ) from error
    return arrays, about
