import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import SubprocVecEnv, VecMonitor, VecNormalize

import mec_llm_env
from dashf import SolverPolicy, solve
from mec_llm_env import PRESETS
from mec_llm_env.sb3 import SB3VecEnv
from tests.dashf.cases import OBJECTIVE, benchmark_scenario

assert mec_llm_env  # registers MecLlm-v0

SEED = 20_000_000
TINY = {"preset": "tiny-4x2"}
ENCODINGS = [
    {"action_encoding": action, "observation_encoding": observation}
    for action in ("box", "dict", "dict_flat")
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


LONG = {**TINY, "episode_length": 5}


def observed(env):
    """The observation of a reset, of Gymnasium's or Stable-Baselines3's interface."""
    result = env.reset()
    return result[0] if isinstance(result, tuple) else result


def scalar():
    return gym.make("MecLlm-v0", **LONG)


def mobile():
    return gym.make("MecLlmMobile-v0", overrides={"users": 5, "mobility.slots": 5})


def batched(mode="NextStep"):
    return gym.make_vec("MecLlm-v0", 3, autoreset_mode=mode, **LONG)


def sync(*wrappers):
    return gym.make_vec(
        "MecLlm-v0", 3, vectorization_mode="sync", wrappers=wrappers, **LONG
    )


def scaled(env):
    """Other values in the same space."""
    return gym.wrappers.TransformObservation(
        env, lambda values: values * 0.999, env.observation_space
    )


def users_exchanged(env):
    """Values that a scenario may have, but not this one."""

    def exchange(values):
        return np.r_[values[11:22], values[:11], values[22:]]

    return gym.wrappers.TransformObservation(env, exchange, env.observation_space)


class Delayed(gym.Wrapper):
    """One that is no `ObservationWrapper`: shows what came before."""

    def reset(self, **kwargs):
        self.previous, info = super().reset(**kwargs)
        return self.previous, info

    def step(self, action):
        shown = self.previous
        self.previous, *rest = super().step(action)
        return shown, *rest


class Logged(gym.Wrapper):
    """A user's own that changes nothing."""


CHANGED = {
    "scaled": lambda: scaled(scalar()),
    "users exchanged": lambda: users_exchanged(scalar()),
    "scaled within": lambda: gym.wrappers.RecordEpisodeStatistics(scaled(scalar())),
    "scaled, synchronous": lambda: sync(scaled),
    "scaled in a vector": lambda: gym.wrappers.vector.TransformObservation(
        batched(), lambda values: values * 0.999
    ),
    "normalised": lambda: VecNormalize(make_vec_env(scalar, 3)),
    "normalised, batched": lambda: VecNormalize(SB3VecEnv(batched("SameStep"))),
    "scaled, sequential": lambda: scaled(mobile()),
    "normalised, sequential": lambda: VecNormalize(make_vec_env(mobile, 2)),
    "scaled in Stable-Baselines3's": lambda: make_vec_env(lambda: scaled(scalar()), 2),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_observations_that_a_wrapper_has_changed_are_refused(kind):
    env = CHANGED[kind]()
    policy = SolverPolicy(env, "gucaa")
    with pytest.raises(
        ValueError, match=r"must be what `env` observes.*(Trans|VecNor)"
    ):
        policy.predict(observed(env))


def test_a_wrapper_may_begin_to_change_them_later():
    env = Delayed(scalar())
    policy = SolverPolicy(env, "gucaa")
    action, _ = policy.predict(env.reset(seed=0)[0])
    with pytest.raises(ValueError, match="`Delayed` changes observations, or this one"):
        policy.predict(env.step(action)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: gym.wrappers.NormalizeObservation(scalar()),
        lambda: gym.wrappers.vector.NormalizeObservation(batched()),
    ],
)
def test_gymnasium_s_normalised_observations_are_refused(make):
    """At once where their space is another, which depends on Gymnasium's version."""
    env = make()
    text = r"`env.observation_space` must be that of|`NormalizeObservation` changes"
    with pytest.raises(ValueError, match=text):
        SolverPolicy(env, "gucaa").predict(observed(env))


def test_the_environment_within_a_wrapper_does_not_help():
    """What decodes to something that is never drawn there is refused as well."""
    inner = make_vec_env(scalar, 3)
    normalised = VecNormalize(inner)
    with pytest.raises(ValueError, match=r"decodes to `\w+` = .* never drawn there"):
        SolverPolicy(inner, "gucaa").predict(normalised.reset())


def reversed_actions(env):
    return gym.wrappers.TransformAction(env, lambda a: -a, env.action_space)


@pytest.mark.parametrize(
    "make",
    [
        lambda: reversed_actions(scalar()),
        lambda: gym.wrappers.StickyAction(scalar(), 0.5),
        lambda: gym.wrappers.RecordEpisodeStatistics(reversed_actions(scalar())),
        lambda: sync(reversed_actions),
        lambda: gym.wrappers.vector.TransformAction(
            batched(), lambda a: -a, batched().action_space
        ),
    ],
)
def test_wrappers_that_change_actions_are_refused(make):
    with pytest.raises(ValueError, match=r"must take actions as they are.*Action`"):
        SolverPolicy(make())


UNCHANGED = {
    "scalar": scalar,
    "sequential": mobile,
    "sequential, a user's own": lambda: Logged(mobile()),
    "sequential, in many": lambda: make_vec_env(lambda: Logged(mobile()), 3),
    "statistics": lambda: gym.wrappers.RecordEpisodeStatistics(scalar()),
    "a user's own": lambda: Logged(scalar()),
    "rewards": lambda: gym.wrappers.NormalizeReward(scalar()),
    "batched": batched,
    "batched, same step": lambda: batched("SameStep"),
    "batched statistics": lambda: gym.wrappers.vector.RecordEpisodeStatistics(
        batched()
    ),
    "synchronous": lambda: sync(Logged),
    # By `fork` it would take along what other tests have left: threads of JAX.
    "asynchronous": lambda: gym.make_vec(
        "MecLlm-v0",
        2,
        vectorization_mode="async",
        vector_kwargs={"context": "forkserver"},
        **LONG,
    ),
    "Stable-Baselines3's": lambda: make_vec_env(scalar, 3),
    "its processes": lambda: SubprocVecEnv([scalar] * 2, start_method="forkserver"),
    "ours for it": lambda: VecMonitor(SB3VecEnv(batched("SameStep"))),
    "normalised rewards": lambda: VecNormalize(make_vec_env(scalar, 3), norm_obs=False),
}


@pytest.mark.parametrize("kind", UNCHANGED)
def test_wrappers_that_change_no_observation_are_fine(kind):
    env = UNCHANGED[kind]()
    policy = SolverPolicy(env, "gucaa")
    observation = observed(env)
    for _ in range(3):
        result = env.step(policy.predict(observation)[0])
        observation = result[0]
        assert np.all(result[1])  # something has been decided
    env.close()


def test_scenarios_of_ones_own_are_decided():
    """Such as the environment would never draw."""
    own = benchmark_scenario(0, **TINY, **{"radio.bandwidth_mhz": 40})
    for env in (scalar(), Logged(scalar())):
        observation, _ = env.reset(options={"scenario": own})
        assert env.step(SolverPolicy(env, "gucaa").predict(observation)[0])[1] > 0
    other, _ = scalar().reset(options={"scenario": own})
    with pytest.raises(
        ValueError, match="make the policy with the environment that is"
    ):
        SolverPolicy(scalar(), "gucaa").predict(other)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(3))
