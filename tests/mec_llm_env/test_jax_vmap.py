"""`vmap_last` is `jax.vmap`, and several threads do what one does; needs JAX."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.mec_llm_env.test_jax_env import random_action, random_task

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
jax_vmap = pytest.importorskip("mec_llm_env.jax_vmap")
vmap_last = jax_vmap.vmap_last
JaxEnv = pytest.importorskip("mec_llm_env.jax_env").JaxEnv


def plain(tree: Any) -> list[Any]:
    """The leaves of a tree as arrays of NumPy, keys as their words."""
    leaves = jax.tree.leaves(tree)
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [
        np.asarray(jax.random.key_data(leaf) if key else leaf)
        for leaf, key in zip(leaves, keys, strict=True)
    ]


def assert_same(ours: Any, theirs: Any, rtol: float, atol: float = 0.0) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(plain(ours), plain(theirs), strict=True):
        assert one.dtype == other.dtype
        if one.dtype == np.float32 and rtol < 1e-7:  # observations
            np.testing.assert_allclose(one, other, atol=2e-6)
        else:
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def compared(seed: int) -> None:
    """Compares resetting, and deciding in all, with `jax.vmap`, in float64."""
    rng = np.random.default_rng(seed)
    env, batch = JaxEnv(**random_task(seed)), int(rng.integers(1, 20))
    action = random_action(env.task, rng, batch)

    def begin_and_decide(key: Any, action: Any) -> Any:
        state, observation = env.reset(key)
        following = env.step(state, action)
        return state, observation, following, env.decide(state.scenario, action)

    keys = jax.random.split(jax.random.key(seed), batch)
    ours = jax.jit(vmap_last(begin_and_decide))(keys, action)
    theirs = jax.jit(jax.vmap(begin_and_decide))(keys, action)
    assert_same(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("seed", range(1))
def test_environments_are_those_of_vmap(seed: int) -> None:
    with jax.enable_x64(True):
        compared(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 60))
def test_environments_are_those_of_vmap_with_any_numbers(seed: int) -> None:
    with jax.enable_x64(True):
        compared(seed)


def product(text: str) -> Callable[..., Any]:
    return lambda x, y: jnp.einsum(text, x, y)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "vector": (product("n,n->"), [(5,), (5,)]),
    "matrix, written out": (product("nm,m->n"), [(3, 16), (16,)]),
    "matrix, one sum": (product("nm,mk->nk"), [(3, 17), (17, 4)]),
    "matrix, many": (product("nm,mk->kn"), [(3, 65), (65, 4)]),
    "none to add": (product("nm,mk->nk"), [(3, 0), (0, 4)]),
    "users apart": (product("anm,bmn->nab"), [(2, 5, 3), (4, 3, 5)]),
    "two sums": (product("anm,bmn->ba"), [(2, 5, 3), (4, 3, 5)]),
    "turned": (lambda x: jnp.swapaxes(x, 0, 2).reshape(4, -1)[1:, ::2], [(2, 3, 4)]),
    "sums": (lambda x: (jnp.cumsum(x, 1), x.sum(0), x.max(), x.argmin(1)), [(2, 3)]),
    "numbers": (lambda x, y: jnp.where(x > 0, y, x * y + 1.5), [(), (3, 2)]),
    "weights": (lambda x: jnp.tanh(x @ np.ones((3, 4))) + np.arange(4.0), [(2, 3)]),
    "rows": (lambda x: jnp.asarray([4.0, 5, 6])[(3 * x % 3).astype(int)], [(2, 3)]),
    "parts": (lambda x: [jnp.stack([*x]), jnp.concatenate([x, x[:1] ** 2])], [(3, 2)]),
    "sorted": (lambda x: (jnp.sort(x, 0), jnp.linalg.norm(x[::-1])), [(3, 2)]),
    "constant": (lambda x: (jnp.arange(3) + 1, x), [(2,)]),
    "loop": (
        lambda x: jax.lax.scan(lambda s, r: (s + r, s * r), x[0], x),
        [(4, 3)],
    ),
    "branch": (
        lambda x: jax.lax.cond(x[0] > 0, jnp.sin, lambda y: y + jnp.cos(y), x),
        [(3,)],
    ),
    "custom gradient": (lambda x: jax.nn.relu(x) + jax.nn.softmax(x), [(5,)]),
    "gradient": (jax.grad(lambda x: (jnp.exp(x) @ jnp.ones(3)).sum()), [(2, 3)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_vmap(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    rng = np.random.default_rng(len(name))
    with jax.enable_x64(True):
        inputs = [jnp.asarray(rng.normal(size=(7, *shape))) for shape in shapes]
        ours = jax.jit(vmap_last(function))(*inputs)
        assert_same(ours, jax.vmap(function)(*inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("implementation", "partitionable"),
    [("threefry2x32", True), ("threefry2x32", False), ("rbg", True)],
)
def test_random_numbers_are_those_of_vmap(
    implementation: str, partitionable: bool
) -> None:
    def draw(key: Any) -> Any:
        key, *others = jax.random.split(key, 3)
        own = jax.random.fold_in(others[0], 7)
        return key, jax.random.uniform(own, (5, 3)), jax.random.bits(others[1], (4,))

    with jax.threefry_partitionable(partitionable):
        keys = jax.random.split(jax.random.key(3, impl=implementation), 6)
        ours, theirs = (jax.jit(v(draw))(keys) for v in (vmap_last, jax.vmap))
    for one, other in zip(plain(ours), plain(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_are_traced_have_gradients() -> None:
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)))

    def loss(vmap: Callable[..., Any], weights: Any) -> Any:
        return vmap(lambda x: jnp.tanh(x @ weights).sum())(inputs).mean()

    ours, theirs = (jax.grad(lambda w, v=v: loss(v, w)) for v in (vmap_last, jax.vmap))
    weights = jnp.ones((3, 2)) / 4
    np.testing.assert_allclose(jax.jit(ours)(weights), theirs(weights), rtol=1e-5)


def test_the_batch_must_be_one() -> None:
    add = vmap_last(lambda x, y: x + y)
    with pytest.raises(ValueError, match=r"one length, .* shapes \(2,\), \(3,\)"):
        add(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"got shapes \(\), \(3,\)"):
        add(1.0, np.ones(3))
    with pytest.raises(ValueError, match="got shapes none"):
        vmap_last(lambda: 0)()


def test_threads_do_what_one_does() -> None:
    """What `docs/environment.md` does on two cores, beside one batch."""
    env = JaxEnv(preset="tiny-4x2", episode_length=2)
    reset, step = jax.jit(vmap_last(env.reset)), jax.jit(vmap_last(env.step))
    keys = jax.random.split(jax.random.key(0), 8)
    actions = jax.random.uniform(keys[0], (8, 28), minval=-1, maxval=1)
    state = reset(keys)[0]
    states, own = [reset(k)[0] for k in jnp.split(keys, 2)], jnp.split(actions, 2)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            state, *whole = step(state, actions)
            parts = list(pool.map(step, states, own))
            states = [part[0] for part in parts]
            joined = jax.tree.map(lambda *p: jnp.concatenate(p), *parts)
            assert_same(joined, (state, *whole), rtol=2e-6, atol=1e-6)
