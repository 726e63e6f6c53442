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


def indicator(server: Array, n_servers: int, dtype: Any) -> Array:
    """Returns 1 where a user's server is, [..., N, M] of `dtype`, unchecked."""
    xp = namespace(server)
    return xp.astype(server[..., None] == xp.arange(n_servers), dtype)


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
        if probability.dtype == np.float32:
            return _ndtri_float32(probability)
        from jax.scipy.special import ndtri as of_jax

        return of_jax(probability)
    return namespace(probability).special.ndtri(probability)


#: √2 erf⁻¹(x)/x of Giles, "Approximating the erfinv function", 2012, in w − 2.5 and, in
#: the tails, in √w − 3; the latter fitted again, up to a probability of 1e-9.
_NDTRI_CENTRE = (
    *(3.97426023e-08, 4.8546266e-07, -4.98282267e-06, -6.21052811e-06),
    *(0.000309120031, -0.00177303494, -0.00590813403, 0.348802661, 2.12331355),
)
_NDTRI_TAIL = (
    *(-8.73701238e-05, -4.01970947e-05, 0.00165422454, -0.00499230238),
    *(0.00823225627, -0.0108425061, 0.0133293005, 1.41658557, 4.00643494),
)


def _ndtri_float32(probability: Array) -> Array:
    """Returns it to 5e-7, relative, in a third of the time of JAX's own."""
    xp, p = namespace(probability), probability

    def polynomial(coefficients: tuple[float, ...], argument: Array) -> Array:
        value = xp.full_like(argument, coefficients[0])
        for coefficient in coefficients[1:]:
            value = value * argument + coefficient
        return value

    w = -xp.log(4 * p * (1 - p))  # −ln(1 − x²)
    centre = polynomial(_NDTRI_CENTRE, w - 2.5)
    tail = polynomial(_NDTRI_TAIL, xp.sqrt(w) - 3)
    return (2 * p - 1) * xp.where(w < 5, centre, tail)
