"""Trains a policy by REINFORCE in JAX: one compiled loop with everything in it."""

import jax
import jax.numpy as jnp

from mec_llm_env.bank import load_bank
from mec_llm_env.jax_env import JaxEnv

env, bank = JaxEnv(observation_encoding="tokens"), load_bank("paper-10x2")
BATCH, STEPS, NOISE, RATE = 1024, 150, 0.4, 0.3


def act(weights, observation):
    """Returns the mean action [N, M + 5] of a network on each user's token."""
    return jnp.tanh(observation["users"] @ weights[0]) @ weights[1]


def loss(weights, key):
    """Returns the loss, the batch's mean being the baseline, and the mean SCR."""
    key, own = jax.random.split(key)
    state, observation = jax.vmap(env.reset)(jax.random.split(key, BATCH))
    mean = jax.vmap(lambda o: act(weights, o))(observation)
    action = mean + NOISE * jax.random.normal(own, mean.shape)
    action = jax.lax.stop_gradient(action)
    scr = jax.vmap(env.step)(state, action.reshape(BATCH, -1))[2]
    log_density = -((action - mean) ** 2).sum(axis=(1, 2)) / (2 * NOISE**2)
    return -((scr - scr.mean()) / scr.std() * log_density).mean(), scr.mean()


def update(weights, key):
    """Steps along the gradient, by the same length in every layer."""
    slope, scr = jax.grad(loss, has_aux=True)(weights, key)
    step = jax.tree.map(lambda g: RATE * g / jnp.linalg.norm(g), slope)
    return jax.tree.map(jnp.subtract, weights, step), scr


first, second, *keys = jax.random.split(jax.random.key(0), STEPS + 2)
weights = jax.random.normal(first, (11, 64)), jax.random.normal(second, (64, 7)) / 8
trained, scr = jax.jit(lambda w: jax.lax.scan(update, w, jnp.stack(keys)))(weights)
print("mean SCR of a batch:", *scr[::25].round(1))
scenario = env.load(bank.scenario)  # held out
for name, w in (("before", weights), ("after", trained)):
    action = act(w, env.observe(scenario)).reshape(len(bank), -1)
    share = env.decide(scenario, action)[1].scr / bank.bound
    print(f"{name} training: {share.mean():.3f} of the certified bound")
