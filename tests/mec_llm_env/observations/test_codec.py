from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mec_llm_env import PRESETS, Scenario, ScenarioConfig, evaluate, sample_scenario
from mec_llm_env.observations import (
    ENCODINGS,
    LIMIT,
    OBSERVABLE,
    ObservationCodec,
    Shared,
)
from mec_llm_env.observations.columns import _GAIN, _SERVER, _USER
from mec_llm_env.sampling import GAIN_LIMITS
from mec_llm_env.scenario import FIELD_LIMITS
from tests.mec_llm_env.cases import equal_allocation


def assert_same(decoded: Scenario, scenario: Scenario) -> None:
    for name, value in decoded.to_dict().items():
        expected = getattr(scenario, name)
        assert value.shape == expected.shape
        np.testing.assert_allclose(value, expected, rtol=1e-5, err_msg=name)
    absent = scenario.to_dict().keys() - decoded.to_dict().keys()
    assert absent <= {"user_position_m", "server_position_m"}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("preset", PRESETS)
def test_drawn_scenarios_are_kept(preset: str, encoding: str) -> None:
    config = ScenarioConfig.preset(preset)
    batch = (2,) if config.users > 100 else (2, 20)
    scenario = sample_scenario(config, np.random.default_rng(0), batch)
    size = config.users, config.servers
    codec = ObservationCodec(*size, encoding, shared=Shared.of(config))
    observation = codec.encode(scenario)
    leaves = observation.values() if encoding == "tokens" else [observation]
    for leaf in leaves:
        assert leaf.dtype == np.float32
        # About ±3 in practice; a band of 1 GHz is a hundred times the centre, 9.2.
        assert np.abs(leaf).max() < (9.5 if preset == "6g-subthz-10x2" else 6)
    assert_same(codec.decode(observation), scenario)


def fields_in_range(n_users: int, n_servers: int) -> Any:
    """Strategy of scenarios anywhere in the range of the encoding."""

    def values(scale: Any, *shape: int, highest: float = LIMIT - 1e-6) -> Any:
        size = int(np.prod(shape, dtype=int))
        unit = st.floats(-LIMIT + 1e-6, highest)
        units = st.lists(unit, min_size=size, max_size=size)
        return units.map(
            lambda u: scale.centre * np.exp(scale.spread * np.reshape(u, shape))
        )

    most = -math.log(_GAIN.centre) / _GAIN.spread  # a gain of 1
    fields = {"channel_gain": values(_GAIN, n_users, n_servers, highest=most)}
    fields |= {k: values(s, n_users) for k, s in _USER.items()}
    fields |= {k: values(s, n_servers) for k, s in _SERVER.items()}
    fields["noise_density_w_per_hz"] = values(_SERVER["noise_density_w_per_hz"])
    fractions = st.tuples(*[st.floats(0.01, 0.99)] * 2).map(sorted)
    pairs = st.lists(fractions, min_size=n_users, max_size=n_users).map(np.array)
    slots = st.integers(-(-n_users // n_servers), 2 * n_users)
    slots = st.lists(slots, min_size=n_servers, max_size=n_servers)

    def build(fields: dict[str, Any], pairs: Any, slots: list[int]) -> Scenario:
        fields["local_fraction_min"], fields["local_fraction_max"] = pairs.T
        np.minimum(fields["channel_gain"], 1, out=fields["channel_gain"])
        return Scenario(**fields, max_users=slots)

    return st.builds(build, st.fixed_dictionaries(fields), pairs, slots)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_round_trip_of_any_scenario(data: Any) -> None:
    n_users = data.draw(st.integers(1, 4))
    n_servers = data.draw(st.integers(1, 3))
    scenario = data.draw(fields_in_range(n_users, n_servers))
    for encoding in ENCODINGS:
        codec = ObservationCodec(n_users, n_servers, encoding)
        observation = codec.encode(scenario)
        assert codec.space.contains(observation)
        decoded = codec.decode(observation)
        kept = dataclasses.replace(
            scenario, max_users=np.minimum(scenario.max_users, n_users)
        )
        assert_same(decoded, kept)
        Scenario(**decoded.to_dict())  # passes every check, crossed fractions too


def test_both_encodings_hold_the_same_numbers() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (3,))
    flat = ObservationCodec(10, 2).encode(scenario)
    tokens = ObservationCodec(10, 2, "tokens").encode(scenario)
    assert flat.shape == (3, 124)
    joined = [tokens["users"].reshape(3, -1), tokens["servers"].reshape(3, -1)]
    np.testing.assert_array_equal(flat, np.concatenate(joined, axis=-1))


def test_the_objective_survives_the_encoding() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(3))
    codec = ObservationCodec(10, 2)
    decoded = codec.decode(codec.encode(scenario))
    allocation = equal_allocation(scenario, np.arange(10) % 2)
    expected = evaluate(scenario, allocation).scr
    actual = evaluate(decoded, allocation, check=False).scr
    assert actual == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rise_db", [[0, 10], [3, 20], [40, 0]])
