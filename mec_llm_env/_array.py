"""The array-API namespace of NumPy, PyTorch or JAX arguments."""

from __future__ import annotations

from typing import Any, TypeAlias

import array_api_compat
import array_api_compat.numpy as _numpy
import numpy as np
import scipy.special

#: A NumPy array, a PyTorch tensor or an array of JAX.
Array: TypeAlias = Any


def namespace(*arrays: Array) -> Any:
    """Returns the array-API namespace that all arguments share.

    The first branch only saves the general look-up, which costs as much as an
    operation on ten users.
    """
    if type(arrays[0]) is np.ndarray:
        return _numpy
    return array_api_compat.array_namespace(*arrays)


def like(array: Array, constant: Any) -> Array:
    """Returns a constant of NumPy or Python as `array` is: its library, its floats."""
    if type(array) is np.ndarray or isinstance(array, np.generic | int | float):
        return constant
    return namespace(array).asarray(constant, dtype=array.dtype)


def straight_through(rounded: Array, given: Array) -> Array:
    """Returns rounded numbers, with the gradient of what was given.

    As if nothing were rounded [Bengio et al. 2013]; PyTorch and JAX have one.
    """
    if type(rounded) is np.ndarray:
        return rounded
    if array_api_compat.is_jax_array(rounded):
        from jax.lax import stop_gradient

        return stop_gradient(rounded) + (given - stop_gradient(given))
    if getattr(given, "requires_grad", False):
        return given + (rounded - given).detach()
    return rounded


def ndtri(probability: Array) -> Array:
    """Returns the argument at which the normal distribution function is so large.

    The array API does not have it; every library does.
    """
    if type(probability) is np.ndarray:
        return scipy.special.ndtri(probability)
    if array_api_compat.is_jax_array(probability):
        from jax.scipy.special import ndtri as of_jax

        return of_jax(probability)
    return namespace(probability).special.ndtri(probability)
