"""A run folder from elsewhere executes nothing: a canary in each place dies of none."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import evaluate
import train
from agents import make_agent
from agents.run import hyperparameters
from agents.run.folder import read_content, write_config
from agents.training import checkpoint, start
from mec_llm_env import Scenario
from mec_llm_env.task import Task
from tests.agents.training.small_runs import config

# Each takes the path of a folder that it makes, should anybody evaluate it.
TEXTS = {
    "builtins": "dict(a=__import__('os').mkdir({path!r}))",
    "subclasses": "dict(a=[c for c in ().__class__.__base__.__subclasses__() if c"
    ".__name__=='BuiltinImporter'][0].load_module('os').mkdir({path!r}))",
    "nn": "dict(a=nn.modules.module.sys.modules['os'].mkdir({path!r}))",
    "method": "dict(a=nn.ReLU.__init__.__globals__['os'].mkdir({path!r}))",
    "starred": "dict(**nn.os.mkdir({path!r}))",
    "lambda": "(lambda: __import__('os').mkdir({path!r}))()",
    "walrus": "dict(a=(b := __import__('os').mkdir({path!r})))",
    "f-string": "dict(a=f'{{__import__(\"os\").mkdir({path!r})}}')",
}


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (os.fspath(self.path),)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each kind of folder."""
    folders = {}
    for agent in ("ppo", "sac", "apg"):
        trainer = start.begin(config(agent), tmp_path_factory.mktemp(agent))
        assert trainer.train(bar=False)
        folders[agent] = trainer.run
    return folders


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Another user, with another key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", os.fspath(tmp_path / "other"))
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "canary").exists(), "it was executed"


def refused(action: Callable[[], Any], text: str, capsys: Any) -> None:
    """Asserts that a command ends with one line that says so."""
    with pytest.raises(SystemExit) as ended:
        action()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line


def change_config(run: Path, **changes: Any) -> None:
    content = read_content(run)
    content["config"] |= changes
    write_config(run, content)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("setting", ["policy_kwargs", "normalize"])
@pytest.mark.parametrize("kind", TEXTS)
def test_settings(
    setting: str, kind: str, runs: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    text = TEXTS[kind].format(path=os.fspath(tmp_path / "canary"))
    run = shutil.copytree(runs["ppo"], tmp_path / "run")
    change_config(run, hyperparameters={setting: text})
    for main, words in (
        (evaluate.main, ["--agents", "run"]),
        (train.main, ["--resume", "run", "--timesteps", "999", "--trust"]),
        (
            train.main,
            ["--agent", "ppo", "--dry-run", "--hyperparameter", f"{setting}={text}"],
        ),
    ):
        refused(lambda m=main, w=words: m(w), f"`{setting}` cannot be read", capsys)
    with pytest.raises(ValueError, match="cannot be"):
        make_agent("run", Task(preset="tiny-4x2"))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("text", ["{}: !!python/object/apply:os.mkdir ['{}']", TEXTS])
def test_files_of_hyperparameters(
    text: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    canary = os.fspath(tmp_path / "canary")
    if not isinstance(text, str):
        settings = {"policy_kwargs": TEXTS["builtins"].format(path=canary)}
        settings |= {"n_envs": 4, "n_timesteps": 8, "policy": "MlpPolicy"}
        text = json.dumps({"MecLlm-v0": settings})  # which is YAML as well
    else:
        text = text.format("MecLlm-v0", canary)
    (tmp_path / "ppo.yml").write_text(text)
    monkeypatch.setattr(hyperparameters, "FOLDER", tmp_path)
    monkeypatch.setattr(train, "describe_hyperparameters", str)
    refused(lambda: train.main(["--agent", "ppo", "--dry-run"]), "be read", capsys)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["canary_module:MecLlm-v0", "../../MecLlm-v0"])
def test_names_of_environments(
    name: str, runs: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "canary_module.py").write_text("import os\nos.mkdir('canary')\n")
    run = shutil.copytree(runs["ppo"], tmp_path / "run")
    change_config(run, env_id=name)
    for main, words in (
        (evaluate.main, ["--agents", "run"]),
        (train.main, ["--resume", "run", "--trust", "--timesteps", "999"]),
    ):
        refused(lambda m=main, w=words: m(w), "`env_id` must be the id", capsys)
    assert "canary_module" not in sys.modules


def poison(path: Path, canary: Path) -> None:
    """Puts a canary where a file of a run is unpickled by those who trust it."""
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(Canary(canary)))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        data = json.loads(parts["data"])
        pickled = base64.b64encode(pickle.dumps(Canary(canary))).decode()
        data["policy_class"][":serialized:"] = pickled
        parts["data"] = json.dumps(data).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
    else:
        np.savez(path, about=np.array([Canary(canary)], dtype=object))


