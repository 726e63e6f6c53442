"""Decoders that adapters are trained in: their dimensions, by name or from a file.

A decoder counts by its matrix products alone. Norms, rotations, biases, softmax and
activations are less than a thousandth of the work, as in [Narayanan et al. 2021].
Attention counts in full: no saving by its causal mask or by a sliding window.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mec_llm_env.names import by_name, did_you_mean
from mec_llm_env.ranges import Checked, Flag, integer, parameter, shorten

_MOST_BYTES = 10_000_000  # of a config.json, which has a few thousand
_REQUIRED: Any = dataclasses.MISSING


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder(Checked):
    """The dimensions of a decoder-only transformer, all layers alike.

    `heads` query heads of `head_size` share `kv_heads` heads of keys and values
    (grouped-query attention where there are fewer). A gated feed-forward network has
    three matrices, another one two. Vocabulary and head do not count as work; see
    `docs/model.md`.

    Raises:
        ValueError: a dimension is outside of its range, or `heads` is no multiple of
            `kv_heads`.
    """

    layers: int = integer(_REQUIRED, 2, 10_000)  # Υ
    width: int = integer(_REQUIRED, 1, 10**6)  # h, the hidden size
    heads: int = integer(_REQUIRED, 1, 10**6)  # query heads of a layer
    kv_heads: int = integer(_REQUIRED, 1, 10**6)  # heads of keys and of values
    head_size: int = integer(_REQUIRED, 1, 10**6)  # of each head
    feed_forward_width: int = integer(_REQUIRED, 1, 10**7)  # between its matrices
    # whether up and gate are multiplied: SwiGLU, GeGLU
    gated: bool = parameter(True, Flag())
    vocabulary: int = integer(_REQUIRED, 1, 10**9)  # rows of the embedding
    tied_head: bool = parameter(False, Flag())  # whether the head is the embedding

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if self.heads % self.kv_heads:
            raise ValueError(
                "`decoder.heads` must be a multiple of `decoder.kv_heads`; got "
                f"{self.heads} and {self.kv_heads}. Without grouped-query attention "
                "both are equal."
            )

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each weight matrix of a layer, by name."""
        h, f = self.width, self.feed_forward_width
        query, key = self.heads * self.head_size, self.kv_heads * self.head_size
        gate = {"gate": (h, f)} if self.gated else {}
        attention = {"q": (h, query), "k": (h, key), "v": (h, key), "o": (query, h)}
        return attention | gate | {"up": (h, f), "down": (f, h)}

    @property
    def layer_weights(self) -> int:
        """Entries of the weight matrices of a layer."""
        return sum(inputs * outputs for inputs, outputs in self.matrices.values())

    @property
    def attention_width(self) -> int:
        """Query heads times their size: the width of attention's products."""
        return self.heads * self.head_size

    @property
    def weights(self) -> int:
        """Entries of all matrices: layers, embedding, and head where it is not tied."""
        tables = 1 if self.tied_head else 2
        return self.layers * self.layer_weights + tables * self.vocabulary * self.width

    @property
    def text(self) -> str:
        """The dimensions as a JSON object, which `workload.model` takes."""
        return json.dumps(dataclasses.asdict(self))


@functools.cache
def gpt(layers: int, width: int) -> Decoder:
    """Returns the GPT-style decoder of the system model: 12 h² weights a layer.

    How its width is split into heads makes no difference to the work.
    """
    return Decoder(
        layers=layers,
        width=width,
        heads=1,
        kv_heads=1,
        head_size=width,
        feed_forward_width=4 * width,
        gated=False,
        vocabulary=50257,
        tied_head=True,
    )


def _known(*dimensions: int, gated: bool = True, tied: bool = False) -> Decoder:
    names = [f.name for f in dataclasses.fields(Decoder) if f.type == "int"]
    sizes = dict(zip(names, dimensions, strict=True))
    return Decoder(**sizes, gated=gated, tied_head=tied)


