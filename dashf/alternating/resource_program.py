r"""The convex program of one pass of block 2; derived in `resources`.

It is written in ratios to the current point, p̂ = p/p_0 and so on. Dividing the load A
and the rate R by their current values A_0, R_0 makes z = 1/2 for every user, and costs
enter with their current sizes, which come from `evaluate`. With s = g p_0/(n0 b_0) the
rate becomes, for θ = s/(1+s) and k = 1/ln(1+s),

    R/R_0 = b̂ ln(1 + s p̂/b̂) / ln(1+s) = b̂ − relative_entropy(k b̂, k(θ p̂ + (1−θ) b̂)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dashf.alternating.convex import ConvexProgram, ProgramPool, assign
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario

if TYPE_CHECKING:
    import cvxpy as cp

#: A pass changes no resource by more than this factor: keeps the cones well scaled.
_STEP = 30.0
#: Below it the rate is p̂ to 5e-5 whatever b̂ is, but k is too large for the cones.
_LOWEST_SNR = 1e-4


class ResourceProgram:
    """The convex program of one pass for N users, whatever the servers.

    Everything is relative to the point of expansion, where all variables are 1. Users
    stand in the order of their servers, and the shares they take are added up one after
    another, from nothing again at each server's first user. So the number of parameters
    grows with N, not with N·M, and the time to compile likewise.
    """

    def __init__(self, n_users: int) -> None:
        import cvxpy as cp

        n = n_users

        def parameter(*shape: int) -> cp.Parameter:
            return cp.Parameter(shape, nonneg=True, value=np.ones(shape))

        # VARIABLES
        self.power = cp.Variable(n)  # p̂
        self.bandwidth = cp.Variable(n)  # b̂
        self.compute = cp.Variable(n)  # F̂
        self.rate = rate = cp.Variable(n)  # at most R/R_0
        # What this user and those before it at its server take of it.
        self.bandwidth_taken, self.compute_taken = cp.Variable(n), cp.Variable(n)

        # PARAMETERS
        self.quality_parts = parameter(4, n)  # of 1 + ω2 q: power, b, F, the rest
        self.server_delay = parameter(n)  # y/ω1 times each cost at the expansion
        self.server_energy = parameter(n)
        self.downlink_delay = parameter(n)
        self.load_part = parameter(2, n)  # of A/A_0: constant, in p̂; × √(cost z')
        self.rate_cost = parameter(n)  # of (R_0/R)²
        self.entropy = parameter(3, n)  # k, kθ, k(1−θ)
        self.power_share = parameter(n)  # p_0/p^max
        self.bandwidth_share = parameter(n)  # b_0/B
        self.compute_share = parameter(n)  # F_0/F^max
        self.carried = parameter(n)  # 1 unless the first of its server

        # OBJECTIVE: G/ω1 with A/R replaced by its transform
        quality = (
            cp.multiply(self.quality_parts[0], self.power)
            + cp.multiply(self.quality_parts[1], self.bandwidth)
            + cp.multiply(self.quality_parts[2], self.compute)
            + self.quality_parts[3]
        )
        load = self.load_part[0] + cp.multiply(self.load_part[1], self.power)
        surplus = (
            cp.sum(cp.log(quality))
            - self.server_delay @ cp.inv_pos(self.compute)
            - self.server_energy @ cp.square(self.compute)
            - self.downlink_delay @ cp.inv_pos(self.bandwidth)
            - cp.sum_squares(load)
            - self.rate_cost @ cp.power(rate, -2)
        )

        # CONSTRAINTS
        relative_entropy = cp.rel_entr(
            cp.multiply(self.entropy[0], self.bandwidth),
            cp.multiply(self.entropy[1], self.power)
            + cp.multiply(self.entropy[2], self.bandwidth),
        )
        constraints = [
            rate <= self.bandwidth - relative_entropy,
            cp.multiply(self.power_share, self.power) <= 1,
            self.bandwidth_taken <= 1,
            self.compute_taken <= 1,
        ]
        for taken, share, amount in (
            (self.bandwidth_taken, self.bandwidth_share, self.bandwidth),
            (self.compute_taken, self.compute_share, self.compute),
        ):
            own = cp.multiply(share, amount)
            constraints.append(taken[0] == own[0])
            if n > 1:
                before = cp.multiply(self.carried[1:], taken[:-1])
                constraints.append(taken[1:] == before + own[1:])
        for variable in (self.power, self.bandwidth, self.compute):
            constraints += [variable >= 1 / _STEP, variable <= _STEP]
        self._capacities = constraints[2:4]
        self.program = ConvexProgram(cp.Maximize(surplus), constraints)
        self.order = np.arange(n)  # of the users, by server
        self._association = np.ones((n, 1))  # [N, M], in that order

    def expand(
        self,
        scenario: Scenario,
        allocation: Allocation,
        objective: ObjectiveConfig,
        ratio: float,
        outcome: Outcome,
        perturbation: float = 1.0,
    ) -> None:
        """Sets the parameters to an allocation's; z is `perturbation` × tight."""
        s, z, o, x = scenario, allocation, objective, allocation.association
        server = x.argmax(axis=-1)
        order = self.order = np.argsort(server, kind="stable")
        self._association = x[order]

        def set_(parameter: cp.Parameter, value: Array) -> None:
            assign(parameter, value[..., order])

        power_share = z.transmit_power_w / s.transmit_power_max_w
        bandwidth_share = z.bandwidth_hz / (x @ s.bandwidth_max_hz)
        compute_share = z.server_frequency_hz / (x @ s.server_frequency_max_hz)

        parts = np.stack(
            [
                o.score_weight_power * power_share,
                o.score_weight_bandwidth * bandwidth_share,
                o.score_weight_compute * compute_share,
                o.score_weight_offload * (1 - z.local_fraction**2)
                + 1 / o.score_sensitivity,
            ]
        )
        set_(self.quality_parts, parts / parts.sum(axis=0))

        scale = ratio / o.score_scale
        time_cost, energy_cost = o.delay_cost_per_s, o.energy_cost_per_j
        set_(self.server_delay, scale * time_cost * outcome.delay_server_s)
        set_(self.server_energy, scale * energy_cost * outcome.energy_server_j)
        set_(self.downlink_delay, scale * time_cost * outcome.delay_downlink_s)

        upload = time_cost * outcome.delay_uplink_s
        transmission = energy_cost * outcome.energy_uplink_j
        half = scale * (upload + transmission) / 2
        in_power = transmission / (upload + transmission)
        load = np.stack([1 - in_power, in_power])
        set_(self.load_part, np.sqrt(half * perturbation) * load)
        set_(self.rate_cost, half / perturbation)

        gain = (x * s.channel_gain).sum(axis=-1)
        noise = np.broadcast_to(s.uplink_noise_w_per_hz, (s.n_servers,))
        snr = gain * z.transmit_power_w / (x @ noise * z.bandwidth_hz)
        snr = np.maximum(snr, _LOWEST_SNR)
        entropy = np.stack([np.ones_like(snr), snr / (1 + snr), 1 / (1 + snr)])
        set_(self.entropy, entropy / np.log1p(snr))

        set_(self.power_share, power_share)
        set_(self.bandwidth_share, bandwidth_share)
        set_(self.compute_share, compute_share)
        placed = server[order]
        assign(self.carried, np.append(0.0, placed[1:] == placed[:-1]))

    def steps(self) -> tuple[Array, Array, Array]:
        """Returns p̂, b̂ and F̂ of the last solution, [N] each."""
        back = np.argsort(self.order)
        power, bandwidth, compute = (
            np.clip(np.asarray(variable.value), 1 / _STEP, _STEP)[back]
            for variable in (self.power, self.bandwidth, self.compute)
        )
        return power, bandwidth, compute

    def prices(self, objective: ObjectiveConfig) -> tuple[Array, Array]:
        """Returns the multipliers λ_m and μ_m, [M], of the last solution."""
        bandwidth, compute = (
            self._association.T @ c.dual_value for c in self._capacities
        )
        return objective.score_scale * bandwidth, objective.score_scale * compute


#: By number of users.
PROGRAMS: ProgramPool[ResourceProgram] = ProgramPool(ResourceProgram, shapes=16)

#: Time to compile, s, at most: a constant, and by the square of the number of users.
_COMPILE_S = 0.1, 8e-5


def prepare(n_users: int, budget: Budget) -> bool:
    """Compiles the program of a number of users if there is time.

    Compiling cannot be interrupted. So it begins only if it would end in the time that
    is left, by what it takes on a slow machine.
    """
    constant, square = _COMPILE_S
    needed_s = constant + square * n_users**2
    if not PROGRAMS.ready(n_users) and budget.clock.left_s < needed_s:
        return False
    PROGRAMS.prepare(n_users)
    return True
