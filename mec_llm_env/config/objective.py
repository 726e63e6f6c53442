"""What a decision is worth: weights and references of the service-cost ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, number


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig(Checked):
    """Weights and references of the service-cost ratio. All of them: assumption.

    Raises:
        ValueError: a parameter is outside of its range (`docs/ranges.md`), or the score
            weights do not sum to 1; the text names the parameter and the remedy.
    """

    delay_weight: float = number(0.5, 1e-6, 1e6)  # ω_t, dimensionless
    energy_weight: float = number(0.5, 1e-6, 1e6, or_zero=True)  # ω_e, dimensionless
    delay_reference_s: float = number(100.0, 1e-6, 1e12)  # T_ref, s
    energy_reference_j: float = number(200.0, 1e-6, 1e12)  # E_ref, J
    # part of the energy of the download that is charged; [LZ24] charges none
    downlink_energy_share: float = number(0.0, 0, 1)
    score_sensitivity: float = number(10.0, 1e-6, 1e6)  # ω2, dimensionless
    score_weight_power: float = number(0.0, 0, 1)  # w_p
    score_weight_bandwidth: float = number(0.3, 0, 1)  # w_b
    score_weight_compute: float = number(0.3, 0, 1)  # w_c
    score_weight_offload: float = number(0.4, 0, 1)  # w_o

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        weights = ("power", "bandwidth", "compute", "offload")
        names = [f"score_weight_{name}" for name in weights]
        total = sum(getattr(self, name) for name in names)
        if abs(total - 1) > 1e-6:  # as exact as float32 is
            raise ValueError(
                f"{', '.join(f'`objective.{name}`' for name in names)} must sum to 1; "
                f"got {[getattr(self, name) for name in names]}, which sum to "
                f"{total:g}. Give all four together."
            )

    @property
    def score_scale(self) -> float:
        """ω1 = 100 / ln(1 + ω2), which puts every score into [0, 100]."""
        return 100 / math.log1p(self.score_sensitivity)

    @property
    def delay_cost_per_s(self) -> float:
        """ω_t' = ω_t / T_ref, 1/s."""
        return self.delay_weight / self.delay_reference_s

    @property
    def energy_cost_per_j(self) -> float:
        """ω_e' = ω_e / E_ref, 1/J."""
        return self.energy_weight / self.energy_reference_j

    @property
    def downlink_cost_per_j(self) -> float:
        """The cost of a joule that a server sends, 1/J: a part of ω_e'."""
        return self.downlink_energy_share * self.energy_cost_per_j


_DEFAULT = ObjectiveConfig()


def checked_objective(objective: Any) -> ObjectiveConfig:
    """Returns the objective, the default one for None.

    Raises:
        ValueError: it is something else; the text says where the objective is.
    """
    if isinstance(objective, ObjectiveConfig):
        return objective
    if objective is None:
        return _DEFAULT
    if isinstance(getattr(objective, "objective", None), ObjectiveConfig):
        remedy = "That is a whole configuration: give its `config.objective`."
    elif isinstance(objective, Mapping):
        remedy = "Give `ObjectiveConfig(**weights)`."
    else:
        remedy = "Give an `ObjectiveConfig`, or None for the default one."
    raise ValueError(
        "`objective` must be a mec_llm_env.ObjectiveConfig; got "
        f"{type(objective).__name__}. {remedy}"
    )
