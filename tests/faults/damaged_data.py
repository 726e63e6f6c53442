"""Files of data and of a user's own: scenarios, banks, traces, configurations."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from agents.evaluation.cases.reading import read_cases
from agents.run import hyperparameters
from mec_llm_env import (
    MobileConfig,
    Scenario,
    ScenarioConfig,
    Trajectory,
    bank,
    read_traces,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.bank import load_bank
from mec_llm_env.mobile import bank as trajectories
from mec_llm_env.mobile.bank import load_trajectory_bank
from tests.faults.kinds import Kind, digest

ROOT = Path(__file__).parents[2]
OWN = ROOT / "examples" / "own_system"
Made = tuple[Path, Callable[[], Any]]

#: As Hugging Face writes it, a small one.
DECODER = {
    **{"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
    **{"hidden_size": 2048, "num_attention_heads": 32, "num_hidden_layers": 16},
    **{"num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256},
    **{"tie_word_embeddings": True, "torch_dtype": "bfloat16", "head_dim": 64},
}


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def scenario_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "some.npz"
    config = MobileConfig(users=4, servers=2)
    sample_trajectory(config, _rng()).slot(1).save(path)  # with serving
    return path, lambda: digest(Scenario.load(path).to_dict())


def cases_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "batch.npz"
    sample_scenario(ScenarioConfig(users=3, servers=2), _rng(), (2,)).save(path)
    return path, lambda: _cases(path)


def trajectory_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "some.npz"
    config = MobileConfig(users=3, servers=2).with_overrides({"mobility.slots": 4})
    sample_trajectory(config, _rng()).save(path)

    def read() -> str:
        found = Trajectory.load(path)
        return digest(found.scenario.to_dict() | {"joined": found.joined})

    return path, read


def bank_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "tiny-4x2.npz"
    shutil.copy(str(bank.bank_file("tiny-4x2")), path)
    _packaged(folder, stack)

    def read() -> str:
        found = load_bank("tiny-4x2")
        own = {"seed": found.seed, "bound": found.bound, "scr": found.scr}
        return digest(own | found.allocation.to_dict() | found.scenario.to_dict())

    return path, read


def _packaged(folder: Path, stack: ExitStack) -> None:
    """Lets banks be read from a folder, as if the package lay there."""
    files = mock.patch.object(bank.resources, "files", return_value=folder)
    stack.enter_context(files)


def trajectory_bank_npz(folder: Path, stack: ExitStack) -> Made:
    path = folder / "mobile-10x2.npz"
    whole = load_trajectory_bank("mobile-10x2")
    shutil.copy(str(bank.bank_file("mobile-10x2")), path)
    _packaged(folder, stack)
    # What is drawn again from the seeds takes a second, and is no part of the file.
    drawn = {whole.seed.tobytes(): whole.trajectory}
    sampled = mock.patch.object(
        trajectories, "_sampled", lambda preset, seed: drawn[seed.tobytes()]
    )
    stack.enter_context(sampled)

    def read() -> str:
        found = load_trajectory_bank("mobile-10x2")
        names = ("seed", "bound", "scr", "server")
        return digest({name: getattr(found, name) for name in names})

    return path, read


def scenario_json(folder: Path, stack: ExitStack) -> Made:
    path = folder / "some.json"
    path.write_text(
        sample_scenario(ScenarioConfig(users=3, servers=2), _rng()).to_json()
    )
    return path, lambda: _cases(path)


def config_json(folder: Path, stack: ExitStack) -> Made:
    path = folder / "some.json"
    path.write_text(json.dumps(ScenarioConfig(users=3, servers=2).to_dict(), indent=1))
    return path, lambda: _cases(path)


def config_toml(folder: Path, stack: ExitStack) -> Made:
    return _own(folder, "phones.toml")


def gains_csv(folder: Path, stack: ExitStack) -> Made:
    return _own(folder, "gains.csv")


def _own(folder: Path, name: str) -> Made:
    for file in OWN.iterdir():
        shutil.copy(file, folder)
    return folder / name, lambda: _cases(folder / "phones.toml")


def _cases(path: Path) -> list[Any]:
    return [
        (digest(case.scenario.to_dict()), repr(case.objective))
        for case in read_cases([path])
    ]


def decoder_json(folder: Path, stack: ExitStack) -> Made:
    path = folder / "config.json"
    path.write_text(json.dumps(DECODER, indent=2))

    def read() -> str:
        return repr(
            ScenarioConfig().with_overrides({"workload.model": os.fspath(path)})
        )

    return path, read


def traces_csv(folder: Path, stack: ExitStack) -> Made:
    path = folder / "traces.csv"
    config = MobileConfig(users=3, servers=2).with_overrides({"mobility.slots": 4})
    drawn = sample_trajectory(config, _rng())
    place, gain = drawn.scenario.user_position_m, drawn.scenario.channel_gain
    assert place is not None
    text = io.StringIO()
    text.write("slot,user,x_m,y_m,gain_db_0,gain_db_1,job\n")
    for t, n in np.ndindex(4, 3):
        numbers = [*place[t, n], *(10 * np.log10(gain[t, n]))]
        text.write(",".join([str(t), str(n), *map("{:.3f}".format, numbers), "0\n"]))
    path.write_text(text.getvalue())

    def read() -> str:
        found = read_traces(path, config, _rng())
        return digest(found.scenario.to_dict() | {"joined": found.joined})

    return path, read


def hyperparameters_yml(folder: Path, stack: ExitStack) -> Made:
    path = folder / "ppo.yml"
    shutil.copy(hyperparameters.FOLDER / "ppo.yml", path)
    stack.enter_context(mock.patch.object(hyperparameters, "FOLDER", folder))
    return path, lambda: repr(hyperparameters.load_hyperparameters("ppo", "MecLlm-v0"))


DATA = [
    Kind("scenario.npz", scenario_npz),
    Kind("cases.npz", cases_npz),
    Kind("trajectory.npz", trajectory_npz),
    Kind("bank", bank_npz, "tiny-4x2"),
    Kind("bank of episodes", trajectory_bank_npz, "mobile-10x2"),
    Kind("scenario.json", scenario_json, unsigned=True),
    Kind("configuration.json", config_json, unsigned=True),
    Kind("configuration.toml", config_toml, unsigned=True),
    Kind("gains.csv", gains_csv, unsigned=True),
    Kind("decoder config.json", decoder_json, unsigned=True),
    Kind("traces.csv", traces_csv, unsigned=True),
    Kind("hyperparameters.yml", hyperparameters_yml, unsigned=True),
]
