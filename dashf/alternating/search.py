r"""Local search over associations, judged many at a time before a convex program runs.

A choice of options (see `neighbours`) is judged by the SCR, from `evaluate`, of the
allocation that a few rounds of price adjustment find for it (`share_fast`): about a
ten-thousandth below its best, in a fraction of a millisecond. A climb goes on to the
best neighbour until none is better.

`explore` climbs under a common limit on the users of a server, from the tightest that
all fit in; then raises it by one and climbs on from there, up to the scenario's own
`max_users`. Near-equal numbers of users are near the optimum, where the first climbs
are short. What is found under a limit is kept under every looser one, so relaxing
`max_users` does not lower what this search finds, as long as it follows every start: up
to N·M of `_LARGE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dashf.alternating.neighbours import ANY, HIGHEST, LOWER, UPPER, Choice, neighbours
from dashf.alternating.resources import shadow_prices
from dashf.common.arrays import Array
from dashf.common.budget import Budget
from dashf.common.clock import OutOfTime
from dashf.pair.backend import respond
from dashf.pair.coefficients import make_pairs, part_edges, score_constants
from dashf.pricing.fast_sharing import share_fast
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate, violations

#: What gives associations to begin from, with the users [M] that a server may have.
Starts = Callable[[Array], Sequence[Array]]

#: Relative gain of the judged SCR at which a climb goes on.
_GAIN = 1e-6
#: Relative violation of a constraint up to which an allocation is feasible.
_VIOLATION = 1e-6
#: Limits on the users of a server whose first association is judged at the beginning.
_AT_FIRST = 4
#: Starts under looser limits are followed with so many times fewer neighbours.
_NARROW = 4
#: N·M beyond which only starts are followed that are judged better than what is known.
_LARGE = 200
#: Parts of the range of φ that are searched one by one for a local maximum.
_PARTS = 4
#: N·M of all allocations that are judged between two looks at the clock.
_AT_ONCE = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A choice with a good allocation for it."""

    choice: Choice
    allocation: Allocation | None  # None where none was found
    scr: float  # −∞ without


