r"""Block 2, resources: fractional programming for a given association and split.

Maximises the surplus G(z; y) = Σ v_n − y Σ cost_n over power p, bandwidth b and server
frequency F. With the split φ fixed, every term is concave except the cost of the
upload, a ratio A/R of the load A = (ω_t' + ω_e' p) S ≥ 0, affine in p, and the rate
R = r(p, b) > 0, jointly concave. The transform of Zhao, Qian and Yu (JSAC 2024),

    A/R ≤ z A² + 1/(4 z R²) for every z > 0, with equality at z = 1/(2 A R),

is convex on the right: a square of an affine function and a decreasing convex function
of a concave one. Each pass takes z from the current point and solves the convex
program, so G cannot fall, and a point that a pass does not change is stationary.

The user's own frequency f appears only in its local cost and has a closed form.
"""

from __future__ import annotations

import numpy as np

from dashf.alternating.convex import CONVEX_SOLVERS
from dashf.alternating.resource_program import PROGRAMS
from dashf.common.arrays import Array, Numbers
from dashf.common.budget import Budget
from dashf.common.capacity import fit_capacity
from dashf.common.checks import (
    check_allocation,
    check_array,
    check_objective,
    check_ratio,
    check_scenario,
)
from mec_llm_env import Allocation, ObjectiveConfig, Outcome, Scenario, evaluate

#: Loss of G, as part of Σ score, that is put down to the solver's own tolerance.
_ROUNDING = 1e-7
#: Factor on z after a failure; a slightly loose transform is another program.
_PERTURBATION = 1.05


def surplus(outcome: Outcome, ratio: float) -> Array:
    """Returns G = Σ score − y Σ cost, `[...]`, of an evaluated allocation."""
    return outcome.score.sum(axis=-1) - ratio * outcome.cost.sum(axis=-1)


def improve_once(
    scenario: Scenario,
    allocation: Allocation,
    outcome: Outcome,  # of `allocation`
    objective: ObjectiveConfig,
    ratio: float,
    solvers: tuple[str, ...] = CONVEX_SOLVERS,
    budget: Budget | None = None,
) -> tuple[Allocation, Outcome] | None:
    """One pass: tight z, convex program, projection; judged by `evaluate`.

    The first solver is tried again from a perturbed z before the next one is.

    Returns:
        The new point and its outcome, with G no lower; None when no attempt was
        solved. Where all that was solved has a lower G it is the old point.
    """
    budget = budget or Budget()
    before, solved = surplus(outcome, ratio), False
    for solver, perturbation in _attempts(solvers):
        if budget.spent():
            break
        with PROGRAMS.lend(scenario.n_users) as program:
            program.expand(
                scenario, allocation, objective, ratio, outcome, perturbation
            )
            if not program.program.solve(solver, budget.for_a_program()):
                continue
            steps = program.steps()
        solved = True
        proposal = _moved(scenario, allocation, *steps)
        after = evaluate(scenario, proposal, objective)
        gain = surplus(after, ratio) - before
        if gain >= 0:
            return proposal, after
        if gain > -_ROUNDING * after.score.sum():
            break  # the old point is as good as solvers can tell
    return (allocation, outcome) if solved else None


def _moved(
    scenario: Scenario, z: Allocation, power: Array, bandwidth: Array, compute: Array
) -> Allocation:
    """Returns the allocation with its resources times [N] each, made feasible."""
    moved = z.changed(
        transmit_power_w=np.minimum(
            z.transmit_power_w * power, scenario.transmit_power_max_w
        ),
        bandwidth_hz=z.bandwidth_hz * bandwidth,
        server_frequency_hz=z.server_frequency_hz * compute,
    )
    return fit_capacity(scenario, moved)


def _attempts(solvers: tuple[str, ...]) -> list[tuple[str, float]]:
    first, *others = solvers
    return [(first, 1.0), (first, _PERTURBATION), *((name, 1.0) for name in others)]


def shadow_prices(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig | None = None,
    *,
    ratio: Numbers | None = None,
) -> tuple[Array, Array]:
    """Returns the prices of bandwidth and server frequency, λ_m and μ_m, [..., M].

    The marginal surplus ∂G/∂(share of the server) that its users have on average, by
    central differences of `evaluate`. At a stationary point of block 2 all users of a
    server agree and it is the multiplier of the capacity. Zero where more would not
    help, NaN where nobody is served.

    Args:
        scenario: batch shape `[...]`.
        allocation: feasible, of the same batch shape.
        objective: weights and references; the default ones if None.
        ratio: [...] y of the surplus; the allocation's SCR if None.

    Raises:
        ValueError: an argument is of another kind, or does not fit the scenario.
    """
    s, objective = check_scenario(scenario), check_objective(objective)
    z = check_allocation(s, allocation)
    x = z.association
    if ratio is None:
        ratio = evaluate(s, z, objective).scr
    if s.batch_shape and isinstance(ratio, np.ndarray):
        ratio = check_array("ratio", ratio, s.batch_shape)
    else:
        ratio = check_ratio(ratio)
    step = 1e-5  # relative; truncation and rounding errors near 1e-10
    # More and less bandwidth, more and less frequency: one evaluation of four.
    change = np.ones((2, 4, *np.ones(z.bandwidth_hz.ndim, dtype=int)))
    change[0, :2] += np.reshape([step, -step], change[0, :2].shape)
    change[1, 2:] += np.reshape([step, -step], change[1, 2:].shape)

    changed = z.repeat(4).changed(
        bandwidth_hz=z.bandwidth_hz * change[0],
        server_frequency_hz=z.server_frequency_hz * change[1],
    )
    outcome = evaluate(s.repeat(4), changed, objective, check=False)
    gain = outcome.score - np.asarray(ratio)[..., None] * outcome.cost

    def price(amount: Array, capacity: Array, up: Array, down: Array) -> Array:
        share = amount / (x * capacity[..., None, :]).sum(axis=-1)
        marginal = (up - down) / (2 * step * share)
        with np.errstate(invalid="ignore"):
            mean = (x * marginal[..., None]).sum(axis=-2) / x.sum(axis=-2)
            return np.maximum(mean, 0.0)

    return (
        price(z.bandwidth_hz, s.bandwidth_max_hz, gain[0], gain[1]),
        price(z.server_frequency_hz, s.server_frequency_max_hz, gain[2], gain[3]),
    )
