"""Splits between whole layers, where a scenario has `layers`."""

from __future__ import annotations

from mec_llm_env._array import Array, namespace, straight_through


def whole_layers(local_fraction: Array, layers: Array) -> Array:
    """Returns the nearest φ = k / Υ with k from 1 to Υ − 1, the upper one of two.

    In PyTorch and JAX the gradient passes as if nothing were rounded (straight
    through, [Bengio et al. 2013]), so that learning has one.

    Args:
        local_fraction: [..., N] φ, NumPy, PyTorch or JAX.
        layers: [..., N] Υ, of the same kind.
    """
    xp = namespace(local_fraction, layers)
    count = xp.floor(local_fraction * layers + 0.5)
    nearest = xp.clip(count, 1 + 0 * layers, layers - 1) / layers
    return straight_through(nearest, local_fraction)
