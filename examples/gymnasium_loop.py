"""Steps the Gymnasium environment with a random policy, then with a solver."""

import gymnasium as gym

import dashf
import mec_llm_env  # noqa: F401  (registers MecLlm-v0)

# A server may serve six users; the reward of a decision is its SCR.
env = gym.make("MecLlm-v0", preset="paper-10x2", overrides={"server.max_users": 6})
print("observation:", env.observation_space)
print("action:     ", env.action_space)

env.action_space.seed(0)
solver = dashf.SolverPolicy(env, solver="dual")  # acts on observations alone
for name in ("random", "dual"):
    total = 0.0
    for episode in range(5):
        observation, info = env.reset(seed=episode)  # a fresh scenario
        if name == "random":
            action = env.action_space.sample()
        else:
            action, _ = solver.predict(observation)
        observation, scr, terminated, truncated, info = env.step(action)
        total += scr
        assert terminated  # an episode is one decision
    print(
        f"{name:6} mean SCR {total / 5:6.2f}; last decision: {info['delay_s']:.0f} s, "
        f"{info['energy_j']:.0f} J, users per server {info['association_counts']}"
    )
