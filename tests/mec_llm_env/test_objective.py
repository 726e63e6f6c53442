from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Outcome,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    violations,
)
from mec_llm_env.actions import ActionCodec
from mec_llm_env.scenario import GPU_POWER_W
from mec_llm_env.workload.layers import whole_layers
from tests.mec_llm_env.cases import equal_allocation, golden_cases, golden_scenario
from tests.mec_llm_env.conftest import UNIT

TOY_OBJECTIVE = ObjectiveConfig(
    delay_weight=1.0,
    energy_weight=2.0,
    delay_reference_s=10.0,
    energy_reference_j=10.0,
    score_sensitivity=3.0,
    score_weight_power=0.1,
    score_weight_bandwidth=0.2,
    score_weight_compute=0.3,
    score_weight_offload=0.4,
)


def toy_allocation(**changes: Any) -> Allocation:
    fields = {
        "local_fraction": [0.5, 0.25],
        "transmit_power_w": [1.0, 1.0],
        "bandwidth_hz": [1.0, 1.0],
        "user_frequency_hz": [2.0, 1.0],
        "server_frequency_hz": [1.0, 0.5],
    }
    return Allocation.from_server([0, 0], 1, **(fields | changes))


def test_toy_by_hand(toy_fields: dict[str, Any]) -> None:
    outcome = evaluate(Scenario(**toy_fields), toy_allocation(), TOY_OBJECTIVE)
    # Local: φ W / (K f) = 0.5·8/(2·2) = 1 s; 0.25·8/(4·1) = 0.5 s.
    np.testing.assert_allclose(outcome.delay_local_s, [1.0, 0.5])
    # Energy κ f³ T = 0.5·8·1 = 4 J; 1·1·0.5 = 0.5 J.
    np.testing.assert_allclose(outcome.energy_local_j, [4.0, 0.5])
    # Uplink: b log2(1 + g p / (n0 b)) = log2(2) = 1; log2(4) = 2 bit/s.
    np.testing.assert_allclose(outcome.uplink_rate, [1.0, 2.0])
    # Payload D + φ A = 1 + 0.5·2 = 2; 2 + 0.25·4 = 3 bit, over the rate.
    np.testing.assert_allclose(outcome.delay_uplink_s, [2.0, 1.5])
    np.testing.assert_allclose(outcome.energy_uplink_j, [2.0, 1.5])  # p = 1 W
    # Server: (1−φ) W / (K F) = 0.5·8/(4·1) = 1 s; 0.75·8/(4·0.5) = 3 s.
    np.testing.assert_allclose(outcome.delay_server_s, [1.0, 3.0])
    # Energy κ F³ T = 0.25·1·1; 0.25·0.125·3.
    np.testing.assert_allclose(outcome.energy_server_j, [0.25, 0.09375])
    # Downlink: b log2(1 + g P / (n0 B)) = log2(1 + 3) = 2; log2(1 + 9) bit/s,
    # for (1−φ) A = 1; 3 bit.
    np.testing.assert_allclose(outcome.delay_downlink_s, [0.5, 3 / math.log2(10)])
    # Cost: 0.1 · delay + 0.2 · energy; user 0: 0.1 · 4.5 + 0.2 · 6.25 = 1.7.
    second = 0.1 * (0.5 + 1.5 + 3 + 3 / math.log2(10)) + 0.2 * (0.5 + 1.5 + 0.09375)
    np.testing.assert_allclose(outcome.cost, [1.7, second])
    # Quality: w_p p/p_max + w_b b/B + w_c F/F_m + w_o (1 − φ²), with ω1 = 100/ln 4.
    # User 0: 0.1·1 + 0.2·0.5 + 0.3·0.5 + 0.4·0.75 = 0.65.
    # User 1: 0.1·0.5 + 0.2·0.5 + 0.3·0.25 + 0.4·0.9375 = 0.6.
    score = [100 / math.log(4) * math.log(1 + 3 * q) for q in (0.65, 0.6)]
    np.testing.assert_allclose(outcome.score, score)
    np.testing.assert_allclose(outcome.scr, sum(score) / (1.7 + second))


