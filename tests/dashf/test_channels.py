"""Every solver and bound with noise rises and the energy of the download."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import dashf
from dashf.pair.best_response import best_response
from dashf.pair.coefficients import make_pairs
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from tests.dashf.extremes import random_objective, random_scenario
from tests.dashf.searches import compare_with_all


def heard(rng: np.random.Generator, scenario: Scenario) -> Scenario:
    """The scenario with another noise rise at each server, up to 30 dB."""
    rise = 10 ** rng.uniform(0, 3, scenario.n_servers)
    return Scenario(**scenario.to_dict() | {"noise_rise": rise})


def charged(rng: np.random.Generator, objective: ObjectiveConfig) -> ObjectiveConfig:
    """The objective with all, or a part, of the download's energy."""
    share = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.1, 1))
    weight = max(objective.energy_weight, 0.1)
    return dataclasses.replace(
        objective, downlink_energy_share=share, energy_weight=weight
    )


@pytest.mark.parametrize("seed", range(8))
def test_pairs_cost_what_evaluate_says(seed: int) -> None:
    rng = np.random.default_rng([seed, 21])
    s = heard(rng, random_scenario(rng))
    o = charged(rng, random_objective(rng))
    price = rng.uniform(1, 50, (2, s.n_servers))
    there = best_response(
        s, o, ratio=50.0, bandwidth_price=price[0], compute_price=price[1]
    )
    least = make_pairs(s, o).least_cost()
    fields = {k: v for k, v in vars_of(there).items() if k not in ("benefit", "cost")}
    for m in range(s.n_servers):
        own = {name: value[:, m] for name, value in fields.items()}
        z = Allocation.from_server(np.full(s.n_users, m), s.n_servers, **own)
        out = evaluate(s, z, o, check=False)
        np.testing.assert_allclose(there.cost[:, m], out.cost, rtol=1e-9)
        assert (least[:, m] <= out.cost).all()
        rent = price[0, m] * z.bandwidth_hz / s.bandwidth_max_hz[m]
        rent += price[1, m] * z.server_frequency_hz / s.server_frequency_max_hz[m]
        benefit = out.score - 50 * out.cost - rent
        size = out.score + 50 * out.cost
        assert (abs(there.benefit[:, m] - benefit) <= 1e-9 * size).all()


def vars_of(record: object) -> dict[str, np.ndarray]:
    return {
        spec.name: getattr(record, spec.name)
        for spec in dataclasses.fields(record)  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("seed", range(6))
def test_against_enumeration(seed: int) -> None:
    rng = np.random.default_rng([seed, 22])
    s = heard(rng, random_scenario(rng, users=3))
    objective = charged(rng, random_objective(rng) if seed % 2 else ObjectiveConfig())
    compare_with_all(s, objective, rng)


def test_a_dear_download_is_avoided() -> None:
    """With a power of kilowatts whoever can trains all but a layer by itself."""
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(1))
    s = dataclasses.replace(s, downlink_power_w=np.full(2, 1e4))
    o = ObjectiveConfig(downlink_energy_share=1.0)
    phi = {
        share: dashf.solve(
            s, dataclasses.replace(o, downlink_energy_share=share)
        ).allocation.local_fraction.mean()
        for share in (0.0, 1.0)
    }
    assert phi[1.0] > phi[0.0] + 0.3


def test_a_deaf_server_is_avoided() -> None:
    rng = np.random.default_rng(2)
    s = sample_scenario(ScenarioConfig(), rng)
    before = dashf.solve(s).allocation.association.sum(axis=0)
    deaf = dataclasses.replace(s, noise_rise=np.array([1.0, 1e4]))
    after = dashf.solve(deaf).allocation.association.sum(axis=0)
    assert after[1] < before[1]


def test_a_noise_rise_everywhere_is_as_much_noise_in_the_uplink() -> None:
    """With the power of servers raised likewise nothing else changes."""
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(3))
    rise = Scenario(**s.to_dict() | {"noise_rise": np.full(2, 4.0)})
    noisy = Scenario(
        **s.to_dict()
        | {
            "noise_density_w_per_hz": 4 * s.noise_density_w_per_hz,
            "downlink_power_w": 4 * s.downlink_power_w,
        }
    )
    for solver in ("dashf", "dual"):
        one, other = (dashf.solve(x, solver=solver) for x in (rise, noisy))
        assert one.scr == pytest.approx(other.scr, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["6g-umi-10x2", "6g-subthz-10x2"])
def test_dashf_in_the_presets(preset: str) -> None:
    config = ScenarioConfig.preset(preset)
    rng = np.random.default_rng(20_000_000)
    s = sample_scenario(config, rng, (100,))
    bound = dashf.upper_bound(s, config.objective).value
    share = dashf.solve_batch(s, config.objective).scr / bound
    print(f"\n{preset}: mean {share.mean():.5f}, worst {share.min():.5f}")
    assert share.max() <= 1
    assert share.mean() >= 0.99
