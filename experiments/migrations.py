"""When agents migrate in MecLlmMobile-v0: by class of speed, and by slots left.

    python -m experiments.migrations --agents hysteresis lookahead runs/ppo/latest

Every agent decides the same test episodes. The upper panel has the migrations of 100
users in a slot by their class of speed, the lower one over the slots of an episode:
whoever looks ahead moves few users when little is left. The plan that knows the future
is drawn beside them, from the bank.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from agents.episodes import decided_slots
from agents.evaluation.style import to_png
from agents.instances import held_out_instances
from agents.registry import make_agent
from experiments.figure import new_figure, write_csv
from mec_llm_env import MobileConfig, Trajectory
from mec_llm_env.bank.trajectories import load_trajectory_bank
from mec_llm_env.files import write_whole
from mec_llm_env.mobile_config import SPEED_CLASSES
from mec_llm_env.mobile_task import MobileTask

Array = Any

_WINDOW = 5  # slots that are averaged over
_PLAN = "plan (knows the future)"


def migrations_of(name: str, trajectory: Trajectory) -> Array:
    """Returns who migrates in the episodes that an agent decides, [I, T, N] bool."""
    task = MobileTask()
    policy = make_agent(name, task)
    moved = []
    for slot in decided_slots(policy, getattr(policy, "task", task), trajectory):
        serving = slot.scenario.serving
        assert serving is not None
        stays = (serving * slot.allocation.association).any(axis=-1)
        moved.append(serving.any(axis=-1) & ~stays)
    return np.stack(moved, axis=1)


def planned_migrations(count: int) -> Array:
    """Returns who migrates in the bank's plans of the first episodes, [I, T, N]."""
    bank = load_trajectory_bank("mobile-10x2")
    server, joined = bank.server[:count], bank.trajectory.joined[:count]
    moved = np.zeros(server.shape, dtype=bool)
    moved[:, 1:] = (server[:, 1:] != server[:, :-1]) & ~joined[:, 1:]
    return moved


def speed_class(trajectory: Trajectory) -> Array:
    """Returns the class of every user in every slot, [I, T, N], as `SPEED_CLASSES`."""
    slowest = MobileConfig().mobility.vehicular_speed_m_per_s[0]
    speed = trajectory.user_speed_m_per_s
    assert speed is not None
    return np.where(speed == 0, 0, np.where(speed < slowest, 1, 2))


def main() -> None:
    """Parses the command line, and writes a figure and its numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--agents", nargs="+", default=["dual", "hysteresis", "lookahead"]
    )
    parser.add_argument("--labels", nargs="+", help="of the agents, in the figure")
    parser.add_argument("--episodes", type=int, default=100, metavar="I")
    parser.add_argument("--output", type=Path, default=Path("results/figures"))
    arguments = parser.parse_args()
    labels = arguments.labels or arguments.agents
    if len(labels) != len(arguments.agents):
        parser.error("--labels must be as many as --agents")
    if not 1 <= arguments.episodes <= 100:
        parser.error("--episodes must be from 1 to 100, which the bank holds")
    trajectory = held_out_instances(MobileConfig(), arguments.episodes)
    moved = {
        label: migrations_of(name, trajectory)
        for label, name in zip(labels, arguments.agents, strict=True)
    }
    moved[_PLAN] = planned_migrations(arguments.episodes)

    kind = speed_class(trajectory)
    rates = {
        label: [100 * m[kind == k].mean() for k in range(len(SPEED_CLASSES))]
        for label, m in moved.items()
    }
    over_time = {label: 100 * m.mean(axis=(0, 2)) for label, m in moved.items()}
    rows: list[list[Any]] = [["agent", *SPEED_CLASSES, "last 10 slots", "slots 11-20"]]
    rows += [
        [
            label,
            *(f"{rate:.3f}" for rate in rates[label]),
            f"{over_time[label][-10:].mean():.3f}",
            f"{over_time[label][10:20].mean():.3f}",
        ]
        for label in moved
    ]
    write_csv(arguments.output / "migrations.csv", rows)

    figure, (left, right) = new_figure(2)
    width = 0.8 / len(moved)
    for i, (label, rate) in enumerate(rates.items()):
        shade = str(0.75 * i / len(moved))
        places = np.arange(len(SPEED_CLASSES)) + (i - (len(moved) - 1) / 2) * width
        left.bar(places, rate, width, color=shade, edgecolor="white", label=label)
        smooth = np.convolve(over_time[label], np.ones(_WINDOW) / _WINDOW, "valid")
        slots = np.arange(len(smooth)) + (_WINDOW + 1) / 2
        line = ("-", "--", ":", "-.")[i % 4]
        right.plot(slots, smooth, line, color=shade, marker="osD^v"[i % 5], markevery=6)
    left.set_xticks(range(len(SPEED_CLASSES)), SPEED_CLASSES)
    left.set_ylabel("migrations of 100 users in a slot")
    left.legend(fontsize=8)
    right.set_xlabel("slot")
    right.set_ylim(bottom=0)
    write_whole(arguments.output / "migrations.png", to_png(figure))
    print("\n".join(",".join(map(str, row)) for row in rows))


if __name__ == "__main__":
    main()
