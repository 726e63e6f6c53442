from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mec_llm_env import MobileConfig, sample_trajectory
from mec_llm_env.mobile.observations import MobileObservation, MobileObservationCodec
from mec_llm_env.observations import ENCODINGS, ObservationCodec
from tests.junk import JUNK


def drawn(
    config: MobileConfig, rng: np.random.Generator, batch: tuple[int, ...]
) -> MobileObservation:
    """Slots of trajectories, with servers and sums over many orders of magnitude."""
    trajectory = sample_trajectory(config, rng, batch)
    slot = rng.integers(config.mobility.slots, size=batch)
    index = (*np.indices(batch), slot)
    shape = (*batch, config.users, config.servers)
    serving = rng.random(shape).argmax(axis=-1)[..., None] == np.arange(config.servers)
    serving = serving & (rng.random(shape[:-1]) < 0.8)[..., None]
    scale = 10 ** rng.uniform(-3, 9)
    return MobileObservation(
        slot=slot,
        scenario=dataclasses.replace(
            trajectory.scenario[index],
            serving=serving,
            migration_delay_s=rng.choice([0, scale], size=shape[:-1]),
            migration_energy_j=rng.uniform(0, scale, shape[:-1]),
        ),
        user_velocity_m_per_s=trajectory.user_velocity_m_per_s[index],  # type: ignore[index]
        score=10 ** rng.uniform(-3, 6, batch),
        cost=10 ** rng.uniform(-3, 9, batch),
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("seed", range(10))
def test_lossless(encoding: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, servers, slots = (int(i) for i in rng.integers(1, (20, 6, 2000)))
    config = MobileConfig().with_overrides(
        {
            **{"users": users, "servers": servers, "mobility.slots": slots},
            "layout.cell_radius_m": float(10 ** rng.uniform(2, 4)),
        }
    )
    batch = [(), (3,), (2, 3)][seed % 3]
    given = drawn(config, rng, batch)
    codec = MobileObservationCodec(config, encoding)
    observation = codec.encode(given)
    member = observation
    for _ in batch:
        member = (
            {k: v[0] for k, v in member.items()}
            if isinstance(member, dict)
            else member[0]
        )
    assert codec.space.contains(member)
    back = codec.read(observation)
    np.testing.assert_array_equal(back.slot, given.slot)
    np.testing.assert_array_equal(back.joined, given.joined)
    for name in ("scr", "score", "cost"):
        np.testing.assert_allclose(getattr(back, name), getattr(given, name), rtol=1e-5)
    radius_m = config.layout.cell_radius_m
    np.testing.assert_allclose(
        back.user_velocity_m_per_s,
        given.user_velocity_m_per_s,
        rtol=1e-5,
        atol=1e-6 * radius_m / config.mobility.slot_s,
    )
    for name, value in given.scenario.to_dict().items():
        atol = 1e-6 * radius_m if "position" in name else 0
        np.testing.assert_allclose(
            getattr(back.scenario, name), value, rtol=1e-5, atol=atol, err_msg=name
        )
    decoded = codec.decode(observation)
    np.testing.assert_array_equal(decoded.serving, given.scenario.serving)
    type(decoded)(**decoded.to_dict())  # passes the checks of a user's own


def test_columns() -> None:
    config = MobileConfig().with_overrides({"users": 3, "servers": 2})
    given = drawn(config, np.random.default_rng(0), ())
    tokens = MobileObservationCodec(config, "tokens").encode(given)
    plain = dataclasses.replace(given.scenario, serving=None)
    first = ObservationCodec(3, 2, "tokens").encode(plain)
    np.testing.assert_array_equal(tokens["users"][:, :11], first["users"])
    np.testing.assert_array_equal(tokens["servers"][:, :7], first["servers"])
    flat = MobileObservationCodec(config).encode(given)
    np.testing.assert_array_equal(
        flat, np.concatenate([tokens["users"].ravel(), tokens["servers"].ravel()])
    )
    s, radius_m = given.scenario, config.layout.cell_radius_m
    assert s.user_position_m is not None
    assert s.server_position_m is not None
    np.testing.assert_allclose(tokens["users"][:, 11:13], s.serving)
    np.testing.assert_allclose(
        tokens["users"][:, 13:],
        np.stack(
            [
                np.log(1 + s.migration_delay_s) / 4,
                np.log(1 + s.migration_energy_j) / 4,
                *(s.user_position_m.T / radius_m),
                *np.arcsinh(given.user_velocity_m_per_s.T * 60 / radius_m),
            ],
            axis=-1,
        ),
        rtol=1e-5,
        atol=1e-6,
    )
    own = tokens["servers"][:, 7:]
    np.testing.assert_allclose(own[:, :2], s.server_position_m / radius_m, rtol=1e-5)
    for row in own[:, 2:]:  # of the episode: repeated at every server
        np.testing.assert_allclose(
            row,
            [
                2 * given.slot / 50 - 1,
                np.log(1 + given.score / given.cost) / 4,
                np.log(1 + given.cost) / 4,
            ],
            rtol=1e-5,
        )


def test_sums_beyond_the_box_are_cut_not_refused() -> None:
    """Whatever is decided, an episode goes on."""
    codec = MobileObservationCodec(MobileConfig())
    given = drawn(MobileConfig(), np.random.default_rng(0), ())
    huge = codec.encode(dataclasses.replace(given, cost=1e300))
    assert codec.space.contains(huge)
    assert codec.read(huge).cost == pytest.approx(np.expm1(40))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_mistakes(encoding: str) -> None:
    config = MobileConfig()
    codec = MobileObservationCodec(config, encoding)
    given = drawn(config, np.random.default_rng(0), (2,))
    observation = codec.encode(given)
    for name in ("users", "servers"):
        for column in (0, -1):
            wrong = codec.encode(given)
            rows: Any = dict(
                zip(("users", "servers"), codec.unpack(wrong), strict=True)
            )
            rows[name][1, 0, column] = np.nan
            with pytest.raises(ValueError, match=rf"must be finite; got nan.*{name}"):
                codec.decode(wrong)
    with pytest.raises(ValueError, match=r"`observation` must be a mec_llm_env\.Mob"):
        codec.encode(given.scenario)  # type: ignore[arg-type]
    small = MobileObservationCodec(config.with_overrides({"users": 4}), encoding)
    with pytest.raises(ValueError, match="must have 4 users and 2 servers; got 10"):
        small.encode(given)
    with pytest.raises(ValueError, match="must have shape"):
        small.decode(observation)
    for junk in JUNK:
        with pytest.raises(ValueError, match=r"[Tt]he observation|`observation"):
            codec.decode(junk)
    with pytest.raises(ValueError, match="`observation_encoding` must be one of"):
        MobileObservationCodec(config, "x")
