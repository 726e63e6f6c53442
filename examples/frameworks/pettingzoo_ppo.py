"""PettingZoo, SuperSuit and Stable-Baselines3: independent PPO, weights in common.

Each user is an agent, whose policy sees what a user may know; all learn from the
reward that they share. `pettingzoo_ppo.py own` rewards each with its own part of it.
pip install pettingzoo supersuit stable-baselines3
"""

import sys

import numpy as np
import supersuit as ss
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

from mec_llm_env import parallel_env

REWARD = sys.argv[1] if len(sys.argv) > 1 else "shared"
SCALE = 1.0 if REWARD == "shared" else 4.0  # own parts of four users sum to the SCR

set_random_seed(0)  # `PPO(seed=…)` would seed the environments too: SuperSuit cannot
envs = ss.pettingzoo_env_to_vec_env_v1(parallel_env(preset="tiny-4x2", reward=REWARD))
envs = ss.concat_vec_envs_v1(envs, 32, num_cpus=1, base_class="stable_baselines3")
model = PPO(
    "MlpPolicy",
    envs,
    n_steps=8,
    batch_size=256,
    n_epochs=4,
    learning_rate=1e-3,
    gamma=0.0,  # a decision does not depend on earlier ones
    vf_coef=0.001 * SCALE**2,  # the SCR is of the order of 100
    policy_kwargs={"log_std_init": -0.7},
    device="cpu",
).learn(total_timesteps=100_000)

# The 100 test scenarios in order, one decision of all agents each.
tests = parallel_env(preset="tiny-4x2", split="test")
results = []
for _ in range(100):
    observations, _ = tests.reset()
    batch = np.stack(list(observations.values()))
    rows, _ = model.predict(batch, deterministic=True)
    *_, infos = tests.step(dict(zip(observations, rows, strict=True)))
    results.append(infos["user_0"])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
