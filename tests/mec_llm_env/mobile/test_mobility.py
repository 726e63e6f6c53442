"""Laws of motion, of shadowing and of jobs; reflections against a step-by-step walk."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mec_llm_env import MobileConfig, Scenario, Trajectory, sample_trajectory
from mec_llm_env.mobile.mobility import MobilityState, mobility_sampler, move
from mec_llm_env.sampling import scenario_sampler

Array = np.ndarray[Any, Any]

RADIUS_M = MobileConfig().layout.cell_radius_m


def config(**overrides: Any) -> MobileConfig:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return MobileConfig().with_overrides(keys)


def states(of: MobileConfig, seed: int, *batch: int) -> list[MobilityState]:
    sampler, rng = mobility_sampler(of), np.random.default_rng(seed)
    shape = (*batch, sampler.block_size)
    found = [sampler.begin(rng.random(shape))]
    for _ in range(1, of.mobility.slots):
        found.append(sampler.advance(found[-1], rng.random(shape)))
    return found


@pytest.fixture(scope="module")
def many() -> Trajectory:
    return sample_trajectory(MobileConfig(), np.random.default_rng(0), (400,))


def walk(place: Array, step: Array, radius: float) -> tuple[Array, Array]:
    """Follows a path from hit to hit, in complex numbers: what `move` does at once."""
    z, left = complex(*place), abs(complex(*step))
    u = complex(*step) / left
    for _ in range(100_000):
        along = (z * u.conjugate()).real
        to_edge = -along + math.sqrt(max(radius**2 - abs(z) ** 2 + along**2, 0))
        if to_edge >= left:
            z += left * u
            break
        z += to_edge * u
        left -= to_edge
        normal = z / abs(z)
        u -= 2 * (u * normal.conjugate()).real * normal
    return np.array([z.real, z.imag]), np.array([u.real, u.imag])


def test_paths_are_reflected_as_often_as_they_meet_the_edge() -> None:
    rng = np.random.default_rng(1)
    radius, n = 500.0, 2000
    place = rng.uniform(-350, 350, (n, 2))
    velocity = rng.normal(size=(n, 2)) * 10 ** rng.uniform(-1, 2.5, (n, 1))
    place[:50] *= 499.999 / np.linalg.norm(place[:50], axis=1, keepdims=True)
    end, after, path = move(place, velocity, 60.0, radius)
    assert (np.linalg.norm(velocity, axis=1) * 60 > 10 * radius).sum() > 300
    for i in range(n):
        wanted, direction = walk(place[i], 60 * velocity[i], radius)
        np.testing.assert_allclose(end[i], wanted, atol=1e-6 * radius)
        speed = np.linalg.norm(velocity[i])
        np.testing.assert_allclose(after[i] / speed, direction, atol=1e-5)
        assert path[i] == pytest.approx(60 * speed)


def test_a_hand_made_reflection() -> None:
    # From the centre 5 m/s east for 1.2 s in a disc of 4 m: hits at 4, ends at 2.
    end, velocity, path = move(
        np.zeros((1, 2)), np.array([[5.0, 0.0]]), slot_s=1.2, radius_m=4.0
    )
    np.testing.assert_allclose(end, [[2.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(velocity, [[-5.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(path, [6.0])
    # Along the sides, 8/√2, of the inscribed square, from the middle of one.
    side = 8 / math.sqrt(2)
    end, velocity, _ = move(
        np.array([[side / 2, 0.0]]),
        np.array([[0.0, side]]),
        slot_s=1.75,
        radius_m=4.0,
    )
    np.testing.assert_allclose(end, [[-side / 2, side / 4]], atol=1e-9)
    np.testing.assert_allclose(velocity, [[0.0, -side]], atol=1e-9)


def test_nobody_is_outside_of_the_disc_and_places_stay_uniform(
    many: Trajectory,
) -> None:
    squared = (many.scenario.user_position_m**2).sum(-1)
    assert (squared <= RADIUS_M**2).all()
    for t in (0, 10, 49):
        law = stats.uniform(0, RADIUS_M**2).cdf
        assert stats.kstest(squared[:, t].ravel(), law).pvalue > 1e-3


def test_extreme_parameters_stay_inside() -> None:
    for seed, (speed, slot, radius) in enumerate(
        [(1000, 1e6, 0.1), (1000, 1e6, 1e8), (1e-3, 1e-3, 0.1), (0, 60, 500)]
    ):
        of = config(
            mobility__slots=30,
            mobility__slot_s=slot,
            mobility__vehicular_speed_m_per_s=(speed, speed),
            layout__cell_radius_m=radius,
        )
        trajectory = sample_trajectory(of, np.random.default_rng(seed), (20,))
        place = trajectory.scenario.user_position_m
        assert ((place**2).sum(-1) <= radius**2).all()
        Scenario(**trajectory.scenario.to_dict())


def test_speed_classes(many: Trajectory) -> None:
    first = many.user_speed_m_per_s[:, 0].ravel()
    still, walking = first == 0, (first >= 0.5) & (first <= 1.5)
    driving = (first >= 5) & (first <= 15)
    assert (still | walking | driving).all()
    counts = [still.sum(), walking.sum(), driving.sum()]
    wanted = np.array(MobileConfig().mobility.shares) * first.size
    assert stats.chisquare(counts, wanted).pvalue > 1e-3
    assert stats.kstest(first[walking], stats.uniform(0.5, 1).cdf).pvalue > 1e-3
    assert stats.kstest(first[driving], stats.uniform(5, 10).cdf).pvalue > 1e-3


def test_one_class_each() -> None:
    for name, (low, high) in (("pedestrian", (0.5, 1.5)), ("vehicular", (5, 15))):
        of = MobileConfig.preset(f"mobile-10x2-{name}")
        speeds = sample_trajectory(
            of, np.random.default_rng(0), (50,)
        ).user_speed_m_per_s
        assert low <= speeds.min() < low + 0.1 * (high - low)
        assert high >= speeds.max() > high - 0.1 * (high - low)


def test_velocities_are_gauss_markov() -> None:
    # In a wide disc nobody is reflected; with one speed the law is a normal one.
    of = config(
        mobility__still_share=0,
        mobility__pedestrian_share=0,
        mobility__vehicular_share=1,
        mobility__vehicular_speed_m_per_s=(10, 10),
        mobility__job_end_probability=0,
        layout__cell_radius_m=1e7,
        mobility__slots=4,
    )
    v = sample_trajectory(of, np.random.default_rng(0), (3000,)).user_velocity_m_per_s
    v = np.moveaxis(v, 1, 0).reshape(4, -1)  # slots, users and components
    law = stats.norm(0, 10 / math.sqrt(2)).cdf
    for t in range(4):
        assert stats.kstest(v[t], law).pvalue > 1e-3
    for lag in (1, 2, 3):
        assert np.corrcoef(v[0], v[lag])[0, 1] == pytest.approx(0.95**lag, abs=0.005)
    x, y = v[0][::2], v[0][1::2]
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.02


def test_shadowing_decorrelates_along_the_path() -> None:
    # 10/3 m/s for 60 s are 200 m: the correlation of a slot is 1/e where nobody turns.
    of = config(
        mobility__still_share=0.5,
        mobility__pedestrian_share=0,
        mobility__vehicular_share=0.5,
        mobility__job_end_probability=0,
        mobility__slots=5,
        servers=3,
    )
    shadowing = np.stack([s.shadowing_db for s in states(of, 3, 4000)])
    velocity = np.stack([s.user_velocity_m_per_s for s in states(of, 3, 4000)])
    assert shadowing.std() == pytest.approx(8, rel=0.02)
    path_m = 60 * np.linalg.norm(velocity, axis=-1)
    still = path_m[0] == 0
    np.testing.assert_array_equal(shadowing[0][still], shadowing[4][still])
    for low, high in ((0.1, 100), (100, 300), (300, 600), (600, 5000)):
        chosen = (path_m[0] >= low) & (path_m[0] < high)
        kept = np.exp(-path_m[0][chosen] / 200)[:, None]
        innovation = shadowing[1][chosen] - kept * shadowing[0][chosen]
        unit = innovation / (8 * np.sqrt(1 - kept**2))
        assert stats.kstest(unit.ravel(), stats.norm().cdf).pvalue > 1e-3
        assert abs(np.corrcoef(unit.ravel(), shadowing[0][chosen].ravel())[0, 1]) < 0.03
    # Separate for each server.
    pairs = np.corrcoef(shadowing.reshape(-1, 3).T)
    assert np.abs(pairs - np.eye(3)).max() < 0.02


@pytest.mark.parametrize("law", ["uma", "umi"])
def test_line_of_sight_is_spatially_consistent(law: str) -> None:
    of = config(
        mobility__still_share=0.5,
        mobility__pedestrian_share=0.5,
        mobility__vehicular_share=0,
        mobility__job_end_probability=0,
        mobility__slots=3,
        radio__path_loss=law,
        radio__fading="none",
        radio__state_shadowing_std_db=(0.0, 0.0),
        servers=2,
    )
    found = states(of, 3, 4000)
    sight = np.stack([s.sight for s in found])
    speed = np.linalg.norm(np.stack([s.user_velocity_m_per_s for s in found]), axis=-1)
    # Whoever stands still stays in its state; whoever walks 50 m keeps 1/e.
    still = speed[0] == 0
    gain = np.stack([s.scenario.channel_gain for s in found])
    np.testing.assert_array_equal(sight[0][still], sight[2][still])
    np.testing.assert_allclose(gain[0][still], gain[2][still], rtol=1e-9)
    path_m = 60 * speed[0][~still]
    kept = np.exp(-path_m / 50)[:, None]
    unit = (sight[1][~still] - kept * sight[0][~still]) / np.sqrt(1 - kept**2)
    assert stats.kstest(unit.ravel(), stats.norm().cdf).pvalue > 1e-3
    assert abs(np.corrcoef(unit.ravel(), sight[0][~still].ravel())[0, 1]) < 0.03
    # In every slot the share in line of sight is what the law says.
    for state in found:
        place = state.scenario.user_position_m
        mean = scenario_sampler(of).mean_gain(place[..., 0], place[..., 1])
        log_gain = np.log(state.scenario.channel_gain)
        clear = np.isclose(log_gain, mean.log_gain, atol=1e-9)
        blocked = np.isclose(log_gain, mean.log_gain_blocked, atol=1e-9)
        assert (clear | blocked).all()
        probability = np.where(blocked & clear, 1.0, mean.sight_probability)
        spread = np.sqrt((probability * (1 - probability)).sum())
        assert abs(clear.sum() - probability.sum()) < 4 * spread


def test_the_gain_is_path_loss_and_shadowing(many: Trajectory) -> None:
    s = many.scenario
    apart = s.user_position_m[..., :, None, :] - s.server_position_m[..., None, :, :]
    km = np.maximum(np.linalg.norm(apart, axis=-1), 10) / 1000
    found = -10 * np.log10(s.channel_gain) - 128.1 - 37.6 * np.log10(km)
    assert found.std() == pytest.approx(8, rel=0.02)
    assert stats.kstest(found[:, 0].ravel(), stats.norm(0, 8).cdf).pvalue > 1e-3


def test_jobs_are_geometric() -> None:
    of = config(mobility__slots=400)
    joined = sample_trajectory(of, np.random.default_rng(0), (40,)).joined
    assert joined[:, 0].all()
    lengths: list[int] = []
    for row in np.moveaxis(joined, 1, -1).reshape(-1, 400):
        starts = np.flatnonzero(row)
        lengths += [b - a for a, b in pairwise(starts) if a < 200]
    # Cut at 200 slots, which a job outlasts in one of 900 cases.
    edges = np.array([0, 5, 10, 20, 30, 45, 60, 90, 200])
    counts, _ = np.histogram(np.array(lengths) - 0.5, edges)
    share = np.diff(-((1 - 1 / 30) ** edges))
    wanted = counts.sum() * share / share.sum()
    assert stats.chisquare(counts, wanted).pvalue > 1e-3
    assert np.mean(lengths) == pytest.approx(30, rel=0.05)


def test_a_job_keeps_its_user_and_the_next_one_is_another(many: Trajectory) -> None:
    for name in ("data_bit", "user_frequency_max_hz", "transmit_power_max_w"):
        value = getattr(many.scenario, name)
        changed = value[:, 1:] != value[:, :-1]
        assert not (changed & ~many.joined[:, 1:]).any()
        assert changed[many.joined[:, 1:]].mean() > 0.99
    speed = many.user_speed_m_per_s
    assert not ((speed[:, 1:] != speed[:, :-1]) & ~many.joined[:, 1:]).any()
    place = many.scenario.user_position_m[:, 1:][many.joined[:, 1:]]
    law = stats.uniform(0, RADIUS_M**2).cdf
    assert stats.kstest((place**2).sum(-1), law).pvalue > 1e-3


def test_with_jobs_of_one_slot_a_trajectory_is_fresh_scenarios() -> None:
    of = config(mobility__job_end_probability=1, mobility__slots=6)
    sampler, plain = mobility_sampler(of), scenario_sampler(of)
    blocks = np.random.default_rng(0).random((6, sampler.block_size))
    state = sampler.begin(blocks[0])
    for t in range(6):
        state = sampler.advance(state, blocks[t]) if t else state
        fresh = plain.from_uniforms(blocks[t, : plain.block_size])
        for name, value in fresh.to_dict().items():
            np.testing.assert_array_equal(getattr(state.scenario, name), value, name)
        assert state.joined.all()


def test_fading_is_independent_from_slot_to_slot_where_it_is_asked_for() -> None:
    of = config(
        radio__fading="rayleigh",
        radio__shadowing_std_db=0,
        mobility__still_share=1,
        mobility__pedestrian_share=0,
        mobility__vehicular_share=0,
        mobility__job_end_probability=0,
        mobility__slots=3,
    )
    gain = sample_trajectory(of, np.random.default_rng(0), (1000,)).scenario
    mean = sample_trajectory(
        of.with_overrides({"radio.fading": "none"}), np.random.default_rng(0), (1000,)
    ).scenario.channel_gain
    ratio = gain.channel_gain / mean
    assert stats.kstest(ratio.ravel(), stats.expon().cdf).pvalue > 1e-3
    correlation = np.corrcoef(ratio[:, 0].ravel(), ratio[:, 1].ravel())[0, 1]
    assert abs(correlation) < 0.03


@pytest.mark.parametrize("edge", [0.0, np.nextafter(1.0, 0.0)])
def test_the_edges_of_the_uniforms_are_valid(edge: float) -> None:
    sampler = mobility_sampler(MobileConfig())
    block = np.full(sampler.block_size, edge)
    state = sampler.begin(block)
    for _ in range(5):
        state = sampler.advance(state, block)
        Scenario(**state.scenario.to_dict())
        assert np.isfinite(state.user_velocity_m_per_s).all()


def test_amounts_of_the_default_migration() -> None:
    # Two adapters a layer of 2·2048·256 + 2048 + 256, 16 layers: 33,628,160 parameters
    # of 16 + 96 bit, over 50 Mbit/s at 40 nJ/bit.
    sampler = mobility_sampler(MobileConfig())
    state = sampler.begin(np.full(sampler.block_size, 0.5))
    for _ in range(2):
        given = state.scenario
        assert given.migration_delay_s == pytest.approx(
            np.full(10, 33_628_160 * 112 / 50e6)
        )
        assert given.migration_energy_j == pytest.approx(
            np.full(10, 33_628_160 * 112 * 40e-9)
        )
        state = sampler.advance(state, np.full(sampler.block_size, 0.5))
    huge = config(
        migration__backhaul_mbit_per_s=1e-6, workload__width=10**6, workload__layers=999
    )
    with pytest.raises(
        ValueError, match=r"`migration_delay_s` must be from 0 to 1e\+12"
    ):
        mobility_sampler(huge)


def test_whoever_joins_has_the_parameters_of_its_row() -> None:
    config = MobileConfig(users=3, servers=2).with_overrides(
        {
            "mobility.slots": 30,
            "mobility.job_end_probability": 0.5,
            "radio.bandwidth_mhz": [5, 15],
            "radio.transmit_power_max_w": [[0.1, 0.1], [0.2, 0.2], [0.3, 0.4]],
            "workload.sequences": [[1, 1], [2, 2], [3, 9]],
            "workload.tokens": [100, 100],
            "device.cores": [[1], [2], [7, 9]],
            "layout.server_position_m": [[0, 100], [0, -100]],
        }
    )
    drawn = sample_trajectory(config, np.random.default_rng(0)).scenario
    sequences = drawn.data_bit / (32 * 100)
    np.testing.assert_array_equal(sequences[:, :2], [[1, 2]] * 30)
    assert set(sequences[:, 2]) <= set(range(3, 10))
    assert len(set(sequences[:, 2])) > 3
    np.testing.assert_array_equal(drawn.transmit_power_max_w[:, :2], [[0.1, 0.2]] * 30)
    cores = drawn.user_flop_per_cycle / 512
    np.testing.assert_array_equal(cores[:, :2], [[1, 2]] * 30)
    assert set(cores[:, 2]) == {7, 9}
    np.testing.assert_array_equal(drawn.bandwidth_max_hz, [[5e6, 15e6]] * 30)
    np.testing.assert_array_equal(drawn.server_position_m[0], [[0, 100], [0, -100]])
