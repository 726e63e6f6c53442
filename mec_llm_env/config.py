"""Configuration: every number of the default scenario, by topic, with unit and source.

Sources: [LZ24] Liu and Zhao, "Resource Allocation for Stable LLM Training in Mobile
Edge Computing" (MobiHoc 2024); [3GPP] TR 36.814 and power classes; "assumption" marks
our own modelling choices. None of these numbers is claimed to be the paper's, except
the size of 10 users and 2 servers (arXiv 2310.17872).

dB, dBm, MHz and GHz occur only here; `sampling` converts them to SI once. Servers and
users may differ: a parameter that says `per="server"` takes one value or a tuple, of
which server m has entry m, in turn; `per="user"` one value or exactly one a user.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from mec_llm_env.config_file import read_config
from mec_llm_env.llms import Decoder, decoder_of, gpt, model_text
from mec_llm_env.names import by_name, did_you_mean, nearest
from mec_llm_env.path_loss import LAWS, Law
from mec_llm_env.ranges import (
    Checked,
    Rule,
    choice,
    choices_of,
    converted,
    integer,
    number,
    shorten,
)
from mec_llm_env.workload import Adapter, Houlsby, Lora

#: Users times servers, at most.
MOST_PAIRS = 2_000_000

Range = tuple[float, float]
IntegerRange = tuple[int, int]
Point = tuple[float, float]
Config = TypeVar("Config", bound="ScenarioConfig")

_MATRICES = ("q", "k", "v", "o", "gate", "up", "down")  # of a decoder's layer

# Every parameter stands with its default, and the lowest and highest value it may have.


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
    value (`path_loss.LAWS`), and one that the law does not take must be left alone.

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
        law, states = self.law, self.law.shadowing_std_db is not None
        shadowing = "state_shadowing_std_db" if states else "shadowing_std_db"
        takes = (*law.takes, shadowing)
        for name in _OF_LAWS:
            default = self.__dataclass_fields__[name].default
            if name not in takes and getattr(self, name) != default:
                raise ValueError(
                    f"`radio.{name}` has no effect with `radio.path_loss` = "
                    f"{self.path_loss!r}, which takes {', '.join(takes)}; got "
                    f"{shorten(getattr(self, name))}. Leave it at {default}."
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


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadConfig(Checked):
    """The decoder that is adapted, and the training job of each user.

    Without `model` it is the GPT-style decoder of `layers` and `width`; a known or
    given decoder has its own, and the two are to be left alone.

    Raises:
        ValueError: a parameter is outside of its range, the model cannot be read, or
            it does not go with `layers`, `width` or `lora_targets`.
    """

    # a name of `DECODERS`, or a Hugging Face `config.json`, which is read once
    model: str | None = converted(None, model_text, "decoder or None")
    layers: int = integer(16, 2, 10_000)  # a 1 B-class decoder
    width: int = integer(2048, 1, 10**6)  # hidden size of a 1 B-class decoder
    adapter: str = choice("houlsby", "houlsby", "lora")  # kind; what follows is of one
    bottleneck: int = integer(256, 1, 10**6)  # of adapters; Houlsby et al. 2019
    lora_rank: int = integer(16, 1, 10**6)  # of LoRA; usual
    # the matrices that have LoRA; queries and values in Hu et al. 2022
    lora_targets: tuple[str, ...] = choices_of(("q", "v"), *_MATRICES)
    # a sequence, uniform integers; [LZ24]
    tokens: IntegerRange | tuple[IntegerRange, ...] = integer(
        (512, 1024), 1, 10**8, entries="pair", per="user"
    )
    # uniform integers; assumption
    sequences: IntegerRange | tuple[IntegerRange, ...] = integer(
        (16, 64), 1, 10**9, entries="pair", per="user"
    )
    epochs: int | tuple[int, ...] = integer(1, 1, 10**6, per="user")  # assumption
    adapter_parameter_bit: int = integer(16, 1, 1024)  # bit a parameter; assumption
    token_bit: int = integer(32, 1, 10**6)  # bit a token; assumption
    # whether the local fraction is any number or that of whole layers; assumption
    split: str = choice("continuous", "continuous", "whole_layers")

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.model is not None:
            for name in ("layers", "width"):
                default = self.__dataclass_fields__[name].default
                own = getattr(decoder_of(self.model), name)
                if getattr(self, name) not in (default, own):
                    raise ValueError(
                        f"`workload.{name}` must be left at {default} where "
                        f"`workload.model` is given, which has {own}; got "
                        f"{getattr(self, name)}."
                    )
        missing = set(self.lora_targets) - set(self.decoder.matrices)
        if self.adapter == "lora" and missing:
            raise ValueError(
                "`workload.lora_targets` must be matrices of the decoder, "
                f"{', '.join(self.decoder.matrices)}; got {', '.join(missing)}, which "
                "only a gated feed-forward network has."
            )

    @property
    def decoder(self) -> Decoder:
        """The decoder's dimensions."""
        if self.model is None:
            return gpt(self.layers, self.width)
        return decoder_of(self.model)

    @property
    def whole_layers(self) -> int | None:
        """Υ where the split is that of whole layers, else None."""
        return self.decoder.layers if self.split == "whole_layers" else None

    @property
    def adapters(self) -> Adapter:
        """The adapters of every layer."""
        if self.adapter == "lora":
            return Lora(rank=self.lora_rank, targets=self.lora_targets)
        return Houlsby(bottleneck=self.bottleneck)


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


