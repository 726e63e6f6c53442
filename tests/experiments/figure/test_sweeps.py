"""Figures of experiments: what they show, what they write, and what they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from dashf import solve
from experiments import sweep
from experiments.figure import points
from experiments.figure.drawing import write_files
from experiments.figure.recipes import RECIPES
from mec_llm_env import ScenarioConfig, sample_scenario
from tests.agents.evaluation.test_selection import untrained
from tests.experiments.figure.drawing import FAST, TINY, check_pdf, drawn, rows


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


def test_a_policy_of_another_size_is_refused_before_any_work(
    tmp_path: Path, capsys: Any
) -> None:
    run = untrained(tmp_path)  # of four users, which its network is tied to
    words = [*TINY, "--agents", "dual", run, "--values", "4", "6"]
    assert drawn("users", *words) == 2
    assert "was trained for 4 users and 2 servers" in capsys.readouterr().err
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
