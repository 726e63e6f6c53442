"""What all scenarios of an environment share, so that observations need not tell it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.record import first_index
from mec_llm_env.sampling import noise_rises
from mec_llm_env.scenario import Scenario


class Shared(NamedTuple):
    """The noise rise of servers and the layers of the decoder, where there are any."""

    noise_rise: Array | None = None  # [M] of every server; None: there is none
    layers: int | None = None  # Υ where the split is that of whole layers

    @classmethod
    def of(cls, config: ScenarioConfig) -> Shared:
        """Returns what the scenarios of a configuration share."""
        return cls(noise_rises(config), config.workload.whole_layers)

    def check(self, scenario: Scenario) -> None:
        """Refuses a scenario that has something else.

        Raises:
            ValueError: it has; the text names the field, both values and the remedy.
        """
        self._check_noise_rise(scenario.noise_rise, scenario.n_servers)
        self._check_layers(scenario.layers)

    def _check_noise_rise(self, given: Any, n_servers: int) -> None:
        """Refuses a scenario with another noise rise than the observed ones."""
        if self.noise_rise is None and given is None:
            return
        none = np.ones(n_servers)
        own = none if self.noise_rise is None else self.noise_rise
        other, own = np.broadcast_arrays(none if given is None else given, own)
        if not (same := np.isclose(other, own, rtol=1e-9, atol=0)).all():
            index = first_index(~same)
            raise ValueError(
                "The scenario must have the `noise_rise` of the environment; got "
                f"{other[index]:g} instead of {own[index]:g} for server {index[-1]}. "
                "Make the environment with the scenario's `server.noise_rise_db`, "
                f"there {10 * math.log10(other[index]):g}."
            )

    def _check_layers(self, layers: Any) -> None:
        """Refuses a scenario with another number of layers than the observed ones."""
        if self.layers is None and layers is None:
            return
        if self.layers is None:
            raise ValueError(
                "This encoding has no place for `layers`; got a scenario that has "
                "them. Make the environment with `workload.split` = 'whole_layers'."
            )
        if layers is None or (layers != self.layers).any():
            got = "a scenario without" if layers is None else f"{layers.ravel()[0]:g}"
            raise ValueError(
                f"The scenario must have `layers` = {self.layers}, as `workload.model` "
                f"or `workload.layers` says; got {got}."
            )
