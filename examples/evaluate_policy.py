"""Compares a trained policy with DASHF on held-out scenarios with certified bounds.

`python evaluate_policy.py MODEL.zip`, of Stable-Baselines3; `train_with_sb3.py` saves
one. For the repository's own agents there is `evaluate.py`.
"""

import sys
from pathlib import Path

import gymnasium as gym
from stable_baselines3 import PPO

import dashf
import mec_llm_env  # noqa: F401  (registers MecLlm-v0)
from mec_llm_env.bank import load_bank

path = Path(sys.argv[1] if len(sys.argv) > 1 else "ppo_mec_llm.zip")
if not path.exists():
    sys.exit(f"There is no {path}: run train_with_sb3.py first, or name a policy.")
model = PPO.load(path, device="cpu")

# Scenarios that no training has seen, with a bound that no SCR exceeds.
bank = load_bank("paper-10x2")
count = 25
env = gym.make("MecLlm-v0", preset="paper-10x2")
policies = {
    "trained policy": model,
    "DASHF": dashf.SolverPolicy(env),
    "strongest channel": dashf.SolverPolicy(env, solver="gucaa"),
}
for name, policy in policies.items():
    shares = []
    for i in range(count):
        observation, _ = env.reset(options={"scenario": bank.scenario[i]})
        action, _ = policy.predict(observation, deterministic=True)
        _, scr, *_ = env.step(action)
        shares.append(scr / bank.bound[i])
    print(f"{name:17} {sum(shares) / count:.4f} of the bound, worst {min(shares):.4f}")
