"""The action encoding `association`: choose servers, the allocator does the rest.

The hybrid of learning and optimisation: an action is the server of every user, and
split, power, bandwidth and compute are those of `dashf.share_resources` for it. With
`dashf` imported it is an `action_encoding` like the others:

    env = gymnasium.make("MecLlm-v0", action_encoding="association")
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from dashf.pricing.sharing import share_resources
from mec_llm_env import Allocation, Scenario, ScenarioConfig
from mec_llm_env.actions import ActionCodec, choose_association

ENCODING = "association"


class AssociationCodec(ActionCodec):
    """Decodes the servers of N users to an allocation with the best resources.

    With finite `max_users` choices beyond a server's room give way, as in the encoding
    `multi_discrete`; a policy that masks full servers avoids that.

    Args:
        config: gives the numbers of users and servers and the objective.
    """

    def __init__(self, config: ScenarioConfig) -> None:
        self.n_users, self.n_servers = config.users, config.servers
        self.encoding = ENCODING
        self.objective = config.objective

    @property
    def space(self) -> spaces.Space[Any]:
        """A server for every user."""
        return spaces.MultiDiscrete([self.n_servers] * self.n_users)

    def decode(self, action: Any, scenario: Scenario) -> Allocation:
        """Returns the association, or batch of them, with its resources.

        Raises:
            ValueError: a wrong shape or a server that does not exist; the text names
                the index.
        """
        association = choose_association(action, scenario, "action")
        return share_resources(scenario, association, self.objective, effort="fast")

    def asked(self, action: Any, scenario: Scenario) -> Any:
        """Returns the server that each user asks for, [..., N]."""
        return np.asarray(action)

    def encode(self, allocation: Allocation, scenario: Scenario) -> Any:
        """Returns the servers of an allocation; its resources are left to the codec."""
        return self._join(allocation.association, None)

    def _join(self, association: Any, resources: Any) -> Any:
        return association.argmax(axis=-1).astype(np.int64)
