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


class Added:
    def __init__(self, value):
        self.value, self.count = value, 0

    def __call__(self, item):
        self.count += 1
        return self.value + item, self.count


@pytest.mark.parametrize("jobs", [1, 2])
def test_work_is_done_on_one_thread(jobs):
    for _, counts in Workers(jobs=jobs).completed(threads, range(3)):
        assert set(counts) == {1}


def test_every_item_is_done_once():
    for workers in (Workers(jobs=2), HERE):
        found = list(workers.completed(str, range(20)))
        assert sorted(found) == [(i, str(i)) for i in range(20)]


def test_processes_are_limited_by_the_processors(monkeypatch):
    monkeypatch.setattr(work.os, "cpu_count", lambda: 1)
    pids = {pid for _, pid in Workers(jobs=50).completed(process, range(12))}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_what_is_prepared_is_made_once_a_process():
    with Workers(jobs=2).prepared(Added, 5, here=Added(5)) as work:
        found = sorted(Workers(jobs=2).completed(work, range(8)))
    assert [value for _, (value, _) in found] == list(range(5, 13))
    # Each process counts what it has done; nobody is made anew for an item.
    counts = [count for _, (_, count) in found]
    assert max(counts) >= 4


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
