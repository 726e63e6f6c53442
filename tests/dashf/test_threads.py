"""Solvers in threads: the answers of one thread, bit for bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dashf import SOLVERS
from tests.dashf.cases import OBJECTIVE, benchmark_scenario

THREADS = 8


def answer(name, number, preset):
    result = SOLVERS[name](benchmark_scenario(number, preset), OBJECTIVE)
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
    jobs = [(name, i, "tiny-4x2") for i in range(4) for name in SOLVERS]
    assert_threads_change_nothing([jobs[i] for i in numbers])


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
def test_50_scenarios_of_the_papers_size(name):
    assert_threads_change_nothing([(name, i, "paper-10x2") for i in range(50)])
