"""Every public function refuses other things than its arguments, with words."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mec_llm_env
from mec_llm_env import (
    DECODERS,
    Allocation,
    Decoder,
    MigrationConfig,
    MobileConfig,
    MobilityConfig,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    Trajectory,
    evaluate,
    read_traces,
    sample_scenario,
    sample_trajectory,
    violations,
)
from mec_llm_env.actions import ENCODINGS, ActionCodec, make_codec
from mec_llm_env.assignment import round_assignment
from mec_llm_env.bank import load_bank
from mec_llm_env.observations import ObservationCodec
from mec_llm_env.task import Task
from tests.junk import JUNK
from tests.mec_llm_env.cases import equal_allocation

SCENARIO = sample_scenario(ScenarioConfig(users=3), np.random.default_rng(1))
LAYERED = Scenario(**SCENARIO.to_dict(), layers=np.full(3, 16))
TRAJECTORY = sample_trajectory(MobileConfig(users=3), np.random.default_rng(1))
ALLOCATION = equal_allocation(SCENARIO, [0, 1, 1])
SERVED = {k: v for k, v in ALLOCATION.to_dict().items() if k != "association"}
BOX, DICT = ActionCodec(3, 2), ActionCodec(3, 2, "dict")

#: A valid call of every public function that takes something of a user.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Scenario": (Scenario, LAYERED.to_dict()),
    "Scenario.from_json": (Scenario.from_json, {"text": SCENARIO.to_json()}),
    "Scenario.load": (Scenario.load, {"path": "scenario.npz"}),
    "Scenario.stack": (Scenario.stack, {"records": [SCENARIO, SCENARIO]}),
    "Allocation": (Allocation, ALLOCATION.to_dict()),
    "Allocation.from_server": (
        Allocation.from_server,
        {"server": [0, 1, 1], "n_servers": 2, **SERVED},
    ),
    "ObjectiveConfig": (ObjectiveConfig, {"delay_weight": 1, "energy_weight": 0}),
    "ScenarioConfig": (
        ScenarioConfig,
        {
            name: getattr(ScenarioConfig(), name)
            for name in inspect.signature(ScenarioConfig).parameters
        },
    ),
    "Decoder": (Decoder, dataclasses.asdict(DECODERS["llama-3.2-1b"])),
    "ScenarioConfig.preset": (ScenarioConfig.preset, {"name": "tiny-4x2"}),
    "ScenarioConfig.from_dict": (
        ScenarioConfig.from_dict,
        {"parameters": {"users": 4}},
    ),
    "evaluate": (
        evaluate,
        {
            "scenario": SCENARIO,
            "allocation": ALLOCATION,
            "objective": ObjectiveConfig(),
        },
    ),
    "violations": (violations, {"scenario": SCENARIO, "allocation": ALLOCATION}),
    "sample_scenario": (
        sample_scenario,
        {
            "config": ScenarioConfig(users=3),
            "rng": np.random.default_rng(0),
            "batch_shape": (2,),
        },
    ),
    "Trajectory": (Trajectory, TRAJECTORY.to_dict()),
    "Trajectory.load": (Trajectory.load, {"path": "trajectory.npz"}),
    "sample_trajectory": (
        sample_trajectory,
        {
            "config": MobileConfig(users=3),
            "rng": np.random.default_rng(0),
            "batch_shape": (2,),
        },
    ),
    "read_traces": (
        read_traces,
        {
            "path": "traces.csv",
            "rest": MobileConfig(users=1, servers=1),
            "rng": np.random.default_rng(0),
        },
    ),
    "MobileConfig": (
        MobileConfig,
        {
            name: getattr(MobileConfig(), name)
            for name in inspect.signature(MobileConfig).parameters
        },
    ),
    "MobileConfig.preset": (MobileConfig.preset, {"name": "mobile-50x10"}),
    "MobilityConfig": (MobilityConfig, {"slots": 3, "slot_s": 1.5}),
    "MigrationConfig": (MigrationConfig, {"backhaul_mbit_per_s": 3}),
    "load_bank": (load_bank, {"preset": "tiny-4x2"}),
    "round_assignment": (
        round_assignment,
        {"benefit": np.ones((3, 2)), "max_users": np.array([1.0, 2])},
    ),
    "Task": (
        Task,
        {
            "preset": "tiny-4x2",
            "overrides": None,
            "action_encoding": "box",
            "observation_encoding": "flat",
            "episode_length": 1,
            "split": "test",
            "split_stride": 2,
        },
    ),
    "make_codec": (make_codec, {"config": ScenarioConfig(), "encoding": "box"}),
    "decode": (BOX.decode, {"action": np.zeros(21), "scenario": SCENARIO}),
    "encode": (BOX.encode, {"allocation": ALLOCATION, "scenario": SCENARIO}),
    "project": (DICT.project, {"allocation": ALLOCATION, "scenario": SCENARIO}),
    "observe": (ObservationCodec(3, 2).encode, {"scenario": SCENARIO}),
    "understand": (
        ObservationCodec(3, 2).decode,
        {"observation": ObservationCodec(3, 2).encode(SCENARIO)},
    ),
}


@pytest.fixture(autouse=True)
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SCENARIO.save("scenario.npz")
    TRAJECTORY.save("trajectory.npz")
    Path("traces.csv").write_text("slot,user,x_m,y_m\n0,0,1,2\n")


def test_every_public_function_is_called() -> None:
    public = set(mec_llm_env.__all__) - {"MOBILE_PRESETS", "PRESETS", "Outcome"}
    public -= {"DECODERS"}
    public -= {"parallel_env"}  # needs PettingZoo: test_multi_agent.py
    assert public <= set(CALLS)
    for function, call in CALLS.values():
        function(**call)


@pytest.mark.parametrize("name", CALLS)
def test_other_arguments_are_refused_with_words(name: str) -> None:
    function, call = CALLS[name]
    texts = []
    for argument in call:
        for junk in JUNK:
            try:
                function(**call | {argument: junk})
            except ValueError as error:
                texts.append(str(error))
            except (FileNotFoundError, IsADirectoryError):
                assert name in ("Scenario.load", "Trajectory.load", "read_traces")
    assert len(texts) > 0.6 * len(call) * len(JUNK)
    for text in set(texts):
        assert re.search(
            "; got |must have shape|There is no|is not|`max_users` lets", text
        ), text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_scenario_of_another_size_is_named(encoding: str) -> None:
    codec = ActionCodec(4, 2, encoding)
    with pytest.raises(
        ValueError, match="must have 4 users and 2 servers; got 3 and 2"
    ):
        codec.decode(codec.space.sample(), SCENARIO)
    with pytest.raises(
        ValueError, match="must have 4 users and 2 servers; got 3 and 2"
    ):
        codec.encode(ALLOCATION, SCENARIO)


def test_infinite_allocations_are_refused_without_a_warning() -> None:
    rng = np.random.default_rng(0)
    fields = ALLOCATION.to_dict()
    odd = np.array([np.nan, np.inf, -np.inf, 0, -1, 1e308, -1e308, 5e-324, 0.5])
    for _ in range(500):
        name = rng.choice([*fields])
        value = np.array(fields[name])
        value[tuple(rng.integers(size) for size in value.shape)] = rng.choice(odd)
        allocation = Allocation(**fields | {name: value})
        try:
            evaluate(SCENARIO, allocation)
        except ValueError as error:
            assert "is infeasible by" in str(error)  # noqa: PT017
        violations(SCENARIO, allocation)
