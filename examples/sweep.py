"""Sweeps the bandwidth of the servers and tabulates the SCR of four solvers."""

import numpy as np

import dashf
from mec_llm_env import ScenarioConfig, sample_scenario

SOLVERS = ("dual", "gucro", "aauco", "gucaa")
COUNT = 8  # scenarios per point

print("bandwidth, MHz" + "".join(f"{name:>9}" for name in SOLVERS) + "    bound")
for bandwidth_mhz in (2, 5, 10, 20, 40):
    config = ScenarioConfig.preset("paper-10x2").with_overrides(
        {"radio.bandwidth_mhz": bandwidth_mhz}
    )
    # The same seed at every point: users, channels and workloads stay as they are.
    rng = np.random.default_rng(0)
    scenarios = sample_scenario(config, rng, batch_shape=(COUNT,))
    row = [
        dashf.solve_batch(scenarios, config.objective, solver=name).scr.mean()
        for name in SOLVERS
    ]
    row.append(dashf.upper_bound(scenarios, config.objective).value.mean())
    print(f"{bandwidth_mhz:14}" + "".join(f"{value:9.2f}" for value in row))
