"""Bounds and plans of trajectories, against enumeration and against policies."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools

import numpy as np
import pytest

import dashf
from dashf.pair.coefficients import migration_cost
from dashf.sequential.choice import share
from dashf.sequential.plan import follow
from mec_llm_env import (
    MobileConfig,
    ObjectiveConfig,
    Scenario,
    Trajectory,
    evaluate,
    sample_trajectory,
)
from tests.dashf.extremes import random_objective


def random_trajectory(
    seed: int, users: int | None = None, servers: int | None = None, slots: int = 0
) -> Trajectory:
    """Any size, cell, mobility and price of migration, with slots of servers."""
    rng = np.random.default_rng([seed, 14])
    users = int(rng.integers(1, 8)) if users is None else users
    servers = int(rng.integers(1, 5)) if servers is None else servers
    changes = {
        "users": users,
        "servers": servers,
        "mobility.slots": slots or int(rng.integers(1, 12)),
        "mobility.job_end_probability": float(rng.choice([0.03, 0.3])),
        "layout.cell_radius_m": float(rng.choice([200, 500, 1500])),
        "migration.backhaul_mbit_per_s": float(10 ** rng.uniform(0.5, 4)),
        "migration.energy_nj_per_bit": float(rng.choice([0, 4, 40, 400])),
    }
    if rng.random() < 0.3:
        changes["server.max_users"] = -(-users // servers) + int(rng.integers(2))
    return sample_trajectory(MobileConfig().with_overrides(changes), rng)


def best_by_enumeration(trajectory: Trajectory, o: ObjectiveConfig) -> float:
    """The highest SCR of all sequences of associations, with optimised resources."""
    n_slots, n_users, m = trajectory.scenario.channel_gain.shape
    every = np.array(list(itertools.product(range(m), repeat=n_users)))
    x = np.eye(m)[every]
    migration = migration_cost(trajectory.scenario, o)
    best, ratio = 0.0, 100.0
    for _ in range(3):
        worth = np.full((2, n_slots, len(every)), np.nan)  # Σ v and Σ c
        for t, k in itertools.product(range(n_slots), range(len(every))):
            s = trajectory.slot(t)
            if (x[k].sum(axis=0) > s.max_users).any():
                continue
            found = [dashf.share_resources(s, x[k], o)]
            one = s[None]
            found.append(share(one, every[[k]], o, np.array([ratio]))[0])
            outcomes = [evaluate(s, z, o) for z in found]
            pairs = [(z.score.sum(), z.cost.sum()) for z in outcomes]
            worth[:, t, k] = max(pairs, key=lambda pair: pair[0] - ratio * pair[1])
        possible = [np.flatnonzero(~np.isnan(worth[0, t])) for t in range(n_slots)]
        scr = []
        for sequence in itertools.product(*possible):
            score = sum(worth[0, t, k] for t, k in enumerate(sequence))
            cost = sum(worth[1, t, k] for t, k in enumerate(sequence))
            for t in range(1, n_slots):
                moved = every[sequence[t]] != every[sequence[t - 1]]
                cost += (migration[t] * (moved & ~trajectory.joined[t])).sum()
            scr.append(score / cost)
        best, ratio = max(best, max(scr)), max(scr)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_against_all_associations(seed: int) -> None:
    trajectory = random_trajectory(seed, users=2, servers=2, slots=3)
    o = random_objective(np.random.default_rng(seed)) if seed % 2 else ObjectiveConfig()
    found = dashf.plan(trajectory, o)
    best = best_by_enumeration(trajectory, o)
    assert found.bound.value >= best * (1 - 1e-9)
    assert found.scr >= best * (1 - 2e-3)


@pytest.mark.slow
def test_tiny_episodes_against_all_associations() -> None:
    """3 users, 2 servers, 4 slots: 4,096 sequences of associations each."""
    changes = {"users": 3, "servers": 2, "mobility.slots": 4}
    config, o, shares = MobileConfig().with_overrides(changes), ObjectiveConfig(), []
    for seed in range(30):
        trajectory = sample_trajectory(config, np.random.default_rng(seed))
        found, best = dashf.plan(trajectory, o), best_by_enumeration(trajectory, o)
        assert found.bound.value >= best * (1 - 1e-9)
        shares.append(found.scr / best)
    print(f"\nplan over enumeration: mean {np.mean(shares):.5f}, {min(shares):.5f}")
    assert np.mean(shares) >= 0.998


@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_whoever_decides(seed: int) -> None:
    trajectory = random_trajectory(seed)
    rng = np.random.default_rng(seed)
    o = random_objective(rng) if seed % 3 == 0 else ObjectiveConfig()
    found = dashf.plan(trajectory, o)
    assert np.max(found.max_violation()) <= 1e-6
    outcome = evaluate(found.scenario, found.allocation, o)
    scr = outcome.score.sum() / outcome.cost.sum()
    assert found.scr == pytest.approx(scr, rel=1e-9)
    assert found.bound.gap == pytest.approx(found.gap)
    assert 0 <= found.gap <= 0.2
    assert np.isfinite(found.bound.value)
    # Each slot's optimum without regard to the others, with what its moves then cost.
    plain = trajectory.scenario
    each = dashf.solve_batch(plain, o, solver="dual").allocation
    scenario = follow(trajectory, each.server)
    outcome = evaluate(scenario, each, o)
    assert outcome.score.sum() / outcome.cost.sum() <= found.bound.value * (1 + 1e-9)


def test_one_slot_is_the_one_slot_problem() -> None:
    trajectory = random_trajectory(3, users=6, servers=2, slots=1)
    found = dashf.plan(trajectory)
    single = dashf.solve(trajectory.slot(0), solver="dual", nodes=0)
    assert found.scr == pytest.approx(single.scr, rel=2e-3)
    assert found.bound.value == pytest.approx(single.bound.value, rel=1e-3)


def test_free_migration_is_every_slot_by_itself() -> None:
    trajectory = random_trajectory(5, users=5, servers=2, slots=6)
    free = Scenario.unchecked(
        **trajectory.scenario.to_dict()
        | {
            name: np.zeros((6, 5))
            for name in ("migration_delay_s", "migration_energy_j")
        }
    )
    trajectory = dataclasses.replace(trajectory, scenario=free)
    dear = dataclasses.replace(
        trajectory,
        scenario=dataclasses.replace(free, migration_delay_s=np.full((6, 5), 1e9)),
    )
    found = dashf.plan(trajectory)
    stays = dashf.plan(dear)
    assert stays.scr <= found.scr
    assert evaluate(stays.scenario, stays.allocation).delay_migration_s.max() == 0


def test_batches_are_their_members() -> None:
    config = MobileConfig().with_overrides({"users": 4, "mobility.slots": 4})
    batch = sample_trajectory(config, np.random.default_rng(0), (2, 2))
    found = dashf.plan(batch)
    bound = dashf.trajectory_bound(batch)
    assert found.scr.shape == bound.value.shape == (2, 2)
    assert bound.bandwidth_price.shape == (2, 2, 4, 2)
    for index in np.ndindex(2, 2):
        one = dashf.plan(batch[index])
        assert one.scr == found.scr[index]
        assert one.bound.value == found.bound.value[index] == bound.value[index]


def test_threads_plan_alike() -> None:
    trajectories = [random_trajectory(seed) for seed in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(dashf.plan, trajectories))
    for trajectory, ours in zip(trajectories, found, strict=True):
        alone = dashf.plan(trajectory)
        assert ours.scr == alone.scr
        assert ours.bound.value == alone.bound.value


@pytest.mark.parametrize("limit_s", [1e-9, 0.3])
def test_a_time_limit_leaves_a_valid_bound_and_a_plan(limit_s: float) -> None:
    trajectory = random_trajectory(1, users=40, servers=8, slots=40)
    found = dashf.plan(trajectory, time_limit_s=limit_s)
    assert found.status is dashf.Status.TIME_LIMIT
    assert np.max(found.max_violation()) <= 1e-6
    each = dashf.solve_batch(trajectory.scenario, solver="gucaa").allocation
    outcome = evaluate(follow(trajectory, each.server), each)
    simple = outcome.score.sum() / outcome.cost.sum()
    assert found.bound.value >= max(found.scr, simple)
    assert found.scr > 0


def test_other_arguments_are_named() -> None:
    trajectory = random_trajectory(0)
    with pytest.raises(ValueError, match=r"`trajectory` must be a mec_llm_env\.Traj"):
        dashf.plan(trajectory.scenario)
    with pytest.raises(ValueError, match="`tolerance` must be"):
        dashf.trajectory_bound(trajectory, tolerance=-1)
    with pytest.raises(ValueError, match="`time_limit_s` must be a positive"):
        dashf.plan(trajectory, time_limit_s=0)


@pytest.mark.parametrize("seed", range(5))
def test_plans_of_whole_layers(seed: int) -> None:
    trajectory = random_trajectory(seed, users=4, slots=5)
    o = random_objective(np.random.default_rng(seed))
    plain = trajectory.scenario.to_dict()
    users = plain["local_fraction_min"].shape
    rng = np.random.default_rng([seed, 17])
    layers = np.broadcast_to(np.floor(rng.uniform(2, 20, users[-1])), users)
    limits = {"local_fraction_min": 1 / layers, "local_fraction_max": 1 - 1 / layers}
    split = plain | limits
    whole = dataclasses.replace(
        trajectory, scenario=Scenario(**split | {"layers": layers})
    )
    found, loose = (
        dashf.plan(dataclasses.replace(trajectory, scenario=Scenario(**s)), o)
        for s in (whole.scenario.to_dict(), split)
    )
    count = found.allocation.local_fraction * layers
    assert np.abs(count - np.round(count)).max() < 1e-9
    assert found.max_violation() <= 1e-6
    assert (found.scenario.layers == layers).all()
    assert found.scr <= found.bound.value * (1 + 1e-9)
    # The bound is that of the relaxation, whose plan is hardly better. Both searches
    # of its prices end somewhere, on each processor elsewhere.
    ends = found.bound.looseness + loose.bound.looseness
    close = float(ends) + found.bound.tolerance + loose.bound.tolerance
    assert found.bound.value == pytest.approx(loose.bound.value, rel=close)
    assert found.scr <= loose.bound.value * (1 + 1e-9)
    assert found.scr >= 0.9 * loose.scr
    bound = dashf.trajectory_bound(whole, o)
    assert found.scr <= bound.value * (1 + 1e-9)
