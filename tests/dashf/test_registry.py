"""The front door: every solver by its id, its options, its answers."""

import time

import numpy as np
import pytest

import dashf
from dashf import SOLVERS, SolverPolicy, solve, solve_batch, upper_bound
from dashf.registry import RANDOM
from dashf.rules import random_allocation, random_association
from mec_llm_env import Scenario, evaluate, violations
from mec_llm_env.task import Task
from tests.dashf.cases import OBJECTIVE, assert_feasible, benchmark_scenario
from tests.dashf.extremes import random_configuration

AT_ONCE = ("dual", "gucaa", "rucaa", "random")  # that take a batch as a whole
COMES_WITH_A_BOUND = ("dual", "exact")


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_answers_a_single_scenario_and_a_batch(name):
    scenarios = [benchmark_scenario(i, "tiny-4x2") for i in range(4)]
    batch = Scenario.stack(scenarios).map(lambda v: v.reshape(2, 2, *v.shape[1:]))
    done: list[int] = []
    found = solve_batch(batch, OBJECTIVE, solver=name, progress=done.append)
    assert done == ([4] if name in AT_ONCE else [1, 2, 3, 4])
    assert found.allocation.association.shape == (2, 2, 4, 2)
    assert (
        found.scr.shape == found.status.shape == found.max_violation().shape == (2, 2)
    )
    np.testing.assert_allclose(
        found.scr, evaluate(batch, found.allocation, OBJECTIVE).scr, rtol=1e-12
    )
    assert (found.bound is not None) == (name in COMES_WITH_A_BOUND)
    for i, s in enumerate(scenarios):
        result = solve(s, OBJECTIVE, solver=name)
        assert_feasible(s, result.allocation)
        assert result.scr == evaluate(s, result.allocation, OBJECTIVE).scr
        assert result.history[-1].scr == pytest.approx(result.scr, rel=1e-12)
        if name not in RANDOM:
            assert found.scr.reshape(-1)[i] == pytest.approx(result.scr, rel=1e-9)
            assert found.status.reshape(-1)[i] == result.status


def test_processes_answer_as_one_does():
    scenarios = [benchmark_scenario(i, "tiny-4x2") for i in range(3)]
    batch, done = Scenario.stack(scenarios), []
    options = {"solver": "dashf", "restarts": 1, "bound": True}
    two = solve_batch(batch, OBJECTIVE, jobs=2, progress=done.append, **options)
    one = solve_batch(batch, OBJECTIVE, **options)
    assert done == [1, 2, 3]
    for name, value in one.allocation.to_dict().items():
        np.testing.assert_array_equal(getattr(two.allocation, name), value)
    np.testing.assert_array_equal(two.status, one.status)
    np.testing.assert_array_equal(two.bound.value, one.bound.value)


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_processes_is_refused(jobs):
    batch = Scenario.stack([benchmark_scenario(0, "tiny-4x2")])
    with pytest.raises(ValueError, match="`jobs` must be an integer of at least 1"):
        solve_batch(batch, jobs=jobs)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_bound_that_is_asked_for_comes_with_its_gap(name):
    s = benchmark_scenario(1, "tiny-4x2")
    result = solve(s, solver=name, bound=True)
    assert result.gap == float(result.bound.value) / result.scr - 1 >= -1e-9
    two = Scenario.stack([s, benchmark_scenario(2, "tiny-4x2")])
    found = solve_batch(two, solver=name, bound=True)
    assert found.bound.value.shape == found.gap.shape == (2,)
    assert found.bound.bandwidth_price.shape == (2, 2)
    assert (found.gap >= -1e-9).all()
    without = solve(s, solver=name)
    assert (without.gap is None) == (name not in COMES_WITH_A_BOUND)


def test_a_result_audits_itself():
    s = benchmark_scenario(1, "tiny-4x2")
    result = solve(s, solver="gucro")
    worst = max(np.max(v) for v in violations(s, result.allocation).values())
    assert result.max_violation() == worst <= 1e-6
    result.allocation.bandwidth_hz[:] *= 2
    assert result.max_violation() == pytest.approx(1, rel=1e-3)


