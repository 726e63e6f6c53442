"""The acceptance runs of DASHF: minutes each, run with `-m slow -s` to see figures."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dashf import SOLVERS, Status, solve
from dashf.baselines import (
    average_allocation,
    random_allocation,
    random_association,
    strongest_channel,
)
from mec_llm_env import Allocation, evaluate
from mec_llm_env.allocation import one_hot
from tests.dashf.cases import (
    OBJECTIVE,
    assert_climbs,
    assert_feasible,
    benchmark_scenario,
)

pytestmark = pytest.mark.slow

MIXED = [
    {"users": 1, "servers": 1},
    {"users": 1, "servers": 4},
    {"users": 4, "servers": 2},
    {"users": 10, "servers": 2},
    {"users": 10, "servers": 2, "server.max_users": 5},
    {"users": 7, "servers": 3, "server.max_users": 3},
    {"users": 12, "servers": 4},
    {"users": 25, "servers": 5},
]


def test_history_climbs_on_200_scenarios_of_mixed_sizes():
    for i in range(200):
        s = benchmark_scenario(i, **MIXED[i % len(MIXED)])
        result = solve(s, OBJECTIVE)
        assert_climbs(result.history)
        assert_feasible(s, result.allocation)
        assert result.status == Status.CONVERGED


def test_no_failure_on_500_default_scenarios():
    ended: dict[Status, int] = {}
    times = []
    for i in range(500):
        s = benchmark_scenario(i)
        result = solve(s, OBJECTIVE)
        assert_feasible(s, result.allocation)
        assert_climbs(result.history)
        ended[result.status] = ended.get(result.status, 0) + 1
        times.append(result.time_s)
    print(f"\n{ended}; median {np.median(times):.2f} s, longest {max(times):.2f} s")
    assert Status.SOLVER_FAILED not in ended


def test_against_every_baseline_on_100_default_scenarios():
    names = ("dashf", "random", "rucaa", "gucaa", "aauco", "gucro", "local", "edge")
    scr = {name: np.zeros(100) for name in names}
    for i in range(100):
        s, rng = benchmark_scenario(i), np.random.default_rng(i)
        for name in SOLVERS.keys() & set(names):
            scr[name][i] = SOLVERS[name](s, OBJECTIVE).scr
        for name, z in {
            "random": random_allocation(s, rng),
            "rucaa": average_allocation(s, random_association(s, rng)),
            "gucaa": average_allocation(s, strongest_channel(s)),
        }.items():
            scr[name][i] = evaluate(s, z, OBJECTIVE).scr
    best = scr["dashf"]
    print()
    for name in names:
        print(f"{name:8} {scr[name].mean():8.2f} {best.mean() / scr[name].mean():8.4f}")
        assert (best >= scr[name] * (1 - 1e-6)).all()
    print("above gucro:", (best > scr["gucro"] * (1 + 1e-6)).sum())
    print("mean of ratios to gucro:", (best / scr["gucro"]).mean())
    assert (best > scr["gucro"] * (1 + 1e-6)).sum() >= 80
    assert best.mean() >= 1.06 * scr["gucro"].mean()
    assert best.mean() >= 1.5 * scr["rucaa"].mean()


def brute_force(s, starts=4):
    """The best SCR over all associations, by quasi-Newton steps from several starts.

    Independent of the solvers: shares are softmax and logistic functions of free
    variables, and PyTorch differentiates `evaluate`.
    """
    n, m = s.n_users, s.n_servers
    t, rng = s.to_torch(), np.random.default_rng(0)

    def allocation(x, u):
        logits, (p, f, phi) = u[:2], torch.sigmoid(u[2:])

        def shared(logit, capacity, slack):
            weight = torch.exp(logit)
            return (x @ capacity) * weight / (x @ (x.T @ weight) + slack)

        span = t.local_fraction_max - t.local_fraction_min
        return Allocation.unchecked(
            association=x,
            local_fraction=t.local_fraction_min + span * phi,
            transmit_power_w=t.transmit_power_max_w * p,
            bandwidth_hz=shared(logits[0], t.bandwidth_max_hz, 0.0),
            user_frequency_hz=t.user_frequency_max_hz * f,
            server_frequency_hz=shared(logits[1], t.server_frequency_max_hz, 1.0),
        )

    best = 0.0
    for server in itertools.product(range(m), repeat=n):
        x = torch.as_tensor(one_hot(np.array(server), m))

        def loss(flat, x=x):
            u = torch.tensor(flat.reshape(5, n), requires_grad=True)
            value = -evaluate(t, allocation(x, u), OBJECTIVE, check=False).scr
            value.backward()
            return float(value), u.grad.numpy().ravel()

        for _ in range(starts):
            result = minimize(
                loss,
                rng.normal(size=5 * n),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-14, 14)] * (5 * n),
                options={"maxiter": 300, "ftol": 1e-10},
            )
            best = max(best, -result.fun)
    return best


def test_close_to_brute_force_on_50_tiny_scenarios():
    ratios = []
    for i in range(50):
        s = benchmark_scenario(i, "tiny-4x2")
        ratios.append(solve(s, OBJECTIVE).scr / brute_force(s))
    print(f"\nmean {np.mean(ratios):.5f}, lowest {min(ratios):.5f}")
    assert np.mean(ratios) >= 0.995
    assert max(ratios) < 1 + 1e-3  # else the brute force is not one
