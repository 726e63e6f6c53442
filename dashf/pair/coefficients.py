"""What one user would cost and be worth at one server: the terms of every pair.

Shares are dimensionless: b of the server's band, F of its frequency, p of the user's
power. With them a pair costs

    c = φ local + (up0 + up1 φ)(wt + e p) / (b L) + (1 − φ)(cs/F + es F² + cd/b) + move,
    L = ln(1 + snr p/b),

and, where the energy of the download is charged, (1 − φ) de, which is the same for all
shares: half the band is half the power for twice the time. `Pairs.arrays` has it in
`local` and `move`, φ (local − de) + (move + de). The pair is worth v = ω1 ln(1 + ω2 q),
q = w_p p + w_b b + w_c F + w_o (1 − φ²). It restates `objective.evaluate`, and a test
compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dashf.common.arrays import Array
from dashf.common.checks import check_objective, check_scenario
from dashf.pair.backend import snr_at_full_band
from dashf.pair.terms import Score
from mec_llm_env import ObjectiveConfig, Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Coefficients of the cost of every pair. Shapes: `...` batch, N users, M servers.

    All are per unit of cost (dimensionless), so delay and energy are weighted.
    """

    local: Array  # [..., N, M] cost of training all layers on the device, at f*
    upload_data: Array  # [..., N, M] s nat: ln 2 · D / B, the data at full band
    upload_adapter: Array  # [..., N, M] s nat: ln 2 · A / B
    snr: Array  # [..., N, M] signal to noise at full power over the full band
    upload_energy: Array  # [..., N, M] 1/s: ω_e' p^max, cost a second at full power
    server_delay: Array  # [..., N, M] cost of the delay of all layers at F = 1
    server_energy: Array  # [..., N, M] cost of the energy of all layers at F = 1
    download: Array  # [..., N, M] cost of the download of all adapters at b = 1
    snr_full: Array  # [..., N, M] signal to noise at the best power for the full band
    migration: Array  # [..., N, M] cost of moving the training state there, or 0
    # [..., N, M] cost of the energy of the download of all adapters; None: not charged
    download_energy: Array | None
    delay_cost: float  # 1/s: ω_t'
    phi_min: Array  # [..., N, M]
    phi_max: Array  # [..., N, M]
    user_frequency_hz: Array  # [..., N] Hz, the best, of `local_frequency`

    def arrays(self) -> tuple[Array, ...]:
        """Returns the ten coefficients in the order that `respond` takes."""
        local, fixed = self.local, self.migration
        if self.download_energy is not None:
            local, fixed = local - self.download_energy, fixed + self.download_energy
        return (
            local,
            self.upload_data,
            self.upload_adapter,
            self.snr,
            self.upload_energy,
            self.server_delay,
            self.server_energy,
            self.download,
            self.snr_full,
            fixed,
        )

    def least_cost(self) -> Array:
        """Returns a lower bound of the cost of every pair, [..., N, M].

        Every term at its own minimum: φ at the end that makes its factor least, the
        upload with the whole band and full power for its delay, with none for its
        energy (p/(b ln(1 + x)) ≥ 1/snr), the server at its best frequency.
        """
        low, rest = self.phi_min, 1 - self.phi_max
        payload = self.upload_data + self.upload_adapter * low
        delay = self.delay_cost / np.log1p(self.snr)
        # cs/F + es F² at F = (cs/(2 es))^(1/3) < 1, else at F = 1.
        inside = 1.5 * np.cbrt(2) * np.cbrt(self.server_delay) ** 2
        server = np.where(
            self.server_delay < 2 * self.server_energy,
            inside * np.cbrt(self.server_energy),
            self.server_delay + self.server_energy,
        )
        download = self.download
        if self.download_energy is not None:
            download = download + self.download_energy
        return (
            low * self.local
            + payload * (delay + self.upload_energy / self.snr)
            + rest * (server + download)
            + self.migration
        ) * (1 - 1e-9)


def score_constants(objective: ObjectiveConfig) -> Score:
    """Returns ω_t', ω1, ω2, w_p, w_b, w_c, w_o: what the kernels take."""
    constants = (
        objective.delay_cost_per_s,
        objective.score_scale,
        objective.score_sensitivity,
        objective.score_weight_power,
        objective.score_weight_bandwidth,
        objective.score_weight_compute,
        objective.score_weight_offload,
    )
    return Score(*map(float, constants))  # numba compiles anew for integers


