"""Trajectories from a user's own traces: positions or gains over time, in CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from mec_llm_env._array import Array
from mec_llm_env.mobile.config import MOST_ENTRIES, MobileConfig
from mec_llm_env.mobile.mobility import mobility_sampler
from mec_llm_env.mobile.trajectory import Trajectory
from mec_llm_env.names import did_you_mean
from mec_llm_env.ranges import Limits, shorten
from mec_llm_env.record import checked_numpy
from mec_llm_env.sampling import checked_generator
from mec_llm_env.scenario import FIELD_LIMITS, Scenario
from mec_llm_env.scenario_file.gains import plain_number

_POSITION = ("x_m", "y_m")
_VELOCITY = ("velocity_x_m_per_s", "velocity_y_m_per_s")
_GAIN = "gain_db_"  # and the number of the server
_NUMBERED = ("slot", "user", "job")

_LIMITS = {
    **dict.fromkeys(_NUMBERED, Limits(0, 1e9)),
    **dict.fromkeys(_POSITION, FIELD_LIMITS["user_position_m"]),
    **dict.fromkeys(_VELOCITY, Limits(-1e9, 1e9)),
}
_GAIN_LIMITS = Limits(-300, 0)  # dB, as `Scenario.channel_gain`
_REMEDIES = {
    "slot": "Slots are numbered from 0.",
    "job": "Give any number that is another one when another user takes the row.",
    **dict.fromkeys(_POSITION, "Give metres from the middle of the cell."),
    **dict.fromkeys(_VELOCITY, "Give metres per second, or leave both columns out."),
}
_GAIN_REMEDY = "Give 10·log10 of the gain of power; -300 for a server out of reach."


class _Table(NamedTuple):
    """What the file holds, in order of slots and users. T slots, N users, M servers."""

    path: str
    columns: dict[str, Array]  # [T, N] each

    def pair(self, names: tuple[str, str]) -> Array | None:
        """Returns two columns, [T, N, 2], or None."""
        if names[0] not in self.columns:
            return None
        return np.stack([self.columns[name] for name in names], axis=-1)

    def gain_db(self) -> Array | None:
        """Returns the columns of the servers, [T, N, M] dB, or None."""
        n_servers = sum(name.startswith(_GAIN) for name in self.columns)
        if not n_servers:
            return None
        names = [f"{_GAIN}{m}" for m in range(n_servers)]
        return np.stack([self.columns[name] for name in names], axis=-1)


def read_traces(
    path: str | os.PathLike[str],
    rest: MobileConfig | Scenario,
    rng: np.random.Generator | None = None,
) -> Trajectory:
    """Reads a trajectory from a CSV file of measured or simulated traces.

    The first line names the columns, every other one is a user in a slot, in any order:
    `slot` and `user` count from 0, every user is there once in every slot; `x_m` and
    `y_m` are metres from the middle of the cell; `gain_db_0`, `gain_db_1`, … are gains
    of power to each server, -300 to 0 dB. Positions, gains or both must be there. Two
    more are optional: `velocity_x_m_per_s` and `velocity_y_m_per_s` (else velocities
    are those since the slot before, 0 for users who are new: nothing looks ahead), and
    `job`, a whole number that changes when another user takes the row.

    Args:
        path: of the file.
        rest: what the file does not hold. A `MobileConfig`: devices and workloads are
            drawn for each job, and, where there are no gains, shadowing along the paths
            and fading, as in `sample_trajectory`; slot length and what moving takes are
            the configuration's. A `Scenario`, single: users and servers are as there in
            all slots; the file must have gains then.
        rng: what a `MobileConfig` draws from.

    Returns:
        A trajectory of as many slots as the file has.

    Raises:
        ValueError: the file is damaged, or does not fit to `rest`; the text names
            file, line, column, value and remedy.
        OSError: the file cannot be opened.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`path` must be the path of a file; got {shorten(path)}.")
    if isinstance(rest, MobileConfig):
        checked_generator(rng)
        sizes = rest.users, rest.servers
    elif isinstance(rest, Scenario):
        if checked_numpy(rest, Scenario, "rest").batch_shape:
            raise ValueError(
                "`rest` must be a single scenario, which holds in all slots; got batch "
                f"shape {rest.batch_shape}. Take one of them: rest[0]."
            )
        sizes = rest.n_users, rest.n_servers
    else:
        raise ValueError(
            "`rest` must be a mec_llm_env.MobileConfig or a mec_llm_env.Scenario; got "
            f"{shorten(rest)}."
        )
    table = _read(os.fspath(path), *sizes)
    joined = _joined(table)
    if isinstance(rest, Scenario):
        return _on_scenario(table, rest, joined)
    assert rng is not None
    return _on_config(table, rest, rng, joined)


