"""Plans of an episode that know its future, and their certified bound.

A plan begins with every user's best path at the bound's prices. Then users change their
paths one after another: for each, the surplus of every slot with that user elsewhere is
computed, all others as they are, and its best path through these values is exact. Where
all associations of all slots can be judged, with ten users at two servers and below,
the best sequence of them follows slot by slot.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.checks import check_objective, check_tolerance
from dashf.common.clock import Clock
from dashf.pricing.sharing import share_resources
from dashf.result import Bound, Status
from dashf.sequential.bound import PathPrices
from dashf.sequential.choice import moved_surplus, share, worth
from dashf.sequential.paths import best_joint_path, best_paths
from dashf.sequential.problem import TrajectoryProblem
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    Trajectory,
    evaluate,
    violations,
)
from mec_llm_env.allocation import one_hot
from mec_llm_env.assignment import round_assignment
from mec_llm_env.record import checked_numpy

_JUDGED = 60_000  # associations of all slots together that are all judged, at most
_ROUNDS = 20  # of y, while the best sequence of them changes
_SWEEPS = 50  # of changes of paths, at most
_GAIN = 1e-7  # of the total score, for which a path is changed
_ROOT_STEPS = 3  # of y, each followed by new resources


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is decided in every slot of a trajectory. Shapes: `...` batch, T slots."""

    scenario: Scenario  # [..., T] with `serving` as this plan leaves it
    allocation: Allocation  # [..., T], feasible
    scr: Array  # [...] total score over total cost of the episode, migration included
    bound: Bound  # [...] on every plan's and every policy's SCR
    status: Any  # [...] of `Status`
    time_s: float  # for the whole batch

    @property
    def gap(self) -> Array:
        """[...] bound over SCR, less one: the most that is missing."""
        return self.bound.value / self.scr - 1

    def max_violation(self) -> Array:
        """Returns the largest relative violation of a constraint, [...]."""
        excess = violations(self.scenario, self.allocation).values()
        return np.max(list(excess), axis=0).max(axis=-1)


def plan(
    trajectory: Trajectory,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    time_limit_s: float | None = None,
) -> Plan:
    """Plans every slot of a trajectory with knowledge of all of them.

    No policy knows the future, so this is the upper end of what is attainable. With up
    to ten users at two servers for 50 slots no sequence of associations is better, with
    the resources that `share_resources(effort="fast")` finds for it.

    Args:
        trajectory: of any batch shape.
        objective: weights and references; the default ones if None.
        tolerance: relative slack of the bound's certificate.
        time_limit_s: when to stop with each trajectory, s; then the best plan found.

    Raises:
        ValueError: an argument is of another kind or out of range.
    """
    return _planned(trajectory, objective, tolerance, time_limit_s, _JUDGED)


def _planned(
    trajectory: Trajectory,
    objective: ObjectiveConfig | None,
    tolerance: float,
    time_limit_s: float | None,
    judged: int,
) -> Plan:
    checked_numpy(trajectory, Trajectory, "trajectory")
    o, tolerance = check_objective(objective), check_tolerance(tolerance)
    batch = trajectory.batch_shape
    Clock.limited(time_limit_s)
    plans = []
    for index in np.ndindex(*batch):
        clock = Clock.limited(time_limit_s)
        plans.append(_one(trajectory[index], o, tolerance, clock, judged))
    return _joined(plans, batch)


def trajectory_bound(
    trajectory: Trajectory,
    objective: ObjectiveConfig | None = None,
    *,
    tolerance: float = 1e-5,
    time_limit_s: float | None = None,
) -> Bound:
    """Returns a certified upper bound on the SCR of an episode, whoever decides.

    It holds for policies that know the future too. It is that of `plan`; its `gap` is
    to a plan that is found in less time. Prices have the shape [..., T, M].

    Args:
        trajectory: of any batch shape.
        objective: weights and references; the default ones if None.
        tolerance: relative slack that the certificate of the inner maximum may add.
        time_limit_s: when to stop with each trajectory, s; the bound is valid then too.

    Raises:
        ValueError: an argument is of another kind or out of range.
    """
    return _planned(trajectory, objective, tolerance, time_limit_s, 0).bound


