"""What is trained: the decoder, its adapters, and the jobs of users."""

from __future__ import annotations

from dataclasses import dataclass

from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, Converted, Words, choice, integer, parameter
from mec_llm_env.workload.adapters import Adapter, Houlsby, Lora
from mec_llm_env.workload.llms import Decoder, decoder_of, gpt, model_text

IntegerRange = tuple[int, int]

_MATRICES = ("q", "k", "v", "o", "gate", "up", "down")  # of a decoder's layer


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
    model: str | None = parameter(None, Converted(model_text, "decoder or None"))
    layers: int = integer(16, 2, 10_000)  # a 1 B-class decoder
    width: int = integer(2048, 1, 10**6)  # hidden size of a 1 B-class decoder
    adapter: str = choice("houlsby", "houlsby", "lora")  # kind; what follows is of one
    bottleneck: int = integer(256, 1, 10**6)  # of adapters; Houlsby et al. 2019
    lora_rank: int = integer(16, 1, 10**6)  # of LoRA; usual
    # the matrices that have LoRA; queries and values in Hu et al. 2022
    lora_targets: tuple[str, ...] = parameter(
        ("q", "v"), Words(_MATRICES, several=True)
    )
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
    def unused(self) -> tuple[str, ...]:
        """Parameters without effect: of other adapters, and where a model is given."""
        lora = self.adapter == "lora"
        other = ("bottleneck",) if lora else ("lora_rank", "lora_targets")
        return other if self.model is None else ("layers", "width", *other)

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