def _joined(table: _Table) -> Array:
    """Returns who is new, [T, N] bool."""
    joined = np.zeros(table.columns["slot"].shape, dtype=np.bool_)
    if (job := table.columns.get("job")) is not None:
        joined[1:] = job[1:] != job[:-1]
    joined[0] = True
    return joined


def _on_scenario(table: _Table, rest: Scenario, joined: Array) -> Trajectory:
    """Returns the trajectory of gains, all else being a scenario's."""
    gain_db = table.gain_db()
    if gain_db is None:
        raise ValueError(
            f"{table.path!r}, line 1: there must be columns `{_GAIN}0` to "
            f"`{_GAIN}{rest.n_servers - 1}` where `rest` is a Scenario, which knows no "
            "law of path loss. Add them, or give a MobileConfig."
        )
    fields = {
        name: np.broadcast_to(value, (len(joined), *value.shape)).copy()
        for name, value in rest.to_dict().items()
        if name != "serving"
    }
    fields["channel_gain"] = 10 ** (gain_db / 10)
    place = table.pair(_POSITION)
    if place is not None:
        fields["user_position_m"] = place
    velocity = table.pair(_VELOCITY)
    return Trajectory(
        joined=joined, scenario=Scenario(**fields), user_velocity_m_per_s=velocity
    )


def _on_config(
    table: _Table, config: MobileConfig, rng: np.random.Generator, joined: Array
) -> Trajectory:
    """Returns the trajectory of traces, all else being drawn from a configuration."""
    sampler = mobility_sampler(config)
    place, gain_db = table.pair(_POSITION), table.gain_db()
    n_scenario, batch = sampler.scenarios.block_size, joined.shape[:1]
    blocks = rng.random((*batch, sampler.block_size))
    per_user, shadowing, fading, sight = sampler.scenarios.split(blocks[:, :n_scenario])

    # Each user is drawn in the slot in which it joins, and stays what it is.
    slots = np.arange(len(joined))[:, None]
    since = np.maximum.accumulate(np.where(joined, slots, 0), axis=0)
    fields = {
        name: np.take_along_axis(value, since, axis=0)
        for name, value in sampler.scenarios.user_fields(*per_user[2:]).items()
    }
    fields |= sampler.scenarios.constants(batch) | sampler.amounts(batch)
    velocity = table.pair(_VELOCITY)
    if place is not None:
        fields["user_position_m"] = place
        step_m = np.diff(place, axis=0, prepend=place[:1])
        if velocity is None:
            velocity = np.where(joined[..., None], 0.0, step_m)
            velocity = velocity / config.mobility.slot_s
    if gain_db is not None:
        fields["channel_gain"] = 10 ** (gain_db / 10)
    else:
        assert place is not None  # `_check_columns`
        shadowing_db = sampler.scenarios.shadowing_db(shadowing)
        path_m = np.sqrt((step_m**2).sum(axis=-1))
        clear = None if sight is None else [ndtri(sight[0])]
        for t in range(1, len(joined)):
            shadowing_db[t] = sampler.shadowing_onward_db(
                shadowing_db[t - 1], shadowing_db[t], path_m[t], joined[t]
            )
            if clear is not None and sight is not None:
                clear += [
                    sampler.sight_onward(clear[-1], sight[t], path_m[t], joined[t])
                ]
        fields["channel_gain"] = sampler.scenarios.channel_gain(
            *(place[..., 0], place[..., 1], shadowing_db, fading),
            None if clear is None else ndtr(np.stack(clear)),
        )
    return Trajectory(
        joined=joined, scenario=Scenario(**fields), user_velocity_m_per_s=velocity
    )


