"""The set network in NumPy, to decide on a few scenarios in less than PyTorch's calls.

The same numbers as `SetNetwork`, which a test holds it to. On ten users the time of a
layer is that of its calls, and NumPy's cost a third of PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.set_network import LARGEST_EXPONENT, SMALLEST_SUM, SetNetwork

Array = np.ndarray[Any, Any]

_EPSILON = 1e-5  # of PyTorch's LayerNorm


class NumpyNetwork:
    """A frozen copy of a `SetNetwork`; NumPy in, NumPy out, the same shapes."""

    def __init__(self, network: SetNetwork) -> None:
        self._embeddings = [
            _Linear(getattr(network, f"{name}_embedding"))
            for name in ("user", "server", "gain")
        ]
        self._first = _Residual(network.first)
        self._pair_layers = [_PairLayer(layer) for layer in network.pair_layers]
        self._score = _Linear(network.score)
        self._user_layers = [_UserLayer(layer) for layer in network.user_layers]
        self._resource = _NormLinear(network.norm, network.resource)

    def pairs(self, users: Array, servers: Array) -> Array:
        """Returns a token for every pair, [B, N, M, D]."""
        m = servers.shape[-2]
        gain = users[..., :m]
        best = gain.max(axis=-1, keepdims=True)
        relative = gain - best
        total = np.log(np.exp(relative).sum(axis=-1, keepdims=True))
        features = np.stack([gain, relative, relative - total], axis=-1)
        user, server, pair = self._embeddings
        pairs = (
            user(users[..., m:])[..., None, :]
            + server(servers)[..., None, :, :]
            + pair(features)
        )
        pairs = self._first(pairs, None)
        for layer in self._pair_layers:
            pairs = layer(pairs)
        return pairs

    def scores(self, pairs: Array) -> Array:
        """Returns the association scores [B, N, M] of pair tokens, unbounded."""
        return self._score(pairs)[..., 0]

    def resources(self, pairs: Array, association: Array) -> Array:
        """Returns the unit resources [B, N, 5] in [−1, 1] for an association."""
        users = (association[..., None, :] @ pairs)[..., 0, :]
        for layer in self._user_layers:
            users = layer(users, association)
        return np.tanh(self._resource(users))


class _Linear:
    def __init__(self, layer: Any) -> None:
        self.weight = np.ascontiguousarray(layer.weight.detach().numpy().T)
        self.bias = None if layer.bias is None else layer.bias.detach().numpy()

    def __call__(self, x: Array) -> Array:
        y = x @ self.weight
        if self.bias is not None:
            y += self.bias
        return y


class _NormLinear(_Linear):
    """A layer norm and the linear layer behind it, in one matrix."""

    def __init__(self, norm: Any, layer: Any) -> None:
        super().__init__(layer)
        gain, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
        self.bias = self.bias + shift @ self.weight
        weight = gain[:, None] * self.weight
        self.weight = np.ascontiguousarray(weight - weight.mean(axis=0))  # x − its mean
        self.mean = np.full((len(gain), 1), 1 / len(gain), dtype=np.float32)

    def __call__(self, x: Array) -> Array:
        centred = x - x @ self.mean
        deviation = np.sqrt((centred * centred) @ self.mean + _EPSILON)
        y = x @ self.weight
        y /= deviation
        y += self.bias
        return y


class _Residual:
    def __init__(self, layer: Any) -> None:
        self.inner = _NormLinear(layer.norm, layer.inner)
        self.outer = _Linear(layer.outer)

    def __call__(self, x: Array, context: Array | None) -> Array:
        hidden = self.inner(x)
        if context is not None:
            hidden += context
        with np.errstate(over="ignore"):  # then the quotient is 0, as it should be
            hidden /= 1 + np.exp(-hidden)
        y = self.outer(hidden)
        y += x
        return y


class _PairLayer:
    def __init__(self, layer: Any) -> None:
        for name in ("sent", "of_server", "of_all", "of_user"):
            setattr(self, name, _Linear(getattr(layer, name)))
        self.residual = _Residual(layer.residual)

    sent: _Linear
    of_server: _Linear
    of_all: _Linear
    of_user: _Linear

    def __call__(self, pairs: Array) -> Array:
        sent = self.sent(pairs)
        share = sent[..., 0]
        share = np.exp(share - share.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        sent[..., 0] = 0.0  # whose exponential counts; moved to the end below
        terms = _exp(sent) * share[..., None]
        load = np.log(_counts_last(terms.sum(axis=-3)) + SMALLEST_SUM)
        mine = (share[..., None, :] @ pairs)[..., 0, :]
        mean = load.mean(axis=-2, keepdims=True)
        server = self.of_server(load) + self.of_all(mean)
        context = server[..., None, :, :] + self.of_user(mine)[..., None, :]
        return self.residual(pairs, context)


class _UserLayer:
    def __init__(self, layer: Any) -> None:
        self.sent = _Linear(layer.sent)
        self.of_server, self.of_all = _Linear(layer.of_server), _Linear(layer.of_all)
        self.residual = _Residual(layer.residual)

    def __call__(self, users: Array, association: Array) -> Array:
        terms = _exp(self.sent(users))
        terms = np.concatenate([terms, np.ones_like(terms[..., :1])], axis=-1)
        load = np.log(association.swapaxes(-1, -2) @ terms + SMALLEST_SUM)
        mean = np.log(terms.mean(axis=-2, keepdims=True) + SMALLEST_SUM)
        server = self.of_server(load) + self.of_all(mean)
        return self.residual(users, association @ server)


def _exp(exponent: Array) -> Array:
    return np.exp(np.minimum(np.maximum(exponent, -LARGEST_EXPONENT), LARGEST_EXPONENT))


def _counts_last(terms: Array) -> Array:
    return np.concatenate([terms[..., 1:], terms[..., :1]], axis=-1)
