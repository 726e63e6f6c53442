"""The FLOP formula and the adapter size against a real PyTorch block."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mec_llm_env.workload import adapter_size_bit, dataset_size_bit, training_flop


class Adapter(nn.Module):
    """Houlsby et al. 2019: down, nonlinearity, up, skip."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(torch.relu(self.down(x)))


class Block(nn.Module):
    """A GPT block, attention as explicit matrix products, two adapters."""

    def __init__(self, width: int, bottleneck: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.adapters = nn.ModuleList(Adapter(width, bottleneck) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        d, h = x.shape
        qkv = self.qkv(self.attention_norm(x)).reshape(
            d, 3, self.heads, h // self.heads
        )
        query, key, value = qkv.permute(1, 2, 0, 3)
        weight = torch.softmax(query @ key.mT / math.sqrt(h / self.heads), dim=-1)
        attended = (weight @ value).permute(1, 0, 2).reshape(d, h)
        x = x + self.adapters[0](self.project(attended))
        return x + self.adapters[1](self.feed_forward(self.feed_forward_norm(x)))


@pytest.mark.parametrize(("d", "h", "r", "heads"), [(24, 32, 8, 4), (7, 16, 3, 1)])
def test_formulas_count_a_real_block(d: int, h: int, r: int, heads: int) -> None:
    block = Block(h, r, heads)
    block.requires_grad_(False)
    block.adapters.requires_grad_(True)
    # An inner layer: gradients flow on to the adapters of the layer before.
    x = torch.randn(d, h, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        block(x).sum().backward()
    assert counter.get_total_flops() == training_flop(
        d, sequences=1, epochs=1, layers=1, width=h, bottleneck=r
    )
    trained = sum(p.numel() for p in block.parameters() if p.requires_grad)
    size_bit = adapter_size_bit(layers=1, width=h, bottleneck=r, parameter_bit=16)
    assert size_bit == 16 * trained


def test_defaults_by_hand() -> None:
    # 16 bit × 2·16 adapters × (2·2048·256 + 2048 + 256) = 16 × 32 × 1,050,880.
    size_bit = adapter_size_bit(layers=16, width=2048, bottleneck=256, parameter_bit=16)
    assert size_bit == 538_050_560
    assert dataset_size_bit(512, sequences=16, token_bit=32) == 262_144
    twice = training_flop(
        10, sequences=3, epochs=2, layers=4, width=8, bottleneck=2
    ) / training_flop(10, sequences=3, epochs=1, layers=4, width=8, bottleneck=2)
    assert twice == 2
