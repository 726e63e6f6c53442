"""`ArrayRecord`: a frozen dataclass of arrays that share a leading batch shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from mec_llm_env._array import Array, namespace


class ArrayRecord:
    """Base of `Scenario`, `Allocation` and `Outcome`.

    A field may be None where its class allows it; every operation leaves that so.
    """

    __slots__ = ()

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Returns the names of the fields, in order."""
        return tuple(cls.__dataclass_fields__)  # type: ignore[attr-defined]

    @classmethod
    def unchecked(cls, **fields: Array) -> Self:
        """Builds a record from arrays that are known to be valid, without checks."""
        record = object.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(record, name, value)
        return record

    def to_dict(self) -> dict[str, Array]:
        """Returns the fields by name, without copying."""
        return {name: getattr(self, name) for name in self.field_names()}

    def map(self, function: Callable[[Array], Array]) -> Self:
        """Returns a record with `function` applied to every field that is present."""
        return self.unchecked(
            **{
                name: None if value is None else function(value)
                for name, value in self.to_dict().items()
            }
        )

    def __getitem__(self, index: Any) -> Self:
        """Returns the record of some batch members; `index` is over the batch."""
        index = index if isinstance(index, tuple) else (index,)
        return self.map(lambda value: value[(*index, ...)])

    @classmethod
    def stack(cls, records: Sequence[Self]) -> Self:
        """Joins records of equal shapes along a new leading batch axis."""
        if not records:
            raise ValueError(f"There is no {cls.__name__} to stack; got an empty list.")
        columns = [
            [getattr(record, name) for record in records] for name in cls.field_names()
        ]
        xp = namespace(columns[0][0])
        return cls.unchecked(
            **{
                name: None if any(v is None for v in values) else xp.stack(values)
                for name, values in zip(cls.field_names(), columns, strict=True)
            }
        )

    def to_torch(self, *, device: Any = None, dtype: Any = None) -> Self:
        """Returns the record as PyTorch tensors; `dtype` defaults to float64.

        Integer fields keep their type.
        """
        import torch

        def convert(value: Array) -> Any:
            tensor = torch.as_tensor(np.array(value), device=device)
            floating = tensor.is_floating_point()
            return tensor.to(dtype or torch.float64) if floating else tensor

        return self.map(convert)

    def to_numpy(self) -> Self:
        """Returns the record as NumPy arrays."""

        def convert(value: Array) -> Any:
            is_torch = type(value).__module__.startswith("torch")
            return value.detach().cpu().numpy() if is_torch else np.asarray(value)

        return self.map(convert)


def as_floats(value: Any, name: str) -> Array:
    """Returns a float64 array of user input; PyTorch tensors stay as they are.

    Raises:
        ValueError: `value` is not an array of real numbers.
    """
    if type(value).__module__.startswith("torch"):
        return value
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be an array of real numbers; got {_shorten(value)}."
        ) from None


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def first_index(mask: Any) -> tuple[int, ...]:
    """Returns the index of the first true entry of a NumPy mask."""
    return tuple(int(i) for i in np.argwhere(mask)[0])


def describe_index(index: tuple[int, ...], axes: str) -> str:
    """Returns words for an index over batch and `axes`, such as "user 2, server 0"."""
    names = {"N": "user", "M": "server"}
    n_batch = len(index) - len(axes)
    words = [f"scenario {', '.join(map(str, index[:n_batch]))}"] if n_batch else []
    words += [
        f"{names.get(axis, 'coordinate')} {i}"
        for axis, i in zip(axes, index[n_batch:], strict=True)
    ]
    return ", ".join(words)
