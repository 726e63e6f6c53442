"""A cache of arrays that take long to compute, in `.cache/` of the checkout."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mec_llm_env.files import Arrays, read_arrays, write_arrays

CACHE = Path(__file__).parents[2] / ".cache"


def cached_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Reads arrays from a file, or computes and stores them if it is absent or damaged.

    The file is written atomically, and its check sums are verified when it is read. If
    it cannot be written, the arrays are computed again the next time.

    Args:
        path: of the `.npz` file, named after all that the arrays depend on.
        make: computes them.
    """
    stored = stored_arrays(path)
    if stored is not None:
        return stored
    arrays = make()
    store_arrays(path, arrays)
    return arrays


def store_arrays(path: Path, arrays: Arrays) -> None:
    """Writes arrays for `stored_arrays`; does nothing where that is not possible."""
    with contextlib.suppress(OSError):  # a read-only checkout, or a full disk
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, arrays)


def stored_arrays(path: Path) -> Arrays | None:
    """Returns the arrays of a file; None if it is absent or damaged."""
    try:
        return read_arrays(path, signed=True)
    except (OSError, ValueError):
        return None


def source_hash(*packages: ModuleType) -> str:
    """Hashes the Python files of packages, as results may change with them."""
    digest = hashlib.sha256()
    for package in packages:
        assert package.__file__ is not None
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
