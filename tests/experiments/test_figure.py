import csv
import sys

import numpy as np
import pytest

import dashf
from dashf import Status, solve
from experiments import convergence, figure, points, tradeoff
from experiments.bandwidth import SWEEP as BANDWIDTH
from experiments.server_frequency import SWEEP as SERVER_FREQUENCY
from experiments.transmit_power import SWEEP as TRANSMIT_POWER
from experiments.user_frequency import SWEEP as USER_FREQUENCY
from experiments.users import SWEEP as USERS
from experiments.weights import SWEEP as WEIGHTS
from mec_llm_env import ScenarioConfig, sample_scenario

SWEEPS = [
    *(BANDWIDTH, SERVER_FREQUENCY, TRANSMIT_POWER, USER_FREQUENCY, USERS, WEIGHTS),
]


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The command line, the cache in a temporary directory, and tiny scenarios."""
    monkeypatch.setattr(points, "CACHE", tmp_path / "cache")
    output = tmp_path / "figures"
    monkeypatch.setattr(
        sys, "argv", ["x", "--quick", "--scenarios", "2", "--output", str(output)]
    )
    preset = ScenarioConfig.preset("tiny-4x2")
    monkeypatch.setattr(
        figure.Sweep,
        "config",
        lambda self, value: preset.with_overrides(self.overrides(value)),
    )
    return output


def test_a_sweep_writes_a_table_and_a_picture(tiny, capsys):
    sweep = figure.Sweep(
        name="bandwidth",
        label="bandwidth, MHz",
        values=(5.0, 10.0),
        overrides=BANDWIDTH.overrides,
        logarithmic=True,
    )
    figure.run_sweep(sweep, "A sweep.")
    assert "bandwidth.png and .csv written" in capsys.readouterr().out
    assert (tiny / "bandwidth.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.reader((tiny / "bandwidth.csv").read_text().splitlines()))
    assert rows[0] == [
        *("bandwidth, MHz", "solver", "mean SCR", "95 % half width", "scenarios"),
    ]
    assert len(rows) == 1 + len(points.NAMES)  # quick: every other value
    by_solver = {row[1]: float(row[2]) for row in rows[1:]}
    expected = np.mean(
        [
            solve(
                sample_scenario(
                    ScenarioConfig.preset("tiny-4x2").with_overrides(
                        {"radio.bandwidth_mhz": 5.0}
                    ),
                    np.random.default_rng(20_000_000 + i),
                ),
                solver="gucro",
            ).scr
            for i in range(2)
        ]
    )
    assert by_solver["gucro"] == pytest.approx(expected, rel=1e-4)
    assert by_solver["dashf"] >= by_solver["gucro"] > by_solver["random"]


def test_a_second_run_takes_everything_from_the_disk(tiny, monkeypatch):
    config = ScenarioConfig.preset("tiny-4x2")
    first = points.solved_point(config, 0)

    def refuse(*arguments, **options):
        raise AssertionError("solved again")

    monkeypatch.setattr(dashf, "solve", refuse)
    assert points.solved_point(config, 0) == first
    with pytest.raises(AssertionError, match="solved again"):
        points.solved_point(config, 1)
    with pytest.raises(AssertionError, match="solved again"):
        points.solved_point(config.with_overrides({"users": 5}), 0)


def test_an_interrupted_point_leaves_nothing_behind(tiny, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(dashf, "solve", interrupt)
    with pytest.raises(KeyboardInterrupt):
        points.solved_point(ScenarioConfig.preset("tiny-4x2"), 0)
    assert not list(points.CACHE.glob("*"))


def test_points_hold_what_the_solvers_found(tiny):
    config = ScenarioConfig.preset("tiny-4x2")
    point = points.solved_point(config, 3)
    scenario = sample_scenario(config, np.random.default_rng(20_000_003))
    result = solve(scenario, config.objective, solver="dashf")
    assert result.status == Status.CONVERGED
    assert point["dashf"]["scr"] == pytest.approx(result.scr, rel=1e-12)
    scr, programs, time_s = point["dashf"]["history"][-1]
    assert scr == point["dashf"]["scr"]
    assert programs == result.history[-1].programs
    assert time_s > 0
    assert len(point["rucaa"]["history"]) == 1


def test_the_scr_that_was_reached_by_hand():
    history = np.array([[5.0, 0, 0.1], [6.0, 1, 0.2], [7.0, 1, 0.3], [9.0, 4, 0.4]])
    other = np.array([[1.0, 0, 0.0]])
    found = convergence.reached([history, other], 1, np.array([0, 1, 3, 4, 9]))
    assert found.T.tolist() == [[5, 7, 7, 9, 9], [1, 1, 1, 1, 1]]
    by_time = convergence.reached([history], 2, np.array([0.0, 0.25]))
    assert by_time[:, 0].tolist() == [5, 6]


@pytest.mark.parametrize("script", [convergence, tradeoff])
def test_other_figures_are_drawn(tiny, script):
    script.main()
    name = script.__name__.rpartition(".")[2]
    assert (tiny / f"{name}.png").exists()
    assert (tiny / f"{name}.csv").exists()


def test_the_interval_by_hand():
    # 1, 2, 3: deviation 1, over √3; t(0.975, 2) = 4.303.
    mean, half = figure.interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2.0
    assert half == pytest.approx(4.3027 / 3**0.5, rel=1e-4)


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_every_value_is_a_scenario_of_its_own(sweep):
    configs = {sweep.config(value) for value in sweep.values}
    assert len(configs) == len(sweep.values)


def test_server_frequency_keeps_the_power_coefficient():
    default = ScenarioConfig().server
    for value in SERVER_FREQUENCY.values:
        server = SERVER_FREQUENCY.config(value).server
        for m in range(2):
            assert server.power_w[m] / server.frequency_ghz[m] ** 3 == pytest.approx(
                default.power_w[m] / default.frequency_ghz[m] ** 3
            )


def test_one_scenario_is_too_few(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--scenarios", "1"])
    with pytest.raises(SystemExit):
        figure.options("A figure.")
    assert "at least 2" in capsys.readouterr().err
