"""Solves a scenario built from own data: channel gains in dB, read from a CSV file."""

from pathlib import Path

import numpy as np

import dashf
from mec_llm_env import ObjectiveConfig, Scenario, evaluate

# One row per user, one column per server; illustrative numbers.
gain_db = np.loadtxt(
    Path(__file__).with_name("gains_db.csv"), delimiter=",", skiprows=1
)
n_users, n_servers = gain_db.shape

scenario = Scenario(
    channel_gain=10 ** (gain_db / 10),  # linear, of power
    workload_flop=np.full(n_users, 1.2e14),  # training all adapter layers
    data_bit=np.full(n_users, 1.0e6),
    adapter_bit=np.full(n_users, 5.4e8),
    user_flop_per_cycle=np.full(n_users, 2560.0),
    user_frequency_max_hz=np.full(n_users, 1.0e9),
    user_power_coefficient=np.full(n_users, 2e-27),  # 2 W at 1 GHz
    transmit_power_max_w=np.full(n_users, 0.2),
    local_fraction_min=np.full(n_users, 1 / 16),  # 16 layers, at least one on each side
    local_fraction_max=np.full(n_users, 15 / 16),
    server_flop_per_cycle=[4096.0, 5120.0],
    server_frequency_max_hz=[1.3e9, 1.59e9],
    server_power_coefficient=[2.7e-26, 1.7e-26],
    bandwidth_max_hz=[10e6, 20e6],
    downlink_power_w=[20.0, 20.0],
    noise_density_w_per_hz=1.26e-20,
    max_users=[3, 6],
)

# Delay counts twice as much as energy.
objective = ObjectiveConfig(delay_weight=2 / 3, energy_weight=1 / 3)
result = dashf.solve(scenario, objective, bound=True)
outcome = evaluate(scenario, result.allocation, objective)
print(f"SCR {result.scr:.2f}, certified to be within {result.gap:.2%} of the optimum")
for user, server in enumerate(result.allocation.server):
    print(
        f"user {user}: server {server}, {outcome.delay_s[user]:6.1f} s, "
        f"{outcome.energy_j[user]:5.1f} J"
    )
