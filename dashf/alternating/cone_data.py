"""A compiled program without CVXPY: its data from its parameters, its solution back.

CVXPY walks through the expressions of a program once. What it makes of them is a cone
program whose data are affine in the parameters (Agrawal, Amos, Barratt, Boyd, Diamond
and Kolter 2019), so new data are one sparse product; and its variables and multipliers
are entries of the solver's, up to a factor, so what they are is found by handing CVXPY
solutions that number the entries.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices

_STATUS = "Solved", "AlmostSolved"  # of Clarabel, with a solution


class _Entries(NamedTuple):
    """An array whose entries are entries of a vector, times a factor."""

    where: Indices
    factor: Array

    def of(self, vector: Array) -> Array:
        return self.factor * vector[self.where]


def cone_data(problem: Any) -> ConeData | None:
    """Returns the data of a program, where this version of CVXPY keeps them as known.

    Args:
        problem: follows CVXPY's DPP rules, compiled for Clarabel.
    """
    try:
        return ConeData(problem)
    except (AttributeError, ImportError, KeyError, TypeError, ValueError):
        return None  # CVXPY makes the data, only slower


class ConeData:
    """The data of a program for Clarabel, and what its solutions mean.

    Args:
        problem: follows CVXPY's DPP rules, compiled for Clarabel.

    Raises:
        ValueError: its data are not those that CVXPY gives to Clarabel, or its
            solutions are more than entries of Clarabel's.
    """

    def __init__(self, problem: Any) -> None:
        from cvxpy import settings
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import (
            dims_to_solver_cones,
        )
        from scipy.sparse import csc_array, triu, vstack

        data, chain, inverse = problem.get_problem_data("CLARABEL", solver_opts={})
        program = data[settings.PARAM_PROB]
        size = program.x.size
        self._columns = [
            (program.id_to_param[name], column)
            for name, column in program.param_id_to_col.items()
            if name in program.id_to_param
        ]
        self._parameters = np.ones(program.total_param_size + 1)  # the last: constant
        # Rows of the product: q, the constant of the objective, A with b, then P.
        program.reduced_A.cache()
        rows, starts, shape = program.reduced_A.problem_data_index
        maps, in_A = [program.q, program.reduced_A.reduced_mat], starts[-2]
        self._size = size
        self._A = csc_array(
            (np.zeros(in_A), rows[:in_A], starts[:-1]), shape=(shape[0], size)
        )
        self._b_rows = rows[in_A:]
        self._P = csc_array((size, size))
        if program.P is not None:
            program.reduced_P.cache()
            rows, starts, _ = program.reduced_P.problem_data_index
            columns = np.repeat(np.arange(size), np.diff(starts))
            upper = np.flatnonzero(rows <= columns)
            maps.append(program.reduced_P.reduced_mat[upper])
            at = rows[upper], columns[upper]
            self._P = csc_array((np.ones(len(upper)), at), shape=(size, size))
            assert np.array_equal(self._P.indices, at[0])  # in the order of the rows
        self._map = vstack(maps).tocsr()
        self._cones = dims_to_solver_cones(program.cone_dims)
        ours = self._applied()
        quadratic = triu(data["P"]) if "P" in data else self._P
        theirs = quadratic, data["c"], data["A"], data["b"]
        if any(abs(a - b).max() > 1e-12 for a, b in zip(ours, theirs, strict=False)):
            raise ValueError("CVXPY applies parameters otherwise.")
        self._find_entries(problem, partial(_invert, chain, inverse), size, shape[0])

    def _find_entries(
        self, problem: Any, meaning: Callable[..., Any], n: int, m: int
    ) -> None:
        """Learns which entries of a solution the variables and multipliers are."""
        ones = meaning(np.ones(n), np.ones(m), 0.0)
        count = meaning(1.0 + np.arange(n), 1.0 + np.arange(m), 1.0)
        rng = np.random.default_rng(0)
        x, z = rng.random(n), rng.random(m)
        check = meaning(x, z, 0.0)
        self._sign = count.opt_val - ones.opt_val

        def entries(vector: Array, *values: Any) -> _Entries | None:
            one, number, expected = (np.asarray(v, np.float64) for v in values)
            with np.errstate(all="ignore"):
                where = np.nan_to_num(np.round(number / one) - 1).astype(int)
            found = _Entries(np.clip(where, 0, len(vector) - 1), one)
            return found if np.allclose(found.of(vector), expected) else None

        self._primal, self._dual = [], []
        for variable in problem.variables():
            values = (s.primal_vars[variable.id] for s in (ones, count, check))
            found = entries(x, *values)
            if found is None:
                raise ValueError(f"{variable} is not made of entries of a solution.")
            self._primal.append((variable, found))
        for constraint in problem.constraints:
            if constraint.id in ones.dual_vars:
                values = (s.dual_vars[constraint.id] for s in (ones, count, check))
                found = entries(z, *values)
                if found is not None:
                    self._dual.append((constraint, found))

    def _applied(self) -> tuple[Any, Array, Any, Array, float]:
        """Returns P, q, A, b and the constant at the parameters' present values."""
        for parameter, column in self._columns:
            value = np.asarray(parameter.value).flatten(order="F")
            self._parameters[column : column + len(value)] = value
        values, n, in_A = self._map @ self._parameters, self._size, self._A.nnz
        at_b = n + 1 + in_A
        at_P = at_b + len(self._b_rows)
        b = np.zeros(self._A.shape[0])
        b[self._b_rows] = values[at_b:at_P]
        self._A.data, self._P.data = -values[n + 1 : at_b], values[at_P:]
        return self._P, values[:n], self._A, b, float(values[n])

    def solve(self, settings: dict[str, Any]) -> float | None:
        """Solves with the parameters' present values, and saves what is found.

        Args:
            settings: of Clarabel.

        Returns:
            the value; None if there is no solution.
        """
        P, q, A, b, constant = self._applied()
        raw = solve_cones(P, q, A, b, self._cones, settings)
        if str(raw.status) not in _STATUS:
            return None
        for variable, entries in self._primal:
            variable.save_value(entries.of(np.asarray(raw.x)))
        for constraint, entries in self._dual:
            constraint.save_dual_value(entries.of(np.asarray(raw.z)))
        return float(self._sign * (raw.obj_val + constant))


def _invert(chain: Any, inverse: Any, x: Array, z: Array, value: float) -> Any:
    """Returns what a solution of Clarabel's is to CVXPY."""
    raw = SimpleNamespace(
        status=_STATUS[0], solve_time=0.0, iterations=0, x=x, z=z, obj_val=value
    )
    return chain.invert(raw, inverse)


def solve_cones(
    P: Any, q: Array, A: Any, b: Array, cones: list[Any], settings: dict[str, Any]
) -> Any:
    """Minimises ½ x'P x + q'x with b − A x in cones, by Clarabel.

    Always from the beginning: an answer must not depend on what was solved before.
    """
    import clarabel

    chosen = clarabel.DefaultSettings()
    chosen.verbose = False
    for name, value in settings.items():
        setattr(chosen, name, value)
    return clarabel.DefaultSolver(P, q, A, b, cones, chosen).solve()
