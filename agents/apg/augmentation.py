"""Data augmentation: scenarios with other numbers of users and servers.

Training scenarios are all of one size; a network that has seen no other does not
generalise over the numbers of users and servers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from mec_llm_env import Scenario
from mec_llm_env.observations import ObservationCodec


@dataclass(frozen=True, slots=True)
class ScenarioBatch:
    """Scenarios [B] and their tokens, in PyTorch and float32."""

    users: Tensor  # [B, N, M + 9] log-gains and features, as observed
    servers: Tensor  # [B, M, 7]
    scenario: Scenario

    @classmethod
    def of(cls, codec: ObservationCodec, scenario: Scenario, observation: Any) -> Self:
        """Converts scenarios [B] in NumPy and their observations."""
        users, servers = codec.unpack(observation)
        positions = {"user_position_m": None, "server_position_m": None}
        given = Scenario.unchecked(**scenario.to_dict() | positions)
        return cls(
            torch.from_numpy(users),
            torch.from_numpy(servers),
            given.to_torch(dtype=torch.float32),
        )

    def first_users(self, count: int) -> ScenarioBatch:
        """Returns the scenarios with only their first `count` users.

        The users of a scenario are identically distributed, so that any will do.
        """

        def kept(field: Tensor, axes: str) -> Tensor:
            return field[:, :count] if "N" in axes else field

        return ScenarioBatch(self.users[:, :count], self.servers, self._map(kept))

    def merged(self, count: int) -> ScenarioBatch:
        """Merges groups of `count` scenarios into one each.

        It has the users of the first scenario of the group and the servers of all of
        them. The gain of user n to a server is that of user n of the server's own
        scenario, who is identically distributed.
        """

        def merge(field: Tensor, axes: str) -> Tensor:
            groups: Tensor = field[: len(field) // count * count].unflatten(
                0, (-1, count)
            )
            if "M" not in axes:
                return groups[:, 0]
            return groups.movedim(1, len(axes)).flatten(len(axes), len(axes) + 1)

        n_servers = self.servers.shape[-2]
        gain, own = self.users.tensor_split([n_servers], dim=-1)
        users = torch.cat([merge(gain, "NM"), merge(own, "N")], dim=-1)
        return ScenarioBatch(users, merge(self.servers, "M"), self._map(merge))

    def _map(self, change: Callable[[Tensor, str], Tensor]) -> Scenario:
        """Returns the scenario with `change(field, axes)` of every field."""
        fields = self.scenario.to_dict()
        for spec in dataclasses.fields(Scenario):
            if spec.name in fields:
                axes = spec.metadata["axes"]
                fields[spec.name] = change(fields[spec.name], axes)
        return Scenario.unchecked(**fields)
