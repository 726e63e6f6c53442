"""Records what a solver decides as a Minari data set, for offline learning.

    python -m experiments.record --solver dual --episodes 1000 --output mec-llm/dual-v0

Episode i is that of seed 30,000,000 + i, the scenarios of demonstrations, so that no
validation or test scenario is among them. The data set lies where Minari keeps its
local ones, which the variable MINARI_DATASETS_PATH changes. Needs the extra `offline`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from agents.console.command_line import (
    OneLineParser,
    add_override_option,
    one_line_errors,
    parse_overrides,
    positive_integer,
)
from agents.console.display import Display
from agents.console.terminal import run_script
from agents.problems.instances import DEMONSTRATION_SEED
from dashf import SOLVERS, SolverPolicy
from mec_llm_env.held_out import MOST_HELD_OUT

ENV_ID = "MecLlm-v0"
EPISODES = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Records; returns the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        minari = _minari()
        _check_output(minari, options.output)
        if options.episodes > MOST_HELD_OUT:
            raise ValueError(
                f"`--episodes` must be at most {MOST_HELD_OUT:,}; got "
                f"{options.episodes:,}."
            )
        overrides = parse_overrides(options.override, "--override")
        env = _make(options.env, overrides)
        policy = SolverPolicy(env, options.solver)
    collector = minari.DataCollector(env, record_infos=True)
    with Display("recording", options.episodes) as display:
        figures = record(collector, policy, options.episodes, display.update)
    collector.create_dataset(
        options.output,
        algorithm_name=options.solver,
        description=f"Decisions of the solver {options.solver}; episode i has the seed "
        f"{DEMONSTRATION_SEED} + i.",
        requirements=["mec-llm-env"],
    )
    collector.close()
    print(
        f"{options.output}: {options.episodes:,} episodes of {options.env}, mean "
        f"return {figures['return']:.4f}; actions differ from its allocations by at "
        f"most {figures['projection_distance']:.2g}, relatively."
    )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = OneLineParser(
        prog="experiments.record",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--solver", choices=SOLVERS, default="dual", help="who decides (%(default)s)")
    add("--episodes", type=positive_integer, default=EPISODES, help="(%(default)s)")
    add("--output", metavar="DATASET", required=True, help="id, such as cell/dual-v0")
    add("--env", metavar="ID", default=ENV_ID, help="of the environment (%(default)s)")
    add_override_option(parser)
    return parser


def record(
    collector: Any,
    policy: SolverPolicy,
    episodes: int,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Plays episodes; returns the mean return and largest `projection_distance`.

    Args:
        collector: a `minari.DataCollector` around an environment.
        policy: decides in that environment.
        episodes: how many.
        advance: called with the number of them that are played.
    """
    returns, distance = np.zeros(episodes), 0.0
    for i in range(episodes):
        observation, _ = collector.reset(seed=DEMONSTRATION_SEED + i)
        ended = False
        while not ended:
            action, _ = policy.predict(observation)
            assert policy.projection_distance is not None  # of this action
            distance = max(distance, float(np.max(policy.projection_distance)))
            observation, reward, terminated, truncated, _ = collector.step(action)
            returns[i] += reward
            ended = terminated or truncated
        advance(i + 1)
    return {"return": float(returns.mean()), "projection_distance": distance}


def _minari() -> Any:
    """Returns Minari.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import minari
    except ImportError as error:
        raise ValueError(
            f"`experiments.record` needs Minari ({error}). Install the extra: "
            "pip install '.[offline]'."
        ) from None
    return minari


def _check_output(minari: Any, output: str) -> None:
    """Refuses what is no id of a data set, and one that there is.

    Raises:
        ValueError: it is one of these.
    """
    from minari.dataset.minari_dataset import parse_dataset_id

    parse_dataset_id(output)
    if output in minari.list_local_datasets():
        raise ValueError(
            f"`--output` must be a new data set; got {output!r}, which there is. "
            f"Choose another version, or delete it: minari delete {output}."
        )


def _make(env_id: str, overrides: dict[str, Any]) -> gym.Env[Any, Any]:
    """Makes the environment.

    Raises:
        ValueError: there is none of that id, or a parameter is not valid.
    """
    known = [name for name in gym.registry if name.startswith("MecLlm")]
    if env_id not in known:
        raise ValueError(f"`--env` must be one of {', '.join(known)}; got {env_id!r}.")
    # Recorded with the data; processes that import nothing can make it again.
    kwargs: dict[str, Any] = {"overrides": overrides} if overrides else {}
    return gym.make(f"mec_llm_env:{env_id}", **kwargs)


if __name__ == "__main__":
    raise SystemExit(run_script(main, "experiments.record"))
