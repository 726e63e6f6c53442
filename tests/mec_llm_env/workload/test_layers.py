"""Whole layers in scenarios, in what is feasible, in decoders and environments."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from mec_llm_env import (
    Allocation,
    MobileConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    read_traces,
    sample_scenario,
    sample_trajectory,
    violations,
)
from mec_llm_env.actions import ENCODINGS, ActionCodec, decode_resources
from mec_llm_env.allocation import one_hot
from mec_llm_env.mobile.observations import MobileObservationCodec
from mec_llm_env.observations import ObservationCodec, Shared
from mec_llm_env.workload.layers import whole_layers
from tests.mec_llm_env.cases import equal_allocation

WHOLE = {"workload.split": "whole_layers"}


def scenario(users: int = 4, layers: int = 16, seed: int = 0, **more: Any) -> Scenario:
    config = ScenarioConfig(users=users).with_overrides(
        {"workload.layers": layers} | WHOLE | more
    )
    return sample_scenario(config, np.random.default_rng(seed))


def is_whole(s: Scenario, z: Allocation) -> bool:
    assert s.layers is not None
    count = np.asarray(z.local_fraction * s.layers)
    return bool((np.abs(count - np.round(count)) < 1e-9).all())


def test_the_nearest_whole_layers() -> None:
    phi = np.array([0.0, 0.3, 0.375, 0.49, 1.0])
    # Of 4 layers: 1 at least, 1.2, 1.5 counts up, 1.96, 3 at most.
    assert (whole_layers(phi, np.full(5, 4.0)) * 4).tolist() == [1, 1, 2, 2, 3]
    rng = np.random.default_rng(0)
    for _ in range(200):
        layers = np.floor(10 ** rng.uniform(0.31, 4, 20))
        phi = rng.uniform(1e-6, 1 - 1e-6, 20)
        found = whole_layers(phi, layers)
        count = found * layers
        assert np.abs(count - np.round(count)).max() < 1e-9
        assert (np.round(count) >= 1).all()
        assert (np.round(count) <= layers - 1).all()
        inside = (phi > 1 / layers) & (phi < 1 - 1 / layers)
        assert (np.abs(found - phi) <= 0.5 / layers + 1e-15)[inside].all()
        assert np.abs(whole_layers(found, layers) - found).max() == 0
        tensors = torch.from_numpy(phi), torch.from_numpy(layers)
        assert (whole_layers(*tensors).numpy() == found).all()


def test_the_gradient_passes_straight_through() -> None:
    phi = torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)
    rounded = whole_layers(phi, torch.tensor([4.0, 4.0], dtype=torch.float64))
    assert torch.allclose(rounded, torch.tensor([0.25, 0.5], dtype=torch.float64))
    (rounded * torch.tensor([2.0, 3.0])).sum().backward()
    assert phi.grad is not None
    assert phi.grad.tolist() == [2, 3]


def test_sampled_scenarios_have_layers_only_if_asked() -> None:
    plain = sample_scenario(ScenarioConfig(users=4), np.random.default_rng(0))
    s = scenario()
    assert plain.layers is None
    assert "layers" not in plain.to_dict()
    assert s.layers is not None
    assert s.layers.tolist() == [16] * 4
    for name, value in plain.to_dict().items():  # all else is drawn as without
        assert (getattr(s, name) == value).all()
    known = scenario(**{"workload.layers": 16, "workload.model": "qwen3-0.6b"})
    assert known.layers is not None
    assert known.layers.tolist() == [28] * 4
    assert known.local_fraction_min.tolist() == [1 / 28] * 4


def test_files_keep_layers(tmp_path: Path) -> None:
    s = scenario()
    assert s.layers is not None
    s.save(tmp_path / "s.npz")
    for again in (
        Scenario.load(tmp_path / "s.npz"),
        Scenario.from_json(s.to_json()),
        s.to_torch().to_numpy(),
        Scenario.stack([s, s])[1],
        s.repeat(3)[2],
        Scenario.where(np.array([True, False]), s.repeat(2), s.repeat(2))[0],
    ):
        assert again.layers is not None
        assert (again.layers == s.layers).all()


def changed(**fields: Any) -> dict[str, Any]:
    return scenario(users=3).to_dict() | fields


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"layers": [16, 16, 1]}, "`layers` must be a whole number from 2 to 10000; "),
        ({"layers": [16, 16.5, 16]}, "got 16.5 for user 1. Leave it out for a contin"),
        ({"layers": [16, 16]}, r"`layers` must have shape \[..., N\] = \(3,\)"),
        ({"layers": [16, np.nan, 16]}, "`layers` must be .* got nan for user 1"),
        (
            {"layers": [16, 16, 24]},
            r"`local_fraction_min` must be that of whole layers .* k / 24 with k from "
            r"1 to 23; got 0.0625 for user 2. Give the nearest, 0.0833333333",
        ),
        (
            {"local_fraction_max": [15 / 16, 0.9, 15 / 16]},
            "`local_fraction_max` must be .*; got 0.9 for user 1. .* 0.875",
        ),
    ],
)
def test_bad_layers_are_named(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Scenario(**changed(**fields))


def test_only_scenarios_alike_stack() -> None:
    s = scenario()
    plain = Scenario(**{k: v for k, v in s.to_dict().items() if k != "layers"})
    with pytest.raises(ValueError, match=r"all have `layers`, or none .* index 1 and"):
        Scenario.stack([s, plain])
    state = {"serving": one_hot(np.zeros(4), 2), "migration_delay_s": np.ones(4)}
    state |= {"migration_energy_j": np.ones(4)}
    with pytest.raises(ValueError, match=r"all have `serving`, or none .* index 0 and"):
        Scenario.stack([plain, Scenario(**plain.to_dict() | state)])
    unplaced = Scenario(**{k: v for k, v in s.to_dict().items() if "position" not in k})
    assert Scenario.stack([s, unplaced]).user_position_m is None  # for drawing only


def test_violations_tell_how_far_a_split_is_from_whole_layers() -> None:
    s = scenario(users=3, layers=4)
    z = equal_allocation(s, [0, 1, 1])
    assert violations(s, z)["local_fraction"] == 0
    off = dataclasses.replace(z, local_fraction=np.array([0.5, 0.55, 0.25]))
    # 0.55 is 2.2 of 4 layers, whose nearest is 2: 10 % above.
    assert violations(s, off)["local_fraction"] == pytest.approx(0.1)
    with pytest.raises(
        ValueError,
        match=r"`local_fraction` is infeasible by 0.1 .* got 0.55 for user 1.*layers`",
    ):
        evaluate(s, off)
    with pytest.raises(ValueError, match=r"infeasible by 0.1"):
        evaluate(s.to_torch(), off.to_torch())
    outcome = evaluate(s, off, check=False)
    plain = Scenario.unchecked(**s.to_dict() | {"layers": None})
    assert outcome.scr == evaluate(plain, off).scr  # the equations are the same
    for value in (np.nan, np.inf, -np.inf, -0.5, 0.0):
        odd = dataclasses.replace(z, local_fraction=np.full(3, value))
        assert violations(s, odd)["local_fraction"] > 0.1


def test_every_encoding_decodes_to_whole_layers_and_back() -> None:
    rng = np.random.default_rng(3)
    for trial in range(60):
        layers = int(rng.integers(2, 60))
        s = scenario(users=5, layers=layers, seed=trial)
        for encoding in ENCODINGS:
            codec = ActionCodec(5, 2, encoding)
            codec.space.seed(trial)
            z = codec.decode(codec.space.sample(), s)
            assert is_whole(s, z)
            assert max(v.max() for v in violations(s, z).values()) <= 1e-6
            again = codec.decode(codec.project(z, s)[0], s)
            if encoding != "multi_discrete":
                assert (again.local_fraction == z.local_fraction).all()


def test_the_decoder_rounds_in_pytorch_too_and_keeps_a_gradient() -> None:
    s = scenario(users=3, layers=4)
    split = np.random.default_rng(0).uniform(-1, 1, (3, 5))
    x = one_hot(np.array([0, 1, 1]), 2)
    ours = decode_resources(s, x, split)
    units = torch.from_numpy(split).requires_grad_()
    theirs = decode_resources(s.to_torch(), torch.from_numpy(x), units)
    assert np.allclose(ours.local_fraction, theirs.local_fraction.detach(), rtol=1e-15)
    evaluate(s.to_torch(), theirs).scr.backward()
    assert units.grad is not None
    assert (units.grad[:, 0] != 0).all()


@pytest.mark.parametrize("encoding", ["flat", "tokens"])
def test_observations_know_the_layers(encoding: str) -> None:
    s = scenario(layers=30)
    codec = ObservationCodec(4, 2, encoding, shared=Shared(layers=30))
    seen = codec.decode(codec.encode(s))
    assert seen.layers is not None
    assert (seen.layers == 30).all()
    for name in ("local_fraction_min", "local_fraction_max"):
        assert np.allclose(getattr(seen, name), getattr(s, name), rtol=1e-12)
    other = scenario(layers=31)
    plain = Scenario.unchecked(**s.to_dict() | {"layers": None})
    with pytest.raises(ValueError, match=r"must have `layers` = 30, .*; got 31"):
        codec.encode(other)
    with pytest.raises(ValueError, match=r"`layers` = 30, .*; got a scenario wi"):
        codec.encode(plain)
    with pytest.raises(ValueError, match=r"no place for `layers`; .* 'whole_layers'"):
        ObservationCodec(4, 2, encoding).encode(s)


@pytest.mark.parametrize("preset", ["MecLlm-v0", "MecLlmMobile-v0"])
def test_environments_decide_whole_layers(preset: str) -> None:
    more = {"mobility.slots": 4} if "Mobile" in preset else {}
    overrides = {"users": 3, "workload.model": "gemma-2-2b", **WHOLE, **more}
    overrides |= {"workload.adapter": "lora"}
    for env in (
        gym.make(preset, overrides=overrides),
        gym.make_vec(preset, 3, overrides=overrides),
    ):
        task = env.unwrapped.task  # type: ignore[union-attr]
        env.action_space.seed(0)
        env.reset(seed=0)
        for _ in range(6):
            s = env.unwrapped.situation.scenario  # type: ignore[union-attr]
            assert (s.layers == 26).all()
            action = env.action_space.sample()
            assert is_whole(s, task.action_codec.decode(action, s))
            _, _, over, *_ = env.step(action)
            if np.all(over) and np.ndim(over) == 0:
                env.reset()


def test_a_given_scenario_has_the_layers_of_the_environment() -> None:
    env = gym.make("MecLlm-v0", overrides={"users": 4, **WHOLE})
    s = scenario()
    env.reset(options={"scenario": s})
    plain = Scenario.unchecked(**s.to_dict() | {"layers": None})
    with pytest.raises(ValueError, match="must have `layers` = 16"):
        env.reset(options={"scenario": plain})
    with pytest.raises(ValueError, match="no place for `layers`"):
        gym.make("MecLlm-v0", overrides={"users": 4}).reset(options={"scenario": s})


def test_trajectories_keep_layers(tmp_path: Path) -> None:
    config = MobileConfig(users=3).with_overrides(WHOLE | {"mobility.slots": 5})
    trajectory = sample_trajectory(config, np.random.default_rng(0), (2,))
    assert trajectory.scenario.layers is not None
    assert trajectory.scenario.layers.shape == (2, 5, 3)
    trajectory.save(tmp_path / "t.npz")
    again = type(trajectory).load(tmp_path / "t.npz")
    assert (again.scenario.layers == 16).all()
    codec = MobileObservationCodec(config)
    env = gym.make("MecLlmMobile-v0", overrides={"users": 3, **WHOLE})
    seen, _ = env.reset(seed=0)
    decoded = codec.read(seen).scenario
    assert decoded.layers is not None
    assert (decoded.layers == 16).all()
    (tmp_path / "traces.csv").write_text(
        "slot,user,x_m,y_m\n" + "".join(f"0,{n},1,{n}\n" for n in range(3))
    )
    read = read_traces(tmp_path / "traces.csv", config, np.random.default_rng(0))
    assert (read.scenario.layers == 16).all()
