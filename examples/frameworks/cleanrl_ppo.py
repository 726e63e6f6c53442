"""CleanRL's style: PPO in one file, with PyTorch alone, on the batched environment.

An episode is one decision, so the advantage is the reward less its estimate.
pip install torch
"""

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Normal

ENV, ENVS, STEPS, UPDATES = "mec_llm_env:MecLlm-tiny-v0", 256, 4, 150
torch.manual_seed(0)
envs = gym.make_vec(ENV, num_envs=ENVS)
inputs, outputs = (
    envs.single_observation_space.shape[0],
    envs.single_action_space.shape[0],
)


def network(size: int, scale: float) -> nn.Sequential:
    """Returns two hidden layers, with a small last one for the actor."""
    last = nn.Linear(64, size)
    nn.init.orthogonal_(last.weight, scale)
    hidden = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
    return nn.Sequential(*hidden, last)


actor, critic = network(outputs, 0.01), network(1, 1.0)
log_std = nn.Parameter(torch.full((outputs,), -0.7))
parameters = [*actor.parameters(), *critic.parameters(), log_std]
optimizer = torch.optim.Adam(parameters, lr=1e-3)

observation, _ = envs.reset(seed=0)
for _ in range(UPDATES):
    batch = []
    for _ in range(STEPS):
        o = torch.as_tensor(observation)
        with torch.no_grad():
            distribution = Normal(actor(o), log_std.exp())
            action = distribution.sample()
            log_prob = distribution.log_prob(action).sum(-1)
        # SAME_STEP: the next scenario comes with the reward of this one.
        observation, reward, *_ = envs.step(action.numpy())
        batch.append((o, action, log_prob, torch.as_tensor(reward).float()))
    o, action, old, reward = (torch.cat(part) for part in zip(*batch, strict=True))
    with torch.no_grad():
        advantage = reward - critic(o)[:, 0]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for _ in range(4):
        for rows in torch.randperm(len(o)).split(256):
            distribution = Normal(actor(o[rows]), log_std.exp())
            log_prob = distribution.log_prob(action[rows]).sum(-1)
            ratio = (log_prob - old[rows]).exp()
            gain = torch.min(
                ratio * advantage[rows], ratio.clip(0.8, 1.2) * advantage[rows]
            )
            error = (critic(o[rows])[:, 0] - reward[rows]).square()
            optimizer.zero_grad()
            (0.0005 * error - gain).mean().backward()
            nn.utils.clip_grad_norm_(parameters, 0.5)
            optimizer.step()

# The 100 test scenarios in order, one decision each, all at once.
tests = gym.make_vec(ENV, num_envs=100, split="test")
observation, _ = tests.reset()
with torch.no_grad():
    action = actor(torch.as_tensor(observation)).numpy()
*_, infos = tests.step(action)
scr, optimality = (infos["final_info"][k].mean() for k in ("scr", "optimality"))
print(f"SCR {np.mean(scr):.2f}, optimality {np.mean(optimality):.4f}")
