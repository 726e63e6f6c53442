"""The scripts on a Ray cluster of two nodes, of which one, or its worker, is killed.

They need Ray, and run in an environment of their own: `make test-frameworks`.
"""

import csv
import importlib.util
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra `ray`"
)

ROOT = Path(__file__).parents[3]
AGENTS = ("gucro", "rucaa", "random", "apg:pretrained")
INSTANCES = ("--preset", "tiny-4x2", "--instances", "120")


def start(*words, folder=None, **options):
    return subprocess.Popen(
        [sys.executable, *map(os.fspath, words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def output_of(process):
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, (printed, errors)
    return printed


@contextmanager
def cluster():
    """Yields the process of a cluster, and its address."""
    process = start(ROOT / "tests" / "ray_cluster.py", stdin=subprocess.PIPE)
    try:
        address = process.stdout.readline().strip()
        assert ":" in address, address
        yield process, address
    finally:
        process.communicate(timeout=60)  # which closes its input


@pytest.fixture(scope="module")
def nodes():
    with cluster() as found:
        yield found


def evaluate(folder, *words):
    folder.mkdir()
    return start(
        *(ROOT / "evaluate.py", "--agents", *AGENTS, *INSTANCES, "--no-bound", *words),
        folder=folder,
        stderr=subprocess.PIPE,
    )


def instances_of(folder):
    """Returns what was written of every instance."""
    return (folder / "results" / "tiny-4x2_1" / "results.csv").read_text()


def workers_below(parent):
    """Returns the processes of tasks that are at work below a process."""
    children: dict[int, list[int]] = {}
    names = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            names[int(path.name)] = (path / "cmdline").read_text()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.name))
    below, found = [parent], []
    while below:
        number = below.pop()
        below += children.get(number, [])
        if names.get(number, "").startswith("ray::_call"):
            found.append(number)
    return found


def test_a_cluster_finds_what_one_process_does(nodes, tmp_path):
    output_of(evaluate(tmp_path / "here"))
    printed = output_of(
        evaluate(tmp_path / "there", "--backend", "ray", "--ray-address", nodes[1])
    )
    assert instances_of(tmp_path / "there") == instances_of(tmp_path / "here")
    assert "Report: results/tiny-4x2_1" in printed


def test_a_killed_worker_costs_its_task(nodes, tmp_path):
    process, address = nodes
    output_of(evaluate(tmp_path / "here"))
    words = ("--backend", "ray", "--ray-address", address)
    run = evaluate(tmp_path / "there", *words)
    killed = []
    while run.poll() is None and len(killed) < 2:
        for number in workers_below(process.pid)[:1]:
            os.kill(number, signal.SIGKILL)
            killed.append(number)
        time.sleep(0.5)
    output_of(run)
    assert killed
    assert instances_of(tmp_path / "there") == instances_of(tmp_path / "here")


def test_the_bank_survives_the_loss_of_a_node(tmp_path):
    script = ROOT / "benchmarks" / "make_bank.py"
    words = ("mobile-10x2", "--instances", "6", "--work", "work")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    output_of(start(script, *words, "--output", "bank", folder=tmp_path / "here"))
    with cluster() as (process, address):
        far = ("--backend", "ray", "--ray-address", address)
        run = start(script, *words, "--output", "bank", *far, folder=tmp_path / "there")
        solved = tmp_path / "there" / "work" / "mobile-10x2"
        while run.poll() is None and not list(solved.glob("*.npz")):
            time.sleep(0.1)  # until the first one is there, and others are at work
        process.stdin.write("remove\n")
        process.stdin.flush()
        assert process.stdout.readline() == "removed\n"
        assert run.poll() is None  # there was something left
        printed = output_of(run)
    assert printed.count(" scr ") == 6
    banks = [
        (tmp_path / name / "bank" / "mobile-10x2.npz").read_bytes()
        for name in ("here", "there")
    ]
    assert banks[0] == banks[1]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1"])
def test_nothing_at_the_address_is_one_line(tmp_path, address):
    words = ("--backend", "ray", "--ray-address", address)
    run = evaluate(tmp_path / "none", *words)
    _, errors = run.communicate(timeout=120)  # Ray itself waits for many minutes
    assert run.returncode == 2
    line = errors.strip().splitlines()[-1]
    assert line.startswith(f"evaluate.py: error: no Ray cluster answers at {address}:")
    assert not list((tmp_path / "none").glob("results/*_1"))


def test_a_comparison_is_trained_on_the_cluster(nodes, tmp_path):
    words = ("--agents", "apg", "ppo", "--quick", "--seeds", "1")
    words += ("--preset", "tiny-4x2", "--timesteps", "2048", "--output", "out")
    far = ("--backend", "ray", "--ray-address", nodes[1])
    output_of(start("-m", "experiments.compare_agents", *words, *far, folder=tmp_path))
    runs = list((tmp_path / "out" / "runs").glob("*/*/MecLlm-v0_1"))
    assert {run.parent.name for run in runs} == {"apg", "ppo"}
    for run in runs:
        assert list(run.glob("best_*"))
        assert not (run / "checkpoints").exists()
    assert len(list((tmp_path / "out" / "logs").glob("*.log"))) == 2
    assert (tmp_path / "out" / "results.md").is_file()


def test_own_cases_are_decided_on_the_cluster(nodes, tmp_path):
    (tmp_path / "small.json").write_text('{"users": 5, "servers": 2}')
    words = ("--agents", "dual", "random", "apg:pretrained", "--instances", "6")
    written = []
    for far in ((), ("--backend", "ray", "--ray-address", nodes[1])):
        folder = tmp_path / str(len(far))
        folder.mkdir()
        case = ("--scenario", tmp_path / "small.json")
        run = start(
            *(ROOT / "evaluate.py", *case, *words, *far),
            folder=folder,
            stderr=subprocess.PIPE,
        )
        printed = output_of(run)
        assert ("beside others" in printed) == bool(far)
        with (folder / "results" / "small_1" / "results.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert all(float(row.pop("decision_time_s")) > 0 for row in rows)
        written.append(rows)
    assert written[0] == written[1]
    assert len(written[0]) == 3 * 6
