r"""Semidefinite relaxations of block 1, in two formulations that have the same value.

The quadratically constrained program, for splits scaled to t_n = (φ_n − φ_min)/(φ_max −
φ_min) ∈ [0, 1]:

    max Σ_nm x_nm (α_nm + β_nm t_n) − ½ Σ_n L_n t_n²
    s.t. x_nm² = x_nm, Σ_m x_nm = 1, 0 ≤ t_n ≤ 1, Σ_n x_nm ≤ max_users_m.

Lift (x, t) to the matrix of its products, keep it positive semidefinite, drop rank one.
Valid within a user, with X_m for x_m, Y_m for x_m t and S for t²: products x_m x_l = 0,
Σ_m Y_m = t, 0 ≤ Y_m ≤ X_m and S ≤ t. With these the relaxation is exact, see
`docs/dashf.md`.

`full` is the textbook's matrix of order 1 + NM + N. No quadratic term couples two
users, so its blocks of one user suffice (chordal completion), and a user's row of the
constant is the sum of those of its x_m: leaving that out gives `sparse`, order M + 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dashf.alternating.convex import CONVEX_SOLVERS, ConvexProgram, ProgramPool, assign
from dashf.common.arrays import Array
from dashf.common.budget import Budget


class SparseRelaxation:
    """One positive semidefinite matrix of order M + 1 a user."""

    def __init__(self, n_users: int, n_servers: int) -> None:
        import cvxpy as cp

        n, m = n_users, n_servers
        # VARIABLES
        self.association = cp.Variable((n, m))
        self.product = cp.Variable((n, m))  # Y_m
        self.square = cp.Variable(n)  # S
        # PARAMETERS
        self.terms = _Terms(n, m)
        # OBJECTIVE
        value = self.terms.value(self.association, self.product, self.square)
        # CONSTRAINTS
        split = cp.sum(self.product, axis=1)
        constraints = [
            cp.sum(self.association, axis=1) == 1,
            cp.sum(self.association, axis=0) <= self.terms.room,
            self.product >= 0,
            self.product <= self.association,
            self.square <= split,
        ]
        for i in range(n):
            row = cp.reshape(self.product[i], (1, m), order="C")
            corner = cp.reshape(self.square[i], (1, 1), order="C")
            lifted = cp.bmat([[cp.diag(self.association[i]), row.T], [row, corner]])
            constraints.append(lifted >> 0)
        self.program = ConvexProgram(cp.Maximize(value), constraints)


class FullRelaxation:
    """One positive semidefinite matrix of order 1 + NM + N, ordered 1, x, t."""

    def __init__(self, n_users: int, n_servers: int) -> None:
        import cvxpy as cp

        n, m = n_users, n_servers
        # VARIABLES
        lifted = cp.Variable((1 + n * m + n, 1 + n * m + n), PSD=True)
        first_split = 1 + n * m
        self.association = cp.reshape(lifted[0, 1:first_split], (n, m), order="C")
        rows = [slice(1 + i * m, 1 + (i + 1) * m) for i in range(n)]
        self.product = cp.vstack([lifted[first_split + i, rows[i]] for i in range(n)])
        self.square = cp.diag(lifted)[first_split:]
        # PARAMETERS
        self.terms = _Terms(n, m)
        # OBJECTIVE
        value = self.terms.value(self.association, self.product, self.square)
        # CONSTRAINTS
        split = lifted[0, first_split:]
        constraints = [
            lifted[0, 0] == 1,
            cp.sum(self.association, axis=1) == 1,
            cp.sum(self.association, axis=0) <= self.terms.room,
            cp.sum(self.product, axis=1) == split,
            self.product >= 0,
            self.product <= self.association,
            self.square <= split,
        ]
        constraints += [
            lifted[rows[i], rows[i]] == cp.diag(self.association[i]) for i in range(n)
        ]
        self.program = ConvexProgram(cp.Maximize(value), constraints)


class _Terms:
    """Parameters and objective that both formulations share."""

    def __init__(self, n: int, m: int) -> None:
        import cvxpy as cp

        self.constant = cp.Parameter((n, m), value=np.zeros((n, m)))  # α
        self.linear = cp.Parameter((n, m), value=np.zeros((n, m)))  # β
        self.half_curvature = cp.Parameter(n, nonneg=True, value=np.zeros(n))  # L/2
        self.room = cp.Parameter(m, nonneg=True, value=np.full(m, float(n)))

    def value(self, association: Any, product: Any, square: Any) -> Any:
        import cvxpy as cp

        return (
            cp.sum(cp.multiply(self.constant, association))
            + cp.sum(cp.multiply(self.linear, product))
            - self.half_curvature @ square
        )


def solve_relaxation(
    formulation: str,
    constant: Array,  # [N, M] α
    linear: Array,  # [N, M] β
    curvature: Array,  # [N] L ≥ 0
    max_users: Array,  # [M]
    solvers: tuple[str, ...] = CONVEX_SOLVERS,
    budget: Budget | None = None,
) -> tuple[float, Array] | None:
    """Returns value and association [N, M]; None if no solver could.

    α is taken relative to each user's best and everything to the typical size, so that
    the numbers are of order one; the value returned is that of the problem given.
    """
    n, m = constant.shape
    budget = budget or Budget()
    if not _in_time(formulation, n, m, budget):
        return None
    best = constant.max(axis=1, keepdims=True)
    behind = constant - best
    sizes = np.median(np.abs(behind)), np.abs(linear).max(), curvature.max()
    scale = float(max(sizes)) or 1.0
    with RELAXATIONS.lend(formulation, n, m) as relaxation:
        terms, program = relaxation.terms, relaxation.program
        assign(terms.constant, behind / scale)
        assign(terms.linear, linear / scale)
        assign(terms.half_curvature, curvature / (2 * scale))
        assign(terms.room, np.minimum(max_users, n))
        for solver in solvers:
            if budget.spent():
                break
            if program.solve(solver, budget.for_a_program()):
                value = program.value * scale + float(best.sum())
                association = np.asarray(relaxation.association.value)
                return value, association.clip(0, 1)
    return None


def prepare_relaxation(
    formulation: str, n_users: int, n_servers: int, budget: Budget
) -> None:
    """Compiles the relaxation of a shape if it needs one and there is time."""
    needed = formulation != "closed_form"
    if needed and _in_time(formulation, n_users, n_servers, budget):
        RELAXATIONS.prepare(formulation, n_users, n_servers)


def _in_time(formulation: str, n: int, m: int, budget: Budget) -> bool:
    """Returns whether the time that is left is enough, on a slow machine.

    A solver looks at its limit only after it has factored the matrices once.
    """
    needed_s = 5e-3 * n * m
    if formulation == "full":
        needed_s = 1e-6 * (1 + n * m + n) ** 4
    return budget.clock.left_s > needed_s


def _relaxation(
    formulation: str, n_users: int, n_servers: int
) -> SparseRelaxation | FullRelaxation:
    kind = SparseRelaxation if formulation == "sparse" else FullRelaxation
    return kind(n_users, n_servers)


#: By formulation, number of users and number of servers.
RELAXATIONS: ProgramPool[SparseRelaxation | FullRelaxation] = ProgramPool(
    _relaxation, shapes=8
)
