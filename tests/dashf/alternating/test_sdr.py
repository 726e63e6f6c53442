import itertools

import numpy as np
import pytest

from dashf.alternating.association import AssociationProblem, relax
from dashf.alternating.sdr import FullRelaxation, SparseRelaxation


def random_problem(n, m, rng, max_users=None, *, pinned=False):
    low = rng.uniform(0.05, 0.3, n)
    return AssociationProblem(
        constant=rng.normal(size=(n, m)) * 20,
        linear=rng.normal(size=(n, m)) * 30,
        curvature=rng.uniform(0, 60, n) * rng.integers(0, 2, n),
        phi_min=low,
        phi_max=low if pinned else rng.uniform(0.5, 0.95, n),
        max_users=np.full(m, max_users or n),
    )


def enumerated(problem):
    """The best value over all associations and a fine grid of splits, with both."""
    n, m = problem.constant.shape
    grid = np.linspace(0, 1, 20_001)
    low, high = problem.phi_min[:, None], problem.phi_max[:, None]
    phi = low + (high - low) * grid  # [N, K]
    by_split = (
        problem.constant[..., None]
        + problem.linear[..., None] * phi[:, None]
        - (problem.curvature[:, None] * phi**2 / 2)[:, None]
    )
    value = by_split.max(axis=-1)
    best, users = (-np.inf, ()), np.arange(n)
    for server in itertools.product(range(m), repeat=n):
        if (np.bincount(server, minlength=m) <= problem.max_users).all():
            total = value[users, list(server)].sum()
            best = max(best, (float(total), server))
    return best


CASES = [(1, 1, None), (1, 4, None), (4, 1, None), (3, 2, None), (3, 2, 2), (4, 3, 2)]


@pytest.mark.parametrize(("n", "m", "max_users"), CASES)
@pytest.mark.parametrize("pinned", [False, True])
def test_formulations_and_enumeration_agree(n, m, max_users, pinned):
    rng = np.random.default_rng(n * 10 + m)
    for _ in range(2):
        problem = random_problem(n, m, rng, max_users, pinned=pinned)
        value, server = enumerated(problem)
        scale = np.abs(problem.constant).sum() + np.abs(problem.linear).sum()
        for formulation in ("sparse", "full", "closed_form"):
            relaxation = relax(problem, formulation)
            assert relaxation.value == pytest.approx(value, abs=1e-6 * scale)
            assert relaxation.value >= value - 1e-6 * scale  # it is a relaxation
            # Exact: the relaxed association is an association.
            assert np.abs(relaxation.association - np.eye(m)[list(server)]).max() < 1e-4
            assert (relaxation.association.sum(axis=-1)) == pytest.approx(1, abs=1e-6)


def test_formulations_agree_at_the_papers_size():
    problem = random_problem(10, 2, np.random.default_rng(0), max_users=6)
    values = [relax(problem, kind).value for kind in ("sparse", "full", "closed_form")]
    assert values == pytest.approx([values[2]] * 3, rel=1e-6)


def test_weak_pairs_do_not_spoil_the_scale():
    problem = random_problem(4, 2, np.random.default_rng(1))
    problem.constant[0, 1] = -1e7  # a user that can hardly reach server 1
    value, _ = enumerated(problem)
    assert relax(problem, "sparse").value == pytest.approx(value, abs=1e-3)


def test_orders_of_the_matrices():
    sparse = SparseRelaxation(3, 2).program.problem
    full = FullRelaxation(3, 2).program.problem

    def orders(problem):
        blocks = [
            c.args[0].shape[0] for c in problem.constraints if "PSD" in repr(type(c))
        ]
        attributes = [v.shape[0] for v in problem.variables() if v.attributes["PSD"]]
        return blocks + attributes

    assert orders(sparse) == [3, 3, 3]  # M + 1, one a user
    assert orders(full) == [10]  # 1 + NM + N
