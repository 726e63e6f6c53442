"""SBX, Stable-Baselines3 in JAX: SAC on the batched environment.

pip install sbx-rl
"""

import gymnasium as gym
import numpy as np
from sbx import SAC
from stable_baselines3.common.vec_env import VecNormalize

from mec_llm_env.sb3 import SB3VecEnv

ENV = "mec_llm_env:MecLlm-tiny-v0"

# Rewards of the order of 1; observations stay as they are.
envs = SB3VecEnv(gym.make_vec(ENV, num_envs=32))
model = SAC(
    "MlpPolicy",
    VecNormalize(envs, norm_obs=False, gamma=0.0),
    learning_starts=1000,
    train_freq=1,
    gradient_steps=4,
    learning_rate=1e-3,
    gamma=0.0,  # a decision does not depend on earlier ones
    seed=0,
).learn(total_timesteps=30_000)

# The 100 test scenarios in order, one decision each.
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    action, _ = model.predict(observation, deterministic=True)
    results.append(tests.step(action)[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
