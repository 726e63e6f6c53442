"""Steps 1024 sub-environments in one array operation, and a batch without any."""

import time

import gymnasium as gym
import numpy as np

import dashf
import mec_llm_env  # noqa: F401  (registers MecLlm-v0)
from mec_llm_env import ScenarioConfig, sample_scenario

envs = gym.make_vec("MecLlm-v0", num_envs=1024, preset="paper-10x2")
observations, _ = envs.reset(seed=0)
envs.action_space.seed(0)
actions = envs.action_space.sample()

begin, steps = time.perf_counter(), 20
for _ in range(steps):
    observations, scr, terminated, _, infos = envs.step(actions)
passed_s = time.perf_counter() - begin
print(f"observations {observations.shape}, rewards {scr.shape}")
print(f"{steps * envs.num_envs / passed_s:,.0f} decisions a second")

# Ended episodes restart in the same step; the figures of the decision are here.
figures = infos["final_info"]
print(f"mean delay {figures['delay_s'].mean():.0f} s, SCR {figures['scr'].mean():.2f}")

# The same scenarios can be solved as a batch, without an environment.
config = ScenarioConfig.preset("paper-10x2")
scenarios = sample_scenario(config, np.random.default_rng(0), batch_shape=(32,))
batch = dashf.solve_batch(scenarios, config.objective, solver="dual")
print(
    f"dual: SCR {batch.scr.mean():.2f} on average over {batch.scr.size} scenarios, "
    f"largest gap {batch.gap.max():.2%}"
)
