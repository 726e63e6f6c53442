"""`Scenario`: everything that is given when a decision is taken."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.names import by_name
from mec_llm_env.ranges import Limits, shorten
from mec_llm_env.record import StoredRecord, as_floats, describe_index, first_index
from mec_llm_env.workload.layers import whole_layers

#: Of a GPU at full speed, κ f³: a coefficient in another unit is far outside.
GPU_POWER_W = Limits(1e-9, 1e9)


_WHOLE = 1e-6  # relative, to which a fraction is that of whole layers


def _given(axes: str, unit: str, lowest: float, highest: float, **default: Any) -> Any:
    metadata = {"axes": axes, "unit": unit, "limits": Limits(lowest, highest)}
    return dataclasses.field(metadata=metadata, **default)


@by_name
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scenario(StoredRecord):
    """The parameters of one decision, or of a batch of them.

    Shapes: `...` batch, N users, M servers, 2 coordinates. Arrays are float64 NumPy
    (lists are converted) or PyTorch tensors; a field given without the batch axes
    serves the whole batch. Build one from measured data with `Scenario(**fields)`.

    Every field stands with its axes, its unit and the lowest and highest value that it
    may have (`docs/ranges.md`). The ranges are far wider than any system is, and all
    that lies in them can be computed. A server out of a user's reach has the gain
    1e-30: no solver chooses it then. A GPU at full speed draws 1e-9 to 1e9 W (κ f³).

    With `serving` a user that is not served where its training state is pays for the
    migration; the two amounts must be given then. With `noise_rise` each server hears
    interference on top of the noise; users do not. With `layers` every φ is that of
    whole layers, k / Υ, and so must be its lowest and highest.

    Raises:
        ValueError: a field is unknown or missing, has a wrong shape or a value outside
            of its range, or `max_users` cannot serve all users; the text names field,
            index, value and what to do.
    """

    _needed = ("serving", "noise_rise", "layers")
    _called = "scenario"

    channel_gain: Array = _given("NM", "", 1e-30, 1)  # [..., N, M] linear, of power
    workload_flop: Array = _given("N", "FLOP", 1, 1e24)  # [..., N] all layers: W_n
    data_bit: Array = _given("N", "bit", 1, 1e18)  # [..., N] training data: D_n
    adapter_bit: Array = _given("N", "bit", 1, 1e18)  # [..., N] all adapters: A_n
    # [..., N] the whole GPU: K_n
    user_flop_per_cycle: Array = _given("N", "FLOP/cycle", 1e-3, 1e18)
    user_frequency_max_hz: Array = _given("N", "Hz", 1, 1e15)  # [..., N]: f_n^max
    user_power_coefficient: Array = _given("N", "W/Hz³", 1e-54, 1e9)  # [..., N]: κ_n
    transmit_power_max_w: Array = _given("N", "W", 1e-9, 1e6)  # [..., N]: p_n^max
    local_fraction_min: Array = _given("N", "", 1e-6, 1 - 1e-6)  # [..., N]: 1/Υ
    local_fraction_max: Array = _given("N", "", 1e-6, 1 - 1e-6)  # [..., N]: 1 − 1/Υ
    # [..., M] the whole GPU: K_m
    server_flop_per_cycle: Array = _given("M", "FLOP/cycle", 1e-3, 1e18)
    server_frequency_max_hz: Array = _given("M", "Hz", 1, 1e15)  # [..., M]: F_m
    server_power_coefficient: Array = _given("M", "W/Hz³", 1e-54, 1e9)  # [..., M]: κ_m
    bandwidth_max_hz: Array = _given("M", "Hz", 1, 1e13)  # [..., M]: B_m
    downlink_power_w: Array = _given("M", "W", 1e-9, 1e6)  # [..., M]: P_m
    noise_density_w_per_hz: Array = _given("", "W/Hz", 1e-30, 1e-6)  # [...]: n0
    # [..., M] whole numbers; None: no limit
    max_users: Array = _given("M", "", 0, 1e9, default=None)
    # [..., N, M] 0 or 1: the server that holds the user's training state; a row of
    # zeros: none yet, nothing to move. None: nobody has any.
    serving: Array | None = _given("NM", "", 0, 1, default=None)
    # [..., N] how long moving the state to another server takes, whichever it is
    migration_delay_s: Array | None = _given("N", "s", 0, 1e12, default=None)
    # [..., N] the energy that it takes
    migration_energy_j: Array | None = _given("N", "J", 0, 1e12, default=None)
    # [..., M] noise and interference in the uplink over noise alone; None: 1
    noise_rise: Array | None = _given("M", "", 1, 1e4, default=None)
    # [..., N] whole numbers: Υ, of which the user trains some; None: φ is continuous
    layers: Array | None = _given("N", "", 2, 1e4, default=None)
    # [..., N, 2] for drawing only
    user_position_m: Array | None = _given("N2", "m", -1e12, 1e12, default=None)
    # [..., M, 2] for drawing only
    server_position_m: Array | None = _given("M2", "m", -1e12, 1e12, default=None)

    def __post_init__(self) -> None:
        gain = as_floats(self.channel_gain, "channel_gain")
        if gain.ndim < 2 or 0 in gain.shape[-2:]:
            raise ValueError(
                "`channel_gain` must have shape [..., N, M], one row per user and "
                f"one column per server, both at least 1; got {tuple(gain.shape)}."
            )
        if self.max_users is None:
            object.__setattr__(self, "max_users", np.asarray(gain.shape[-2]))
        sizes = {"N": gain.shape[-2], "M": gain.shape[-1], "2": 2}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            if value is not None or spec.default is dataclasses.MISSING:
                value = _fit_shape(spec.name, value, spec.metadata["axes"], gain, sizes)
                _check_values(spec, value)
                object.__setattr__(self, spec.name, value)
        _check_relations(self)

    @property
    def n_users(self) -> int:
        """N, the number of users."""
        return int(self.channel_gain.shape[-2])

    @property
    def n_servers(self) -> int:
        """M, the number of servers."""
        return int(self.channel_gain.shape[-1])

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading axes of every field; () for a single scenario."""
        return tuple(self.channel_gain.shape[:-2])

    @property
    def uplink_noise_w_per_hz(self) -> Array:
        """W/Hz, noise and interference at each server, [..., M], or [..., 1] alike."""
        noise = self.noise_density_w_per_hz[..., None]
        return noise if self.noise_rise is None else noise * self.noise_rise

    def to_json(self) -> str:
        """Returns all fields as a JSON object of nested lists."""
        fields = self.to_numpy().to_dict()
        return json.dumps({k: v.tolist() for k, v in fields.items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`, exactly.

        Raises:
            ValueError: the text is not a JSON object of this class's fields.
        """
        if not isinstance(text, str | bytes):
            raise ValueError(f"`text` must be a JSON text; got {shorten(text)}.")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The text is not JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise ValueError(
                f"A scenario is a JSON object, one key a field; got {shorten(fields)}."
            )
        return cls._from_fields(fields, "the JSON object")


#: The lowest and highest value that each field may have.
FIELD_LIMITS: dict[str, Limits] = {
    spec.name: spec.metadata["limits"] for spec in dataclasses.fields(Scenario)
}


def _fit_shape(
    name: str, value: Any, axes: str, gain: Array, sizes: dict[str, int]
) -> Array:
    """Returns `value` as an array with the batch shape of the gains before `axes`."""
    array = as_floats(value, name)
    if isinstance(array, np.ndarray) != isinstance(gain, np.ndarray):
        if name != "max_users" or isinstance(gain, np.ndarray):
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


def _check_values(spec: dataclasses.Field[Any], value: Array) -> None:
    name, axes, limits = spec.name, spec.metadata["axes"], spec.metadata["limits"]
    array = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
    valid = limits.hold(array)
    kind = ""
    if name in ("max_users", "serving", "layers"):
        valid &= array == np.floor(array)
        kind = "a whole number "
    if not valid.all():
        index = first_index(~valid)
        got, where = float(array[index]), describe_index(index, axes)
        unit = f" {spec.metadata['unit']}" if spec.metadata["unit"] else ""
        raise ValueError(
            f"`{name}` must be {kind}from {limits}{unit}; got {got:g}"
            f"{f' for {where}' if where else ''}.{_remedy(name, got)}"
        )


def _remedy(name: str, got: float) -> str:
    """Returns what the mistake probably is, and what to do."""
    if name == "channel_gain" and got > 1:
        return (
            " No channel gives more power than is sent: this may be a path loss in dB, "
            "whose gain is 10**(-loss / 10), or a gain divided by the noise, which is "
            "to be multiplied by it."
        )
    if name == "channel_gain" and got < 0:
        return " This may be a gain in dB; the linear one is 10**(gain / 10)."
    if name == "channel_gain" and got < 1e-30:
        return " For a server out of reach give 1e-30; no solver chooses it then."
    return _REMEDIES.get(name, " Give it in that unit.") if np.isfinite(got) else ""


_COEFFICIENT = " It is the power at full speed over the cube of the frequency in Hz."
_REMEDIES = {
    "data_bit": " For data that are already at the server give 1 bit.",
    "noise_density_w_per_hz": " It is 10**((dBm per Hz - 30) / 10).",
    "user_power_coefficient": _COEFFICIENT,
    "server_power_coefficient": _COEFFICIENT,
    "local_fraction_min": " It is one layer's share, 1 / layers.",
    "local_fraction_max": " It is that of all layers but one, 1 - 1 / layers.",
    "max_users": " Leave it out for no limit.",
    "layers": " Leave it out for a continuous split.",
    "serving": " Give 1 for the server that holds the user's training state, else 0.",
    "migration_delay_s": " Give 0 where moving is free.",
    "migration_energy_j": " Give 0 where moving is free.",
    "noise_rise": " It is 10**(dB / 10), the noise rise of interference.",
    "user_position_m": "",
    "server_position_m": "",
}


def _check_gpu_power(fields: Scenario, owner: str, axes: str) -> None:
    coefficient = np.asarray(getattr(fields, f"{owner}_power_coefficient"), float)
    frequency_hz = np.asarray(getattr(fields, f"{owner}_frequency_max_hz"), float)
    power_w = coefficient * frequency_hz**3
    wrong = ~GPU_POWER_W.hold(power_w)
    if wrong.any():
        index = first_index(wrong)
        raise ValueError(
            f"`{owner}_power_coefficient` × `{owner}_frequency_max_hz`³, the power of "
            f"the GPU at full speed, must be from {GPU_POWER_W} W; got "
            f"{coefficient[index]:g} × {frequency_hz[index]:g}³ = {power_w[index]:g} W "
            f"for {describe_index(index, axes)}.{_COEFFICIENT}"
        )


def _check_serving(fields: Scenario) -> None:
    for name in ("migration_delay_s", "migration_energy_j"):
        if getattr(fields, name) is None:
            raise ValueError(
                f"`serving` needs `{name}`, [..., N], what moving a user's training "
                "state takes; got None. Give zeros where moving is free."
            )
    states = fields.serving.sum(axis=-1)  # type: ignore[union-attr]
    if (states > 1).any():
        index = first_index(states > 1)
        raise ValueError(
            "`serving` must name at most one server a user; got "
            f"{int(states[index])} for {describe_index(index, 'N')}. A row of zeros "
            "is a user without any training state."
        )


def _check_layers(fields: Scenario) -> None:
    for name in ("local_fraction_min", "local_fraction_max"):
        fraction, layers = getattr(fields, name), np.asarray(fields.layers)
        nearest = whole_layers(fraction, layers)
        wrong = np.abs(fraction - nearest) > _WHOLE * nearest
        if wrong.any():
            index = first_index(wrong)
            raise ValueError(
                f"`{name}` must be that of whole layers where `layers` is given, k / "
                f"{layers[index]:.0f} with k from 1 to {layers[index] - 1:.0f}; got "
                f"{fraction[index]:g} for {describe_index(index, 'N')}. Give the "
                f"nearest, {nearest[index]:.9g}."
            )


def _check_relations(scenario: Scenario) -> None:
    fields = scenario.to_numpy()
    _check_gpu_power(fields, "user", "N")
    _check_gpu_power(fields, "server", "M")
    lowest, highest = fields.local_fraction_min, fields.local_fraction_max
    crossed = lowest > highest
    if crossed.any():
        index = first_index(crossed)
        raise ValueError(
            "`local_fraction_min` must be at most `local_fraction_max`; got "
            f"{lowest[index]} and {highest[index]} for {describe_index(index, 'N')}."
        )
    if fields.serving is not None:
        _check_serving(fields)
    if fields.layers is not None:
        _check_layers(fields)
    served = np.minimum(fields.max_users, scenario.n_users).sum(axis=-1)
    if (served < scenario.n_users).any():
        index = first_index(served < scenario.n_users)
        where = f" in {describe_index(index, '')}" if index else ""
        raise ValueError(
            f"`max_users` lets the servers serve {int(served[index])} users, fewer "
            f"than the {scenario.n_users} there are{where}. Raise some server's "
            "`max_users`, or leave it out for no limit."
        )