#: Known decoders by their published dimensions: the `config.json` of each on Hugging
#: Face, of the repository in the comment. A test adds up their published parameters.
DECODERS: dict[str, Decoder] = {
    # openai-community/gpt2-xl; EleutherAI/pythia-1b
    "gpt2-xl": _known(48, 1600, 25, 25, 64, 6400, 50257, gated=False, tied=True),
    "pythia-1b": _known(16, 2048, 8, 8, 256, 8192, 50304, gated=False),
    # TinyLlama/TinyLlama-1.1B-Chat-v1.0; meta-llama/Llama-2-7b-hf
    "tinyllama-1.1b": _known(22, 2048, 32, 4, 64, 5632, 32000),
    "llama-2-7b": _known(32, 4096, 32, 32, 128, 11008, 32000),
    # meta-llama/Llama-3.1-8B, Llama-3.2-1B, Llama-3.2-3B
    "llama-3.1-8b": _known(32, 4096, 32, 8, 128, 14336, 128256),
    "llama-3.2-1b": _known(16, 2048, 32, 8, 64, 8192, 128256, tied=True),
    "llama-3.2-3b": _known(28, 3072, 24, 8, 128, 8192, 128256, tied=True),
    # mistralai/Mistral-7B-v0.1
    "mistral-7b": _known(32, 4096, 32, 8, 128, 14336, 32000),
    # Qwen/Qwen2.5-0.5B, Qwen2.5-1.5B, Qwen3-0.6B, Qwen3-1.7B
    "qwen2.5-0.5b": _known(24, 896, 14, 2, 64, 4864, 151936, tied=True),
    "qwen2.5-1.5b": _known(28, 1536, 12, 2, 128, 8960, 151936, tied=True),
    "qwen3-0.6b": _known(28, 1024, 16, 8, 128, 3072, 151936, tied=True),
    "qwen3-1.7b": _known(28, 2048, 16, 8, 128, 6144, 151936, tied=True),
    # google/gemma-2-2b, gemma-3-1b-pt
    "gemma-2-2b": _known(26, 2304, 8, 4, 256, 9216, 256000, tied=True),
    "gemma-3-1b": _known(26, 1152, 4, 1, 256, 6912, 262144, tied=True),
    # microsoft/phi-2, Phi-3-mini-4k-instruct
    "phi-2": _known(32, 2560, 32, 32, 80, 10240, 51200, gated=False),
    "phi-3-mini": _known(32, 3072, 32, 32, 96, 8192, 32064),
}


def model_text(model: Any) -> str | None:
    """Returns what stands for a decoder in a configuration; None for None.

    A name stays one. A path of a `config.json` is read, once, and its dimensions become
    a JSON text: so a configuration does not depend on files.

    Args:
        model: a name of `DECODERS`, a path that ends in ".json", a `Decoder`, or its
            fields or the keys of Hugging Face, as a mapping or as its JSON text.

    Raises:
        ValueError: it is none of these, cannot be read, or its architecture is not
            known.
    """
    if model is None or (isinstance(model, str) and model in DECODERS):
        return model
    if isinstance(model, Decoder):
        return model.text
    if isinstance(model, Mapping):
        return _from_mapping(model, "`workload.model`").text
    path = os.fspath(model) if isinstance(model, os.PathLike) else model
    if isinstance(path, str) and path.lstrip().startswith("{"):
        return _from_json(path, "`workload.model`").text
    if isinstance(path, str) and path.endswith(".json"):
        return _from_file(path).text
    hint = did_you_mean(str(model), DECODERS)
    known = f" Known: {', '.join(DECODERS)}."
    raise ValueError(
        "`workload.model` must be the name of a known decoder, or the path of a "
        f"Hugging Face `config.json`; got {shorten(model)}.{hint or known}"
    )


@functools.cache
def decoder_of(text: str) -> Decoder:
    """Returns the decoder that a text of `model_text` stands for."""
    return DECODERS[text] if text in DECODERS else Decoder(**json.loads(text))


