"""What a network is told of the user and server tokens of an observation.

Both kinds of observation begin with the same columns. Those of `MecLlmMobile-v0` have
more, of which some belong to pairs: who holds a user's state, and where a server is as
seen from a user, now and when the user has moved on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mec_llm_env.mobile.observations import MOBILE_SERVER_FEATURES, MOBILE_USER_FEATURES
from mec_llm_env.observations import SERVER_FEATURES, USER_FEATURES

#: The column of a server token that tells how many users it may serve.
MAX_USERS = len(SERVER_FEATURES) - 1

_SLOTS_AHEAD = (1.0, 2.0, 4.0, 8.0)  # for which a user is taken to move on as it does
_LARGEST_STEP = 4.0  # cell radii a slot
_NEAR = 0.05  # cell radii, added to distances before their logarithm


class Features(NamedTuple):
    """What a network is told. B batch, N users, M servers."""

    gain: Tensor  # [B, N, M] log-gains
    user: Tensor  # [B, N, ·]
    server: Tensor  # [B, M, ·]
    pair: Tensor | None  # [B, N, M, ·] besides the log-gains


class Tokens:
    """The tokens of `MecLlm-v0`.

    Attributes:
        user, server, pair: how many features there are of each, log-gains aside.
    """

    user = len(USER_FEATURES)
    server = len(SERVER_FEATURES)
    pair = 0

    def width(self, n_servers: int) -> int:
        """Returns how many columns a user token has."""
        return n_servers + len(USER_FEATURES)

    def read(self, users: Tensor, servers: Tensor) -> Features:
        """Returns the features in tokens, [B, N, ·] and [B, M, ·] as observed."""
        m = servers.shape[-2]
        gain, own = users.split([m, users.shape[-1] - m], dim=-1)
        return Features(gain, own, servers, None)

    def serving(self, users: Tensor, servers: Tensor) -> Tensor | None:
        """Returns who holds the users' states, [B, N, M] 0 or 1; None: nobody."""
        return None


class MobileTokens(Tokens):
    """The tokens of `MecLlmMobile-v0`."""

    user = len(USER_FEATURES) + 1 + len(MOBILE_USER_FEATURES)
    server = len(SERVER_FEATURES) + len(MOBILE_SERVER_FEATURES)
    pair = 5 + len(_SLOTS_AHEAD)

    def width(self, n_servers: int) -> int:
        """Returns how many columns a user token has."""
        return 2 * n_servers + len(USER_FEATURES) + len(MOBILE_USER_FEATURES)

    def read(self, users: Tensor, servers: Tensor) -> Features:
        """Returns the features in tokens, [B, N, ·] and [B, M, ·] as observed."""
        m, own_server = servers.shape[-2], len(SERVER_FEATURES)
        gain, own, serving, moving, place, velocity = users.split(
            [m, len(USER_FEATURES), m, 2, 2, 2], dim=-1
        )
        held = serving.sum(dim=-1, keepdim=True)
        here = (serving * gain).sum(dim=-1, keepdim=True)
        # In cell radii, and cell radii a slot.
        server_place = servers[..., None, :, own_server : own_server + 2]
        step = torch.sinh(velocity).clamp(-_LARGEST_STEP, _LARGEST_STEP)
        offset = server_place - place.unsqueeze(-2)
        pair = [
            *(serving, held * (gain - here), *offset.unbind(dim=-1)),
            _log_length(offset),
        ]
        for count in _SLOTS_AHEAD:
            there = place + count * step
            outside = torch.linalg.vector_norm(there, dim=-1, keepdim=True).clamp(min=1)
            pair.append(_log_length(server_place - (there / outside).unsqueeze(-2)))
        return Features(
            gain,
            torch.cat([own, held, moving, place, velocity], dim=-1),
            servers,
            torch.stack(pair, dim=-1),
        )

    def serving(self, users: Tensor, servers: Tensor) -> Tensor | None:
        """Returns who holds the users' states, [B, N, M] 0 or 1."""
        m = servers.shape[-2]
        first = m + len(USER_FEATURES)
        return users[..., first : first + m]


def _log_length(offset: Tensor) -> Tensor:
    return torch.log(torch.linalg.vector_norm(offset, dim=-1) + _NEAR)


ONE_DECISION, MOBILE = Tokens(), MobileTokens()


def tokens_of(observation_space: Any, n_users: int, n_servers: int) -> Tokens:
    """Returns which tokens observations of N users and M servers have.

    Raises:
        ValueError: they are none of such sizes.
    """
    parts = getattr(observation_space, "spaces", None)
    if parts is None:
        size = observation_space.shape[-1]
    else:
        size = sum(parts[name].shape[-1] * parts[name].shape[-2] for name in parts)
    return _of_size(size, n_users, n_servers)


def split_tokens(obs: Any, n_users: int, n_servers: int) -> tuple[Tensor, Tensor]:
    """Splits observations [B], flat or of tokens, into user and server tokens."""
    if isinstance(obs, dict):
        return obs["users"].float(), obs["servers"].float()
    n, m = n_users, n_servers
    tokens = _of_size(obs.shape[-1], n, m)
    width = tokens.width(m)
    users, servers = obs.float().split([n * width, m * tokens.server], -1)
    return users.unflatten(-1, (n, width)), servers.unflatten(-1, (m, -1))


def _of_size(size: int, n_users: int, n_servers: int) -> Tokens:
    for tokens in (ONE_DECISION, MOBILE):
        if size == n_users * tokens.width(n_servers) + n_servers * tokens.server:
            return tokens
    raise ValueError(
        f"Observations of {n_users} users and {n_servers} servers have other sizes "
        f"than {size}. Give the numbers of the environment."
    )
