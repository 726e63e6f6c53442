"""Runs the tests as processors of other kinds would compute, on this one.

    python tests/as_other_processors.py [NAME[:THREADS] ...] [-- ARGUMENT OF PYTEST ...]

PyTorch, OpenBLAS, NumPy and numba each choose their code by the processor's
instructions, so that sums differ in their last digits. Each name tells some of them to
do without newer instructions; `all` is every one of them at once, `all:2` with two
threads, and the default is all names, each with one thread, then `all:2`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def numpy_features() -> str:
    """Returns the instructions that NumPy was built to use and this processor has."""
    from numpy._core import _multiarray_umath as core

    own = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]
    return " ".join(own)


KINDS: dict[str, dict[str, str]] = {
    "torch-default": {"ATEN_CPU_CAPABILITY": "default"},
    "torch-avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "mkl": {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "openblas": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "numba": {"NUMBA_CPU_NAME": "generic"},
    "numpy": {"NPY_DISABLE_CPU_FEATURES": numpy_features()},
}
KINDS["all"] = {
    name: value
    for kind, variables in KINDS.items()
    if kind != "torch-avx2"
    for name, value in variables.items()
}


def run(kind: str, threads: int, arguments: list[str]) -> int:
    """Runs pytest as a kind of processor; returns its exit status."""
    count = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environment = os.environ | count | KINDS[kind]
    with ExitStack() as stack:
        if "NUMBA_CPU_NAME" in environment:
            # What it has compiled for another processor is no test of this one.
            folder = tempfile.TemporaryDirectory(prefix="numba-")
            environment["NUMBA_CACHE_DIR"] = stack.enter_context(folder)
        words = [sys.executable, "-m", "pytest", "-q", *arguments]
        return subprocess.run(words, cwd=ROOT, env=environment).returncode


def main(words: list[str]) -> int:
    """Runs all that was asked for; returns the largest exit status."""
    cut = words.index("--") if "--" in words else len(words)
    arguments = words[cut + 1 :]
    plan = [name.partition(":") for name in words[:cut] or [*KINDS, "all:2"]]
    for name, colon, threads in plan:
        if name not in KINDS or (colon and not threads.strip("0").isdecimal()):
            known = ", ".join(KINDS)
            sys.exit(f"There is no {name + colon + threads!r}; choose from {known}.")
    statuses = []
    for kind, _, number in plan:
        threads = int(number or 1)
        print(f"{kind}, {threads} threads: {KINDS[kind]}", flush=True)
        statuses.append(run(kind, threads, arguments))
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