def test_whatever_another_environment_draws_is_decided(preset, seed):
    rng = np.random.default_rng(seed)
    count = 2 if preset.startswith(("large", "huge")) else 60  # else gigabytes
    overrides = {"radio.bandwidth_mhz": rng.uniform(1, 100)}
    if seed:
        overrides |= {"users": rng.integers(1, 30), "servers": rng.integers(1, 8)}
        overrides |= {"device.cores": rng.integers(1, 200, 3).tolist()}
    overrides = {k: v.item() if hasattr(v, "item") else v for k, v in overrides.items()}
    kwargs = {"preset": preset, "overrides": overrides}
    policy = SolverPolicy(gym.make("MecLlm-v0", **kwargs), "gucaa")
    envs = gym.make_vec("MecLlm-v0", count, **kwargs)
    actions, _ = policy.predict(envs.reset(seed=seed)[0])
    assert (envs.step(actions)[1] > 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_another_sequential_environment_draws_is_decided(seed):
    rng = np.random.default_rng(seed)
    users, servers, slots = (int(i) for i in rng.integers(1, (20, 6, 8)))
    overrides = {"users": users, "servers": servers, "mobility.slots": slots}
    policy = SolverPolicy(gym.make("MecLlmMobile-v0", overrides=overrides), "gucaa")
    envs = gym.make_vec("MecLlmMobile-v0", 20, overrides=overrides)
    observation, _ = envs.reset(seed=seed)
    for _ in range(slots):
        assert policy._never_drawn(policy._observations.decode(observation)) is None
        observation = envs.step(policy.predict(observation)[0])[0]


def test_a_policy_may_act_in_another_environment_of_the_kind():
    policy = SolverPolicy(scalar(), "gucaa")
    env = scalar()
    assert env.step(policy.predict(env.reset(seed=3)[0])[0])[1] > 0


def test_options_reach_the_solver():
    s = benchmark_scenario(5)
    env = gym.make("MecLlm-v0")
    policy = SolverPolicy(env, max_iterations=0)
    assert np.array_equal(policy.decide(s).server, s.channel_gain.argmax(axis=-1))
    full = SolverPolicy(env).decide(s)
    assert not np.array_equal(full.server, s.channel_gain.argmax(axis=-1))
    assert env.unwrapped.task.config.objective == OBJECTIVE
