"""`ArrayRecord`: a frozen dataclass of arrays that share a leading batch shape."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from mec_llm_env._array import Array, namespace
from mec_llm_env.files import read_arrays, write_arrays
from mec_llm_env.ranges import shorten


class ArrayRecord:
    """Base of `Scenario`, `Allocation` and `Outcome`.

    A field may be None where its class allows it; every operation leaves that so. One
    that is a record itself has the batch axes too.
    """

    __slots__ = ()
    #: Fields that change what a record means: all that are stacked have them, or none.
    _needed: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Returns the names of the fields, in order."""
        return tuple(cls.__dataclass_fields__)  # type: ignore[attr-defined]

    @classmethod
    def unchecked(cls, **fields: Array) -> Self:
        """Builds a record from arrays that are known to be valid, without checks.

        A field that is not given is absent, None.
        """
        record = object.__new__(cls)
        for name in cls.field_names():
            object.__setattr__(record, name, fields.get(name))
        return record

    def changed(self, **fields: Any) -> Self:
        """Returns the record with other values of some fields, without checks."""
        return self.unchecked(**{**self.to_dict(), **fields})

    def to_dict(self) -> dict[str, Array]:
        """Returns the fields that are present by name, without copying."""
        names = self.field_names()
        return {n: v for n in names if (v := getattr(self, n)) is not None}

    def map(self, function: Callable[[Array], Array]) -> Self:
        """Returns a record with `function` applied to every field that is present."""
        record = object.__new__(type(self))
        for name in self.field_names():  # no dictionary: decisions map often
            value = getattr(self, name)
            if isinstance(value, ArrayRecord):
                value = value.map(function)
            elif value is not None:
                value = function(value)
            object.__setattr__(record, name, value)
        return record

    def __getitem__(self, index: Any) -> Self:
        """Returns the record of some batch members; `index` is over the batch."""
        index = index if isinstance(index, tuple) else (index,)
        return self.map(lambda value: value[(*index, ...)])

    def flatten(self, axes: int) -> Self:
        """Returns the record with its first `axes` axes joined to one."""
        return self.map(lambda value: value.reshape((-1, *value.shape[axes:])))

    def unflatten(self, batch_shape: tuple[int, ...]) -> Self:
        """Returns the record with its first axis split; undoes `flatten`."""
        return self.map(lambda value: value.reshape((*batch_shape, *value.shape[1:])))

    def repeat(self, count: int) -> Self:
        """Returns the record `count` times along a new first axis; NumPy, no copy."""
        return self.map(lambda value: np.broadcast_to(value, (count, *value.shape)))

    @classmethod
    def where(cls, condition: Array, yes: Self, no: Self) -> Self:
        """Returns the batch members of one record where a mask holds, else another's.

        Args:
            condition: of the batch shape, NumPy.
            yes: taken where it is True.
            no: taken elsewhere, of the same shapes.
        """

        def choose(name: str) -> Array:
            one, other = getattr(yes, name), getattr(no, name)
            if one is None:
                return None
            if isinstance(one, ArrayRecord):
                return type(one).where(condition, one, other)
            extra = (1,) * (one.ndim - condition.ndim)
            return np.where(condition.reshape(condition.shape + extra), one, other)

        return cls.unchecked(**{name: choose(name) for name in cls.field_names()})

    @classmethod
    def stack(cls, records: Sequence[Self]) -> Self:
        """Joins records of equal shapes along a new leading batch axis."""
        if not isinstance(records, list | tuple):
            raise ValueError(
                f"`records` must be a list of {cls.__name__}; got {shorten(records)}."
            )
        if not records:
            raise ValueError(f"There is no {cls.__name__} to stack; got an empty list.")
        for i, record in enumerate(records):
            if not isinstance(record, cls):
                raise ValueError(
                    f"Only records of {cls.__name__} stack; got "
                    f"{type(record).__name__} at index {i}."
                )
        first = cls.field_names()[0]
        shapes = [tuple(getattr(record, first).shape) for record in records]
        if len(set(shapes)) > 1:
            i = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
            raise ValueError(
                f"Only records of one shape stack; got `{first}` of {shapes[0]} at "
                f"index 0 and {shapes[i]} at index {i}."
            )
        columns = [
            [getattr(record, name) for record in records] for name in cls.field_names()
        ]
        xp = namespace(columns[0][0])

        def join(name: str, values: list[Any]) -> Any:
            absent = [value is None for value in values]
            if any(absent):
                if name in cls._needed and not all(absent):
                    raise ValueError(
                        f"Only records that all have `{name}`, or none of them, stack; "
                        f"got None at index {absent.index(True)} and a value at "
                        f"index {absent.index(False)}."
                    )
                return None
            nested = isinstance(values[0], ArrayRecord)
            return type(values[0]).stack(values) if nested else xp.stack(values)

        names = cls.field_names()
        return cls.unchecked(
            **{k: join(k, v) for k, v in zip(names, columns, strict=True)}
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
            tensor = _is_tensor(value)
            return value.detach().cpu().numpy() if tensor else np.asarray(value)

        for value in self.to_dict().values():
            if type(value) is not np.ndarray:
                return self.map(convert)
        return self


class StoredRecord(ArrayRecord):
    """Base of `Scenario` and `Trajectory`: records that `.npz` files hold."""

    __slots__ = ()
    _called: ClassVar[str]  # in errors

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all fields to an `.npz` file, whole or not at all.

        Raises:
            ValueError: they take more than 1 GiB.
        """
        write_arrays(path, self._to_fields())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote. Nothing in the file is executed.

        Raises:
            ValueError: the file is not one that `save` wrote, or is damaged.
            OSError: it cannot be opened.
        """
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"`path` must be the path of a file; got {shorten(path)}.")
        file = repr(os.fspath(path))
        try:
            fields: dict[str, Any] = dict(read_arrays(path))
        except ValueError as error:
            raise ValueError(
                f"{file} is not a {cls._called} file (.npz): {error}."
            ) from error
        return cls._from_fields(fields, file)

    def _to_fields(self) -> dict[str, Array]:
        """Returns arrays by name."""
        return self.to_numpy().to_dict()

    @classmethod
    def _of_fields(cls, fields: dict[str, Any]) -> Self:
        """Inverse of `_to_fields`."""
        return cls(**fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any], source: str) -> Self:
        try:
            return cls._of_fields(fields)
        except ValueError as error:
            raise ValueError(
                f"There is no {cls._called} in {source}: {error}"
            ) from error


