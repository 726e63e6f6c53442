"""The batched environment: all sub-environments in one array operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from mec_llm_env.attributes import SubAttributes
from mec_llm_env.callers import refuse_miscounting
from mec_llm_env.decision_task import reset_options
from mec_llm_env.env import TaskEnv
from mec_llm_env.ranges import integer_argument, shorten
from mec_llm_env.rows import add_masked, blank, each_row, members, put
from mec_llm_env.streams import UniformStreams
from mec_llm_env.task import Task

Array = np.ndarray[Any, Any]

#: Sub-environments, at most.
MOST_ENVS = 1_000_000

_EPISODE_STATE = (
    *("situation", "_decisions", "_ended", "_given", "_follows"),
    "_held_out",
)


class DecisionVectorEnv(SubAttributes, TaskEnv, VectorEnv[Any, Any, Any]):
    """What `MecLlmVectorEnv` and `MecLlmMobileVectorEnv` share: all but their task.

    Args:
        num_envs: B, the number of sub-environments.
        autoreset_mode: "SameStep", "NextStep" or "Disabled".
        render_mode: "rgb_array", "human" (a window with the first four) or None.
        **kwargs: of the task.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = "SameStep",
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        num_envs = integer_argument("num_envs", num_envs, 1, MOST_ENVS)
        self._set_up(render_mode, kwargs)
        self.num_envs = num_envs
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.task.observation_codec.space
        self.single_action_space = self.task.action_codec.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._follows = np.zeros(num_envs, dtype=np.bool_)  # what is given
        self._streams = UniformStreams(self.num_envs, self.task.sampler.block_size)
        self._decisions = np.zeros(self.num_envs, dtype=np.int64)  # in this episode
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)  # at the last step
        self._decided = np.zeros(self.num_envs, dtype=np.bool_)  # in the last step
        self._held_out = self.task.held_out(num_envs, stride=None)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode in every sub-environment, or in those of a mask.

        Args:
            seed: of the first sub-environment (the others count up), one a
                sub-environment, or None to go on with the random streams.
            options: `scenario` or `trajectory`, one for all or a batch of B;
                `reset_mask`, [B] bool.

        Raises:
            ValueError: seeds or options do not fit; nothing has changed.
            gymnasium.error.Error: a seed is not a whole number of at least 0; likewise.
        """
        refuse_miscounting(self.autoreset_mode)
        options = dict(reset_options(options, self.task.option))
        mask = self._reset_mask(options.pop("reset_mask", None))
        given = self.task.given(options, self.num_envs)
        if self.situation is None and not mask.all():
            raise ResetNeeded("Reset all sub-environments before some of them.")
        seeds = self._seed_list(seed)
        if self._held_out is not None:
            self._held_out.seed(seeds, np.flatnonzero(mask))
        self._streams.seed(seeds, np.flatnonzero(mask))
        self._decisions[mask] = 0
        self._ended[mask] = False
        self._draw_again(mask)
        if given is not None:
            self._follow(given, mask)
        self._begin(mask)
        if not self.task.replays:
            self._draw_again(mask)
        self._forget()
        self._show()
        infos: dict[str, Any] = {}
        add_masked(infos, self.task.no_figures((self.num_envs,)), mask)
        return deepcopy(self._observation), infos

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """Decides in every sub-environment.

        Raises:
            ValueError: an action is not valid; nothing has changed.
            ResetNeeded: a sub-environment has ended and is not reset by itself.
        """
        refuse_miscounting(self.autoreset_mode)
        idle = self._idle()
        before = self.situation
        actions = blank(actions, idle)
        decision = self.task.decide(actions, before.scenario)
        after = self.task.settle(before, decision)
        self.decided_scenario = before.scenario
        self.allocation, self.outcome = decision
        self._decided = ~idle
        self._passed.append(before)
        decisions = np.where(idle, 0, self._decisions + 1)
        ended = decisions == self.task.episode_length
        rewards = np.where(idle, 0.0, self.task.reward(before, after, decision.outcome))

        infos: dict[str, Any] = {}
        figures = self.task.figures(before, after, actions, decision)
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        begun = ended if same_step else idle  # their infos are those of a reset
        add_masked(infos, blank(figures, begun), np.ones_like(begun))
        if same_step:
            self._add_final(infos, figures, after, ended)
        self._decisions = np.where(begun, 0, decisions)
        self._draw_again(begun)
        self._go_on(after, begun, ended)
        self._ended = ended
        self._show()
        truncations = np.zeros_like(ended)
        return deepcopy(self._observation), rewards, ended.copy(), truncations, infos

    def render(self) -> tuple[Array, ...] | None:
        """Returns one picture a sub-environment; see `MecLlmEnv.render`.

        None with "human", where a window shows the first four of them.
        """
        if self.render_mode is None:
            return None
        if self.scenario is None:
            raise ResetNeeded("There is nothing to render: call reset first.")
        return None if self._window else tuple(map(self._picture, range(self.num_envs)))

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the window, if there is one."""
        if self._window:
            self._window.close()

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators of the sub-environments."""
        return self._streams.show()[0]

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the sub-environments."""
        return self._streams.show()[1]

    def get_state(self) -> dict[str, Any]:
        """Returns a snapshot of generators and episodes, to be pickled or deep-copied.

        `set_state` on an environment made with the same arguments goes on from it,
        bit for bit.
        """
        episodes = {name: getattr(self, name) for name in _EPISODE_STATE}
        return {"streams": self._streams.get_state(), **deepcopy(episodes)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from a snapshot of `get_state`."""
        self._streams.set_state(state["streams"])
        for name in _EPISODE_STATE:
            setattr(self, name, deepcopy(state[name]))
        self._forget()
        self._passed.clear()
        self._observation = (
            None if self.situation is None else self.task.observe(self.situation)
        )

    def _forget(self) -> None:
        super()._forget()
        self._decided = np.zeros(self.num_envs, dtype=np.bool_)

    # Pictures.

    def _picture(self, i: int) -> Array:
        """Returns that of a sub-environment; its last step may have only begun it."""
        if not self._decided[i]:
            situations = [*self._passed, self.situation]
            return self.task.draw(
                [situation[i] for situation in situations], None, None
            )
        assert self.allocation is not None
        assert self.outcome is not None
        situations = [situation[i] for situation in self._passed]
        return self.task.draw(situations, self.allocation[i], self.outcome[i])

    def _show(self) -> None:
        if self._window:
            shown = range(min(self.num_envs, self._window.most_pictures))
            self._window.show([self._picture(i) for i in shown])

    # Situations and seeds.

    def _go_on(self, after: Any, begun: Array, ended: Array) -> None:
        """Begins episodes, goes on with others, and leaves the rest at their ends."""
        onward = ~(begun | ended)
        if (last := ended & ~begun).any() and after is not self.situation:
            self._enter(members(after, last), last)
        if begun.any():
            self._begin(begun)
        for rows, source in self._sources(onward, first=False):
            self._enter(self.task.onward(members(after, rows), source), rows)

    def _begin(self, mask: Array) -> None:
        """Begins episodes in the sub-environments of the mask."""
        for rows, source in self._sources(mask, first=True):
            self._enter(self.task.begin(source), rows)

    def _sources(self, mask: Array, first: bool) -> Iterator[tuple[Array, Any]]:
        """Yields masks of sub-environments, and what their situations are made of."""
        if (drawn := mask & ~self._follows).any():
            index = np.flatnonzero(drawn)
            if self._held_out is None:
                yield drawn, self._streams.take(index)
            else:
                yield drawn, self._held_out.take(index, first)
        if (given := mask & self._follows).any():
            index = np.flatnonzero(given)
            yield given, self.task.recall(self._given, index, self._decisions[given])

    def _follow(self, given: Any, mask: Array) -> None:
        """Lets the sub-environments of the mask follow what is given."""
        if not given.batch_shape:
            given = given.repeat(self.num_envs)
        if self._follows.any():
            given = type(given).where(mask, given, self._given)
        self._given = given
        self._follows = self._follows | mask

    def _draw_again(self, mask: Array) -> None:
        """Lets the sub-environments of the mask draw what follows."""
        self._follows = self._follows & ~mask
        if not self._follows.any():
            self._given = None

    def _enter(self, situation: Any, mask: Array) -> None:
        """Puts situations into the sub-environments of the mask."""
        observation = self.task.observe(situation)
        if mask.all():
            self.situation, self._observation = situation, observation
            return
        self.situation = put(self.situation, situation, mask)
        self._observation = put(self._observation, observation, mask)

    def _seed_list(self, seed: Any) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str | bytes):
            raise ValueError(
                "`seed` must be an integer, one for each sub-environment, or None; got "
                f"{shorten(seed)}."
            )
        if len(seed) != self.num_envs:
            raise ValueError(
                f"`seed` must have one entry for each of the {self.num_envs} "
                f"sub-environments; got {len(seed)}."
            )
        return list(seed)

    def _reset_mask(self, mask: Any) -> Array:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        is_mask = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
        if not is_mask or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                "`options['reset_mask']` must be a NumPy array of shape "
                f"({self.num_envs},) and type bool with a true entry; got "
                f"{shorten(mask)}."
            )
        return mask

    # Episodes.

    def _idle(self) -> Array:
        """Returns which sub-environments only begin again in this step, [B]."""
        if self.scenario is None:
            raise ResetNeeded("There is no scenario to decide on: call reset first.")
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            return self._ended
        ended = np.flatnonzero(self._ended)
        if self.autoreset_mode == AutoresetMode.DISABLED and len(ended):
            raise ResetNeeded(
                f"The episode of sub-environment {ended[0]} has ended: reset it with "
                "options={'reset_mask': …}."
            )
        return np.zeros(self.num_envs, dtype=np.bool_)

    def _add_final(
        self, infos: dict[str, Any], figures: Any, after: Any, ended: Array
    ) -> None:
        """Adds the last figures and observations of episodes that have ended."""
        if not ended.any():
            return
        last = self._observation
        if after is not self.situation:
            last = self.task.observe(after)
        observations = np.fromiter(each_row(last), dtype=object)
        observations[~ended] = None
        final: dict[str, Any] = {}
        add_masked(final, figures, ended)
        infos |= {"final_obs": observations, "_final_obs": ended.copy()}
        infos |= {"final_info": final, "_final_info": ended.copy()}


class MecLlmVectorEnv(DecisionVectorEnv):
    """`num_envs` independent `MecLlmEnv`s with one random generator each.

    Equal, bit for bit, to `gym.make_vec(id, num_envs, vectorization_mode="sync",
    vector_kwargs={"autoreset_mode": …})`, in all autoreset modes. The default is
    SAME_STEP: a finished sub-environment returns its next scenario at once and the
    figures of the decision lie in `infos["final_info"]`. Callers that are known to
    silently miscount episodes in it are refused, with the remedy.

    Args:
        num_envs: B, the number of sub-environments.
        autoreset_mode: "SameStep", "NextStep" or "Disabled".
        render_mode: "rgb_array", "human" (a window with the first four) or None.
        **kwargs: see `Task`: preset, overrides, config, encodings, and so on.
    """

    task_type = Task


def _autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except (TypeError, ValueError):
        choices = ", ".join(repr(choice.value) for choice in AutoresetMode)
        raise ValueError(
            f"`autoreset_mode` must be one of {choices}; got {shorten(mode)}."
        ) from None
