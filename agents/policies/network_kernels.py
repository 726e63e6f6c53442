"""The layers of the set network as functions for numba; see `CompiledNetwork`.

Letters as in `set_network`: B scenarios, N users, M servers, D width, R rows of
tokens, P pooled sums. Matrices are [inputs, outputs]; `inner` and `shift` include a
fused layer norm. All is float32 and contiguous.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from agents.policies.set_network import LARGEST_EXPONENT, SMALLEST_SUM
from dashf.pair.jit import compile_function

Array = np.ndarray[Any, Any]

_EPSILON = np.float32(1e-5)  # of PyTorch's LayerNorm
_LARGEST = np.float32(LARGEST_EXPONENT)
_SMALLEST = np.float32(SMALLEST_SUM)
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)

#: Rows of tokens in a block of a layer; measured to suit BLAS and the cache.
_ROWS = 240

# Compiled once and kept on disk. Sums may be reordered and a division by zero does
# not raise, without which loops would not be vectorised.
_compiled = partial(
    compile_function,
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "arcp", "nsz", "nnan"},
)


@_compiled
def _exp(x: Any) -> Any:
    """e^x to 1e-6 for |x| ≤ 20, to which x is clamped; without branches or calls."""
    x = min(max(x, np.float32(-20)), np.float32(20)) * np.float32(1 / 32)
    y = np.float32(1 / 40320)  # Taylor's polynomial of e^(x/32)
    y = y * x + np.float32(1 / 5040)
    y = y * x + np.float32(1 / 720)
    y = y * x + np.float32(1 / 120)
    y = y * x + np.float32(1 / 24)
    y = y * x + np.float32(1 / 6)
    y = y * x + _HALF
    y = y * x + _ONE
    y = y * x + _ONE
    y *= y
    y *= y
    y *= y
    y *= y
    return y * y


@_compiled
def _deviation(x: Array) -> Any:
    total, squares = _ZERO, _ZERO
    for value in x:
        total += value
        squares += value * value
    mean = total / np.float32(len(x))
    return np.sqrt(squares / np.float32(len(x)) - mean * mean + _EPSILON)


@_compiled
def _residual(
    x: Array, context: Array, inner: Array, shift: Array, outer: Array, bias: Array
) -> None:
    """Adds W₂ silu(W₁ norm(x) + context) + b to rows x [R, D]."""
    n_rows, width = x.shape
    hidden = np.dot(x, inner)
    for i in range(n_rows):
        scale = _ONE / _deviation(x[i])
        for j in range(width):
            value = hidden[i, j] * scale + shift[j] + context[i, j]
            hidden[i, j] = value / (_ONE + _exp(-value))
    change = np.dot(hidden, outer)
    for i in range(n_rows):
        for j in range(width):
            x[i, j] += change[i, j] + bias[j]


@_compiled
def embed(
    users: Array,  # [B, N, M + 9]
    servers: Array,  # [B, M, 7]
    user_weight: Array,
    user_bias: Array,
    server_weight: Array,
    server_bias: Array,
    gain_weight: Array,  # [3, D]
    inner: Array,
    shift: Array,
    outer: Array,
    bias: Array,
) -> Array:
    """Returns the pair tokens [B, N, M, D] before the first layer."""
    n_batch, n_users, n_servers = len(users), users.shape[1], servers.shape[1]
    width = len(user_bias)
    pairs = np.empty((n_batch, n_users, n_servers, width), np.float32)
    for b in range(n_batch):
        own = np.dot(np.ascontiguousarray(users[b, :, n_servers:]), user_weight)
        server = np.dot(servers[b], server_weight)
        for n in range(n_users):
            gain = users[b, n, :n_servers]
            best, total = gain[0], _ZERO
            for m in range(1, n_servers):
                best = max(best, gain[m])
            for m in range(n_servers):
                total += np.exp(gain[m] - best)
            total = best + np.log(total)
            for m in range(n_servers):
                to_best, to_all = gain[m] - best, gain[m] - total
                for j in range(width):
                    pairs[b, n, m, j] = (
                        (own[n, j] + user_bias[j] + server[m, j] + server_bias[j])
                        + gain[m] * gain_weight[0, j]
                        + (to_best * gain_weight[1, j] + to_all * gain_weight[2, j])
                    )
    rows = pairs.reshape(-1, width)
    for i in range(0, len(rows), _ROWS):
        block = rows[i : i + _ROWS]
        _residual(block, np.zeros_like(block), inner, shift, outer, bias)
    return pairs


@_compiled
def pair_layer(
    pairs: Array,  # [B, N, M, D], changed in place
    sent_weight: Array,  # [D, 1 + P]
    sent_bias: Array,
    of_server: Array,  # [P + 1, D]
    of_all: Array,
    of_user: Array,
    inner: Array,
    shift: Array,
    outer: Array,
    bias: Array,
) -> None:
    """Updates pair tokens; see `set_network._PairLayer`."""
    n_batch, n_users, n_servers, width = pairs.shape
    n_terms = len(of_server)
    size = max(1, _ROWS // (n_users * n_servers))
    for begin in range(0, n_batch, size):
        block = pairs[begin : begin + size]
        rows = block.reshape(-1, width)
        sent = np.dot(rows, sent_weight)
        load = np.zeros((len(block), n_servers, n_terms), np.float32)
        mine = np.zeros((len(block) * n_users, width), np.float32)
        for k in range(len(block) * n_users):
            first = k * n_servers  # row of the user's first pair
            best, total = sent[first, 0], _ZERO
            for m in range(1, n_servers):
                best = max(best, sent[first + m, 0])
            for m in range(n_servers):
                sent[first + m, 0] = np.exp(sent[first + m, 0] - best)
                total += sent[first + m, 0]
            for m in range(n_servers):
                share = sent[first + m, 0] / total
                for j in range(width):
                    mine[k, j] += share * rows[first + m, j]
                into = load[k // n_users, m]
                for p in range(n_terms - 1):
                    exponent = sent[first + m, 1 + p] + sent_bias[1 + p]
                    into[p] += share * _exp(min(max(exponent, -_LARGEST), _LARGEST))
                into[n_terms - 1] += share
        mean = np.zeros((len(block), n_terms), np.float32)
        for b in range(len(block)):
            for m in range(n_servers):
                for p in range(n_terms):
                    load[b, m, p] = np.log(load[b, m, p] + _SMALLEST)
                    mean[b, p] += load[b, m, p] / np.float32(n_servers)
        server = np.dot(load.reshape(-1, n_terms), of_server)
        everyone = np.dot(mean, of_all)
        user = np.dot(mine, of_user)
        context = np.empty_like(rows)
        for i in range(len(rows)):
            k = i // n_servers
            b = k // n_users
            m = b * n_servers + i % n_servers
            for j in range(width):
                context[i, j] = server[m, j] + everyone[b, j] + user[k, j]
        _residual(rows, context, inner, shift, outer, bias)


@_compiled
def user_layer(
    users: Array,  # [K, N, D], changed in place
    at: Array,  # [K, N] server of each user
    n_servers: int,
    sent_weight: Array,  # [D, P]
    sent_bias: Array,
    of_server: Array,  # [P + 1, D]
    of_all: Array,
    inner: Array,
    shift: Array,
    outer: Array,
    bias: Array,
) -> None:
    """Updates user tokens; see `set_network._UserLayer`."""
    n_batch, n_users, width = users.shape
    n_terms = len(of_server)
    size = max(1, _ROWS // n_users)
    for begin in range(0, n_batch, size):
        block = users[begin : begin + size]
        rows = block.reshape(-1, width)
        sent = np.dot(rows, sent_weight)
        load = np.zeros((len(block), n_servers, n_terms), np.float32)
        for i in range(len(rows)):
            b = i // n_users
            into = load[b, at[begin + b, i % n_users]]
            for p in range(n_terms - 1):
                exponent = sent[i, p] + sent_bias[p]
                into[p] += _exp(min(max(exponent, -_LARGEST), _LARGEST))
            into[n_terms - 1] += _ONE
        mean = np.zeros((len(block), n_terms), np.float32)
        for b in range(len(block)):
            for p in range(n_terms):
                for m in range(n_servers):
                    mean[b, p] += load[b, m, p] / np.float32(n_users)
                    load[b, m, p] = np.log(load[b, m, p] + _SMALLEST)
                mean[b, p] = np.log(mean[b, p] + _SMALLEST)
        server = np.dot(load.reshape(-1, n_terms), of_server)
        everyone = np.dot(mean, of_all)
        context = np.empty_like(rows)
        for i in range(len(rows)):
            b = i // n_users
            m = b * n_servers + at[begin + b, i % n_users]
            for j in range(width):
                context[i, j] = server[m, j] + everyone[b, j]
        _residual(rows, context, inner, shift, outer, bias)


@_compiled
def unit_resources(rows: Array, weight: Array, bias: Array) -> Array:
    """Returns W norm(x) + b, clamped to [−1, 1], [R, 5]."""
    resources = np.empty((len(rows), len(bias)), np.float32)
    for begin in range(0, len(rows), _ROWS):
        block = rows[begin : begin + _ROWS]
        product = np.dot(block, weight)
        for i in range(len(block)):
            deviation = _deviation(block[i])
            for j in range(len(bias)):
                value = product[i, j] / deviation + bias[j]
                resources[begin + i, j] = min(max(value, -_ONE), _ONE)
    return resources
