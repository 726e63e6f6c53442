"""Own traces: what is read, what is drawn, and every mistake by its place."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mec_llm_env import (
    MobileConfig,
    Scenario,
    Trajectory,
    read_traces,
    sample_scenario,
    sample_trajectory,
)
from mec_llm_env.mobile.env import MecLlmMobileEnv
from tests.junk import JUNK
from tests.mec_llm_env.cases import damaged

SIZE = {"users": 3, "servers": 2, "mobility.slots": 5}


def config(**overrides: Any) -> MobileConfig:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return MobileConfig().with_overrides(SIZE | keys)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def text_of(trajectory: Trajectory, *kinds: str) -> str:
    """The CSV of a drawn trajectory, of those kinds of columns; rows in odd order."""
    s = trajectory.scenario
    rows: list[dict[str, Any]] = []
    jobs = trajectory.joined.cumsum(axis=0)
    assert s.user_position_m is not None
    assert trajectory.user_velocity_m_per_s is not None
    for t, n in np.ndindex(trajectory.joined.shape):
        row: dict[str, Any] = {"slot": t, "user": n}
        if "positions" in kinds:
            row |= dict(zip(("x_m", "y_m"), s.user_position_m[t, n], strict=True))
        if "gains" in kinds:
            gain_db = 10 * np.log10(s.channel_gain[t, n])
            row |= {f"gain_db_{m}": value for m, value in enumerate(gain_db)}
        if "velocities" in kinds:
            names = "velocity_x_m_per_s", "velocity_y_m_per_s"
            velocity = trajectory.user_velocity_m_per_s[t, n]
            row |= dict(zip(names, velocity, strict=True))
        if "jobs" in kinds:
            row["job"] = jobs[t, n]
        rows.append(row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["user"], -row["slot"])))
    return file.getvalue()


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "traces.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("seed", range(10))
def test_a_trajectory_comes_back(seed: int, tmp_path: Path) -> None:
    users, servers, slots = (int(i) for i in rng(seed).integers(1, (12, 5, 20)))
    of = MobileConfig().with_overrides(
        {
            **{"users": users, "servers": servers, "mobility.slots": slots},
            "mobility.job_end_probability": 0.2,
        }
    )
    drawn = sample_trajectory(of, rng(seed))
    kinds = ("positions", "gains", "velocities", "jobs")
    back = read_traces(write(tmp_path, text_of(drawn, *kinds)), of, rng(seed))
    np.testing.assert_array_equal(back.joined, drawn.joined)
    np.testing.assert_array_equal(
        back.user_velocity_m_per_s, drawn.user_velocity_m_per_s
    )
    for name in ("user_position_m", "server_position_m", "migration_delay_s"):
        np.testing.assert_array_equal(
            getattr(back.scenario, name), getattr(drawn.scenario, name)
        )
    np.testing.assert_allclose(
        back.scenario.channel_gain, drawn.scenario.channel_gain, rtol=1e-12
    )
    # The devices are those of the same generator in the first slot; they change when
    # others join, and then only.
    for name in ("data_bit", "user_frequency_max_hz", "transmit_power_max_w"):
        value = getattr(back.scenario, name)
        np.testing.assert_array_equal(value[0], getattr(drawn.scenario, name)[0])
        changed = value[1:] != value[:-1]
        assert not (changed & ~back.joined[1:]).any()
        assert changed[back.joined[1:]].sum() >= 0.9 * back.joined[1:].sum()


def test_positions_alone_have_the_law_of_the_configuration(tmp_path: Path) -> None:
    of = config(mobility__job_end_probability=0.2)
    drawn = sample_trajectory(of, rng(3))
    path = write(tmp_path, text_of(drawn, "positions", "jobs"))
    flat = of.with_overrides({"radio.shadowing_std_db": 0})
    got = read_traces(path, flat, rng()).scenario
    place, servers = got.user_position_m, got.server_position_m
    km = np.linalg.norm(place[:, :, None] - servers[:, None], axis=-1) / 1000  # type: ignore[index]
    wanted = -128.1 - 37.6 * np.log10(np.maximum(km, 0.01))
    np.testing.assert_allclose(10 * np.log10(got.channel_gain), wanted, rtol=1e-12)
    again = read_traces(path, of, rng(5)).scenario.channel_gain
    assert (again != read_traces(path, of, rng(6)).scenario.channel_gain).all()
    np.testing.assert_array_equal(
        again, read_traces(path, of, rng(5)).scenario.channel_gain
    )


def test_shadowing_is_kept_along_the_path(tmp_path: Path) -> None:
    """Who stands still keeps it; 200 m are a factor of 1/e; who joins has another."""
    lines = ["slot,user,x_m,y_m,job"]
    for t, x in enumerate([0, 0, 200, 200]):
        lines += [f"{t},{n},{x},0,{t // 3}" for n in range(2000)]
    of = config(users=2000, mobility__slots=4)
    got = read_traces(write(tmp_path, "\n".join(lines)), of, rng())
    place, servers = got.scenario.user_position_m, got.scenario.server_position_m
    km = np.linalg.norm(place[:, :, None] - servers[:, None], axis=-1) / 1000  # type: ignore[index]
    mean_db = -128.1 - 37.6 * np.log10(np.maximum(km, 0.01))
    shadowing = 10 * np.log10(got.scenario.channel_gain) - mean_db
    np.testing.assert_allclose(shadowing[1], shadowing[0], atol=1e-9)
    slots = shadowing.reshape(4, -1)
    assert slots.std(axis=1) == pytest.approx(8, rel=0.05)
    kept = np.corrcoef(slots[1], slots[2])[0, 1]
    assert kept == pytest.approx(np.exp(-1), abs=0.05)
    assert abs(np.corrcoef(slots[2], slots[3])[0, 1]) < 0.05
    assert got.joined[3].all()
    assert not got.joined[1:3].any()


def test_velocities_are_those_that_have_been(tmp_path: Path) -> None:
    text = """slot,user,x_m,y_m,job
