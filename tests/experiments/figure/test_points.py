"""What agents decided is kept, and taken from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from dashf import Status, solve
from experiments.figure import points
from mec_llm_env import ScenarioConfig, sample_scenario
from tests.experiments.figure.drawing import TINY, drawn, rows


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
