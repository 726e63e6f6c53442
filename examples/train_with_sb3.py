"""Trains Stable-Baselines3's PPO for some seconds on the batched environment.

Saves `ppo_mec_llm.zip`, which `evaluate_policy.py` reads. Needs stable-baselines3.
"""

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import mec_llm_env  # noqa: F401  (registers MecLlm-v0)
from mec_llm_env.sb3 import SB3VecEnv

# 128 sub-environments in one array operation, behind Stable-Baselines3's interface.
envs = SB3VecEnv(gym.make_vec("MecLlm-v0", num_envs=128, preset="paper-10x2"))
model = PPO(
    "MlpPolicy",
    envs,
    n_steps=8,
    batch_size=512,
    n_epochs=4,
    learning_rate=1e-3,
    gamma=0.0,  # a decision does not depend on earlier ones
    gae_lambda=1.0,
    vf_coef=0.001,  # the SCR is of the order of 100
    policy_kwargs={"log_std_init": -0.7},
    seed=0,
    device="cpu",
)

before, _ = evaluate_policy(model, envs, n_eval_episodes=512, warn=False)
model.learn(total_timesteps=40_000)
after, _ = evaluate_policy(model, envs, n_eval_episodes=512, warn=False)
print(f"mean SCR before training {before:.1f}, after 40,000 decisions {after:.1f}")
model.save("ppo_mec_llm")
