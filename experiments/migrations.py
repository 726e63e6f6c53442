"""When agents migrate in MecLlmMobile-v0: by class of speed, and by slots left.

    python -m experiments.migrations --agents hysteresis lookahead runs/ppo/latest

Every agent decides the same test episodes. One panel has the migrations of 100 users in
a slot by their class of speed, the other one over the slots of an episode: whoever
looks ahead moves few users when little is left. `clairvoyant` is the plan of who knows
the future, from the bank where it has the episode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.transforms import ScaledTranslation

from agents.clairvoyant import CLAIRVOYANT, Clairvoyant
from agents.console.command_line import (
    add_task_options,
    check_memory,
    one_line_errors,
    positive_integer,
    task_arguments,
)
from agents.console.display import Display
from agents.console.terminal import run_script
from agents.evaluation.selection import Entry, select
from agents.evaluation.style import Look, looks_of
from agents.problems.episodes import decided_slots
from agents.problems.instances import held_out_instances
from agents.problems.tasks import ENVIRONMENTS, MOBILE_ENV, make_task, whole_arguments
from agents.registry import make_agent
from agents.storage.folders import check_writable
from experiments.figure.drawing import draw_band, side_by_side, styled, write_figure
from experiments.figure.options import figure_parser, system_name
from experiments.figure.sweeps import program
from experiments.figure.tables import Block, interval
from mec_llm_env import MobileConfig, Trajectory
from mec_llm_env.mobile.config import SPEED_CLASSES

Array = Any

NAME = "migrations"
_PRESET = ENVIRONMENTS[MOBILE_ENV].default_preset
_WINDOW = 5  # slots that are averaged over
_MARKERS = 6  # of a curve
_UNIT = "migrations of 100 users in a slot"


def migrations_of(name: str, task: Any, trajectory: Trajectory) -> Array:
    """Returns who migrates in the episodes that an agent decides, [I, T, N] bool."""
    policy = make_agent(name, task)
    if isinstance(policy, Clairvoyant):
        return planned_migrations(policy, trajectory)
    moved = []
    for slot in decided_slots(policy, getattr(policy, "task", task), trajectory):
        serving = slot.scenario.serving
        assert serving is not None
        stays = (serving * slot.allocation.association).any(axis=-1)
        moved.append(serving.any(axis=-1) & ~stays)
    return np.stack(moved, axis=1)


def planned_migrations(planner: Clairvoyant, trajectory: Trajectory) -> Array:
    """Returns who migrates in the plans of episodes, [I, T, N] bool."""
    count = trajectory.batch_shape[0]
    server = np.stack([planner.servers(trajectory[i]) for i in range(count)])
    moved = np.zeros(server.shape, dtype=bool)
    joined = trajectory.joined[:, 1:]
    moved[:, 1:] = (server[:, 1:] != server[:, :-1]) & ~joined
    return moved


def speed_class(trajectory: Trajectory, config: MobileConfig) -> Array:
    """Returns the class of every user in every slot, [I, T, N], as `SPEED_CLASSES`."""
    slowest = config.mobility.vehicular_speed_m_per_s[0]
    speed = trajectory.user_speed_m_per_s
    assert speed is not None
    return np.where(speed == 0, 0, np.where(speed < slowest, 1, 2))


def rate(moved: Array, counted: Array) -> Array:
    """Returns the migrations of 100 users in a slot, a sample for each episode, [I].

    Their mean is the rate over all users and slots that are counted, and their spread
    that of a ratio of sums over episodes (linearised, as survey samplers do; Cochran,
    Sampling Techniques, 1977, section 2.11).

    Args:
        moved: [I, T, N] bool.
        counted: [I, T, N] bool, which users and slots.
    """
    migrations = (moved & counted).sum(axis=(1, 2))
    users = counted.sum(axis=(1, 2))
    overall = migrations.sum() / max(users.sum(), 1)
    return 100 * (overall + (migrations - overall * users) / max(users.mean(), 1e-9))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws how many migrate, and when; returns the status."""
    parser = figure_parser(program(NAME), __doc__)
    add = parser.add_argument
    names = ["dual", "hysteresis", "lookahead", CLAIRVOYANT]
    add("--agents", nargs="+", default=names, metavar="AGENT", help="(%(default)s)")
    add("--labels", nargs="+", metavar="TEXT", help="of the agents, in the figure")
    add_task_options(parser, [MOBILE_ENV])
    add(
        "--values",
        nargs="+",
        type=positive_integer,
        metavar="V",
        help=f"slots that are shown, each the mean of {_WINDOW} (all)",
    )
    add(
        "--instances",
        type=positive_integer,
        default=100,
        metavar="I",
        help="test episodes (%(default)s)",
    )
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        if options.instances < 2:
            raise ValueError(
                "--instances must be at least 2, to tell how sure the rates are; got 1."
            )
        task = make_task(
            MOBILE_ENV, **whole_arguments(MOBILE_ENV, task_arguments(options))
        )
        if task.episode_length < _WINDOW:
            raise ValueError(
                f"`mobility.slots` must be at least {_WINDOW}, over which curves are "
                f"averaged; got {task.episode_length}."
            )
        assert isinstance(task.config, MobileConfig)  # of that environment
        values = _shown_slots(options.values, task.episode_length)
        curves = _curves(options.agents, options.labels, task)
        slots = options.instances * task.episode_length
        check_memory(task.config, slots, "situations of the instances")
        trajectory = held_out_instances(task.config, options.instances)
        check_writable(options.output)
    moved = {}
    with Display(NAME, len(curves)) as display:
        for curve in curves:
            moved[curve.label] = migrations_of(curve.names[0], task, trajectory)
            display.update(len(moved))
    kind = speed_class(trajectory, task.config)
    blocks = migration_blocks(moved, kind, values)
    with one_line_errors(parser.prog), styled():
        figure, axes = side_by_side(options.width, len(curves), 2)
        looks = looks_of(curves)
        _draw_classes(axes[0], blocks[0], looks)
        _draw_slots(axes[1], blocks[1], looks)
        text = (
            f"Migrations by class of speed, and over slots ({_WINDOW} averaged); means "
            f"over {options.instances} test episodes of {system_name(options, _PRESET)}"
            ", with 95 % confidence intervals."
        )
        write_figure(figure, NAME, blocks, options, text)
    return 0


