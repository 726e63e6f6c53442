"""Solves one scenario with every solver, and certifies how good each answer is."""

import numpy as np

import dashf
from mec_llm_env import ScenarioConfig, sample_scenario

# Ten users, two servers, drawn at random from the default configuration.
config = ScenarioConfig.preset("paper-10x2")
scenario = sample_scenario(config, np.random.default_rng(1))

# No allocation has a higher service-cost ratio (SCR) than this, whatever finds it.
bound = dashf.upper_bound(scenario, config.objective)
print(f"certified upper bound: SCR {bound.value:.3f} ({bound.status.value})")

for solver in dashf.SOLVERS:
    result = dashf.solve(scenario, config.objective, solver=solver)
    # `dual` and `exact` come with bounds of their own; that of `exact` is tightest.
    known = result.bound or bound
    gap = dashf.gap(scenario, result.allocation, config.objective, bound=known)
    print(
        f"{solver:8} SCR {result.scr:7.3f}   gap to the bound {gap:9.3%}"
        f"   {1e3 * result.time_s:6.0f} ms   {result.status.value}"
    )

# DASHF's answer: who is served where, and what share of the layers each user trains.
# Its first time above includes compiling the convex program; the next one does not.
result = dashf.solve(scenario, config.objective)
print("server of each user:", result.allocation.server)
print("local fraction:     ", result.allocation.local_fraction.round(2))
print(f"largest violation of a constraint: {result.max_violation():.1e}")
