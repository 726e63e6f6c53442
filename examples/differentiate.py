"""Follows gradients through the system model with PyTorch."""

import dataclasses

import numpy as np
import torch

import dashf
from mec_llm_env import ScenarioConfig, evaluate, sample_scenario

config = ScenarioConfig.preset("paper-10x2")
scenario = sample_scenario(config, np.random.default_rng(2))
start = dashf.solve(scenario, config.objective, solver="gucaa").allocation.to_torch()
s = scenario.to_torch()

# Sensitivity of the SCR: what more transmit power would be worth to each user.
power_w = start.transmit_power_w.clone().requires_grad_()
allocation = dataclasses.replace(start, transmit_power_w=power_w)
evaluate(s, allocation, config.objective, check=False).scr.backward()
print("dSCR/dp, 1/W:", power_w.grad.numpy().round(3))

# Gradient ascent on the split φ and on the shares of bandwidth, association as it is.
lowest, width = s.local_fraction_min, s.local_fraction_max - s.local_fraction_min
band_hz = start.association @ s.bandwidth_max_hz  # of each user's server
together = start.association @ start.association.T  # who shares a server
split, weight = torch.zeros_like(power_w), torch.zeros_like(power_w)
parameters = [split.requires_grad_(), weight.requires_grad_()]
optimiser = torch.optim.Adam(parameters, lr=0.1)
for step in range(201):
    share = weight.exp() / (together @ weight.exp())
    allocation = dataclasses.replace(
        start,
        local_fraction=lowest + width * split.sigmoid(),
        bandwidth_hz=share * band_hz,
    )
    scr = evaluate(s, allocation, config.objective).scr
    if step % 50 == 0:
        print(f"step {step:3}: SCR {scr.item():.3f}")
    optimiser.zero_grad()
    (-scr).backward()
    optimiser.step()
