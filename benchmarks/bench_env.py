"""Decisions per second of the environments and of training, and mobile-env's steps.

    python benchmarks/bench_env.py --peer

Every round times every case once, so that what else the machine does meets all of them
alike; a figure is the median over the rounds and their interquartile range, a ratio the
median of the rounds' ratios. A decision of the scalar environment is a reset and a
step; a step of the batched one decides in all sub-environments, draws their next
scenarios and reports their infos; one of training is PPO's rollout and update with the
tuned hyperparameters. "mobile" is `MecLlmMobile-v0` with as many users and servers,
also as a ratio to `MecLlm-v0` in the same round. BLAS and PyTorch have one thread; the
model is in float64. "JAX" are steps of `JaxEnv` in both precisions, where JAX is
installed, in rollouts that are compiled as a whole: each core has a thread with its
part of the batch, as docs/environment.md has it, and all that a step returns is kept.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when NumPy is imported
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import itertools
import math
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from mec_llm_env import ScenarioConfig

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # `agents` is not installed
PRESETS = ("paper-10x2", "medium-50x10", "large-1000x50")
BATCHES = (1, 64, 1024, 4096)
SCANNED = 16  # steps of a compiled rollout of JAX
MOBILE = "mobile, "  # begins the names of its cases
MAX_PAIRS = 4_000_000  # user-server pairs in a batch; about 0.7 GiB
PEER = "mobile-small-central-v0"
PEER_REQUIREMENT = "mobile-env==2.1.0"

PEAK_MEMORY = """
import resource, sys
import gymnasium as gym
envs = gym.make_vec("mec_llm_env:MecLlm-v0", 16, preset="large-1000x50")
envs.reset(seed=0)
for _ in range(3):
    envs.step(envs.action_space.sample())
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


class Case(NamedTuple):
    """Something to time: `run(n)` returns the seconds that n of its steps took."""

    name: str
    preset: str
    decisions: int  # a step
    run: Callable[[int], float]


def scalar_case(preset: str) -> Case:
    """Resets and steps of the scalar environment."""
    env = gym.make("MecLlm-v0", preset=preset).unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)

    def run(n_steps: int) -> float:
        actions = [env.action_space.sample() for _ in range(min(n_steps, 64))]
        start = time.perf_counter()
        for action in itertools.islice(itertools.cycle(actions), n_steps):
            env.reset()
            env.step(action)
        return time.perf_counter() - start

    return Case("scalar", preset, 1, run)


def mobile_arguments(preset: str) -> dict[str, Any]:
    """Returns the arguments of a sequential environment of a preset's size."""
    config = ScenarioConfig.preset(preset)
    return {"overrides": {"users": config.users, "servers": config.servers}}


def mobile_scalar_case(preset: str) -> Case:
    """Steps of the scalar sequential environment, and a reset an episode."""
    env = gym.make("MecLlmMobile-v0", **mobile_arguments(preset)).unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)

    def run(n_steps: int) -> float:
        actions = [env.action_space.sample() for _ in range(min(n_steps, 64))]
        start = time.perf_counter()
        for action in itertools.islice(itertools.cycle(actions), n_steps):
            if env.step(action)[2]:
                env.reset()
        return time.perf_counter() - start

    return Case(f"{MOBILE}scalar", preset, 1, run)


def batched_case(preset: str, batch: int, *, mobile: bool = False) -> Case:
    """Steps of the batched environment in SAME_STEP mode."""
    if mobile:
        envs = gym.make_vec("MecLlmMobile-v0", batch, **mobile_arguments(preset))
    else:
        envs = gym.make_vec("MecLlm-v0", batch, preset=preset)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = envs.action_space.sample()

    def run(n_steps: int) -> float:
        start = time.perf_counter()
        for _ in range(n_steps):
            envs.step(actions)
        return time.perf_counter() - start

    return Case(f"{MOBILE * mobile}batched, {batch}", preset, batch, run)


