"""Any configuration that is accepted runs, whatever is decided, and anywhere."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from mec_llm_env import MobileConfig
from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.mobile.vector_env import MecLlmMobileVectorEnv

# Lowest and highest of what is drawn; on a logarithmic scale where both are positive.
RANGES: dict[str, tuple[float, float]] = {
    "layout.cell_radius_m": (1, 1e5),
    "layout.server_ring_ratio": (0, 2),
    "layout.distance_min_m": (1e-3, 1e3),
    "radio.path_loss_intercept_db": (0, 300),
    "radio.path_loss_slope_db": (0, 100),
    "radio.shadowing_std_db": (0, 40),
    "radio.bandwidth_mhz": (0.1, 1e3),
    "radio.noise_figure_db": (0, 20),
    "device.power_reference_ghz": (1, 2),
    "objective.delay_reference_s": (1e-3, 1e6),
    "objective.energy_reference_j": (1e-3, 1e6),
    "mobility.slot_s": (1e-2, 1e4),
    "mobility.job_end_probability": (0, 1),
    "mobility.velocity_memory": (0, 1),
    "mobility.shadowing_distance_m": (1e-2, 1e6),
    "migration.backhaul_mbit_per_s": (1e-2, 1e6),
    "migration.energy_nj_per_bit": (0, 1e6),
}
EDGES: dict[str, list[Any]] = {
    "radio.fading": ["rayleigh", "none"],
    "mobility.job_end_probability": [0, 1],
    "mobility.velocity_memory": [0, 1],
    "mobility.pedestrian_speed_m_per_s": [[0, 0], [0, 1000], [1e-9, 1e-9]],
    "mobility.vehicular_speed_m_per_s": [[0, 0], [3, 3], [0, 200]],
    "migration.optimizer_bit": [0, 10_000],
    "radio.shadowing_std_db": [0],
    "workload.sequences": [[1, 1], [1, 1000]],
    "workload.layers": [2, 48],
    "workload.split": ["whole_layers"],
    "workload.adapter": ["lora"],
}


def random_overrides(rng: np.random.Generator) -> dict[str, Any]:
    users, servers = int(rng.integers(1, 13)), int(rng.integers(1, 6))
    slots = int(rng.choice([1, 2, 7, 50, 300]))
    changes: dict[str, Any] = {
        **{"users": users, "servers": servers, "mobility.slots": slots}
    }
    if rng.random() < 0.3:
        changes["server.max_users"] = -(-users // servers) + int(rng.integers(2))
    for name, (low, high) in RANGES.items():
        if rng.random() < 0.25:
            value = rng.uniform(low, high)
            if low > 0:
                value = low * (high / low) ** rng.random()
            changes[name] = float(value)
    for name, values in EDGES.items():
        if rng.random() < 0.2:
            changes[name] = values[rng.integers(len(values))]
    if rng.random() < 0.5:
        shares = rng.dirichlet([0.5] * 3)
        names = ("still_share", "pedestrian_share", "vehicular_share")
        changes |= {
            f"mobility.{k}": float(v) for k, v in zip(names, shares, strict=True)
        }
    return changes


@pytest.mark.parametrize("seed", range(12))
def test_accepted_configurations_run_a_thousand_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        overrides = random_overrides(rng)
        try:
            envs = MecLlmMobileVectorEnv(20, overrides=overrides)
        except ValueError as error:
            assert "to be observed" in str(error), overrides  # noqa: PT017
            continue
        break
    envs.reset(seed=seed)
    envs.action_space.seed(seed)
    slots = overrides["mobility.slots"]
    total, slot = np.zeros(20), 0
    for _ in range(50):
        observations, rewards, terminated, _, infos = envs.step(
            envs.action_space.sample()
        )
        assert np.isfinite(rewards).all(), overrides
        assert envs.observation_space.contains(observations), overrides
        total, slot = total + rewards, slot + 1
        assert (terminated == (slot == slots)).all()
        if slot == slots:
            scr = infos["final_info"]["episode_scr"]
            np.testing.assert_allclose(total, scr, rtol=1e-9)
            total, slot = np.zeros(20), 0


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


def test_configurations_of_the_fuzz_are_mostly_other_ones() -> None:
    """The fuzz reaches what it is meant to: not the default under another name."""
    rng = np.random.default_rng(0)
    configs = {MobileConfig().with_overrides(random_overrides(rng)) for _ in range(50)}
    assert len(configs) == 50
