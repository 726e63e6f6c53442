"""The environments as a PettingZoo `ParallelEnv`: one agent a user, or one a server.

The joint action is an action of the single-agent environment, which decodes and
evaluates it: there is no second model. Needs the extra `pettingzoo`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from mec_llm_env._array import Array
from mec_llm_env.actions import LEVELS, RESOURCES
from mec_llm_env.env import MecLlmEnv
from mec_llm_env.mobile.env import MecLlmMobileEnv
from mec_llm_env.observations import LIMIT, USER_FEATURES
from mec_llm_env.ranges import shorten, word_argument
from mec_llm_env.scenario import Scenario

ENVIRONMENTS: dict[str, Any] = {
    "MecLlm-v0": MecLlmEnv,
    "MecLlmMobile-v0": MecLlmMobileEnv,
}

#: Who acts, and what each of them is rewarded with.
AGENTS = ("users", "servers")
REWARDS = ("shared", "own")
PARALLEL = {"is_parallelizable": True}


class MecLlmParallelEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]
    """Agents that decide at once on one scenario; see `mec_llm_env.parallel_env`.

    Args:
        env_id: a key of `ENVIRONMENTS`.
        agents: "users" or "servers".
        reward: "shared" or "own".
        slot_reward: `reward` of `MobileTask`, for `MecLlmMobile-v0`.
        **kwargs: of the environment.

    Raises:
        ValueError: an argument is not valid, or an encoding has no rows to act with.
    """

    metadata: dict[str, Any] = {**MecLlmEnv.metadata, **PARALLEL}

    def __init__(
        self,
        env_id: str = "MecLlm-v0",
        *,
        agents: str = "users",
        reward: str = "shared",
        slot_reward: str | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value, known in (
            ("env_id", env_id, tuple(ENVIRONMENTS)),
            ("agents", agents, AGENTS),
            ("reward", reward, REWARDS),
        ):
            word_argument(name, value, known)
        if slot_reward is not None:
            if env_id == "MecLlm-v0":
                raise ValueError(
                    "`slot_reward` is for 'MecLlmMobile-v0'; got "
                    f"{shorten(slot_reward)} with 'MecLlm-v0'. Leave it out."
                )
            kwargs["reward"] = slot_reward
        kwargs.setdefault("observation_encoding", "tokens")
        self.env = ENVIRONMENTS[env_id](**kwargs)
        self.metadata = {**self.env.metadata, **PARALLEL, "name": env_id}
        task = self.env.task
        encoding = task.action_codec.encoding
        rows = ("box",) if agents == "servers" else ("box", "multi_discrete")
        if encoding not in rows:
            raise ValueError(
                f"`action_encoding` must be {' or '.join(map(repr, rows))} with "
                f"agents={agents!r}, whose actions are rows of it; got {encoding!r}."
            )
        if task.observation_codec.encoding != "tokens":
            raise ValueError(
                "`observation_encoding` is 'tokens' with several agents; got "
                f"{task.observation_codec.encoding!r}. Leave it out."
            )
        self.agent_kind, self.reward_kind = agents, reward
        self.render_mode = self.env.render_mode
        n, m = task.config.users, task.config.servers
        count = n if agents == "users" else m
        self.possible_agents = [f"{agents[:-1]}_{i}" for i in range(count)]
        self.agents: list[str] = []
        codec = task.observation_codec
        users, servers = np.zeros(codec.user_shape), np.zeros(codec.server_shape)
        if agents == "users":
            seen = _seen_by_users(users, servers, np.zeros((n, m)), np.ones(n))
        else:
            seen = _seen_by_servers(users, servers)
        size = seen.shape[-1]
        self._observation_space = spaces.Box(-LIMIT, LIMIT, (size,), np.float32)
        self._action_space = self._row_space(encoding)
        self.observation_spaces = self._for_all(self._observation_space)
        self.action_spaces = self._for_all(self._action_space)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Returns the space of an agent's observations, the same for all."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Returns the space of an agent's actions, the same for all but its state."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Starts an episode, as the single-agent environment does.

        Other options than its own do nothing: PettingZoo's own tests give some.

        Raises:
            ValueError: the options do not fit; nothing has changed.
        """
        option = self.env.task.option
        given = {k: v for k, v in (options or {}).items() if k == option}
        tokens, info = self.env.reset(seed=seed, options=given)
        self.agents = list(self.possible_agents)
        return self._observe(tokens), {name: dict(info) for name in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Decides with the actions of all agents.

        Raises:
            ValueError: an action is missing or not valid; nothing has changed.
            ResetNeeded: there is no scenario to decide on.
        """
        joint, before = self.joint_action(actions), self.env.situation
        tokens, reward, terminated, truncated, info = self.env.step(joint)
        names = self.agents
        rewards = np.full(len(names), reward)
        if self.reward_kind == "own":
            rewards = self._own_rewards(before)
        observations = self._observe(tokens)
        self.agents = [] if terminated or truncated else names
        return (
            observations,
            dict(zip(names, rewards.tolist(), strict=True)),
            dict.fromkeys(names, terminated),
            dict.fromkeys(names, truncated),
            {name: dict(info) for name in names},
        )

    def joint_action(self, actions: dict[str, Any]) -> Any:
        """Returns the single-agent action that actions of all agents amount to.

        Those of users are its rows. Of servers, the decoder gets the requests, and
        each user the resources that the server which it is assigned to offers it.

        Raises:
            ValueError: an action is missing, or of another shape than its space.
        """
        rows = []
        for name in self.possible_agents:
            if not isinstance(actions, dict) or name not in actions:
                raise ValueError(
                    f"`actions` must be a dictionary with an entry for {name!r} and "
                    f"each other agent; got {shorten(actions)}."
                )
            row = np.asarray(actions[name])
            if row.shape != self._action_space.shape:
                raise ValueError(
                    f"`actions[{name!r}]` must have shape {self._action_space.shape}; "
                    f"got {row.shape}."
                )
            rows.append(row)
        if self.agent_kind == "users":
            return np.concatenate(rows)
        n, k = self.env.task.config.users, 1 + len(RESOURCES)
        offers = np.stack(rows).reshape(-1, n, k).swapaxes(0, 1)  # [N, M, 1 + 5]
        requests = offers[..., 0]
        server = self._assigned(requests)
        resources = offers[np.arange(n), server, 1:]
        return np.concatenate([requests, resources], axis=-1).ravel()

    def render(self) -> Any:
        """Returns the picture of the last decision; see `DecisionEnv.render`."""
        return self.env.render()

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()

    def state(self) -> Array:
        """Returns all tokens in one vector, for critics that see everything."""
        tokens = self.env.task.observe(self.env.situation)
        return np.concatenate([tokens["users"].ravel(), tokens["servers"].ravel()])

    def _for_all(self, space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
        """Returns a copy of a space for each agent, as each has a seed of its own."""
        return {name: deepcopy(space) for name in self.possible_agents}

    def _row_space(self, encoding: str) -> spaces.Space[Any]:
        config, k = self.env.task.config, len(RESOURCES)
        if self.agent_kind == "servers":
            return spaces.Box(-1.0, 1.0, (config.users * (1 + k),), np.float32)
        if encoding == "box":
            return spaces.Box(-1.0, 1.0, (config.servers + k,), np.float32)
        return spaces.MultiDiscrete([config.servers] + [LEVELS] * k)

    def _assigned(self, requests: Array) -> Array:
        """Returns the server that the decoder gives each user, [N]."""
        env = self.env
        blank = np.zeros((len(requests), len(RESOURCES)))
        action = np.concatenate([requests, blank], axis=-1).ravel()
        if env.scenario is None:
            return requests.argmax(axis=-1)  # `step` says that there is no scenario
        return env.task.action_codec.decode(action, env.scenario).server

    def _own_rewards(self, before: Any) -> Array:
        """Returns each agent's part of the reward: that of its users."""
        env = self.env
        part = env.task.reward_parts(before, env.situation, env.outcome)
        if self.agent_kind == "users":
            return part
        assert env.allocation is not None
        return part @ env.allocation.association

    def _observe(self, tokens: dict[str, Array]) -> dict[str, Array]:
        """Returns what each agent sees, float32."""
        users, servers = tokens["users"], tokens["servers"]
        if self.agent_kind == "users":
            assert self.env.scenario is not None
            scenario = self.env.scenario
            likely = _likely_servers(scenario)
            seen = _seen_by_users(users, servers, likely, scenario.workload_flop)
        else:
            seen = _seen_by_servers(users, servers)
        seen = seen.astype(np.float32)
        return dict(zip(self.possible_agents, seen, strict=True))


def _likely_servers(scenario: Scenario) -> Array:
    """Returns the server that each user is likely to have, a one-hot row, [N, M].

    That is the one that holds its training state, and else that of its strongest
    channel. A user cannot know what the others do at the same time.
    """
    gain, serving = scenario.channel_gain, scenario.serving
    strongest = np.eye(gain.shape[-1])[gain.argmax(axis=-1)]
    if serving is None:
        return strongest
    return np.where(serving.any(axis=-1, keepdims=True), serving, strongest)


def _seen_by_users(users: Array, servers: Array, likely: Array, work: Array) -> Array:
    """Returns [N, ·]: the own token, then each server's with the load that it may get.

    That is, of the other users, the share that is likely there, and the share of their
    workload, [N] FLOP.
    """
    n = len(users)
    loads = []
    for weight in (np.ones(n), work):
        at_server = likely * weight[:, None]
        others = at_server.sum(axis=0) - at_server
        total = weight.sum() - weight[:, None]
        loads.append(others / np.where(n > 1, total, 1.0))
    load = np.clip(np.stack(loads, axis=-1), 0, 1)  # [N, M, 2]
    tokens = np.broadcast_to(servers, (n, *servers.shape))
    around = np.concatenate([tokens, load], axis=-1)
    return np.concatenate([users, around.reshape(n, -1)], axis=-1)


def _seen_by_servers(users: Array, servers: Array) -> Array:
    """Returns [M, ·]: the own token, then each user's.

    Of a user it is the gain to this server, the strongest gain to another (−10, the
    lowest that there is, where there is none), and the rest of its token, where of
    columns for each server there is the one of this server.
    """
    m = len(servers)
    gain = users[:, :m].T[..., None]  # [M, N, 1]
    elsewhere = np.where(np.eye(m, dtype=np.bool_)[..., None], -LIMIT, users[:, :m].T)
    parts = [gain, elsewhere.max(axis=1)[..., None]]
    own, more = np.split(users[:, m:], [len(USER_FEATURES)], axis=-1)
    parts.append(np.broadcast_to(own, (m, *own.shape)))
    if more.size:  # `serving`, then what else the sequential problem has
        parts.append(more[:, :m].T[..., None])
        parts.append(np.broadcast_to(more[:, m:], (m, len(users), more.shape[-1] - m)))
    seen = np.concatenate(parts, axis=-1)
    return np.concatenate([servers, seen.reshape(m, -1)], axis=-1)
