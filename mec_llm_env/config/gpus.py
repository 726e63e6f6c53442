"""The GPUs of users and servers, and whom a server may serve."""

from __future__ import annotations

from dataclasses import dataclass

from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, integer, number

Range = tuple[float, float]


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceConfig(Checked):
    """The users' GPUs: 2024-26 phones, about 2-3.4 TFLOP/s in 3-6 W; assumption."""

    # one of these, equally likely; assumption
    cores: tuple[int, ...] | tuple[tuple[int, ...], ...] = integer(
        (4, 5, 6), 1, 10**9, entries="tuple", per="user"
    )
    # FLOP/cycle, 16-bit; assumption
    flop_per_cycle_per_core: float | tuple[float, ...] = number(
        512.0, 1e-3, 1e9, per="user"
    )
    # GHz, uniform; assumption
    frequency_max_ghz: Range | tuple[Range, ...] = number(
        (0.8, 1.3), 1e-9, 1e6, entries="pair", per="user"
    )
    # W at the reference frequency, uniform; assumption
    power_w: Range | tuple[Range, ...] = number(
        (3.0, 6.0), 1e-9, 1e9, entries="pair", per="user"
    )
    # GHz at which `power_w` is drawn; assumption
    power_reference_ghz: float | tuple[float, ...] = number(1.3, 1e-9, 1e6, per="user")


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig(Checked):
    """The servers' GPUs: server m takes entry m of each tuple, in turn.

    The defaults are NVIDIA's data sheets of the Jetson AGX Orin and the Tesla T4.
    """

    # vendor data sheets; GHz; W at that frequency
    cores: tuple[int, ...] = integer((2048, 2560), 1, 10**9, entries="tuple")
    frequency_ghz: tuple[float, ...] = number((1.3, 1.59), 1e-9, 1e6, entries="tuple")
    power_w: tuple[float, ...] = number((60.0, 70.0), 1e-9, 1e9, entries="tuple")
    # FLOP/cycle, no tensor cores; assumption
    flop_per_cycle_per_core: float | tuple[float, ...] = number(
        2.0, 1e-3, 1e9, per="server"
    )
    # users that a server may serve; None: no limit
    max_users: int | tuple[int | None, ...] | None = integer(
        None, 1, 10**9, optional=True, per="server"
    )
    # dB by which interference raises the noise of the uplink; assumption
    noise_rise_db: float | tuple[float, ...] = number(0.0, 0, 40, per="server")

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        lengths = {len(self.cores), len(self.frequency_ghz), len(self.power_w)}
        if len(lengths) > 1:
            raise ValueError(
                "`server.cores`, `server.frequency_ghz` and `server.power_w` must have "
                f"one entry a server model each; got {len(self.cores)}, "
                f"{len(self.frequency_ghz)} and {len(self.power_w)} entries."
            )
