"""`vmap_last`: `jax.vmap`, computed with the batch as the last axis.

The arrays of an environment end in axes of a few users or servers, too short for the
vector instructions of a processor, and `jax.vmap` puts the batch before them. Here the
function is traced for one member of the batch, and each operation of the trace is done
with one more axis at the end. Operations without a rule for that go through `jax.vmap`.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import (
    ClosedJaxpr,
    DebugInfo,
    Jaxpr,
    JaxprEqn,
    Literal,
    jaxpr_as_fun,
)
from jax.extend.random import threefry_prng_impl as threefry

#: Primitives of arrays of one shape, or numbers.
_ELEMENTWISE = {
    *("abs", "add", "and", "ceil", "clamp", "convert_element_type", "copy", "cos"),
    *("div", "eq", "erf_inv", "exp", "floor", "ge", "gt", "integer_pow", "is_finite"),
    *("le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not"),
    *("or", "pow", "rem", "round", "rsqrt", "select_n", "shift_left"),
    *("shift_right_logical", "sign", "sin", "sqrt", "square", "sub", "tanh", "xor"),
}
#: Primitives whose parameters number axes from the first on, and tell no shapes.
_BY_AXES = {
    *("argmax", "argmin", "concatenate", "cumsum", "reduce_and", "reduce_max"),
    *("reduce_min", "reduce_or", "reduce_sum", "split", "squeeze", "stack", "unstack"),
}
#: Sums of products of so many terms are written out, or at least not left to XLA.
_WRITTEN_OUT, _MAX_TERMS = 16, 64


def vmap_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns what `jax.vmap(function)` returns, faster on processors.

    The results are the same but for the last digits. It can be traced by `jit`, `grad`
    and `scan`, as `jax.vmap` can. It pays for functions of many small arrays and long
    batches, as `step` of `JaxEnv` is.

    Args:
        function: of arrays, or trees of them, without the batch axis.

    Raises:
        ValueError: in a call, when an argument has no first axis, or another one.
    """

    @functools.wraps(function)
    def of_batch(*arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        leaves = [jnp.asarray(leaf) for leaf in leaves]
        batch = _Batch(_size(leaves))
        one = [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
        trace = jax.make_jaxpr(function, return_shape=True)
        traced, results = trace(*jax.tree.unflatten(tree, one))
        values = batch.run(
            traced, [_Value(jnp.moveaxis(leaf, 0, -1), True) for leaf in leaves]
        )
        arrays = [jnp.moveaxis(batch.repeated(value), -1, 0) for value in values]
        return jax.tree.unflatten(jax.tree.structure(results), arrays)

    return of_batch


def _size(leaves: Sequence[Any]) -> int:
    """Returns the length of the first axis that all have."""
    sizes = {leaf.shape[0] if leaf.ndim else None for leaf in leaves}
    if len(sizes) != 1 or None in sizes:
        shapes = ", ".join(sorted({str(leaf.shape) for leaf in leaves})) or "none"
        raise ValueError(
            "All arrays in the arguments must have a first axis of one length, the "
            f"batch; got shapes {shapes}."
        )
    return int(leaves[0].shape[0])


class _Value(NamedTuple):
    """What a variable of the trace is."""

    array: Any
    batched: bool  # whether the batch is its last axis


class _Batch:
    """Evaluates traces of single members for a batch of `size`."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, traced: ClosedJaxpr, inputs: Sequence[_Value]) -> list[_Value]:
        """Returns the results of a trace."""
        constants = (_Value(array, False) for array in traced.consts)
        variables = itertools.chain(traced.jaxpr.constvars, traced.jaxpr.invars)
        known = dict(zip(variables, [*constants, *inputs], strict=True))

        def read(variable: Any) -> _Value:
            if isinstance(variable, Literal):
                return _Value(variable.val, False)
            return known[variable]

        for equation in traced.jaxpr.eqns:
            results = self._apply(equation, [read(v) for v in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [read(variable) for variable in traced.jaxpr.outvars]

    def repeated(self, value: _Value, shape: tuple[int, ...] | None = None) -> Any:
        """Returns an array with the batch axis, a number also in another shape."""
        array, batched = value
        own = jnp.shape(array)[:-1] if batched else jnp.shape(array)
        shape = own if shape is None else shape
        if batched and own == shape:
            return array
        axes = [*range(len(own)), len(shape)][: jnp.ndim(array)]
        if not own:  # a number
            axes = [len(shape)] if batched else []
        return lax.broadcast_in_dim(array, (*shape, self.size), axes)

    def _apply(self, equation: JaxprEqn, inputs: list[_Value]) -> list[_Value]:
        primitive, parameters = equation.primitive, equation.params
        name, batched = primitive.name, any(value.batched for value in inputs)
        if name == "jit":
            return self.run(parameters["jaxpr"], inputs)
        if batched and name in _ELEMENTWISE:
            shape = equation.outvars[0].aval.shape
            arrays = [self.repeated(value, shape) for value in inputs]
            results = primitive.bind(*arrays, **parameters)
        elif batched and name in _BY_AXES:
            results = primitive.bind(*map(self.repeated, inputs), **parameters)
        else:
            rule = _RULES.get(name) if batched else None
            results = None if rule is None else rule(self, inputs, **parameters)
            if results is None:
                return self._without_rule(equation, inputs)
        several = results if primitive.multiple_results else [results]
        return [_Value(array, batched) for array in several]

    def _without_rule(self, equation: JaxprEqn, inputs: list[_Value]) -> list[_Value]:
        given = zip(equation.invars, inputs, strict=True)
        known = {v: value for v, value in given if not isinstance(v, Literal)}
        names = ("",) * len(known), ("",) * len(equation.outvars)
        about = DebugInfo("vmap_last", equation.primitive.name, *names)
        alone = Jaxpr([], [*known], equation.outvars, [equation], debug_info=about)
        function = jaxpr_as_fun(ClosedJaxpr(alone, []))
        arrays = [value.array for value in known.values()]
        batched = any(value.batched for value in inputs)
        if batched:
            axes = tuple(-1 if value.batched else None for value in known.values())
            function = jax.vmap(function, in_axes=axes, out_axes=-1)
        return [_Value(array, batched) for array in function(*arrays)]


# Rules of primitives: results of batches of inputs, or None where there is none.


def _broadcast_in_dim(batch: _Batch, inputs: list[_Value], **parameters: Any) -> Any:
    shape, axes = parameters["shape"], parameters["broadcast_dimensions"]
    shape, axes = (*shape, batch.size), (*axes, len(shape))
    return lax.broadcast_in_dim(inputs[0].array, shape, axes)


def _reshape(batch: _Batch, inputs: list[_Value], **parameters: Any) -> Any:
    return lax.reshape(inputs[0].array, (*parameters["new_sizes"], batch.size))


def _slice(batch: _Batch, inputs: list[_Value], **parameters: Any) -> Any:
    first, last = parameters["start_indices"], parameters["limit_indices"]
    steps = parameters["strides"] or [1] * len(first)
    ends = (*last, batch.size)
    return lax.slice(inputs[0].array, (*first, 0), ends, (*steps, 1))


def _transpose(_: _Batch, inputs: list[_Value], *, permutation: Any) -> Any:
    return lax.transpose(inputs[0].array, (*permutation, len(permutation)))


def _dot_general(batch: _Batch, inputs: list[_Value], **parameters: Any) -> Any:
    """Multiplies and adds: XLA takes longer for products of so small matrices.

    A sum of few terms is written out; a longer one is XLA's, which would repeat a
    written one for each number that it is part of.
    """
    summed, shared = parameters["dimension_numbers"]
    n_terms = math.prod(jnp.shape(inputs[0].array)[axis] for axis in summed[0])
    few = 0 < n_terms <= _MAX_TERMS and len(summed[0]) == 1
    if not few or not all(value.batched for value in inputs):
        return None
    own = [
        [axis for axis in range(value.array.ndim - 1) if axis not in {*some, *others}]
        for value, some, others in zip(inputs, summed, shared, strict=True)
    ]
    n, n_shared = len(own[0]), len(shared[0])
    in_both = range(n_shared)
    places = (
        [*in_both, *range(n_shared, n_shared + n)],
        [*in_both, *range(n_shared + n, n_shared + n + len(own[1]))],
    )
    left, right = (value.array for value in inputs)
    sizes = [left.shape[axis] for axis in (*shared[0], *own[0])]
    shape = (*sizes, *(right.shape[axis] for axis in own[1]), batch.size)

    def factor(side: int) -> Any:
        """Returns a factor, [terms, *shape]; no axis of length 1 comes in between.

        With such axes XLA of jaxlib 0.10.2 once compiled a wrong program.
        """
        array = inputs[side].array
        order = *summed[side], *shared[side], *own[side], array.ndim - 1
        rows = lax.transpose(array, order)
        if (dtype := parameters["preferred_element_type"]) is not None:
            rows = rows.astype(dtype)
        axes = [0, *(place + 1 for place in places[side]), len(shape)]
        return lax.broadcast_in_dim(rows, (n_terms, *shape), axes)

    terms = factor(0) * factor(1)
    if n_terms > _WRITTEN_OUT:
        return terms.sum(axis=0)
    each = (lax.index_in_dim(terms, k, keepdims=False) for k in range(n_terms))
    return functools.reduce(operator.add, each)


def _random_bits(batch: _Batch, inputs: list[_Value], **parameters: Any) -> Any:
    width, shape = parameters["bit_width"], parameters["shape"]
    return _of_keys(
        batch, inputs[0], lambda key: threefry.random_bits(key, width, shape)
    )


def _random_split(batch: _Batch, inputs: list[_Value], *, shape: Any) -> Any:
    data = _of_keys(batch, inputs[0], lambda key: threefry.split(key, shape))
    if data is None:
        return None
    return jax.random.wrap_key_data(jnp.moveaxis(data, -2, -1), impl=threefry.name)


def _of_keys(batch: _Batch, keys: _Value, function: Callable[[Any], Any]) -> Any:
    """Evaluates a function of the two words of a key, if keys are JAX's usual ones."""
    if keys.array.ndim != 1 or jax.random.key_impl(keys.array) != threefry.name:
        return None
    words = jax.random.key_data(keys.array).T
    one = jax.ShapeDtypeStruct(words.shape[:1], words.dtype)
    traced = jax.make_jaxpr(function)(one)
    return batch.repeated(batch.run(traced, [_Value(words, True)])[0])


def _threefry2x32(batch: _Batch, inputs: list[_Value], **_: Any) -> Any:
    """Threefry-2x32 of 20 rounds, as JAX's [Salmon et al. 2011], without a loop.

    A loop of so short rounds passes all its numbers through memory in each.
    """
    shapes = [jnp.shape(v.array)[: -1 if v.batched else None] for v in inputs]
    shape = jnp.broadcast_shapes(*shapes)
    first, second, a, b = (batch.repeated(value, shape) for value in inputs)
    keys = first, second, first ^ second ^ jnp.uint32(0x1BD11BDA)
    a, b = a + keys[0], b + keys[1]
    for i in range(5):
        for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
            a = a + b
            b = a ^ ((b << jnp.uint32(bits)) | (b >> jnp.uint32(32 - bits)))
        a, b = a + keys[(i + 1) % 3], b + keys[(i + 2) % 3] + jnp.uint32(i + 1)
    return a, b


_RULES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "dot_general": _dot_general,
    "random_bits": _random_bits,
    "random_split": _random_split,
    "reshape": _reshape,
    "slice": _slice,
    "threefry2x32": _threefry2x32,
    "transpose": _transpose,
}