0,0,0,0,7
1,0,60,0,7
2,0,60,-120,7
3,0,0,0,8
4,0,6,0,8
"""
    of = config(users=1)
    got = read_traces(write(tmp_path, text), of, rng()).user_velocity_m_per_s
    wanted = [[0, 0], [1, 0], [0, -2], [0, 0], [0.1, 0]]  # a slot is 60 s
    np.testing.assert_allclose(got, np.array(wanted)[:, None])


def test_gains_with_a_scenario(tmp_path: Path) -> None:
    scenario = sample_scenario(config(), rng(1))
    drawn = sample_trajectory(config(), rng(2))
    path = write(tmp_path, text_of(drawn, "gains", "jobs"))
    got = read_traces(path, scenario)
    assert got.n_slots == 5
    np.testing.assert_allclose(
        got.scenario.channel_gain, drawn.scenario.channel_gain, rtol=1e-12
    )
    for name in ("data_bit", "bandwidth_max_hz", "user_position_m"):
        for t in range(5):
            np.testing.assert_array_equal(
                getattr(got.slot(t), name), getattr(scenario, name)
            )
    assert got.user_velocity_m_per_s is None
    env = MecLlmMobileEnv(overrides=SIZE)
    env.reset(options={"trajectory": got})
    for t in range(5):
        terminated = env.step(env.action_space.sample())[2]
        assert terminated == (t == 4)


def test_gains_without_positions_have_none(tmp_path: Path) -> None:
    path = write(tmp_path, text_of(sample_trajectory(config(), rng()), "gains"))
    got = read_traces(path, config(), rng())
    assert got.scenario.user_position_m is None
    assert got.user_velocity_m_per_s is None
    assert got.joined[0].all()
    assert not got.joined[1:].any()


def test_what_spreadsheets_write_is_read(tmp_path: Path) -> None:
    plain = text_of(sample_trajectory(config(), rng()), "positions", "jobs")
    wanted = read_traces(write(tmp_path, plain), config(), rng())
    odd = "\ufeff" + plain.replace(",", " , ").replace("\r\n", "\n\n")
    quoted = re.sub(r"[^,\r\n]+", r'"\g<0>"', plain)
    for text in (odd, quoted, plain.replace("\r\n", "\r")):
        got = read_traces(write(tmp_path, text), config(), rng())
        np.testing.assert_array_equal(
            got.scenario.channel_gain, wanted.scenario.channel_gain
        )


GOOD = "slot,user,x_m,y_m,gain_db_0,gain_db_1\n" + "".join(
    f"{t},{n},{10 * t},{n},-9{n},-100\n" for t in range(2) for n in range(3)
)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "0,1,0",
            "0,1,abc",
            r"line 3, column `x_m`: must be a number .* got 'abc'. Gi",
        ),
        ("0,1,0", "0,1,", "line 3, column `x_m`: must be a number .*; got ''"),
        ("0,1,0", "0,1,nan", "line 3, column `x_m`: .* got 'nan'. Give metres"),
        ("0,1,0", "0,1,1e999", "line 3, column `x_m`: .* got '1e999'"),
        ("0,1,0", "0,1,1_0", "line 3, column `x_m`: .* got '1_0'"),
        ("0,1,0", "0,1,١", "line 3, column `x_m`: .* got '١'"),
        ("-91", "91", r"line 3, column `gain_db_0`: .*-300 to 0; got '91'. Give 10"),
        ("0,1,0", "0,1.5,0", "line 3, column `user`: must be a whole number from 0 to"),
        ("0,1,0", "0,3,0", "line 3, column `user`: .* 0 to 2; got '3'. `rest` has 3 u"),
        ("0,1,0", "-1,1,0", "line 3, column `slot`: .* got '-1'. Slots are numbered"),
        ("0,1,0", "0,0,0", "line 3: user 0 in slot 0 is already in line 2"),
        (
            "0,1,0",
            "1000000,1,0",
            "0 to 1000000; got no line for user 1 in slot 0. Add it",
        ),
        (
            "0,1,0,1,-91,-100\n",
            "",
            "each of the 3 users .* 0 to 1; got no line for user 1 in slot 0",
        ),
        ("0,1,0,1,-91", "0,1,0,1", "line 3: must have 6 entries, .*; got 5"),
        ("slot,", "slots,", "line 1: there is no column 'slots'. Did you mean 'slot'"),
        (",x_m", ",user", "line 1: column `user` is there twice"),
        ("gain_db_1", "gain_db_2", "no column 'gain_db_2'. `rest` has 2 servers"),
        ("gain_db_0,gain_db_1", "gain_db_0,job", "lacks column `gain_db_1` beside"),
        ("x_m,y_m", "x_m,job", "line 1: lacks column `y_m` beside `x_m`"),
        ("slot,user", "job,user", "line 1: lacks column `slot` beside `job`"),
        (",", ";", "there is no column 'slot;user;.*separated by commas"),
        ("0,1,0", '0,1,"0', "line .*: is not valid CSV|line 3"),
        ("0,1,0", "0,1," + "1" * 200_000, "line 3: is not valid CSV: field larger"),
    ],
)
def test_mistakes(old: str, new: str, text: str, tmp_path: Path) -> None:
    assert old in GOOD
    count = -1 if old == "," else 1
    path = write(tmp_path, GOOD.replace(old, new, count))
    with pytest.raises(ValueError, match=text) as caught:
        read_traces(path, config(), rng())
    assert str(caught.value).startswith(repr(str(path)))


def test_more_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    scenario = sample_scenario(config(), rng())
    read_traces(path, config(), rng())
    read_traces(path, scenario)
    with pytest.raises(ValueError, match=r"`rng` must be a numpy.random.Generator"):
        read_traces(path, config())
    with pytest.raises(
        ValueError, match=r"`rest` must be a single scenario.*rest\[0\]"
    ):
        read_traces(path, sample_scenario(config(), rng(), (2,)))
    with pytest.raises(FileNotFoundError):
        read_traces(tmp_path / "none.csv", config(), rng())
    for junk in JUNK:
        with pytest.raises(ValueError, match=r"`rest` must (be|hold)|got no line"):
            read_traces(path, junk, rng())
        if not isinstance(junk, str):
            with pytest.raises(ValueError, match="`path` must be the path of a file"):
                read_traces(junk, config(), rng())
    for text in ("", "\n \n", "slot,user,x_m,y_m\n"):
        with pytest.raises(ValueError, match=r"holds no slots\. Its first line must"):
            read_traces(write(tmp_path, text), config(), rng())
    with pytest.raises(ValueError, match="line 1: there must be columns `x_m` and"):
        read_traces(write(tmp_path, "slot,user\n0,0\n"), config(users=1), rng())
    only_places = write(tmp_path, "slot,user,x_m,y_m\n0,0,1,2\n")
    with pytest.raises(ValueError, match=r"which knows no law of path loss\. Add them"):
        read_traces(only_places, sample_scenario(config(users=1), rng()))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_refused_or_read(seed: int, tmp_path: Path) -> None:
    """A changed digit cannot be seen; all else is named, and nothing else is raised."""
    of = config(mobility__job_end_probability=0.2)
    kinds = ("positions", "gains", "velocities", "jobs")
    content = text_of(sample_trajectory(of, rng(seed)), *kinds).encode()
    random = rng(seed)
    texts: list[str] = []
    for _ in range(300):
        path = write(tmp_path, damaged(random, content))
        try:
            got = read_traces(path, of, rng())
        except ValueError as error:
            texts.append(str(error))
        else:
            assert isinstance(got, Trajectory)
            Scenario(**got.scenario.to_dict())
    assert len(texts) > 150
    for text in texts:
        assert text.startswith(repr(str(path)))
        assert re.search(r"line \d+|holds no slots|got no line for", text)
