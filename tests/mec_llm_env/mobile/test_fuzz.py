"""Any configuration that is accepted runs, whatever is decided, and anywhere."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest

from mec_llm_env import MobileConfig
from mec_llm_env.mobile.config import MigrationConfig, MobilityConfig
from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.mobile.vector_env import MecLlmMobileVectorEnv
from tests.mec_llm_env.test_task import JUNK, random_entry
from tests.mec_llm_env.test_task import random_overrides as any_overrides

DEFAULTS = MobileConfig().to_dict()
#: The rules of what a `ScenarioConfig` has not.
OWN = {
    f"{name}.{field.name}": field.metadata["rule"]
    for name, topic in (("mobility", MobilityConfig), ("migration", MigrationConfig))
    for field in dataclasses.fields(topic)
}
SHARES = [key for key in OWN if key.endswith("_share")]
SLOTS = "mobility.slots"


def random_overrides(rng: np.random.Generator) -> dict[str, Any]:
    """Some of all parameters at random; the size and mostly the length small."""
    changes = any_overrides(rng)
    for key in rng.choice([*OWN], rng.choice([0, 1, 1, 2, 4]), replace=False):
        entry = random_entry(rng, OWN[key], DEFAULTS[key])
        changes[str(key)] = (
            JUNK[rng.integers(len(JUNK))] if rng.random() < 0.03 else entry
        )
    if rng.random() < 0.8 and set(changes) & set(SHARES):
        shares = (
            rng.dirichlet([0.3] * 3) if rng.random() < 0.7 else rng.permutation(3) // 2
        )
        changes |= {
            key: float(share) for key, share in zip(SHARES, shares, strict=True)
        }
    return changes | (
        {SLOTS: int(rng.choice([1, 2, 7, 300]))} if rng.random() < 0.5 else {}
    )


def run_for_ever(overrides: dict[str, Any], rng: np.random.Generator, n: int) -> bool:
    """Whether the overrides are accepted; if so, `n` decisions are tried."""
    batch = n // 100
    try:
        envs = MecLlmMobileVectorEnv(batch, overrides=overrides)
    except ValueError as error:
        text = str(error)
        assert "`" in text or "There is no" in text, overrides
        assert any(key.rpartition(".")[2] in text for key in overrides), text
        return False
    envs.reset(seed=int(rng.integers(1_000)))
    shape = envs.action_space.shape
    total, largest = np.zeros((2, batch))
    for _ in range(n // batch):
        actions = rng.uniform(-1.5, 1.5, shape).clip(-1, 1).astype(np.float32)
        observations, rewards, terminated, _, infos = envs.step(actions)
        assert np.isfinite(rewards.astype(np.float32)).all(), overrides
        assert envs.observation_space.contains(observations), overrides
        total = total + rewards
        largest = np.maximum(largest, total)
        if terminated.any():
            assert terminated.all()
            # Rewards are differences, each with a rounding of the larger of two SCRs.
            scr = infos["final_info"]["episode_scr"]
            assert (np.abs(total - scr) <= 1e-9 * largest).all(), overrides
            total, largest = np.zeros((2, batch))
    return True


@pytest.mark.parametrize(
    ("count", "n"), [(60, 2_000), pytest.param(2_000, 100_000, marks=pytest.mark.slow)]
)
def test_random_overrides_are_refused_or_run(count: int, n: int) -> None:
    rngs = [np.random.default_rng([k, n]) for k in range(count)]
    ran = [run_for_ever(random_overrides(rng), rng, n) for rng in rngs]
    assert 0.3 * count < sum(ran) < 0.9 * count


def episode(seed: int) -> tuple[float, ...]:
    env = MecLlmMobileEnv(overrides={"users": 4, "mobility.slots": 12})
    env.action_space.seed(seed)
    env.reset(seed=seed)
    return tuple(env.step(env.action_space.sample())[1] for _ in range(12))


def test_threads_do_not_meet() -> None:
    wanted = [episode(seed) for seed in range(8)]
    found: dict[int, tuple[float, ...]] = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: episode(k)}))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(8)] == wanted


def test_an_episode_goes_on_from_any_slot_after_a_snapshot() -> None:
    """Over batches of sizes and slots, with given trajectories among drawn ones."""
    rng = np.random.default_rng(0)
    for _ in range(15):
        overrides = {
            **{"users": int(rng.integers(1, 8)), "servers": int(rng.integers(1, 4))},
            "mobility.slots": int(rng.integers(1, 9)),
            "mobility.job_end_probability": 0.3,
        }
        mode = str(rng.choice(["SameStep", "NextStep"]))
        made = {"overrides": overrides, "autoreset_mode": mode}
        env, other = (MecLlmMobileVectorEnv(3, **made) for _ in range(2))
        env.reset(seed=int(rng.integers(1000)))
        env.action_space.seed(0)
        for _ in range(int(rng.integers(12))):
            env.step(env.action_space.sample())
        other.set_state(env.get_state())
        for _ in range(10):
            action = env.action_space.sample()
            one, two = env.step(action), other.step(action)
            for a, b in zip(one[:4], two[:4], strict=True):
                np.testing.assert_array_equal(a, b)
