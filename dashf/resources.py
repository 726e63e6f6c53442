r"""Block 2, resources: fractional programming for a given association and split.

Maximises the surplus G(z; y) = Σ v_n − y Σ cost_n over power p, bandwidth b and server
frequency F. With the split φ fixed, every term is concave except the cost of the
upload, a ratio A/R of the load A = (ω_t' + ω_e' p) S ≥ 0, affine in p, and the rate
R = r(p, b) > 0, jointly concave. The transform of Zhao, Qian and Yu (JSAC 2024),

    A/R ≤ z A² + 1/(4 z R²) for every z > 0, with equality at z = 1/(2 A R),

is convex on the right: a square of an affine function and a decreasing convex function
of a concave one. Each pass takes z from the current point and solves the convex
program, so G cannot fall, and a point that a pass does not change is stationary.

The program is written in ratios to the current point, p̂ = p/p_0 and so on. Dividing A
and R by their current values A_0, R_0 makes z = 1/2 for every user, and costs enter
with their current sizes, which come from `evaluate`. With s = g p_0/(n0 b_0) the rate
becomes, for θ = s/(1+s) and k = 1/ln(1+s),

    R/R_0 = b̂ ln(1 + s p̂/b̂) / ln(1+s) = b̂ − relative_entropy(k b̂, k(θ p̂ + (1−θ) b̂)).

The user's own frequency f appears only in its local cost and has a closed form.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from dashf.checks import (
    check_allocation,
    check_count,
    check_objective,
    check_ratio,
    check_scenario,
    check_single,
    check_solvers,
    check_tolerance,
)
from dashf.convex import SOLVERS, compiled, solve_convex
from dashf.result import Status
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario, evaluate

Array = Any

#: A pass changes no resource by more than this factor: keeps the cones well scaled.
_STEP = 30.0
#: Below it the rate is p̂ to 5e-5 whatever b̂ is, but k is too large for the cones.
_LOWEST_SNR = 1e-4
#: Loss of G, as part of Σ score, that is put down to the solver's own tolerance.
_ROUNDING = 1e-7
#: Factor on z after a failure; a slightly loose transform is another program.
_PERTURBATION = 1.05


def local_frequency(scenario: Scenario, objective: ObjectiveConfig) -> Array:
    """Returns the best frequency of the users' GPUs, [..., N] Hz.

    It minimises φ W/K (ω_t'/f + ω_e' κ f²), whose derivative −ω_t'/f² + 2 ω_e' κ f is
    zero at f = (ω_t' / (2 ω_e' κ))^(1/3), below it negative: so that or the maximum,
    whatever φ is; the maximum where ω_e = 0.
    """
    s, objective = check_scenario(scenario), check_objective(objective)
    if objective.energy_weight == 0:
        return s.user_frequency_max_hz.copy()
    weights = objective.delay_cost_per_s / (2 * objective.energy_cost_per_j)
    return np.minimum(
        s.user_frequency_max_hz, np.cbrt(weights / s.user_power_coefficient)
    )


def surplus(outcome: Outcome, ratio: float) -> Array:
    """Returns G = Σ score − y Σ cost, `[...]`, of an evaluated allocation."""
    return outcome.score.sum(axis=-1) - ratio * outcome.cost.sum(axis=-1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceResult:
    """What block 2 found, and how it got there."""

    status: Status  # SOLVER_FAILED: no pass could be solved
    allocation: Allocation  # feasible, G at least that of the start
    ratio: float  # y, fixed during the call
    surplus: tuple[float, ...]  # G at the start and after each pass, never falling
    build_time_s: float  # compiling the program, 0 if it was already there


def allocate(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig | None = None,
    *,
    ratio: float | None = None,
    tolerance: float = 1e-9,
    max_passes: int = 100,
    solvers: tuple[str, ...] = SOLVERS,
) -> ResourceResult:
    """Optimises power, bandwidth and server frequency at a fixed y.

    Args:
        scenario: a single one.
        allocation: the start; its association, split and user frequency are kept.
        objective: weights and references; the default ones if None.
        ratio: y; the SCR of the start if None.
        tolerance: stops when a pass raises G by less than this part of Σ score.
        max_passes: convex programs to solve at most.
        solvers: names of CVXPY solvers, tried in turn when one fails.

    Returns:
        The best point. A pass whose G, recomputed by `evaluate`, is lower than before
        is not taken, and ends the loop.

    Raises:
        ValueError: the start is not feasible, or an argument is out of range.
    """
    s, objective = check_single(scenario), check_objective(objective)
    z = check_allocation(s, allocation)
    ratio = None if ratio is None else check_ratio(ratio)
    check_tolerance(tolerance, 0)
    max_passes = check_count("max_passes", max_passes, 0)
    solvers = check_solvers(solvers, SOLVERS)
    outcome = evaluate(s, z, objective)
    y = float(outcome.scr) if ratio is None else float(ratio)
    program, build_time_s = compiled_program(s.n_users, s.n_servers)
    values = [float(surplus(outcome, y))]
    status = Status.ITERATION_LIMIT
    for _ in range(max_passes):
        step = improve_once(program, s, z, outcome, objective, y, solvers)
        if step is None:
            status = Status.CONVERGED if len(values) > 1 else Status.SOLVER_FAILED
            break
        z, outcome = step
        values.append(float(surplus(outcome, y)))
        if values[-1] - values[-2] <= tolerance * float(outcome.score.sum()):
            status = Status.CONVERGED
            break
    return ResourceResult(
        status=status,
        allocation=z,
        ratio=y,
        surplus=tuple(values),
        build_time_s=build_time_s,
    )


def improve_once(
    program: ResourceProgram,
    scenario: Scenario,
    allocation: Allocation,
    outcome: Outcome,  # of `allocation`
    objective: ObjectiveConfig,
    ratio: float,
    solvers: tuple[str, ...] = SOLVERS,
) -> tuple[Allocation, Outcome] | None:
    """One pass: tight z, convex program, projection; judged by `evaluate`.

    The first solver is tried again from a perturbed z before the next one is.

    Returns:
        The new point and its outcome, with G no lower; None when no attempt was
        solved. Where all that was solved has a lower G it is the old point.
    """
    before, solved = surplus(outcome, ratio), False
    for solver, perturbation in _attempts(solvers):
        program.expand(scenario, allocation, objective, ratio, outcome, perturbation)
        if not solve_convex(program.problem, solver):
            continue
        solved = True
        proposal = program.projected(scenario, allocation)
        after = evaluate(scenario, proposal, objective)
        gain = surplus(after, ratio) - before
        if gain >= 0:
            return proposal, after
        if gain > -_ROUNDING * after.score.sum():
            break  # the old point is as good as solvers can tell
    return (allocation, outcome) if solved else None


def _attempts(solvers: tuple[str, ...]) -> list[tuple[str, float]]:
    first, *others = solvers
    return [(first, 1.0), (first, _PERTURBATION), *((name, 1.0) for name in others)]


def fit_capacity(scenario: Scenario, allocation: Allocation) -> Allocation:
    """Returns the allocation scaled so that no server gives more than it has.

    Bandwidth is scaled to use every server's band, because more of it never hurts;
    server frequency only down, because idle compute saves energy.
    """
    s, z, x = scenario, allocation, allocation.association
    band_used = x @ (x.T @ z.bandwidth_hz / s.bandwidth_max_hz)
    compute_used = x @ (x.T @ z.server_frequency_hz / s.server_frequency_max_hz)
    return dataclasses.replace(
        z,
        bandwidth_hz=z.bandwidth_hz / band_used,
        server_frequency_hz=z.server_frequency_hz / np.maximum(compute_used, 1.0),
    )


def shadow_prices(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: float,
) -> tuple[Array, Array]:
    """Returns the prices of bandwidth and server frequency, λ_m and μ_m, [M].

    The marginal surplus ∂G/∂(share of the server) that its users have on average, by
    central differences of `evaluate`. At a stationary point of block 2 all users of a
    server agree and it is the multiplier of the capacity. Zero where more would not
    help, NaN where nobody is served.
    """
    s, objective = check_single(scenario), check_objective(objective)
    z, ratio = check_allocation(s, allocation), check_ratio(ratio)
    x = z.association
    step = 1e-5  # relative; truncation and rounding errors near 1e-10

    def price(name: str, capacity: Array) -> Array:
        amount = getattr(z, name)
        gains = [
            evaluate(
                s,
                dataclasses.replace(z, **{name: amount * (1 + sign * step)}),
                objective,
                check=False,
            )
            for sign in (1, -1)
        ]
        up, down = (outcome.score - ratio * outcome.cost for outcome in gains)
        marginal = (up - down) / (2 * step * amount / (x @ capacity))
        with np.errstate(invalid="ignore"):
            return np.maximum(x.T @ marginal / x.sum(axis=0), 0.0)

    return (
        price("bandwidth_hz", s.bandwidth_max_hz),
        price("server_frequency_hz", s.server_frequency_max_hz),
    )


def compiled_program(n_users: int, n_servers: int) -> tuple[ResourceProgram, float]:
    """Returns the program of a shape, compiled once, and the time that took now, s."""
    begin = time.perf_counter()
    misses = _program.cache_info().misses
    program = _program(n_users, n_servers)
    new = _program.cache_info().misses > misses
    return program, time.perf_counter() - begin if new else 0.0


class ResourceProgram:
    """The convex program of one pass for N users and M servers.

    Everything is relative to the point of expansion, where all variables are 1.
    """

    def __init__(self, n_users: int, n_servers: int) -> None:
        n, m = n_users, n_servers

        def parameter(*shape: int) -> cp.Parameter:
            return cp.Parameter(shape, nonneg=True, value=np.ones(shape))

        # VARIABLES
        self.power = cp.Variable(n)  # p̂
        self.bandwidth = cp.Variable(n)  # b̂
        self.compute = cp.Variable(n)  # F̂
        self.rate = rate = cp.Variable(n)  # at most R/R_0

        # PARAMETERS
        self.quality_parts = parameter(4, n)  # of 1 + ω2 q: power, b, F, the rest
        self.server_delay = parameter(n)  # y/ω1 times each cost at the expansion
        self.server_energy = parameter(n)
        self.downlink_delay = parameter(n)
        self.load_part = parameter(2, n)  # of A/A_0: constant, in p̂; × √(cost z')
        self.rate_cost = parameter(n)  # of (R_0/R)²
        self.entropy = parameter(3, n)  # k, kθ, k(1−θ)
        self.power_share = parameter(n)  # p_0/p^max
        self.bandwidth_share = parameter(m, n)  # x b_0/B
        self.compute_share = parameter(m, n)  # x F_0/F^max

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
            self.bandwidth_share @ self.bandwidth <= 1,
            self.compute_share @ self.compute <= 1,
        ]
        for variable in (self.power, self.bandwidth, self.compute):
            constraints += [variable >= 1 / _STEP, variable <= _STEP]
        self._capacities = constraints[2:4]
        self.problem = compiled(cp.Problem(cp.Maximize(surplus), constraints))

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
        self.quality_parts.value = parts / parts.sum(axis=0)

        scale = ratio / o.score_scale
        time_cost, energy_cost = o.delay_cost_per_s, o.energy_cost_per_j
        self.server_delay.value = scale * time_cost * outcome.delay_server_s
        self.server_energy.value = scale * energy_cost * outcome.energy_server_j
        self.downlink_delay.value = scale * time_cost * outcome.delay_downlink_s

        upload = time_cost * outcome.delay_uplink_s
        transmission = energy_cost * outcome.energy_uplink_j
        half = scale * (upload + transmission) / 2
        in_power = transmission / (upload + transmission)
        self.load_part.value = np.sqrt(half * perturbation) * np.stack(
            [1 - in_power, in_power]
        )
        self.rate_cost.value = half / perturbation

        gain = (x * s.channel_gain).sum(axis=-1)
        snr = gain * z.transmit_power_w / (s.noise_density_w_per_hz * z.bandwidth_hz)
        snr = np.maximum(snr, _LOWEST_SNR)
        k = 1 / np.log1p(snr)
        self.entropy.value = k * np.stack(
            [np.ones_like(k), snr / (1 + snr), 1 / (1 + snr)]
        )

        self.power_share.value = power_share
        self.bandwidth_share.value = x.T * bandwidth_share
        self.compute_share.value = x.T * compute_share

    def projected(self, scenario: Scenario, allocation: Allocation) -> Allocation:
        """Returns the solution, made feasible, on the allocation it expanded."""

        def steps(variable: cp.Variable) -> Array:
            return np.clip(np.asarray(variable.value), 1 / _STEP, _STEP)

        power = allocation.transmit_power_w * steps(self.power)
        return fit_capacity(
            scenario,
            dataclasses.replace(
                allocation,
                transmit_power_w=np.minimum(power, scenario.transmit_power_max_w),
                bandwidth_hz=allocation.bandwidth_hz * steps(self.bandwidth),
                server_frequency_hz=allocation.server_frequency_hz
                * steps(self.compute),
            ),
        )

    def prices(self, objective: ObjectiveConfig) -> tuple[Array, Array]:
        """Returns the multipliers λ_m and μ_m, [M], of the last solution."""
        bandwidth, compute = (c.dual_value for c in self._capacities)
        return objective.score_scale * bandwidth, objective.score_scale * compute


@functools.lru_cache(maxsize=16)
def _program(n_users: int, n_servers: int) -> ResourceProgram:
    return ResourceProgram(n_users, n_servers)
