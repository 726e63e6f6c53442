"""TorchRL: PPO on the batched environment.

pip install torchrl
"""

import gymnasium as gym
import torch
from tensordict.nn import AddStateIndependentNormalScale, TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper, set_exploration_type
from torchrl.envs.utils import ExplorationType
from torchrl.modules import (
    MLP,
    IndependentNormal,
    ProbabilisticActor,
    ValueOperator,
)
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

ENV = "mec_llm_env:MecLlm-tiny-v0"
torch.manual_seed(0)
# TorchRL takes autoreset mode SAME_STEP, the default, or DISABLED.
env = GymWrapper(gym.make_vec(ENV, num_envs=64), device="cpu")
size = env.action_spec.shape[-1]
hidden = {"num_cells": [64, 64], "activation_class": nn.Tanh}
scale = AddStateIndependentNormalScale(size, scale_mapping="exp")
nn.init.constant_(scale.state_independent_scale, -0.7)
actor = ProbabilisticActor(
    TensorDictModule(
        nn.Sequential(MLP(out_features=size, **hidden), scale),
        in_keys=["observation"],
        out_keys=["loc", "scale"],
    ),
    in_keys=["loc", "scale"],
    distribution_class=IndependentNormal,
    return_log_prob=True,
)
value = ValueOperator(MLP(out_features=1, **hidden), in_keys=["observation"])
first = env.reset()
for module in (actor, value):
    module(first.clone())  # fixes the number of inputs

advantage = GAE(gamma=0.0, lmbda=1.0, value_network=value, average_gae=True)
loss = ClipPPOLoss(actor, value, critic_coeff=0.001, entropy_coeff=0.0)
optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
collector = Collector(env, actor, frames_per_batch=1024, total_frames=147 * 1024)
for data in collector:
    for _ in range(4):
        with torch.no_grad():
            advantage(data)
        flat = data.reshape(-1)
        for rows in torch.randperm(len(flat)).split(256):
            losses = loss(flat[rows])
            optimizer.zero_grad()
            (losses["loss_objective"] + losses["loss_critic"]).backward()
            nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()
collector.shutdown()

# The 100 test scenarios in order, one decision each, all at once.
tests = gym.make_vec(ENV, num_envs=100, split="test")
observation, _ = tests.reset()
with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
    action = actor(torch.as_tensor(observation))[0].numpy()
*_, infos = tests.step(action)
scr, optimality = (infos["final_info"][k].mean() for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
