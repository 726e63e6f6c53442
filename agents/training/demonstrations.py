"""Demonstrations: decisions of a solver, encoded as observations and actions.

The scenarios, or episodes, have seeds of their own (`demonstration_instances`). They
are solved in chunks, each of which is cached in `.cache/demonstrations/`, so that an
interrupted generation is resumed and a larger number reuses the chunks of a smaller
one. In episodes the demonstrator acts slot after slot, and what it earned is kept for
the critic. Shapes: K decisions, N users, M servers.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import dashf
import mec_llm_env
from agents.problems.episodes import Slot, decided_slots
from agents.problems.instances import demonstration_instances
from agents.problems.tasks import AnyTask, env_id_of
from agents.registry import make_agent
from agents.run.config import check_demonstrator
from agents.solvers import HYSTERESIS_WEIGHT
from agents.storage.cache import CACHE as ALL_CACHES
from agents.storage.cache import cached_arrays, source_hash
from agents.training.surplus import UNIT, priced_surplus
from mec_llm_env import evaluate
from mec_llm_env.actions import ActionCodec
from mec_llm_env.files import Arrays
from mec_llm_env.mobile.task import MobileTask
from mec_llm_env.observations import ObservationCodec, Shared
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

CACHE = ALL_CACHES / "demonstrations"
CHUNK = 256  # scenarios solved at once; each chunk is a file of the cache
EPISODES = 16  # likewise, where decisions follow one another

_TOTALS = ("score", "cost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstrations:
    """K decisions of a solver."""

    users: Array  # [K, N, ·] float32, tokens of the observations
    servers: Array  # [K, M, ·] float32
    server: Array  # [K, N] index of each user's server
    resources: Array  # [K, N, 5] float32 in [−1, 1], columns as `RESOURCES`
    scr: Array  # [K] of the decisions, as decoded
    projection_distance: Array  # [K] of `ActionCodec.project`

    def __len__(self) -> int:
        return len(self.scr)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeDemonstrations(Demonstrations):
    """K decisions of a solver, one after another in whole episodes, and what they earn.

    The last episode may be cut; the returns of its decisions then lack what follows.
    """

    reward: Array  # [K] of the environment
    ends: Array  # [K] bool, whether the episode ends
    user_reward: Array  # [K, N] as `UserCredit` pays them
    leaves: Array  # [K, N] bool, whether the user's job ends

    def returns(self, discount: float, of_users: bool) -> Array:
        """Returns the discounted returns, [K, 1], or of users, [K, N]."""
        if of_users:
            reward, last = self.user_reward, self.leaves | self.ends[:, None]
        else:
            reward, last = self.reward[:, None], self.ends[:, None]
        total = np.empty(reward.shape)
        following = np.zeros(reward.shape[1])
        for k in reversed(range(len(reward))):
            following = reward[k] + discount * np.where(last[k], 0.0, following)
            total[k] = following
        return total


def demonstrate(
    task: AnyTask,
    solver: str,
    count: int,
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> Demonstrations:
    """Returns a solver's decisions in demonstration scenarios 0 … count − 1.

    Args:
        task: what is decided, with any encodings; a `MobileTask` gives
            `EpisodeDemonstrations`, from episodes 0 and up.
        solver: one of `dashf.SOLVERS`, or a policy for episodes.
        count: K.
        advance: called with the number of decisions that are made.

    Raises:
        ValueError: there is no such solver.
    """
    check_demonstrator(solver, env_id_of(task))
    is_mobile = isinstance(task, MobileTask)
    make: Callable[..., Arrays] = _act if is_mobile else _solve
    chunk = EPISODES * task.episode_length if is_mobile else CHUNK
    key = _key(task, solver)
    parts: list[Arrays] = []
    for first in range(0, count, chunk):
        path = CACHE / key / f"{first:07d}.npz"
        parts.append(cached_arrays(path, partial(make, task, solver, first)))
        advance(min(first + chunk, count))
    whole = {k: np.concatenate([p[k] for p in parts])[:count] for k in parts[0]}
    return (EpisodeDemonstrations if is_mobile else Demonstrations)(**whole)


def describe(demonstrations: Demonstrations, solver: str) -> str:
    """Describes the quality of demonstrations, and of their encoding as actions."""
    return (
        f"{len(demonstrations):,} demonstrations of {solver}: mean SCR "
        f"{demonstrations.scr.mean():.2f}, projected by at most "
        f"{demonstrations.projection_distance.max():.1g}."
    )


def _solve(task: Task, solver: str, first: int) -> Arrays:
    """Returns the fields of the chunk of `Demonstrations` that begins at `first`."""
    config = task.config
    size = config.users, config.servers
    scenario = demonstration_instances(config, first, CHUNK)
    seen = ObservationCodec(*size, "tokens", shared=Shared.of(config))
    tokens = seen.encode(scenario)
    allocation = dashf.solve_batch(scenario, config.objective, solver=solver).allocation
    codec = ActionCodec(*size, "dict")
    action, distance = codec.project(allocation, scenario)
    decoded = codec.decode(action, scenario)
    outcome = evaluate(scenario, decoded, config.objective, check=False)
    return {
        "users": tokens["users"],
        "servers": tokens["servers"],
        "server": action["association"],
        "resources": action["resources"],
        "scr": outcome.scr,
        "projection_distance": distance,
    }


def _act(task: MobileTask, solver: str, first: int) -> Arrays:
    """Returns the fields of the chunk of `EpisodeDemonstrations` that begins there."""
    shown = MobileTask(
        overrides=task.config.to_dict(),
        action_encoding="dict",
        observation_encoding="tokens",
        reward=task.reward_kind,
        surplus_ratio=task.surplus_ratio,
        surplus_cost=task.surplus_cost,
    )
    episode = first // task.episode_length
    trajectory = demonstration_instances(task.config, episode, EPISODES)
    agent = make_agent(solver, shown)
    slots = list(decided_slots(agent, shown, trajectory))
    score, cost = (sum(getattr(s.outcome, k).sum() for s in slots) for k in _TOTALS)
    rows = [_of_slot(shown, slot, score / cost) for slot in slots]
    for row, following in zip(rows, [*slots[1:], None], strict=True):
        serving = None if following is None else following.scenario.serving
        row["leaves"] = np.ones(row["server"].shape, dtype=np.bool_)
        if serving is not None:
            row["leaves"] = ~serving.any(axis=-1)
        row["ends"] = np.full(EPISODES, following is None)
    return {  # an episode's slots one after another
        name: np.concatenate(np.stack([row[name] for row in rows], axis=1))
        for name in rows[0]
    }


def _of_slot(task: MobileTask, slot: Slot, ratio: float) -> Arrays:
    """Returns what is kept of a slot of some episodes, [EPISODES, …] each."""
    s, z, o = slot.scenario, slot.allocation, task.config.objective
    action, distance = task.action_codec.project(z, s)
    return {
        "users": slot.observation["users"],
        "servers": slot.observation["servers"],
        "server": action["association"],
        "resources": action["resources"],
        "scr": slot.outcome.scr,
        "projection_distance": distance,
        "reward": slot.reward,
        "user_reward": priced_surplus(s, z, slot.outcome, ratio, o) / UNIT,
    }


def _key(task: AnyTask, solver: str) -> str:
    """Hashes everything that demonstrations depend on, except their number."""
    source = source_hash(mec_llm_env, dashf)
    about = [task.config, solver, CHUNK, source]
    if isinstance(task, MobileTask):
        reward = task.reward_kind, task.surplus_ratio, task.surplus_cost
        own = [inspect.getsource(code) for code in (_act, _of_slot, priced_surplus)]
        about += [EPISODES, reward, HYSTERESIS_WEIGHT, own]
    return hashlib.sha256(repr(about).encode()).hexdigest()
