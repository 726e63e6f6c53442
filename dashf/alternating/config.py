"""`DashfConfig`: how DASHF is run, and the associations that it starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dashf.alternating.association import FORMULATIONS, formulation_of
from dashf.alternating.convex import CONVEX_SOLVERS
from dashf.common.arrays import Array
from dashf.rules import (
    balanced_association,
    compute_greedy,
    random_association,
    strongest_channel,
)
from mec_llm_env import Scenario
from mec_llm_env.names import by_name
from mec_llm_env.ranges import Checked, choice, integer, number

#: What gives an association [N, M] to begin from.
Start = Callable[[Scenario], Array]
_RULES: dict[str, Start] = {
    "strongest": strongest_channel,
    "compute": compute_greedy,
    "balanced": balanced_association,
}
STARTS = ("strongest", "compute", "random", "balanced")
_MOST = 10**9
#: Further starts where `restarts` is None, and N·M up to which they are tried: beyond,
#: climbs from elsewhere than near equal numbers of users take long and end no higher.
_RESTARTS, LARGEST_RESTART = 2, 200


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class DashfConfig(Checked):
    """How DASHF is run. All of it is our choice.

    Raises:
        ValueError: a field is not valid; the text names it and what is.
    """

    tolerance: float = number(1e-5, 1e-15, 1)  # gain of the SCR at which a block stops
    # the same, for the association that is returned; both relative
    final_tolerance: float = number(1e-7, 1e-15, 1)
    max_iterations: int = integer(100, 0, _MOST)  # rounds of both blocks at most
    max_passes: int = integer(50, 1, _MOST)  # convex programs per association, at most
    sdr: str = choice("auto", "auto", *FORMULATIONS)  # "auto": sparse to N·M = 100
    neighbours: int = integer(24, 0, _MOST)  # of each kind that are judged at once
    # neighbours that block 2 tries though they were judged lower, at most
    trials: int = integer(8, 0, _MOST)
    start: str = choice("strongest", *STARTS)  # the first association
    # further starts, the rest of those, then random; None: by the size
    restarts: int | None = integer(None, 0, _MOST, optional=True)
    seed: int = integer(0, 0, _MOST)  # of the random starts
    # of block 2 and SDR; the other one takes over where it fails
    convex_solver: str = choice(CONVEX_SOLVERS[0], *CONVEX_SOLVERS)

    @classmethod
    def _key(cls, name: str) -> str:
        return name  # of an option, in errors

    @property
    def solvers(self) -> tuple[str, ...]:
        """The solver and the ones that take over when it fails."""
        first = self.convex_solver
        return (first, *(name for name in CONVEX_SOLVERS if name != first))

    def formulation(self, scenario: Scenario) -> str:
        """Returns the formulation of the SDR for a scenario's size."""
        return formulation_of(self.sdr, scenario)

    def starts(self, scenario: Scenario) -> list[Start]:
        """Returns the rules of the first association and of those of the restarts."""
        restarts = self.restarts
        if restarts is None:
            restarts = _RESTARTS if scenario.channel_gain.size <= LARGEST_RESTART else 0
        names = [self.start, *(name for name in STARTS if name != self.start)]
        names += ["random"] * max(0, restarts + 1 - len(names))
        seeds = np.random.default_rng(self.seed).integers(2**63, size=len(names))

        def rule(name: str, seed: int) -> Start:
            if name != "random":
                return _RULES[name]
            return lambda s: random_association(s, np.random.default_rng(seed))

        return [rule(*pair) for pair in zip(names, seeds, strict=True)][: restarts + 1]
