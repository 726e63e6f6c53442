"""A plan while it is improved: paths of users through slots, and their resources.

Users change their paths one after another: for each, the surplus of every slot with
that user elsewhere is computed, all others as they are, and its best path through these
values is exact. Where all associations of all slots can be judged, the best sequence of
them follows slot by slot.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.clock import Clock
from dashf.pricing.sharing import share_resources
from dashf.result import Status
from dashf.sequential.choice import moved_surplus, share, worth
from dashf.sequential.paths import best_joint_path, best_paths
from dashf.sequential.problem import TrajectoryProblem
from mec_llm_env import Allocation, ObjectiveConfig, evaluate
from mec_llm_env.allocation import one_hot
from mec_llm_env.assignment import round_assignment

_ROUNDS = 20  # of y, while the best sequence of associations changes
_SWEEPS = 50  # of changes of paths, at most
_GAIN = 1e-7  # of the total score, for which a path is changed
_ROOT_STEPS = 3  # of y, each followed by new resources


class PlannedPath:
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
        self._evaluate(float(problem.slots.first_ratio().mean()))

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