def checked_objective(objective: Any) -> ObjectiveConfig:
    """Returns the objective, the default one for None.

    Raises:
        ValueError: it is something else; the text says where the objective is.
    """
    if isinstance(objective, ObjectiveConfig):
        return objective
    if objective is None:
        return ObjectiveConfig()
    if isinstance(objective, ScenarioConfig):
        remedy = "That is a whole configuration: give its `config.objective`."
    elif isinstance(objective, Mapping):
        remedy = "Give `ObjectiveConfig(**weights)`."
    else:
        remedy = "Give an `ObjectiveConfig`, or None for the default one."
    raise ValueError(
        "`objective` must be a mec_llm_env.ObjectiveConfig; got "
        f"{type(objective).__name__}. {remedy}"
    )


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioConfig(Checked):
    """Everything a scenario is drawn from; immutable and hashable.

    Change one with `dataclasses.replace` or `with_overrides`. Numbers of NumPy become
    Python's, lists become tuples.

    Raises:
        ValueError: a parameter is outside of its range, which `docs/ranges.md` lists;
            the text names the dotted key, the value and the range.
    """

    users: int = integer(10, 1, 10_000)  # N; the paper's size
    servers: int = integer(2, 1, 1_000)  # M; the paper's size
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    radio: RadioConfig = field(default_factory=RadioConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        for spec in dataclasses.fields(self):
            if spec.default_factory is dataclasses.MISSING:
                continue
            topic = type(spec.default_factory())
            if not isinstance(getattr(self, spec.name), topic):
                raise self._error(spec.name, f"a {topic.__module__}.{spec.type}")
        if self.users * self.servers > MOST_PAIRS:
            raise ValueError(
                f"`users` × `servers` must be at most {MOST_PAIRS:,}; got {self.users} "
                f"× {self.servers}."
            )
        self._check_each()
        self._check_slots()

    def _check_each(self) -> None:
        """Refuses tuples with one entry a user, or server, of another number."""
        for key, (rule, value) in ruled(self).items():
            if value is None or not rule.gives_each(value):
                continue
            wanted = self.users if rule.per == "user" else self.servers
            exact = rule.per == "user" or rule.always_each
            if exact and len(value) != wanted:
                raise ValueError(
                    f"`{key}` must have one entry a {rule.per}, `{rule.per}s` = "
                    f"{wanted}; got {len(value)}. Give the two together."
                )
            if rule.entries == "row" and len(value[0]) != self.servers:
                raise ValueError(
                    f"`{key}` must have one column a server, `servers` = "
                    f"{self.servers}; got {len(value[0])}. Give the two together."
                )

    def _check_slots(self) -> None:
        slots = self.server.max_users
        if slots is None:
            return
        each = slots if isinstance(slots, tuple) else (slots,)
        room = [each[m % len(each)] for m in range(self.servers)]
        total = sum(self.users if slot is None else slot for slot in room)
        if total < self.users:
            least = -(-self.users // self.servers)
            raise ValueError(
                f"`server.max_users` = {shorten(slots)} lets {self.servers} servers "
                f"serve {total} users, fewer than `users` = {self.users}. "
                f"Use at least {least}, or None for no limit."
            )

    @classmethod
    def preset(cls, name: str) -> Self:
        """Returns a named scenario configuration: see `PRESETS`.

        Raises:
            ValueError: there is no preset of that name.
        """
        return from_presets(cls, name, PRESETS)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a configuration from a file of one's own: see `docs/own-system.md`.

        A `.toml` file has the topics as tables, `[[server]]` and `[[user]]` for those
        that differ, and may name a CSV file of gains beside it; `python -m mec_llm_env
        init my.toml` writes one to edit. A `.json` file is an object of dotted keys,
        as `to_dict` gives. What is left out keeps its default.

        Raises:
            ValueError: a line is wrong, or a value looks as if it were in another unit;
                the text names file, line, key, value and remedy of the first problem
                and says how many there are. `python -m mec_llm_env check` lists all.
        """
        return read_config(cls, path)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Returns a copy with dotted keys replaced: `{"radio.bandwidth_mhz": 20}`.

        Values are JSON: lists stand for tuples.

        Raises:
            ValueError: a key does not exist, or a value is not valid for its field.
        """
        if not isinstance(overrides, Mapping):
            raise ValueError(
                "`overrides` must be a mapping from parameters to values, such as "
                f"{{'radio.bandwidth_mhz': 20}}; got {shorten(overrides)}."
            )
        known = _flatten(self)
        changes: dict[str, dict[str, Any]] = {}
        for key, value in overrides.items():
            if key not in known:
                raise ValueError(
                    f"There is no parameter {shorten(key)}.{_suggest(str(key), known)}"
                )
            topic, _, name = key.rpartition(".")
            changes.setdefault(topic, {})[name] = value
        top = changes.pop("", {})
        for topic, values in changes.items():
            top[topic] = dataclasses.replace(getattr(self, topic), **values)
        return dataclasses.replace(self, **top)

    def to_dict(self) -> dict[str, Any]:
        """Returns all parameters under their dotted keys, as JSON values."""
        return {key: _as_lists(value) for key, value in _flatten(self).items()}

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
    "huge-10000x200": {"users": 10_000, "servers": 200},
    # Street canyons in the upper mid-band, servers 200 m apart as in TR 38.901, table
    # 7.2-1, with an element's 8 dBi, table 7.3-1; a wide band averages fading out. The
    # numbers besides: assumption.
    "6g-umi-10x2": {
        "layout": LayoutConfig(cell_radius_m=200.0),
        "radio": RadioConfig(
            path_loss="umi",
            carrier_ghz=7.0,
            antenna_gain_db=8.0,
            fading="none",
            bandwidth_mhz=50.0,
            downlink_power_w=10.0,
        ),
        "server": ServerConfig(noise_rise_db=3.0),
    },
    # A hot spot at 140 GHz: 35 dB of arrays at both ends less 15 dB of losses; short
    # rounds, or the band would be wide enough for all of them. Assumption.
    "6g-subthz-10x2": {
        "layout": LayoutConfig(cell_radius_m=100.0),
        "radio": RadioConfig(
            path_loss="sub-thz",
            carrier_ghz=140.0,
            antenna_gain_db=20.0,
            shadowing_std_db=4.0,
            fading="none",
            noise_figure_db=10.0,
            bandwidth_mhz=1000.0,
            downlink_power_w=1.0,
            transmit_power_max_w=(0.05, 0.2),
        ),
        "workload": WorkloadConfig(sequences=(2, 8)),
        "objective": ObjectiveConfig(delay_reference_s=10.0, energy_reference_j=20.0),
    },
}


def from_presets(
    kind: type[Config], name: Any, presets: Mapping[str, dict[str, Any]]
) -> Config:
    """Returns a named configuration.

    Raises:
        ValueError: there is no preset of that name.
    """
    if not isinstance(name, str) or name not in presets:
        hint = _suggest(str(name), presets)
        raise ValueError(f"There is no preset {shorten(name)}.{hint}")
    return kind(**presets[name])


def _flatten(config: ScenarioConfig) -> dict[str, Any]:
    return {key: value for key, (_, value) in _specs(config).items()}


def ruled(config: ScenarioConfig) -> dict[str, tuple[Rule, Any]]:
    """Returns rule and value of each parameter that has a rule."""
    return {
        key: (rule, value)
        for key, (spec, value) in _specs(config).items()
        if (rule := spec.metadata.get("rule"))
    }


def _specs(config: ScenarioConfig) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Returns field and value of each parameter."""
    flat: dict[str, tuple[dataclasses.Field[Any], Any]] = {}
    for top in dataclasses.fields(config):
        value = getattr(config, top.name)
        if not dataclasses.is_dataclass(value):
            flat[top.name] = top, value
            continue
        for leaf in dataclasses.fields(value):
            flat[f"{top.name}.{leaf.name}"] = leaf, getattr(value, leaf.name)
    return flat


def _as_lists(value: Any) -> Any:
    return [_as_lists(entry) for entry in value] if isinstance(value, tuple) else value


def _suggest(word: str, known: Mapping[str, Any]) -> str:
    if hint := did_you_mean(word, known):
        return hint
    by_leaf = {key.rpartition(".")[2]: key for key in known}
    if leaf := nearest(word.rpartition(".")[2], by_leaf):
        return f" Did you mean {by_leaf[leaf]!r}?"
    return f" Choose from {', '.join(known)}."