def _read(path: str, n_users: int, n_servers: int) -> _Table:
    """Reads and checks the file.

    Raises:
        ValueError: it is damaged, or of other sizes.
    """
    numbers: list[list[float]] = []
    lines: dict[tuple[int, int], int] = {}  # of a slot and a user
    names: list[str] = []
    # Bytes that are no text become characters that are no numbers, and are named.
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        for line, cells in _rows(path, file):
            if not names:
                names = _checked_columns(path, line, cells, n_servers)
                continue
            row = _checked_row(path, line, names, cells, n_users)
            key = int(row[names.index("slot")]), int(row[names.index("user")])
            if key in lines:
                raise ValueError(
                    f"{path!r}, line {line}: user {key[1]} in slot {key[0]} is already "
                    f"in line {lines[key]}. Leave one of the two out."
                )
            lines[key] = line
            numbers.append(row)
            if len(numbers) * n_servers > MOST_ENTRIES:
                raise ValueError(
                    f"{path!r}, line {line}: slots × users × servers must be at most "
                    f"{MOST_ENTRIES:,}; got more. Cut it into several files."
                )
    if not numbers:
        raise ValueError(
            f"{path!r} holds no slots. Its first line must name the columns, every "
            "other one is a user in a slot."
        )
    n_slots = max(slot for slot, _ in lines) + 1
    wanted = ((slot, user) for slot in range(n_slots) for user in range(n_users))
    for slot, user in wanted if len(lines) < n_slots * n_users else ():
        if (slot, user) not in lines:
            raise ValueError(
                f"{path!r}: each of the {n_users} users of `rest` must be there once "
                f"in every slot from 0 to {n_slots - 1}; got no line for user {user} "
                f"in slot {slot}. Add it."
            )
    keys = np.array(list(lines))
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    shape = (n_slots, n_users)
    values = np.array(numbers)[order]
    return _Table(
        path=path,
        columns={name: values[:, i].reshape(shape) for i, name in enumerate(names)},
    )


def _rows(path: str, file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the lines that are not blank: their numbers, from 1, and their cells."""
    reader = csv.reader(file, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{path!r}, line {reader.line_num}: is not valid CSV: {error}."
            ) from error
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield reader.line_num, cells


def _checked_columns(
    path: str, line: int, names: list[str], n_servers: int
) -> list[str]:
    """Returns the names of the columns.

    Raises:
        ValueError: one is unknown, there twice, or missing.
    """
    where = f"{path!r}, line {line}"
    gains = [f"{_GAIN}{m}" for m in range(n_servers)]
    known = [*_NUMBERED, *_POSITION, *_VELOCITY, *gains]
    for i, name in enumerate(names):
        if name not in known:
            hint = did_you_mean(name, known)
            if name.startswith(_GAIN):
                hint = f" `rest` has {n_servers} servers, numbered from 0."
            raise ValueError(
                f"{where}: there is no column {shorten(name)}.{hint} Columns are "
                f"{', '.join([*known[:7], *gains[:1]])}, …, separated by commas."
            )
        if name in names[:i]:
            raise ValueError(f"{where}: column `{name}` is there twice. Leave one out.")
    needed = {"slot": names, "user": names}
    for group in (_POSITION, _VELOCITY, gains):
        if given := [name for name in group if name in names]:
            needed |= dict.fromkeys(group, given)
    for name, beside in needed.items():
        if name not in names:
            raise ValueError(
                f"{where}: lacks column `{name}` beside `{beside[0]}`. Add it."
            )
    if not set(names) & {*_POSITION, *gains}:
        raise ValueError(
            f"{where}: there must be columns `x_m` and `y_m`, or `{gains[0]}` to "
            f"`{gains[-1]}`, or all of them. Add them."
        )
    return names


def _checked_row(
    path: str, line: int, names: list[str], cells: list[str], n_users: int
) -> list[float]:
    """Returns the numbers of a line.

    Raises:
        ValueError: one is none, or outside of its range.
    """
    if len(cells) != len(names):
        raise ValueError(
            f"{path!r}, line {line}: must have {len(names)} entries, one a column; got "
            f"{len(cells)}."
        )
    return [
        _checked_number(path, line, name, cell, n_users)
        for name, cell in zip(names, cells, strict=True)
    ]


def _checked_number(path: str, line: int, name: str, cell: str, n_users: int) -> float:
    limits = _LIMITS.get(name, _GAIN_LIMITS)
    if name == "user":
        limits = Limits(0, n_users - 1)
    value, whole = plain_number(cell), name in _NUMBERED
    if value is not None and whole and value % 1 != 0:
        value = None
    if value is not None and limits.lowest <= value <= limits.highest:
        return value
    kind = "a whole number" if whole else "a number"
    remedy = _REMEDIES.get(name, _GAIN_REMEDY)
    if name == "user":
        remedy = f"`rest` has {n_users} users, numbered from 0."
    raise ValueError(
        f"{path!r}, line {line}, column `{name}`: must be {kind} from {limits}; got "
        f"{shorten(cell)}. {remedy}"
    )