class Judge:
    """Judges choices of a scenario, and remembers them."""

    def __init__(
        self, scenario: Scenario, objective: ObjectiveConfig, budget: Budget
    ) -> None:
        self.scenario, self.objective, self.budget = scenario, objective, budget
        self._edges = part_edges(
            scenario.local_fraction_min[:, None],
            scenario.local_fraction_max[:, None],
            _PARTS,
        )  # [N, 5] φ
        self._cut = self._edges[:, _PARTS // 2]  # [N] φ, between lower and upper
        pairs = make_pairs(scenario, objective).arrays()
        self._pairs = tuple(value[..., None] for value in pairs)
        self._known: dict[bytes, Judged] = {}
        self._checked: dict[bytes, bool] = {}
        #: Best neighbours, by choice, SCR, users that a server may have, and width.
        self.steps: dict[tuple[bytes, float, bytes, int], Judged | None] = {}
        self._last: tuple[Allocation, tuple[Array, Array]] | None = (
            None  # that `benefit` was for
        )

    def best(self, choices: Sequence[Choice]) -> Judged | None:
        """Returns the best of some choices, None if none has an allocation."""
        new = {c.key: c for c in choices if c.key not in self._known}
        for batch in self._batches(list(new.values())):
            if self.budget.spent():
                break
            self._judge(batch)
        for judged in sorted(self.judged(choices), key=lambda judged: -judged.scr):
            if self.feasible(judged):
                return judged
        return None

    def judged(self, choices: Sequence[Choice]) -> list[Judged]:
        """Returns what is known of some choices."""
        return [self._known[c.key] for c in choices if c.key in self._known]

    def choice_of(self, allocation: Allocation) -> Choice:
        """Returns the choice that an allocation is of."""
        phi = allocation.local_fraction
        return Choice(
            association=allocation.association,
            part=np.select(
                [phi >= self.scenario.local_fraction_max, phi > self._cut],
                [HIGHEST, UPPER],
                LOWER,
            ),
        )

    def either(self, association: Array) -> list[Choice]:
        """Returns an association with every φ anywhere, and with every φ at φ_max."""
        n = self.scenario.n_users
        return [
            Choice(association=association, part=np.full(n, part))
            for part in (ANY, HIGHEST)
        ]

    def benefit(self, allocation: Allocation, ratio: float) -> tuple[Array, Array]:
        """Returns what every option is worth at an allocation's prices.

        Returns:
            [N, M, 2] the benefit of each part of the range of φ, and [N, M] whether the
            best φ in the upper one is φ_max.

        Raises:
            OutOfTime: there is no time left.
        """
        s, o = self.scenario, self.objective
        if self._last is not None and self._last[0] is allocation:
            return self._last[1]
        shape = (*s.channel_gain.shape, _PARTS)
        band, compute = (
            np.broadcast_to(np.nan_to_num(price)[:, None], shape)
            for price in shadow_prices(s, allocation, o, ratio=ratio)
        )
        answer = respond(
            np.broadcast_to(self._edges[:, None, :-1], shape),
            np.broadcast_to(self._edges[:, None, 1:], shape),
            np.full(shape, ratio),
            *(band, compute),
            self._pairs,
            score_constants(o),
            self.budget.clock,
        )
        best = answer.benefit[..., 2:].argmax(axis=-1)
        phi = np.take_along_axis(answer.phi[..., 2:], best[..., None], axis=-1)
        highest = phi[..., 0] >= s.local_fraction_max[:, None]
        benefit = answer.benefit.reshape(*shape[:2], 2, -1).max(axis=-1)
        self._last = allocation, (benefit, highest)
        return self._last[1]

    def promise(self, judged: Sequence[Judged]) -> Array:
        """Returns about what SCR the associations of judged choices could reach, [K].

        By weak duality at their own allocations' prices: the judged SCR, and what users
        would gain by their best responses at their own server over what they have.

        Raises:
            OutOfTime: there is no time left.
        """
        s, o, count = self.scenario, self.objective, len(judged)
        many = s.repeat(count)
        z = Allocation.stack([j.allocation for j in judged if j.allocation])
        y = np.array([j.scr for j in judged])
        prices = [np.nan_to_num(price) for price in shadow_prices(many, z, o, ratio=y)]
        x, server = z.association, z.association.argmax(axis=-1)
        shape = (*server.shape, _PARTS)
        user = np.arange(s.n_users)
        band, compute = (
            np.broadcast_to((x * p[:, None]).sum(axis=-1)[..., None], shape)
            for p in prices
        )
        answer = respond(
            np.broadcast_to(self._edges[:, :-1], shape),
            np.broadcast_to(self._edges[:, 1:], shape),
            np.broadcast_to(y[:, None, None], shape),
            *(band, compute),
            tuple(value[user, server] for value in self._pairs),
            score_constants(o),
            self.budget.clock,
        )
        rent = (prices[0] + prices[1]).sum(axis=-1)
        surplus = rent + answer.benefit.max(axis=-1).sum(axis=-1)
        cost = evaluate(many, z, o, check=False).cost.sum(axis=-1)
        return y + np.maximum(surplus, 0.0) / cost

    def feasible(self, judged: Judged) -> bool:
        """Returns whether an allocation was found, and is one."""
        key, z = judged.choice.key, judged.allocation
        if key not in self._checked:
            worst = violations(self.scenario, z).values() if z is not None else [np.inf]
            self._checked[key] = bool(np.max(list(worst)) <= _VIOLATION)
        return self._checked[key]

    def _batches(self, choices: list[Choice]) -> Iterator[list[Choice]]:
        size = max(1, _AT_ONCE // self.scenario.channel_gain.size)
        for i in range(0, len(choices), size):
            yield choices[i : i + size]

    def _judge(self, choices: list[Choice]) -> None:
        s, count = self.scenario, len(choices)
        many = s.repeat(count)
        part = np.stack([choice.part for choice in choices])
        limits = {
            "local_fraction_min": np.select(
                [part == UPPER, part == HIGHEST],
                [self._cut, s.local_fraction_max],
                s.local_fraction_min,
            ),
            "local_fraction_max": np.where(
                part == LOWER, self._cut, s.local_fraction_max
            ),
        }
        within = many.changed(**limits)
        association = np.stack([choice.association for choice in choices])
        with np.errstate(all="ignore"):  # what is not finite is dropped
            shared = share_fast(within, self.objective, association)
            scr = evaluate(many, shared, self.objective, check=False).scr
        good = np.isfinite(scr)
        for i, choice in enumerate(choices):
            self._known[choice.key] = Judged(
                choice=choice,
                allocation=shared[i] if good[i] else None,
                scr=float(scr[i]) if good[i] else -np.inf,
            )


def climb(
    judge: Judge, starts: Sequence[Judged], room: Array, width: int
) -> Judged | None:
    """Goes on to the best neighbour until none is better, from several starts at once.

    Args:
        judge: of the scenario.
        starts: whose associations keep to `room`.
        room: [M] users that a server may have.
        width: neighbours of a kind that are judged, at most.

    Returns:
        The best end of a climb; None if there was no start.
    """
    ends: list[Judged] = []
    open_ = list(starts)
    passed: set[bytes] = set()
    while open_:
        if judge.budget.spent():
            ends += open_
            break
        fresh = {j.choice.key: j for j in open_ if j.choice.key not in passed}
        passed |= fresh.keys()
        open_ = []
        for judged, found in _steps(judge, list(fresh.values()), room, width):
            if found is None or not found.scr > judged.scr * (1 + _GAIN):
                ends.append(judged)
            else:
                open_.append(found)
    return max(ends, key=lambda judged: judged.scr, default=None)


def _steps(
    judge: Judge, judged: Sequence[Judged], room: Array, width: int
) -> Iterator[tuple[Judged, Judged | None]]:
    """Yields judged choices with their best neighbours, remembering them."""
    known, limit = judge.steps, room.tobytes()
    keys = [(j.choice.key, j.scr, limit, width) for j in judged]
    new = {
        key: _neighbours(judge, j, room, width)
        for key, j in zip(keys, judged, strict=True)
        if key not in known
    }
    judge.best([choice for choices in new.values() for choice in choices])
    known |= {key: judge.best(choices) for key, choices in new.items()}
    for key, j in zip(keys, judged, strict=True):
        yield j, known[key]


def _neighbours(judge: Judge, judged: Judged, room: Array, width: int) -> list[Choice]:
    if judged.allocation is None:
        return []
    try:
        benefit, highest = judge.benefit(judged.allocation, judged.scr)
    except OutOfTime:
        return []
    return neighbours(judge.choice_of(judged.allocation), benefit, highest, room, width)


def promising(
    judge: Judge, allocation: Allocation, wanted: float, width: int
) -> list[Judged]:
    """Returns the neighbours of an allocation that might reach a wanted SCR."""
    scr = float(evaluate(judge.scenario, allocation, judge.objective).scr)
    here = Judged(choice=judge.choice_of(allocation), allocation=allocation, scr=scr)
    room = np.minimum(judge.scenario.max_users, judge.scenario.n_users)
    choices = _neighbours(judge, here, room, width)
    judge.best(choices)
    # Of users that are alike, one is enough: they are judged alike.
    unlike = {
        f"{judged.scr:.9e}": judged
        for judged in judge.judged(choices)
        if judged.allocation and judged.choice.key != here.choice.key
    }
    found = sorted(unlike.values(), key=lambda judged: -judged.scr)[:width]
    return likely(judge, found, wanted)


def likely(judge: Judge, judged: Sequence[Judged], wanted: float) -> list[Judged]:
    """Returns what might reach a wanted SCR though judged lower, most promising first.

    Judgements are inexact where users are nearly indifferent between resources, or have
    two very different options of about the same benefit.
    """
    if not judged:
        return []
    try:
        promise = judge.promise(judged)
    except OutOfTime:
        return []
    order = np.argsort(-promise, kind="stable")
    found = [judged[i] for i in order if promise[i] > wanted]
    return [judged for judged in found if judge.feasible(judged)]


def explore(judge: Judge, starts: Starts, width: int) -> Judged | None:
    """Returns the best end of climbs under rising limits on the users of a server.

    Args:
        judge: of the scenario.
        starts: associations to begin from, given the users that a server may have.
        width: neighbours of a kind that are judged, at most.
    """
    s = judge.scenario
    room = np.minimum(s.max_users, s.n_users)
    limit = _tightest(room, s.n_users)
    # The beginnings of the first climbs are judged at once, which is as quick as one.
    few = range(limit, min(limit + _AT_FIRST, int(room.max()) + 1))
    first = [x for most in few for x in starts(np.minimum(room, most))]
    judge.best([choice for x in first for choice in judge.either(x)])

    best: Judged | None = None
    while not judge.budget.spent():
        limited = np.minimum(room, limit)
        begins = [judge.best(judge.either(x)) for x in starts(limited)]
        known = [judged for judged in begins if judged is not None]
        if best is not None:
            if s.channel_gain.size > _LARGE:
                known = [judged for judged in known if judged.scr > best.scr]
            else:
                end = climb(judge, known, limited, max(1, width // _NARROW))
                known = [] if end is None else [end]
            known.append(best)
        best = climb(judge, known, limited, width)
        if best is None or (limited >= room).all():
            break
        # Where no server is at the limit, the next ones change nothing.
        crowded = best.choice.association.sum(axis=0).max() >= limit
        limit = limit + 1 if crowded else int(room.max())
    return best


def _tightest(room: Array, n_users: int) -> int:
    """Returns the least common limit on users per server with which all are served."""
    limit = -(-n_users // len(room))
    while np.minimum(room, limit).sum() < n_users:
        limit += 1
    return int(limit)