# Which run, and which of its files; those of the checkpoint are read by `--resume`.
CHECKPOINT_FILES = [
    *(("ppo", "state.pkl"), ("ppo", "model.zip"), ("sac", "replay_buffer.pkl")),
    *(("sac", "model.zip"), ("apg", "state.pkl")),
]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(("agent", "file"), CHECKPOINT_FILES)
def test_checkpoints(
    agent: str, file: str, runs: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    run = shutil.copytree(runs[agent], tmp_path / "run")
    newest = max((run / "checkpoints").iterdir())
    poison(newest / file, tmp_path / "canary")
    manifest = json.loads((newest / "checkpoint.json").read_text())
    content = (newest / file).read_bytes()
    manifest["sha256"][file] = hashlib.sha256(content).hexdigest()
    del manifest["sum"]
    manifest["sum"] = checkpoint._sum_of(manifest)
    (newest / "checkpoint.json").write_text(json.dumps(manifest))
    resume = ["--resume", "run", "--timesteps", "999"]
    refused(lambda: train.main(resume), "not written by you on this machine", capsys)
    assert not (tmp_path / "canary").exists()
    # The canary is alive: whoever trusts it hears it.
    with contextlib.suppress(Exception):
        start.resume(run, 999, trust=True)
    assert (tmp_path / "canary").exists()
    (tmp_path / "canary").rmdir()


MODEL_FILES = [
    *(("ppo", "best_policy.npz"), ("ppo", "policy.npz"), ("apg", "best_model.npz")),
    *(("apg", "model.npz"), ("ppo", "best_model.zip"), ("sac", "model.zip")),
]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(("agent", "file"), MODEL_FILES)
def test_models(
    agent: str, file: str, runs: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(runs[agent] / "config.json", run)
    if file.endswith(".zip"):
        shutil.copy(runs[agent] / file, run)
    poison(run / file, tmp_path / "canary")
    with pytest.raises(ValueError, match=r"Python objects|pickles can execute code"):
        make_agent("run", Task(preset="tiny-4x2"))
    refused(lambda: evaluate.main(["--agents", "run"]), file, capsys)


@pytest.mark.usefixtures("elsewhere")
def test_scenarios(tmp_path: Path) -> None:
    poison(tmp_path / "scenario.npz", tmp_path / "canary")
    with pytest.raises(ValueError, match=r"scenario\.npz"):
        Scenario.load(tmp_path / "scenario.npz")


@pytest.mark.usefixtures("elsewhere")
def test_weights_that_are_too_large_are_not_unpacked(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(runs["ppo"], tmp_path / "run")
    with zipfile.ZipFile(run / "best_policy.npz", "w") as archive:
        archive.writestr("a.npy", b"\0" * (2**20), zipfile.ZIP_DEFLATED)
        archive.filelist[0].file_size = 2**31
    with pytest.raises(ValueError, match="which there may be 1,073,741,824"):
        make_agent("run", Task(preset="tiny-4x2"))


def test_a_run_of_ones_own_is_trusted(runs: dict[str, Path]) -> None:
    resumed = start.resume(runs["apg"], 999)
    assert resumed.resumed_at == 128
    assert torch.is_tensor(next(iter(resumed.model.policy.state_dict().values())))
