"""`Trajectory`: the slots of an episode, which no decision changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.mobile.config import MobileConfig
from mec_llm_env.mobile.mobility import MobilityState, mobility_sampler
from mec_llm_env.names import by_name
from mec_llm_env.ranges import Limits, integer_argument, shorten
from mec_llm_env.record import (
    ArrayRecord,
    StoredRecord,
    as_floats,
    checked_numpy,
    first_index,
)
from mec_llm_env.sampling import checked_batch_shape, checked_generator
from mec_llm_env.scenario import Scenario

# Limits, unit and axes after those of users.
_OPTIONAL: dict[str, tuple[Limits, str, tuple[int, ...]]] = {
    "user_velocity_m_per_s": (Limits(-1e9, 1e9), "m/s", (2,)),
    "user_speed_m_per_s": (Limits(0, 1e9), "m/s", ()),
}


@by_name
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trajectory(StoredRecord):
    """What is given in each of T slots, or a batch of such episodes.

    Shapes: `...` batch, T slots, N users, M servers. `trajectory[i]` is over the batch;
    `slot` and `slots` are over time. What the system decides is not in it: no user has
    a server yet.

    Args:
        joined: [..., T, N] bool, whether another user has taken this row in this slot,
            which then has no server to leave. None: all join in the first slot and
            stay. In the first slot all join, whatever is given.
        scenario: [..., T] of the slots, NumPy, without `serving`. Its
            `migration_delay_s` and `migration_energy_j` are what moving a training
            state takes; None: moving is free.
        user_velocity_m_per_s: [..., T, N, 2] m/s, until the next slot. None: unknown.
        user_speed_m_per_s: [..., T, N] m/s, root mean square of the user's velocity
            over time, which tells its class of speed. None: unknown.

    Raises:
        ValueError: a field is unknown or missing, has a wrong shape or a value outside
            of its range; the text names field, index and value.
    """

    _called = "trajectory"

    joined: Array = None
    scenario: Scenario
    user_velocity_m_per_s: Array | None = None
    user_speed_m_per_s: Array | None = None

    def __post_init__(self) -> None:
        scenario = checked_numpy(self.scenario, Scenario, "scenario")
        batch = scenario.batch_shape
        if not batch or batch[-1] == 0:
            raise ValueError(
                "`scenario` must have batch shape [..., T], the last axis its slots, "
                f"at least 1; got {batch}. Join them with `Scenario.stack`."
            )
        if scenario.serving is not None:
            raise ValueError(
                "`scenario` must not say who holds training states, which decisions "
                "do; got `serving`. Leave it out."
            )
        shape = (*batch, scenario.n_users)
        joined = np.zeros(shape) if self.joined is None else self.joined
        joined = _fit("joined", joined, shape)
        if (wrong := (joined != 0) & (joined != 1)).any():
            index = first_index(wrong)
            raise ValueError(
                f"`joined` must be 0 or 1, or bool; got {joined[index]:g} at index "
                f"{index}."
            )
        joined = joined.astype(np.bool_)
        joined[..., 0, :] = True
        object.__setattr__(self, "joined", joined)
        for name, (limits, unit, axes) in _OPTIONAL.items():
            if (value := getattr(self, name)) is None:
                continue
            value = _fit(name, value, (*shape, *axes))
            if not (inside := limits.hold(value)).all():
                index = first_index(~inside)
                raise ValueError(
                    f"`{name}` must be from {limits} {unit}; got {value[index]:g} at "
                    f"index {index}."
                )
            object.__setattr__(self, name, value)

    @property
    def n_slots(self) -> int:
        """T, the number of slots."""
        return int(self.joined.shape[-2])

    @property
    def n_users(self) -> int:
        """N, the number of users."""
        return int(self.joined.shape[-1])

    @property
    def n_servers(self) -> int:
        """M, the number of servers."""
        return self.scenario.n_servers

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The axes before that of the slots; () for a single trajectory."""
        return tuple(self.joined.shape[:-2])

    def __getitem__(self, index: Any) -> Self:
        """Returns the trajectory of some batch members; `index` is over the batch.

        Raises:
            IndexError: there are fewer batch axes than that, or members.
        """
        entries = index if isinstance(index, tuple) else (index,)
        if len(entries) > len(self.batch_shape):
            raise IndexError(
                f"A trajectory is indexed over its batch, {self.batch_shape}; got "
                f"{len(entries)} indices. `slot` and `slots` are over time."
            )
        return ArrayRecord.__getitem__(self, entries)

    def slot(self, t: int) -> Scenario:
        """Returns the scenario `[...]` of slot t, from 0.

        Raises:
            ValueError: there is no such slot.
        """
        t = integer_argument("t", t, 0, self.n_slots - 1)
        return self.scenario[(*self._over_batch(), t)]

    def slots(self, first: int, stop: int) -> Self:
        """Returns the trajectory from slot `first` to the one before `stop`.

        All users join in its first slot, as in every trajectory.

        Raises:
            ValueError: there are no such slots.
        """
        first = integer_argument("first", first, 0, self.n_slots - 1)
        stop = integer_argument("stop", stop, first + 1, self.n_slots)
        cut = ArrayRecord.__getitem__(self, (*self._over_batch(), slice(first, stop)))
        joined = cut.joined.copy()
        joined[..., 0, :] = True
        return cut.changed(joined=joined)

    def _over_batch(self) -> tuple[slice, ...]:
        return (slice(None),) * len(self.batch_shape)

    def _to_fields(self) -> dict[str, Array]:
        fields = self.to_numpy().to_dict()
        return fields | fields.pop("scenario").to_dict()

    @classmethod
    def _of_fields(cls, fields: dict[str, Any]) -> Self:
        own = {k: fields.pop(k) for k in cls.field_names() if k in fields}
        if "joined" not in own:
            raise ValueError("it lacks `joined`.")
        return cls(**own | {"scenario": Scenario(**fields)})


