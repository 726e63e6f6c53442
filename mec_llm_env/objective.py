"""The system's equations: rates, delays, energies, cost, score and the SCR.

`evaluate` is their only implementation; environments, solvers, learning and reports
call it. The delay, energy and rate models are those of [LZ24]; what is our own is
marked. See `config` for the sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mec_llm_env._array import Array, namespace
from mec_llm_env.allocation import Allocation
from mec_llm_env.channel.link import downlink_rate_bit_per_s, uplink_rate_bit_per_s
from mec_llm_env.config import ObjectiveConfig, checked_objective
from mec_llm_env.record import (
    ArrayRecord,
    checked_record,
    describe_index,
    first_index,
)
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload.layers import whole_layers

#: Largest relative violation of a constraint that `evaluate` lets pass.
TOLERANCE = 1e-6
#: Part of its maximum below which a resource counts as none: rates would underflow.
LEAST_SHARE = 1e-30


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome(ArrayRecord):
    """What an allocation costs and is worth. Shapes: `...` batch, N users."""

    score: Array  # [..., N] in [0, 100], user-perceived quality: v_n
    uplink_rate: Array  # [..., N] bit/s: r_n
    delay_local_s: Array  # [..., N] s
    delay_uplink_s: Array  # [..., N] s
    delay_server_s: Array  # [..., N] s
    delay_downlink_s: Array  # [..., N] s
    delay_migration_s: Array  # [..., N] s, 0 without `Scenario.serving`
    energy_local_j: Array  # [..., N] J
    energy_uplink_j: Array  # [..., N] J
    energy_server_j: Array  # [..., N] J
    energy_downlink_j: Array  # [..., N] J, what is charged of it: 0 as a rule
    energy_migration_j: Array  # [..., N] J
    delay_s: Array  # [..., N] s, sum of the five
    energy_j: Array  # [..., N] J, sum of the five
    cost: Array  # [..., N] dimensionless
    scr: Array  # [...] service-cost ratio: total score over total cost


def evaluate(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig | None = None,
    *,
    check: bool = True,
) -> Outcome:
    """Evaluates an allocation, or a batch: NumPy, PyTorch or JAX (differentiable).

    Every quantity is linear in a user's row of the association, so that a relaxed
    association with rows that sum to 1 interpolates between servers.

    Args:
        scenario: what is given; batch shape `[...]`.
        allocation: the decision, of the same batch shape and array kind.
        objective: weights and references; the default ones if None.
        check: refuse an allocation that violates a constraint by more than 1e-6
            relative. Without it any numbers are put into the equations; JAX cannot
            trace with it.

    Returns:
        Delays (s), energies (J), cost and score of every user, `[..., N]`, and the SCR,
        `[...]`.

    Raises:
        ValueError: shapes do not fit, or, with `check`, a constraint is violated;
            the text names the constraint, where, by how much and the remedy.
    """
    s, z, o = scenario, allocation, checked_objective(objective)
    check_shapes(s, z)
    if check:
        _check_feasible(s, z)
    xp = namespace(s.channel_gain, z.association)

    # What each user finds at its server.
    x = z.association  # [..., N, M]
    gain = xp.vecdot(x, s.channel_gain)
    at_server = xp.matmul(x, xp.stack([getattr(s, f) for f in _AT_SERVER], axis=-1))
    flop_per_cycle, frequency_max_hz, power_coefficient, bandwidth_max_hz, power_w = (
        at_server[..., i] for i in range(len(_AT_SERVER))
    )
    noise = s.noise_density_w_per_hz[..., None]
    local, remote = z.local_fraction, 1 - z.local_fraction

    # Local training. [LZ24, eq. 1-2]
    delay_local_s = (
        local * s.workload_flop / (s.user_flop_per_cycle * z.user_frequency_hz)
    )
    energy_local_j = (
        s.user_power_coefficient * _cube(z.user_frequency_hz) * delay_local_s
    )

    # Upload of the data and the locally trained part of the adapter. [LZ24]
    # Servers hear interference, too, where it is given (assumption).
    heard = noise
    if s.noise_rise is not None:
        heard = noise * xp.matmul(x, s.noise_rise[..., None])[..., 0]
    uplink_rate = uplink_rate_bit_per_s(z.bandwidth_hz, z.transmit_power_w, gain, heard)
    delay_uplink_s = (s.data_bit + local * s.adapter_bit) / uplink_rate
    energy_uplink_j = z.transmit_power_w * delay_uplink_s

    # Server training. [LZ24, eq. 5-6]
    delay_server_s = remote * s.workload_flop / (flop_per_cycle * z.server_frequency_hz)
    energy_server_j = power_coefficient * _cube(z.server_frequency_hz) * delay_server_s

    # Download of the server-trained part.
    downlink_rate = downlink_rate_bit_per_s(
        z.bandwidth_hz, gain, noise, power_w, bandwidth_max_hz
    )
    delay_downlink_s = remote * s.adapter_bit / downlink_rate

    delay_s = delay_local_s + delay_uplink_s + delay_server_s + delay_downlink_s
    energy_j = energy_local_j + energy_uplink_j + energy_server_j

    # The energy of the download is not charged, as in [LZ24], unless the objective asks
    # for it: then the power is that of the user's part of the band (assumption).
    if o.downlink_energy_share == 0:
        energy_downlink_j = xp.zeros_like(delay_s)
    else:
        sent_w = power_w * z.bandwidth_hz / bandwidth_max_hz
        energy_downlink_j = o.downlink_energy_share * sent_w * delay_downlink_s
        energy_j = energy_j + energy_downlink_j

    # Migration of the training state from another server (assumption).
    if s.serving is None:
        delay_migration_s = energy_migration_j = xp.zeros_like(delay_s)
    else:
        moved = xp.vecdot(s.serving, 1 - x)
        delay_migration_s = moved * s.migration_delay_s
        energy_migration_j = moved * s.migration_energy_j
        delay_s = delay_s + delay_migration_s
        energy_j = energy_j + energy_migration_j

    # Cost; the references make it dimensionless (assumption).
    cost = o.delay_cost_per_s * delay_s + o.energy_cost_per_j * energy_j

    # Service score: Weber-Fechner law of perceived quality (assumption).
    quality = (
        o.score_weight_power * z.transmit_power_w / s.transmit_power_max_w
        + o.score_weight_bandwidth * z.bandwidth_hz / bandwidth_max_hz
        + o.score_weight_compute * z.server_frequency_hz / frequency_max_hz
        + o.score_weight_offload * (1 - local**2)
    )
    score = o.score_scale * xp.log1p(o.score_sensitivity * quality)

    return Outcome.unchecked(
        score=score,
        uplink_rate=uplink_rate,
        delay_local_s=delay_local_s,
        delay_uplink_s=delay_uplink_s,
        delay_server_s=delay_server_s,
        delay_downlink_s=delay_downlink_s,
        delay_migration_s=delay_migration_s,
        energy_local_j=energy_local_j,
        energy_uplink_j=energy_uplink_j,
        energy_server_j=energy_server_j,
        energy_downlink_j=energy_downlink_j,
        energy_migration_j=energy_migration_j,
        delay_s=delay_s,
        energy_j=energy_j,
        cost=cost,
        scr=xp.sum(score, axis=-1) / xp.sum(cost, axis=-1),
    )


def _cube(x: Array) -> Array:
    return x * x * x  # x**3 takes NumPy twenty times as long


_AT_SERVER = (
    "server_flop_per_cycle",
    "server_frequency_max_hz",
    "server_power_coefficient",
    "bandwidth_max_hz",
    "downlink_power_w",
)


def violations(scenario: Scenario, allocation: Allocation) -> dict[str, Array]:
    """Returns the largest relative violation of each constraint, each `[...]`.

    0 means satisfied. Keys are the `Allocation` fields and `max_users`. A quantity
    that must be positive and is not (or less than 1e-30 of its maximum) counts as
    violated by at least 1; one that is not a number as infinitely violated. Bandwidth
    and server frequency are summed by server and compared with its capacity.

    Args:
        scenario: batch shape `[...]`.
        allocation: of the same batch shape and array kind.

    Raises:
        ValueError: shapes do not fit.
    """
    check_shapes(scenario, allocation)
    return {
        name: namespace(excess).max(excess, axis=-1)
        for name, excess in _excess(scenario.to_numpy(), allocation.to_numpy()).items()
    }


def _excess(s: Scenario, z: Allocation) -> dict[str, Any]:
    """Returns the relative violations one by one, [..., N] or [..., M], in NumPy."""
    with np.errstate(over="ignore", invalid="ignore"):  # infinite: violated
        return _violated(s, z)


def _violated(s: Scenario, z: Allocation) -> dict[str, Any]:
    x = z.association

    def used(amount: Any) -> Any:
        return np.einsum("...nm,...n->...m", x, amount)

    def above(amount: Any, limit: Any) -> Any:
        return np.where(np.isfinite(amount), amount / limit - 1, np.inf)

    def not_positive(amount: Any, limit: Any) -> Any:
        wrong = np.where(amount > LEAST_SHARE * limit, 0.0, 1 - amount / limit)
        return np.where(np.isfinite(amount), wrong, np.inf)

    def shared(amount: Any, capacity: Any) -> Any:
        own = np.einsum("...nm,...m->...n", x, capacity)
        least = capacity.min(axis=-1, keepdims=True)  # of users without a server
        per_user = not_positive(amount, np.maximum(own, least))
        return np.concatenate([per_user, above(used(amount), capacity)], axis=-1)

    binary = np.abs(x * (1 - x)).max(axis=-1)
    slots = np.maximum(s.max_users, 1)
    excess = {
        "association": np.maximum(np.abs(x.sum(axis=-1) - 1), binary),
        "max_users": (x.sum(axis=-2) - s.max_users) / slots,
        "local_fraction": np.maximum(
            np.maximum(
                1 - z.local_fraction / s.local_fraction_min,
                above(z.local_fraction, s.local_fraction_max),
            ),
            _off_layers(s, z.local_fraction),
        ),
        "bandwidth_hz": shared(z.bandwidth_hz, s.bandwidth_max_hz),
        "server_frequency_hz": shared(z.server_frequency_hz, s.server_frequency_max_hz),
    }
    for name, limit in (
        ("transmit_power_w", s.transmit_power_max_w),
        ("user_frequency_hz", s.user_frequency_max_hz),
    ):
        amount = getattr(z, name)
        excess[name] = np.maximum(not_positive(amount, limit), above(amount, limit))
    return {
        name: np.where(np.isnan(values), np.inf, np.maximum(values, 0))
        for name, values in excess.items()
    }


def _off_layers(s: Scenario, local_fraction: Any) -> Any:
    """Returns how far φ is from that of whole layers, relative; 0 without `layers`."""
    if s.layers is None:
        return 0.0
    return np.abs(local_fraction / whole_layers(local_fraction, s.layers) - 1)


_REMEDIES = {
    "association": "Give each user exactly one server, with 0 and 1 only.",
    "max_users": "Move users to servers that have room.",
    "local_fraction": "Keep it between `local_fraction_min` and `local_fraction_max`, "
    "and a multiple of 1 / `layers` where the scenario has them.",
    "transmit_power_w": "Keep it above 0 and at most `transmit_power_max_w`.",
    "user_frequency_hz": "Keep it above 0 and at most `user_frequency_max_hz`.",
    "bandwidth_hz": "Give each user a share above 0 of its server's "
    "`bandwidth_max_hz`; the shares of a server sum to at most all of it.",
    "server_frequency_hz": "Give each user a share above 0 of its server's "
    "`server_frequency_max_hz`; the shares of a server sum to at most all of it.",
}


def _check_feasible(scenario: Scenario, allocation: Allocation) -> None:
    z = allocation.to_numpy()
    for name, excess in _excess(scenario.to_numpy(), z).items():
        wrong = excess > TOLERANCE
        if not wrong.any():
            continue
        index = first_index(wrong)
        n, n_users = index[-1], scenario.n_users
        by_server = name == "max_users" or excess.shape[-1] > n_users <= n
        position = (*index[:-1], n - n_users if name != "max_users" else n)
        index = position if by_server else index
        where = describe_index(index, "M" if by_server else "N")
        if by_server:
            load = 1.0 if name == "max_users" else getattr(z, name)[..., None]
            value = (z.association * load).sum(axis=-2)[index]
            got = f"{value:g} in sum for {where}"
        else:
            got = f"{getattr(z, name)[index]} for {where}"
        raise ValueError(
            f"`{name}` is infeasible by {excess.max():.2g} relative: got {got}. "
            f"{_REMEDIES[name]}"
        )


def check_shapes(scenario: Scenario, allocation: Allocation) -> None:
    """Refuses an allocation that is not of the scenario's shape and library.

    Raises:
        ValueError: it is not, or one of them is something else.
    """
    checked_record(scenario, Scenario, "scenario")
    checked_record(allocation, Allocation, "allocation")
    wanted, got = scenario.channel_gain.shape, allocation.association.shape
    if wanted != got:
        raise ValueError(
            f"`association` must have shape [..., N, M] = {tuple(wanted)} as the "
            f"scenario has; got {tuple(got)}."
        )
    if isinstance(scenario.channel_gain, np.ndarray) != isinstance(
        allocation.association, np.ndarray
    ):
        raise ValueError(
            "Scenario and allocation must both be NumPy or both PyTorch; got "
            f"{type(scenario.channel_gain).__name__} and "
            f"{type(allocation.association).__name__}. Convert one with `to_torch` or "
            "`to_numpy`."
        )