def jax_case(preset: str, batch: int, *, x64: bool) -> Case:
    """Compiled rollouts of `JaxEnv` by `vmap_last`, a part of the batch a thread."""
    import jax
    import jax.numpy as jnp

    from mec_llm_env.jax_env import JaxEnv
    from mec_llm_env.jax_vmap import vmap_last

    n_parts = math.gcd(batch, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(n_parts)
    env = JaxEnv(preset=preset)
    env.action_space.seed(0)
    samples = np.stack([env.action_space.sample() for _ in range(batch)])
    keys = jnp.split(jax.random.split(jax.random.key(0), batch), n_parts)
    step = vmap_last(env.step)

    @jax.jit  # type: ignore[untyped-decorator]
    def rollout(state: Any, actions: Any) -> Any:
        def one(state: Any, _: None) -> Any:
            state, *results = step(state, actions)
            return state, results

        return jax.lax.scan(one, state, length=SCANNED)

    with jax.enable_x64(x64):
        actions = jnp.split(jnp.asarray(samples), n_parts)
        reset = jax.jit(vmap_last(env.reset))
        states = [reset(part)[0] for part in keys]

    def part(k: int, n_steps: int) -> None:
        with jax.enable_x64(x64):  # of a thread
            for _ in range(n_steps):
                states[k], results = rollout(states[k], actions[k])
            jax.block_until_ready((states[k], results))

    def run(n_steps: int) -> float:
        start = time.perf_counter()
        list(pool.map(part, range(n_parts), [n_steps] * n_parts))
        return time.perf_counter() - start

    name = f"JAX float{64 if x64 else 32}, {batch}"
    return Case(name, preset, batch * SCANNED, run)


def training_case(preset: str) -> Case:
    """Rollouts and updates of PPO on the batched environment."""
    from stable_baselines3 import PPO

    from agents.run.hyperparameters import (
        RUN_KEYS,
        as_arguments,
        load_hyperparameters,
    )
    from mec_llm_env.sb3 import SB3VecEnv
    from mec_llm_env.vector_env import MecLlmVectorEnv

    tuned = load_hyperparameters("ppo", "MecLlm-v0")
    arguments = as_arguments({k: v for k, v in tuned.items() if k not in RUN_KEYS})
    envs = SB3VecEnv(MecLlmVectorEnv(tuned["n_envs"], preset=preset))
    model = PPO(tuned["policy"], envs, seed=0, device="cpu", **arguments)
    rollout = tuned["n_envs"] * model.n_steps

    def run(n_steps: int) -> float:
        start = time.perf_counter()
        model.learn(n_steps * rollout)
        return time.perf_counter() - start

    return Case(f"PPO training, {tuned['n_envs']}", preset, rollout, run)


def peer_case(stack: ExitStack) -> Case:
    """Steps of mobile-env, in a process and an environment of its own."""
    folder = ROOT / ".venv-peer"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", PEER_REQUIREMENT]
    subprocess.run(install, check=True)
    peer = subprocess.Popen(
        [python, Path(__file__).with_name("peer_mobile_env.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.enter_context(peer)
    assert peer.stdin is not None
    assert peer.stdout is not None
    requests, answers = peer.stdin, peer.stdout
    name = f"mobile-env {answers.readline().strip()}"

    def run(n_steps: int) -> float:
        requests.write(f"{n_steps}\n")
        requests.flush()
        return float(answers.readline())

    return Case(name, PEER, 1, run)


def own_cases(
    presets: Sequence[str], batches: Sequence[int], training: bool
) -> list[Case]:
    """Returns the cases of this project; what needs too much memory is left out."""
    cases = []
    if find_spec("jax"):
        import jax

        jax.config.update("jax_threefry_partitionable", False)  # half the random bits
    for preset in presets:
        config = ScenarioConfig.preset(preset)
        pairs = config.users * config.servers
        cases.append(scalar_case(preset))
        fitting = [b for b in batches if b * pairs <= MAX_PAIRS]
        cases += [batched_case(preset, b) for b in fitting]
        if find_spec("jax"):
            cases += [
                jax_case(preset, b, x64=x) for b in fitting for x in (False, True)
            ]
        cases.append(mobile_scalar_case(preset))
        cases += [batched_case(preset, b, mobile=True) for b in fitting]
        if training and max(BATCHES) * pairs <= MAX_PAIRS:
            cases.append(training_case(preset))
    return cases


def measure(cases: Sequence[Case], n_rounds: int, seconds: float) -> np.ndarray:
    """Returns decisions per second, [case, round], the cases taking turns."""
    n_steps = []
    for case in cases:
        case.run(1)  # warms up
        n_steps.append(max(1, round(seconds / case.run(1))))
    rates = np.empty((len(cases), n_rounds))
    for k in range(n_rounds):
        for i, case in enumerate(cases):
            rates[i, k] = n_steps[i] * case.decisions / case.run(n_steps[i])
    return rates


def quartiles(values: np.ndarray, digits: int = 0) -> str:
    """Returns "median (lower quartile-upper quartile)"."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def markdown(
    cases: Sequence[Case], rates: np.ndarray, presets: Sequence[str], digits: int = 0
) -> str:
    """Returns a table with a row for each environment and a column for each preset."""
    cells = {
        (case.name, case.preset): quartiles(rate, digits)
        for case, rate in zip(cases, rates, strict=True)
    }
    lines = [
        f"| environment | {' | '.join(presets)} |",
        f"|---|{'---:|' * len(presets)}",
    ]
    for name in dict.fromkeys(case.name for case in cases):
        row = [cells.get((name, preset), "too large") for preset in presets]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines)


def mobile_ratios(
    cases: Sequence[Case], rates: np.ndarray
) -> tuple[list[Case], np.ndarray]:
    """Returns the sequential cases and their rates over the others', by round."""
    index = {(case.name, case.preset): i for i, case in enumerate(cases)}
    found = [case for case in cases if case.name.startswith(MOBILE)]
    pairs = [
        (index[c.name, c.preset], index[c.name.removeprefix(MOBILE), c.preset])
        for c in found
    ]
    return found, np.array([rates[i] / rates[j] for i, j in pairs])


def processor() -> str:
    """Returns the processor's name, or its architecture where that is not known."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


def peak_memory_gib() -> float:
    """Returns the peak memory of a process that steps a 1000×50 batch of 16, in GiB."""
    command = [sys.executable, "-c", PEAK_MEMORY]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(output.stdout) / 2**30


def main(arguments: Sequence[str] | None = None) -> None:
    """Times everything and prints a report in Markdown."""
    parser = argparse.ArgumentParser(description="Times the environments.")
    parser.add_argument("--peer", action="store_true", help="time mobile-env as well")
    parser.add_argument(
        "--training", action=argparse.BooleanOptionalAction, default=True
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2, help="a case and round")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    options = parser.parse_args(arguments)

    memory_gib = peak_memory_gib()  # first: a child's peak is at least its parent's
    cases = own_cases(options.presets, options.batches, options.training)
    with ExitStack() as stack:
        timed = [*cases, peer_case(stack)] if options.peer else cases
        rates = measure(timed, options.rounds, options.seconds)

    names = ("NumPy", "Gymnasium", *(("jax",) if find_spec("jax") else ()))
    libraries = [f"{name} {version(name)}" for name in names]
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"{', '.join(libraries)}; {options.rounds} rounds.\n"
    )
    print("Decisions per second, median (interquartile range):\n")
    print(markdown(cases, rates[: len(cases)], options.presets))
    print("\nDecisions of MecLlmMobile-v0 per decision of MecLlm-v0:\n")
    print(markdown(*mobile_ratios(cases, rates), options.presets, digits=2))
    print(f"\nPeak memory of 16 × 1000×50: {memory_gib:.2f} GiB")
    if options.peer:
        peer = f"{timed[-1].name}, {PEER}"
        print(f"\n{peer}: {quartiles(rates[-1])} steps per second.\n")
        print("Decisions per step of mobile-env in the same round:\n")
        print(markdown(cases, rates[:-1] / rates[-1], options.presets, digits=1))


if __name__ == "__main__":
    main()