def test_random_is_the_same_with_and_without_the_front_door():
    s = benchmark_scenario(5, users=6, **{"server.max_users": 3})
    rng = np.random.default_rng(7)
    association = random_association(s, rng)
    found = solve(s, solver="random", seed=7).allocation
    np.testing.assert_array_equal(found.association, association)
    assert (found.association.sum(axis=0) == 3).all()
    wanted = random_allocation(s, np.random.default_rng(7))
    np.testing.assert_array_equal(found.bandwidth_hz, wanted.bandwidth_hz)
    again = solve(s, solver="random", seed=np.random.default_rng(7)).allocation
    np.testing.assert_array_equal(found.bandwidth_hz, again.bandwidth_hz)


def test_options_reach_the_solver():
    s = benchmark_scenario(5)
    one_move = solve(s, OBJECTIVE, max_iterations=0).allocation
    assert np.array_equal(one_move.server, s.channel_gain.argmax(axis=-1))
    assert solve(s, solver="dual", rounds=0).scr <= solve(s, solver="dual").scr
    assert solve(s, solver="exact", gap=0.5).iterations == 1
    limited = solve(benchmark_scenario(0, users=300), solver="gucro", time_limit_s=0.1)
    assert limited.status == dashf.Status.TIME_LIMIT


def test_the_search_for_a_bound_keeps_to_the_limit():
    s, objective = random_configuration(424)  # power counts: half a minute without
    upper_bound(s, objective, time_limit_s=0.1)  # numba compiles
    begin = time.process_time()
    result = solve(s, objective, solver="gucaa", bound=True, time_limit_s=0.5)
    assert time.process_time() - begin < 1.1 * 0.5 + 0.3
    assert result.bound.value >= result.scr


def test_what_does_not_exist_is_refused():
    s = benchmark_scenario(0, "tiny-4x2")
    for options, text in (
        ({"solver": "dash"}, r"no solver 'dash'\. Did you mean 'dashf'\?"),
        ({"solver": "xyz"}, r"no solver 'xyz'\. Choose from dashf, dual, exact"),
        (
            {"solver": "local", "sdr": "full"},
            r"'local' has no option 'sdr'\. It has tol",
        ),
        ({"restart": 3}, r"no option 'restart'\. Did you mean 'restarts'\? It has tol"),
        ({"solver": "random", "seed": "a"}, r"`seed` must be an integer of at least 0"),
    ):
        for call in (solve, solve_batch):
            with pytest.raises(ValueError, match=text):
                call(s, **options)
    empty = Scenario.stack([s]).map(lambda v: v[:0])
    for name in SOLVERS:
        with pytest.raises(ValueError, match=r"at least one; got batch shape \(0,\)"):
            solve_batch(empty, solver=name)
        with pytest.raises(ValueError, match=r"`scenario` must be a single one"):
            solve(Scenario.stack([s, s]), solver=name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ppo", r"There is no solver 'ppo'. Choose from dashf, dual"),
        ("gucr", r"There is no solver 'gucr'. Did you mean 'gucro'\?"),
        (None, "There is no solver None. Choose from"),
        (["dashf"], r"There is no solver \['dashf'\]. Did you mean 'dashf'"),
    ],
)
def test_what_is_no_solver_is_told_apart(name, text):
    s = benchmark_scenario(0, "tiny-4x2")
    with pytest.raises(ValueError, match=text):
        solve(s, solver=name)
    with pytest.raises(ValueError, match=text):
        SolverPolicy(Task(preset="tiny-4x2"), name)


def test_a_policy_knows_the_options_of_its_solver():
    with pytest.raises(ValueError, match=r"'dual' has no option 'restarts'\. It has"):
        SolverPolicy(Task(preset="tiny-4x2"), "dual", restarts=3)


@pytest.mark.parametrize("name", RANDOM)
def test_a_random_policy_draws_on(name):
    task = Task(preset="tiny-4x2")
    s = benchmark_scenario(0, "tiny-4x2")
    policy, again = (SolverPolicy(task, name, seed=3) for _ in "ab")
    servers = [policy.decide(s).server.tolist() for _ in range(8)]
    assert len({tuple(x) for x in servers}) > 1
    assert servers == [again.decide(s).server.tolist() for _ in range(8)]


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("dual", {"time_limit_s": -1}),
        ("dashf", {"sdr": "nope"}),
        ("random", {"seed": -1}),
    ],
)
def test_a_policy_refuses_wrong_values_at_once(solver, options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        SolverPolicy(Task(preset="tiny-4x2"), solver, **options)
