"""Inference of the set network compiled by numba, which is faster than PyTorch.

It computes the same numbers as `SetNetwork`, which a test verifies. For ten users the
overhead of PyTorch's calls dominates, and for large batches its intermediate results
exceed the cache. Everything is float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.policies.network_kernels import (
    embed,
    pair_layer,
    unit_resources,
    user_layer,
)
from agents.policies.set_network import SetNetwork, project

Array = np.ndarray[Any, Any]


class CompiledNetwork:
    """A frozen copy of a `SetNetwork` on NumPy arrays of the same shapes.

    Args:
        network: what to copy, limited by `project`.

    Raises:
        ValueError: it has another limit.
    """

    def __init__(self, network: SetNetwork) -> None:
        if network.limit is not project:
            raise ValueError(
                f"`network` must have limit=project; got limit={network.limit!r}."
            )
        self._embedding = (
            *_linear(network.user_embedding),
            *_linear(network.server_embedding),
            _weight(network.gain_embedding),
            *_residual_of(network.first),
        )
        self._pair_layers = [
            (
                *_linear(layer.sent),
                *map(_weight, (layer.of_server, layer.of_all, layer.of_user)),
                *_residual_of(layer.residual),
            )
            for layer in network.pair_layers
        ]
        self._score = _linear(network.score)
        self._user_layers = [
            (
                *_linear(layer.sent),
                *map(_weight, (layer.of_server, layer.of_all)),
                *_residual_of(layer.residual),
            )
            for layer in network.user_layers
        ]
        self._resource = _norm_linear(network.norm, network.resource)

    def pairs(self, users: Array, servers: Array) -> Array:
        """Returns a token for every pair, [B, N, M, D]."""
        users, servers = map(np.ascontiguousarray, (users, servers))
        pairs: Array = embed(users, servers, *self._embedding)
        for layer in self._pair_layers:
            pair_layer(pairs, *layer)
        return pairs

    def scores(self, pairs: Array) -> Array:
        """Returns the association scores [B, N, M] of pair tokens, unbounded."""
        weight, bias = self._score
        return np.asarray(np.vecdot(pairs, weight[:, 0]) + bias)

    def resources(self, pairs: Array, association: Array, row: Array) -> Array:
        """Returns the unit resources [K, N, 5] in [−1, 1] for associations.

        Args:
            pairs: [B, N, M, D] tokens.
            association: [K, N, M] 0 or 1.
            row: [K] which of the B scenarios each is for.
        """
        count, n_users, n_servers = association.shape
        server = association.argmax(axis=-1)
        users = pairs[row[:, None], np.arange(n_users), server]  # [K, N, D], a copy
        for layer in self._user_layers:
            user_layer(users, server, n_servers, *layer)
        rows = users.reshape(-1, users.shape[-1])
        resources: Array = unit_resources(rows, *self._resource)
        return resources.reshape(count, n_users, -1)


def _weight(layer: Any) -> Array:
    """Returns the matrix [inputs, outputs] of a linear layer."""
    return np.ascontiguousarray(layer.weight.detach().numpy().T)


def _linear(layer: Any) -> tuple[Array, Array]:
    """Returns the matrix [inputs, outputs] and a copy of the bias of a linear layer."""
    return _weight(layer), layer.bias.detach().numpy().copy()


def _norm_linear(norm: Any, layer: Any) -> tuple[Array, Array]:
    """Fuses a layer norm, except for its deviation, with the linear layer that follows.

    W norm(x) + b = (V x) / deviation + c, where the columns of V subtract the mean.
    """
    weight, bias = _linear(layer)
    bias += norm.bias.detach().numpy() @ weight
    weight = norm.weight.detach().numpy()[:, None] * weight
    return np.ascontiguousarray(weight - weight.mean(axis=0)), bias


def _residual_of(layer: Any) -> tuple[Array, ...]:
    return *_norm_linear(layer.norm, layer.inner), *_linear(layer.outer)
