r"""Block 1, association and split: QCQP → semidefinite relaxation → Hungarian method.

Given what every user would have at every server (`offers`), its part of G at server m
is h_nm(φ), concave, see `split`. Its score is minorised around the current split φ^k,

    v_nm(φ) ≥ v_nm(φ^k) + v'_nm(φ^k)(φ − φ^k) − ½ L_n (φ − φ^k)²,

with L_n = max_m |v''_nm(φ_max)|, valid because |v''| grows with φ. As Σ_m x_nm = 1 the
square needs no x, which leaves a quadratically constrained quadratic program in (x, φ)
(`minorise`). `relax` solves its semidefinite relaxation in one of three formulations of
equal value, `round_assignment` returns to one server a user, and the split follows
exactly from h (`propose`).

How the offers come about is our choice, the sources do not say: a user that would
move takes what it would buy at the shadow prices of the capacities, and pays rent for
what it then takes from others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dashf.alternating.convex import CONVEX_SOLVERS
from dashf.alternating.resources import shadow_prices
from dashf.alternating.sdr import solve_relaxation
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.capacity import fit_capacity
from dashf.pair.best_response import BestResponse, best_response
from dashf.pair.split import Offers, PairTerms, pair_terms
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.assignment import round_assignment

FORMULATIONS = ("sparse", "full", "closed_form")
#: N·M up to which "auto" is the sparse formulation.
_LARGEST_SDR = 100
#: Gain of a user, as part of Σ score, for which another split is tried.
_WORTH_IT = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociationProblem:
    """max Σ_nm x_nm (constant + linear φ_n) − ½ Σ_n curvature φ_n², the QCQP."""

    constant: Array  # [N, M]
    linear: Array  # [N, M]
    curvature: Array  # [N] L_n ≥ 0
    phi_min: Array  # [N]
    phi_max: Array  # [N]
    max_users: Array  # [M]

    def pair_optimum(self) -> Array:
        """Returns the best value of each pair over φ, [N, M]."""
        curvature = self.curvature[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            stationary = np.where(
                curvature > 0, self.linear / curvature, np.sign(self.linear) * np.inf
            )
        stationary = np.where(self.linear == 0, 0.0, stationary)
        phi = np.clip(stationary, self.phi_min[:, None], self.phi_max[:, None])
        return self.constant + self.linear * phi - curvature / 2 * phi**2


class Relaxation(NamedTuple):
    """The solution of a relaxation: an upper bound, tight up to the solver."""

    value: float
    association: Array  # [N, M] in [0, 1], rows sum to 1


def formulation_of(sdr: str, scenario: Scenario) -> str:
    """Returns the formulation that "auto" means for a scenario's size.

    Where there is one server, none is needed.
    """
    if scenario.n_servers == 1:
        return "closed_form"
    if sdr != "auto":
        return sdr
    return "sparse" if scenario.channel_gain.size <= _LARGEST_SDR else "closed_form"


def relax(
    problem: AssociationProblem,
    formulation: str = "sparse",
    *,
    solvers: tuple[str, ...] = CONVEX_SOLVERS,
    budget: Budget | None = None,
) -> Relaxation | None:
    """Solves the semidefinite relaxation of block 1's program.

    Args:
        problem: the QCQP.
        formulation: "sparse", one matrix of order M + 1 a user; "full", one of order
            1 + NM + N; "closed_form", the Hungarian method on the pair optima, whose
            value both have.
        solvers: CVXPY solvers, tried in turn.
        budget: of the call; counts the programs.

    Returns:
        None if no solver succeeded.
    """
    p = problem
    if formulation == "closed_form":
        value = p.pair_optimum()
        association = round_assignment(value, p.max_users)
        return Relaxation(float((association * value).sum()), association)
    # φ = φ_min + width t
    low, width = p.phi_min, p.phi_max - p.phi_min
    solution = solve_relaxation(
        formulation,
        p.constant + p.linear * low[:, None] - (p.curvature * low**2)[:, None] / 2,
        (p.linear - (p.curvature * low)[:, None]) * width[:, None],
        p.curvature * width**2,
        p.max_users,
        solvers,
        budget,
    )
    return None if solution is None else Relaxation(*solution)


def minorise(
    terms: PairTerms, scenario: Scenario, local_fraction: Array, ratio: float
) -> AssociationProblem:
    """Returns the program that touches Σ h from below at φ = `local_fraction`, [N]."""
    own, phi = local_fraction, local_fraction[:, None]
    highest = scenario.local_fraction_max
    curvature = terms.score_curvature(highest[:, None]).max(axis=-1)  # [N]
    slope = terms.score_slope(phi)
    return AssociationProblem(
        constant=terms.score(phi)
        - slope * phi
        - (curvature * own**2)[:, None] / 2
        - ratio * terms.cost
        - terms.rent,
        linear=slope + (curvature * own)[:, None] - ratio * terms.cost_slope,
        curvature=curvature,
        phi_min=scenario.local_fraction_min,
        phi_max=highest,
        max_users=scenario.max_users,
    )


def propose(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: float,
    options: Offers,
    *,
    sdr: str = "sparse",
    solvers: tuple[str, ...] = CONVEX_SOLVERS,
    budget: Budget | None = None,
) -> Allocation:
    """Runs block 1 once from an allocation at y = `ratio`, given the offers.

    `closed_form` takes the exact h instead of its minoriser, and serves where the
    solvers fail.

    Returns:
        The association that is proposed, with what it was offered, within capacity.
    """
    s, z = scenario, allocation
    terms = pair_terms(s, options, z.user_frequency_hz, objective)
    box = s.local_fraction_min[:, None], s.local_fraction_max[:, None]
    phi = terms.best_split(ratio, *box)
    value = terms.value(phi, ratio)
    if sdr != "closed_form":
        problem = minorise(terms, s, z.local_fraction, ratio)
        relaxed = relax(problem, sdr, solvers=solvers, budget=budget)
        value = value if relaxed is None else relaxed.association
    association = round_assignment(value, s.max_users)

    def chosen(of_pair: Array) -> Array:
        return (association * of_pair).sum(axis=-1)

    proposed = Allocation.unchecked(
        association=association,
        local_fraction=chosen(phi),
        transmit_power_w=chosen(options.transmit_power_w),
        bandwidth_hz=chosen(options.bandwidth_hz),
        user_frequency_hz=z.user_frequency_hz,
        server_frequency_hz=chosen(options.server_frequency_hz),
    )
    return fit_capacity(s, proposed)


def offers(
    scenario: Scenario, allocation: Allocation, objective: ObjectiveConfig, ratio: float
) -> Offers:
    """Returns what each user would have at each server, and the rent for it.

    At its present server that is its present allocation, elsewhere the pair's own
    optimum at the shadow prices of the capacities. An empty server has no price: there
    it is the optimum of a user that has the server to itself.
    """
    s, z = scenario, allocation
    prices, wish = _at_shadow_prices(s, z, objective, ratio)
    chosen = {
        name: np.where(
            z.association > 0, getattr(z, name)[:, None], getattr(wish, name)
        )
        for name in ("transmit_power_w", "bandwidth_hz", "server_frequency_hz")
    }
    held = chosen["bandwidth_hz"], chosen["server_frequency_hz"]
    return Offers(**chosen, rent=_rent(s, prices, *held))


def _at_shadow_prices(
    s: Scenario, z: Allocation, objective: ObjectiveConfig, ratio: float
) -> tuple[tuple[Array, Array], BestResponse]:
    """Returns an allocation's shadow prices, [M] each, and what users would buy."""
    # An empty server is free.
    band, compute = map(np.nan_to_num, shadow_prices(s, z, objective, ratio=ratio))
    wish = best_response(
        s, objective, ratio=ratio, bandwidth_price=band, compute_price=compute
    )
    return (band, compute), wish


