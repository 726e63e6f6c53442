"""rl_zoo3: its own training script, with settings in its own format.

pip install rl_zoo3 requests
"""

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

import mec_llm_env  # noqa: F401  (registers the environments)

ENV = "MecLlm-tiny-v0"
Path("ppo.yml").write_text(f"""
{ENV}:
  n_envs: 16
  n_timesteps: 60000
  policy: MlpPolicy
  n_steps: 64
  batch_size: 256
  n_epochs: 4
  learning_rate: 0.001
  gamma: 0.0 # a decision does not depend on earlier ones
  vf_coef: 0.001 # the SCR is of the order of 100
  policy_kwargs: "dict(log_std_init=-0.7)"
""")
words = f"--algo ppo --env {ENV} --gym-packages mec_llm_env --conf-file ppo.yml"
words += " --log-folder logs --seed 0 --eval-freq -1 --device cpu"
train = [sys.executable, "-m", "rl_zoo3.train", *words.split()]
subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
run = max(Path("logs/ppo").glob(f"{ENV}_*"), key=lambda path: path.stat().st_mtime)
model = PPO.load(run / f"{ENV}.zip", device="cpu")

# The 100 test scenarios in order, one decision each.
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    action, _ = model.predict(observation, deterministic=True)
    results.append(tests.step(action)[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
