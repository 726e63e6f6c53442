"""Loops over independent work: in any process, with workers that are killed."""

import functools
import os
import signal
import time

import numpy as np
import pytest

from dashf.common import parallel
from dashf.common.parallel import WorkersLostError, completed


def square(x):
    return x * x


def kill_once(flag, x):
    """Kills its process, the first time that it is called with 3."""
    if x == 3 and not os.path.exists(flag):
        with open(flag, "w") as file:
            file.write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def kill_always(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def refuse(x):
    if x == 3:
        raise ValueError(f"not {x}")
    time.sleep(0.05)
    return x


def process(x):
    return os.getpid()


def process_beside_another(folder, x):
    """Returns its process once another one does a part of the work, too."""
    (folder / str(os.getpid())).touch()
    begun = time.monotonic()
    while len(list(folder.iterdir())) < 2 and time.monotonic() - begun < 60:
        time.sleep(0.01)
    return os.getpid()


def noted(folder, x):
    """Leaves a file, so that it is seen how often it was called."""
    (folder / f"{x}_{os.getpid()}_{time.monotonic_ns()}").touch()
    if x == 5 and len(list(folder.glob("5_*"))) == 1:
        time.sleep(0.5)  # the others are done
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.parametrize("jobs", [1, 2, 3, -1])
def test_everything_is_done_once(jobs):
    items = list(range(7))
    found = list(completed(square, items, jobs))
    assert sorted(found) == [(i, i * i) for i in items]
    if jobs == 1:
        assert found == sorted(found)
    assert list(completed(square, [], jobs)) == []


def test_one_job_is_done_here_and_more_elsewhere(tmp_path):
    assert {pid for _, pid in completed(process, range(3))} == {os.getpid()}
    work = functools.partial(process_beside_another, tmp_path)
    pids = {pid for _, pid in completed(work, range(6), 2)}
    assert os.getpid() not in pids
    assert len(pids) == 2


def test_functions_of_a_script_and_arrays_are_sent():
    arrays = [np.full(200_000, i, dtype=float) for i in range(3)]  # 1.6 MB each

    def changed(array):  # not to be found by its name
        array += 1  # the worker's own
        return array

    for i, array in completed(changed, arrays, 2):
        np.testing.assert_array_equal(array, i + 1.0)
    assert all((array == i).all() for i, array in enumerate(arrays))


def test_a_killed_worker_costs_what_it_was_at(tmp_path):
    flag = tmp_path / "flag"
    found = dict(completed(functools.partial(kill_once, str(flag)), range(8), 2))
    assert found == {i: i * i for i in range(8)}
    assert int(flag.read_text()) != os.getpid()


def test_what_was_done_is_not_done_again(tmp_path):
    found = dict(completed(functools.partial(noted, tmp_path), range(6), 2))
    assert found == {i: i for i in range(6)}
    calls = {x: len(list(tmp_path.glob(f"{x}_*"))) for x in range(6)}
    assert calls == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2}


def test_what_kills_every_worker_ends_with_an_error(monkeypatch):
    monkeypatch.setattr(parallel, "ATTEMPTS", 1)
    found = []
    work = completed(kill_always, range(6), 2)
    with pytest.raises(WorkersLostError, match="killed 2 times in a row") as caught:
        found.extend(x for _, x in work)
    assert 3 not in found
    assert len(found) == len(set(found))
    assert "take fewer --jobs" in str(caught.value)


def test_an_error_of_the_work_is_its_own():
    for jobs in (1, 2):
        with pytest.raises(ValueError, match=r"^not 3$"):
            list(completed(refuse, range(50), jobs))


def test_who_takes_no_more_results_ends_the_work():
    begun = time.monotonic()
    for _, x in completed(refuse, [0, 1, 2] * 200, 2):  # without a warning
        assert x in (0, 1, 2)
        break
    assert time.monotonic() - begun < 15  # of 15 s that the work would take, and more
    assert sorted(completed(square, [1, 2], 2)) == [(0, 1), (1, 4)]
