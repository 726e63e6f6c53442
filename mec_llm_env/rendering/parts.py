"""What the panels of a picture share: what is drawn, colours, markers, legends."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.colors import to_rgb

from mec_llm_env.allocation import Allocation
from mec_llm_env.objective import Outcome
from mec_llm_env.scenario import Scenario

# Okabe and Ito's palette, safe for colour-blind readers (without black and yellow);
# from the seventh server on it repeats with other markers.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "^", "D", "v", "P", "s", "X", "<", "p", ">")
INK, FAINT, NEUTRAL = "#222222", "#6B7280", "#8A94A3"

MOST_NAMED_USERS = 50  # more get no label of their own
MOST_LABELLED_POINTS = 20  # on the map


class Episode(NamedTuple):
    """Where in an episode of slots a decision is. N users."""

    slot: int  # from 1
    slots: int  # T
    scr: float  # of the episode, this decision included
    trails: Any  # [K, N, 2] m, the last places, that of this slot the last; NaN: none
    radius_m: float  # of the cell


class Decision(NamedTuple):
    """What the panels draw, in NumPy; users in the order of their servers."""

    scenario: Scenario
    allocation: Allocation | None
    outcome: Outcome | None
    server: Any  # [N] number of each user's server; None before the decision
    order: Any  # [N] users, by server
    turn: Any  # [N] 0, 1, … within the server, in that order
    left: Any  # [N] number of the server that the user has left; -1: none
    episode: Episode | None


def has_map(scenario: Scenario) -> bool:
    """Whether users and servers have positions."""
    positions = scenario.user_position_m, scenario.server_position_m
    return all(position is not None for position in positions)


def add_keys(axes: Any, keys: list[Any], bottom: float, **look: float) -> None:
    """Adds a legend in a row above the axes, at the right."""
    axes.legend(
        handles=keys,
        ncols=len(keys),
        loc="lower right",
        bbox_to_anchor=(1.0, bottom),
        borderaxespad=0.0,
        columnspacing=1.2,
        **look,
    )


def color_of(server: int) -> str:
    """Returns the colour of a server."""
    return PALETTE[server % len(PALETTE)]


def marker_of(server: int) -> str:
    """Returns the marker of a server's users on the map."""
    # No two of the first 60 servers have the same colour and marker.
    turns = server // 30  # lcm of 6 colours and 10 markers
    return _MARKERS[(server + turns) % len(_MARKERS)]


def shade_of(color: str, amount: float) -> Any:
    """Returns a colour mixed with white, or with black if `amount` is below 0."""
    target = 1.0 if amount > 0 else 0.0
    return tuple(c + abs(amount) * (target - c) for c in to_rgb(color))


def short(value: float) -> str:
    """Returns a number of three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def counted(number: int, noun: str) -> str:
    """Returns such as "2 users"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
