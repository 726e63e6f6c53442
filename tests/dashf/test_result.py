import time

import pytest

from dashf.common.budget import Budget
from dashf.result import Recorder, Status
from mec_llm_env import evaluate
from tests.dashf.cases import OBJECTIVE, benchmark_scenario, start


def test_every_status_has_a_remedy():
    for status in Status:
        assert status.remedy.endswith(".")


def test_the_recorder_keeps_rows_and_times():
    s = benchmark_scenario(0)
    point = start(s), evaluate(s, start(s), OBJECTIVE)
    scr = float(point[1].scr)
    recorder = Recorder(s, Budget())
    with recorder.building():
        time.sleep(0.02)
    recorder.start(point)
    recorder.row("resources", point, scr / 2, 3)
    result = recorder.result(Status.CONVERGED, *point)
    first, second = result.history
    assert (first.block, first.ratio, first.moves) == ("start", scr, 0)
    assert first.surplus == pytest.approx(0, abs=1e-9)
    assert (second.block, second.scr, second.moves) == ("resources", scr, 3)
    # G = Σ v − y Σ cost with y half of Σ v / Σ cost is half of Σ v.
    assert second.surplus == pytest.approx(point[1].score.sum() / 2)
    assert second.time_s >= first.time_s >= 0.02
    assert result.iterations == 1
    assert result.build_time_s >= 0.02
    assert result.time_s >= second.time_s