_OPTIONAL = {"delay_migration_s", "energy_migration_j", "energy_downlink_j"}


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_migration_by_hand(library: str) -> None:
    s = sample_scenario(ScenarioConfig(users=4, servers=3), np.random.default_rng(0))
    z = equal_allocation(s, [0, 1, 2, 2])
    moving = dataclasses.replace(
        s,
        # User 0 stays, 1 moves from 0 to 1, 2 has no state, 3 moves from 1 to 2.
        serving=[[1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]],
        migration_delay_s=[70.0, 75.0, 80.0, 0.0],
        migration_energy_j=[100.0, 150.0, 200.0, 40.0],
    )
    o = ObjectiveConfig()  # half a unit for 100 s, half a unit for 200 J
    without = evaluate(s, z, o)
    if library == "torch":
        moving, z = moving.to_torch(), z.to_torch()
    paid = evaluate(moving, z, o).to_numpy()
    np.testing.assert_array_equal(paid.delay_migration_s, [0, 75, 0, 0])
    np.testing.assert_array_equal(paid.energy_migration_j, [0, 150, 0, 40])
    np.testing.assert_allclose(paid.delay_s - without.delay_s, [0, 75, 0, 0], atol=1e-9)
    np.testing.assert_allclose(
        paid.energy_j - without.energy_j, [0, 150, 0, 40], atol=1e-9
    )
    # 0.5 · 75/100 + 0.5 · 150/200 = 0.75 and 0.5 · 40/200 = 0.1
    np.testing.assert_allclose(paid.cost - without.cost, [0, 0.75, 0, 0.1], atol=1e-9)
    np.testing.assert_allclose(paid.score, without.score)
    scr = without.score.sum() / (without.cost.sum() + 0.85)
    np.testing.assert_allclose(paid.scr, scr)
    np.testing.assert_array_equal(without.delay_migration_s, np.zeros(4))


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_noise_rise_and_the_energy_of_the_download_by_hand(
    library: str,
) -> None:
    # Server 1 hears three times the noise.
    plain = sample_scenario(ScenarioConfig(users=2), np.random.default_rng(0))
    s = dataclasses.replace(
        plain,
        channel_gain=np.full((2, 2), 1e-9),
        noise_density_w_per_hz=np.asarray(1e-19),
        downlink_power_w=np.array([20.0, 40.0]),
        noise_rise=np.array([1.0, 3.0]),
    )
    z = equal_allocation(s, [0, 1])
    z = dataclasses.replace(
        z, transmit_power_w=np.full(2, 0.1), bandwidth_hz=np.full(2, 1e6)
    )
    o = ObjectiveConfig(downlink_energy_share=0.5)
    without = evaluate(s, z)
    if library == "torch":
        s, z = s.to_torch(), z.to_torch()
    out = evaluate(s, z, o).to_numpy()
    # g p / (n0 b) = 1e-10 / 1e-13 = 1000, and a third of it at server 1.
    rates = 1e6 * np.log2([1001, 1 + 1000 / 3])
    np.testing.assert_allclose(out.uplink_rate, rates, rtol=1e-12)
    # g P / (n0 B) = 2e-8 / 1e-12 and 4e-8 / 1e-12: users hear no interference.
    phi, bits = z.local_fraction[0].item(), plain.adapter_bit[0]
    delay = (1 - phi) * bits / (1e6 * np.log2([20_001, 40_001]))
    np.testing.assert_allclose(out.delay_downlink_s, delay, rtol=1e-12)
    # A tenth of the band of 10 MHz: 2 W and 4 W, half of it charged.
    np.testing.assert_allclose(out.energy_downlink_j, [1, 2] * delay, rtol=1e-12)
    np.testing.assert_allclose(out.energy_j, without.energy_j + [1, 2] * delay)
    np.testing.assert_allclose(out.cost, without.cost + 0.0025 * ([1, 2] * delay))
    np.testing.assert_array_equal(without.energy_downlink_j, np.zeros(2))


