"""The baselines of this literature that optimise, each without one part of DASHF.

| id | association | resources and split |
|---|---|---|
| aauco | optimised: block 1 | average: equal shares, φ = 0.5, everything at full |
| gucro | greedy: strongest channel | optimised: block 2, φ and f |
| local, edge | greedy | all work as local, as remote as allowed; the rest optimised |

They take a single scenario. With finite `max_users`, strongest channel means the
Hungarian assignment of the log-gains.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dashf.association import moves, propose
from dashf.baselines import average_allocation, starting_allocation, strongest_channel
from dashf.continuous import evaluated, optimise_continuous
from dashf.resource_program import PROGRAMS
from dashf.resources import shadow_prices
from dashf.result import Recorder, SolveResult, Status, single
from dashf.split import Candidates
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

Array = Any


def solve_gucro(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    split: str = "optimised",
    tolerance: float = 1e-7,
) -> SolveResult:
    """Strongest channel; split, power, bandwidth and frequencies optimised.

    Args:
        scenario: a single one.
        objective: weights and references; the default ones if None.
        split: "optimised"; "local" for φ_max, "edge" for φ_min of every user.
        tolerance: relative gain of the SCR at which to stop.

    Raises:
        ValueError: the scenario is a batch, or `split` is unknown.
    """
    s, o = single(scenario), objective or ObjectiveConfig()
    fixed = {"local": s.local_fraction_max, "edge": s.local_fraction_min}
    if split not in ("optimised", *fixed):
        raise ValueError(
            f"`split` must be one of optimised, {', '.join(fixed)}; got {split!r}."
        )
    recorder = Recorder()
    with recorder.building():
        PROGRAMS.prepare(s.n_users)
    start = starting_allocation(s, strongest_channel(s), o)
    if split in fixed:
        start = dataclasses.replace(start, local_fraction=fixed[split])
    recorder.start(evaluated(s, start, o))
    result = optimise_continuous(
        s,
        start,
        o,
        fixed_split=split in fixed,
        tolerance=tolerance,
        on_pass=lambda point, ratio: recorder.row("resources", point, ratio, 0),
    )
    return recorder.result(result.status, *result.point)


def solve_local(
    scenario: Scenario, objective: ObjectiveConfig | None = None
) -> SolveResult:
    """Strongest channel, as much work local as allowed, the rest optimised."""
    return solve_gucro(scenario, objective, split="local")


def solve_edge(
    scenario: Scenario, objective: ObjectiveConfig | None = None
) -> SolveResult:
    """Strongest channel, as little work local as allowed, the rest optimised."""
    return solve_gucro(scenario, objective, split="edge")


def solve_aauco(
    scenario: Scenario,
    objective: ObjectiveConfig | None = None,
    *,
    sdr: str = "sparse",
    max_iterations: int = 100,
) -> SolveResult:
    """Block 1 for the association; shares, split, power and frequency stay average.

    A user that would move is offered an equal share of its new server and charged the
    average marginal surplus of what it takes from others. Where block 1's proposal is
    not better, the best single move or exchange is taken instead, until none is.

    Raises:
        ValueError: the scenario is a batch.
    """
    s, o = single(scenario), objective or ObjectiveConfig()
    recorder = Recorder()
    best = evaluated(s, average_allocation(s, strongest_channel(s)), o)
    recorder.start(best)
    split = best[0].local_fraction
    pinned = dataclasses.replace(s, local_fraction_min=split, local_fraction_max=split)
    status = Status.ITERATION_LIMIT
    for _ in range(max_iterations):
        z, ratio = best[0], float(best[1].scr)
        options = _equal_offers(s, z, o, ratio)
        proposal = propose(pinned, z, o, ratio, options, sdr=sdr)
        everywhere = np.full(z.association.shape, np.inf)  # a gain for every move
        tried = [proposal.association]
        better = _best_average(s, tried, o)
        if not better[1].scr > ratio:
            tried = moves(z.association, everywhere, s.max_users, limit=10**9)
            better = _best_average(s, tried, o) if tried else best
        if not better[1].scr > ratio:
            status = Status.CONVERGED
            break
        changed = (better[0].association != z.association).any(axis=-1).sum()
        best = better
        recorder.row("association", best, ratio, int(changed))
    return recorder.result(status, *best)


def _equal_offers(
    s: Scenario, z: Allocation, o: ObjectiveConfig, ratio: float
) -> Candidates:
    """Returns equal shares at every server, one user more where it is not yet."""
    load = z.association.sum(axis=0) + (1 - z.association)  # [N, M]
    bandwidth, compute = s.bandwidth_max_hz / load, s.server_frequency_max_hz / load
    band_price, compute_price = map(np.nan_to_num, shadow_prices(s, z, o, ratio))
    return Candidates(
        transmit_power_w=np.broadcast_to(s.transmit_power_max_w[:, None], load.shape),
        bandwidth_hz=bandwidth,
        server_frequency_hz=compute,
        rent=(band_price + compute_price) / load,
    )


def _best_average(
    s: Scenario, associations: list[Array], o: ObjectiveConfig
) -> tuple[Allocation, Any]:
    """Returns the best of some associations with average resources, and its outcome."""
    many = s.map(
        lambda field: np.broadcast_to(field, (len(associations), *field.shape))
    )
    allocations = average_allocation(many, np.stack(associations))
    best = int(evaluate(many, allocations, o, check=False).scr.argmax())
    return evaluated(s, allocations[best], o)