Record = TypeVar("Record", bound=ArrayRecord)


def checked_record(value: Any, kind: type[Record], name: str) -> Record:
    """Returns the argument `name` of a function.

    Raises:
        ValueError: it is not a record of that kind.
    """
    if not isinstance(value, kind):
        raise ValueError(
            f"`{name}` must be a mec_llm_env.{kind.__name__}; got "
            f"{type(value).__name__}."
        )
    return value


def checked_numpy(value: Any, kind: type[Record], name: str) -> Record:
    """Returns the argument `name` of a function that takes NumPy arrays only.

    Raises:
        ValueError: it is not a record of that kind, or one of tensors.
    """
    first = getattr(checked_record(value, kind, name), kind.field_names()[0])
    if not isinstance(first, np.ndarray):
        raise ValueError(
            f"`{name}` must hold NumPy arrays; got {type(first).__name__}. Convert it "
            "with `to_numpy`."
        )
    return value


def as_floats(value: Any, name: str) -> Array:
    """Returns a float64 array of user input; PyTorch tensors stay as they are.

    Raises:
        ValueError: `value` is not an array of real numbers, or has masked entries.
    """
    if _is_tensor(value):
        return _floating_tensor(value, name)
    array = as_numbers(value, name)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"`{name}` must not have masked entries; got {np.ma.count_masked(value)}. "
            "Fill them with what holds there."
        )
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes infinite
        return array.astype(np.float64)


def as_numbers(value: Any, name: str, kinds: str = "biuf") -> Any:
    """Returns a NumPy array of user input, of its own type.

    Raises:
        ValueError: `value` is no array of one of those kinds of numbers.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in kinds:
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"`{name}` must be an array of real numbers; got {shorten(value)}."
        ) from None
    return array


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.startswith("torch") and hasattr(value, "detach")


def _floating_tensor(value: Any, name: str) -> Any:
    if value.is_complex():
        raise ValueError(
            f"`{name}` must be a tensor of real numbers; got {value.dtype}."
        )
    if not value.is_floating_point():
        return value.double()
    if value.element_size() < 4:
        raise ValueError(
            f"`{name}` must be a float32 or float64 tensor, as others do not reach to "
            f"such numbers; got {value.dtype}."
        )
    return value


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
