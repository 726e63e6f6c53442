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
from mec_llm_env.mobile.config import MobileConfig
from mec_llm_env.names import by_name
from mec_llm_env.observations.columns import (
    LIMIT,
    once,
    read_scenario,
    refuse_scenario,
    server_columns,
    user_columns,
    write_scenario,
)
from mec_llm_env.observations.shared import Shared
from mec_llm_env.observations.tokens import TokenCodec
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
_MOST = _SPREAD * LIMIT  # where totals are cut, so that an episode always goes on


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
        m, radius_m = config.servers, config.layout.cell_radius_m
        # Velocities are parts of the radius a slot.
        self._velocity_unit = radius_m / config.mobility.slot_s
        self.velocity_max = self._velocity_unit * math.sinh(LIMIT)  # m/s
        self.n_slots, self.place_max = config.mobility.slots, LIMIT * radius_m  # m
        place, unit = [radius_m] * 2, [1.0] * 2
        user, server = user_columns(m), server_columns()
        self._n_user, self._n_server = user.shape[-1], server.shape[-1]
        super().__init__(
            config.users,
            m,
            encoding,
            user=_extended(user, [1.0] * m + [_SPREAD] * 2 + place + unit),
            server=_extended(server, [*place, 1.0, _SPREAD, _SPREAD]),
            shared=Shared.of(config),
        )

    def encode(self, observation: MobileObservation) -> Any:
        """Returns the observation, or batch of observations, of what is known.

        Raises:
            ValueError: it has another size, or a field lies outside of the range that
                the encoding can hold; the text names both.
        """
        seen = checked_record(observation, MobileObservation, "observation")
        s = seen.scenario
        self._check_size(s)
        batch, n_batch, m = s.batch_shape, len(s.batch_shape), self.n_servers
        values = np.empty((*batch, self._size))
        users, servers = self._split(values)  # views
        first, own_user = np.split(users, [self._n_user], axis=-1)
        second, own_server = np.split(servers, [self._n_server], axis=-1)
        write_scenario(s, first, second)
        own_user[..., :m] = s.serving
        own_user[..., m] = np.log1p(once(s.migration_delay_s, n_batch))
        own_user[..., m + 1] = np.log1p(once(s.migration_energy_j, n_batch))
        own_user[..., m + 2 : m + 4] = s.user_position_m
        velocity = seen.user_velocity_m_per_s / self._velocity_unit
        own_user[..., m + 4 :] = np.arcsinh(velocity)
        own_server[..., :2] = once(s.server_position_m, n_batch)
        for column, value in enumerate(
            (
                2 * seen.slot / self.n_slots - 1,
                np.minimum(np.log1p(seen.scr), _MOST),
                np.minimum(np.log1p(seen.cost), _MOST),
            ),
            start=2,
        ):
            own_server[..., column] = value[..., None]
        if not self._scale(values):
            refuse_scenario(first, second)
            self._refuse_places(own_user[..., m + 2 :], own_server[..., :2])
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
        users, servers = self._raw(observation)
        m = self.n_servers
        first, own_user = np.split(users, [self._n_user], axis=-1)
        second, own_server = np.split(servers, [self._n_server], axis=-1)
        episode = own_server[..., 0, 2:]
        slot = np.round((episode[..., 0] + 1) / 2 * self.n_slots)
        scr, cost = (np.expm1(np.maximum(episode[..., i], 0)) for i in (1, 2))
        amounts = np.expm1(np.maximum(own_user[..., m : m + 2], 0))
        fields = {
            "serving": np.round(own_user[..., :m]),
            "migration_delay_s": amounts[..., 0].copy(),
            "migration_energy_j": amounts[..., 1].copy(),
            "user_position_m": own_user[..., m + 2 : m + 4].copy(),
            "server_position_m": own_server[..., :2].copy(),
        }
        scenario = read_scenario(first, second, self.shared).to_dict()
        return MobileObservation(
            slot=slot.astype(np.int64),
            scenario=Scenario.unchecked(**scenario | fields),
            user_velocity_m_per_s=self._velocity_unit * np.sinh(own_user[..., m + 4 :]),
            score=scr * cost,
            cost=cost,
        )

    def _refuse_places(self, of_users: Any, of_servers: Any) -> None:
        """Refuses positions and velocities, [..., 4] and [..., 2], beyond the Box.

        Raises:
            ValueError: there are such; the text names the field and its range.
        """
        for name, entries, axes, limit, unit in (
            ("user_position_m", of_users[..., :2], "N2", self.place_max, "m"),
            ("server_position_m", of_servers, "M2", self.place_max, "m"),
            (
                "user_velocity_m_per_s",
                of_users[..., 2:],
                "N2",
                self.velocity_max,
                "m/s",
            ),
        ):
            if not (inside := np.abs(entries) <= LIMIT).all():
                where = describe_index(first_index(~inside), axes)
                raise ValueError(
                    f"`{name}` must be from {Limits(-limit, limit)} {unit} to be "
                    f"observed; got one outside of that for {where}. Positions are in "
                    "m from the middle of the cell."
                )


def _extended(columns: Any, spreads: list[float]) -> Any:
    """Returns centres and spreads with further columns, whose centres are 0."""
    return np.concatenate([columns, [[0.0] * len(spreads), spreads]], axis=-1)
