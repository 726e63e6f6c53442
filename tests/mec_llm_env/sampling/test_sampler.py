from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from mec_llm_env import PRESETS, Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.config import ruled
from mec_llm_env.sampling import is_fixed, scenario_sampler
from tests.mec_llm_env.cases import random_config


@pytest.fixture(scope="module")
def many() -> Scenario:
    return sample_scenario(ScenarioConfig(), np.random.default_rng(0), (4000,))


def test_a_batch_is_successive_scenarios_bit_for_bit() -> None:
    config = ScenarioConfig()
    batch = sample_scenario(config, np.random.default_rng(5), (2, 3))
    rng = np.random.default_rng(5)
    for index in np.ndindex(2, 3):
        single = sample_scenario(config, rng)
        for name, value in single.to_dict().items():
            np.testing.assert_array_equal(
                getattr(batch, name)[index], value, err_msg=name
            )


@pytest.mark.parametrize("preset", PRESETS)
def test_drawn_scenarios_pass_the_checks_of_given_ones(preset: str) -> None:
    scenario = sample_scenario(ScenarioConfig.preset(preset), np.random.default_rng(0))
    given = Scenario(**scenario.to_dict())
    for name, value in scenario.to_dict().items():
        drawn = getattr(given, name)
        np.testing.assert_array_equal(drawn, value)
        assert drawn.shape == value.shape
        assert drawn.dtype == value.dtype


@pytest.mark.parametrize("edge", [0.0, np.nextafter(1.0, 0.0)])
def test_the_edges_of_the_uniforms_are_valid(edge: float) -> None:
    sampler = scenario_sampler(ScenarioConfig())
    scenario = sampler.from_uniforms(np.full(sampler.block_size, edge))
    Scenario(**scenario.to_dict())
    assert scenario.data_bit[0] == 32 * (512 * 16 if edge == 0 else 1024 * 64)


def test_constants_of_the_default_scenario(many: Scenario) -> None:
    one = many[0]
    assert one.noise_density_w_per_hz == pytest.approx(10**-19.9)  # −174 + 5 dBm/Hz
    np.testing.assert_allclose(one.server_flop_per_cycle, [4096, 5120])
    np.testing.assert_allclose(one.server_frequency_max_hz, [1.3e9, 1.59e9])
    np.testing.assert_allclose(
        one.server_power_coefficient * one.server_frequency_max_hz**3, [60, 70]
    )
    np.testing.assert_allclose(one.bandwidth_max_hz, 1e7)
    np.testing.assert_allclose(one.downlink_power_w, 20)
    np.testing.assert_allclose(one.local_fraction_min, 1 / 16)
    np.testing.assert_allclose(one.local_fraction_max, 15 / 16)
    np.testing.assert_allclose(one.max_users, 10)
    np.testing.assert_allclose(one.server_position_m, [[250, 0], [-250, 0]], atol=1e-9)


def uniform(low: float, high: float) -> Any:
    return stats.uniform(low, high - low).cdf


@pytest.mark.parametrize(
    ("values", "law"),
    [
        (lambda s: s.transmit_power_max_w, uniform(0.2, 1.0)),
        (lambda s: s.user_frequency_max_hz / 1e9, uniform(0.8, 1.3)),
        (lambda s: s.user_power_coefficient * 1.3e9**3, uniform(3, 6)),
        # Uniform in the disc: the squared distance from the centre is uniform.
        (lambda s: (s.user_position_m**2).sum(-1), uniform(0, 500**2)),
        (lambda s: np.arctan2(*np.moveaxis(s.user_position_m, -1, 0)), None),
    ],
)
def test_laws_of_the_user_parameters(many: Scenario, values: Any, law: Any) -> None:
    law = law or uniform(-np.pi, np.pi)
    assert stats.kstest(values(many).ravel(), law).pvalue > 1e-3


