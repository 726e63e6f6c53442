"""FLOP formulas and adapter sizes against real PyTorch blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mec_llm_env.workload.adapters import (
    Adapter,
    Houlsby,
    Lora,
    adapter_size_bit,
    dataset_size_bit,
    training_flop,
)
from mec_llm_env.workload.llms import DECODERS, Decoder, gpt


class HoulsbyAdapter(nn.Module):
    """Houlsby et al. 2019: down, nonlinearity, up, skip."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(torch.relu(self.down(x)))


class LoraLinear(nn.Module):
    """Hu et al. 2022: a frozen matrix and a trained product of rank ρ beside it."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.first = nn.Linear(base.in_features, rank, bias=False)
        self.second = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.second(self.first(x))


class Block(nn.Module):
    """A decoder's layer, attention as explicit matrix products, and its adapters.

    The fused attention call is counted differently, without its backward pass.
    """

    def __init__(self, decoder: Decoder, adapter: Adapter, bias: bool) -> None:
        super().__init__()
        d, h, size = decoder, decoder.width, decoder.head_size
        self.decoder = decoder
        query, key, f = d.heads * size, d.kv_heads * size, d.feed_forward_width
        self.norms = nn.ModuleList(nn.RMSNorm(h) for _ in range(2))
        shapes = {"q": (h, query), "k": (h, key), "v": (h, key), "o": (query, h)}
        shapes |= {"up": (h, f), "down": (f, h)}
        shapes |= {"gate": (h, f)} if d.gated else {}
        linear: dict[str, nn.Module] = {
            name: nn.Linear(*shape, bias=bias) for name, shape in shapes.items()
        }
        self.requires_grad_(False)
        after: list[nn.Module] = [nn.Identity(), nn.Identity()]
        for module in linear.values():
            module.requires_grad_(False)
        if isinstance(adapter, Houlsby):
            after = [HoulsbyAdapter(h, adapter.bottleneck) for _ in range(2)]
        else:
            for name in adapter.targets:
                base = linear[name]
                assert isinstance(base, nn.Linear)
                linear[name] = LoraLinear(base, adapter.rank)
        self.linear, self.after = nn.ModuleDict(linear), nn.ModuleList(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.after[0](self._attend(self.norms[0](x)))
        return x + self.after[1](self._feed_forward(self.norms[1](x)))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        d, size, groups = len(x), self.decoder.head_size, self.decoder.kv_heads
        query = self.linear["q"](x).reshape(d, groups, -1, size).permute(1, 2, 0, 3)
        key, value = (
            self.linear[name](x).reshape(d, groups, 1, size).permute(1, 2, 0, 3)
            for name in ("k", "v")
        )
        # Query heads of a group share their keys and values.
        many = query.shape[1]
        key, value = (one.expand(-1, many, -1, -1) for one in (key, value))
        weight = torch.softmax(query @ key.mT / math.sqrt(size), dim=-1)
        attended = (weight @ value).permute(2, 0, 1, 3).reshape(d, -1)
        out: torch.Tensor = self.linear["o"](attended)
        return out

    def _feed_forward(self, x: torch.Tensor) -> torch.Tensor:
        up = self.linear["up"](x)
        if self.decoder.gated:
            up = nn.functional.silu(self.linear["gate"](x)) * up
        else:
            up = nn.functional.gelu(up)
        out: torch.Tensor = self.linear["down"](up)
        return out


def small(heads: int, kv_heads: int, head_size: int, width: int, f: int, gated: bool):  # type: ignore[no-untyped-def]
    return Decoder(
        layers=2,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        feed_forward_width=f,
        gated=gated,
        vocabulary=11,
    )


BLOCKS = {
    "gpt": gpt(2, 32),
    "llama": small(8, 2, 4, 32, 88, True),
    "qwen3, heads wider than the layer": small(4, 2, 16, 24, 56, True),
    "gemma, one key": small(4, 1, 8, 16, 40, True),
    "phi": small(4, 4, 6, 24, 96, False),
    "gpt-neox": small(3, 3, 8, 24, 100, False),
}
ADAPTERS: dict[str, Adapter] = {
    "houlsby": Houlsby(bottleneck=5),
    "lora of q and v": Lora(rank=3, targets=("q", "v")),
    "lora of the rest": Lora(rank=4, targets=("k", "o", "up", "down")),
    "lora of one": Lora(rank=1, targets=("down",)),
}


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize("decoder", BLOCKS.values(), ids=BLOCKS)
def test_formulas_count_a_real_block(decoder: Decoder, adapter: Adapter) -> None:
    for d, bias in ((24, True), (7, False)):
        counted(decoder, adapter, d, bias)


def test_formulas_count_random_blocks() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        kv, group, size, width, f, d, rank = (int(x) for x in rng.integers(1, 20, 7))
        gated = bool(rng.random() < 0.5)
        decoder = small(kv * group, kv, size, width, f, gated)
        names = list(decoder.matrices)
        targets = rng.permutation(names)[: rng.integers(1, len(names) + 1)]
        lora = Lora(rank=rank, targets=tuple(map(str, targets)))
        for adapter in (lora, Houlsby(bottleneck=rank)):
            counted(decoder, adapter, d, bool(rng.random() < 0.5))


def counted(decoder: Decoder, adapter: Adapter, d: int, bias: bool) -> None:
    block = Block(decoder, adapter, bias)
    # An inner layer: gradients flow on to the adapters of the layer before.
    x = torch.randn(d, decoder.width, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        block(x).sum().backward()
    assert 2 * counter.get_total_flops() == training_flop(
        d, sequences=1, epochs=1, decoder=decoder, adapter=adapter
    )
    trained = [p for p in block.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    size_bit = adapter_size_bit(decoder=decoder, adapter=adapter, parameter_bit=16)
    assert size_bit == 16 * decoder.layers * sum(p.numel() for p in trained)
    frozen = [p for p in block.parameters() if not p.requires_grad and p.ndim == 2]
    assert sum(p.numel() for p in frozen) == decoder.layer_weights


def test_known_decoders_count_as_their_blocks() -> None:
    # One layer of the real size, on the meta device: shapes without numbers.
    for name, decoder in DECODERS.items():
        for adapter in (Houlsby(bottleneck=64), Lora(rank=8, targets=("q", "v"))):
            with torch.device("meta"):
                block = Block(decoder, adapter, bias=False)
                x = torch.randn(128, decoder.width, requires_grad=True)
            with FlopCounterMode(display=False) as counter:
                block(x).sum().backward()
            assert decoder.layers * counter.get_total_flops() == training_flop(
                128, sequences=1, epochs=1, decoder=decoder, adapter=adapter
            ), name


def test_the_formula_of_the_system_model_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    for _ in range(500):
        h, layers = int(10 ** rng.uniform(0, 6)), int(10 ** rng.uniform(0.4, 4))
        r, epochs = int(10 ** rng.uniform(0, 6)), int(10 ** rng.uniform(0, 6))
        d, n = (np.floor(10 ** rng.uniform(0, x, 20)) for x in (8, 9))
        was = n * epochs * layers * (48 * d * h**2 + 12 * d**2 * h + 24 * d * h * r)
        found = training_flop(
            d,
            sequences=n,
            epochs=epochs,
            decoder=gpt(layers, h),
            adapter=Houlsby(bottleneck=r),
        )
        assert (found == was).all()


def test_defaults_by_hand() -> None:
    # 16 bit × 2·16 adapters × (2·2048·256 + 2048 + 256) = 16 × 32 × 1,050,880.
    decoder, adapter = gpt(16, 2048), Houlsby(bottleneck=256)
    size_bit = adapter_size_bit(decoder=decoder, adapter=adapter, parameter_bit=16)
    assert size_bit == 538_050_560
    assert dataset_size_bit(512, sequences=16, token_bit=32) == 262_144
    # Llama 3.2 1B: 2 · 2048² + 2 · 2048·512 + 3 · 2048·8192 = 60,817,408 weights.
    llama = DECODERS["llama-3.2-1b"]
    assert llama.layer_weights == 60_817_408
    # LoRA of rank 16 at q and v: 16 · (2048 + 2048 + 2048 + 512) = 106,496 a layer.
    lora = Lora(rank=16, targets=("q", "v"))
    assert lora.parameters(llama) == 106_496
    # 3 sequences of 10 tokens, twice: 6 · 16 · (4·10·P + 12·100·2048 + 6·10·106,496).
    flop = training_flop(10, sequences=3, epochs=2, decoder=llama, adapter=lora)
    assert flop == 96 * (2_432_696_320 + 2_457_600 + 6_389_760)
