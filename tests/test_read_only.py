"""A checkout that cannot be written, a user without a home: time, never the work."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_scripts import ROOT, SMALL

PARTS = ("agents", "dashf", "mec_llm_env", "hyperparams", "train.py", "evaluate.py")

# Of Linux: what lets root write what nobody may write, and how to go without it.
_DROP, _OVERRIDE = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project that nobody can write."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".cache")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=ignored)
        else:
            shutil.copy(source, copy)
    for path in (*copy.rglob("*"), copy):
        path.chmod(path.stat().st_mode & ~0o222)
    return copy


def run(checkout: Path, work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a user without HOME, root's privileges or much to write to."""
    keep = ("PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    return subprocess.run(
        [sys.executable, checkout / words[0], *words[1:]],
        cwd=work,
        env=environment | {"HOME": "/proc/nowhere", "TMPDIR": os.fspath(work)},
        capture_output=True,
        text=True,
        preexec_fn=unprivileged if os.geteuid() == 0 else None,
    )


def unprivileged() -> None:
    """Lets the permissions of files hold for root too, from the next `exec` on."""
    assert ctypes.CDLL(None).prctl(_DROP, _OVERRIDE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("agent", SMALL)
def test_trained_evaluated_and_resumed(
    agent: str, checkout: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = run(checkout, work, "train.py", "--agent", agent, *SMALL[agent])
    assert done.returncode == 0, done.stderr
    assert "No key can be kept" in done.stdout
    words = ("--agents", f"runs/{agent}/latest", "apg:pretrained", "dual", "dashf")
    done = run(
        checkout,
        work,
        "evaluate.py",
        *words,
        "--instances",
        "3",
        "--preset",
        "tiny-4x2",
    )
    assert done.returncode == 0, done.stderr
    assert len(list(work.glob("results/*/report.html"))) == 1
    resume = ("train.py", "--resume", f"runs/{agent}/latest", "--timesteps", "512")
    done = run(checkout, work, *resume)
    assert done.returncode == 2
    assert "Give --trust" in done.stderr
    done = run(checkout, work, *resume, "--trust")
    assert done.returncode == 0, done.stderr
    assert not list(checkout.rglob("__pycache__"))
    assert not (checkout / ".cache").exists()
