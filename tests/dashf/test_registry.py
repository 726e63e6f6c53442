import numpy as np
import pytest

from dashf import SOLVERS, DashfConfig, SolverPolicy, decide
from dashf.registry import BATCHED
from mec_llm_env import Scenario, evaluate
from mec_llm_env.task import Task
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
    for name in SOLVERS:
        with pytest.raises(ValueError, match=r"at least one; got batch shape \(0,\)"):
            decide(name, empty)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gucaa", r"it is a rule, .*`strongest_channel` .* an agent .*`agents.make_ag"),
        (
            "rucaa",
            r"it is a rule, .*`random_association` .* an agent of the repository",
        ),
        ("random", r"a rule, `dashf.rules.random_allocation`, .* are aauco, dashf"),
        ("exact", r"'exact' is no solver of `decide`: call `dashf.solve_exact`"),
        ("ppo", r"There is no solver 'ppo'. Choose from aauco, dashf"),
        ("gucr", r"There is no solver 'gucr'. Did you mean 'gucro'\?"),
        (None, "There is no solver None. Choose from"),
        (["dashf"], r"There is no solver \['dashf'\]. Did you mean 'dashf'"),
    ],
)
def test_what_is_no_solver_is_told_apart(name, text):
    s = benchmark_scenario(0, "tiny-4x2")
    with pytest.raises(ValueError, match=text):
        decide(name, s)
    with pytest.raises(ValueError, match=text):
        SolverPolicy(Task(preset="tiny-4x2"), name)


def test_a_policy_knows_the_options_of_its_solver():
    with pytest.raises(ValueError, match="'dual' has no option 'restarts'; it has tol"):
        SolverPolicy(Task(preset="tiny-4x2"), "dual", restarts=3)
