"""Whole layers: every solver returns them, near the bound, and `exact` the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import dashf
from dashf.alternating.algorithm import solve_dashf
from dashf.pricing.dual import solve_dual
from dashf.pricing.exact import solve_exact
from dashf.pricing.whole_layers import relaxed
from dashf.result import Status
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    violations,
)
from mec_llm_env.allocation import one_hot
from mec_llm_env.workload.layers import whole_layers
from tests.dashf.extremes import (
    random_configuration,
    random_objective,
    random_scenario,
    with_layers,
)


def sampled(seed: int, layers: int = 16, shape: tuple[int, ...] = ()) -> Scenario:
    changes = {"workload.layers": layers, "workload.split": "whole_layers"}
    config = ScenarioConfig().with_overrides(changes)
    return sample_scenario(config, np.random.default_rng(seed), shape)


def assert_whole(s: Scenario, z: Allocation) -> None:
    count = z.local_fraction * np.asarray(s.layers)
    assert np.abs(count - np.round(count)).max() < 1e-9
    assert max(np.max(v) for v in violations(s, z).values()) <= 1e-6


def layered(seed: int) -> tuple[Scenario, ObjectiveConfig]:
    s, o = random_configuration(seed)
    return with_layers(s, np.random.default_rng([15, seed])), o


@pytest.mark.parametrize("seed", [0, 3, 8, 14, 20, 36])
def test_every_solver_returns_whole_layers_below_the_bound(seed: int) -> None:
    check(seed)


@pytest.mark.slow
def test_three_hundred_configurations() -> None:
    rows = np.array([check(seed) for seed in range(300)])
    best = rows.max(axis=1)
    print(f"\nover the best: dashf, dual {(rows.T / best).mean(axis=1)}")
    assert (rows[:, 0] / best).mean() >= 0.999
    assert (rows[:, 1] / best).mean() >= 0.995


def check(seed: int) -> tuple[float, float]:
    s, o = layered(seed)
    bound = dashf.upper_bound(s, o)
    limit = bound.value * (1 + 1e-9)
    # Without branching, it is the bound of the relaxation.
    prices, loose = (dashf.upper_bound(x, o, nodes=0) for x in (s, relaxed(s)))
    assert prices.value == pytest.approx(loose.value, rel=1e-4), seed
    found: dict[str, float] = {}
    for solver in dashf.SOLVERS:
        options = {"time_limit_s": 2.0} if solver == "exact" else {}
        result = dashf.solve(s, o, solver=solver, **options)
        assert_whole(s, result.allocation)
        assert result.scenario is s
        assert result.scr == pytest.approx(
            evaluate(s, result.allocation, o).scr, rel=1e-12
        )
        assert result.scr <= min(limit, loose.value * (1 + 1e-9)), (seed, solver)
        if result.bound is not None:
            assert result.scr <= result.bound.value * (1 + 1e-9)
        assert result.history[-1].scr <= result.scr * (1 + 1e-12)
        found[solver] = result.scr
    x = result.allocation.association
    for effort in ("full", "fast"):
        assert_whole(s, dashf.share_resources(s, x, o, effort=effort))
    best = max(found.values())
    assert found["dashf"] >= 0.985 * best
    assert found["dual"] >= 0.97 * best
    return found["dashf"], found["dual"]


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_exact_finds_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng([16, seed])
    n, m = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    s, o = random_scenario(rng, n, m), random_objective(rng)
    layers = np.floor(rng.uniform(2, 6, n))
    limits = {"local_fraction_min": 1 / layers, "local_fraction_max": 1 - 1 / layers}
    s = Scenario(**s.to_dict() | limits | {"layers": layers})
    servers = np.array(list(itertools.product(range(m), repeat=n)))
    servers = servers[(one_hot(servers, m).sum(axis=1) <= s.max_users).all(axis=-1)]
    splits = np.array(
        list(itertools.product(*[np.arange(1, top) / top for top in layers]))
    )
    x = one_hot(np.repeat(servers, len(splits), axis=0), m)
    phi = np.tile(splits, (len(servers), 1))
    many = s.repeat(len(x))
    every = evaluate(many, dashf.share_resources(many, x, o, local_fraction=phi), o)
    result = solve_exact(s, o, gap=1e-4)
    assert result.status is Status.CONVERGED
    assert_whole(s, result.allocation)
    assert result.scr == pytest.approx(every.scr.max(), rel=1e-4)
    assert every.scr.max() <= result.bound.value * (1 + 1e-7)
    assert solve_dashf(s, o).scr >= 0.999 * result.scr


def test_exact_where_layers_are_few_and_the_bound_of_prices_is_not_enough() -> None:
    # Two layers: φ = 1/2 is all there is, which the continuous bound does not know.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        s = sampled(seed, layers=3, shape=(1,))[0]
        o = random_objective(rng)
        result = solve_exact(s, o, gap=1e-3, time_limit_s=20)
        loose = dashf.upper_bound(relaxed(s), o, nodes=0)
        assert result.status is Status.CONVERGED
        assert result.bound.value <= loose.value * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_dashf_is_at_least_its_own_rounding(seed: int) -> None:
    s = sampled(seed, layers=8)
    o = random_objective(np.random.default_rng(seed))
    continuous = solve_dashf(relaxed(s), o)
    z = continuous.allocation
    phi = whole_layers(z.local_fraction, s.layers)
    rounded = dashf.share_resources(s, z.association, o, local_fraction=phi)
    result = solve_dashf(s, o)
    assert result.scr >= evaluate(s, rounded, o).scr * (1 - 1e-6)
    assert result.history[:-1] != ()
    assert [row.scr for row in result.history[:-1]] == [
        row.scr for row in continuous.history
    ]
    assert result.history[-1].block == "layers"
    assert result.iterations == continuous.iterations + 1


def test_batches_are_their_scenarios() -> None:
    s = sampled(0, layers=6, shape=(2, 3))
    batch = dashf.solve_batch(s, solver="dual")
    assert batch.scr.shape == (2, 3)
    assert_whole(s, batch.allocation)
    for index in np.ndindex(2, 3):
        assert solve_dual(s[index]).scr == pytest.approx(batch.scr[index], rel=1e-6)
    many = dashf.solve_batch(s, solver="gucro")
    assert_whole(s, many.allocation)
    x = batch.allocation.association
    for effort in ("full", "fast"):
        z = dashf.share_resources(s, x, effort=effort)
        assert_whole(s, z)
        scr = evaluate(s, z).scr
        assert (scr >= 0.995 * batch.scr).all()


def test_given_splits_must_be_of_whole_layers() -> None:
    s = sampled(1)
    x = one_hot(np.zeros(10), 2)
    with pytest.raises(
        ValueError,
        match=r"whole layers, k / 16; got 0.3 for user 0. The nearest is 0.3125",
    ):
        dashf.share_resources(s, x, local_fraction=np.full(10, 0.3))
    for effort in ("full", "fast"):
        z = dashf.share_resources(
            s, x, local_fraction=np.full(10, 0.3125), effort=effort
        )
        assert (z.local_fraction == 0.3125).all()


def test_time_limits_leave_whole_layers() -> None:
    config = ScenarioConfig().with_overrides(
        {"users": 60, "servers": 8, "workload.split": "whole_layers"}
    )
    s = sample_scenario(config, np.random.default_rng(0))
    solve_dual(sampled(0))  # compiles
    for solver in ("dashf", "dual", "exact", "gucro", "aauco", "local", "edge"):
        result = dashf.solve(s, solver=solver, time_limit_s=0.1)
        assert_whole(s, result.allocation)


@pytest.mark.parametrize("limits", [(0.25, 0.25), (0.75, 0.75), (0.25, 0.5)])
def test_narrow_ranges(limits: tuple[float, float]) -> None:
    fields = sampled(2, layers=4).to_dict()
    for name, value in zip(("min", "max"), limits, strict=True):
        fields[f"local_fraction_{name}"] = np.full(10, value)
    s = Scenario(**fields)
    for solver in dashf.SOLVERS:
        z = dashf.solve(s, solver=solver).allocation
        assert_whole(s, z)
        assert set(z.local_fraction.tolist()) <= set(limits)


def test_policies_see_whole_layers_and_return_them() -> None:
    import gymnasium as gym

    overrides = {"users": 4, "workload.layers": 5, "workload.split": "whole_layers"}
    env = gym.make("MecLlm-v0", overrides=overrides)
    seen, _ = env.reset(seed=0)
    s = env.unwrapped.situation.scenario  # type: ignore[attr-defined]
    policy = dashf.SolverPolicy(env, "dual")
    action, _ = policy.predict(seen)
    assert policy.projection_distance < 1e-3
    assert_whole(s, env.unwrapped.task.action_codec.decode(action, s))  # type: ignore[attr-defined]
    _, reward, *_ = env.step(action)
    assert reward == pytest.approx(solve_dual(s).scr, rel=1e-3)
    env = gym.make("MecLlm-v0", overrides=overrides, action_encoding="association")
    env.reset(seed=0)
    z = env.unwrapped.task.action_codec.decode(np.array([0, 1, 0, 1]), s)  # type: ignore[attr-defined]
    assert_whole(s, z)
