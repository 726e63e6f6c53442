"""Steps of mobile-env, timed on request; run by `bench_env.py --peer`.

Knows nothing of this project, because it runs in an environment of its own. For each
line of standard input, a number of steps, it prints how many seconds they took.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version

import gymnasium as gym
import mobile_env  # noqa: F401  registers its environments


def main() -> None:
    """Answers until standard input ends."""
    env = gym.make("mobile-small-central-v0").unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    print(version("mobile-env"), flush=True)
    for line in sys.stdin:
        actions = [env.action_space.sample() for _ in range(int(line))]
        elapsed_s = 0.0
        for action in actions:
            start = time.perf_counter()
            *_, terminated, truncated, _ = env.step(action)
            elapsed_s += time.perf_counter() - start
            if terminated or truncated:
                env.reset()
        print(elapsed_s, flush=True)


if __name__ == "__main__":
    main()
