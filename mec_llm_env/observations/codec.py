"""`ObservationCodec`: a lossless float32 encoding of a scenario."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mec_llm_env._array import Array, like, namespace
from mec_llm_env.observations.columns import (
    raw_columns,
    read_scenario,
    refuse_scenario,
    server_columns,
    user_columns,
    write_scenario,
)
from mec_llm_env.observations.shared import Shared
from mec_llm_env.observations.tokens import TokenCodec
from mec_llm_env.record import checked_numpy
from mec_llm_env.scenario import Scenario

_NOTHING = Shared()


class ObservationCodec(TokenCodec):
    """Encodes scenarios of N users and M servers as observations, and back.

    `flat` is one vector, user tokens then server tokens; `tokens` is a dictionary of
    the same numbers: `users` [..., N, M + 9] and `servers` [..., M, 7].

    Args:
        n_users: N.
        n_servers: M.
        encoding: "flat" or "tokens".
        shared: what all scenarios of the environment have; `Shared.of(config)`.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(
        self,
        n_users: int,
        n_servers: int,
        encoding: str = "flat",
        *,
        shared: Shared = _NOTHING,
    ) -> None:
        super().__init__(
            n_users,
            n_servers,
            encoding,
            user=user_columns(n_servers),
            server=server_columns(),
            shared=shared,
        )

    def encode(self, scenario: Scenario) -> Any:
        """Returns the observation, or batch of observations, of a scenario.

        Raises:
            ValueError: the scenario has another size, or a field lies outside the
                range that the encoding can hold; the text names both.
        """
        checked_numpy(scenario, Scenario, "scenario")
        self._check_size(scenario)
        if scenario.serving is not None:
            raise ValueError(
                "This encoding has no place for `serving`; got a scenario that has it. "
                "Observations of MecLlmMobile-v0 do; solvers take it directly."
            )
        batch = scenario.batch_shape
        if 0 in batch:
            raise ValueError(
                f"`scenario` must hold at least one; got batch shape {batch}."
            )
        values = np.empty((*batch, self._size))
        users, servers = self._split(values)  # views
        write_scenario(scenario, users, servers)
        if not self._scale(values):
            refuse_scenario(users, servers)
        return self._show(values)

    def encode_unchecked(self, scenario: Scenario) -> Any:
        """Returns what `encode` does of a scenario that is known to fit.

        Nothing is written in place and no value looked at, so that JAX can trace it.
        """
        gain, user, server = raw_columns(scenario)
        xp, batch = namespace(gain), scenario.batch_shape

        def row(columns: Iterable[Array], n_tokens: int) -> Array:
            shape = *batch, n_tokens
            return xp.stack([xp.broadcast_to(c, shape) for c in columns], axis=-1)

        users = xp.concat([gain, row(user, self.n_users)], axis=-1)
        servers = row(server, self.n_servers)
        flat = [xp.reshape(tokens, (*batch, -1)) for tokens in (users, servers)]
        values = xp.concat(flat, axis=-1) - like(gain, self._centres)
        return self._show(values / like(gain, self._spreads))

    def decode(self, observation: Any) -> Scenario:
        """Rebuilds the scenario, to 1e-5 relative; positions are absent.

        Raises:
            ValueError: the observation has another shape than `space`, or an entry that
                no scenario has; the text names its index.
        """
        return read_scenario(*self._raw(observation), self.shared)
