"""Solvers in threads: the answers of one thread, bit for bit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dashf import SOLVERS, solve, upper_bound
from dashf.pricing.dual import solve_dual, solve_dual_batch
from dashf.pricing.exact import solve_exact
from mec_llm_env import Scenario
from tests.dashf.cases import OBJECTIVE, benchmark_scenario
from tests.dashf.extremes import (
    random_objective,
    random_scenario,
    with_layers,
    with_serving,
)

THREADS = 8

#: What is added to random cells, in which everybody and everything differs.
ADDED = {
    "unequal": lambda scenario, rng: scenario,
    "serving": with_serving,
    "layers": with_layers,
    "both": lambda scenario, rng: with_layers(with_serving(scenario, rng), rng),
}

# Eight threads meet where nothing has been compiled yet.
AT_ONCE = """
import threading
from dashf import solve
from tests.dashf.cases import benchmark_scenario

def answer(i):
    result = solve(benchmark_scenario(i, "tiny-4x2"), solver="dual")
    bound = result.bound
    z = result.allocation
    parts = [getattr(z, field).tobytes() for field in z.field_names()]
    return result.scr, float(bound.value), parts

def work(i):
    start.wait()
    found[i] = answer(i)

start, found = threading.Barrier(8), [None] * 8
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == [answer(i) for i in range(8)]
"""


def answer(name, number, kind):
    rng = np.random.default_rng(number)
    if kind in ADDED:
        objective = random_objective(rng)
        scenario = ADDED[kind](random_scenario(rng), rng)
    else:
        objective, scenario = OBJECTIVE, benchmark_scenario(number, kind)
    result = solve(scenario, objective, solver=name)
    z = result.allocation
    return (
        result.status,
        result.scr,
        [row.scr for row in result.history],
        [getattr(z, field).tobytes() for field in z.field_names()],
    )


def assert_threads_change_nothing(jobs):
    expected = [answer(*job) for job in jobs]
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda job: answer(*job), jobs))
    wrong = [job for job, a, b in zip(jobs, expected, found, strict=True) if a != b]
    assert wrong == []


def test_every_solver_in_threads_equals_serial():
    """All of them at once, so that they also share what is compiled."""
    numbers = np.random.default_rng(0).permutation(4 * len(SOLVERS))
    kinds = ("tiny-4x2", "unequal", "serving", "layers")
    jobs = [(name, i, kind) for i, kind in enumerate(kinds) for name in SOLVERS]
    assert_threads_change_nothing([jobs[i] for i in numbers])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["paper-10x2", *ADDED])
@pytest.mark.parametrize("name", SOLVERS)
def test_50_scenarios(name, kind):
    assert_threads_change_nothing([(name, i, kind) for i in range(50)])


def certificate(job):
    """Everything of a bound and what goes with it, as `job` names it."""
    kind, number = job
    s = benchmark_scenario(number, "tiny-4x2")
    if kind == "dual":
        result = solve_dual(s, OBJECTIVE)
        bound = result.bound
        scr = result.scr
    elif kind == "exact":
        result = solve_exact(s, OBJECTIVE)
        bound = result.bound
        scr = result.scr
    elif kind == "batch":
        two = Scenario.stack([s, benchmark_scenario(number + 1, "tiny-4x2")])
        batch = solve_dual_batch(two, OBJECTIVE)
        scr, bound = batch.scr, batch.bound
    else:
        scr, bound = 0.0, upper_bound(s, OBJECTIVE)
    values = (scr, bound.value, bound.gap, bound.looseness)
    return [np.asarray(value).tobytes() for value in values]


def test_certificates_in_threads_equal_serial():
    jobs = [(kind, i) for i in range(4) for kind in ("dual", "exact", "batch", "bound")]
    expected = list(map(certificate, jobs))
    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(certificate, jobs)) == expected


@pytest.mark.slow
def test_threads_that_compile_at_once(tmp_path):
    subprocess.run(
        [sys.executable, "-W", "error", "-c", AT_ONCE],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NUMBA_CACHE_DIR": os.fspath(tmp_path)},
        check=True,
        timeout=600,
    )
