"""Plans of who knows the future: from `dashf.plan`, from the cache, from a bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf
from agents import clairvoyant
from agents.clairvoyant import Clairvoyant
from agents.problems import bounds
from agents.problems.bounds import certified_bounds
from agents.problems.episodes import play
from agents.problems.instances import (
    TEST_SEED,
    held_out_instances,
    validation_instances,
)
from agents.problems.tasks import MOBILE_ENV, make_task
from agents.registry import make_agent
from mec_llm_env import MOBILE_PRESETS, MobilityConfig
from mec_llm_env import bank as scenarios
from mec_llm_env.mobile import bank as trajectories
from mec_llm_env.mobile import config as mobile_config
from mec_llm_env.mobile.bank import load_trajectory_bank, save_trajectory_bank
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.task import Task

SMALL = {"users": 3, "servers": 2, "mobility.slots": 3}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clairvoyant, "PLANS", tmp_path / "plans")
    monkeypatch.setattr(bounds, "CACHE", tmp_path / "bounds")


def task(**overrides: Any) -> MobileTask:
    made = make_task(MOBILE_ENV, overrides=SMALL | overrides)
    assert isinstance(made, MobileTask)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_it_is_between_the_policies_and_the_bound(seed: int) -> None:
    rng = np.random.default_rng([seed, 14])
    own = task(
        **{
            "users": int(rng.integers(1, 5)),
            "servers": int(rng.integers(1, 4)),
            "mobility.job_end_probability": float(rng.choice([0, 0.5])),
            "objective.delay_weight": float(rng.uniform(0.2, 2)),
        }
    )
    trajectory = held_out_instances(own.config, 3)
    planned = Clairvoyant(own).figures(trajectory)
    expected = dashf.plan(trajectory, own.config.objective)
    np.testing.assert_allclose(planned["scr"], expected.scr, rtol=1e-6)
    bound = certified_bounds(trajectory, own.config.objective).value
    played = play(make_agent("dual", own), own, trajectory)
    assert (played["scr"] <= planned["scr"] * (1 + 5e-3)).all()  # as in test_plan
    assert (planned["scr"] <= bound).all()
    assert (planned["violation"] < 1e-6).all()


def test_migrations_are_those_of_the_plan() -> None:
    changes = {"users": 4, "migration.backhaul_mbit_per_s": 1e6}
    own = task(**{"mobility.slots": 12, "migration.energy_nj_per_bit": 0} | changes)
    trajectory = held_out_instances(own.config, 2)
    plan = dashf.plan(trajectory, own.config.objective)
    server = plan.allocation.server
    stay = ~trajectory.joined[:, 1:]
    moved = (server[:, 1:] != server[:, :-1]) & stay
    assert moved.any()
    found = Clairvoyant(own).figures(trajectory)["migrations"]
    np.testing.assert_array_equal(found, moved.sum(axis=(1, 2)))


def test_plans_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = task()
    trajectory = held_out_instances(own.config, 2)
    first = Clairvoyant(own).figures(trajectory)
    monkeypatch.setattr(dashf, "plan", None)
    again = Clairvoyant(own).figures(trajectory)
    np.testing.assert_array_equal(first["scr"], again["scr"])


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bank of two episodes of a tiny preset."""
    small = {"users": 3, "mobility": MobilityConfig(slots=3)}
    presets = {**MOBILE_PRESETS, "mobile-3x2": small}
    for module in (trajectories, mobile_config):
        monkeypatch.setattr(module, "MOBILE_PRESETS", presets)
    for module in (trajectories, scenarios):
        monkeypatch.setattr(
            module, "bank_file", lambda preset: tmp_path / f"{preset}.npz"
        )
    seed = TEST_SEED + np.arange(2)
    own = make_task(MOBILE_ENV, preset="mobile-3x2")
    plan = dashf.plan(held_out_instances(own.config, 2), own.config.objective)
    path = tmp_path / "mobile-3x2.npz"
    save_trajectory_bank(
        *(path, "mobile-3x2"),
        seed=seed,
        bound=plan.bound.value,
        scr=plan.scr,
        server=plan.allocation.server,
    )
    return path


def test_plans_and_bounds_of_a_bank(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_task(MOBILE_ENV, preset="mobile-3x2")
    assert isinstance(own, MobileTask)
    trajectory = held_out_instances(own.config, 3)
    stored = load_trajectory_bank("mobile-3x2")
    assert len(stored) == 2
    assert (stored.gap >= 0).all()
    assert stored.server.shape == (2, 3, 3)
    bounded = certified_bounds(trajectory, own.config.objective, "mobile-3x2")
    np.testing.assert_array_equal(bounded.value[:2], stored.bound)
    direct = dashf.trajectory_bound(trajectory[2], own.config.objective).value
    assert bounded.value[2] == direct
    with pytest.raises(ValueError, match="holds other scenarios"):
        certified_bounds(
            validation_instances(own.config, 2), own.config.objective, "mobile-3x2"
        )
    plans = dashf.plan(trajectory[:2], own.config.objective)
    monkeypatch.setattr(dashf, "plan", None)
    found = Clairvoyant(own).figures(trajectory[:2])
    np.testing.assert_allclose(found["scr"], plans.scr, rtol=1e-6)


def test_a_damaged_bank(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no bank of episodes of 'mobile-50x10'"):
        load_trajectory_bank("mobile-50x10")
    drawn = trajectories.sample_trajectory
    monkeypatch.setattr(
        trajectories,
        "sample_trajectory",
        lambda config, rng: drawn(config, np.random.default_rng(7)),
    )
    with pytest.raises(ValueError, match="other trajectories than are drawn now"):
        load_trajectory_bank("mobile-3x2")
    whole = bank.read_bytes()
    bank.write_bytes(whole[:100] + b"x" + whole[101:])
    with pytest.raises(ValueError, match="is damaged"):
        load_trajectory_bank("mobile-3x2")


def test_it_decides_no_single_scenarios() -> None:
    with pytest.raises(ValueError, match=r"whole episodes.*Give --env MecLlmMobile-v0"):
        make_agent("clairvoyant", Task())
