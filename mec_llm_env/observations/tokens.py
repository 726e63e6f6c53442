"""The layout of observations: N user tokens, then M server tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from mec_llm_env.observations.columns import LIMIT, check_entries
from mec_llm_env.observations.shared import Shared
from mec_llm_env.ranges import shorten, word_argument
from mec_llm_env.record import as_numbers
from mec_llm_env.scenario import Scenario

ENCODINGS = ("flat", "tokens")
_TOKENS = ("users", "servers")


class TokenCodec:
    """Lays out the numbers of an observation: N user tokens, then M server tokens.

    `flat` is one vector of them; `tokens` a dictionary of the same numbers, `users` and
    `servers`. A column is a raw number less its centre, over its spread.

    Args:
        n_users: N.
        n_servers: M.
        encoding: "flat" or "tokens".
        user: centres and spreads of the columns of a user token, [2, ·].
        server: likewise of a server token.
        shared: what all scenarios have, which is not in the observation.

    Raises:
        ValueError: the encoding is unknown.
    """

    def __init__(
        self,
        n_users: int,
        n_servers: int,
        encoding: str,
        *,
        user: Any,
        server: Any,
        shared: Shared,
    ) -> None:
        word_argument("observation_encoding", encoding, ENCODINGS)
        self.n_users, self.n_servers, self.encoding = n_users, n_servers, encoding
        self.shared = shared
        self.user_shape = (n_users, user.shape[-1])
        self.server_shape = (n_servers, server.shape[-1])
        self._size = math.prod(self.user_shape) + math.prod(self.server_shape)
        # One a column of the flat encoding.
        flat = [np.tile(user, n_users), np.tile(server, n_servers)]
        self._centres, self._spreads = np.concatenate(flat, axis=-1)

    @property
    def space(self) -> spaces.Space[Any]:
        """The Gymnasium space of one observation."""

        def box(*shape: int) -> spaces.Box:
            return spaces.Box(-LIMIT, LIMIT, shape, np.float32)

        if self.encoding == "tokens":
            return spaces.Dict(
                {"users": box(*self.user_shape), "servers": box(*self.server_shape)}
            )
        return box(self._size)

    def _scale(self, values: Any) -> bool:
        """Scales raw numbers [..., size] where they are; tells whether all fit."""
        values -= self._centres
        values /= self._spreads
        return bool(values.max() <= LIMIT and values.min() >= -LIMIT)

    def _show(self, values: Any) -> Any:
        """Returns the observation of scaled numbers, [..., size]."""
        if self.encoding == "flat":
            return values.astype(np.float32)
        users, servers = self._split(values)
        return {
            "users": users.astype(np.float32),
            "servers": servers.astype(np.float32),
        }

    def unpack(self, observation: Any) -> tuple[Any, Any]:
        """Splits an observation into its user and server tokens.

        Raises:
            ValueError: the observation has another shape than `space`.
        """
        if self.encoding == "tokens":
            if not isinstance(observation, dict) or set(observation) != set(_TOKENS):
                raise ValueError(
                    "The observation must be a dictionary with keys 'users' and "
                    f"'servers'; got {shorten(observation)}."
                )
            users, servers = (
                as_numbers(observation[key], f"observation[{key!r}]", "iuf")
                for key in _TOKENS
            )
            self._check_shape("users", users, self.user_shape)
            self._check_shape("servers", servers, self.server_shape)
            return users, servers
        flat = as_numbers(observation, "observation", "iuf")
        self._check_shape("flat", flat, (self._size,))
        return self._split(flat)

    def _raw(self, observation: Any) -> tuple[Any, Any]:
        """Returns the raw numbers of user and server tokens.

        Raises:
            ValueError: the observation has another shape than `space`, or an entry that
                no scenario is encoded as; the text names its index.
        """
        users, servers = self.unpack(observation)
        check_entries(users, servers)
        centres, spreads = self._split(self._centres), self._split(self._spreads)
        return users * spreads[0] + centres[0], servers * spreads[1] + centres[1]

    def _split(self, flat: Any) -> tuple[Any, Any]:
        """Returns views of the user and server tokens in a flat array."""
        batch, n_user = flat.shape[:-1], math.prod(self.user_shape)
        return (
            flat[..., :n_user].reshape(*batch, *self.user_shape),
            flat[..., n_user:].reshape(*batch, *self.server_shape),
        )

    def _check_size(self, scenario: Scenario) -> None:
        shape = scenario.channel_gain.shape[-2:]
        if shape != (self.n_users, self.n_servers):
            raise ValueError(
                f"The scenario must have {self.n_users} users and {self.n_servers} "
                f"servers; got {shape[0]} and {shape[1]}."
            )
        self.shared.check(scenario)

    def _check_shape(self, name: str, value: Any, wanted: tuple[int, ...]) -> None:
        if value.shape[-len(wanted) :] != wanted:
            raise ValueError(
                f"The observation (`{name}`) must have shape [..., {wanted}] for "
                f"{self.n_users} users and {self.n_servers} servers; got {value.shape}."
            )
