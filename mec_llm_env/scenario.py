"""`Scenario`: everything that is given when a decision is taken."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.files import write_whole
from mec_llm_env.record import ArrayRecord, as_floats, describe_index, first_index

_RULES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "positive": ("positive and finite", lambda a: np.isfinite(a) & (a > 0)),
    "fraction": ("strictly between 0 and 1", lambda a: (a > 0) & (a < 1)),
    "finite": ("finite", np.isfinite),
    "count": (
        "a non-negative whole number",
        lambda a: np.isfinite(a) & (a >= 0) & (a == np.floor(a)),
    ),
}


def _given(axes: str, rule: str = "positive", **default: Any) -> Any:
    return dataclasses.field(metadata={"axes": axes, "rule": rule}, **default)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scenario(ArrayRecord):
    """The parameters of one decision, or of a batch of them.

    Shapes: `...` batch, N users, M servers, 2 coordinates. Arrays are float64 NumPy
    (lists are converted) or PyTorch tensors; a field given without the batch axes
    serves the whole batch. Build one from measured data with `Scenario(**fields)`.

    Raises:
        ValueError: a field has a wrong shape, sign or a value that is not finite, or
            `max_users` cannot serve all users; the text names field, index and value.
    """

    channel_gain: Array = _given("NM")  # [..., N, M] linear power gain
    workload_flop: Array = _given("N")  # [..., N] FLOP, training all layers: W_n
    data_bit: Array = _given("N")  # [..., N] bit, training data: D_n
    adapter_bit: Array = _given("N")  # [..., N] bit, all adapters: A_n
    user_flop_per_cycle: Array = _given("N")  # [..., N] FLOP/cycle, whole GPU: K_n
    user_frequency_max_hz: Array = _given("N")  # [..., N] Hz: f_n^max
    user_power_coefficient: Array = _given("N")  # [..., N] W/Hz³: κ_n
    transmit_power_max_w: Array = _given("N")  # [..., N] W: p_n^max
    local_fraction_min: Array = _given("N", "fraction")  # [..., N]: 1/Υ
    local_fraction_max: Array = _given("N", "fraction")  # [..., N]: 1 − 1/Υ
    server_flop_per_cycle: Array = _given("M")  # [..., M] FLOP/cycle: K_m
    server_frequency_max_hz: Array = _given("M")  # [..., M] Hz: F_m
    server_power_coefficient: Array = _given("M")  # [..., M] W/Hz³: κ_m
    bandwidth_max_hz: Array = _given("M")  # [..., M] Hz: B_m
    downlink_power_w: Array = _given("M")  # [..., M] W: P_m
    noise_density_w_per_hz: Array = _given("")  # [...] W/Hz: n0
    max_users: Array = _given("M", "count", default=None)  # [..., M]; None: no limit
    user_position_m: Array | None = _given("N2", "finite", default=None)  # for drawing
    server_position_m: Array | None = _given("M2", "finite", default=None)  # likewise

    def __post_init__(self) -> None:
        gain = as_floats(self.channel_gain, "channel_gain")
        if gain.ndim < 2 or 0 in gain.shape[-2:]:
            raise ValueError(
                "`channel_gain` must have shape [..., N, M], one row a user and one "
                f"column a server, both at least 1; got {tuple(gain.shape)}."
            )
        if self.max_users is None:
            object.__setattr__(self, "max_users", np.asarray(gain.shape[-2]))
        sizes = {"N": gain.shape[-2], "M": gain.shape[-1], "2": 2}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if value is not None:
                axes, rule = spec.metadata["axes"], spec.metadata["rule"]
                value = _fit_shape(spec.name, value, axes, gain, sizes)
                _check_values(spec.name, value, axes, rule)
                object.__setattr__(self, spec.name, value)
        _check_relations(self)

    @property
    def n_users(self) -> int:
        """N."""
        return int(self.channel_gain.shape[-2])

    @property
    def n_servers(self) -> int:
        """M."""
        return int(self.channel_gain.shape[-1])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes of every field; () for a single scenario."""
        return tuple(self.channel_gain.shape[:-2])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all fields to an `.npz` file, whole or not at all."""
        arrays = {k: v for k, v in self.to_numpy().to_dict().items() if v is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote.

        Raises:
            ValueError: the file is not one that `save` wrote.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                fields = dict(archive)
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile and NumPy raise many kinds
            raise ValueError(
                f"{os.fspath(path)!r} is not a scenario file (.npz): {error}"
            ) from error
        return cls._from_fields(fields, os.fspath(path))

    def to_json(self) -> str:
        """Returns all fields as a JSON object of nested lists."""
        fields = self.to_numpy().to_dict()
        lists = {k: v.tolist() for k, v in fields.items() if v is not None}
        return json.dumps(lists)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`, exactly.

        Raises:
            ValueError: the text is not a JSON object of this class's fields.
        """
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The text is not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise ValueError("A scenario is a JSON object, one key a field.")
        return cls._from_fields(fields, "The JSON object")

    @classmethod
    def _from_fields(cls, fields: dict[str, Any], source: str | Path) -> Self:
        specs = dataclasses.fields(cls)
        required = {s.name for s in specs if s.default is dataclasses.MISSING}
        missing, unknown = required - set(fields), set(fields) - set(cls.field_names())
        if missing or unknown:
            raise ValueError(
                f"{source} is not a scenario: fields missing: {sorted(missing)}, "
                f"unknown: {sorted(unknown)}."
            )
        return cls(**fields)