def test_whole_numbers_are_equally_likely(many: Scenario) -> None:
    cores, counts = np.unique(many.user_flop_per_cycle / 512, return_counts=True)
    np.testing.assert_array_equal(cores, [4, 5, 6])
    assert stats.chisquare(counts).pvalue > 1e-3
    # W and D have tokens and sequences as factors: W / D is affine in the tokens d.
    h, r, layers = 2048, 256, 16
    ratio = many.workload_flop / many.data_bit * 32 / layers
    tokens = (ratio - 48 * h**2 - 24 * h * r) / (12 * h)
    np.testing.assert_allclose(tokens, np.round(tokens), atol=1e-6)
    assert (tokens.min().round(), tokens.max().round()) == (512, 1024)
    sequences = many.data_bit / 32 / tokens.round()
    numbers, counts = np.unique(sequences, return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(16, 65))
    assert stats.chisquare(counts).pvalue > 1e-3


def test_law_of_the_gains() -> None:
    config = ScenarioConfig().with_overrides({"radio.fading": "none"})
    shadowed = sample_scenario(config, np.random.default_rng(1), (1000,))
    faded = sample_scenario(ScenarioConfig(), np.random.default_rng(1), (1000,))
    # The same uniforms: the quotient is the fading, of unit mean and exponential.
    fading = (faded.channel_gain / shadowed.channel_gain).ravel()
    assert stats.kstest(fading, stats.expon.cdf).pvalue > 1e-3
    # What path loss leaves over is the shadowing, 8 dB.
    offset = shadowed.user_position_m[:, :, None] - shadowed.server_position_m[:, None]
    distance_m = np.maximum(np.linalg.norm(offset, axis=-1), 10)
    path_loss_db = 128.1 + 37.6 * np.log10(distance_m / 1000)
    shadowing_db = 10 * np.log10(shadowed.channel_gain) + path_loss_db
    assert stats.kstest(shadowing_db.ravel(), stats.norm(0, 8).cdf).pvalue > 1e-3


def test_one_server_stands_in_the_centre() -> None:
    config = ScenarioConfig(users=3, servers=1)
    scenario = sample_scenario(config, np.random.default_rng(0))
    np.testing.assert_array_equal(scenario.server_position_m, [[0, 0]])


def test_servers_take_the_models_in_turn() -> None:
    config = ScenarioConfig.preset("medium-50x10")
    scenario = sample_scenario(config, np.random.default_rng(0))
    np.testing.assert_array_equal(scenario.server_flop_per_cycle, [4096, 5120] * 5)
    distance_m = np.linalg.norm(scenario.server_position_m, axis=-1)
    np.testing.assert_allclose(distance_m, 250)


def test_max_users_reaches_the_scenario() -> None:
    config = ScenarioConfig().with_overrides({"server.max_users": 6})
    scenario = sample_scenario(config, np.random.default_rng(0))
    np.testing.assert_array_equal(scenario.max_users, [6, 6])


def test_each_user_and_server_has_its_own_parameters() -> None:
    # As if all users were like it, and all servers: bit for bit, from the same numbers.
    rng = np.random.default_rng(3)
    for _ in range(40):
        config = random_config(rng)
        blocks = rng.random((3, scenario_sampler(config).block_size))
        drawn = scenario_sampler(config).from_uniforms(blocks)
        Scenario(**drawn.to_dict())
        limits = scenario_sampler(config).field_limits()
        for n in range(config.users):
            same = scenario_sampler(alike(config, "user", n)).from_uniforms(blocks)
            for name in OF_USERS:
                value = getattr(drawn, name)
                np.testing.assert_array_equal(value[:, n], getattr(same, name)[:, n])
                assert limits[name].hold(value).all(), name
        for m in range(config.servers):
            same = scenario_sampler(alike(config, "server", m)).from_uniforms(blocks)
            for name in OF_SERVERS:
                value = getattr(drawn, name)[:, m]
                np.testing.assert_array_equal(value, getattr(same, name)[:, m])


