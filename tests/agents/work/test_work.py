"""Where independent work is done, and the options that say so."""

import argparse
import importlib.util
import os

import numpy as np
import pytest
import threadpoolctl

from agents import work
from agents.console.command_line import add_worker_options, workers_from
from agents.work import HERE, Workers


def threads(item):
    np.ones((2, 2)) @ np.ones((2, 2))
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]


def process(item):
    return os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_work_is_done_on_one_thread(jobs):
    for counts in Workers(jobs=jobs).results(threads, range(3)):
        assert set(counts) == {1}


def test_results_are_in_the_order_of_the_items():
    done = []
    found = Workers(jobs=2).results(str, range(20), done.append)
    assert found == [str(i) for i in range(20)]
    assert done == list(range(1, 21))
    assert HERE.results(str, range(3)) == ["0", "1", "2"]


def test_processes_are_limited_by_the_processors(monkeypatch):
    monkeypatch.setattr(work.os, "cpu_count", lambda: 1)
    pids = set(Workers(jobs=50).results(process, range(12)))
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_what_is_shared_is_the_value():
    value = {"a": np.arange(3)}
    assert Workers(jobs=2).share(value).get() is value


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"jobs": 0}, "--jobs must be at least 1; got 0"),
        ({"backend": "dask"}, "--backend must be one of processes, ray; got 'dask'"),
        ({"ray_address": "here:1"}, "--ray-address needs --backend ray"),
    ],
)
def test_wrong_workers_are_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Workers(**fields)


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: pip install '\.\[ray\]'"):
        Workers(backend="ray")


@pytest.mark.parametrize(
    ("words", "default", "jobs"),
    [
        ([], 1, 1),
        ([], 2, 2),
        (["--jobs", "3"], 2, 3),
        (["--backend", "processes"], 4, 4),
    ],
)
def test_options(words, default, jobs):
    parser = argparse.ArgumentParser()
    add_worker_options(parser, default=default)
    assert workers_from(parser.parse_args(words), default) == Workers(jobs=jobs)
