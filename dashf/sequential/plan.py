"""Plans of an episode that know its future, and their certified bound.

A plan begins with every user's best path at the bound's prices; `PlannedPath` improves
them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.checks import check_objective, check_tolerance
from dashf.common.clock import Clock
from dashf.result import Bound, Status
from dashf.sequential.bound import PathPrices
from dashf.sequential.planned_path import PlannedPath
from dashf.sequential.problem import TrajectoryProblem
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, Trajectory, violations
from mec_llm_env.allocation import one_hot
from mec_llm_env.record import checked_numpy

_JUDGED = 60_000  # associations of all slots together that are all judged, at most


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
    path = PlannedPath(problem, o, prices.server, clock)
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
    path = PlannedPath(problem, objective, server, Clock.limited(None))
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
