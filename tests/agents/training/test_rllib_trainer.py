"""Training with RLlib: a run like any other, resumed, and evaluated without Ray.

It needs RLlib, and runs in an environment of its own: `make test-frameworks`.
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra `rllib`"
)

ROOT = Path(__file__).parents[3]
WORDS = ("--agent", "ppo", "--engine", "rllib", "--preset", "tiny-4x2")
SMALL = ("--timesteps", "12288", "--n-envs", "128", "--eval-freq", "4096")
RUN = Path("runs/ppo/MecLlm-v0_1")

#: Ray is found by no import.
WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
sys.path.insert(0, sys.argv.pop(1))
import evaluate
raise SystemExit(evaluate.main(sys.argv[1:]))
"""


def start(folder, *words):
    return subprocess.Popen(
        [sys.executable, *map(os.fspath, words)],
        cwd=folder,
        # A cluster of its own, whatever runs here.
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT), "RAY_ADDRESS": "local"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(folder, *words):
    process = start(folder, ROOT / "train.py", *words, "--no-progress")
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, (printed, errors)
    return printed


def history(folder):
    with np.load(folder / RUN / "evaluations.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize(
    ("more", "gain"),
    [
        (("--num-env-runners", "2"), 1.2),
        (("--policy", "set"), 1.2),
        # Random servers with the best resources are good already.
        (("--action-encoding", "association", "--policy", "set"), 1.05),
    ],
)
def test_a_run_is_like_any_other(tmp_path, more, gain):
    printed = train(tmp_path, *WORDS, *SMALL, *more)
    assert "× rucaa" in printed
    names = {path.name for path in (tmp_path / RUN).iterdir()}
    assert {"config.json", "best_policy.npz", "model.zip", "evaluations.npz"} <= names
    config = json.loads((tmp_path / RUN / "config.json").read_text())["config"]
    assert config["engine"] == "rllib"
    found = history(tmp_path)
    assert found["timesteps"][0] == 0
    assert found["timesteps"][-1] >= 12288
    means = found["results"].mean(axis=1)
    assert means[-1] > gain * means[0]  # it learns
    agents = ("--agents", RUN, "random", "--instances", "20", "--jobs", "2")
    process = start(tmp_path, "-c", WITHOUT_RAY, ROOT, *agents)
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert "ppo" in printed
    assert "rllib" in printed


