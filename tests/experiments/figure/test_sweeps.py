"""Figures of experiments: what they show, what they write, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from dashf import Status, solve
from experiments import convergence, migrations, sweep, tradeoff
from experiments.figure import points
from experiments.figure.drawing import write_files
from experiments.figure.recipes import RECIPES
from experiments.figure.sweeps import Sweep
from mec_llm_env import ScenarioConfig, sample_scenario

TINY = ["--preset", "tiny-4x2", "--instances", "2"]
FAST = ["--agents", "gucaa", "rucaa", "random"]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is in the folder that figures are written to, nor in the cache."""
    monkeypatch.setattr(points, "CACHE", tmp_path / "cache")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path("results/figures")


def drawn(script: Any, *words: str) -> int:
    """Returns the exit status of a figure's command line, or of a sweep by its name."""
    try:
        if isinstance(script, str):
            return sweep.main([script, *words])
        return script.main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_sweep_writes_a_table_and_a_picture(folder: Path, capsys: Any) -> None:
    words = [*TINY, "--values", "5", "10", "--agents", "dashf", "gucro", "random"]
    assert drawn("bandwidth", *words) == 0
    out = capsys.readouterr().out
    assert "bandwidth.png" in out
    assert "mean over 2 test scenarios of tiny-4x2, with 95 % confidence" in out
    assert (folder / "bandwidth.png").read_bytes().startswith(b"\x89PNG")
    found = rows(folder / "bandwidth.csv")
    assert len(found) == 2 * 3
    config = ScenarioConfig.preset("tiny-4x2").with_overrides(
        {"radio.bandwidth_mhz": 5.0}
    )
    scr = {
        name: np.array(
            [
                solve(
                    sample_scenario(config, np.random.default_rng(20_000_000 + i)),
                    solver=name,
                ).scr
                for i in range(2)
            ]
        )
        for name in ("dashf", "gucro")
    }
    by_agent = {row["agent"]: row for row in found if row["value"] == "5"}
    assert float(by_agent["GUCRO"]["mean"]) == pytest.approx(scr["gucro"].mean(), 1e-4)
    # Paired: the mean of the ratios, not the ratio of the means.
    difference = 100 * (scr["gucro"] / scr["dashf"] - 1)
    assert float(by_agent["GUCRO"]["difference %"]) == pytest.approx(
        difference.mean(), rel=1e-3, abs=1e-9
    )
    assert by_agent["DASHF"]["difference %"] == ""
    assert float(by_agent["random"]["difference %"]) < -20


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_figures_are_redrawn_from_the_cache_in_every_format(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TINY, *FAST, "--values", "5", "10"]
    assert drawn("bandwidth", *words) == 0

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("decided again")

    monkeypatch.setattr(dashf, "solve", refuse)
    words += ["--format", kind, "--width", "3.5in", "--table", "latex", "--overwrite"]
    assert drawn("bandwidth", *words) == 0
    content = (folder / f"bandwidth.{kind}").read_bytes()
    if kind == "pdf":
        check_pdf(content, width_pt=252)
    elif kind == "svg":
        text = content.decode()
        assert 'width="252pt"' in text
        assert ">bandwidth of a server, MHz<" in text  # text, not outlines
        assert ">RUCAA<" in text
    table = (folder / "bandwidth.tex").read_text()
    assert table.count("\\begin{tabular}") == table.count("\\end{tabular}") == 1
    assert "difference to GUCAA, \\%" in table


def check_pdf(content: bytes, width_pt: float) -> None:
    """It has the width, fonts of TrueType alone, embedded, and no title."""
    (box,) = re.findall(rb"/MediaBox \[ ?([\d. ]+) ?\]", content)
    assert float(box.split()[2]) == pytest.approx(width_pt, abs=0.01)
    assert b"/FontFile2" in content
    assert not re.search(rb"/Subtype /Type3|/Type /Font /Subtype /Type1", content)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    assert any(b" Tj" in _inflated(s) or b" TJ" in _inflated(s) for s in streams)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    files = []
    for k in range(2):
        for kind in ("pdf", "svg", "png"):
            words = [*TINY, *FAST, "--values", "5", "--format", kind]
            assert drawn("bandwidth", *words, "--output", str(tmp_path / f"{k}")) == 0
        files.append({p.name: p.read_bytes() for p in (tmp_path / f"{k}").iterdir()})
    assert files[0] == files[1]
    assert len(files[0]) == 4


