"""Configuration: every number of the default scenario, by topic, with unit and source.

Sources: [LZ24] Liu and Zhao, "Resource Allocation for Stable LLM Training in Mobile
Edge Computing" (MobiHoc 2024); [3GPP] TR 36.814 and power classes; "assumption" marks
our own modelling choices. None of these numbers is claimed to be the paper's, except
the size of 10 users and 2 servers (arXiv 2310.17872).

dB, dBm, MHz and GHz occur only here; `sampling` converts them to SI once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from mec_llm_env.llms import Decoder, decoder_of, gpt, model_text
from mec_llm_env.names import by_name, did_you_mean, nearest
from mec_llm_env.ranges import (
    Checked,
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
Config = TypeVar("Config", bound="ScenarioConfig")

_MATRICES = ("q", "k", "v", "o", "gate", "up", "down")  # of a decoder's layer

# Every parameter stands with its default, and the lowest and highest value it may have.


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutConfig(Checked):
    """Where users and servers are: a disc with the servers on a ring inside it."""

    cell_radius_m: float = number(500.0, 0.1, 1e8)  # m; assumption
    server_ring_ratio: float = number(0.5, 0, 100)  # of the radius; assumption
    distance_min_m: float = number(10.0, 1e-3, 1e8)  # m; assumption


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class RadioConfig(Checked):
    """Path loss, fading, noise and the transmitters."""

    # dB at 1 km, and a decade; 3GPP TR 36.814 macro, [LZ24]
    path_loss_intercept_db: float = number(128.1, 0, 400)
    path_loss_slope_db: float = number(37.6, 0, 200)
    shadowing_std_db: float = number(8.0, 0, 100)  # dB, log-normal; 3GPP
    fading: str = choice("rayleigh", "rayleigh", "none")  # block fading, assumption
    noise_density_dbm_per_hz: float = number(-174.0, -250, -50)  # dBm/Hz; thermal
    noise_figure_db: float = number(5.0, 0, 100)  # dB; usual
    bandwidth_mhz: float = number(10.0, 1e-6, 1e7)  # MHz a server; usual macro carrier
    downlink_power_w: float = number(20.0, 1e-9, 1e6)  # W (43 dBm); usual macro carrier
    # W, uniform; 3GPP power class 3 and above
    transmit_power_max_w: Range = number((0.2, 1.0), 1e-9, 1e6, entries="pair")


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
    tokens: tuple[int, int] = integer((512, 1024), 1, 10**8, entries="pair")
    # uniform integers; assumption
    sequences: tuple[int, int] = integer((16, 64), 1, 10**9, entries="pair")
    epochs: int = integer(1, 1, 10**6)  # assumption
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
    cores: tuple[int, ...] = integer((4, 5, 6), 1, 10**9, entries="tuple")
    # FLOP/cycle, 16-bit; assumption
    flop_per_cycle_per_core: float = number(512.0, 1e-3, 1e9)
    # GHz, uniform; assumption
    frequency_max_ghz: Range = number((0.8, 1.3), 1e-9, 1e6, entries="pair")
    # W at the reference frequency, uniform; assumption
    power_w: Range = number((3.0, 6.0), 1e-9, 1e9, entries="pair")
    # GHz at which `power_w` is drawn; assumption
    power_reference_ghz: float = number(1.3, 1e-9, 1e6)


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
    flop_per_cycle_per_core: float = number(2.0, 1e-3, 1e9)
    # users that a server may serve; None: no limit
    max_users: int | None = integer(None, 1, 10**9, optional=True)

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
        return from_presets(cls, name, PRESETS)

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
    "huge-10000x200": {"users": 10_000, "servers": 200},
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
    if leaf := nearest(word.rpartition(".")[2], by_leaf):
        return f" Did you mean {by_leaf[leaf]!r}?"
    return f" Choose from {', '.join(known)}."
