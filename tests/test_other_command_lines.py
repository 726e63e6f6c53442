"""Programs beside the scripts: status 0, or 2 with one line, whatever is typed."""

from __future__ import annotations

import re
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from agents import export
from agents.training import start
from agents.training.trainer import Trainer
from agents.work import Workers
from benchmarks import make_bank
from experiments import compare_agents, learning_curves, migrations, record, tune
from tests.agents.training.small_runs import config
from tests.any_command_line import parser_of, words_for
from tests.command_lines import shown, write_own_files

SPARE_BYTES = 4 * 2**30  # beyond what the process has; more is a MemoryError
SHORT, WHOLE = 12, 400  # command lines of each program
ENTRIES = ("ppo", "apg", "ppo set", "sac", "nobody")

#: Programs, and what their own options get.
PROGRAMS: dict[str, tuple[Callable[[list[str]], int], dict[str, Any]]] = {
    "compare_agents": (compare_agents.main, {"agents": ENTRIES, "timesteps": ("512",)}),
    "tune": (tune.main, {"agent": ("ppo", "sac"), "study": ("s.log", "own.toml", ".")}),
    "migrations": (
        migrations.main,
        {
            "agents": ("dual", "hysteresis", "gucro", "nobody"),
            "preset": ("mobile-10x2",),
        },
    ),
    "learning_curves": (
        learning_curves.main,
        {"runs": ("run",), "agents": ("dual", "gucro", "gucaa", "nobody")},
    ),
    "export": (export.main, {"run": ("run", "pretrained", "pretrained", ".")}),
    "make_bank": (make_bank.main, {"presets": (*make_bank.PLAN, *make_bank.EPISODES)}),
    "record": (record.main, {"env": ("MecLlm-v0", "MecLlmMobile-v0", "CartPole-v1")}),
}


class Accepted(Exception):  # noqa: N818 - it is no error
    """Everything was checked, and the work would begin."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training run."""
    trainer = start.begin(config("ppo", timesteps=64), tmp_path_factory.mktemp("runs"))
    assert trainer.train(bar=False)
    assert trainer.run is not None
    return trainer.run


@pytest.fixture
def sandbox(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A folder with files in it, a limit of memory, and no long work."""

    def begin(*arguments: Any, **options: Any) -> Any:
        raise Accepted

    monkeypatch.chdir(tmp_path)
    write_own_files(tmp_path)
    Path("run").symlink_to(run)
    Path("pretrained").symlink_to(export.PRETRAINED / "ppo")
    monkeypatch.setattr(export, "PRETRAINED", tmp_path / "exported")
    monkeypatch.setattr(Trainer, "train", begin)
    monkeypatch.setattr(compare_agents, "train_all", begin)
    monkeypatch.setattr(migrations, "migrations_of", begin)
    monkeypatch.setattr(record, "record", begin)
    monkeypatch.setattr(tune.optuna.Study, "optimize", begin)
    monkeypatch.setattr(Workers, "completed", begin)
    before = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def check(name: str, seed: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Returns how a command line ended: accepted, done or refused."""
    main, usual = PROGRAMS[name]
    words = words_for(np.random.default_rng(seed), parser_of(main), usual)
    before, ended = set(Path().iterdir()), "done"
    try:
        status = main(words)
    except Accepted:
        status, ended = 0, "accepted"
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException as error:
        raise AssertionError(
            f"{type(error).__name__}: {error}: {shown(words)}"
        ) from error
    printed = capsys.readouterr()
    if status == 0:
        assert printed.err == "", shown(words)
        for path in set(Path().iterdir()) - before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return ended
    assert status == 2, shown(words)
    lines = printed.err.splitlines()
    assert len(lines) == 1, (shown(words), printed.err)
    assert ": error: " in lines[0], (shown(words), lines)
    assert len(lines[0]) < 2_000, (shown(words), lines)
    assert not printed.out or printed.out.startswith("Checking "), (shown(words),)
    assert set(Path().iterdir()) == before, (shown(words), lines)
    return "refused"


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("count", [SHORT, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_command_lines(
    name: str, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "record":
        pytest.importorskip("minari")
    wrong, ended = [], []
    for seed in range(count):
        try:
            ended.append(check(name, seed, capsys))
        except AssertionError as error:
            capsys.readouterr()
            wrong.append(f"{seed}: {error}")
    print({end: ended.count(end) for end in set(ended)})
    assert not wrong, "\n".join(wrong)
    assert len(set(ended)) > 1


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("compare_agents", ["--seeds", "1001"], "--seeds must be at most 1000; got"),
        ("compare_agents", ["--agents", "nobody"], "there is no entry 'nobody'"),
        ("compare_agents", ["--timesteps", "0"], "a whole number of at least 1; got"),
        ("tune", ["--agent", "ppo", "--trials", "1e18"], "--trials must be at most 1,"),
        ("make_bank", ["--instances", "1e18"], "--instances must be at most 10,000,0"),
        ("make_bank", ["--work", "/dev/null/x"], "Not a directory: '/dev/null/x'"),
        ("migrations", ["--instances", "1e7"], "need about [0-9,]+ GiB of memory"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_made(
    name: str, words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(Path().iterdir())
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[name][0](words)
    assert ended.value.code == 2
    assert re.search(text, capsys.readouterr().err)
    assert set(Path().iterdir()) == before
