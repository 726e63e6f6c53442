"""Laws of path loss: from the distance of a link to its mean gain.

A new law is a function here and an entry in `LAWS`. The function takes distances over
ground, [...] in m, and parameters of `RadioConfig` by their names; it gives the mean
gain in line of sight and out of it, and the probability of the one, or a mean gain
alone. [38.901]: 3GPP TR 38.901, "Study on channel model for frequencies from 0.5 to
100 GHz", V17.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mec_llm_env._array import Array, namespace
from mec_llm_env.channel.absorption import absorption_db_per_km
from mec_llm_env.channel.link import NEPER_PER_DB, mean_log_gain
from mec_llm_env.ranges import Limits

_LIGHT_M_PER_S = 299_792_458.0
_ENVIRONMENT_M = 1.0  # effective height of streets, for users below 13 m [38.901]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanGain:
    """Natural logarithms of mean power gains of links, `[...]`."""

    log_gain: Array  # [...] in line of sight; of laws without states, of all
    log_gain_blocked: Array | None = None  # [...] out of it
    sight_probability: Array | None = None  # [...] of line of sight

    def expected(self) -> Array:
        """Returns the mean over both states, in logarithms, `[...]`."""
        if self.log_gain_blocked is None:
            return self.log_gain
        assert self.sight_probability is not None
        fall = self.log_gain - self.log_gain_blocked
        return self.log_gain - (1 - self.sight_probability) * fall

    def raised(self, nepers: float) -> MeanGain:
        """Returns the gains with those of antennas."""
        if nepers == 0:
            return self
        blocked = self.log_gain_blocked
        return dataclasses.replace(
            self,
            log_gain=self.log_gain + nepers,
            log_gain_blocked=None if blocked is None else blocked + nepers,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """A law of path loss and what it takes from `RadioConfig`."""

    mean_gain: Callable[..., MeanGain]
    takes: tuple[str, ...]  # parameters, by name
    #: What those are that are None in the configuration.
    usual: Mapping[str, float] = field(default_factory=dict)
    carrier_ghz: Limits | None = None  # in which it holds
    #: dB, of shadowing in line of sight and out of it; None: there are no such states,
    #: and shadowing is `radio.shadowing_std_db`.
    shadowing_std_db: tuple[float, float] | None = None


def log_distance(
    distance_m: Array, *, path_loss_intercept_db: float, path_loss_slope_db: float
) -> MeanGain:
    """Intercept + slope · log10(d / 1 km) dB: 3GPP TR 36.814 macro, [LZ24]."""
    return MeanGain(
        log_gain=mean_log_gain(
            distance_m,
            path_loss_intercept_db=path_loss_intercept_db,
            path_loss_slope_db=path_loss_slope_db,
        )
    )


def urban_macro(
    distance_m: Array,
    *,
    carrier_ghz: float,
    server_height_m: float,
    user_height_m: float,
) -> MeanGain:
    """UMa of [38.901], tables 7.4.1-1 and 7.4.2-1, for users outdoors."""
    link = _Link(distance_m, carrier_ghz, server_height_m, user_height_m)
    sight = link.two_slopes_db(28.0, 22.0, 9.0)
    blocked = 13.54 + 39.08 * link.log10_m + 20 * link.log10_ghz
    return link.states(sight, blocked - 0.6 * (user_height_m - 1.5), 63.0)


def urban_micro(
    distance_m: Array,
    *,
    carrier_ghz: float,
    server_height_m: float,
    user_height_m: float,
) -> MeanGain:
    """UMi street canyon of [38.901], tables 7.4.1-1 and 7.4.2-1, users outdoors."""
    link = _Link(distance_m, carrier_ghz, server_height_m, user_height_m)
    sight = link.two_slopes_db(32.4, 21.0, 9.5)
    blocked = 22.4 + 35.3 * link.log10_m + 21.3 * link.log10_ghz
    return link.states(sight, blocked - 0.3 * (user_height_m - 1.5), 36.0)


def sub_thz(
    distance_m: Array,
    *,
    carrier_ghz: float,
    server_height_m: float,
    user_height_m: float,
    water_vapour_g_per_m3: float,
) -> MeanGain:
    """Free space, 20 log10(4π d f/c), and absorption by air (`absorption`).

    Links are in line of sight: a hot spot with servers on lamp posts (assumption).
    """
    link = _Link(distance_m, carrier_ghz, server_height_m, user_height_m)
    wavelength_m = _LIGHT_M_PER_S / (1e9 * carrier_ghz)
    per_km = _absorption(carrier_ghz, water_vapour_g_per_m3)
    loss_db = 20 * link.log10_m + 20 * math.log10(4 * math.pi / wavelength_m)
    loss_db = loss_db + per_km * link.distance_3d_m / 1000
    return MeanGain(log_gain=-NEPER_PER_DB * loss_db)


_absorption = functools.lru_cache(maxsize=32)(
    lambda carrier_ghz, vapour: absorption_db_per_km(
        carrier_ghz, water_vapour_g_per_m3=vapour
    )
)


class _Link:
    """The geometry of links and the formulas that UMa and UMi have in common."""

    def __init__(
        self,
        distance_m: Array,
        carrier_ghz: float,
        server_height_m: float,
        user_height_m: float,
    ) -> None:
        self.xp = namespace(distance_m)
        self.distance_m = distance_m
        self.above_m2 = (server_height_m - user_height_m) ** 2
        self.distance_3d_m = self.xp.sqrt(distance_m**2 + self.above_m2)
        self.log10_m = self.xp.log10(self.distance_3d_m)
        self.log10_ghz = math.log10(carrier_ghz)
        # Effective antenna heights: d'_BP = 4 h'_BS h'_UT f/c, note 1 of 7.4.1-1.
        heights = (server_height_m - _ENVIRONMENT_M) * (user_height_m - _ENVIRONMENT_M)
        self.breakpoint_m = 4 * heights * 1e9 * carrier_ghz / _LIGHT_M_PER_S

    def two_slopes_db(self, at_1_m: float, slope: float, fall: float) -> Array:
        """Returns PL_1 up to the breakpoint and PL_2, 40 dB a decade, beyond it."""
        carrier = at_1_m + 20 * self.log10_ghz
        near = carrier + slope * self.log10_m
        bend = math.log10(self.breakpoint_m**2 + self.above_m2)
        far = carrier + 40 * self.log10_m - fall * bend
        return self.xp.where(self.distance_m <= self.breakpoint_m, near, far)

    def states(self, sight_db: Array, blocked_db: Array, decay_m: float) -> MeanGain:
        """Returns both states, and the probability of line of sight, 7.4.2-1."""
        distance_m = self.xp.clip(self.distance_m, 18.0, None)
        near = 18.0 / distance_m
        blocked_db = self.xp.maximum(sight_db, blocked_db)
        return MeanGain(
            log_gain=-NEPER_PER_DB * sight_db,
            log_gain_blocked=-NEPER_PER_DB * blocked_db,
            sight_probability=near + self.xp.exp(-distance_m / decay_m) * (1 - near),
        )


_HEIGHTS = ("carrier_ghz", "server_height_m", "user_height_m")

#: By the value of `radio.path_loss`. Standard deviations of shadowing: 7.4.1-1.
LAWS: dict[str, Law] = {
    "log-distance": Law(
        mean_gain=log_distance, takes=("path_loss_intercept_db", "path_loss_slope_db")
    ),
    "uma": Law(
        mean_gain=urban_macro,
        takes=_HEIGHTS,
        usual={"carrier_ghz": 3.5, "server_height_m": 25.0, "user_height_m": 1.5},
        carrier_ghz=Limits(0.5, 100),
        shadowing_std_db=(4.0, 6.0),
    ),
    "umi": Law(
        mean_gain=urban_micro,
        takes=_HEIGHTS,
        usual={"carrier_ghz": 3.5, "server_height_m": 10.0, "user_height_m": 1.5},
        carrier_ghz=Limits(0.5, 100),
        shadowing_std_db=(4.0, 7.82),
    ),
    "sub-thz": Law(
        mean_gain=sub_thz,
        takes=(*_HEIGHTS, "water_vapour_g_per_m3"),
        usual={
            **{"carrier_ghz": 140.0, "server_height_m": 10.0, "user_height_m": 1.5},
            "water_vapour_g_per_m3": 7.5,  # ITU-R P.835, at sea level
        },
        carrier_ghz=Limits(100, 1000),
    ),
}
