from __future__ import annotations

from pathlib import Path

import pytest

from mec_llm_env import MobileConfig, ScenarioConfig
from mec_llm_env.command import main
from mec_llm_env.command.example import example_config

PHONES = Path(__file__).parents[3] / "examples" / "own_system" / "phones.toml"


def test_init_writes_an_example_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my.toml"]) == 0
    assert "python -m mec_llm_env check my.toml" in capsys.readouterr().out
    config = ScenarioConfig.from_file("my.toml")
    assert (config.users, config.servers) == (12, 3)
    Path("my.toml").write_text("mine")
    for name, text in {
        "my.toml": "'my.toml' is there already. Nothing is overwritten.",
        "my.json": "Name it something.toml",
        "my.yaml": "is a .toml or a .json file",
        "none/my.toml": "'none/my.toml': No such file or directory.",
        "my.toml/my.toml": "'my.toml/my.toml': Not a directory.",
    }.items():
        assert main(["init", name]) == 2
        output, errors = capsys.readouterr()
        assert output == ""
        assert text in errors
        assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]
    assert Path("my.toml").read_text() == "mine"


def test_the_example_names_every_parameter() -> None:
    text = example_config("my.toml")
    of_tables = {"channel_gain_db", "user_position_m", "server_position_m"}
    for key in ScenarioConfig().to_dict():
        leaf = key.rpartition(".")[2]
        if "." in key and leaf not in of_tables:
            assert f"\n{leaf} = " in text or f"\n# {leaf} = " in text, key
    assert "position_m = " in text
    assert 'gains = "gains.csv"' in text


def test_check_sums_up_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(PHONES)]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    # 4 × 512 × 1 GHz; 0.2 W = 23 dBm; 59 sequences take the longest: 221.98 TFLOP.
    for text in (
        "12 users and 3 servers.",
        "GPU         2.048 TFLOP/s, 5 W",
        "0.2 W (23 dBm)",
        "model       16 layers of width 2048; Houlsby's adapters with a bottleneck",
        "path loss   in the gains, which are given",
        "60.2 to 222 TFLOP, 29.39 to 108.4 s on one's own GPU alone",
        "-114.8 to -66.16 dB",
        "-167.0 dBm/Hz",
        "Nothing is random",
        "Left at their defaults: radio.noise_density_dbm_per_hz = -174.0, ",
        "    2             20    19.35    300         10 (40.0)             12",
    ):
        assert text in output, output
    assert "path_loss" not in output  # without effect
    assert "Note" not in output


def test_check_tells_what_has_no_effect_and_what_cannot_be_observed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    (tmp_path / "gains.csv").write_text("-90,-300\n")
    file.write_text(
        'gains = "gains.csv"\n[radio]\nshadowing_std_db = 3\n[layout]\n'
        "cell_radius_m = 50\n"
    )
    assert main(["check", str(file)]) == 0
    output = capsys.readouterr().out
    assert (
        "Note: without effect, as gains are given: `layout.cell_radius_m`, "
        "`radio.shadowing_std_db`."
    ) in output
    assert "solvers take this system, environments do not. `channel_gain`" in output


def test_check_names_model_path_loss_and_what_they_do_not_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        '[workload]\nadapter = "lora"\nlora_rank = 64\nmodel = "llama-3.2-1b"\n'
        'split = "whole_layers"\nbottleneck = 256\nlayers = 16\n'
        '[radio]\npath_loss = "umi"\ncarrier_ghz = 7\nshadowing_std_db = 8.0\n'
        "[[server]]\nposition_m = [0, 0]\n[layout]\nserver_ring_ratio = 0.5\n"
    )
    assert main(["check", str(file)]) == 0
    output = capsys.readouterr().out
    for text in (
        "llama-3.2-1b, 16 layers of width 2048; LoRA of rank 64 on q, v; split betw",
        "path loss   umi, carrier_ghz = 7, server_height_m = 10, user_height_m = 1.5",
        "Note: without effect, as the adapter is lora: `workload.bottleneck`.",
        "Note: without effect, as `workload.model` is given: `workload.layers`.",
        "Note: without effect, as the path loss is umi: `radio.shadowing_std_db`.",
        "Note: without effect, as servers have positions: `layout.server_ring_ratio`.",
    ):
        assert text in output, output
    defaults = output.partition("Left at their defaults")[2]
    for key in (
        "workload.width",
        "path_loss_slope_db",
        "water_vapour_g_per_m3",
        "bottleneck",
    ):
        assert key not in defaults


def test_check_of_users_that_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[mobility]\nslots = 7\n[users]\ncount = 1\n")
    assert main(["check", str(file)]) == 0
    assert "1 user and 2 servers." in capsys.readouterr().out
    assert MobileConfig.from_file(file).mobility.slots == 7
    file.write_text("[mobility]\nslots = 0\n")
    assert main(["check", str(file)]) == 2
    assert "line 2, `mobility.slots`" in capsys.readouterr().err


def test_check_refuses_what_does_not_fit_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        'unusual = ["workload.width", "workload.epochs"]\n[workload]\n'
        "width = 1_000_000\nepochs = 1_000_000\n"
    )
    assert main(["check", str(file)]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "`workload_flop`" in errors
    assert main(["check", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err