def test_the_energy_of_the_download_does_not_depend_on_the_band() -> None:
    rng = np.random.default_rng(4)
    s = sample_scenario(ScenarioConfig(), rng)
    z = equal_allocation(s, np.arange(10) % 2)
    less = dataclasses.replace(z, bandwidth_hz=z.bandwidth_hz * rng.random(10))
    o = ObjectiveConfig(downlink_energy_share=1.0)
    one, other = (evaluate(s, x, o).energy_downlink_j for x in (z, less))
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert (one > 0).all()


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("case", golden_cases("evaluate"))
def test_golden(case: dict[str, Any], library: str) -> None:
    scenario = golden_scenario(case)
    fields = dict(case["allocation"])
    allocation = Allocation.from_server(
        fields.pop("server"), scenario.n_servers, **fields
    )
    weights = {k: v for k, v in case["objective"].items() if k != "score_scale"}
    objective = ObjectiveConfig(**weights)
    assert objective.score_scale == pytest.approx(case["objective"]["score_scale"])
    if library == "torch":
        scenario, allocation = scenario.to_torch(), allocation.to_torch()
    outcome = evaluate(scenario, allocation, objective)
    assert isinstance(outcome.cost, torch.Tensor) == (library == "torch")
    assert set(case["expected"]) | _OPTIONAL == set(Outcome.field_names())
    for name, expected in case["expected"].items():
        actual = getattr(outcome.to_numpy(), name)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, err_msg=name)


