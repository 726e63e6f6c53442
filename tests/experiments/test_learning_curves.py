"""Learning curves of runs, drawn from their evaluations."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.training import start
from experiments import learning_curves
from mec_llm_env.files import read_arrays, write_arrays
from tests.agents.training.small_runs import config


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of an algorithm and one of another."""
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for agent, seed in (("ppo", 0), ("ppo", 1), ("a2c", 0)):
        trainer = start.begin(config(agent, seed=seed, timesteps=64), folder)
        assert trainer.train(bar=False)
        found.append(trainer.run)
    return found


def drawn(*words: Any) -> int:
    try:
        return learning_curves.main([str(word) for word in words])
    except SystemExit as end:
        return int(str(end.code))


def test_curves_are_means_over_seeds(runs: list[Path], tmp_path: Path) -> None:
    words = [*runs, "--agents", "gucaa", "--output", tmp_path, "--format", "svg"]
    assert drawn(*words) == 0
    assert "ppo" in (tmp_path / "learning_curves.svg").read_text()
    text = (tmp_path / "learning_curves.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    shares = []
    for run in runs:
        archive = read_arrays(run / "evaluations.npz")
        shares.append((archive["results"] / archive["bound"]).mean(axis=-1))
    own = [float(row["mean"]) for row in rows if row["agent"] == "ppo"]
    np.testing.assert_allclose(own, np.mean(shares[:2], axis=0), rtol=1e-5)
    assert {row["instances"] for row in rows if row["agent"] == "ppo"} == {"2"}
    other = [float(row["mean"]) for row in rows if row["agent"] == "a2c"]
    np.testing.assert_allclose(other, shares[2], rtol=1e-5)
    across = {row["mean"] for row in rows if row["agent"] == "gucaa"}
    assert len(across) == 1
    assert 0.3 < float(across.pop()) < 1
    assert {row["95 % half width"] for row in rows if row["agent"] == "a2c"} == {""}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["dashf"], "'dashf' is not the folder of a training run"),
        (["RUN", "--agents", "RUN"], "--agents are those that need no training"),
        (["nowhere"], "nowhere"),
        (["RUN", "OTHER"], "on other instances than"),
        (["BARE"], "has no bounds"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], text: str, runs: list[Path], tmp_path: Path, capsys: Any
) -> None:
    for name, change in (("OTHER", 1.5), ("BARE", None)):
        folder = tmp_path / name
        folder.mkdir()
        # A third seed, of its own folder.
        content = (runs[2] / "config.json").read_bytes()
        (folder / "config.json").write_bytes(content)
        for path in runs[2].glob("*.zip"):
            (folder / path.name).write_bytes(path.read_bytes())
        for path in runs[2].glob("*.npz"):
            (folder / path.name).write_bytes(path.read_bytes())
        archive = read_arrays(folder / "evaluations.npz")
        bound = archive.pop("bound")
        if change:
            archive["bound"] = change * bound
        write_arrays(folder / "evaluations.npz", archive)
    places = {"RUN": runs[0], "OTHER": tmp_path / "OTHER", "BARE": tmp_path / "BARE"}
    output = tmp_path / "figures"
    given = [places.get(word, word) for word in words]
    assert drawn(*given, "--output", output) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert not output.exists()