def local_frequency(
    scenario: Scenario, objective: ObjectiveConfig | None = None
) -> Array:
    """Returns the best frequency of the users' GPUs, [..., N] Hz.

    It minimises φ W/K (ω_t'/f + ω_e' κ f²), whose derivative −ω_t'/f² + 2 ω_e' κ f is
    zero at f = (ω_t' / (2 ω_e' κ))^(1/3), below it negative: so that or the maximum,
    whatever φ is; the maximum where ω_e = 0.

    Args:
        scenario: batch shape `[...]`.
        objective: weights and references; the default ones if None.

    Raises:
        ValueError: an argument is of another kind.
    """
    s, objective = check_scenario(scenario), check_objective(objective)
    if objective.energy_weight == 0:
        return s.user_frequency_max_hz.copy()
    weights = objective.delay_cost_per_s / (2 * objective.energy_cost_per_j)
    return np.minimum(
        s.user_frequency_max_hz, np.cbrt(weights / s.user_power_coefficient)
    )


def make_pairs(scenario: Scenario, objective: ObjectiveConfig) -> Pairs:
    """Returns the coefficients of every pair of a scenario, or of a batch."""
    s = scenario
    delay, energy = objective.delay_cost_per_s, objective.energy_cost_per_j

    def by_user(value: Array) -> Array:
        return value[..., None].repeat(s.n_servers, -1)

    frequency = local_frequency(s, objective)
    cycles = s.workload_flop / s.user_flop_per_cycle
    local = cycles * (
        delay / frequency + energy * s.user_power_coefficient * frequency**2
    )
    band = s.bandwidth_max_hz[..., None, :]
    noise_w = s.noise_density_w_per_hz[..., None, None] * band
    heard_w = s.uplink_noise_w_per_hz[..., None, :] * band
    work = s.workload_flop[..., :, None] / s.server_flop_per_cycle[..., None, :]
    maximum_hz = s.server_frequency_max_hz[..., None, :]
    downlink = np.log1p(s.channel_gain * s.downlink_power_w[..., None, :] / noise_w)
    adapter = math.log(2) * s.adapter_bit[..., :, None] / band
    snr = s.channel_gain * s.transmit_power_max_w[..., :, None] / heard_w
    power_cost = by_user(energy * s.transmit_power_max_w)
    return Pairs(
        local=by_user(local),
        upload_data=math.log(2) * s.data_bit[..., :, None] / band,
        upload_adapter=adapter,
        snr=snr,
        upload_energy=power_cost,
        server_delay=delay * work / maximum_hz,
        server_energy=energy
        * s.server_power_coefficient[..., None, :]
        * maximum_hz**2
        * work,
        download=delay * adapter / downlink,
        snr_full=snr_at_full_band(snr, delay, power_cost),
        migration=_migrations(s, objective),
        download_energy=None
        if objective.downlink_energy_share == 0
        else objective.downlink_cost_per_j
        * s.downlink_power_w[..., None, :]
        * (adapter / downlink),
        delay_cost=delay,
        phi_min=by_user(s.local_fraction_min),
        phi_max=by_user(s.local_fraction_max),
        user_frequency_hz=frequency,
    )


def migration_cost(scenario: Scenario, objective: ObjectiveConfig) -> Array:
    """Returns what moving its training state costs each user, [..., N].

    0 where the scenario has no amounts.
    """
    cost = np.zeros(scenario.channel_gain.shape[:-1])
    for amount, price in (
        (scenario.migration_delay_s, objective.delay_cost_per_s),
        (scenario.migration_energy_j, objective.energy_cost_per_j),
    ):
        if amount is not None:
            cost = cost + price * amount
    return cost


def _migrations(s: Scenario, objective: ObjectiveConfig) -> Array:
    """Returns what each pair costs beside all else: nothing where the state is."""
    if s.serving is None:
        return np.zeros(s.channel_gain.shape)
    elsewhere = s.serving.sum(axis=-1, keepdims=True) - s.serving
    return elsewhere * migration_cost(s, objective)[..., None]


def layer_parts(low: Array, high: Array, layers: Array) -> tuple[Array, Array]:
    """Cuts ranges of φ [...] in two between whole layers: from and to, [..., 2].

    No φ of whole layers is lost. Where a range holds a single one, both are that.
    """
    first, last = np.round(low * layers), np.round(high * layers)
    middle = np.floor((first + last) / 2)
    begins = np.stack([first, np.minimum(middle + 1, last)], axis=-1)
    ends = np.stack([middle, last], axis=-1)
    return begins / layers[..., None], ends / layers[..., None]


def part_edges(low: Array, high: Array, parts: int) -> Array:
    """Cuts ranges of φ [..., 1] evenly in sqrt(1 − φ), [..., parts + 1]."""
    first, last = np.sqrt(1 - low), np.sqrt(1 - high)
    root = first + (last - first) * (np.arange(parts + 1) / parts)
    edges = np.minimum(np.maximum(1 - root * root, low), high)
    edges[..., :1], edges[..., -1:] = low, high
    return edges
