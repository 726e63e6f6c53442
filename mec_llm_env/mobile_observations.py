"""Observations of `MecLlmMobile-v0`: a slot, where states are, and the episode so far.

The columns of `MecLlm-v0` come first in every token, then those of the sequential
problem; `docs/mobile.md` has one table of all. Everything is lossless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.mobile_config import MobileConfig
from mec_llm_env.names import by_name
from mec_llm_env.observations import (
    LIMIT,
    SERVER_FEATURES,
    USER_FEATURES,
    ObservationCodec,
    TokenCodec,
    once,
)
from mec_llm_env.ranges import Limits
from mec_llm_env.record import (
    ArrayRecord,
    checked_record,
    describe_index,
    first_index,
)
from mec_llm_env.scenario import Scenario

#: Names of the columns of a user token after those of `MecLlm-v0` and the M of
#: `serving`, and of a server token after those of `MecLlm-v0`.
MOBILE_USER_FEATURES = (
    *("migration_delay_s", "migration_energy_j"),
    *("position_x", "position_y", "velocity_x", "velocity_y"),
)
MOBILE_SERVER_FEATURES = ("position_x", "position_y", "elapsed", "scr", "cost")

# Nepers: amounts and totals enter as ln(1 + x) over it, which keeps 0 and, at float32,
# seven digits of whatever is below 2e17.
_SPREAD = 4.0


@by_name
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MobileObservation(ArrayRecord):
    """What is known when a slot is decided. Shapes: `...` batch, N users, M servers.

    Sums are over the users and over the slots that have been decided.
    """

    slot: Array  # [...] how many slots of the episode have been decided
    scenario: Scenario  # [...] of this slot, with `serving` and positions
    user_velocity_m_per_s: Array  # [..., N, 2] m/s, until the next slot
    score: Array  # [...] so far, a sum
    cost: Array  # [...] so far, a sum

    @property
    def scr(self) -> Array:
        """[...] the SCR so far; 0 before the first decision."""
        return episode_scr(self.score, self.cost)

    @property
    def joined(self) -> Array:
        """[..., N] bool, whether the user is new: nobody holds a state of it."""
        serving = self.scenario.serving
        assert serving is not None
        return ~serving.any(axis=-1)


def episode_scr(score: Array, cost: Array) -> Array:
    """Returns total score over total cost; 0 of nothing."""
    return score / np.where(cost > 0, cost, 1.0)


class MobileObservationCodec(TokenCodec):
    """Encodes what is known in a slot, and back.

    `flat` is one vector, user tokens then server tokens; `tokens` is a dictionary of
    the same numbers: `users` [..., N, 2 M + 15] and `servers` [..., M, 12].

    Args:
        config: gives numbers of users, servers and slots, cell radius and slot length.
        encoding: "flat" or "tokens".

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(self, config: MobileConfig, encoding: str = "flat") -> None:
        self.scenarios = ObservationCodec(config.users, config.servers, encoding)
        self._n_user = config.servers + len(USER_FEATURES)  # columns of `scenarios`
        super().__init__(
            config.users,
            config.servers,
            encoding,
            user_width=self._n_user + config.servers + len(MOBILE_USER_FEATURES),
            server_width=len(SERVER_FEATURES) + len(MOBILE_SERVER_FEATURES),
        )
        self.n_slots = config.mobility.slots
        self._radius_m = config.layout.cell_radius_m
        # Velocities as parts of the radius a slot.
        self._velocity_unit = self._radius_m / config.mobility.slot_s
        self.velocity_max = self._velocity_unit * math.sinh(LIMIT)  # m/s

    def encode(self, observation: MobileObservation) -> Any:
        """Returns the observation, or batch of observations, of what is known.

        Raises:
            ValueError: it has another size, or a field lies outside of the range that
                the encoding can hold; the text names both.
        """
        seen = checked_record(observation, MobileObservation, "observation")
        s = seen.scenario
        batch, n_batch = s.batch_shape, len(s.batch_shape)
        values = np.zeros((*batch, self._size))
        users, servers = self._split(values)  # views
        first, m = self._n_user, self.n_servers
        self.scenarios.write(
            s, users[..., :first], servers[..., : len(SERVER_FEATURES)]
        )

        users[..., first : first + m] = s.serving
        own = users[..., first + m :]
        own[..., 0] = _log_of(once(s.migration_delay_s, n_batch))
        own[..., 1] = _log_of(once(s.migration_energy_j, n_batch))
        own[..., 2:4] = s.user_position_m
        own[..., 2:4] /= self._radius_m
        own[..., 4:6] = np.arcsinh(seen.user_velocity_m_per_s / self._velocity_unit)

        own = servers[..., len(SERVER_FEATURES) :]
        own[..., 0:2] = once(s.server_position_m, n_batch) / self._radius_m
        per_episode = np.stack(
            [
                2 * seen.slot / self.n_slots - 1,
                np.minimum(_log_of(seen.scr), LIMIT),
                np.minimum(_log_of(seen.cost), LIMIT),
            ],
            axis=-1,
        )
        own[..., 2:5] = per_episode[..., None, :]
        self._check_range(users, servers)
        return self._show(values)

    def decode(self, observation: Any) -> Scenario:
        """Rebuilds the slot's scenario, to 1e-5 relative, with `serving`.

        Raises:
            ValueError: the observation has another shape than `space`, or an entry that
                is not finite.
        """
        return self.read(observation).scenario

    def read(self, observation: Any) -> MobileObservation:
        """Rebuilds all that is known, to 1e-5 relative.

        Raises:
            ValueError: the observation has another shape than `space`, or an entry that
                is not finite.
        """
        users, servers = self.unpack(observation)
        first, m = self._n_user, self.n_servers
        scenario = self.scenarios.read(
            users[..., :first], servers[..., : len(SERVER_FEATURES)]
        )
        users = users[..., first:].astype(np.float64)
        servers = servers[..., len(SERVER_FEATURES) :].astype(np.float64)
        for name, entries, before in (
            ("users", users, first),
            ("servers", servers, len(SERVER_FEATURES)),
        ):
            if (wrong := ~np.isfinite(entries)).any():
                *where, column = first_index(wrong)
                index = (*where, column + before)
                raise ValueError(
                    f"The observation must be finite; got {entries[*where, column]} at "
                    f"index {index} of its {name}."
                )
        own, episode = users[..., m:], servers[..., 0, 2:]
        scr, cost = _inverse(episode[..., 1]), _inverse(episode[..., 2])
        fields = scenario.to_dict() | {
            "serving": np.round(users[..., :m]),
            "migration_delay_s": _inverse(own[..., 0]),
            "migration_energy_j": _inverse(own[..., 1]),
            "user_position_m": self._radius_m * own[..., 2:4],
            "server_position_m": self._radius_m * servers[..., :2],
        }
        return MobileObservation(
            slot=np.round((episode[..., 0] + 1) / 2 * self.n_slots).astype(np.int64),
            scenario=Scenario.unchecked(**fields),
            user_velocity_m_per_s=self._velocity_unit * np.sinh(own[..., 4:6]),
            score=scr * cost,
            cost=cost,
        )

    def _check_range(self, users: Any, servers: Any) -> None:
        """Refuses positions and velocities that the Box cannot hold."""
        own = users[..., self._n_user + self.n_servers :]
        at = servers[..., len(SERVER_FEATURES) :]
        for name, entries, axes, limit, unit in (
            ("user_position_m", own[..., 2:4], "N2", LIMIT * self._radius_m, "m"),
            ("server_position_m", at[..., 0:2], "M2", LIMIT * self._radius_m, "m"),
            ("user_velocity_m_per_s", own[..., 4:6], "N2", self.velocity_max, "m/s"),
        ):
            if not (inside := np.abs(entries) <= LIMIT).all():
                where = describe_index(first_index(~inside), axes)
                raise ValueError(
                    f"`{name}` must be from {Limits(-limit, limit)} {unit} to be "
                    f"observed; got one outside of that for {where}. Positions are in "
                    "m from the middle of the cell."
                )


def _log_of(value: Any) -> Any:
    return np.log1p(value) / _SPREAD


def _inverse(entry: Any) -> Any:
    return np.expm1(_SPREAD * np.maximum(entry, 0.0))
