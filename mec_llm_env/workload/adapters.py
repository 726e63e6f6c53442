"""Workload: what training the adapters of a decoder costs, and how large they are.

Υ layers of width h, the base frozen, and adapters of Houlsby et al. (2019) or LoRA of
Hu et al. (2022) in every layer. Tests count real PyTorch blocks and agree exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from mec_llm_env._array import Array, like
from mec_llm_env.workload.llms import Decoder


@dataclass(frozen=True, kw_only=True, slots=True)
class Houlsby:
    """Two adapters a layer, after attention and after the feed-forward network.

    Each goes down to the bottleneck r, and up again beside a skip connection.
    """

    bottleneck: int  # r

    def __str__(self) -> str:
        return f"Houlsby's adapters with a bottleneck of {self.bottleneck}"

    def weights(self, decoder: Decoder) -> int:
        """Returns the entries of their matrices in a layer, 4 h r."""
        return 4 * decoder.width * self.bottleneck

    def parameters(self, decoder: Decoder) -> int:
        """Returns what is trained in a layer, biases included: 2 (2hr + h + r)."""
        h, r = decoder.width, self.bottleneck
        return 2 * (2 * h * r + h + r)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """A product of two matrices of rank ρ beside each target matrix, without biases."""

    rank: int  # ρ
    targets: tuple[str, ...]  # names of `Decoder.matrices`

    def __str__(self) -> str:
        return f"LoRA of rank {self.rank} on {', '.join(self.targets)}"

    def weights(self, decoder: Decoder) -> int:
        """Returns the entries of their matrices in a layer, ρ Σ (inputs + outputs)."""
        matrices = decoder.matrices
        return self.rank * sum(sum(matrices[target]) for target in self.targets)

    def parameters(self, decoder: Decoder) -> int:
        """Returns what is trained in a layer: all of them."""
        return self.weights(decoder)


Adapter = Houlsby | Lora


def training_flop(
    tokens: Array,  # d, tokens a sequence
    *,
    sequences: Array,
    epochs: int,
    decoder: Decoder,
    adapter: Adapter,
) -> Array:
    """Returns the FLOP of training all layers' adapters, shaped as `tokens`.

    W = sequences · epochs · Υ · (4 d P + 12 d² a + 6 d R), with P weights in the
    matrices of a layer, R in those of its adapters, and a query heads times their size.
    A matrix of P weights takes 2dP forward and 2dP for the gradients of its activations
    [Narayanan et al. 2021], and 2dP for those of its weights if it is trained, which
    only adapters are. Attention's two products take 4d²a forward and 8d²a backward:
    both of their factors are activations. For GPT and Houlsby's adapters that is
    48dh² + 12d²h + 24dhr.
    """
    d = tokens
    # Beside float32 a library refuses whole numbers that int32 does not have.
    base = like(d, 4 * decoder.layer_weights)
    trained = like(d, 6 * adapter.weights(decoder))
    layer_flop = d * base + 12 * d**2 * decoder.attention_width + d * trained
    return sequences * epochs * decoder.layers * layer_flop


def adapter_size_bit(*, decoder: Decoder, adapter: Adapter, parameter_bit: int) -> int:
    """Returns A: what is trained in all layers, in bit."""
    return parameter_bit * decoder.layers * adapter.parameters(decoder)


def dataset_size_bit(tokens: Array, *, sequences: Array, token_bit: int) -> Array:
    """Returns D = sequences · tokens · token_bit, in bit."""
    return sequences * tokens * token_bit