OF_USERS = (
    *("workload_flop", "data_bit", "user_flop_per_cycle", "user_frequency_max_hz"),
    *("user_power_coefficient", "transmit_power_max_w"),
)
OF_SERVERS = (
    *("server_flop_per_cycle", "server_frequency_max_hz", "server_power_coefficient"),
    *("bandwidth_max_hz", "downlink_power_w", "max_users"),
)


def alike(config: ScenarioConfig, per: str, number: int) -> ScenarioConfig:
    """Gives all users, or all servers, the parameters of one of them."""
    changes: dict[str, Any] = {}
    for key, (rule, value) in ruled(config).items():
        if rule.per == per and not rule.always_each and rule.gives_each(value):
            changes[key] = value[number]
        elif per == "server" and not rule.per and key.startswith("server."):
            changes[key] = [value[number % len(value)]]
    if limit := changes.get("server.max_users"):  # it might be too small for all
        changes["server.max_users"] = [None] * config.servers
        changes["server.max_users"][number] = limit
    return config.with_overrides(changes)


def test_given_gains_and_positions_are_as_given() -> None:
    gain_db = [[-80.0, -300.0], [-100.5, -20.0]]
    config = ScenarioConfig(users=2, servers=2).with_overrides(
        {"radio.channel_gain_db": gain_db}
    )
    drawn = sample_scenario(config, np.random.default_rng(0), (5,))
    np.testing.assert_allclose(10 * np.log10(drawn.channel_gain), [gain_db] * 5)
    assert drawn.user_position_m is None  # none that would mislead
    assert drawn.server_position_m is None
    assert not is_fixed(config)  # devices and workloads are drawn
    places = [[3.0, 4.0], [500.0, 0.0]]
    config = ScenarioConfig(users=2, servers=2).with_overrides(
        {
            "layout.user_position_m": places,
            "layout.server_position_m": [[3, 14], [0, 0]],
            "radio.shadowing_std_db": 0,
            "radio.fading": "none",
            "layout.distance_min_m": 1,
        }
    )
    drawn = sample_scenario(config, np.random.default_rng(0), (5,))
    np.testing.assert_array_equal(drawn.user_position_m, [places] * 5)
    # 128.1 + 37.6 log10(km): 10 m and 5 m for the first user.
    loss_db = 128.1 + 37.6 * np.log10([0.01, 0.005])
    np.testing.assert_allclose(-10 * np.log10(drawn.channel_gain[:, 0]), [loss_db] * 5)


def test_what_is_fixed_is_told() -> None:
    fixed = {
        "radio.shadowing_std_db": 0,
        "radio.fading": "none",
        "radio.transmit_power_max_w": [1, 1],
        "layout.user_position_m": [[1, 2], [3, 4]],
        "workload.tokens": [5, 5],
        "workload.sequences": [[6, 6], [7, 7]],
        "device.cores": [[4], [5]],
        "device.frequency_max_ghz": [1, 1],
        "device.power_w": [5, 5],
    }
    config = ScenarioConfig(users=2, servers=3).with_overrides(fixed)
    assert is_fixed(config)
    for key in fixed:
        default = ScenarioConfig().to_dict()[key]
        assert not is_fixed(config.with_overrides({key: default})), key
    assert not is_fixed(config.with_overrides({"device.cores": [[4, 5, 4], [5]]}))


def test_servers_of_very_different_kinds_fit_together() -> None:
    # κ f³ of each is 1 W, though the lowest κ times the lowest f³ is 1e-15 W.
    config = ScenarioConfig().with_overrides(
        {"server.frequency_ghz": [1e-3, 100], "server.power_w": [1, 1]}
    )
    drawn = sample_scenario(config, np.random.default_rng(0))
    power_w = drawn.server_power_coefficient * drawn.server_frequency_max_hz**3
    np.testing.assert_allclose(power_w, 1)
    users = {"device.power_w": [[1, 1], [1, 1]], "device.power_reference_ghz": [1, 1]}
    users |= {"device.frequency_max_ghz": [[1, 1], [1e-5, 1e-5]]}
    with pytest.raises(ValueError, match=r"GPU at full speed .* got 1e-15 W, `user_f"):
        sample_scenario(
            ScenarioConfig(users=2).with_overrides(users), np.random.default_rng(0)
        )