def test_an_interrupted_run_goes_on(tmp_path):
    words = (*WORDS, *SMALL, "--timesteps", "40960")
    process = start(tmp_path, ROOT / "train.py", *words, "--no-progress")
    while not list((tmp_path / RUN).glob("checkpoints/step_*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert f"Go on with: python train.py --resume {RUN}" in printed
    before = history(tmp_path)
    train(tmp_path, "--resume", RUN)
    after = history(tmp_path)
    count = len(before["timesteps"])
    np.testing.assert_array_equal(after["results"][:count], before["results"])
    assert after["timesteps"][-1] >= 40960
    steps = np.diff(after["timesteps"])
    assert (steps > 0).all()
    assert steps.max() <= 2 * 4096  # it began where it had stopped
    means = after["results"].mean(axis=1)
    assert means[count] > 0.9 * means[count - 1]  # with the weights that it had


def below(parent):
    """Returns the processes that a process has begun, with all that these have."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, number = path.read_text().rpartition(")")[2].split()[:2]
            if int(number) == parent and state != "Z":
                found |= {int(path.parent.name), *below(int(path.parent.name))}
    return found


def title(number):
    return Path(f"/proc/{number}/cmdline").read_text()


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_killed_run_goes_on_once(tmp_path):
    """Ray's processes end, and of two that resume the run one is refused."""
    words = (*WORDS, *SMALL, "--timesteps", "24576")
    process = start(tmp_path, ROOT / "train.py", *words, "--num-env-runners", "2")
    while not list((tmp_path / RUN).glob("checkpoints/step_*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    # Ray's own agents of a node end a minute later.
    workers = {n for n in below(process.pid) if "Agent" not in title(n)}
    assert len(workers) > 2
    process.kill()
    process.communicate()
    until = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
    both = [start(tmp_path, ROOT / "train.py", "--resume", RUN) for _ in range(2)]
    ended = [(*each.communicate(timeout=600), each.returncode) for each in both]
    (refused,) = [errors for _, errors, status in ended if status == 2]
    assert [status for *_, status in ended].count(0) == 1, ended
    (line,) = refused.splitlines()
    assert "is in use by another process" in line
    assert (tmp_path / RUN / "model.zip").is_file()
    assert history(tmp_path)["timesteps"][-1] >= 24576
    hidden = [path.name for path in (tmp_path / RUN).rglob(".*")]
    assert hidden == [".lock"]


def test_damage_and_strangers_are_one_line(tmp_path):
    words = (*WORDS, *SMALL, "--timesteps", "8192", "--checkpoint-freq", "4096")
    train(tmp_path, *words)
    (tmp_path / RUN / "model.zip").unlink()
    last = max((tmp_path / RUN).glob("checkpoints/step_*"))
    model, whole = last / "model.zip", (last / "model.zip").read_bytes()
    for content, text in (
        (whole[: len(whole) // 2], "model.zip"),
        (b"", "model.zip"),
        (whole, "--trust"),
    ):
        model.write_bytes(content)
        if text == "--trust":  # as written by somebody else
            config = os.environ | {"XDG_CONFIG_HOME": os.fspath(tmp_path / "config")}
        else:
            config = dict(os.environ)
        done = subprocess.run(
            [sys.executable, ROOT / "train.py", "--resume", RUN],
            cwd=tmp_path,
            env=config | {"PYTHONPATH": os.fspath(ROOT), "RAY_ADDRESS": "local"},
            capture_output=True,
            text=True,
        )
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (2, ""), line
        assert line.startswith("train.py: error: ")
        assert text in line


def test_runners_do_not_share_streams():
    code = """
from agents.run.config import TrainingConfig
from agents.training.rllib_module import first_seed, make_envs
import numpy as np
config = TrainingConfig(agent="ppo", env_id="MecLlm-v0", timesteps=9, n_envs=6, seed=3,
    env_kwargs={"preset": "tiny-4x2"}, eval_freq=9, checkpoint_freq=9, engine="rllib")
def drawn(done, runner):
    seed = first_seed(config, done)
    context = {"run": config.to_dict(), "num_envs": 3, "seed": seed, "arguments": {}}
    return make_envs(context).reset(seed=seed + runner)[0]
every = [drawn(done, runner) for done in (0, 600, 606) for runner in (1, 2)]
rows = np.concatenate(every)
assert len(np.unique(rows, axis=0)) == len(rows) == 18
assert (drawn(0, 1) == drawn(0, 0)).all() and first_seed(config, 0) == 30_000
assert all(30_000 <= first_seed(config, d) <= 40_000 - 6 for d in range(0, 10**6, 997))
"""
    run_code(code)


def test_decisions_without_a_past_are_one_episode_to_rllib():
    code = """
from agents.run.config import TrainingConfig
from agents.problems.tasks import make_task
from agents.training.rllib_trainer import _settings
from agents.training.rllib_module import make_envs
import numpy as np
given = {"n_steps": 5, "batch_size": 20, "gamma": 0.9, "ent_coef": -0.01}
def settings(env_id, **kwargs):
    config = TrainingConfig(agent="ppo", env_id=env_id, timesteps=9, n_envs=8, seed=3,
        env_kwargs=kwargs, hyperparameters=given, eval_freq=9, checkpoint_freq=9,
        engine="rllib")
    found = _settings(config, make_task(env_id, **kwargs), {}, 0)
    return found, make_envs(found.env_config | {"num_envs": 4})
def decisions(envs):
    envs.reset(seed=0)
    ended = [envs.step(envs.action_space.sample())[2].all() for _ in range(6)]
    return ended.index(True) + 1 if any(ended) else None
joined, envs = settings("MecLlm-v0", preset="tiny-4x2")
assert joined.gamma == 0 and joined.minibatch_size == 24
assert joined.train_batch_size_per_learner == 40 and decisions(envs) == 5
longer, envs = settings("MecLlm-v0", preset="tiny-4x2", episode_length=3)
assert longer.gamma == 0.9 and longer.minibatch_size == 26 and decisions(envs) == 3
mobile, envs = settings("MecLlmMobile-v0", overrides={"users": 3, "mobility.slots": 4})
assert mobile.gamma == 0.9 and mobile.minibatch_size == 25 and decisions(envs) == 4
"""
    run_code(code)


def run_code(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
