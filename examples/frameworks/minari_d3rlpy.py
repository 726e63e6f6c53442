"""Minari and d3rlpy: offline learning from what a solver decided.

`python -m experiments.record` records with more options. The data set lies where
Minari keeps them; MINARI_DATASETS_PATH says where.
pip install "minari[hdf5,create]" d3rlpy pillow
"""

import d3rlpy
import gymnasium as gym
import minari
import numpy as np

import dashf

ENV, DATASET = "mec_llm_env:MecLlm-tiny-v0", "mec-llm/tiny/dual-v0"
EPISODES, LENGTH = (
    100,
    30,
)  # decisions do not depend on each other; few episodes are quick

# Episodes of demonstrations, seeds 30,000,000 + i, recorded by Minari.
if DATASET not in minari.list_local_datasets():
    env = gym.make(ENV, episode_length=LENGTH)
    env = minari.DataCollector(env, record_infos=True)
    solver = dashf.SolverPolicy(env, "dual")
    for i in range(EPISODES):
        observation, _ = env.reset(seed=30_000_000 + i)
        for _ in range(LENGTH):
            action, _ = solver.predict(observation)
            observation, *_ = env.step(action)
    env.create_dataset(DATASET, algorithm_name="dual")
    env.close()

# By hand: `get_minari` of d3rlpy 2.8 refuses environments without a time limit, and
# does not leave out the observation after the last decision of an episode.
episodes = list(minari.load_dataset(DATASET))
dataset = d3rlpy.dataset.MDPDataset(
    observations=np.concatenate([e.observations[:-1] for e in episodes]),
    actions=np.concatenate([e.actions for e in episodes]),
    rewards=np.concatenate([e.rewards for e in episodes]),
    terminals=np.concatenate([e.terminations for e in episodes]),
)
d3rlpy.seed(0)
model = d3rlpy.algos.BCConfig(
    batch_size=256,
    learning_rate=1e-3,
    encoder_factory=d3rlpy.models.VectorEncoderFactory([256, 256]),
).create()
model.fit(
    dataset,
    n_steps=3_000,
    n_steps_per_epoch=1_000,
    show_progress=False,
    logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
)

# The 100 test scenarios in order, one decision each.
tests = gym.make(ENV, split="test")
results = []
for _ in range(100):
    observation, _ = tests.reset()
    results.append(tests.step(model.predict(observation[None])[0])[-1])
scr, optimality = (np.mean([r[k] for r in results]) for k in ("scr", "optimality"))
print(f"SCR {scr:.2f}, optimality {optimality:.4f}")
