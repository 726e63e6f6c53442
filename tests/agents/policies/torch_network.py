"""What the compiled network is compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.policies.set_network import SetNetwork


class TorchNetwork:
    """Inference of a `SetNetwork` on NumPy arrays."""

    def __init__(self, network: SetNetwork) -> None:
        self._network = network

    @torch.inference_mode()
    def pairs(self, users: Any, servers: Any) -> Tensor:
        """Returns a token for every pair, [B, N, M, D], in PyTorch."""
        return self._network.pairs(torch.from_numpy(users), torch.from_numpy(servers))

    @torch.inference_mode()
    def scores(self, pairs: Tensor) -> Any:
        """Returns the association scores [B, N, M] of pair tokens, unbounded."""
        return self._network.scores(pairs).numpy()

    @torch.inference_mode()
    def resources(self, pairs: Tensor, association: Any, row: Any) -> Any:
        """Returns the unit resources [K, N, 5] in [−1, 1] for associations.

        Args:
            pairs: [B, N, M, D] tokens.
            association: [K, N, M] 0 or 1.
            row: [K] which of the B scenarios each is for.
        """
        chosen = torch.from_numpy(association).float()
        return self._network.resources(pairs[torch.from_numpy(row)], chosen).numpy()
