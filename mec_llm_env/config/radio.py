"""Where users and servers are, and the channels between them."""

from __future__ import annotations

from dataclasses import dataclass

from mec_llm_env.channel.path_loss import LAWS, Law
from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, choice, number, shorten

Range = tuple[float, float]
Point = tuple[float, float]


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutConfig(Checked):
    """Where users and servers are: a disc with the servers on a ring inside it.

    Positions that are given replace the drawn ones, or the ring.
    """

    cell_radius_m: float = number(500.0, 0.1, 1e8)  # m; assumption
    server_ring_ratio: float = number(0.5, 0, 100)  # of the radius; assumption
    distance_min_m: float = number(10.0, 1e-3, 1e8)  # m; assumption
    # (x, y) of each user, m from the centre; None: drawn in the disc
    user_position_m: tuple[Point, ...] | None = number(
        None, -1e8, 1e8, entries="point", per="user", optional=True
    )
    # (x, y) of each server, m from the centre; None: on the ring
    server_position_m: tuple[Point, ...] | None = number(
        None, -1e8, 1e8, entries="point", per="server", optional=True
    )


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class RadioConfig(Checked):
    """Path loss, fading, noise and the transmitters.

    Gains that are given are as they are: neither path loss nor fading is drawn, and
    scenarios have positions only where `layout` gives them.

    Laws of path loss take different parameters. One that is None is the law's usual
    value (`channel.path_loss.LAWS`); leave alone whatever the law does not take.

    Raises:
        ValueError: a parameter is outside of its range, or without effect.
    """

    # the law: 3GPP TR 36.814 macro; TR 38.901 UMa, UMi; free space and ITU-R P.676
    path_loss: str = choice("log-distance", *LAWS)
    # dB at 1 km, and a decade; 3GPP TR 36.814 macro, [LZ24]
    path_loss_intercept_db: float = number(128.1, 0, 400)
    path_loss_slope_db: float = number(37.6, 0, 200)
    # dB, log-normal, of laws without states of sight; 3GPP
    shadowing_std_db: float = number(8.0, 0, 100)
    # dB, in line of sight and out of it, of "uma" and "umi"; usual: TR 38.901
    state_shadowing_std_db: Range | None = number(
        None, 0, 100, entries="pair", optional=True
    )
    # GHz; usual: 3.5, and 140 with "sub-thz"
    carrier_ghz: float | None = number(None, 0.5, 1000, optional=True)
    # m, of antennas; usual: 25 with "uma", 10 with "umi", TR 38.901
    server_height_m: float | None = number(None, 1.5, 1000, optional=True)
    # m, of antennas; usual: 1.5, TR 38.901, whose formulas change at 13 m
    user_height_m: float | None = number(None, 1.5, 13, optional=True)
    # g/m³, of "sub-thz"; usual: 7.5, ITU-R P.835
    water_vapour_g_per_m3: float | None = number(None, 0, 100, optional=True)
    # dB, of the arrays at both ends together, less losses; assumption
    antenna_gain_db: float = number(0.0, -100, 150)
    fading: str = choice("rayleigh", "rayleigh", "none")  # block fading, assumption
    noise_density_dbm_per_hz: float = number(-174.0, -250, -50)  # dBm/Hz; thermal
    noise_figure_db: float = number(5.0, 0, 100)  # dB; usual
    # MHz a server; usual macro carrier
    bandwidth_mhz: float | tuple[float, ...] = number(10.0, 1e-6, 1e7, per="server")
    # W (43 dBm) a server; usual macro carrier
    downlink_power_w: float | tuple[float, ...] = number(20.0, 1e-9, 1e6, per="server")
    # W, uniform; 3GPP power class 3 and above
    transmit_power_max_w: Range | tuple[Range, ...] = number(
        (0.2, 1.0), 1e-9, 1e6, entries="pair", per="user"
    )
    # dB of power, measured or simulated, of each user to each server; None: drawn
    channel_gain_db: tuple[tuple[float, ...], ...] | None = number(
        None, -300, 0, entries="row", per="user", optional=True
    )

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        law = self.law
        for name in self.unused:
            default = self.__dataclass_fields__[name].default
            if getattr(self, name) != default:
                raise ValueError(
                    f"`radio.{name}` has no effect with `radio.path_loss` = "
                    f"{self.path_loss!r}, which takes {', '.join(self._takes)}; got "
                    f"{shorten(getattr(self, name))}. Leave it "
                    f"{'out' if default is None else f'at {default}'}."
                )
        carrier = self.law_parameters.get("carrier_ghz")
        if law.carrier_ghz is not None and not law.carrier_ghz.hold(carrier):
            raise ValueError(
                f"`radio.carrier_ghz` must be from {law.carrier_ghz} with "
                f"`radio.path_loss` = {self.path_loss!r}; got {carrier}. Choose "
                "another law, or a carrier in its range."
            )

    @property
    def law(self) -> Law:
        """The law of path loss."""
        return LAWS[self.path_loss]

    @property
    def unused(self) -> tuple[str, ...]:
        """Parameters without effect: those of other laws."""
        return tuple(name for name in _OF_LAWS if name not in self._takes)

    @property
    def _takes(self) -> tuple[str, ...]:
        states = self.law.shadowing_std_db is not None
        shadowing = "state_shadowing_std_db" if states else "shadowing_std_db"
        return (*self.law.takes, shadowing)

    @property
    def law_parameters(self) -> dict[str, float]:
        """What the law takes, by name."""
        values = {name: getattr(self, name) for name in self.law.takes}
        return {k: self.law.usual[k] if v is None else v for k, v in values.items()}

    @property
    def shadowing_stds_db(self) -> tuple[float, float]:
        """Standard deviations of shadowing in line of sight and out of it, dB."""
        if self.law.shadowing_std_db is None:
            return self.shadowing_std_db, self.shadowing_std_db
        return self.state_shadowing_std_db or self.law.shadowing_std_db


_OF_LAWS = (
    *("path_loss_intercept_db", "path_loss_slope_db", "shadowing_std_db"),
    *("state_shadowing_std_db", "carrier_ghz", "server_height_m", "user_height_m"),
    "water_vapour_g_per_m3",
)