def _rent(
    s: Scenario, prices: tuple[Array, Array], bandwidth_hz: Array, frequency_hz: Array
) -> Array:
    """Returns λ_m b / B_m + μ_m F / F_m of what users have at servers, [N, M]."""
    return (
        prices[0] * bandwidth_hz / s.bandwidth_max_hz
        + prices[1] * frequency_hz / s.server_frequency_max_hz
    )


def other_split(
    scenario: Scenario, allocation: Allocation, objective: ObjectiveConfig, ratio: float
) -> Allocation | None:
    """Returns the users' best responses at their own server's prices, where better.

    Block 2 and the split take turns and can end where changing one of them alone does
    not help, though changing both would. A user whose best response at the shadow
    prices is better than its present part of G takes that instead.

    Returns:
        An allocation of the same association; None where nobody would change.
    """
    s, z, x = scenario, allocation, allocation.association
    prices, wish = _at_shadow_prices(s, z, objective, ratio)
    outcome = evaluate(s, z, objective)
    held = z.bandwidth_hz[:, None], z.server_frequency_hz[:, None]
    paid = (x * _rent(s, prices, *held)).sum(axis=-1)
    present = outcome.score - ratio * outcome.cost - paid
    gain = (x * wish.benefit).sum(axis=-1) - present
    changes = gain > _WORTH_IT * outcome.score.sum()
    if not changes.any():
        return None
    names = (
        *("local_fraction", "transmit_power_w"),
        *("bandwidth_hz", "server_frequency_hz"),
    )
    better = {
        name: np.where(
            changes, (x * getattr(wish, name)).sum(axis=-1), getattr(z, name)
        )
        for name in names
    }
    return fit_capacity(s, z.changed(**better))
