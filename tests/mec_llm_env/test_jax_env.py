"""`JaxEnv` equals the environments of NumPy, and can be traced; needs JAX."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mec_llm_env import Scenario, evaluate
from mec_llm_env.actions import ENCODINGS, ActionCodec, register_encoding
from mec_llm_env.bank import load_bank
from mec_llm_env.env import MecLlmEnv
from mec_llm_env.observations import ENCODINGS as OBSERVATION_ENCODINGS
from mec_llm_env.observations import OBSERVABLE
from mec_llm_env.task import Task
from mec_llm_env.vector_env import MecLlmVectorEnv
from mec_llm_env.workload.layers import whole_layers
from tests.mec_llm_env.random_configs import random_overrides

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
jax_env = pytest.importorskip("mec_llm_env.jax_env")
JaxEnv = jax_env.JaxEnv


@pytest.fixture
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@functools.cache
def tiny_state() -> Any:
    """The first state of key 0, which encodings and lengths of episodes share."""
    return jax.jit(JaxEnv(preset="tiny-4x2").reset)(jax.random.key(0))[0]


def random_task(seed: int) -> dict[str, Any]:
    """Arguments of an environment that can be made: sizes, numbers and encodings."""
    rng = np.random.default_rng([13, seed])
    while True:
        kwargs = {
            "overrides": random_overrides(rng),
            "action_encoding": str(rng.choice(ENCODINGS)),
            "observation_encoding": str(rng.choice(OBSERVATION_ENCODINGS)),
        }
        try:
            Task(**kwargs)
        except ValueError:  # some field of the scenario cannot be observed
            continue
        return kwargs


def random_action(task: Task, rng: np.random.Generator, batch: int) -> Any:
    """Valid actions [batch]; entries of a box lie beyond its ends, too."""
    n, m = task.config.users, task.config.servers
    choices = {"association": rng.integers(0, m, (batch, n))}
    match task.action_codec.encoding:
        case "box":
            return rng.uniform(-1.2, 1.2, (batch, n * (m + 5))).astype(np.float32)
        case "multi_discrete":
            levels = rng.integers(0, 11, (batch, n, 5))
            table = np.concatenate([choices["association"][..., None], levels], axis=-1)
            return table.reshape(batch, -1)
        case "dict":
            shape: tuple[int, ...] = (batch, n, 5)
        case _:
            shape = (batch, n * 5)
    resources = rng.uniform(-1.2, 1.2, shape).astype(np.float32)
    return {**choices, "resources": resources}


def assert_close(ours: Any, theirs: Any, rtol: float, name: str = "") -> None:
    """Compares arrays, records or dictionaries of them; equal zeros and infinities."""
    if hasattr(theirs, "to_dict"):
        ours, theirs = ours.to_dict(), theirs.to_dict()
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            if "position" not in key:
                assert_close(ours[key], value, rtol, key)
        return
    ours = np.asarray(ours, dtype=np.float64)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=0, err_msg=name)


def extreme_scenarios(task: Task, rng: np.random.Generator, count: int) -> Scenario:
    """Scenarios whose fields are anywhere in what can be observed, or at its ends."""
    drawn = task.sampler.from_uniforms(rng.random((count, task.sampler.block_size)))
    fields = drawn.to_dict()
    for name, (lowest, highest) in OBSERVABLE.items():
        if not name.startswith("local_fraction"):
            shape = fields[name].shape
            place = rng.choice([0.001, 0.999, 0.5, 0.25], shape)
            fields[name] = lowest * (highest / lowest) ** place
    return Scenario.unchecked(**fields)


def move_off_steps(task: Task, uniforms: Any) -> None:
    """Moves uniforms of whole numbers between steps, where float32 may round across."""
    n, work = task.config.users, task.config.workload
    for part, limits in ((6, work.tokens), (7, work.sequences)):  # as in a block
        lowest, highest = np.array(limits).T
        own, count = uniforms[..., part * n : (part + 1) * n], highest - lowest + 1
        own[...] = (np.floor(own * count) + 0.5) / count


def at_ties(
    task: Task, action: Any, scenario: Scenario, allocation: Any, ours: Any
) -> Any:
    """Fractions of NumPy, but ours where they are halfway between two whole layers.

    There rounding decides, which is another in either.
    """
    theirs = allocation.local_fraction
    if scenario.layers is None:
        return theirs
    fields = scenario.to_dict()
    fields.pop("layers")
    continuous = task.action_codec.decode(action, Scenario.unchecked(**fields))
    count = continuous.local_fraction * scenario.layers
    tie = np.abs(count - np.floor(count) - 0.5) < scenario.layers * 1e-6
    neighbours = np.abs(np.abs(ours - theirs) * scenario.layers - 1) < 1e-3
    return np.where(
        tie & neighbours, np.round(ours * scenario.layers) / scenario.layers, theirs
    )


def compared(kwargs: dict[str, Any], seed: int, rtol: float) -> float:
    """Compares drawing, observing and deciding of some scenarios with NumPy's.

    Returns the largest relative difference of an SCR.
    """
    env, task = JaxEnv(**kwargs), Task(**kwargs)
    rng = np.random.default_rng(seed)
    uniforms = rng.random((5, task.sampler.block_size))
    uniforms[0, rng.integers(task.sampler.block_size, size=3)] = 0.0
    if rtol > 1e-6:
        move_off_steps(task, uniforms)
    uniforms = np.asarray(jnp.asarray(uniforms), dtype=np.float64)  # as float32 has it
    scenario = task.sampler.from_uniforms(uniforms)
    action = random_action(task, rng, 5)
    allocation, _ = task.decide(action, scenario)

    @jax.jit
    @jax.vmap
    def both(uniforms: Any, action: Any) -> Any:
        scenario = env.task.sampler.from_uniforms(uniforms)
        return scenario, env.observe(scenario), *env.decide(scenario, action)

    drawn, observation, *decided = both(jnp.asarray(uniforms), action)
    assert_close(drawn, scenario, rtol)
    ours = np.asarray(decided[0].local_fraction, dtype=np.float64)
    allocation = dataclasses.replace(
        allocation, local_fraction=at_ties(task, action, scenario, allocation, ours)
    )
    outcome = evaluate(scenario, allocation, task.config.objective)
    assert_close(decided[0], allocation, rtol)
    assert_close(decided[1], outcome, rtol)
    shown = task.observation_codec.encode(scenario)
    for ours, theirs in zip(
        jax.tree.leaves(observation), jax.tree.leaves(shown), strict=True
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=max(rtol, 2e-6))
    return float(np.abs(np.asarray(decided[1].scr) / outcome.scr - 1).max())


@pytest.mark.parametrize(
    ("preset", "encoding", "observation"),
    [
        ("6g-umi-10x2", "box", "flat"),
        ("tiny-4x2", "multi_discrete", "tokens"),
        pytest.param("paper-10x2", "box", "flat", marks=pytest.mark.slow),
        pytest.param("medium-50x10", "dict", "flat", marks=pytest.mark.slow),
        pytest.param("6g-subthz-10x2", "dict_flat", "tokens", marks=pytest.mark.slow),
    ],
)
def test_float64_equals_numpy(
    preset: str, encoding: str, observation: str, x64: None
) -> None:
    kwargs = {"preset": preset, "action_encoding": encoding}
    compared(kwargs | {"observation_encoding": observation}, seed=1, rtol=1e-12)


OTHERS: dict[str, dict[str, Any]] = {
    "each user and server": {
        "radio.path_loss": "uma",
        "radio.bandwidth_mhz": [5.0, 20.0],
        "radio.transmit_power_max_w": [[0.1, 0.2], [0.5, 0.5], [0.2, 1.0]],
        "server.noise_rise_db": [0.0, 6.0],
        "server.max_users": [None, 3],
        "device.cores": [[4], [5, 6], [4, 5, 6]],
        "device.power_reference_ghz": [1.2, 1.3, 1.4],
        "workload.tokens": [[100, 100], [512, 1024], [900, 2000]],
        "workload.epochs": [1, 2, 3],
        "workload.model": "llama-3.2-1b",
        "workload.adapter": "lora",
        "objective.downlink_energy_share": 0.5,
    },
    "given gains, whole layers": {
        "radio.channel_gain_db": [[-90, -110.5], [-120, -85], [-100, -101]],
        "layout.user_position_m": [[0, 1], [20, 30], [-100, 5]],
        "workload.model": "llama-2-7b",
        "workload.sequences": [1, 4],
        "workload.split": "whole_layers",
    },
    "given places": {
        "radio.path_loss": "sub-thz",
        "radio.antenna_gain_db": 30.0,
        "layout.user_position_m": [[0, 1], [20, 30], [-100, 5]],
        "layout.server_position_m": [[10, 10], [-10, -40]],
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_float64_equals_numpy_in_other_systems(name: str, x64: None) -> None:
    compared({"overrides": {"users": 3, "servers": 2} | OTHERS[name]}, 0, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_float64_equals_numpy_with_any_numbers(seed: int, x64: None) -> None:
    compared(random_task(seed), seed, rtol=1e-12)


@pytest.mark.parametrize("seed", range(1))
def test_float32_is_near(seed: int) -> None:
    # Delays of links that carry almost nothing are the least exact.
    assert compared(random_task(seed), seed, rtol=1e-3) < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 200))
def test_float32_is_near_with_any_numbers(seed: int) -> None:
    assert compared(random_task(seed), seed, rtol=1e-3) < 2e-5


def test_uniforms_that_round_up_draw_what_there_is() -> None:
    # 900 + 101 · (1 − 2⁻²³) is 1001 in float32, one more than the highest number.
    task = Task(overrides={"workload.tokens": [900, 1000], "device.cores": [1, 2, 3]})
    values = jnp.asarray([1.0, 1 - 2**-24, 1 - 2**-23, 0.0], dtype=jnp.float32)
    uniforms = jnp.broadcast_to(values[:, None], (4, task.sampler.block_size))
    drawn = jax.jit(task.sampler.from_uniforms)(uniforms)
    for name, limits in task.drawn_limits().items():
        assert limits.lowest * 0.999999 <= getattr(drawn, name).min(), name
        assert getattr(drawn, name).max() <= limits.highest * 1.000001, name
    most, least = 1000 * 64 * 32, 900 * 16 * 32  # tokens · sequences · bit a token
    assert drawn.data_bit[:, 0].tolist() == [most, most, most, least]
    cores = drawn.user_flop_per_cycle[:, 0] / 512
    assert cores.tolist() == [3, 3, 3, 1]


def test_a_loop_is_that_of_numpy(x64: None) -> None:
    """What `jit`, `vmap` and `scan` see is decided as the scalar environment does."""
    kwargs = {"preset": "tiny-4x2", "episode_length": 3}
    env, numpy_env, count, steps = JaxEnv(**kwargs), MecLlmEnv(**kwargs), 2, 7
    keys = jax.random.split(jax.random.key(5), count)
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, count, 28))

    @jax.jit
    def roll(keys: Any, actions: Any) -> Any:
        def body(carry: Any, action: Any) -> Any:
            state, observation = carry
            after = jax.vmap(env.step)(state, action)
            return after[:2], (state, observation, *after)

        return jax.lax.scan(body, jax.vmap(env.reset)(keys), actions)

    _, (before, observation, after, following, reward, done, info) = roll(keys, actions)
    scenarios = Scenario.unchecked(**before.scenario.to_dict()).to_numpy()
    for t in range(steps):
        for i in range(count):
            given = {"scenario": scenarios[t, i]}
            shown, empty = numpy_env.reset(options=given)
            np.testing.assert_allclose(observation[t, i], shown, atol=2e-6)
            *_, figures = numpy_env.step(actions[t, i])
            assert set(info) == set(figures) == set(empty)
            for name, value in figures.items():
                np.testing.assert_allclose(info[name][t, i], value, rtol=1e-12)
            np.testing.assert_allclose(reward[t, i], figures["scr"], rtol=1e-12)
    assert done.T.tolist() == [[False, False, True] * 2 + [False]] * count
    np.testing.assert_array_equal(observation[1:], following[:-1])
    decisions = [(t + 1) % 3 for t in range(steps)]
    assert after.decisions.T.tolist() == [decisions] * count
    # No scenario comes twice.
    assert len(np.unique(before.scenario.channel_gain[..., 0, 0])) == steps * count


def test_a_key_says_what_follows() -> None:
    env = JaxEnv(preset="tiny-4x2")
    key, other = jax.random.split(jax.random.key(0))
    reset, step, action = jax.jit(env.reset), jax.jit(env.step), jnp.zeros(28)
    state, first = reset(key)
    again, second = reset(key)
    np.testing.assert_array_equal(first, second)
    assert (reset(other)[1] != first).any()
    one, two = step(state, action), step(again, action)
    jax.tree.map(np.testing.assert_array_equal, one[1:], two[1:])
    assert (one[1] != first).any()
    # Actions do not change what is drawn next.
    np.testing.assert_array_equal(step(state, action + 0.5)[1], one[1])


def test_without_autoreset_the_end_stays() -> None:
    env = JaxEnv(preset="tiny-4x2", episode_length=2, autoreset=False)
    step = jax.jit(env.step)
    state, observation = jax.jit(env.reset)(jax.random.key(0))
    action = jnp.zeros(28)
    state, second, reward, done, _ = step(state, action)
    assert not done
    assert reward > 0
    assert (second != observation).any()
    state, last, reward, done, _ = step(state, action)
    assert done
    assert reward > 0
    np.testing.assert_array_equal(last, second)
    for _ in range(2):
        ended, still, reward, done, _ = step(state, action)
        assert done
        assert reward == 0
        np.testing.assert_array_equal(still, last)
        jax.tree.map(np.testing.assert_array_equal, _plain(ended), _plain(state))


def _plain(state: Any) -> Any:
    return state._replace(key=jax.random.key_data(state.key))


def test_the_observation_space_holds_what_is_seen() -> None:
    env = JaxEnv(observation_encoding="tokens", action_encoding="dict")
    _, observation = jax.jit(env.reset)(jax.random.key(1))
    assert env.observation_space.contains(jax.tree.map(np.asarray, observation))
    envs = MecLlmVectorEnv(observation_encoding="tokens", action_encoding="dict")
    assert env.observation_space == envs.single_observation_space
    assert env.action_space == envs.single_action_space


@pytest.mark.parametrize(
    "encoding",
    [e if e == "dict" else pytest.param(e, marks=pytest.mark.slow) for e in ENCODINGS],
)
def test_what_numpy_refuses_has_no_reward(encoding: str) -> None:
    env, state = JaxEnv(preset="tiny-4x2", action_encoding=encoding), tiny_state()
    step = jax.jit(env.step)
    rng = np.random.default_rng(0)
    action = jax.tree.map(lambda a: a[0], random_action(env.task, rng, 1))
    assert np.isfinite(step(state, action)[2])
    leaves, tree = jax.tree.flatten(action)
    scenario = env.task.sampler.from_uniforms(rng.random(env.task.sampler.block_size))
    for k, leaf in enumerate(leaves):
        wrong = [np.nan, np.inf] if leaf.dtype == np.float32 else [-1, 11]
        for value in wrong:
            changed = np.array(leaf)
            changed.flat[rng.integers(changed.size)] = value
            bad = jax.tree.unflatten(tree, [*leaves[:k], changed, *leaves[k + 1 :]])
            with pytest.raises(ValueError, match=r"finite|whole numbers"):
                env.task.decide(bad, scenario)
            after = step(state, bad)
            assert np.isnan(after[2])
            # The next scenario is not spoilt.
            assert np.isfinite(step(after[0], action)[2])


def test_held_out_scenarios_can_be_loaded(x64: None) -> None:
    bank, env = load_bank("tiny-4x2"), JaxEnv(preset="tiny-4x2")
    scenarios = env.load(bank.scenario[:4])
    assert scenarios.batch_shape == (4,)
    keys = jax.random.split(jax.random.key(0), 4)
    reset = jax.jit(jax.vmap(env.reset))
    state, observation = reset(keys, scenarios)
    codec = env.task.observation_codec
    np.testing.assert_allclose(observation, codec.encode(bank.scenario[:4]), atol=2e-6)
    action = ActionCodec(4, 2).project(bank.allocation[:4], bank.scenario[:4])[0]
    after, _, reward, _, _ = jax.jit(jax.vmap(env.step))(state, action)
    assert (np.asarray(reward) < bank.bound[:4]).all()
    assert (np.asarray(reward) > 0.9 * bank.bound[:4]).all()
    assert (after.scenario.channel_gain != scenarios.channel_gain).all()
    # A drawn state and a given one are the same tree, as `scan` needs.
    drawn = jax.tree.structure(jax.eval_shape(env.reset, keys[0])[0])
    assert jax.tree.structure(state) == drawn


def test_the_reward_has_a_gradient(x64: None) -> None:
    torch = pytest.importorskip("torch")
    env = JaxEnv(action_encoding="dict")
    scenario = jax.jit(env.draw)(jax.random.key(3))
    rng = np.random.default_rng(0)
    server, resources = rng.integers(0, 2, 10), rng.uniform(-0.9, 0.9, (10, 5))

    def scr(resources: Any) -> Any:
        action = {"association": server, "resources": resources}
        return env.decide(scenario, action)[1].scr

    ours = jax.jit(jax.grad(scr))(jnp.asarray(resources))

    from mec_llm_env.actions import decode_resources

    tensors = scenario.to_numpy().to_torch()
    unit = torch.tensor(resources, requires_grad=True)
    association = torch.eye(2, dtype=torch.float64)[server]
    allocation = decode_resources(tensors, association, unit)
    evaluate(tensors, allocation, check=False).scr.backward()
    np.testing.assert_allclose(ours, unit.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        (
            {"overrides": {"server.max_users": 6}},
            r"`server.max_users` must be at least",
        ),
        (
            {"overrides": {"server.max_users": [None, 6]}},
            r"`server.max_users` must be at least the 10 users .*; got 6\. .* trace",
        ),
        ({"config": {"users": 4}, "preset": "tiny-4x2"}, "takes the place of `preset`"),
        ({"action_encoding": "own"}, "`action_encoding` must be one of box.*by JAX"),
        ({"action_encoding": "boxes"}, "`action_encoding` must be one of"),
        ({"observation_encoding": "flate"}, "`observation_encoding` must be one of"),
        ({"autoreset": 1}, "`autoreset` must be True or False; got 1"),
        ({"episode_length": 0}, "`episode_length`"),
        ({"preset": "paper"}, "There is no preset"),
        ({"overrides": {"users": 0}}, "users"),
    ],
)
def test_arguments_are_checked(
    kwargs: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mec_llm_env.actions.registry._REGISTERED", {})
    register_encoding("own", lambda config: ActionCodec(config.users, config.servers))
    with pytest.raises(ValueError, match=text):
        JaxEnv(**kwargs)


def test_a_configuration_takes_the_place_of_a_preset() -> None:
    overrides = {"radio.bandwidth_mhz": 20.0}
    env = JaxEnv(config={"users": 4}, overrides=overrides)
    assert env.task.config == Task(overrides={"users": 4} | overrides).config
    assert JaxEnv(config=env.task.config).task.config == env.task.config


def test_the_gradient_passes_whole_layers() -> None:
    layers = jnp.asarray([16.0, 3.0])

    def last(fraction: Any) -> Any:
        return (whole_layers(fraction, layers) ** 2).sum()

    fraction = jnp.asarray([0.3, 0.45])
    nearest = whole_layers(np.asarray(fraction), np.asarray(layers))
    np.testing.assert_array_equal(whole_layers(fraction, layers), nearest)
    # As if nothing were rounded, at the place that is rounded to.
    np.testing.assert_allclose(jax.grad(last)(fraction), 2 * nearest, rtol=1e-6)


def test_slots_for_all_are_no_limit() -> None:
    env = JaxEnv(preset="tiny-4x2", overrides={"server.max_users": 4})
    state = tiny_state()
    info = jax.jit(env.step)(state, jnp.ones(28))[4]
    assert info["association_counts"].tolist() == [4, 0]


@pytest.mark.parametrize(
    ("encoding", "action", "text"),
    [
        ("box", np.zeros(27), r"`action` must have shape \(28,\); got \(27,\)"),
        ("box", np.zeros((2, 28)), r"got \(2, 28\). For a batch .* `jax.vmap`"),
        ("multi_discrete", np.zeros(28, dtype=int), r"must have shape \(24,\)"),
        (
            "dict",
            {"association": np.zeros(4, dtype=int)},
            "keys association, resources",
        ),
        ("dict", np.zeros(28), "must be a dictionary with keys"),
    ],
)
def test_shapes_of_actions_are_checked(encoding: str, action: Any, text: str) -> None:
    env, state = JaxEnv(preset="tiny-4x2", action_encoding=encoding), tiny_state()
    with pytest.raises(ValueError, match=text):
        jax.jit(env.step)(state, action)


def test_scenarios_are_checked_when_they_are_loaded() -> None:
    env = JaxEnv(preset="tiny-4x2")
    scenario = load_bank("tiny-4x2").scenario[0]
    fields = scenario.to_dict()
    with pytest.raises(ValueError, match=r"`scenario` must be a mec_llm_env\.Scenario"):
        env.load(fields)
    with pytest.raises(ValueError, match="must have 4 users and 2 servers"):
        env.load(load_bank("paper-10x2").scenario[0])
    with pytest.raises(ValueError, match="`max_users` must be at least the 4 users"):
        env.load(Scenario(**fields | {"max_users": [4, 2]}))
    with pytest.raises(ValueError, match="to be observed"):
        env.load(Scenario(**fields | {"data_bit": np.full(4, 1e18)}))
    rise = {"server.noise_rise_db": 3}
    with pytest.raises(ValueError, match="must have the `noise_rise` of the env"):
        JaxEnv(preset="tiny-4x2", overrides=rise).load(scenario)
    whole = {"workload.split": "whole_layers"}
    with pytest.raises(ValueError, match="must have `layers` = 16"):
        JaxEnv(preset="tiny-4x2", overrides=whole).load(scenario)


def test_a_reset_takes_a_single_loaded_scenario() -> None:
    env, bank = JaxEnv(preset="tiny-4x2"), load_bank("tiny-4x2")
    key = jax.random.key(0)
    with pytest.raises(ValueError, match=r"arrays of JAX; got ndarray\. Convert it"):
        env.reset(key, bank.scenario[0])
    with pytest.raises(ValueError, match=r"batch shape \(3,\). .* `jax.vmap`"):
        env.reset(key, env.load(bank.scenario[:3]))
    with pytest.raises(ValueError, match="`scenario` must be a mec_llm_env"):
        env.reset(key, 5)


@pytest.mark.parametrize("seed", range(1))
def test_float32_computes_with_all_that_can_be_observed(seed: int) -> None:
    env, rng = JaxEnv(preset="tiny-4x2"), np.random.default_rng(seed)
    scenario = extreme_scenarios(env.task, rng, 200)
    action = random_action(env.task, rng, 200)
    ours = jax.jit(jax.vmap(env.decide))(env.load(scenario), action)[1]
    theirs = env.task.decide(action, scenario)[1]
    for name, values in theirs.to_dict().items():
        assert np.isfinite(values).all(), name
    assert_close(ours, theirs, 1e-3)
