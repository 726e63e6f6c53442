"""The baselines of this literature, and the rules that they are made of.

| id | association | resources and split |
|---|---|---|
| random | uniform | a uniform sample of the action space, decoded |
| rucaa | random | average: equal shares, φ = 0.5, full power and frequency |
| gucaa | greedy: strongest channel | average |
| aauco | optimised: block 1 | average |
| gucro | greedy | optimised: block 2, φ and f |
| local, edge | greedy | all work as local, as remote as allowed; the rest optimised |

The rules take a batch of scenarios of any shape and treat it as a whole; the solvers
that optimise take a single scenario.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dashf.association import moves, propose, round_assignment
from dashf.continuous import evaluated, optimise_continuous
from dashf.resources import compiled_program, local_frequency, shadow_prices
from dashf.result import Recorder, SolveResult, Status, single
from dashf.split import Candidates
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate
from mec_llm_env.actions import RESOURCES, decode_resources
from mec_llm_env.allocation import one_hot

Array = Any  # NumPy only: solvers do not take PyTorch tensors

_START_SPLIT = 0.3


def strongest_channel(scenario: Scenario) -> Array:
    """Returns the greedy association [..., N, M]: each user at its strongest channel.

    With finite `max_users`, the Hungarian assignment of the log-gains.
    """
    s = scenario.to_numpy()
    return round_assignment(np.log(s.channel_gain), s.max_users)


def random_association(scenario: Scenario, rng: np.random.Generator) -> Array:
    """Returns a random association [..., N, M]: each user's server uniform.

    With finite `max_users`, users draw slots of the servers without replacement. A
    scenario uses the same number of random numbers either way.
    """
    s = scenario.to_numpy()
    n_users, n_servers = s.n_users, s.n_servers
    keys = rng.random((*s.batch_shape, n_servers, n_users))  # one a possible slot

    free_server = np.floor(n_servers * keys[..., 0, :])
    closed = np.arange(n_users) >= s.max_users[..., None]
    slots = np.where(closed, np.inf, keys).reshape(*s.batch_shape, -1)
    slot_server = np.argsort(slots, axis=-1)[..., :n_users] // n_users

    unlimited = (s.max_users >= n_users).all(axis=-1)[..., None]
    return one_hot(np.where(unlimited, free_server, slot_server), n_servers)


def balanced_association(scenario: Scenario) -> Array:
    """Returns strongest channels with at most ⌈N/M⌉ users a server, [..., N, M].

    A server with a smaller `max_users` keeps that, and the others share what is left.
    """
    s = scenario.to_numpy()
    limit = np.full(s.batch_shape, -(-s.n_users // s.n_servers))[..., None]
    for _ in range(s.n_users):  # raise the common limit until all find room
        slots = np.minimum(s.max_users, limit)
        short = slots.sum(axis=-1, keepdims=True) < s.n_users
        if not short.any():
            break
        limit = limit + short
    return round_assignment(np.log(s.channel_gain), slots)


def compute_greedy(scenario: Scenario) -> Array:
    """Returns an association by server compute, [..., N, M].

    Users in turn, the largest workload first, go to the server with the most FLOP/s a
    user, themselves included, among those with room.
    """
    s = scenario.to_numpy()
    capacity = s.server_flop_per_cycle * s.server_frequency_max_hz  # [..., M] FLOP/s
    association = np.zeros(s.channel_gain.shape)
    for user in np.moveaxis(np.argsort(-s.workload_flop, axis=-1), -1, 0):
        load = association.sum(axis=-2)
        offer = np.where(load < s.max_users, capacity / (load + 1), -np.inf)
        row = one_hot(offer.argmax(axis=-1), s.n_servers)
        np.put_along_axis(
            association, user[..., None, None], row[..., None, :], axis=-2
        )
    return association


def average_allocation(scenario: Scenario, association: Array) -> Allocation:
    """Returns equal shares, φ = 0.5 clipped to its box, full power and frequency.

    Args:
        scenario: batch shape `[...]`.
        association: [..., N, M] 0 or 1.
    """
    s = scenario.to_numpy()
    load = np.maximum(association.sum(axis=-2), 1)  # [..., M]

    def share(capacity: Array) -> Array:
        return np.einsum("...nm,...m->...n", association, capacity / load)

    return Allocation(
        association=association,
        local_fraction=np.clip(0.5, s.local_fraction_min, s.local_fraction_max),
        transmit_power_w=s.transmit_power_max_w,
        bandwidth_hz=share(s.bandwidth_max_hz),
        user_frequency_hz=s.user_frequency_max_hz,
        server_frequency_hz=share(s.server_frequency_max_hz),
    )


def random_allocation(scenario: Scenario, rng: np.random.Generator) -> Allocation:
    """Returns what a uniform sample of the action space decodes to, a batch as a whole.

    With finite `max_users` the association is the Hungarian assignment of uniform
    scores, as the decoder of box actions has it.
    """
    s = scenario.to_numpy()
    scores = rng.uniform(-1, 1, s.channel_gain.shape)
    resources = rng.uniform(-1, 1, (*s.batch_shape, s.n_users, len(RESOURCES)))
    return decode_resources(s, round_assignment(scores, s.max_users), resources)


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
        compiled_program(s.n_users, s.n_servers)
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


def starting_allocation(
    scenario: Scenario, association: Array, objective: ObjectiveConfig
) -> Allocation:
    """Returns where block 2 starts: equal shares, φ = 0.3, full power, best frequency.

    φ is clipped to its box.
    """
    s = scenario
    split = np.clip(_START_SPLIT, s.local_fraction_min, s.local_fraction_max)
    return dataclasses.replace(
        average_allocation(s, association),
        local_fraction=split,
        user_frequency_hz=local_frequency(s, objective),
    )


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
