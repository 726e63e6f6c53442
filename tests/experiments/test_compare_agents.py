"""The comparison as a whole: interrupted, continued, repeated, refused."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.evaluation.selection import run_label
from agents.run.folder import load_config
from experiments import compare_agents
from experiments.comparison import measuring

ROOT = Path(__file__).parents[2]
WORDS = ["--agents", "apg", "ppo", "--quick", "--preset", "tiny-4x2"]
WORDS += ["--timesteps", "16384"]  # so that no run ends before the interrupt
FIGURES = (
    *("iqm", "performance_profiles", "probability_of_improvement"),
    *("sample_efficiency", "quality_latency"),
)


def read_rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def wait_for(pattern, folder, process):
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison that was interrupted while it trained, and then went on."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "docs").mkdir()
    page = (ROOT / "docs" / "results.md").read_text()
    (folder / "docs" / "results.md").write_text(page)
    words = [*WORDS, "--output", "out", "--docs", "docs"]
    command = [sys.executable, "-m", "experiments.compare_agents", *words]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for("out/runs/*", folder, process)
    with pytest.raises(SystemExit):  # the folder is in use
        compare_agents.main([*WORDS, "--output", os.fspath(folder / "out")])
    wait_for("out/runs/*/*/*/checkpoints/step_*", folder, process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "what is done is kept" in printed
    assert "Go on with: python -m experiments.compare_agents --agents apg" in printed
    assert not (folder / "out" / "results.md").exists()
    (folder / "out" / ".results.md.killed").write_text("while it was written")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert compare_agents.main(words) == 0
    assert {path.name for path in (folder / "out").glob(".*")} == {".lock"}
    return folder


def test_every_run_is_whole_and_there_once(compared):
    configs = [
        load_config(path.parent)
        for path in (compared / "out" / "runs").glob("*/*/MecLlm-v0_*/model.*")
    ]
    runs = sorted((config.agent, config.seed) for config in configs)
    assert runs == [("apg", 0), ("apg", 1), ("ppo", 0), ("ppo", 1)]
    assert {run_label(config) for config in configs} == {"apg", "ppo"}
    logs = [path.read_text() for path in (compared / "out" / "logs").glob("*.log")]
    assert len(logs) == len(runs)
    assert any("Interrupted. Go on with" in log for log in logs)
    assert all("× rucaa" in log for log in logs)


def test_what_it_writes(compared):
    out = compared / "out"
    for name in FIGURES:
        png = (out / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert (compared / f"docs/figures/comparison/{name}.png").read_bytes() == png
    rows = read_rows(out / "comparison.csv")
    runs = {row["agent"]: int(row["runs"]) for row in rows}
    assert runs == {"apg": 2, "ppo": 2} | dict.fromkeys(measuring.UNTRAINED, 0)
    quality = {row["agent"]: float(row["optimality_iqm"]) for row in rows}
    assert list(quality.values()) == sorted(quality.values(), reverse=True)
    assert quality["dashf"] > quality["gucaa"] > quality["random"]
    assert quality["apg"] > quality["random"]
    assert all(float(row["decision_time_s_median"]) > 0 for row in rows)
    instances = read_rows(out / "instances.csv")
    assert len(instances) == (4 + 6) * 10
    page = (compared / "docs" / "results.md").read_text()
    assert "Not run yet" not in page
    assert "## How to read it" in page  # by hand, and kept
    (apg,) = [row for row in rows if row["agent"] == "apg"]
    seconds = float(apg["training_s_mean"])
    assert f"| `apg` | 2 | 16,384 | {seconds:.0f} |" in page


def test_measurements_are_kept_until_the_model_is_another(compared, monkeypatch):
    measured = []

    def compare(names, *arguments, **options):
        measured.extend(names)
        return compare_for_real(names, *arguments, **options)

    compare_for_real = measuring.compare
    monkeypatch.setattr(measuring, "compare", compare)
    monkeypatch.chdir(compared)
    best = sorted(compared.glob("out/runs/ppo/ppo/*/best_policy.npz"))
    before = (compared / "out" / "instances.csv").read_text()
    whole = best[0].read_bytes()
    try:
        best[0].write_bytes(best[1].read_bytes())
        assert compare_agents.main([*WORDS, "--output", "out"]) == 0
    finally:
        best[0].write_bytes(whole)
    assert measured == [os.fspath(best[0].parent.relative_to(compared))]
    assert (compared / "out" / "instances.csv").read_text() != before


def test_other_settings_are_refused_and_change_nothing(compared, monkeypatch, capsys):
    monkeypatch.chdir(compared)
    words = ["--agents", "ppo", "--quick", "--preset", "tiny-4x2", "--output", "out"]
    with pytest.raises(SystemExit) as ended:
        compare_agents.main([*words, "--timesteps", "4096"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was trained with other settings" in line
    assert "`timesteps` is 16384, not 4096" in line


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--preset", "large-1000x50"], "up to N·M = 500"),
        (["--docs", "nowhere"], "'nowhere/results.md' does not exist"),
        (["--seeds", "0"], "at least 1"),
        (["--output", "/dev/null/x"], "/dev/null"),
    ],
)
def test_mistakes_are_one_line(words, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        compare_agents.main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_is_named_with_its_log(compared, monkeypatch, capsys):
    (run,) = compared.glob("out/runs/apg/apg/MecLlm-v0_1")
    model = run / "model.npz"
    newest = max(run.glob("checkpoints/step_*"))
    manifest, whole = newest / "checkpoint.json", model.read_bytes()
    sums = manifest.read_text()
    monkeypatch.chdir(compared)
    try:
        model.unlink()
        manifest.write_text(json.dumps([]))  # a damaged checkpoint
        with pytest.raises(SystemExit):
            compare_agents.main([*WORDS, "--output", "out"])
    finally:
        model.write_bytes(whole)
        manifest.write_text(sums)
    error = capsys.readouterr().err
    assert "1 of 4 runs failed, first apg, seed" in error
    assert "damaged" in error
    assert "logs/apg_" in error
