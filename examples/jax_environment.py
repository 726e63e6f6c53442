"""Trains a policy by policy gradient in JAX: one compiled loop, environment included."""

import time
from functools import partial

import jax
import jax.numpy as jnp

from mec_llm_env.bank import load_bank
from mec_llm_env.jax_env import JaxEnv

env = JaxEnv(preset="paper-10x2", observation_encoding="tokens")
BATCH, STEPS, NOISE, RATE, WIDTHS = 1024, 100, 0.4, 3e-3, (11 + 2 * 7, 64, 64, 2 + 5)


def policy(weights, observation):  # of a user's and the servers' tokens: [N, M + 5]
    servers = jnp.broadcast_to(observation["servers"].ravel(), (10, 14))
    x = jnp.concatenate([observation["users"], servers], axis=-1)
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    return x @ weights[-1]


def loss(weights, key):  # REINFORCE, the baseline being the mean of the batch
    key, own = jax.random.split(key)
    state, observation = jax.vmap(env.reset)(jax.random.split(key, BATCH))
    mean = jax.vmap(partial(policy, weights))(observation)
    noise = NOISE * jax.random.normal(own, mean.shape)
    action = jax.lax.stop_gradient(mean + noise)
    scr = jax.vmap(env.step)(state, action.reshape(BATCH, -1))[2]
    log_probability = -jnp.sum((action - mean) ** 2, axis=(1, 2)) / (2 * NOISE**2)
    return -jnp.mean((scr - scr.mean()) / scr.std() * log_probability), scr.mean()


def update(carry, key):  # Adam
    weights, m, v, t = carry
    slope, scr = jax.grad(loss, has_aux=True)(weights, key)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, slope)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, slope)
    scale = RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    step = jax.tree.map(lambda m, v: scale * m / (jnp.sqrt(v) + 1e-8), m, v)
    return (jax.tree.map(jnp.subtract, weights, step), m, v, t + 1), scr


def share_of_bound(weights, bank):  # on held-out scenarios
    scenarios = env.load(bank.scenario)
    actions = jax.vmap(partial(policy, weights))(jax.vmap(env.observe)(scenarios))
    decided = jax.vmap(env.decide)(scenarios, actions.reshape(len(bank), -1))[1]
    return float((decided.scr / bank.bound).mean())


keys = jax.random.split(jax.random.key(0), STEPS + 3)
weights = [
    jax.random.normal(k, s) / s[0] ** 0.5
    for k, s in zip(keys[STEPS:], zip(WIDTHS, WIDTHS[1:]))
]
zeros = jax.tree.map(jnp.zeros_like, weights)
bank, start = load_bank("paper-10x2"), time.time()
carry, scr = jax.jit(partial(jax.lax.scan, update))(
    (weights, zeros, zeros, 1), keys[:STEPS]
)
print("SCR in training:", scr[::50].round(1).tolist(), round(float(scr[-1]), 1))
print(f"{STEPS * BATCH:,} decisions in {time.time() - start:.1f} s")
print(
    f"before {share_of_bound(weights, bank):.3f}, after {share_of_bound(carry[0], bank):.3f} of the bound"
)
