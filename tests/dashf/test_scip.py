"""The bound against an independent global solver: SCIP, through PySCIPOpt."""

import math

import numpy as np
import pytest

from dashf import upper_bound
from dashf.pair.coefficients import local_frequency
from dashf.pricing.exact import solve_exact
from mec_llm_env import ObjectiveConfig, ScenarioConfig, sample_scenario

OBJECTIVE = ObjectiveConfig()


def scip_optimum(s, objective, gap, time_limit_s):
    """Returns SCIP's best SCR and its dual bound for a 2×2 scenario.

    Written from the equations of the system model, not from the solver's kernels. The
    variables are shares; max y with Σ v ≥ y Σ cost, all x_nm enumerated by SCIP.
    """
    scip = pytest.importorskip("pyscipopt")
    model = scip.Model()
    model.hideOutput()
    model.setParam("limits/gap", gap)
    model.setParam("limits/time", time_limit_s)
    o, N, M = objective, s.n_users, s.n_servers
    frequency = local_frequency(s, o)
    y = model.addVar("y", lb=0, ub=2000)
    scores, costs = [], []
    x = {(n, m): model.addVar(vtype="B") for n in range(N) for m in range(M)}
    band, compute = {}, {}
    for n in range(N):
        model.addCons(scip.quicksum(x[n, m] for m in range(M)) == 1)
        low, high = s.local_fraction_min[n], s.local_fraction_max[n]
        phi = model.addVar(lb=low, ub=high)
        p = model.addVar(lb=1e-3, ub=1)
        quality = o.score_weight_offload * (1 - phi * phi)
        quality += o.score_weight_power * p
        cost = model.addVar(lb=0, ub=1e4)
        costs.append(cost)
        cycles = s.workload_flop[n] / s.user_flop_per_cycle[n]
        local = cycles * (
            o.delay_cost_per_s / frequency[n]
            + o.energy_cost_per_j * s.user_power_coefficient[n] * frequency[n] ** 2
        )
        for m in range(M):
            b = band[n, m] = model.addVar(lb=0, ub=1)
            f = compute[n, m] = model.addVar(lb=0, ub=1)
            model.addCons(b <= x[n, m])
            model.addCons(f <= x[n, m])
            quality += o.score_weight_bandwidth * b + o.score_weight_compute * f
            # Copies that hold the shares where x = 1 and are free where x = 0.
            b1, f1 = model.addVar(lb=1e-3, ub=1), model.addVar(lb=1e-3, ub=1)
            for copy, share in ((b1, b), (f1, f)):
                model.addCons(copy - share <= 1 - x[n, m])
                model.addCons(share - copy <= 1 - x[n, m])
            snr = s.channel_gain[n, m] * s.transmit_power_max_w[n]
            snr /= s.noise_density_w_per_hz * s.bandwidth_max_hz[m]
            rate = model.addVar(lb=1e-6, ub=math.log1p(1e3 * snr))
            model.addCons(rate <= b1 * scip.log(1 + snr * p / b1))
            down = s.channel_gain[n, m] * s.downlink_power_w[m]
            down /= s.noise_density_w_per_hz * s.bandwidth_max_hz[m]
            nat = math.log(2) / s.bandwidth_max_hz[m]
            work = s.workload_flop[n] / s.server_flop_per_cycle[m]
            maximum = s.server_frequency_max_hz[m]
            coefficient = s.server_power_coefficient[m]
            pair = model.addVar(lb=0, ub=1e4)
            power_cost = o.energy_cost_per_j * s.transmit_power_max_w[n]
            payload = nat * (s.data_bit[n] + s.adapter_bit[n] * phi)
            model.addCons(
                pair
                >= phi * local
                + payload * (o.delay_cost_per_s + power_cost * p) / rate
                + (1 - phi)
                * (
                    o.delay_cost_per_s * work / maximum / f1
                    + o.energy_cost_per_j * coefficient * work * maximum**2 * f1 * f1
                    + o.delay_cost_per_s
                    * nat
                    * s.adapter_bit[n]
                    / math.log1p(down)
                    / b1
                )
            )
            model.addCons(cost - pair >= -1e4 * (1 - x[n, m]))
        q = model.addVar(lb=0, ub=1)
        model.addCons(q <= quality)
        score = model.addVar(lb=0, ub=100)
        model.addCons(score <= o.score_scale * scip.log(1 + o.score_sensitivity * q))
        scores.append(score)
    for m in range(M):
        model.addCons(scip.quicksum(band[n, m] for n in range(N)) <= 1)
        model.addCons(scip.quicksum(compute[n, m] for n in range(N)) <= 1)
    model.addCons(scip.quicksum(scores) >= y * scip.quicksum(costs))
    model.setObjective(y, "maximize")
    model.optimize()
    best = model.getObjVal() if model.getNSols() else 0.0
    return best, model.getDualbound()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_scip_finds_nothing_above_the_bound(seed):
    pytest.importorskip("pyscipopt")
    config = ScenarioConfig(users=2, servers=2)
    s = sample_scenario(config, np.random.default_rng(seed))
    bound = upper_bound(s, OBJECTIVE)
    result = solve_exact(s, OBJECTIVE, gap=1e-3, time_limit_s=60)
    tight = result.bound
    best, dual = scip_optimum(s, OBJECTIVE, gap=2e-3, time_limit_s=240)
    feasibility = 1e-4  # SCIP accepts constraints violated by 1e-6 of large terms
    assert best <= bound.value * (1 + feasibility)
    assert best <= tight.value * (1 + feasibility)
    # What SCIP proves holds for our allocation too.
    assert result.scr <= dual * (1 + feasibility)
