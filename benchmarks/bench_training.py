"""Where the time of PPO's training goes, and how near it is to its network alone.

    python benchmarks/bench_training.py

Trains the policies of `train.py --agent ppo` with their tuned hyperparameters, one
thread, and takes the processor time of their parts: "network" is passes forward and
backward, clipping and the optimiser's steps on the very batches of the training, so
that decisions over its time are what a training could reach whose environment and
algorithm cost nothing.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when NumPy and PyTorch are imported
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from stable_baselines3 import PPO

sys.path.append(str(Path(__file__).resolve().parents[1]))  # `agents` is not installed
from agents.algorithms import ALGORITHMS, load_object
from agents.run.hyperparameters import RUN_KEYS, as_arguments, load_hyperparameters
from mec_llm_env.sb3 import SB3VecEnv
from mec_llm_env.vector_env import MecLlmVectorEnv

POLICIES = ("mlp", "set")
#: Parts in the order in which they are met, and whether they are the network's.
PARTS = {
    "environment": False,
    "network, acting": True,
    "network, forward": True,
    "network, backward": True,
    "clipping and optimiser": True,
}


def build(policy: str, preset: str) -> PPO:
    """Returns an untrained model as `train.py --policy` makes it."""
    tuned = load_hyperparameters("ppo", "MecLlm-v0", policy)
    arguments = as_arguments({k: v for k, v in tuned.items() if k not in RUN_KEYS})
    envs = MecLlmVectorEnv(tuned["n_envs"], preset=preset)
    config = envs.task.config
    if policy in ALGORITHMS["ppo"].any_size:
        size = {"n_users": config.users, "n_servers": config.servers}
        arguments["policy_kwargs"] = arguments.get("policy_kwargs", {}) | size
    name = ALGORITHMS["ppo"].policy_name(policy, envs.task.action_codec.encoding)
    policy_class = load_object(name) if "." in name else name
    return PPO(policy_class, SB3VecEnv(envs), seed=0, device="cpu", **arguments)


@contextmanager
def timed(model: PPO, seconds: dict[str, float]) -> Iterator[None]:
    """Adds up the processor time of each part while the context lasts."""
    inside = False  # a part that calls another has its time, too

    def watch(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return function(*args, **kwargs)
            inside, start = True, time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[part] += time.process_time() - start
                inside = False

        return run

    optimizer = model.policy.optimizer
    places = [
        (model.env, "step", "environment"),
        (model.policy, "forward", "network, acting"),
        (model.policy, "predict_values", "network, acting"),
        (model.policy, "evaluate_actions", "network, forward"),
        (torch.Tensor, "backward", "network, backward"),
        (torch.nn.utils, "clip_grad_norm_", "clipping and optimiser"),
        (optimizer, "step", "clipping and optimiser"),
    ]
    with ExitStack() as stack:
        for owner, name, part in places:
            watched = watch(getattr(owner, name), part)
            stack.enter_context(patch.object(owner, name, watched))
        yield


def measure(model: PPO, rollouts: int) -> tuple[int, float, dict[str, float]]:
    """Returns decisions, processor seconds in all, and those of the parts."""
    decisions = rollouts * model.n_envs * model.n_steps
    seconds: dict[str, float] = defaultdict(float)
    with timed(model, seconds):
        start = time.process_time()
        model.learn(decisions)
        total_s = time.process_time() - start
    return decisions, total_s, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description="Times the parts of PPO's training.")
    parser.add_argument("--preset", default="paper-10x2")
    parser.add_argument("--rollouts", type=int, default=20)
    options = parser.parse_args(arguments)

    torch.set_num_threads(1)
    print("| µs of processor time a decision | " + " | ".join(POLICIES) + " |")
    print("|---|" + "--:|" * len(POLICIES))
    columns = []
    for policy in POLICIES:
        model = build(policy, options.preset)
        measure(model, 1)  # warms up
        decisions, total_s, seconds = measure(model, options.rollouts)
        network_s = sum(seconds[part] for part, is_its in PARTS.items() if is_its)
        cells = {part: 1e6 * seconds[part] / decisions for part in PARTS}
        cells["rest of Stable-Baselines3"] = (
            1e6 * (total_s - sum(seconds.values())) / decisions
        )
        cells["all"] = 1e6 * total_s / decisions
        cells["decisions a second"] = decisions / total_s
        cells["of the network alone"] = decisions / network_s
        columns.append(cells)
    for part in columns[0]:
        row = (
            f"{cells[part]:,.{1 if cells[part] < 1000 else 0}f}" for cells in columns
        )
        print(f"| {part} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