def _shown_slots(asked: Sequence[int] | None, slots: int) -> Array:
    """Returns the slots that have as many on either side as are averaged over.

    Raises:
        ValueError: others are asked for.
    """
    aside = _WINDOW // 2
    known = np.arange(1 + aside, slots - aside + 1)
    if asked is None:
        return known
    for value in asked:
        if value not in known:
            raise ValueError(
                f"--values must be slots from {known[0]} to {known[-1]}, as {_WINDOW} "
                f"are averaged; got {value}."
            )
    return np.unique(asked)


def migration_blocks(
    moved: Mapping[str, Array], kind: Array, shown: Array
) -> list[Block]:
    """Returns migrations by class of speed, and over the slots of an episode.

    Args:
        moved: who migrates, [I, T, N] bool by label.
        kind: the class of every user, [I, T, N].
        shown: slots, counted from 1.
    """
    classes = range(len(SPEED_CLASSES))
    smooth = np.ones(_WINDOW) / _WINDOW
    return [
        Block(
            axis="class of speed",
            values=np.arange(len(SPEED_CLASSES)),
            names=SPEED_CLASSES,
            quantity=_UNIT,
            samples={
                label: np.stack([rate(m, kind == k) for k in classes])
                for label, m in moved.items()
            },
        ),
        Block(
            axis="slot",
            values=shown,
            quantity=_UNIT,
            samples={
                label: np.stack(
                    [np.convolve(row, smooth, "valid") for row in 100 * m.mean(axis=2)],
                    axis=1,
                )[shown - 1 - _WINDOW // 2]
                for label, m in moved.items()
            },
        ),
    ]


def _curves(
    names: Sequence[str], labels: Sequence[str] | None, task: Any
) -> list[Entry]:
    """Returns a curve for each name, after checking that it can decide the task."""
    if labels is not None and len(labels) != len(names):
        raise ValueError(
            f"--labels must be as many as --agents, {len(names)}; got {len(labels)}."
        )
    found: dict[str, Entry] = {}
    for i, name in enumerate(names):
        (entry,) = select([name], task)
        label = entry.label if labels is None else labels[i]
        if label in found:
            raise ValueError(f"--agents has two of the label {label!r}; give --labels.")
        found[label] = dataclasses.replace(entry, label=label)
    return list(found.values())


def _draw_classes(axes: Any, block: Block, looks: Mapping[str, Look]) -> None:
    """Draws the rates of every class, those of all agents beside one another."""
    width = axes.figure.get_figwidth() / (4 * len(block.values) * len(looks))
    highest = 0.0
    for i, (label, samples) in enumerate(block.samples.items()):
        mean, half = interval(samples)
        aside = ((i - (len(looks) - 1) / 2) * width, 0)
        place = axes.transData + ScaledTranslation(*aside, axes.figure.dpi_scale_trans)
        axes.errorbar(
            *(block.values, mean),
            yerr=half,
            label=label,
            **looks[label].markers,
            elinewidth=0.9,
            capsize=1.8,
            transform=place,
        )
        highest = max(highest, float(np.max(mean + half)))
    axes.set_xlim(-0.5, len(block.values) - 0.5)
    axes.set_ylim(-0.04 * highest, 1.06 * highest or 1)
    axes.set_xticks(block.values, block.shown_values())
    axes.grid(False, axis="x")
    axes.set_xlabel(block.axis)
    axes.set_ylabel(_UNIT.replace(" in a", "\nin a"))


def _draw_slots(axes: Any, block: Block, looks: Mapping[str, Look]) -> None:
    every = max(1, len(block.values) // _MARKERS)
    for i, label in enumerate(block.samples):
        at = (i * every // len(looks), every)
        draw_band(axes, block, label, looks[label], markevery=at)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"slot, mean of {_WINDOW}")
    axes.set_ylabel(_UNIT.replace(" in a", "\nin a"))


if __name__ == "__main__":
    raise SystemExit(run_script(main, program(NAME)))
