"""The tutorial of docs/own-system.md: every command, in the order of the page."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dashf
from agents.problems.tasks import make_task
from agents.registry import make_agent
from mec_llm_env import Scenario, ScenarioConfig, sample_scenario

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own-system.md").read_text()
OWN = ROOT / "examples" / "own_system"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def run(words: list[str], folder: Path) -> str:
    assert words[0] == "python"
    script = [str(ROOT / word) if word.endswith(".py") else word for word in words[1:]]
    ended = subprocess.run(
        [sys.executable, *script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of somebody who follows the page, and what the commands print."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(OWN / "gains.csv", folder)
    printed = []
    for block in blocks("sh"):
        for line in block.splitlines():
            printed.append(run(shlex.split(line), folder))
            if " init " in line:  # the page says what it is edited to
                (text,) = blocks("toml")
                (folder / "my.toml").write_text(text)
    return folder, printed


def test_the_page_shows_the_example() -> None:
    (text,) = blocks("toml")
    assert text == (OWN / "phones.toml").read_text()
    rows = (OWN / "gains.csv").read_text().splitlines()
    assert "\n".join(rows[:3]) in PAGE


def test_every_command_of_the_page_runs(outputs: tuple[Path, list[str]]) -> None:
    folder, printed = outputs
    wrote, summary, compared, trained = printed
    assert "Wrote my.toml" in wrote
    assert "12 users and 3 servers." in summary
    assert (folder / "results" / "my_1" / "report.html").stat().st_size > 10_000
    assert "Training apg" in trained
    results = json.loads((folder / "results" / "my_1" / "results.json").read_text())
    assert results["scenario"] == ["my.toml"]
    assert results["cases"] == 1
    assert {path.suffix for path in (folder / "results/my_1/cases/my").iterdir()} == {
        *(".csv", ".json", ".png")
    }
    # The same system in SI units, solved on its own.
    text = (ROOT / "tests" / "golden" / "own-12x3.json").read_text()
    scr = dashf.solve(Scenario.from_json(text)).scr
    assert f"{scr:.2f}" in compared


def test_a_run_holds_the_system_itself(outputs: tuple[Path, list[str]]) -> None:
    folder, _ = outputs
    config = ScenarioConfig.from_file(folder / "my.toml")
    run_folder = (folder / "runs" / "apg" / "latest").resolve()
    content = json.loads((run_folder / "config.json").read_text())["config"]
    assert ScenarioConfig.from_dict(content["env_kwargs"]["config"]) == config
    assert "my.toml" not in json.dumps(content)
    elsewhere = folder / "elsewhere"
    shutil.copytree(run_folder, elsewhere)
    task = make_task("MecLlm-v0", config=config)
    agent = make_agent(os.fspath(elsewhere), task)
    scenario = sample_scenario(config, np.random.default_rng(0), (1,))
    assert agent.decide(scenario).association.sum() == 12


def test_the_python_of_the_page_runs(
    outputs: tuple[Path, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(outputs[0])
    (block,) = blocks("python")
    exec(compile(block, "own-system.md", "exec"), {})
    assert "SCR 173.05 of at most" in capsys.readouterr().out


def test_scripts_refuse_files_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[radio]\nbandwidth_hz = 20e6\nlayers = 3\n")
    for script, says in {
        "evaluate.py --agents random --config bad.toml": "'bad.toml', line 2, [radio]",
        "train.py --agent ppo --config bad.toml": "(1 more: `python -m mec_llm_env che",
        "evaluate.py --agents random --config none.toml": "none.toml",
        "evaluate.py --agents random --config bad.toml --preset tiny-4x2": "not allow",
        "train.py --resume x --config bad.toml": "--config cannot be given with it",
    }.items():
        words = shlex.split(script)
        ended = subprocess.run(
            [sys.executable, ROOT / words[0], *words[1:]],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2, ended.stderr
        assert ended.stderr.count("\n") == 1
        assert says in ended.stderr
        assert ended.stdout == ""
        assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]
