"""Workload: what training the adapters of a GPT-style decoder costs.

Υ layers of width h, two Houlsby adapters of bottleneck r a layer, base frozen.
"""

from __future__ import annotations

from mec_llm_env._array import Array


def training_flop(
    tokens: Array,  # d, tokens a sequence
    *,
    sequences: Array,
    epochs: int,
    layers: int,  # Υ
    width: int,  # h
    bottleneck: int,  # r
) -> Array:
    """Returns the FLOP of training all layers' adapters, shaped as `tokens`.

    W = sequences · epochs · Υ · (48 d h² + 12 d² h + 24 d h r). A layer and sequence
    costs 24dh² + 4d²h forward through the base [Narayanan et al. 2021], 24dh² + 8d²h
    for the gradients of its activations (both factors of attention's products are
    activations), and 3 × 8dhr for its two adapters: forward, activation and weight
    gradients. A test counts a real PyTorch block and agrees exactly.
    """
    d, h, r = tokens, width, bottleneck
    layer_flop = 48 * d * h**2 + 12 * d**2 * h + 24 * d * h * r
    return sequences * epochs * layers * layer_flop


def adapter_size_bit(
    *, layers: int, width: int, bottleneck: int, parameter_bit: int
) -> int:
    """Returns A = parameter_bit · 2Υ (2hr + h + r): weights and biases, in bit."""
    per_adapter = 2 * width * bottleneck + width + bottleneck
    return parameter_bit * 2 * layers * per_adapter


def dataset_size_bit(tokens: Array, *, sequences: Array, token_bit: int) -> Array:
    """Returns D = sequences · tokens · token_bit, in bit."""
    return sequences * tokens * token_bit