def test_a_batch_is_its_members_bit_for_bit() -> None:
    config = ScenarioConfig()
    rng = np.random.default_rng(1)
    scenarios = sample_scenario(config, rng, (6,))
    allocations = [
        equal_allocation(scenarios[i], rng.integers(0, 2, 10)) for i in range(6)
    ]
    batch = evaluate(scenarios, Allocation.stack(allocations))
    grid = evaluate(
        scenarios.map(lambda a: a.reshape(2, 3, *a.shape[1:])),
        Allocation.stack(allocations).map(lambda a: a.reshape(2, 3, *a.shape[1:])),
    )
    for i in range(6):
        single = evaluate(scenarios[i], allocations[i])
        for name in Outcome.field_names():
            expected = getattr(single, name)
            np.testing.assert_array_equal(getattr(batch, name)[i], expected)
            np.testing.assert_array_equal(getattr(grid, name)[i // 3, i % 3], expected)


def test_gradients_flow_in_pytorch() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(2))
    allocation = equal_allocation(scenario, np.arange(10) % 2).to_torch()
    leaves = allocation.map(lambda a: a.clone().requires_grad_())
    evaluate(scenario.to_torch(), leaves).scr.backward()
    for name, value in leaves.to_dict().items():
        assert torch.isfinite(value.grad).all(), name
        assert (value.grad != 0).any(), name
    # A numerical derivative in one user's bandwidth.
    step = 1.0  # Hz
    scr = []
    for sign in (1, -1):
        bandwidth = allocation.bandwidth_hz.clone()
        bandwidth[3] += sign * step
        changed = dataclasses.replace(allocation, bandwidth_hz=bandwidth)
        scr.append(evaluate(scenario.to_torch(), changed, check=False).scr)
    slope = (scr[0] - scr[1]) / (2 * step)
    torch.testing.assert_close(leaves.bandwidth_hz.grad[3], slope, rtol=1e-5, atol=0)


def test_violations_of_a_feasible_allocation_are_zero(
    toy_fields: dict[str, Any],
) -> None:
    result = violations(Scenario(**toy_fields), toy_allocation())
    assert set(result) == {*Allocation.field_names(), "max_users"}
    assert all(value == 0 for value in result.values())


@pytest.mark.parametrize(
    ("changes", "name", "size", "text"),
    [
        ({"local_fraction": [0.5, 0.9]}, "local_fraction", 0.2, "0.9 for user 1"),
        ({"local_fraction": [0.2, 0.5]}, "local_fraction", 0.2, "0.2 for user 0"),
        ({"transmit_power_w": [1.5, 1]}, "transmit_power_w", 0.5, "1.5 for user 0"),
        ({"transmit_power_w": [1, 0]}, "transmit_power_w", 1.0, "0.0 for user 1"),
        ({"transmit_power_w": [1, math.nan]}, "transmit_power_w", math.inf, "nan"),
        ({"user_frequency_hz": [2, 1.5]}, "user_frequency_hz", 0.5, "user 1"),
        ({"user_frequency_hz": [2, math.inf]}, "user_frequency_hz", math.inf, "inf"),
        ({"bandwidth_hz": [1, 1.5]}, "bandwidth_hz", 0.25, "2.5 in sum for server 0"),
        ({"bandwidth_hz": [-1, 1]}, "bandwidth_hz", 1.5, "-1.0 for user 0"),
        (
            {"server_frequency_hz": [2, 2]},
            "server_frequency_hz",
            1.0,
            "4 in sum for server 0",
        ),
    ],
)
def test_infeasible_allocations_are_named(
    toy_fields: dict[str, Any],
    changes: dict[str, Any],
    name: str,
    size: float,
    text: str,
) -> None:
    scenario, allocation = Scenario(**toy_fields), toy_allocation(**changes)
    result = violations(scenario, allocation)
    assert result.pop(name) == pytest.approx(size)
    assert all(value == 0 for value in result.values())
    with pytest.raises(ValueError, match=f"`{name}` is infeasible .* {text}"):
        evaluate(scenario, allocation)
    with pytest.raises(ValueError, match=name):
        evaluate(scenario.to_torch(), allocation.to_torch())


def test_association_and_slots(toy_fields: dict[str, Any]) -> None:
    toy_fields |= {
        "channel_gain": UNIT * np.array([[1.0, 1.0], [3.0, 1.0]]),
        "max_users": [1, 2],
    }
    for name in list(toy_fields):
        if name.startswith(("server", "bandwidth", "downlink")):
            toy_fields[name] = toy_fields[name] * 2
    scenario = Scenario(**toy_fields)
    crowded = dataclasses.replace(
        toy_allocation(), association=np.array([[1.0, 0], [1, 0]])
    )
    assert violations(scenario, crowded)["max_users"] == 1
    with pytest.raises(ValueError, match=r"`max_users` .* 2 in sum for server 0"):
        evaluate(scenario, crowded)
    split = dataclasses.replace(crowded, association=np.array([[0.5, 0.5], [0, 1]]))
    assert violations(scenario, split)["association"] == 0.25
    with pytest.raises(ValueError, match=r"`association` .* \[0.5 0.5\] for user 0"):
        evaluate(scenario, split)
    assert evaluate(scenario, split, check=False).scr > 0  # a relaxation
    nowhere = dataclasses.replace(crowded, association=np.zeros((2, 2)))
    assert violations(scenario, nowhere)["association"] == 1


def test_rounding_errors_pass(toy_fields: dict[str, Any]) -> None:
    allocation = toy_allocation(bandwidth_hz=[1.0, 1.0 + 1e-6])
    assert violations(Scenario(**toy_fields), allocation)["bandwidth_hz"] > 1e-7
    evaluate(Scenario(**toy_fields), allocation)


def test_batched_violations_name_the_scenario() -> None:
    scenarios = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (3,))
    one = equal_allocation(scenarios[0], np.arange(10) % 2)
    allocations = [equal_allocation(scenarios[i], np.arange(10) % 2) for i in range(3)]
    allocations[2] = dataclasses.replace(
        allocations[2], bandwidth_hz=2 * one.bandwidth_hz
    )
    batch = Allocation.stack(allocations)
    np.testing.assert_allclose(
        violations(scenarios, batch)["bandwidth_hz"], [0, 0, 1], atol=1e-12
    )
    with pytest.raises(ValueError, match="in sum for scenario 2, server 0"):
        evaluate(scenarios, batch)


def test_wrong_shapes_and_mixed_libraries(toy_fields: dict[str, Any]) -> None:
    scenario = Scenario(**toy_fields)
    stacked = Allocation.stack([toy_allocation()] * 3)
    with pytest.raises(ValueError, match=r"\(2, 1\) as the scenario has; got \(3, 2,"):
        evaluate(scenario, stacked)
    with pytest.raises(ValueError, match="both be NumPy or both PyTorch"):
        evaluate(scenario.to_torch(), toy_allocation())


