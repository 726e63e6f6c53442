"""Configuration: every number of the default scenario, by topic, with unit and source.

Sources: [LZ24] Liu and Zhao, "Resource Allocation for Stable LLM Training in Mobile
Edge Computing" (MobiHoc 2024); [3GPP] TR 36.814 and power classes; "assumption" marks
our own modelling choices. None of these numbers is claimed to be the paper's, except
the size of 10 users and 2 servers (arXiv 2310.17872).

dB, dBm, MHz and GHz occur only here; `sampling` converts them to SI once.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mec_llm_env.names import did_you_mean

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutConfig:
    """Where users and servers are: a disc with the servers on a ring inside it."""

    cell_radius_m: float = 500.0  # m; assumption
    server_ring_ratio: float = 0.5  # of the radius; assumption (one server: centre)
    distance_min_m: float = 10.0  # m; assumption

    def __post_init__(self) -> None:
        _check_positive(self, "cell_radius_m", "distance_min_m")
        _check_non_negative(self, "server_ring_ratio")


@dataclass(frozen=True, kw_only=True, slots=True)
class RadioConfig:
    """Path loss, fading, noise and the transmitters."""

    path_loss_intercept_db: float = 128.1  # dB at 1 km; 3GPP TR 36.814 macro, [LZ24]
    path_loss_slope_db: float = 37.6  # dB a decade; 3GPP TR 36.814 macro, [LZ24]
    shadowing_std_db: float = 8.0  # dB, log-normal; 3GPP
    fading: str = "rayleigh"  # "rayleigh" | "none"; block fading, assumption
    noise_density_dbm_per_hz: float = -174.0  # dBm/Hz; thermal
    noise_figure_db: float = 5.0  # dB; usual
    bandwidth_mhz: float = 10.0  # MHz a server; usual macro carrier
    downlink_power_w: float = 20.0  # W (43 dBm); usual macro carrier
    transmit_power_max_w: Range = (0.2, 1.0)  # W, uniform; 3GPP class 3 and above

    def __post_init__(self) -> None:
        _check_finite(self, "path_loss_intercept_db", "noise_density_dbm_per_hz")
        _check_non_negative(
            self, "path_loss_slope_db", "shadowing_std_db", "noise_figure_db"
        )
        _check_positive(self, "bandwidth_mhz", "downlink_power_w")
        _check_range(self, "transmit_power_max_w")
        _check_choice(self, "fading", ("rayleigh", "none"))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadConfig:
    """The decoder that is adapted, and the training job of each user."""

    layers: int = 16  # a 1 B-class decoder
    width: int = 2048  # hidden size of a 1 B-class decoder
    bottleneck: int = 256  # adapter bottleneck; Houlsby et al. 2019
    tokens: tuple[int, int] = (512, 1024)  # a sequence, uniform integers; [LZ24]
    sequences: tuple[int, int] = (16, 64)  # uniform integers; assumption
    epochs: int = 1  # assumption
    adapter_parameter_bit: int = 16  # bit a parameter; assumption
    token_bit: int = 32  # bit a token; assumption

    def __post_init__(self) -> None:
        names = ("width", "bottleneck", "epochs", "adapter_parameter_bit", "token_bit")
        _check_integer(self, *names, minimum=1)
        _check_integer(self, "layers", minimum=2)
        _check_range(self, "tokens", "sequences", integer=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceConfig:
    """The users' GPUs: 2024-26 phones, about 2-3.4 TFLOP/s in 3-6 W; assumption."""

    cores: tuple[int, ...] = (4, 5, 6)  # one of these, equally likely; assumption
    flop_per_cycle_per_core: float = 512.0  # FLOP/cycle, 16-bit; assumption
    frequency_max_ghz: Range = (0.8, 1.3)  # GHz, uniform; assumption
    power_w: Range = (3.0, 6.0)  # W at the reference frequency, uniform; assumption
    power_reference_ghz: float = 1.3  # GHz at which `power_w` is drawn; assumption

    def __post_init__(self) -> None:
        _check_positive(self, "flop_per_cycle_per_core", "power_reference_ghz")
        _check_range(self, "frequency_max_ghz", "power_w")
        _check_tuple(self, "cores", integer=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """The servers' GPUs: server m takes entry m of each tuple, in turn.

    The defaults are NVIDIA's data sheets of the Jetson AGX Orin and the Tesla T4.
    """

    cores: tuple[int, ...] = (2048, 2560)  # vendor data sheets
    frequency_ghz: tuple[float, ...] = (1.3, 1.59)  # GHz; vendor data sheets
    power_w: tuple[float, ...] = (60.0, 70.0)  # W at that frequency; data sheets
    flop_per_cycle_per_core: float = 2.0  # FLOP/cycle, no tensor cores; assumption
    max_users: int | None = None  # users a server may serve; None: no limit

    def __post_init__(self) -> None:
        _check_positive(self, "flop_per_cycle_per_core")
        _check_tuple(self, "cores", integer=True)
        _check_tuple(self, "frequency_ghz", "power_w")
        lengths = {len(self.cores), len(self.frequency_ghz), len(self.power_w)}
        if len(lengths) > 1:
            raise ValueError(
                "`server.cores`, `server.frequency_ghz` and `server.power_w` must have "
                f"one entry a server model each; got {len(self.cores)}, "
                f"{len(self.frequency_ghz)} and {len(self.power_w)} entries."
            )
        if self.max_users is not None:
            _check_integer(self, "max_users", minimum=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Weights and references of the service-cost ratio. All of them: assumption."""

    delay_weight: float = 0.5  # ω_t, dimensionless
    energy_weight: float = 0.5  # ω_e, dimensionless
    delay_reference_s: float = 100.0  # T_ref, s
    energy_reference_j: float = 200.0  # E_ref, J
    score_sensitivity: float = 10.0  # ω2, dimensionless
    score_weight_power: float = 0.0  # w_p
    score_weight_bandwidth: float = 0.3  # w_b
    score_weight_compute: float = 0.3  # w_c
    score_weight_offload: float = 0.4  # w_o

    def __post_init__(self) -> None:
        _check_positive(
            self,
            "delay_weight",
            "delay_reference_s",
            "energy_reference_j",
            "score_sensitivity",
        )
        weights = ("power", "bandwidth", "compute", "offload")
        names = [f"score_weight_{name}" for name in weights]
        _check_non_negative(self, "energy_weight", *names)
        total = sum(getattr(self, name) for name in names)
        if abs(total - 1) > 1e-9:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioConfig:
    """Everything a scenario is drawn from; immutable and hashable.

    Change one with `dataclasses.replace` or `with_overrides`.
    """

    users: int = 10  # N; the paper's size
    servers: int = 2  # M; the paper's size
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    radio: RadioConfig = field(default_factory=RadioConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        _check_integer(self, "users", "servers", minimum=1)
        slots = self.server.max_users
        if slots is not None and slots * self.servers < self.users:
            raise ValueError(
                f"`server.max_users` = {slots} lets {self.servers} servers serve "
                f"{slots * self.servers} users, fewer than `users` = {self.users}. "
                f"Use at least {-(-self.users // self.servers)}, or None for no limit."
            )

    @classmethod
    def preset(cls, name: str) -> Self:
        """Returns a named scenario configuration: see `PRESETS`.

        Raises:
            ValueError: there is no preset of that name.
        """
        if not isinstance(name, str) or name not in PRESETS:
            hint = _suggest(str(name), PRESETS)
            raise ValueError(f"There is no preset {name!r}.{hint}")
        return cls(**PRESETS[name])

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Returns a copy with dotted keys replaced: `{"radio.bandwidth_mhz": 20}`.

        Values are JSON: lists stand for tuples.

        Raises:
            ValueError: a key does not exist, or a value is not valid for its field.
        """
        if not isinstance(overrides, Mapping):
            raise ValueError(
                "`overrides` must be a mapping from parameters to values, such as "
                f"{{'radio.bandwidth_mhz': 20}}; got {overrides!r}."
            )
        known = _flatten(self)
        changes: dict[str, dict[str, Any]] = {}
        for key, value in overrides.items():
            if key not in known:
                raise ValueError(
                    f"There is no parameter {key!r}.{_suggest(key, known)}"
                )
            topic, _, name = key.rpartition(".")
            value = tuple(value) if isinstance(value, list) else value
            changes.setdefault(topic, {})[name] = value
        top = changes.pop("", {})
        for topic, values in changes.items():
            top[topic] = dataclasses.replace(getattr(self, topic), **values)
        return dataclasses.replace(self, **top)

    def to_dict(self) -> dict[str, Any]:
        """Returns all parameters under their dotted keys, as JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in _flatten(self).items()
        }

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; what is left out keeps its default."""
        return cls().with_overrides(parameters)


#: Named scenarios: each is a configuration and nothing else.
PRESETS: dict[str, dict[str, Any]] = {
    "paper-10x2": {},  # the size of arXiv 2310.17872
    "tiny-4x2": {"users": 4, "servers": 2},  # small enough to enumerate
    "medium-50x10": {"users": 50, "servers": 10},  # the size of [LZ24]
    "large-1000x50": {"users": 1000, "servers": 50},
}


def _flatten(config: ScenarioConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for top in dataclasses.fields(config):
        value = getattr(config, top.name)
        if not dataclasses.is_dataclass(value):
            flat[top.name] = value
            continue
        for leaf in dataclasses.fields(value):
            flat[f"{top.name}.{leaf.name}"] = getattr(value, leaf.name)
    return flat


def _suggest(word: str, known: Mapping[str, Any]) -> str:
    if hint := did_you_mean(word, known):
        return hint
    by_leaf = {key.rpartition(".")[2]: key for key in known}
    if near := difflib.get_close_matches(word.rpartition(".")[2], by_leaf, n=1):
        return f" Did you mean {by_leaf[near[0]]!r}?"
    return f" Choose from {', '.join(known)}."


# Checks. Each names the dotted key, the value and what is allowed.


def _error(config: Any, name: str, rule: str) -> ValueError:
    topic = type(config).__name__.removesuffix("Config").lower()
    key = name if topic == "scenario" else f"{topic}.{name}"
    return ValueError(f"`{key}` must be {rule}; got {getattr(config, name)!r}.")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_finite(config: Any, *names: str) -> None:
    for name in names:
        if not _is_number(getattr(config, name)):
            raise _error(config, name, "a finite number")


def _check_positive(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not _is_number(value) or value <= 0:
            raise _error(config, name, "a positive, finite number")


def _check_non_negative(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not _is_number(value) or value < 0:
            raise _error(config, name, "a finite number of at least 0")


def _check_integer(config: Any, *names: str, minimum: int) -> None:
    for name in names:
        value = getattr(config, name)
        if not _is_integer(value) or value < minimum:
            raise _error(config, name, f"an integer of at least {minimum}")


def _check_choice(config: Any, name: str, choices: tuple[str, ...]) -> None:
    if getattr(config, name) not in choices:
        raise _error(config, name, f"one of {', '.join(map(repr, choices))}")


def _check_tuple(config: Any, *names: str, integer: bool = False) -> None:
    kind = _is_integer if integer else _is_number
    rule = "positive integers" if integer else "positive, finite numbers"
    for name in names:
        value = getattr(config, name)
        valid = isinstance(value, tuple) and len(value) > 0
        if not valid or not all(kind(item) and item > 0 for item in value):
            raise _error(config, name, f"a tuple of {rule}")


def _check_range(config: Any, *names: str, integer: bool = False) -> None:
    for name in names:
        _check_tuple(config, name, integer=integer)
        value = getattr(config, name)
        if len(value) != 2 or value[0] > value[1]:
            raise _error(config, name, "(lowest, highest)")
