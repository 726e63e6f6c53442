"""SCR against a quantity: any parameter of the configuration, or one with a name.

`python -m experiments.sweep radio.noise_figure_db --values 3 6 9 12` draws it over that
parameter, `docs/ranges.md` lists them all. Where a parameter is a range that scenarios
draw from, all draw the value; where it has an entry for each server, all get it.

`python -m experiments.sweep bandwidth` draws one of the project's own figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from agents.console.command_line import one_line_errors
from agents.console.terminal import run_script
from experiments.figure.drawing import styled
from experiments.figure.options import add_scenario_options, asked, figure_parser
from experiments.figure.recipes import RECIPES
from experiments.figure.sweeps import (
    Sweep,
    checked_configs,
    decided_points,
    draw_sweep,
    program,
    sweep_values,
)
from mec_llm_env import ScenarioConfig
from mec_llm_env.config import ruled
from mec_llm_env.ranges import Rule

NAME = "sweep"


def sweep_of(key: str, base: ScenarioConfig) -> Sweep:
    """Returns the sweep of a parameter.

    Args:
        key: dotted, such as "radio.bandwidth_mhz".
        base: in which it has a value.

    Raises:
        ValueError: there is no such parameter, or it is no number.
    """
    known = base.to_dict()
    if key not in known:
        base.with_overrides({key: 0})  # says what is wrong, and what there is
    present = _with_numbers(known[key], ruled(base).get(key))
    is_number = isinstance(present, int | float) and not isinstance(present, bool)
    if not is_number and not _is_numbers(present):
        raise ValueError(
            f"{key!r} is no number, but {present!r}, and cannot be an axis. Draw a "
            "figure for each with --override, beside one another."
        )
    whole = isinstance(present, int)

    def overrides(base: ScenarioConfig, value: float) -> dict[str, Any]:
        entry = int(value) if whole or _is_whole(present) else value
        if not isinstance(present, list):
            return {key: entry}
        return {key: (entry,) * len(present)}

    return Sweep(
        name=key,
        label=key,
        values=(),
        overrides=overrides,
        whole=whole or _is_whole(present),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the SCR of every agent against a parameter; returns the status."""
    parser = figure_parser(program(NAME), __doc__)
    add = parser.add_argument
    add(
        "quantity",
        metavar="QUANTITY",
        help=f"parameter, such as radio.bandwidth_mhz, or {', '.join(RECIPES)}",
    )
    add_scenario_options(parser, swept=True)
    add("--label", metavar="TEXT", help="of the axis, with unit")
    add("--log", action="store_true", help="logarithmic axis")
    options = parser.parse_args(arguments)
    recipe = RECIPES.get(options.quantity)
    with one_line_errors(parser.prog):
        fixed = recipe.fixed if recipe else lambda base: (options.quantity,)
        request = asked(options, fixed)
        sweep = recipe or sweep_of(options.quantity, request.config)
        sweep = dataclasses.replace(
            sweep,
            label=options.label or sweep.label,
            logarithmic=options.log or sweep.logarithmic,
        )
        values = sweep_values(sweep, request)
        if options.log and values[0] <= 0:
            raise ValueError(f"--log needs --values above 0; got {values[0]:g}.")
        configs = checked_configs(sweep, request, values)
    points = decided_points(sweep.name, request, values, configs)
    with one_line_errors(parser.prog), styled():
        draw_sweep(sweep, request, points)
    return 0


def _with_numbers(value: Any, given: tuple[Rule, Any] | None) -> Any:
    """Returns a value with numbers where it is None, of a parameter that may be."""
    if given is None or given[0].always_each:
        return value
    one = 1 if given[0].integer else 1.0
    if value is None:
        return [one, one] if given[0].entries == "pair" else one
    if isinstance(value, list):
        return [one if entry is None else entry for entry in value]
    return value


def _is_numbers(value: Any) -> bool:
    """Whether it is a list of numbers, each of them a pair's end or a server's."""
    return isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, int) for v in value)


if __name__ == "__main__":
    raise SystemExit(run_script(main, program(NAME)))