def sample_trajectory(
    config: MobileConfig,
    rng: np.random.Generator,
    batch_shape: tuple[int, ...] = (),
) -> Trajectory:
    """Draws a trajectory, or a batch in the order in which single ones would be drawn.

    `sample_trajectory(config, np.random.default_rng(k))` is the trajectory of the
    episode that `env.reset(seed=k)` begins, whatever is decided in it.

    Args:
        config: what to draw from.
        rng: the generator that the random numbers are taken from.
        batch_shape: `[...]` of the result; () for a single trajectory.

    Returns:
        A trajectory of NumPy arrays with the given batch shape and
        `config.mobility.slots` slots.

    Raises:
        ValueError: an argument is of another kind, or the parameters do not fit
            together.
    """
    if not isinstance(config, MobileConfig):
        raise ValueError(
            f"`config` must be a mec_llm_env.MobileConfig; got {shorten(config)}. "
            "`MobileConfig.preset` has the named ones."
        )
    checked_generator(rng)
    batch_shape = checked_batch_shape(batch_shape, "trajectory")
    sampler = mobility_sampler(config)
    shape = (*batch_shape, config.mobility.slots, sampler.block_size)
    uniforms = np.moveaxis(rng.random(shape), -2, 0)
    states = [sampler.begin(uniforms[0])]
    for block in uniforms[1:]:
        states.append(sampler.advance(states[-1], block))
    return _join(states)


def _join(states: list[MobilityState]) -> Trajectory:
    """Returns the trajectory of an episode's slots, each `[...]`."""
    axis = len(states[0].scenario.batch_shape)

    def join(name: str, *records: Any) -> Array:
        return np.stack([getattr(record, name) for record in records], axis=axis)

    scenarios = [state.scenario for state in states]
    return Trajectory.unchecked(
        joined=join("joined", *states),
        scenario=Scenario.unchecked(
            **{
                name: None if value is None else join(name, *scenarios)
                for name, value in scenarios[0].to_dict().items()
            }
        ),
        user_velocity_m_per_s=join("user_velocity_m_per_s", *states),
        user_speed_m_per_s=join("user_speed_m_per_s", *states),
    )


def _fit(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Returns user input as a fresh float64 array of a shape, missing batch axes added.

    Raises:
        ValueError: it is no array of numbers, or of another shape.
    """
    array = as_floats(value, name)
    if not isinstance(array, np.ndarray):
        raise ValueError(
            f"`{name}` must be a NumPy array; got {type(array).__name__}. Convert it "
            "with `.numpy()`."
        )
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise ValueError(
            f"`{name}` must have shape {shape}; got {array.shape}."
        ) from None
