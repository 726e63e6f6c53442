import numpy as np
import pytest

from dashf import SOLVERS, DashfConfig, decide
from dashf.registry import BATCHED
from mec_llm_env import Scenario, evaluate
from tests.dashf.cases import OBJECTIVE, assert_feasible, benchmark_scenario


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_answers_a_single_scenario_and_a_batch(name):
    scenarios = [benchmark_scenario(i, "tiny-4x2") for i in range(4)]
    batch = Scenario.stack(scenarios).map(lambda v: v.reshape(2, 2, *v.shape[1:]))
    done: list[int] = []
    allocation = decide(name, batch, OBJECTIVE, progress=done.append)
    assert done == ([4] if name in BATCHED else [1, 2, 3, 4])
    assert allocation.association.shape == (2, 2, 4, 2)
    assert_scr = evaluate(batch, allocation, OBJECTIVE).scr.reshape(-1)
    for i, s in enumerate(scenarios):
        result = SOLVERS[name](s, OBJECTIVE)
        assert_feasible(s, result.allocation)
        assert assert_scr[i] == pytest.approx(result.scr, rel=1e-9)
        single = decide(name, s, OBJECTIVE)
        assert evaluate(s, single, OBJECTIVE).scr == pytest.approx(result.scr, rel=1e-9)


def test_options_reach_the_solver():
    s = benchmark_scenario(5)
    one_move = decide("dashf", s, OBJECTIVE, config=DashfConfig(max_iterations=0))
    assert np.array_equal(one_move.server, s.channel_gain.argmax(axis=-1))


def test_what_does_not_exist_is_refused():
    s = benchmark_scenario(0, "tiny-4x2")
    with pytest.raises(ValueError, match=r"no solver 'dash'\. Did you mean 'dashf'\?"):
        decide("dash", s)
    with pytest.raises(ValueError, match=r"no solver 'xyz'\. Choose from aauco, dashf"):
        decide("xyz", s)
    with pytest.raises(
        ValueError, match=r"'local' has no option 'config'; it has time_limit_s"
    ):
        decide("local", s, config=DashfConfig())
    empty = Scenario.stack([s]).map(lambda v: v[:0])
    with pytest.raises(ValueError, match=r"no scenario to decide on; got .* \(0,\)"):
        decide("local", empty)
