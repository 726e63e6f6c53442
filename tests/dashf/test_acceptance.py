"""The acceptance runs of DASHF: minutes each, run with `-m slow -s` to see figures."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dashf import Status, solve
from dashf.alternating.baselines import solve_gucro
from dashf.pricing.dual import solve_dual
from experiments.convergence import reached
from mec_llm_env import (
    Allocation,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
)
from mec_llm_env.allocation import one_hot
from mec_llm_env.bank import load_bank
from tests.dashf.cases import (
    OBJECTIVE,
    assert_climbs,
    assert_feasible,
    benchmark_scenario,
)
from tests.dashf.extremes import varied

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
        for name in names:
            options = {"seed": rng} if name in ("random", "rucaa") else {}
            scr[name][i] = solve(s, OBJECTIVE, solver=name, **options).scr
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


def unconstrained(t, x, u):
    """The allocation that free variables stand for, [..., 5, N], in PyTorch.

    Shares are softmax and logistic functions, so that every u is feasible.
    """
    logits, (phi, p, f) = u[..., :2, :], torch.sigmoid(u[..., 2:, :]).unbind(-2)

    def at_server(per_server):
        return torch.einsum("...nm,...m->...n", x, per_server)

    def shared(logit, capacity, slack):
        weight = torch.exp(logit)
        total = torch.einsum("...nm,...n->...m", x, weight)
        return at_server(capacity) * weight / (at_server(total) + slack)

    span = t.local_fraction_max - t.local_fraction_min
    return Allocation.unchecked(
        association=x,
        local_fraction=t.local_fraction_min + span * phi,
        transmit_power_w=t.transmit_power_max_w * p,
        bandwidth_hz=shared(logits[..., 0, :], t.bandwidth_max_hz, 0.0),
        user_frequency_hz=t.user_frequency_max_hz * f,
        server_frequency_hz=shared(logits[..., 1, :], t.server_frequency_max_hz, 1.0),
    )


def brute_force(scenarios, starts=4, steps=1500, polished=3):
    """The best SCR of each scenario over all associations, several starts each.

    Independent of the solvers: PyTorch differentiates `evaluate`. Adam runs on all
    scenarios, associations and starts at once; the best few associations of each
    scenario are then polished by a quasi-Newton method.
    """
    n, m = scenarios[0].n_users, scenarios[0].n_servers
    servers = np.array(list(itertools.product(range(m), repeat=n)))  # [A, N]
    shape = (len(scenarios), len(servers), starts)
    many = Scenario.stack(scenarios).map(
        lambda v: np.broadcast_to(
            v[:, None, None], (*shape, *v.shape[1:])
        )  # [scenario, association, start]
    )
    t = many.to_torch()
    x = torch.as_tensor(one_hot(servers, m))[:, None].expand(*shape, n, m)
    rng = np.random.default_rng(0)
    u = torch.tensor(rng.normal(size=(*shape, 5, n)), requires_grad=True)
    optimiser = torch.optim.Adam([u], lr=0.05)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        scr = evaluate(t, unconstrained(t, x, u), OBJECTIVE, check=False).scr
        (-scr.sum()).backward()
        optimiser.step()
        decay.step()
    reached = scr.detach().numpy().reshape(len(scenarios), -1)

    best = []
    for i in range(len(scenarios)):
        candidates = []
        for j in np.argsort(-reached[i])[:polished]:
            index = (i, *np.unravel_index(j, shape[1:]))
            candidates.append(polish(t[index], x[index], u[index].detach().numpy()))
        best.append(max(candidates))
    return np.array(best)


def polish(t, x, first):
    def loss(flat):
        u = torch.tensor(flat.reshape(first.shape), requires_grad=True)
        value = -evaluate(t, unconstrained(t, x, u), OBJECTIVE, check=False).scr
        value.backward()
        return float(value.detach()), u.grad.numpy().ravel()

    bounds = [(-20, 20)] * first.size
    start = np.clip(first.ravel(), -20, 20)
    return -minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).fun


def test_close_to_brute_force_on_50_tiny_scenarios():
    scenarios = [benchmark_scenario(i, "tiny-4x2") for i in range(50)]
    ratios = np.array([solve(s, OBJECTIVE).scr for s in scenarios])
    ratios /= brute_force(scenarios)
    print(f"\nmean {ratios.mean():.5f}, lowest {ratios.min():.5f}, {ratios.max():.5f}")
    assert ratios.mean() >= 0.995
    assert ratios.max() < 1 + 1e-3  # else the brute force is not one


def test_near_the_best_known_on_1000_varied_configurations():
    """The best of DASHF, `gucro` and `dual`; 1×1 to 20×8, all kinds of objectives."""
    part = np.ones(1000)
    for i in range(1000):
        s, objective = varied(i)
        result = solve(s, objective)
        assert_feasible(s, result.allocation)
        assert_climbs(result.history)
        assert result.status == Status.CONVERGED
        greedy = solve_gucro(s, objective).scr
        assert result.scr >= greedy * (1 - 2e-6)
        dual = solve_dual(s, objective, nodes=0, time_limit_s=10).scr
        part[i] = result.scr / max(result.scr, greedy, dual)
        if part[i] < 0.995:
            print(f"\n{i}: {part[i]:.5f}")
    print(f"\nmean {part.mean():.5f}, least {part.min():.5f}")
    # Number 97 (18×5, few slots) ends in a local optimum that few random starts leave.
    assert np.flatnonzero(part < 0.99).tolist() in ([], [97])
    assert part.min() >= 0.985
    assert part.mean() >= 0.999


def test_relaxing_max_users_never_lowers_the_scr_on_50_scenarios():
    for i in range(50):
        rng = np.random.default_rng(555_000 + i)
        users, servers = int(rng.integers(4, 41)), int(rng.integers(2, 9))
        s = sample_scenario(ScenarioConfig(users=users, servers=servers), rng)
        least = -(-users // servers)
        scr = [
            solve(dataclasses.replace(s, max_users=np.full(servers, limit))).scr
            for limit in sorted({least, least + 1, least + 2, max(users, least)})
        ]
        assert np.all(np.diff(scr) >= -1e-6 * scr[0]), (i, scr)


def test_above_every_baseline_at_equal_numbers_of_programs():
    names, most = ("dashf", "gucro", "edge", "local", "aauco"), 50
    bank, scr = load_bank("paper-10x2"), {}
    for name in names:
        histories = []
        for i in range(100):
            result = solve(bank.scenario[i], OBJECTIVE, solver=name)
            rows = [[row.scr, row.programs, row.time_s] for row in result.history]
            histories.append(np.array(rows))
        scr[name] = reached(histories, 1, np.arange(most)).mean(axis=-1)
        print(f"\n{name:6}", np.round(scr[name][:9], 3))
        if name == "dashf":
            final = np.array([h[-1, 0] for h in histories]) / bank.bound[:100]
            print(f"of the bound: mean {final.mean():.6f}, least {final.min():.6f}")
            # 0.9995 of the bound with three digits, and nobody knows any better.
            assert final.mean() >= 0.99945
            assert final.min() >= 0.9990
            known = np.array([h[-1, 0] for h in histories]) / bank.scr[:100]
            assert known.min() >= 1 - 1e-6
    for name in names[1:]:
        assert (scr["dashf"] >= scr[name]).all()
    assert scr["dashf"][8] >= 0.99 * scr["dashf"][-1]