def test_nothing_is_overwritten_but_when_asked(folder: Path, capsys: Any) -> None:
    words = [*TINY, *FAST, "--values", "5"]
    assert drawn("bandwidth", *words) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert drawn("bandwidth", *words) == 0  # the same again
    capsys.readouterr()
    assert drawn("bandwidth", *words, "--instances", "3") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bandwidth.png' is there, and is another" in line
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    # Another file of a pair is in the way: neither is written.
    assert drawn("bandwidth", *words, "--instances", "3", "--format", "pdf") == 2
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert drawn("bandwidth", *words, "--instances", "3", "--overwrite") == 0
    assert (folder / "bandwidth.csv").read_bytes() != before[folder / "bandwidth.csv"]


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(ValueError, match="is there, and is another"):
        write_files(tmp_path, {"a": b"new", "b": b"new"})
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").read_bytes() == b"old"


def test_learned_agents_and_own_configurations_are_drawn(
    folder: Path, capsys: Any
) -> None:
    own = {"users": 3, "servers": 3, "server.max_users": 2}
    Path("own.json").write_text(json.dumps(own))
    words = ["--config", "own.json", "--override", "radio.bandwidth_mhz=3"]
    words += ["--instances", "2", "--values", "0.2", "0.8"]
    words += ["--agents", "dual", "apg:pretrained", "--reference", "apg:pretrained"]
    assert drawn("weights", *words) == 0, capsys.readouterr().err
    found = rows(folder / "weights.csv")
    assert {row["agent"] for row in found} == {"dual", "apg:pretrained"}
    assert {row["reference"] for row in found} == {"apg:pretrained"}
    base = ScenarioConfig.from_dict({**own, "radio.bandwidth_mhz": 3})
    config = RECIPES["weights"].config(base, 0.2)
    scr = [
        solve(
            sample_scenario(config, np.random.default_rng(20_000_000 + i)),
            config.objective,
            solver="dual",
        ).scr
        for i in range(2)
    ]
    row = next(r for r in found if r["agent"] == "dual" and r["value"] == "0.2")
    assert float(row["mean"]) == pytest.approx(np.mean(scr), rel=1e-5)


