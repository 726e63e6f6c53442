"""An episode of MecLlmMobile-v0 on own traces: positions over time, from a CSV file."""

from pathlib import Path

import gymnasium as gym
import numpy as np

import dashf
from mec_llm_env import MobileConfig, read_traces

# One row per user and slot; illustrative: a tram, a walker, a desk, a shared car.
path = Path(__file__).with_name("traces.csv")
size = {"users": 4, "servers": 2, "mobility.slots": 20}
config = MobileConfig().with_overrides(size)

# Devices, workloads and shadowing are drawn; gains could be in the file as well.
trajectory = read_traces(path, config, np.random.default_rng(0))
print(f"{trajectory.n_slots} slots, {trajectory.n_users} users")
print(f"users that join after the first slot: {trajectory.joined[1:].sum()}")

env = gym.make("MecLlmMobile-v0", overrides=size, action_encoding="association")


def play(choose):
    """Returns the SCR of the episode, and how many training states have moved."""
    observation, _ = env.reset(options={"trajectory": trajectory})
    migrations = 0
    for _ in range(trajectory.n_slots):
        action, _ = choose(observation)
        observation, _, _, _, info = env.step(action)
        migrations += info["migrations"]
    return info["episode_scr"], migrations


def strongest(_observation):
    """Whatever it costs, the server with the best channel of this slot."""
    return env.unwrapped.scenario.channel_gain.argmax(axis=-1), None


dual = dashf.SolverPolicy(env, solver="dual")  # minds the migration of this slot
policies = {"strongest channel": strongest, "best of each slot": dual.predict}
for name, choose in policies.items():
    scr, migrations = play(choose)
    print(f"{name}: episode SCR {scr:6.2f}, {migrations:2d} migrations")
