"""Configuration of the sequential problem: a scenario's, mobility and migration.

"assumption" marks our own modelling choices; the rest is cited at its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from mec_llm_env.config import (
    LayoutConfig,
    RadioConfig,
    ScenarioConfig,
    WorkloadConfig,
    from_presets,
)
from mec_llm_env.config.radio import Range
from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, integer, number, shorten

#: Slots times users times servers of a trajectory, at most.
MOST_ENTRIES = 10_000_000


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class MobilityConfig(Checked):
    """How long an episode lasts, how users move, and when one leaves for another.

    Raises:
        ValueError: a parameter is outside of its range (`docs/ranges.md`), or the
            shares of the speed classes do not sum to 1; the text names the parameter.
    """

    slots: int = integer(50, 1, 100_000)  # T; assumption
    slot_s: float = number(60.0, 1e-3, 1e6)  # s, a round of training; assumption
    # that a user's job ends after a slot, 30 slots on average; assumption
    job_end_probability: float = number(1 / 30, 0, 1)
    still_share: float = number(0.2, 0, 1)  # of users; assumption
    pedestrian_share: float = number(0.6, 0, 1)  # of users; assumption
    vehicular_share: float = number(0.2, 0, 1)  # of users; assumption
    # m/s, uniform; assumption
    pedestrian_speed_m_per_s: Range = number((0.5, 1.5), 0, 1000, entries="pair")
    # m/s, uniform; assumption
    vehicular_speed_m_per_s: Range = number((5.0, 15.0), 0, 1000, entries="pair")
    # of the velocity, a slot; Gauss-Markov, Liang and Haas 1999; the value: assumption
    velocity_memory: float = number(0.95, 0, 1)
    # m, to 1/e; Gudmundson 1991: tens of m in cities to 500 m; the value: assumption
    shadowing_distance_m: float = number(200.0, 1e-3, 1e9)
    # m, to 1/e, of line of sight; TR 38.901, table 7.6.3.1-2, UMa and UMi
    sight_distance_m: float = number(50.0, 1e-3, 1e9)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        names = [f"{name}_share" for name in SPEED_CLASSES]
        total = sum(self.shares)
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"{', '.join(f'`mobility.{name}`' for name in names)} must sum to 1; "
                f"got {list(self.shares)}, which sum to {total:g}. Give all three "
                "together."
            )

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of the speed classes, as `SPEED_CLASSES`."""
        return self.still_share, self.pedestrian_share, self.vehicular_share


#: The speed classes, slowest first.
SPEED_CLASSES = ("still", "pedestrian", "vehicular")


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationConfig(Checked):
    """What moves when a user changes its server, and over what.

    It is the adapters' weights, of `workload.adapter_parameter_bit` a parameter, and
    the optimiser's state: by default 3.8 Gbit, 75 s and 151 J.
    """

    # bit a parameter: a 32-bit copy and Adam's two moments; mixed-precision training
    optimizer_bit: int = integer(96, 0, 10_000)
    # Mbit/s, a slice of the backhaul; assumption
    backhaul_mbit_per_s: float = number(50.0, 1e-6, 1e9)
    # nJ/bit, wireless backhaul, both ends; assumption
    energy_nj_per_bit: float = number(40.0, 0, 1e9)


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class MobileConfig(ScenarioConfig):
    """Everything a trajectory is drawn from: a `ScenarioConfig` with two more topics.

    Its defaults are the preset "mobile-10x2": without fast fading, which a slot of a
    minute averages, with half the sequences of a single decision in a round, and in a
    cell of 600 m (`docs/decisions/0010-mobile-numbers.md` says why).

    Raises:
        ValueError: a parameter is outside of its range, which `docs/ranges.md` lists;
            the text names the dotted key, the value and the range.
    """

    layout: LayoutConfig = field(
        default_factory=partial(LayoutConfig, cell_radius_m=600.0)  # assumption
    )
    radio: RadioConfig = field(default_factory=partial(RadioConfig, fading="none"))
    workload: WorkloadConfig = field(
        default_factory=partial(WorkloadConfig, sequences=(8, 32))  # assumption
    )
    mobility: MobilityConfig = field(default_factory=MobilityConfig)
    migration: MigrationConfig = field(default_factory=MigrationConfig)

    def __post_init__(self) -> None:
        ScenarioConfig.__post_init__(self)
        fixed = {
            "radio.channel_gain_db": self.radio.channel_gain_db,
            "layout.user_position_m": self.layout.user_position_m,
        }
        for key, value in fixed.items():
            if value is not None:
                raise ValueError(
                    f"`{key}` must be left out where users move; got {shorten(value)}. "
                    "Gains or positions over time are traces: `read_traces`."
                )
        entries = self.mobility.slots * self.users * self.servers
        if entries > MOST_ENTRIES:
            raise ValueError(
                "`mobility.slots` × `users` × `servers` must be at most "
                f"{MOST_ENTRIES:,}; got {self.mobility.slots} × {self.users} × "
                f"{self.servers}."
            )

    @classmethod
    def preset(cls, name: str) -> Self:
        """Returns a named configuration: see `MOBILE_PRESETS`.

        Raises:
            ValueError: there is no preset of that name.
        """
        return from_presets(cls, name, MOBILE_PRESETS)


def _one_class(name: str) -> dict[str, Any]:
    shares: dict[str, Any] = {
        f"{other}_share": float(other == name) for other in SPEED_CLASSES
    }
    return {"mobility": MobilityConfig(**shares)}


#: Named configurations of the sequential problem.
MOBILE_PRESETS: Mapping[str, dict[str, Any]] = {
    "mobile-10x2": {},
    "mobile-50x10": {"users": 50, "servers": 10},
    "mobile-10x2-pedestrian": _one_class("pedestrian"),
    "mobile-10x2-vehicular": _one_class("vehicular"),
}
