"""RLlib: PPO with env runners, each with batched environments of its own.

pip install "ray[rllib]" torch
"""

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

ENV = "mec_llm_env:MecLlm-tiny-v0"

config = (
    PPOConfig()
    # RLlib assumes this autoreset mode; ours refuses RLlib in another. It keeps objects
    # for each episode and adds a step to it: of decisions, which do not depend on each
    # other, 32 are one.
    .environment(ENV, env_config={"autoreset_mode": "NextStep", "episode_length": 32})
    .env_runners(
        num_env_runners=1,
        num_envs_per_env_runner=32,
        gym_env_vectorize_mode="vector_entry_point",
        rollout_fragment_length=32,
    )
    .training(
        lr=1e-3,
        gamma=0.0,  # a decision does not depend on earlier ones
        train_batch_size_per_learner=1024,
        minibatch_size=256,
        num_epochs=4,
        vf_clip_param=1e9,  # the SCR is of the order of 100
        vf_loss_coeff=0.001,
        use_kl_loss=False,
        grad_clip=0.5,
    )
    .rl_module(
        model_config=DefaultModelConfig(
            fcnet_hiddens=[64, 64], vf_share_layers=False, log_std_clip_param=20
        )
    )
    .debugging(seed=0)
)
algorithm = config.build_algo()
for _ in range(40):
    algorithm.train()

# The 100 test scenarios in order, one decision each. The policy's mean comes first.
module = algorithm.get_module()
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    with torch.no_grad():
        inputs = {"obs": torch.as_tensor(observation)[None]}
        outputs = module.forward_inference(inputs)["action_dist_inputs"][0]
    results.append(tests.step(outputs[: len(outputs) // 2].numpy())[-1])
algorithm.stop()
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
