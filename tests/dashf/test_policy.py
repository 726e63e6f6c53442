import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import mec_llm_env
from dashf import SolverPolicy, solve
from tests.dashf.cases import OBJECTIVE, benchmark_scenario

assert mec_llm_env  # registers MecLlm-v0

SEED = 20_000_000
TINY = {"preset": "tiny-4x2"}
ENCODINGS = [
    {"action_encoding": action, "observation_encoding": observation}
    for action in ("box", "dict")
    for observation in ("flat", "tokens")
]


@pytest.mark.parametrize("encodings", ENCODINGS)
def test_acts_as_well_as_the_solver_decides(encodings):
    env = gym.make("MecLlm-v0", **TINY, **encodings)
    policy = SolverPolicy(env)
    observation, _ = env.reset(seed=SEED)
    action, state = policy.predict(observation)
    assert state is None
    assert env.action_space.contains(action)
    reward = env.step(action)[1]
    assert reward == pytest.approx(solve(benchmark_scenario(0, **TINY)).scr, rel=1e-4)
    assert policy.projection_distance < 1e-4


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
@pytest.mark.parametrize("encodings", ENCODINGS)
def test_vector_environments(mode, encodings):
    envs = gym.make_vec(
        "MecLlm-v0", num_envs=2, vectorization_mode=mode, **TINY, **encodings
    )
    policy = SolverPolicy(envs, "gucro")
    observations, _ = envs.reset(seed=SEED)
    actions, _ = policy.predict(observations)
    assert envs.action_space.contains(actions)
    rewards = envs.step(actions)[1]
    assert policy.projection_distance.shape == (2,)
    single = gym.make("MecLlm-v0", **TINY, **encodings)
    for i in range(2):
        observation, _ = single.reset(seed=SEED + i)
        reward = single.step(SolverPolicy(single, "gucro").predict(observation)[0])[1]
        assert rewards[i] == pytest.approx(reward, rel=1e-6)


def test_a_coarse_encoding_reports_its_distance():
    env = gym.make("MecLlm-v0", action_encoding="multi_discrete", **TINY)
    policy = SolverPolicy(env)
    assert policy.projection_distance is None
    action, _ = policy.predict(env.reset(seed=SEED)[0])
    assert env.action_space.contains(action)
    assert policy.projection_distance > 0.01


def test_wrappers_that_leave_the_spaces_alone():
    env = gym.wrappers.RecordEpisodeStatistics(gym.make("MecLlm-v0", **TINY))
    policy = SolverPolicy(env, "edge")
    action, _ = policy.predict(env.reset(seed=SEED)[0])
    assert env.step(action)[1] > 0


def test_stable_baselines3_evaluates_it_like_a_model():
    envs = make_vec_env("MecLlm-v0", n_envs=2, seed=SEED, env_kwargs=TINY)
    policy = SolverPolicy(envs, "gucro")
    returns, lengths = evaluate_policy(
        policy, envs, n_eval_episodes=2, return_episode_rewards=True
    )
    assert lengths == [1, 1]
    assert min(returns) > 0


def test_the_objective_is_the_environments():
    overrides = {"objective.delay_weight": 0.9, "objective.energy_weight": 0.1}
    env = gym.make("MecLlm-v0", overrides=overrides, **TINY)
    default = gym.make("MecLlm-v0", **TINY)
    observation, _ = env.reset(seed=SEED)
    action, _ = SolverPolicy(env).predict(observation)
    other, _ = SolverPolicy(default).predict(observation)
    env.reset(seed=SEED)
    for_it = env.step(action)[1]
    env.reset(seed=SEED)
    for_default = env.step(other)[1]
    assert for_it > for_default * (1 + 1e-4)


def test_decides_on_scenarios_as_well():
    env = gym.make("MecLlm-v0", **TINY)
    policy = SolverPolicy(env, "gucro")
    allocation = policy.decide(benchmark_scenario(0, **TINY))
    assert allocation.association.shape == (4, 2)
    assert policy.name == "gucro"


def test_what_it_cannot_act_in_is_refused():
    env = gym.make("MecLlm-v0", **TINY)
    with pytest.raises(ValueError, match=r"no solver 'dashh'\. Did you mean 'dashf'\?"):
        SolverPolicy(env, "dashh")
    with pytest.raises(ValueError, match="`env` must be a MecLlm-v0 environment"):
        SolverPolicy(gym.make("CartPole-v1"))
    flattened = gym.wrappers.FlattenObservation(
        gym.make("MecLlm-v0", observation_encoding="tokens", **TINY)
    )
    with pytest.raises(ValueError, match=r"`env.observation_space` must be that of"):
        SolverPolicy(flattened)
    scaled = gym.wrappers.RescaleAction(env, np.float32(0), np.float32(1))
    with pytest.raises(ValueError, match=r"`env.action_space` must be that of"):
        SolverPolicy(scaled)
    with pytest.raises(ValueError, match=r"observation .* must have shape"):
        SolverPolicy(env).predict(np.zeros(3))


def test_options_reach_the_solver():
    s = benchmark_scenario(5)
    env = gym.make("MecLlm-v0")
    policy = SolverPolicy(env, max_iterations=0)
    assert np.array_equal(policy.decide(s).server, s.channel_gain.argmax(axis=-1))
    full = SolverPolicy(env).decide(s)
    assert not np.array_equal(full.server, s.channel_gain.argmax(axis=-1))
    assert env.unwrapped.task.config.objective == OBJECTIVE