# Corners: the ends of the ranges, in every combination.

_ONE_USER = {
    spec.name: spec.metadata["limits"]
    for spec in dataclasses.fields(Scenario)
    if "position" not in spec.name and spec.name != "max_users"
}
_WEIGHTS = ("power", "bandwidth", "compute", "offload")


def corner_scenarios(
    rng: np.random.Generator, count: int, users: int, servers: int
) -> Scenario:
    """Scenarios with every field at one end of its range, κ within the power's."""
    sizes = {"N": users, "M": servers}
    fields = {}
    for spec in dataclasses.fields(Scenario):
        if spec.name in _ONE_USER:
            shape = [sizes[axis] for axis in spec.metadata["axes"]]
            high = rng.random((count, *shape)) < 0.5
            fields[spec.name] = np.where(high, *_ONE_USER[spec.name][::-1])
    fields["serving"] *= np.cumsum(fields["serving"], axis=-1) <= 1  # one a user
    low, high = fields["local_fraction_min"], fields["local_fraction_max"]
    fields["local_fraction_min"] = np.minimum(low, high)
    fields["local_fraction_max"] = np.maximum(low, high)
    layers = fields.pop("layers")
    if rng.random() < 0.5:
        fields["layers"] = layers
        for name in ("local_fraction_min", "local_fraction_max"):
            fields[name] = whole_layers(fields[name], layers)
    for owner in ("user", "server"):
        frequency = fields[f"{owner}_frequency_max_hz"]
        power = rng.choice(np.array(GPU_POWER_W) * [1.001, 0.999], frequency.shape)
        fields[f"{owner}_power_coefficient"] = np.clip(
            power / frequency**3, *_ONE_USER[f"{owner}_power_coefficient"]
        )
    return Scenario(**fields)


def corner_objective(rng: np.random.Generator) -> ObjectiveConfig:
    limits = {
        spec.name: spec.metadata["rule"].limits
        for spec in dataclasses.fields(ObjectiveConfig)
    }
    values = {k: rng.choice(v) for k, v in limits.items() if "weight_" not in k}
    if rng.random() < 0.3:
        values["energy_weight"] = 0
    alone = rng.integers(8)
    weights = {
        f"score_weight_{name}": float(alone == i) if alone < 4 else 0.25
        for i, name in enumerate(_WEIGHTS)
    }
    return ObjectiveConfig(**values, **weights)


def assert_corners_are_computed(rng: np.random.Generator, count: int) -> None:
    users, servers = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    scenario = corner_scenarios(rng, count, users, servers)
    objective = corner_objective(rng)
    codec = ActionCodec(users, servers)
    action = rng.choice([-1.0, 0.0, 1.0], (count, *codec.space.shape))
    allocation = codec.decode(action, scenario)
    outcome = evaluate(scenario, allocation, objective)  # feasible too
    for name, value in outcome.to_dict().items():
        assert np.isfinite(value).all(), name
        assert (value >= 0 if name in _OPTIONAL else value > 0).all(), name
    assert (outcome.score <= 100 * (1 + 1e-5)).all()
    if rng.random() < 0.2:
        tensors = evaluate(scenario.to_torch(), allocation.to_torch(), objective)
        np.testing.assert_allclose(tensors.scr.numpy(), outcome.scr, rtol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_corners_of_the_ranges_are_computed(seed: int) -> None:
    assert_corners_are_computed(np.random.default_rng(seed), 2000)


@pytest.mark.slow
def test_many_corners_of_the_ranges_are_computed() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        assert_corners_are_computed(rng, 20_000)


def test_other_arguments_are_named(toy_fields: dict[str, Any]) -> None:
    scenario, allocation = Scenario(**toy_fields), toy_allocation()
    with pytest.raises(ValueError, match=r"got ScenarioConfig. .* `config.objective`"):
        evaluate(scenario, allocation, ScenarioConfig())  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"`scenario` must be a mec_llm_env.Scenario; g"
    ):
        evaluate(toy_fields, allocation)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`allocation` must be a mec_llm_env.Alloc"):
        violations(scenario, scenario)  # type: ignore[arg-type]
