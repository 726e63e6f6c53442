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

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.special import lambertw

from dashf.alternating.convex import CONVEX_SOLVERS
from dashf.alternating.resources import shadow_prices
from dashf.alternating.sdr import solve_relaxation
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.capacity import fit_capacity
from dashf.common.checks import (
    check_allocation,
    check_array,
    check_choice,
    check_kind,
    check_objective,
    check_ratio,
    check_single,
    check_solvers,
)
from dashf.pair.best_response import best_response
from dashf.pair.split import Offers, PairTerms, pair_terms
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.assignment import round_assignment
from mec_llm_env.record import as_floats

__all__ = [
    "FORMULATIONS",
    "AssociationProblem",
    "Proposal",
    "Relaxation",
    "formulation_of",
    "minorise",
    "offers",
    "other_split",
    "propose",
    "relax",
    "round_assignment",
]

FORMULATIONS = ("sparse", "full", "closed_form")
#: N·M up to which "auto" is the sparse formulation.
_LARGEST_SDR = 100
#: Gain of a user, as part of Σ score, for which another split is tried.
_WORTH_IT = 1e-5
OFFERS = ("price", "equal_share")


@dataclass(frozen=True, kw_only=True, slots=True)
class AssociationProblem:
    """max Σ_nm x_nm (constant + linear φ_n) − ½ Σ_n curvature φ_n², the QCQP."""

    constant: Array  # [N, M]
    linear: Array  # [N, M]
    curvature: Array  # [N] L_n ≥ 0
    phi_min: Array  # [N]
    phi_max: Array  # [N]
    max_users: Array  # [M]

    def __post_init__(self) -> None:
        shape = np.shape(as_floats(self.constant, "constant"))
        if len(shape) != 2 or 0 in shape:
            raise ValueError(f"`constant` must have shape [N, M]; got {shape}.")
        sizes = {"linear": shape, "max_users": shape[1:]}
        for spec in dataclasses.fields(self):
            value, size = getattr(self, spec.name), sizes.get(spec.name, shape[:1])
            wanted = shape if spec.name == "constant" else size
            object.__setattr__(self, spec.name, check_array(spec.name, value, wanted))

    def pair_optimum(self) -> tuple[Array, Array]:
        """Returns the best value of each pair over φ, and that φ, [N, M] both."""
        curvature = self.curvature[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            stationary = np.where(
                curvature > 0, self.linear / curvature, np.sign(self.linear) * np.inf
            )
        stationary = np.where(self.linear == 0, 0.0, stationary)
        phi = np.clip(stationary, self.phi_min[:, None], self.phi_max[:, None])
        return self.constant + self.linear * phi - curvature / 2 * phi**2, phi


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """The solution of a relaxation: an upper bound, tight up to the solver."""

    value: float
    association: Array  # [N, M] in [0, 1], rows sum to 1
    local_fraction: Array  # [N]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What block 1 proposes, and what it takes to judge other associations."""

    association: Array  # [N, M] proposed
    gain: Array  # [N, M] surplus of each pair above the user's present one
    options: Offers  # resources of each pair
    phi: Array  # [N, M] best φ of each pair
    user_frequency_hz: Array  # [N] Hz

    def realise(self, scenario: Scenario, association: Array) -> Allocation:
        """Returns the allocation of the pairs of an association, within capacity."""

        def chosen(value: Array) -> Array:
            return (association * value).sum(axis=-1)

        allocation = Allocation(
            association=association,
            local_fraction=chosen(self.phi),
            transmit_power_w=chosen(self.options.transmit_power_w),
            bandwidth_hz=chosen(self.options.bandwidth_hz),
            user_frequency_hz=self.user_frequency_hz,
            server_frequency_hz=chosen(self.options.server_frequency_hz),
        )
        return fit_capacity(scenario, allocation)


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

    Raises:
        ValueError: the formulation is unknown.
    """
    p = check_kind("problem", problem, AssociationProblem)
    check_choice("sdr", formulation, FORMULATIONS)
    solvers = check_solvers(solvers, CONVEX_SOLVERS)
    if formulation == "closed_form":
        value, phi = p.pair_optimum()
        association = round_assignment(value, p.max_users)
        return Relaxation(
            value=float((association * value).sum()),
            association=association,
            local_fraction=(association * phi).sum(axis=-1),
        )
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
    if solution is None:
        return None
    bound, association, t = solution
    return Relaxation(
        value=bound, association=association, local_fraction=low + width * t
    )


def minorise(
    terms: PairTerms, scenario: Scenario, local_fraction: Array, ratio: float
) -> AssociationProblem:
    """Returns the program that touches Σ h from below at φ = `local_fraction`, [N]."""
    scenario, ratio = check_single(scenario), check_ratio(ratio)
    terms = check_kind("terms", terms, PairTerms)
    own = check_array("local_fraction", local_fraction, (scenario.n_users,))
    phi = own[:, None]
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
) -> Proposal:
    """Runs block 1 once from an allocation at y = `ratio`, given the offers.

    `closed_form` takes the exact h instead of its minoriser, and serves where the
    solvers fail.
    """
    s, objective = check_single(scenario), check_objective(objective)
    allocation, ratio = check_allocation(s, allocation), check_ratio(ratio)
    options = check_kind("options", options, Offers)
    check_choice("sdr", sdr, FORMULATIONS)
    solvers = check_solvers(solvers, CONVEX_SOLVERS)
    x = allocation.association
    terms = pair_terms(s, options, allocation.user_frequency_hz, objective)
    box = s.local_fraction_min[:, None], s.local_fraction_max[:, None]
    phi = terms.best_split(ratio, *box)
    value = terms.value(phi, ratio)

    relaxed = None
    if sdr != "closed_form":
        problem = minorise(terms, s, allocation.local_fraction, ratio)
        relaxed = relax(problem, sdr, solvers=solvers, budget=budget)
    association = round_assignment(
        value if relaxed is None else relaxed.association, s.max_users
    )
    return Proposal(
        association=association,
        gain=value - (x * value).sum(axis=-1, keepdims=True),
        options=options,
        phi=phi,
        user_frequency_hz=allocation.user_frequency_hz,
    )


def offers(
    scenario: Scenario,
    allocation: Allocation,
    objective: ObjectiveConfig,
    ratio: float,
    *,
    kind: str = "price",
) -> Offers:
    """Returns what each user would have at each server, and the rent for it.

    At its present server that is its present allocation. Elsewhere `price` takes the
    pair's own optimum at the shadow prices of the capacities, `equal_share` a share as
    large as if the server's users and this one shared equally. An empty server has no
    price: `price` takes the optimum of a user that has it to itself.

    Raises:
        ValueError: `kind` is unknown.
    """
    s, objective = check_single(scenario), check_objective(objective)
    z, ratio = check_allocation(s, allocation), check_ratio(ratio)
    check_choice("offers", kind, OFFERS)
    x = z.association
    band_price, compute_price = shadow_prices(s, z, objective, ratio=ratio)
    # An empty server is free.
    band_price, compute_price = np.nan_to_num(band_price), np.nan_to_num(compute_price)

    load = x.sum(axis=0)
    bandwidth = np.broadcast_to(s.bandwidth_max_hz / (load + 1), x.shape)
    offers = {
        "transmit_power_w": efficient_power(s, bandwidth, objective),
        "bandwidth_hz": bandwidth,
        "server_frequency_hz": np.broadcast_to(
            s.server_frequency_max_hz / (load + 1), x.shape
        ),
    }
    if kind == "price":
        wish = best_response(
            s,
            objective,
            ratio=ratio,
            bandwidth_price=band_price,
            compute_price=compute_price,
        )
        offers = {name: getattr(wish, name) for name in offers}
    chosen = {
        name: np.where(x > 0, getattr(z, name)[:, None], offer)
        for name, offer in offers.items()
    }
    rent = _rent(
        s,
        (band_price, compute_price),
        chosen["bandwidth_hz"],
        chosen["server_frequency_hz"],
    )
    return Offers(**chosen, rent=rent)


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
    band_price, compute_price = map(
        np.nan_to_num, shadow_prices(s, z, objective, ratio=ratio)
    )
    wish = best_response(
        s,
        objective,
        ratio=ratio,
        bandwidth_price=band_price,
        compute_price=compute_price,
    )
    outcome = evaluate(s, z, objective)
    held = z.bandwidth_hz[:, None], z.server_frequency_hz[:, None]
    paid = (x * _rent(s, (band_price, compute_price), *held)).sum(axis=-1)
    present = outcome.score - ratio * outcome.cost - paid
    gain = (x * wish.benefit).sum(axis=-1) - present
    changes = gain > _WORTH_IT * outcome.score.sum()
    if not changes.any():
        return None
    names = ("local_fraction", "transmit_power_w", "bandwidth_hz")
    return fit_capacity(
        s,
        dataclasses.replace(
            z,
            **{
                name: np.where(
                    changes, (x * getattr(wish, name)).sum(axis=-1), getattr(z, name)
                )
                for name in (*names, "server_frequency_hz")
            },
        ),
    )


def efficient_power(
    scenario: Scenario, bandwidth_hz: Array, objective: ObjectiveConfig
) -> Array:
    """Returns the power of each pair that uploads at the least cost, [N, M] W.

    It minimises (ω_t' + ω_e' p)/ln(1 + s p) with s = g/(n0 b). With u = 1 + s p the
    derivative vanishes where u (ln u − 1) = c for c = s ω_t'/ω_e' − 1, that is
    ln u = 1 + W(c/e) with Lambert's W; the maximum where that is beyond it or ω_e = 0.
    The score of power, if it has weight, is left out: block 2 adds it.
    """
    highest = np.broadcast_to(
        scenario.transmit_power_max_w[:, None], bandwidth_hz.shape
    )
    if objective.energy_weight == 0:
        return highest
    noise_w = scenario.uplink_noise_w_per_hz * bandwidth_hz
    snr_per_w = scenario.channel_gain / noise_w
    delay_per_energy = objective.delay_cost_per_s / objective.energy_cost_per_j
    log_u = 1 + lambertw((snr_per_w * delay_per_energy - 1) / np.e).real
    return np.clip(np.expm1(log_u) / snr_per_w, 1e-6 * highest, highest)
