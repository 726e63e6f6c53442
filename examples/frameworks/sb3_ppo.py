"""Stable-Baselines3: PPO on the batched environment through `SB3VecEnv`.

pip install stable-baselines3
"""

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

from mec_llm_env.sb3 import SB3VecEnv

ENV = "mec_llm_env:MecLlm-tiny-v0"

model = PPO(
    "MlpPolicy",
    SB3VecEnv(gym.make_vec(ENV, num_envs=64)),
    n_steps=16,
    batch_size=256,
    n_epochs=4,
    learning_rate=1e-3,
    gamma=0.0,  # a decision does not depend on earlier ones
    vf_coef=0.001,  # the SCR is of the order of 100
    policy_kwargs={"log_std_init": -0.7},
    seed=0,
    device="cpu",
).learn(total_timesteps=150_000)

# The 100 test scenarios in order, one decision each.
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    action, _ = model.predict(observation, deterministic=True)
    results.append(tests.step(action)[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
