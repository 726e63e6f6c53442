"""RLlib: independent PPO of many agents, weights in common.

Each user is an agent, whose policy sees what a user may know; all learn from the
reward that they share. `rllib_multi_agent_ppo.py users own` rewards each with its own
part of it; with `servers` each server is an agent.
pip install "ray[rllib]" torch pettingzoo
"""

import sys

import numpy as np
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from mec_llm_env import parallel_env

AGENTS, REWARD = (*sys.argv[1:], *("users", "shared")[len(sys.argv) - 1 :])
COUNT = {"users": 4, "servers": 2}[AGENTS]
SCALE = 1.0 if REWARD == "shared" else float(COUNT)  # own parts sum to the SCR
DECISIONS = 256  # of all agents together, an update

# RLlib keeps objects for each episode, and decisions do not depend on each other:
# eight of them are an episode.
register_env(
    "users-and-servers",
    lambda _: ParallelPettingZooEnv(
        parallel_env(preset="tiny-4x2", agents=AGENTS, reward=REWARD, episode_length=8)
    ),
)
network = DefaultModelConfig(
    fcnet_hiddens=[64, 64], vf_share_layers=False, log_std_clip_param=20
)
config = (
    PPOConfig()
    .environment("users-and-servers")
    .multi_agent(policies={"all"}, policy_mapping_fn=lambda *_, **__: "all")
    .env_runners(num_env_runners=0, num_envs_per_env_runner=32)
    .training(
        lr=1e-3,
        gamma=0.0,  # a decision does not depend on earlier ones
        train_batch_size_per_learner=DECISIONS,
        minibatch_size=256,
        num_epochs=4,
        vf_clip_param=1e9,  # the SCR is of the order of 100
        vf_loss_coeff=0.001 * SCALE**2,
        use_kl_loss=False,
        grad_clip=0.5,
    )
    .rl_module(
        rl_module_spec=MultiRLModuleSpec(
            rl_module_specs={"all": RLModuleSpec(model_config=network)}
        )
    )
    .debugging(seed=0)
)
algorithm = config.build_algo()
for _ in range(25_000 // DECISIONS):
    algorithm.train()

# The 100 test scenarios in order, one decision of all agents each. The policy's means
# come first.
module = algorithm.get_module("all")
tests = parallel_env(preset="tiny-4x2", agents=AGENTS, split="test")
results = []
for _ in range(100):
    observations, _ = tests.reset()
    with torch.no_grad():
        inputs = {"obs": torch.as_tensor(np.stack(list(observations.values())))}
        outputs = module.forward_inference(inputs)["action_dist_inputs"]
    rows = outputs[:, : outputs.shape[1] // 2].numpy()
    *_, infos = tests.step(dict(zip(observations, rows, strict=True)))
    results.append(next(iter(infos.values())))
algorithm.stop()
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