def test_a_reader_of_configurations_is_used_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def from_file(path: Any) -> ScenarioConfig:
        assert os.fspath(path) == "own.toml"
        return ScenarioConfig(users=2)

    monkeypatch.setattr(
        ScenarioConfig, "from_file", staticmethod(from_file), raising=False
    )
    words = [*FAST, "--instances", "2", "--values", "5", "--config", "own.toml"]
    assert drawn("bandwidth", *words) == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--instances", "1"], "--instances must be from 2, to tell how sure"),
        (["--instances", "0"], "at least 1; got '0'"),
        (["--instances", "10000001"], "to 10,000,000; got 10,000,001"),
        (["--values", "nan"], "must be a finite number; got 'nan'"),
        (["--values", "x"], "must be a finite number; got 'x'"),
        (["--values", "5", "5"], "--values has 5 twice"),
        (["--values", "-1"], "--values: at -1: `radio.bandwidth_mhz`"),
        (["--preset", "papr"], "There is no preset 'papr'"),
        (["--preset", "tiny-4x2", "--config", "x"], "not allowed with argument"),
        (["--config", "nowhere.json"], "nowhere.json"),
        (["--config", "broken.json"], "'broken.json'"),
        (["--config", "list.json"], "must hold a JSON object"),
        (["--override", "radio.bandwith_mhz=3"], "Did you mean"),
        (["--override", "radio.bandwidth_mhz=3"], "is what this figure varies"),
        (["--override", "users"], "takes KEY=VALUE"),
        (["--agents", "dahsf"], "There is no agent 'dahsf'. Did you mean"),
        (["--agents", "dual", "dual"], "--agents names 'dual' twice"),
        (["--agents", "lookahead"], "decides whole episodes"),
        (["--agents", "ppo_mobile:pretrained"], "was trained in MecLlmMobile-v0"),
        (["--agents", "ppo"], "has to be trained first"),
        (["--agents", "nowhere/run"], "is not a run folder"),
        (["--reference", "exact"], "--reference must be one of --agents, dashf, dual"),
        (["--format", "eps"], "invalid choice"),
        (["--table", "md"], "invalid choice"),
        (["--width", "3.5"], "must be a number and in, cm, mm or pt"),
        (["--width", "1in"], "from 2in to 20in"),
        (["--output", "/dev/null/x"], "/dev/null"),
        (["--scenarios", "20"], "unrecognized arguments: --scenarios"),
    ],
)
def test_mistakes_are_one_line(words: list[str], text: str, capsys: Any) -> None:
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[1]")
    before = set(Path().rglob("*"))
    assert drawn("bandwidth", *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("python -m experiments.sweep: error: ")
    assert text in line
    assert set(Path().rglob("*")) == before
    assert not points.CACHE.exists()


def test_a_policy_of_another_size_is_refused_before_any_work(capsys: Any) -> None:
    words = ["--agents", "dual", "ppo:pretrained", "--values", "4"]
    if drawn("users", *words, "--instances", "2") == 0:
        pytest.skip("it takes any size")
    assert "users" in capsys.readouterr().err
    assert not points.CACHE.exists()


def test_whole_numbers_are_not_rounded(capsys: Any) -> None:
    assert drawn("users", "--values", "2.5") == 2
    assert "must be whole numbers for 'users'; got 2.5" in capsys.readouterr().err


def test_any_parameter_can_be_swept(folder: Path, capsys: Any) -> None:
    words = [*TINY, *FAST, "--values", "64", "256", "--log", "--label", "tokens, each"]
    assert drawn("workload.tokens", *words) == 0
    found = rows(folder / "workload.tokens.csv")
    assert {row["axis"] for row in found} == {"tokens, each"}
    config = ScenarioConfig.preset("tiny-4x2")
    swept = sweep.sweep_of("workload.tokens", config)
    assert swept.config(config, 64).workload.tokens == (64, 64)
    swept = sweep.sweep_of("server.frequency_ghz", config)
    assert swept.config(config, 2.5).server.frequency_ghz == (2.5, 2.5)
    capsys.readouterr()
    for key, values, text in (
        ("radio.fading", ["1"], "is no number, but 'rayleigh'"),
        ("radio.bandwith_mhz", ["1"], "Did you mean"),
        ("radio.bandwidth_mhz", ["0", "1", "--log"], "--log needs --values above 0"),
        ("workload.tokens", ["1.5"], "must be whole numbers"),
    ):
        assert drawn(key, *TINY, *FAST, "--values", *values) == 2, key
        assert text in capsys.readouterr().err
    assert drawn("workload.tokens", *TINY) == 2
    assert "--values must say where" in capsys.readouterr().err


def test_a_second_run_takes_everything_from_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ScenarioConfig.preset("tiny-4x2")
    first = points.solved_point(config, 0, "gucro")

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("solved again")

    monkeypatch.setattr(dashf, "solve", refuse)
    assert points.solved_point(config, 0, "gucro") == first
    changed = config.with_overrides({"users": 5})
    for another in ((config, 1, "gucro"), (config, 0, "local"), (changed, 0, "gucro")):
        with pytest.raises(AssertionError, match="solved again"):
            points.solved_point(*another)


def test_an_interrupted_point_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(dashf, "solve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        points.solved_point(ScenarioConfig.preset("tiny-4x2"), 0, "gucro")
    assert not list(points.CACHE.glob("*"))


def test_points_hold_what_the_solvers_found() -> None:
    config = ScenarioConfig.preset("tiny-4x2")
    point = points.solved_point(config, 3, "dashf")
    scenario = sample_scenario(config, np.random.default_rng(20_000_003))
    result = solve(scenario, config.objective, solver="dashf")
    assert result.status == Status.CONVERGED
    assert point["scr"] == pytest.approx(result.scr, rel=1e-12)
    scr, programs, time_s = point["history"][-1]
    assert scr == pytest.approx(point["scr"], rel=1e-12)
    assert programs == result.history[-1].programs
    assert time_s > 0
    learned = points.solved_point(config, 3, "apg:pretrained")
    ((scr, programs, time_s),) = learned["history"]
    assert scr == learned["scr"] <= 1.001 * result.scr
    assert programs == 0 < time_s


def test_an_agent_s_decisions_do_not_depend_on_the_others(folder: Path) -> None:
    assert drawn("bandwidth", *TINY, "--values", "5", "--agents", "random") == 0
    alone = rows(folder / "bandwidth.csv")[0]["mean"]
    words = [*TINY, "--values", "5", "--agents", "rucaa", "random", "--overwrite"]
    assert drawn("bandwidth", *words) == 0
    assert rows(folder / "bandwidth.csv")[1]["mean"] == alone


def test_the_scr_that_was_reached_by_hand() -> None:
    history = np.array([[5.0, 0, 0.1], [6.0, 1, 0.2], [7.0, 1, 0.3], [9.0, 4, 0.4]])
    other = np.array([[1.0, 0, 0.0]])
    found = convergence.reached([history, other], 1, np.array([0, 1, 3, 4, 9]))
    assert found.T.tolist() == [[5, 7, 7, 9, 9], [1, 1, 1, 1, 1]]
    by_time = convergence.reached([history], 2, np.array([0.0, 0.1, 0.25]))
    assert np.isnan(by_time[0, 0])  # it has nothing yet
    assert by_time[1:, 0].tolist() == [5, 6]


@pytest.mark.parametrize("script", [convergence, tradeoff])
@pytest.mark.parametrize("width", ["3.5in", "18cm"])
def test_other_figures_are_drawn(
    folder: Path, script: Any, width: str, capsys: Any
) -> None:
    words = [*TINY, "--quick", "--agents", "dual", "apg:pretrained", "gucro", "random"]
    words += ["--format", "pdf", "--width", width]
    assert drawn(script, *words) == 0
    name = script.__name__.rpartition(".")[2]
    check_pdf(
        (folder / f"{name}.pdf").read_bytes(),
        width_pt=252 if width == "3.5in" else 72 * 18 / 2.54,
    )
    agents = {row["agent"] for row in rows(folder / f"{name}.csv")}
    assert agents == {"dual", "apg:pretrained", "GUCRO", "random"}
    assert drawn(script, *words, "--values", "0") == 2 or script is tradeoff


def test_migrations_are_drawn(folder: Path, capsys: Any) -> None:
    words = ["--instances", "2", "--override", "mobility.slots=6", "--format", "pdf"]
    words += ["--override", "users=4", "--agents", "dual", "gucaa"]
    assert drawn(migrations, *words) == 0
    check_pdf((folder / "migrations.pdf").read_bytes(), width_pt=252)
    found = rows(folder / "migrations.csv")
    assert [row["value"] for row in found[:3]] == ["still", "pedestrian", "vehicular"]
    capsys.readouterr()
    for more, text in (
        (["--instances", "1"], "--instances must be at least 2"),
        (["--labels", "x"], "--labels must be as many as --agents, 2; got 1"),
        (["--override", "mobility.job_end_probability=2"], "job_end_probability"),
        (["--preset", "tiny-4x2"], "is one of MecLlm-v0"),
        (["--agents", "apg:pretrained"], "was trained in MecLlm-v0"),
        (["--values", "2"], "--values must be slots from 3 to 4, as 5 are averaged"),
        (["--config", "own.json", "--preset", "x"], "not allowed with argument"),
    ):
        assert drawn(migrations, *words, *more) == 2, more
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line


def test_migrations_of_an_own_system_in_some_slots(folder: Path, capsys: Any) -> None:
    Path("own.json").write_text(json.dumps({"users": 3, "mobility.slots": 9}))
    words = ["--config", "own.json", "--instances", "2", "--agents", "gucaa"]
    assert drawn(migrations, *words) == 0
    whole = rows(folder / "migrations.csv")
    assert [row["value"] for row in whole[3:]] == ["3", "4", "5", "6", "7"]
    assert drawn(migrations, *words, "--values", "6", "4", "--overwrite") == 0
    assert rows(folder / "migrations.csv") == [*whole[:3], whole[4], whole[6]]
    assert "test episodes of own.json, with" in capsys.readouterr().out


def test_the_rate_of_migrations_by_hand() -> None:
    # Two episodes of one slot; of 3 users counted in the first one 1 moves, of 1 in the
    # second one 1: 2 of 4, and not the mean of 1/3 and 1.
    counted = np.array([[[1, 1, 1]], [[1, 0, 0]]], dtype=bool)
    moved = np.array([[[1, 0, 0]], [[1, 1, 0]]], dtype=bool)
    found = migrations.rate(moved, counted)
    assert found.mean() == pytest.approx(50)
    # 50 + 100 (1 − 0.5 · 3) / 2 and 50 + 100 (1 − 0.5 · 1) / 2
    assert found.tolist() == pytest.approx([25, 75])


@pytest.mark.parametrize("swept", RECIPES.values(), ids=RECIPES)
def test_every_value_is_a_scenario_of_its_own(swept: Sweep) -> None:
    base = ScenarioConfig()
    configs = {swept.config(base, value) for value in swept.values}
    assert len(configs) == len(swept.values)
    assert set(swept.fixed(base)) <= set(base.to_dict())


@pytest.mark.parametrize("base", [{}, {"server.frequency_ghz": [1, 2, 3]}])
def test_server_frequency_keeps_the_power_coefficient(base: dict[str, Any]) -> None:
    if base:
        base = {**base, "server.power_w": [5, 6, 7], "server.cores": [1, 2, 3]}
    config = ScenarioConfig().with_overrides(base)
    for value in RECIPES["server_frequency"].values:
        server = RECIPES["server_frequency"].config(config, value).server
        for m in range(len(config.server.power_w)):
            assert server.power_w[m] / server.frequency_ghz[m] ** 3 == pytest.approx(
                config.server.power_w[m] / config.server.frequency_ghz[m] ** 3
            )