def test_the_noise_that_servers_hear_is_observed(rise_db: list[float]) -> None:
    config = ScenarioConfig().with_overrides({"server.noise_rise_db": rise_db})
    rise = 10 ** (np.array(rise_db) / 10)
    s = sample_scenario(config, np.random.default_rng(3), (2,))
    codec = ObservationCodec(10, 2, "tokens", shared=Shared(rise))
    plain = ObservationCodec(10, 2, "tokens")
    seen = codec.encode(s)
    # The spread of the noise is one neper: its column is where it is higher.
    before = plain.encode(dataclasses.replace(s, noise_rise=None))["servers"]
    difference = seen["servers"] - before
    np.testing.assert_allclose(difference[0, :, 5], np.log(rise), rtol=1e-5)
    assert (np.delete(difference, 5, axis=-1) == 0).all()
    decoded = codec.decode(seen)
    np.testing.assert_allclose(
        decoded.noise_density_w_per_hz, s.noise_density_w_per_hz, rtol=1e-5
    )
    np.testing.assert_array_equal(decoded.noise_rise, s.noise_rise)
    z = equal_allocation(s[0], np.arange(10) % 2)
    expected = evaluate(s[0], z).scr
    assert evaluate(decoded[0], z, check=False).scr == pytest.approx(expected, rel=1e-5)


def test_another_noise_rise_than_the_observed_one_is_refused() -> None:
    s = sample_scenario(ScenarioConfig(), np.random.default_rng(3))
    rise = dataclasses.replace(s, noise_rise=np.array([1.0, 10.0]))
    with pytest.raises(
        ValueError,
        match=r"got 10 instead of 1 for server 1. .*`server.noise_rise_db`, there 10",
    ):
        ObservationCodec(10, 2).encode(rise)
    codec = ObservationCodec(10, 2, shared=Shared(np.array([2.0, 2.0])))
    with pytest.raises(ValueError, match="got 1 instead of 2 for server 0"):
        codec.encode(s)
    ones = dataclasses.replace(s, noise_rise=np.ones(2))
    np.testing.assert_array_equal(
        ObservationCodec(10, 2).encode(ones), ObservationCodec(10, 2).encode(s)
    )


@pytest.mark.parametrize(
    ("name", "factor"),
    [("channel_gain", 1e-14), ("workload_flop", 1e4), ("bandwidth_max_hz", 1e3)],
)
def test_scenarios_outside_the_box_are_refused(name: str, factor: float) -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    value = getattr(scenario, name) * factor
    changed = dataclasses.replace(scenario, **{name: value})
    with pytest.raises(ValueError, match=f"`{name}` must be from .* to .* to be obs"):
        ObservationCodec(10, 2).encode(changed)


def test_bad_calls_are_named() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="`observation_encoding` must be one of flat"):
        ObservationCodec(10, 2, "image")
    with pytest.raises(ValueError, match="must have 4 users and 2 servers; got 10"):
        ObservationCodec(4, 2).encode(scenario)
    with pytest.raises(ValueError, match=r"\(124,\).* got \(9,\)"):
        ObservationCodec(10, 2).decode(np.zeros(9, np.float32))
    observation = ObservationCodec(10, 2).encode(scenario)
    observation[13] = np.nan
    with pytest.raises(
        ValueError, match=r"finite; got nan at index \(1, 2\) of its use"
    ):
        ObservationCodec(10, 2).decode(observation)
    for entry, value, text in (
        (13, 10.5, r"from -10 to 10; got 10.5 at index \(1, 2\) of its users"),
        (-2, -np.inf, r"be finite; got -inf at index \(1, 5\) of its servers"),
        (-2, -11, r"from -10 to 10; got -11.0 at index \(1, 5\) of its servers"),
        (-1, np.nan, r"be finite; got nan at index \(1, 6\) of its servers"),
        (-1, -1.5, r"from -1 to 1; got -1.5 at index \(1,\) of its slots \(`max_use"),
    ):
        wrong = ObservationCodec(10, 2).encode(scenario)
        wrong[entry] = value
        with pytest.raises(ValueError, match=text):
            ObservationCodec(10, 2).decode(wrong)
    for wrong in ("text", None, [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="`observation` must be an array of real"):
            ObservationCodec(10, 2).decode(wrong)
    tokens = ObservationCodec(10, 2, "tokens")
    for wrong in (None, {"users": 1}, {1: 2, "users": 3}, observation):
        with pytest.raises(ValueError, match="a dictionary with keys 'users' and"):
            tokens.decode(wrong)


def test_rounding_stays_within_what_is_physical() -> None:
    """A gain of 1 and a share of nearly 1 would else come back as more than that."""
    s = sample_scenario(ScenarioConfig(users=2), np.random.default_rng(0))
    below = 1 - 1e-8 * np.arange(100)  # some of which are rounded up by float32
    highest = FIELD_LIMITS["local_fraction_max"].highest
    edges = Scenario.stack([s] * 100).to_dict()
    edges["channel_gain"] = np.broadcast_to(below[:, None, None], (100, 2, 2))
    edges["local_fraction_max"] = highest * np.broadcast_to(below[:, None], (100, 2))
    edge = Scenario(**edges)
    codec = ObservationCodec(2, 2)
    decoded = codec.decode(codec.encode(edge))
    assert decoded.channel_gain.max() == 1
    assert decoded.local_fraction_max.max() == highest
    Scenario(**decoded.to_dict())
    assert_same(decoded, edge)


def test_the_box_lies_within_the_ranges_of_a_scenario() -> None:
    for name, scale in {**_USER, **_SERVER}.items():
        lowest, highest = OBSERVABLE[name]
        assert lowest == scale.range[0] > FIELD_LIMITS[name].lowest, name
        assert highest <= FIELD_LIMITS[name].highest, name
    assert OBSERVABLE["channel_gain"] == (_GAIN.range[0], 1)
    assert OBSERVABLE["channel_gain"].lowest < GAIN_LIMITS.lowest