def _fit_shape(
    name: str, value: Any, axes: str, gain: Array, sizes: dict[str, int]
) -> Array:
    """Returns `value` as an array with the batch shape of the gains before `axes`."""
    array = as_floats(value, name)
    if isinstance(array, np.ndarray) != isinstance(gain, np.ndarray):
        if name != "max_users":
            raise ValueError(
                f"`{name}` must be of the same kind as `channel_gain`, NumPy or "
                f"PyTorch; got {type(array).__name__} and {type(gain).__name__}."
            )
        array = gain.new_tensor(array)
    core = tuple(sizes[axis] for axis in axes)
    wanted = tuple(gain.shape[:-2]) + core
    got = tuple(array.shape)
    is_core = got[len(got) - len(core) :] == core or (name == "max_users" and not got)
    if not is_core or len(got) > len(wanted):
        letters = ", ".join(axes)
        raise ValueError(
            f"`{name}` must have shape [..., {letters}] = {wanted}; got {got}."
            if axes
            else f"`{name}` must have the batch shape {wanted}; got {got}."
        )
    try:
        if isinstance(array, np.ndarray):
            return np.ascontiguousarray(np.broadcast_to(array, wanted)).reshape(wanted)
        return array.expand(wanted)
    except (ValueError, RuntimeError):
        raise ValueError(f"`{name}` must have shape {wanted}; got {got}.") from None


def _check_values(name: str, value: Array, axes: str, rule: str) -> None:
    text, valid = _RULES[rule]
    array = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
    wrong = ~valid(array)
    if wrong.any():
        index = first_index(wrong)
        where = describe_index(index, axes)
        raise ValueError(
            f"`{name}` must be {text}; got {array[index]}"
            f"{f' for {where}' if where else ''}."
        )


def _check_relations(scenario: Scenario) -> None:
    fields = scenario.to_numpy()
    lowest, highest = fields.local_fraction_min, fields.local_fraction_max
    crossed = lowest > highest
    if crossed.any():
        index = first_index(crossed)
        raise ValueError(
            "`local_fraction_min` must be at most `local_fraction_max`; got "
            f"{lowest[index]} and {highest[index]} for {describe_index(index, 'N')}."
        )
    served = np.minimum(fields.max_users, scenario.n_users).sum(axis=-1)
    if (served < scenario.n_users).any():
        index = first_index(served < scenario.n_users)
        where = f" in {describe_index(index, '')}" if index else ""
        raise ValueError(
            f"`max_users` lets the servers serve {int(served[index])} users, fewer "
            f"than the {scenario.n_users} there are{where}. Raise some server's "
            "`max_users`, or leave it out for no limit."
        )