def _one(
    trajectory: Trajectory,
    o: ObjectiveConfig,
    tolerance: float,
    clock: Clock,
    judged: int,
) -> Plan:
    problem = TrajectoryProblem.of(trajectory, o, clock)
    # Half of the time is the search's, so that the rest is enough for what follows.
    prices = PathPrices(problem.until(clock.part(0.5)))
    prices.search()
    prices.problem = problem
    bound = prices.bound(tolerance)
    path = _Path(problem, o, prices.server, clock)
    path.improve()
    if path.sequences() <= judged:
        path.search_all()
    path.polish()
    scenario = follow(trajectory, path.server)
    gap = np.asarray(bound.value / path.scr - 1)
    bound = dataclasses.replace(bound, gap=gap, time_s=clock.passed_s)
    late = bound.out_of_time or clock.left_s < 0
    status = Status.TIME_LIMIT if late else path.status
    return Plan(
        scenario=scenario,
        allocation=path.allocation,
        scr=np.asarray(path.scr),
        bound=bound,
        status=status,
        time_s=clock.passed_s,
    )


def along(
    trajectory: Trajectory, server: Indices, objective: ObjectiveConfig
) -> tuple[Scenario, Allocation]:
    """Returns the slots [T] and their best resources for the servers of a plan.

    So a plan is known by its servers alone.

    Args:
        trajectory: without batch axes.
        server: [T, N] indices.
        objective: weights and references.
    """
    problem = TrajectoryProblem.of(trajectory, objective)
    path = _Path(problem, objective, server, Clock.limited(None))
    path.polish()
    return follow(trajectory, path.server), path.allocation


def follow(trajectory: Trajectory, server: Indices) -> Scenario:
    """Returns the slots of a trajectory [T] with `serving` as servers [T, N] leave it.

    Nobody holds the state of a user that is new.
    """
    x = one_hot(server, trajectory.n_servers)
    serving = np.zeros_like(x)
    serving[1:] = x[:-1]
    serving[trajectory.joined] = 0
    s = trajectory.scenario
    none = np.zeros(server.shape)
    amounts = {
        name: none if getattr(s, name) is None else getattr(s, name)
        for name in ("migration_delay_s", "migration_energy_j")
    }
    return Scenario.unchecked(**s.to_dict() | amounts | {"serving": serving})


