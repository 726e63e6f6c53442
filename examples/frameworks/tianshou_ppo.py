"""Tianshou: PPO on single environments, which it batches itself.

pip install tianshou
"""

import gymnasium as gym
import numpy as np
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
from torch.distributions import Independent, Normal

ENV = "mec_llm_env:MecLlm-tiny-v0"
np.random.seed(0)
torch.manual_seed(0)
envs = DummyVectorEnv([lambda: gym.make(ENV) for _ in range(16)])
envs.seed(0)
tests = gym.make(ENV, split="test")
spaces = {
    "observation_space": tests.observation_space,
    "action_space": tests.action_space,
}


def network() -> Net:
    """Returns two hidden layers."""
    shape, act = tests.observation_space.shape, torch.nn.Tanh
    return Net(state_shape=shape, hidden_sizes=[64, 64], activation=act)


actor = ContinuousActorProbabilistic(
    preprocess_net=network(), action_shape=tests.action_space.shape, unbounded=True
)
torch.nn.init.constant_(actor.sigma_param, -0.7)
algorithm = PPO(
    policy=ProbabilisticActorPolicy(
        actor=actor,
        dist_fn=lambda parts: Independent(Normal(*parts), 1),
        deterministic_eval=True,
        action_scaling=False,
        action_bound_method=None,  # the environment clips
        **spaces,
    ),
    critic=ContinuousCritic(preprocess_net=network()),
    optim=AdamOptimizerFactory(lr=1e-3),
    gamma=0.0,  # a decision does not depend on earlier ones
    vf_coef=0.001,  # the SCR is of the order of 100
    ent_coef=0.0,
    max_grad_norm=0.5,
)
buffer = VectorReplayBuffer(total_size=1024, buffer_num=16)
algorithm.run_training(
    OnPolicyTrainerParams(
        training_collector=Collector(algorithm, envs, buffer),
        max_epochs=1,
        epoch_num_steps=60_000,
        collection_step_num_env_steps=1024,
        update_step_num_repetitions=4,
        batch_size=256,
        show_progress=False,
        verbose=False,
    )
)

# The 100 test scenarios in order, one decision each.
results = []
for _ in range(100):
    observation, _ = tests.reset()
    results.append(tests.step(algorithm.policy.compute_action(observation))[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
