"""Sweeps: the SCR of agents over a quantity, as a figure and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.console.display import Display
from agents.evaluation.selection import Entry
from agents.evaluation.style import looks_of
from agents.storage.folders import check_writable
from experiments.figure.drawing import two_panels, write_figure
from experiments.figure.drawn import check_sizes
from experiments.figure.options import Asked
from experiments.figure.points import solved_points
from experiments.figure.tables import Block
from mec_llm_env import ScenarioConfig

Array = Any

SCR = "service-cost ratio"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """A quantity, its values, and what they change in a configuration."""

    name: str  # of the files
    label: str  # of the axis, with unit
    values: tuple[float, ...]
    overrides: Callable[[ScenarioConfig, float], dict[str, Any]]  # of a configuration
    logarithmic: bool = False
    whole: bool = False  # whether values are whole numbers

    def config(self, base: ScenarioConfig, value: float) -> ScenarioConfig:
        """Returns the configuration at a value.

        Raises:
            ValueError: the value is not valid.
        """
        if self.whole and value != int(value):
            raise ValueError(
                f"--values must be whole numbers for {self.name!r}; got {value:g}."
            )
        return base.with_overrides(self.overrides(base, value))

    def fixed(self, base: ScenarioConfig) -> tuple[str, ...]:
        """Returns the parameters that it sets."""
        return tuple(self.overrides(base, self.values[0])) if self.values else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """What all agents made of V values × I instances."""

    values: Array  # [V]
    by_agent: dict[str, list[list[list[dict[str, Any]]]]]  # [R][V][I] by label

    def samples(self, key: str) -> dict[str, Array]:
        """Returns a figure by label, the mean over runs of an agent, [V, I]."""
        return {
            label: np.mean(
                [[[point[key] for point in row] for row in run] for run in runs], axis=0
            )
            for label, runs in self.by_agent.items()
        }


def program(name: str) -> str:
    """Returns what the command of a figure is called."""
    return f"python -m experiments.{name}"


def draw_sweep(sweep: Sweep, request: Asked, points: Points) -> None:
    """Draws and writes a sweep."""
    block = Block(
        axis=sweep.label,
        values=points.values,
        quantity=SCR,
        samples=points.samples("scr"),
        reference=request.reference.label,
    )
    figure, axes = two_panels(block, looks_of(request.agents), request.width)
    if sweep.logarithmic:
        for panel in axes:
            panel.set_xscale("log")
            panel.set_xticks(block.values, [f"{value:g}" for value in block.values])
            panel.minorticks_off()
    elif sweep.whole or len(block.values) <= 8:
        axes[-1].set_xticks(block.values, [f"{value:g}" for value in block.values])
    text = f"Service-cost ratio over {sweep.label.partition('; ')[0]}; {about(request)}"
    if len(axes) > 1:
        text += f" Below: paired differences to {block.reference}, where bands overlap."
    write_figure(figure, sweep.name, [block], request, text)


def sweep_values(sweep: Sweep, request: Asked) -> tuple[float, ...]:
    """Returns the values that are asked for.

    Raises:
        ValueError: there are none.
    """
    values = request.values or sweep.values
    if not values:
        raise ValueError("--values must say where: --values 1 2 5 10.")
    return values[::2] if request.quick else values


def checked_configs(
    sweep: Sweep, request: Asked, values: Sequence[float]
) -> list[ScenarioConfig]:
    """Returns the configuration at every value, after checking all that can be wrong.

    Raises:
        ValueError: a value is not valid, or an agent cannot decide there.
        OSError: the folder cannot be written.
    """
    configs = []
    for value in values:
        try:
            configs.append(sweep.config(request.config, value))
        except ValueError as error:
            raise ValueError(f"--values: at {value:g}: {error}") from None
    check_sizes(request.agents, configs)
    check_writable(request.output)
    return configs


def decided_points(
    name: str,
    request: Asked,
    values: Sequence[float],
    configs: Sequence[ScenarioConfig],
) -> Points:
    """Returns what all agents make of all instances at all values."""
    tasks = [
        (config, number, path)
        for config in configs
        for number in range(request.instances)
        for agent in request.agents
        for path in agent.names
    ]
    with Display(name, len(tasks)) as display:
        points = solved_points(tasks, workers=request.workers, advance=display.update)
    found = dict(zip(tasks, points, strict=True))

    def runs(agent: Entry) -> list[list[list[dict[str, Any]]]]:
        return [
            [[found[c, k, path] for k in range(request.instances)] for c in configs]
            for path in agent.names
        ]

    return Points(
        values=np.array(values),
        by_agent={agent.label: runs(agent) for agent in request.agents},
    )


def about(request: Asked) -> str:
    """Returns what a caption says of the numbers."""
    return (
        f"mean over {request.instances} test scenarios of {request.system}, with 95 % "
        "confidence bands."
    )
