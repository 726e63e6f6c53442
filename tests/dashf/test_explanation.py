"""Prices and sensitivities against finite differences of what solvers find."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import dashf
from dashf.pricing.bound import Problem
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.cases import OBJECTIVE, benchmark_scenario
from tests.dashf.extremes import random_objective, random_scenario

CAPACITIES = {
    "scr_per_mhz": ("bandwidth_max_hz", "bandwidth_hz", "bandwidth_price", 1e6),
    "scr_per_ghz": (
        *("server_frequency_max_hz", "server_frequency_hz", "compute_price"),
        1e9,
    ),
}


def enlarged(scenario: Scenario, name: str, server: int, factor: float) -> Scenario:
    value = getattr(scenario, name).copy()
    value[server] *= factor
    return dataclasses.replace(scenario, **{name: value})


def elasticity(
    explanation: dashf.Explanation, scenario: Scenario, name: str, server: int
) -> float:
    """Relative change of the SCR over that of the capacity."""
    capacity, *_, unit = CAPACITIES[name]
    per_hz = getattr(explanation, name)[server] / unit
    return float(per_hz * getattr(scenario, capacity)[server] / explanation.scr)


def test_one_user_by_hand() -> None:
    # One user at one server has all that is used, and all of the cost. Score 100 at
    # quality 1: q = 0.3 (b/B) + 0.3 (F/F_m) + 0.4 (1 − φ²), with b = B, F = F_m/2.
    s = benchmark_scenario(0, users=1, servers=1)
    z = Allocation.from_server(
        [0],
        1,
        local_fraction=s.local_fraction_min,
        transmit_power_w=s.transmit_power_max_w / 2,
        bandwidth_hz=s.bandwidth_max_hz,
        user_frequency_hz=s.user_frequency_max_hz,
        server_frequency_hz=s.server_frequency_max_hz / 2,
    )
    e = dashf.explain(s, z)
    assert e.load.tolist() == [1]
    assert e.bandwidth_used.tolist() == [1]
    assert e.compute_used.tolist() == [0.5]
    assert e.bandwidth_binds.tolist() == [True]
    assert e.compute_binds.tolist() == [False]  # half of it is idle
    assert e.slots_bind.tolist() == [True]  # `max_users` is N = 1 without a limit
    assert e.cost_share.tolist() == [1]
    assert abs(e.contribution[0]) < 1e-9
    assert e.power_binds.tolist() == [False]
    assert e.frequency_binds.tolist() == [True]
    assert e.least_local.tolist() == [True]
    assert e.most_local.tolist() == [False]
    assert e.gap is None
    # λ: d/d(b/B) of 100 ln(1 + 10 q)/ln 11 less SCR times the cost of delay, whose
    # upload is (w_t + e p) / r with r and its slope from Shannon's formula.
    o = OBJECTIVE
    phi = float(s.local_fraction_min[0])
    q = 0.3 + 0.15 + 0.4 * (1 - phi**2)
    band, power = float(s.bandwidth_max_hz[0]), float(z.transmit_power_w[0])
    gain, noise = float(s.channel_gain[0, 0]), float(s.noise_density_w_per_hz)
    snr = gain * power / (noise * band)
    rate = band * np.log2(1 + snr)
    slope = np.log2(1 + snr) - snr / (1 + snr) / np.log(2)  # bit/s per Hz
    load = float(s.data_bit[0] + phi * s.adapter_bit[0])
    upload = o.delay_cost_per_s + o.energy_cost_per_j * power
    down = band * np.log2(1 + gain * s.downlink_power_w[0] / (noise * band))
    download = o.delay_cost_per_s * (1 - phi) * float(s.adapter_bit[0]) / down
    price = 100 / np.log(11) * 10 * 0.3 / (1 + 10 * q) + float(e.scr) * (
        upload * load / rate**2 * slope * band + download
    )
    assert np.isclose(e.bandwidth_price[0], price, rtol=1e-6)


@pytest.mark.parametrize("number", range(60))
def test_sensitivities_are_differences_of_solved_scr(number: int) -> None:
    """With association and split fixed the optimum is known to 1e-6, relative."""
    rng = np.random.default_rng([16, number])
    s = random_scenario(rng, int(rng.integers(1, 13)), int(rng.integers(1, 5)))
    o = random_objective(rng)
    o = dataclasses.replace(o, **_without_power(o))
    first = dashf.solve(s, o, solver="gucro").allocation

    def solved(scenario: Scenario) -> Allocation:
        return dashf.share_resources(
            scenario, first.association, o, local_fraction=first.local_fraction
        )

    e = dashf.explain(s, solved(s), o)
    server = int(rng.choice(np.flatnonzero(e.load > 0)))
    for name, (capacity, *_) in CAPACITIES.items():
        step = 0.02
        more, less = (
            evaluate(changed, solved(changed), o).scr
            for changed in (
                enlarged(s, capacity, server, 1 + step),
                enlarged(s, capacity, server, 1 - step),
            )
        )
        difference = (more - less) / (2 * step * e.scr)
        found = elasticity(e, s, name, server)
        # Solved to 1e-6 over a step of 0.04: 5e-5; curvature in proportion.
        assert abs(found - difference) < 2e-4 + 0.01 * abs(difference), name


def _without_power(objective: ObjectiveConfig) -> dict[str, float]:
    """Weights of a score that does not count power, for which shares are exact."""
    rest = {
        f"score_weight_{name}": getattr(objective, f"score_weight_{name}")
        for name in ("bandwidth", "compute", "offload")
    }
    total = sum(rest.values())
    if total == 0:
        return {"score_weight_power": 0.0, "score_weight_offload": 1.0}
    return {"score_weight_power": 0.0} | {k: v / total for k, v in rest.items()}


@pytest.mark.parametrize("number", range(20))
def test_a_price_is_the_gain_beside_what_capacities_change(number: int) -> None:
    """∂G/∂B at fixed shares = λ/B + ∂G/∂B at fixed hertz, at the optimum."""
    s = benchmark_scenario(number, users=6, servers=3)
    association = dashf.solve(s, solver="gucro").allocation
    z = dashf.share_resources(
        s, association.association, local_fraction=association.local_fraction
    )
    e = dashf.explain(s, z)
    before = evaluate(s, z)
    total_cost = before.cost.sum()
    for name, (capacity, _, price, unit) in CAPACITIES.items():
        for server in np.flatnonzero(e.load > 0):
            sides = []
            for factor in (1 + 1e-5, 1 - 1e-5):
                changed = enlarged(s, capacity, int(server), factor)
                after = evaluate(changed, z, check=False)
                sides.append(after.score.sum() - e.scr * after.cost.sum())
            direct = (sides[0] - sides[1]) / 2e-5
            capacity_hz = getattr(s, capacity)[server]
            rise = (getattr(e, price)[server] + direct) / (total_cost * capacity_hz)
            scale = e.scr / capacity_hz
            found = getattr(e, name)[server] / unit
            assert abs(found - rise) < 1e-4 * scale
            alone = getattr(e, name.replace("scr", "price"))[server] / unit
            assert abs(found - alone - direct / (total_cost * capacity_hz)) < (
                1e-4 * scale
            )


@pytest.mark.parametrize("number", range(8))
def test_one_more_unit_of_a_best_decision(number: int) -> None:
    """Everything decided anew, servers included, on scenarios of the benchmark."""
    s = benchmark_scenario(number, users=5, servers=2)
    best = dashf.solve(s, solver="exact", gap=1e-6, time_limit_s=20)
    e = dashf.explain(s, best.allocation, bound=best.bound)
    assert e.gap is not None
    assert 0 <= e.gap <= 1e-4
    step, compared = 0.01, 0
    for name, (capacity, *_) in CAPACITIES.items():
        for server in range(s.n_servers):
            found = elasticity(e, s, name, server)
            rises = []
            for change in (step, -step):
                changed = enlarged(s, capacity, server, 1 + change)
                after = dashf.solve(changed, solver="exact", gap=1e-6)
                rise = after.scr / e.scr - 1
                # Decided anew it is no worse than the same shares, to first order.
                assert rise >= change * found - 1e-4
                stay = after.allocation.association == best.allocation.association
                rises += [rise] if stay.all() else []
            if len(rises) == 2:
                difference = (rises[0] - rises[1]) / (2 * step)
                assert abs(difference - found) < 5e-4 + 0.02 * abs(found)
                compared += 1
    assert compared >= 2


@pytest.mark.parametrize("number", range(30))
def test_prices_of_certificates_are_differences_of_bounds(number: int) -> None:
    """The bound of prices is concave along a capacity; its slope is price / cost."""
    rng = np.random.default_rng([17, number])
    s = random_scenario(rng, int(rng.integers(2, 13)), int(rng.integers(1, 4)))
    o = random_objective(rng)
    o = dataclasses.replace(o, **_without_power(o))
    problem = Problem.of(s, o)
    ratio = problem.first_ratio()
    bound, found = problem.bound(1e-6, ratio)
    assert found is not None
    server = int(rng.integers(s.n_servers))
    cost = _cost(problem, bound)
    for i, price in enumerate((bound.bandwidth_price, bound.compute_price)):
        step = 0.05
        values = []
        for factor in (1 + step, 1 - step):
            capacity = problem.options.capacity.copy()
            capacity[..., server, i] *= factor
            options = dataclasses.replace(problem.options, capacity=capacity)
            changed = dataclasses.replace(problem, options=options)
            values.append(float(changed.bound(1e-6, ratio)[0].value))
        rise = step * price[server] / (cost * bound.value)
        above, below = (value / bound.value - 1 for value in values)
        # A tangent of a concave function lies above it, on both sides: to first order
        # in the cost, which is that at the present capacity.
        slack = 1e-5 + 0.15 * rise
        assert above <= rise + slack
        assert below <= -rise + slack


def _cost(problem: Problem, bound: dashf.Bound) -> float:
    """Total cost of what users choose at the prices: the slope of U along y."""
    price = np.stack([bound.bandwidth_price, bound.compute_price], axis=-1)[None]
    if problem.options.capacity.shape[-1] == 3:
        price = np.concatenate([price, bound.slot_price[None, :, None]], axis=-1)
    ratio = np.reshape(bound.ratio, 1)
    answer = problem.options.respond(ratio, price, problem.constants)
    best = answer.benefit.argmax(axis=-1)[..., None]
    return float(np.take_along_axis(answer.cost, best, axis=-1).sum())


def test_batches_and_single_scenarios_agree() -> None:
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(3), (2, 2))
    found = dashf.solve_batch(s, solver="gucro", bound=True)
    e = dashf.explain(s, found.allocation, bound=found.bound)
    one = dashf.explain(s[1, 0], found.allocation[1, 0])
    assert e.gap is not None
    assert found.gap is not None
    assert np.allclose(e.gap, found.gap)
    for name, value in one.to_dict().items():
        assert np.allclose(getattr(e, name)[1, 0], value, rtol=1e-12), name


def test_what_is_known_of_any_decision() -> None:
    for number in range(20):
        rng = np.random.default_rng([18, number])
        s, o = random_scenario(rng), random_objective(rng)
        for solver in ("random", "gucaa", "dual"):
            e = dashf.explain(s, dashf.solve(s, o, solver=solver).allocation, o)
            assert np.isclose(e.cost_share.sum(), 1)
            total = np.abs(e.contribution).sum()
            assert abs(e.contribution.sum()) <= 1e-9 * max(total, 1)
            assert e.load.sum() == s.n_users
            for used in (e.bandwidth_used, e.compute_used):
                assert (used <= 1 + 1e-6).all()
            assert all(np.isfinite(v).all() for v in e.to_dict().values())
            empty = e.load == 0
            for name in ("bandwidth_price", "compute_price", *CAPACITIES):
                assert (getattr(e, name)[empty] == 0).all()
                assert not (e.bandwidth_binds | e.compute_binds)[empty].any()


def test_a_bound_of_another_scenario_is_refused() -> None:
    s = benchmark_scenario(0, users=4)
    best = dashf.solve(s, solver="dual")
    assert best.bound is not None
    half = dataclasses.replace(best.bound, value=best.bound.value / 2)
    with pytest.raises(ValueError, match="`bound` must be of this scenario"):
        dashf.explain(s, best.allocation, bound=half)