def drawn(overrides: dict[str, Any], count: int = 1000) -> tuple[Scenario, Any, Any]:
    """Scenarios without fading, the laws' mean gains, and the residuals in dB."""
    config = ScenarioConfig().with_overrides({"radio.fading": "none", **overrides})
    s = sample_scenario(config, np.random.default_rng(1), (count,))
    assert s.user_position_m is not None
    mean = scenario_sampler(config).mean_gain(
        s.user_position_m[..., 0], s.user_position_m[..., 1]
    )
    return s, mean, 10 / np.log(10) * (np.log(s.channel_gain) - mean.log_gain)


@pytest.mark.parametrize(("law", "stds"), [("uma", (4, 6)), ("umi", (4, 7.82))])
def test_states_of_sight_and_their_shadowing(law: str, stds: tuple[float, ...]) -> None:
    # Without shadowing every gain is one of the two means, as often as it should be.
    _, mean, residual = drawn(
        {"radio.path_loss": law, "radio.state_shadowing_std_db": [0, 0]}
    )
    fall = 10 / np.log(10) * (mean.log_gain_blocked - mean.log_gain)
    clear = np.isclose(residual, 0, atol=1e-9)
    np.testing.assert_allclose(residual[~clear], fall[~clear], atol=1e-9)
    apart = fall < -1
    spread = np.sqrt(
        (mean.sight_probability * (1 - mean.sight_probability))[apart].sum()
    )
    excess = clear[apart].sum() - mean.sight_probability[apart].sum()
    assert abs(excess) < 4 * spread
    # The same uniforms with shadowing: the states are the same ones.
    _, _, shadowed = drawn({"radio.path_loss": law})
    for state, std in zip((clear, ~clear), stds, strict=True):
        noise = (shadowed - np.where(clear, 0, fall))[state]
        assert stats.kstest(noise, stats.norm(0, std).cdf).pvalue > 1e-3


def test_sub_thz_is_free_space_and_shadowing() -> None:
    _, _, residual = drawn({"radio.path_loss": "sub-thz", "radio.antenna_gain_db": 20})
    assert stats.kstest(residual.ravel(), stats.norm(0, 8).cdf).pvalue > 1e-3


def test_antennas_raise_all_gains_alike() -> None:
    one = sample_scenario(ScenarioConfig(), np.random.default_rng(2))
    config = ScenarioConfig().with_overrides({"radio.antenna_gain_db": 10})
    other = sample_scenario(config, np.random.default_rng(2))
    np.testing.assert_allclose(other.channel_gain, 10 * one.channel_gain, rtol=1e-12)
    assert one.noise_rise is None


def test_noise_rises_go_in_turn() -> None:
    config = ScenarioConfig(servers=3).with_overrides({"server.noise_rise_db": [0, 10]})
    s = sample_scenario(config, np.random.default_rng(0), (4,))
    np.testing.assert_allclose(s.noise_rise, np.tile([1, 10, 1], (4, 1)))
    alike = config.with_overrides({"server.noise_rise_db": 20})
    s = sample_scenario(alike, np.random.default_rng(0))
    np.testing.assert_allclose(s.noise_rise, [100, 100, 100])
    none = config.with_overrides({"server.noise_rise_db": [0, 0]})
    assert sample_scenario(none, np.random.default_rng(0)).noise_rise is None


def test_more_uniforms_only_for_laws_with_states() -> None:
    sizes = {
        law: scenario_sampler(
            ScenarioConfig().with_overrides({"radio.path_loss": law})
        ).block_size
        for law in ("log-distance", "uma", "umi", "sub-thz")
    }
    assert sizes == {"log-distance": 120, "uma": 140, "umi": 140, "sub-thz": 120}
