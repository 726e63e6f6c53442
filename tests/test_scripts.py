"""`train.py` and `evaluate.py` from the command line."""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dashf
from mec_llm_env import Allocation, ScenarioConfig, evaluate, sample_scenario
from tests.mistakes import MISTAKES

ROOT = Path(__file__).parents[1]

SMALL_RUN = ["--preset", "tiny-4x2", "--n-envs", "16", "--timesteps", "256"]
SMALL_NETWORK = {"width": 8, "pair_layers": 1, "user_layers": 1, "pooled": 2}
SMALL = {
    "ppo": [
        *SMALL_RUN,
        *("--hyperparameter", "n_steps=4", "--hyperparameter", "batch_size=32"),
    ],
    "apg": [
        *SMALL_RUN,
        *("--hyperparameter", f"policy_kwargs={json.dumps(SMALL_NETWORK)}"),
    ],
}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / words[0], *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        os.fspath(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one short run of each algorithm in it."""
    folder = tmp_path_factory.mktemp("trained")
    for agent, words in SMALL.items():
        done = run(folder, "train.py", "--agent", agent, *words)
        assert done.returncode == 0, done.stderr
        assert "× rucaa" in done.stdout
        assert f"python evaluate.py --agents runs/{agent}/MecLlm-v0_1" in done.stdout
    (cases := folder.parent / "cases").mkdir(exist_ok=True)
    (cases / "five.json").write_text('{"users": 5}')
    return folder


def test_trained_and_compared(trained: Path) -> None:
    names = ["runs/ppo/latest", "runs/apg/latest", "gucaa", "rucaa", "random"]
    done = run(trained, "evaluate.py", "--agents", *names, "--instances", "10")
    assert done.returncode == 0, done.stderr
    report = re.search(r"Report: (\S+)", done.stdout)
    assert report
    folder = (trained / report[1]).parent
    assert folder.name == "tiny-4x2_1"  # the preset of the run
    content = json.loads((folder / "results.json").read_text())
    assert {agent["agent"] for agent in content["agents"]} == {
        *("ppo", "apg", "gucaa", "rucaa", "random")
    }
    assert content["instances"] == 10
    assert "evaluate.py --agents runs/ppo/latest" in content["command"]


def test_runs_that_differ_in_seed_are_one_row(trained: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        done = run(
            tmp_path, "train.py", "--agent", "ppo", *SMALL["ppo"], "--seed", seed
        )
        assert done.returncode == 0, done.stderr
    other = trained / "runs" / "ppo" / "MecLlm-v0_1"  # the same but for its seed
    longer = run(
        tmp_path, "train.py", "--agent", "ppo", *SMALL["ppo"], "--eval-freq", "99"
    )
    assert longer.returncode == 0, longer.stderr
    runs = [os.fspath(p) for p in sorted((tmp_path / "runs" / "ppo").glob("MecLlm*"))]
    done = run(
        tmp_path, "evaluate.py", "--agents", *runs, str(other), "--instances", "5"
    )
    assert done.returncode == 0, done.stderr
    (results,) = (tmp_path / "results").glob("*/results.json")
    agents = json.loads(results.read_text())["agents"]
    assert sorted(len(agent["runs"]) for agent in agents) == [1, 3]


#: Of `MecLlmMobile-v0`.
SMALL_EPISODES = [
    *("--env", "MecLlmMobile-v0"),
    *("--override", "users=3", "--override", "mobility.slots=2"),
]


def test_agents_are_compared_in_episodes(tmp_path: Path) -> None:
    names = ["hysteresis", "lookahead", "clairvoyant", "random"]
    words = [*names, *SMALL_EPISODES, "--instances", "3", "--jobs", "2"]
    done = run(tmp_path, "evaluate.py", "--agents", *words)
    assert done.returncode == 0, done.stderr
    assert "the best plans known are" in done.stdout
    folder = tmp_path / "results" / "mobile-10x2_1"
    content = json.loads((folder / "results.json").read_text())
    rows = {row["agent"]: row for row in content["agents"]}
    plan = rows.pop("clairvoyant (knows the future)")
    assert set(rows) == {"hysteresis", "lookahead", "random"}
    assert "decision_time_s_median" not in plan
    for row in rows.values():
        assert row["decision_time_s_median"] > 0
        assert row["violation_max"] < 1e-9
        assert row["optimality_mean"] < plan["optimality_mean"] * (1 + 5e-3)
    for text in (done.stdout, *(p.read_text() for p in folder.glob("*.[hc]*"))):
        lines = [li for li in text.splitlines() if "evaluate.py" not in li]
        named = [line for line in lines if "clairvoyant" in line]
        assert named
        assert all("clairvoyant (knows the future)" in line for line in named)
    with (folder / "results.csv").open() as file:
        measured = list(csv.DictReader(file))
    assert len(measured) == 12
    assert all(float(row["migrations"]) >= 0 for row in measured)


def test_cases_of_one_s_own(trained: Path, tmp_path: Path) -> None:
    cases = tmp_path / "mine"
    cases.mkdir()
    config = ScenarioConfig.preset("tiny-4x2")
    scenario = sample_scenario(config, np.random.default_rng(0))
    scenario.save(cases / "measured.npz")
    fields = {"users": 4, "objective.delay_weight": 0.9}
    (cases / "drawn.json").write_text(json.dumps(fields))
    words = ["--scenario", "mine", "--instances", "2", "--agents"]
    own = os.fspath(trained / "runs" / "ppo" / "latest")
    done = run(tmp_path, "evaluate.py", *words, own, "gucro", "dual", "random")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = re.search(r"Report: (\S+)", done.stdout)
    assert report
    folder = (tmp_path / report[1]).parent
    assert folder == tmp_path / "results" / "mine_1"
    content = json.loads((folder / "results.json").read_text())
    rows = {row["case"]: row for row in content["results"]}
    assert set(rows) == {"drawn-0", "drawn-1", "measured"}
    assert {row["agent"] for row in content["agents"]} == {
        *("ppo", "gucro", "dual", "random")
    }
    best = dashf.solve(scenario, config.objective, solver="dual")
    assert rows["measured"]["decided_best_by"] == "dual"
    assert rows["measured"]["scr"] == best.scr
    assert best.scr <= rows["measured"]["certificate"]["upper_bound"]
    path = folder / "cases" / "measured" / "dual.json"
    stored = Allocation.from_server(**json.loads(path.read_text())["allocation"])
    assert float(evaluate(scenario, stored, config.objective).scr) == best.scr
    again = run(tmp_path, "evaluate.py", *words, "gucro", "--no-bound")
    assert again.returncode == 0, again.stderr
    content = (tmp_path / "results" / "mine_2" / "results.json").read_text()
    assert json.loads(content)["results"][0]["certificate"] is None


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line_and_change_nothing(
    trained: Path,
    mistake: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command, text = MISTAKES[mistake]
    words = command.split()
    before = files(trained)
    monkeypatch.chdir(trained)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:  # in this process, to save the imports
        runpy.run_path(os.fspath(ROOT / words[0]), run_name="__main__")
    assert ended.value.code == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith(f"{words[0]}: error: ")
    assert text in line
    assert printed.out == ""
    assert files(trained) == before


def test_a_mistake_in_a_process_of_its_own(trained: Path) -> None:
    done = run(trained, "train.py", "--agent", "pppo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("agent", "file"), [("ppo", "best_policy.npz"), ("apg", "model.npz")]
)
def test_a_model_that_is_damaged(
    agent: str, file: str, trained: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "run"
    broken.mkdir()
    source = trained / "runs" / agent / "latest"
    (broken / "config.json").write_bytes((source / "config.json").read_bytes())
    done = run(tmp_path, "evaluate.py", "--agents", "run")
    assert done.returncode == 2
    assert "no model yet" in done.stderr
    (broken / file).write_bytes((source / file).read_bytes()[:1000])
    done = run(tmp_path, "evaluate.py", "--agents", "run")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"{file}' cannot be loaded" in done.stderr


@pytest.mark.parametrize(
    ("agent", "number"),
    [
        *(("ppo", signal.SIGINT), ("ppo", signal.SIGKILL)),
        *(("apg", signal.SIGHUP), ("apg", signal.SIGKILL)),
    ],
)
def test_interrupted_and_resumed(agent: str, tmp_path: Path, number: int) -> None:
    words = [*SMALL[agent], "--timesteps", "8192", "--eval-freq", "512"]
    command = [sys.executable, ROOT / "train.py", "--agent", agent, *words]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    folder = tmp_path / "runs" / agent / "MecLlm-v0_1"
    while not list(folder.glob("checkpoints/step_*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=120)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert f"python train.py --resume runs/{agent}/MecLlm-v0_1" in printed
    assert not list(folder.glob("model.*"))
    resumed = run(tmp_path, "train.py", "--resume", f"runs/{agent}/MecLlm-v0_1")
    assert resumed.returncode == 0, resumed.stderr
    assert len(list(folder.glob("model.*"))) == 1
    with np.load(folder / "evaluations.npz") as archive:
        assert archive["timesteps"].tolist() == list(range(0, 8193, 512))
    if agent == "ppo":
        rows = (folder / "monitor.csv").read_text().splitlines()[2:]
        assert len(rows) == 8192
        assert all(len(row.split(",")) == 3 for row in rows)


def test_a_dry_run_prints_the_settings_and_writes_nothing(
    trained: Path, tmp_path: Path
) -> None:
    words = ["--agent", "apg", *SMALL["apg"], "--dry-run"]
    done = run(tmp_path, "train.py", *words)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    path = trained / "runs" / "apg" / "latest" / "config.json"
    assert json.loads(done.stdout) == json.loads(path.read_text())["config"]


def test_help_shows_the_tuned_settings(tmp_path: Path) -> None:
    done = run(tmp_path, "train.py", "--help")
    assert done.returncode == 0
    assert "ppo              1300000 decisions; also for " in done.stdout
    assert len(done.stdout.splitlines()) < 80