def _from_file(path: str) -> Decoder:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`workload.model` = {path!r} cannot be read: {error}. Give the path of a "
            "Hugging Face `config.json`, or the name of a known decoder."
        ) from None
    if len(data) > _MOST_BYTES:
        raise ValueError(
            f"`workload.model` = {path!r} must be a file of at most {_MOST_BYTES:,} "
            "bytes. Give the `config.json`, not the weights."
        )
    return _from_json(text, repr(path))


def _from_json(text: str, source: str) -> Decoder:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{source} must be a JSON object of dimensions; got {shorten(content)}."
        )
    return _from_mapping(content, source)


def _from_mapping(content: Mapping[str, Any], source: str) -> Decoder:
    try:
        if "model_type" in content:
            return _from_hugging_face(content)
        return Decoder(**content)
    except (ValueError, TypeError) as error:
        names = "" if "model_type" in content else _NO_TYPE
        raise ValueError(f"There is no decoder in {source}: {error}{names}") from None


_NO_TYPE = " A Hugging Face `config.json` has a `model_type`, which is missing."


class _Family(NamedTuple):
    """What a Hugging Face architecture leaves out of its `config.json`."""

    gated: bool
    tied: bool = False  # where `tie_word_embeddings` is missing
    head_size: int | None = None  # where `head_dim` is missing; None: width / heads
    grouped: bool = True  # whether `num_key_value_heads` is needed
    inner: int | None = None  # feed-forward width over width, where it is missing


_FAMILIES = {
    "llama": _Family(gated=True, grouped=False),
    "mistral": _Family(gated=True),
    "qwen2": _Family(gated=True),
    "qwen3": _Family(gated=True, head_size=128),
    "gemma": _Family(gated=True, tied=True, head_size=256),
    "gemma2": _Family(gated=True, tied=True, head_size=256),
    "gemma3_text": _Family(gated=True, tied=True, head_size=256),
    "phi": _Family(gated=False, grouped=False),
    "phi3": _Family(gated=True, grouped=False),
    "gpt_neox": _Family(gated=False, grouped=False),
    "gpt2": _Family(gated=False, tied=True, grouped=False, inner=4),
}
#: Keys of GPT-2 that others call by the name on the right.
_GPT2_KEYS = {
    "n_layer": "num_hidden_layers",
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
}


def _from_hugging_face(content: Mapping[str, Any]) -> Decoder:
    """Returns the decoder of a `config.json` of the library `transformers`."""
    kind = content["model_type"]
    if not isinstance(kind, str) or kind not in _FAMILIES:
        raise ValueError(
            f"the architecture `model_type` = {shorten(kind)} is not known, only "
            f"{', '.join(_FAMILIES)}. Give the dimensions themselves, a JSON object of "
            f"{', '.join(field.name for field in dataclasses.fields(Decoder))}."
        )
    family = _FAMILIES[kind]
    keys = {
        _GPT2_KEYS.get(k, k) if kind == "gpt2" else k: v for k, v in content.items()
    }

    def given(key: str, default: Any = None) -> Any:
        value = default if keys.get(key) is None else keys[key]
        if value is None:
            raise ValueError(f"it has no `{key}`, which {kind!r} needs.")
        return value

    width, heads = given("hidden_size"), given("num_attention_heads")
    inner = family.inner and isinstance(width, int) and family.inner * width
    return Decoder(
        layers=given("num_hidden_layers"),
        width=width,
        heads=heads,
        kv_heads=given("num_key_value_heads", None if family.grouped else heads),
        head_size=given("head_dim", family.head_size or _shared(width, heads)),
        feed_forward_width=given("intermediate_size", inner or None),
        gated=family.gated,
        vocabulary=given("vocab_size"),
        tied_head=given("tie_word_embeddings", family.tied),
    )


def _shared(width: Any, heads: Any) -> Any:
    """Returns the size of a head where the heads share the width."""
    sizes = isinstance(width, int) and isinstance(heads, int) and heads > 0
    if sizes and width % heads:
        raise ValueError(
            f"`hidden_size` must be a multiple of `num_attention_heads` where there is "
            f"no `head_dim`; got {width} and {heads}."
        )
    return width // heads if sizes else width