class _Path:
    """A plan while it is improved: servers [T, N], the ratio y, and the resources."""

    def __init__(
        self,
        problem: TrajectoryProblem,
        objective: ObjectiveConfig,
        server: Indices,
        clock: Clock,
    ) -> None:
        self.problem, self.objective, self.clock = problem, objective, clock
        self.server = self._fitted(server)
        self.status = Status.CONVERGED
        self.scr = 0.0
        self.allocation: Allocation
        self._evaluate(float(problem.problem.first_ratio().mean()))

    def _fitted(self, server: Indices) -> Indices:
        """Returns servers that keep to `max_users`, near the given ones."""
        s, fitted = self.problem.scenario, server.copy()
        load = one_hot(server, s.n_servers).sum(axis=-2)
        for t in np.flatnonzero((load > s.max_users).any(axis=-1)):
            gain = np.log(s.channel_gain[t])
            wish = gain + (np.ptp(gain) + 1) * one_hot(server[t], s.n_servers)
            fitted[t] = round_assignment(wish, s.max_users[t]).argmax(axis=-1)
        return fitted

    def _evaluate(self, ratio: float) -> None:
        """Shares resources at y, its own SCR after a few steps."""
        s, o = self.problem.scenario, self.objective
        moved = float(self.problem.changes(self.server).sum())
        for _ in range(_ROOT_STEPS):
            allocation = share(s, self.server, o, np.full(len(self.server), ratio))
            outcome = evaluate(s, allocation, o)
            ratio = float(outcome.score.sum() / (outcome.cost.sum() + moved))
            if ratio > self.scr:
                self.scr, self.allocation = ratio, allocation

    def improve(self) -> None:
        """Changes users' paths while that helps."""
        p, o = self.problem, self.objective
        best = self.server.copy(), self.scr, self.allocation
        values = np.empty(p.scenario.channel_gain.shape)
        stale = np.arange(len(self.server))  # slots whose values are not known
        for _ in range(_SWEEPS):
            if self.clock.left_s < 0:
                break
            ratio = np.full(len(stale), self.scr)
            values[stale] = moved_surplus(
                p.scenario[stale], self.server[stale], o, ratio
            )
            stale = self._change_paths(values)
            if not len(stale):
                break
        else:
            self.status = Status.ITERATION_LIMIT
        self.scr = 0.0
        self._evaluate(best[1])
        if self.scr < best[1]:
            self.server, self.scr, self.allocation = best

    def polish(self) -> None:
        """Takes each slot's carefully shared resources where they are better at y.

        What `share` finds in batches is nearly always as good, but not with every
        score: here φ is sought in both halves of its range.
        """
        if self.clock.left_s < 0:
            return
        s, o = self.problem.scenario, self.objective
        x = one_hot(self.server, s.n_servers)
        careful = share_resources(s, x, o)
        moved = float(self.problem.changes(self.server).sum())
        for _ in range(_ROOT_STEPS):
            outcomes = [evaluate(s, z, o) for z in (self.allocation, careful)]
            old, new = (
                outcome.score.sum(axis=-1) - self.scr * outcome.cost.sum(axis=-1)
                for outcome in outcomes
            )
            chosen = Allocation.where(new > old, careful, self.allocation)
            outcome = evaluate(s, chosen, o)
            ratio = float(outcome.score.sum() / (outcome.cost.sum() + moved))
            if ratio <= self.scr:
                break
            self.scr, self.allocation = ratio, chosen

    def sequences(self) -> float:
        """Returns how many associations all slots have together."""
        n_slots, n_users = self.server.shape
        return n_slots * float(self.problem.scenario.n_servers) ** n_users

    def search_all(self) -> None:
        """Takes the best sequence of associations, all of which are judged."""
        p, o = self.problem, self.objective
        n_slots, n_users = self.server.shape
        n_servers = p.scenario.n_servers
        every = np.indices((n_servers,) * n_users).reshape(n_users, -1).T  # [K, N]
        fits = (
            one_hot(every, n_servers).sum(axis=1)[None] <= p.scenario.max_users[:, None]
        )
        slot, choice = np.nonzero(fits.all(axis=-1))
        score, cost = (np.full(fits.shape[:2], v) for v in (-np.inf, 0.0))
        ratio = np.full(len(slot), self.scr)
        for rows in np.array_split(np.arange(len(slot)), max(1, len(slot) // 2000)):
            if self.clock.left_s < 0:
                return
            at = slot[rows], choice[rows]
            s = p.scenario[slot[rows]]
            score[at], cost[at] = worth(s, every[choice[rows]], o, ratio[rows])
        best = self.server, self.scr, self.allocation
        ratio_now, before = self.scr, self.server
        for _ in range(_ROUNDS):
            value = (score - ratio_now * cost).reshape(n_slots, *[n_servers] * n_users)
            _, self.server = best_joint_path(value, ratio_now * p.migration)
            if (self.server == before).all():
                break
            before, self.scr = self.server, 0.0
            self._evaluate(ratio_now)
            ratio_now = self.scr
        if self.scr < best[1]:
            self.server, self.scr, self.allocation = best

    def _change_paths(self, values: Array) -> Indices:
        """Gives users better paths, the greatest gain first, in slots of their own.

        Returns the slots that have changed.
        """
        penalty = self.scr * self.problem.migration
        here = self.server[..., None]
        gain = values - np.take_along_axis(values, here, axis=-1)
        total, path = best_paths(gain, penalty)
        total = total + self.scr * self.problem.changes(self.server).sum(axis=0)
        changed = np.zeros(len(values), dtype=bool)
        least = _GAIN * 100.0 * self.server.size
        for user in np.argsort(-total, kind="stable"):
            slots = path[:, user] != self.server[:, user]
            if total[user] > least and not (slots & changed).any():
                self.server[:, user] = path[:, user]
                changed |= slots
        return np.flatnonzero(changed)


def _joined(plans: list[Plan], batch: tuple[int, ...]) -> Plan:
    """Returns the plans of single trajectories as that of a batch."""

    def shaped(values: Any) -> Any:
        return np.reshape(values, batch)[()]

    return Plan(
        scenario=Scenario.stack([p.scenario for p in plans]).unflatten(batch),
        allocation=Allocation.stack([p.allocation for p in plans]).unflatten(batch),
        scr=shaped([p.scr for p in plans]),
        bound=Bound.joined([p.bound for p in plans], batch),
        status=shaped([p.status for p in plans]),
        time_s=sum(p.time_s for p in plans),
    )
