"""Runs the tests of the environments with another version of Gymnasium.

    python tests/with_gymnasium.py 1.1.1

Builds `.venv-gymnasium-<version>` with that version (or "newest") and all else as
`constraints.txt` has it, then runs the tests of the environments and of the policies
that look through their wrappers, warnings being errors.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "tests/mec_llm_env",
    "tests/dashf/test_policy.py",
    "tests/dashf/test_encoding.py",
)

# Proves that the tests see the version that was asked for.
INSTALLED = "import gymnasium; print('Gymnasium', gymnasium.__version__)"


def constraints(version: str) -> str:
    """Returns `constraints.txt` with Gymnasium at `version`, or free if "newest"."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    others = [line for line in lines if not line.startswith("gymnasium==")]
    assert len(others) == len(lines) - 1
    pin = [] if version == "newest" else [f"gymnasium=={version}"]
    return "\n".join([*others, *pin, ""])


def main(version: str) -> int:
    """Builds the environment and returns the exit status of the tests in it."""
    folder = ROOT / f".venv-gymnasium-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    with tempfile.TemporaryDirectory() as temporary:
        pins = Path(temporary) / "constraints.txt"
        pins.write_text(constraints(version))
        install = [python, "-m", "pip", "install", "--quiet", "--upgrade"]
        # Not .[dev]: that brings linters, which no test needs.
        install += ["--constraint", pins, "--editable", f"{ROOT}[test]"]
        subprocess.run([*install, "gymnasium"], check=True)
    subprocess.run([python, "-c", INSTALLED], check=True)
    pytest = [python, "-m", "pytest", "-n", "2", *TESTS]
    return subprocess.run(pytest, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python tests/with_gymnasium.py VERSION|newest")
    sys.exit(main(sys.argv[1]))
