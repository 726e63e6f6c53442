"""skrl: PPO on the batched environment.

pip install "skrl[torch]"
"""

import gymnasium as gym
import numpy as np
import torch
from skrl.agents.torch.ppo import PPO, PPO_CFG
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed
from torch import nn

ENV = "mec_llm_env:MecLlm-tiny-v0"
set_seed(0)
env = wrap_env(gym.make_vec(ENV, num_envs=64), wrapper="gymnasium")
spaces = {
    "observation_space": env.observation_space,
    "action_space": env.action_space,
    "device": env.device,
}


def network(outputs: int) -> nn.Sequential:
    """Returns two hidden layers and the last."""
    inputs = env.observation_space.shape[0]
    hidden = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


class Policy(GaussianMixin, Model):
    """The actor."""

    def __init__(self) -> None:
        Model.__init__(self, **spaces)
        GaussianMixin.__init__(self)
        self.net = network(self.num_actions)
        self.log_std = nn.Parameter(torch.full((self.num_actions,), -0.7))

    def compute(self, inputs, role):
        """Returns the mean action and its logarithmic deviation."""
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Value(DeterministicMixin, Model):
    """The critic."""

    def __init__(self) -> None:
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.net = network(1)

    def compute(self, inputs, role):
        """Returns the value."""
        return self.net(inputs["observations"]), {}


cfg = PPO_CFG(
    rollouts=16,
    learning_epochs=4,
    mini_batches=4,
    learning_rate=1e-3,
    discount_factor=0.0,  # a decision does not depend on earlier ones
    rewards_shaper=lambda reward, *_: reward / 100,
)
cfg.experiment.write_interval = cfg.experiment.checkpoint_interval = 0
agent = PPO(
    models={"policy": Policy(), "value": Value()},
    memory=RandomMemory(memory_size=16, num_envs=env.num_envs, device=env.device),
    cfg=cfg,
    observation_space=env.observation_space,
    action_space=env.action_space,
    device=env.device,
)
trainer = SequentialTrainer(
    env=env, agents=agent, cfg={"timesteps": 2400, "disable_progressbar": True}
)
trainer.train()

# The 100 test scenarios in order, one decision each.
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    with torch.no_grad():
        inputs = torch.as_tensor(observation, device=env.device)[None]
        action = agent.policy.net(inputs)[0].cpu().numpy()
    results.append(tests.step(action)[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
