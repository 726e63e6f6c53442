"""`MobileTask`: what the scalar and the batched `MecLlmMobile-v0` do alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.allocation import Allocation
from mec_llm_env.decision_task import (
    Decision,
    DecisionTask,
    certified_bounds,
    chosen_config,
    uniforms_of,
)
from mec_llm_env.mobile.bank import load_trajectory_bank, trajectory_bank_presets
from mec_llm_env.mobile.config import MobileConfig
from mec_llm_env.mobile.mobility import MobilityState, mobility_sampler
from mec_llm_env.mobile.observations import MobileObservation, MobileObservationCodec
from mec_llm_env.mobile.trajectory import Trajectory
from mec_llm_env.objective import Outcome
from mec_llm_env.ranges import Limits, Rule, shorten, word_argument
from mec_llm_env.record import ArrayRecord
from mec_llm_env.scenario import Scenario

#: What a reward may be.
REWARDS = ("scr_difference", "slot", "surplus")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MobileSituation(ArrayRecord):
    """A slot that is to be decided. Shapes: `...` batch, N users, M servers."""

    seen: MobileObservation  # [...]
    user_speed_m_per_s: Array  # [..., N] m/s; 0 where slots are given
    shadowing_db: Array  # [..., N, M] dB; 0 where slots are given
    sight: Array | None = None  # [..., N, M], as in `MobilityState`; 0 likewise
    upper_bound: Any = None  # [...] of the episode, certified; see `Situation`

    @property
    def scenario(self) -> Scenario:
        """[...] of the slot, with `serving`."""
        return self.seen.scenario


class MobileTask(DecisionTask):
    """The sequential problem of `MecLlmMobile-v0`: its keyword arguments, made usable.

    Args:
        preset: name of a configuration, see `MOBILE_PRESETS`; None: "mobile-10x2".
        overrides: parameters that differ from it, `{"mobility.slots": 20}`.
        config: in place of a preset a `MobileConfig`, a file, or a dictionary.
        action_encoding: as `Task` has it.
        observation_encoding: likewise.
        reward: of a slot. "scr_difference": by how much it changes the SCR of the
            episode so far, from 0 on; the sum of an episode is its SCR. "slot": the
            slot's own SCR. "surplus": score less `surplus_ratio` times cost, over
            `surplus_cost` and the number of slots; the sum of an episode is about its
            SCR less the ratio.
        surplus_ratio: of score to cost, such as the mean episode SCR of a policy.
        surplus_cost: mean cost of a user in a slot, such as that of the same policy.
        split: None for random episodes; "validation" or "test" for the held-out ones
            in order, as `Task` has it for scenarios.
        split_stride: numbers from one episode to the next; see `Task`.

    Raises:
        ValueError: an argument is not valid; the text names it and the remedy.
    """

    replays = True
    option = "trajectory"
    decisions_shown = 9  # trails of eight slots
    own_figures = ("episode_scr", "migration_delay_s", "migration_energy_j")
    own_counts = ("repaired_users", "migrations")

    def __init__(
        self,
        *,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        config: Any = None,
        action_encoding: str = "box",
        observation_encoding: str = "flat",
        reward: str = "scr_difference",
        surplus_ratio: float | None = None,
        surplus_cost: float | None = None,
        split: str | None = None,
        split_stride: int | None = None,
    ) -> None:
        self.reward_kind = word_argument("reward", reward, REWARDS)
        surplus = {"surplus_ratio": surplus_ratio, "surplus_cost": surplus_cost}
        for name, value in surplus.items():
            _check_surplus(name, value, reward)
        self.surplus_ratio, self.surplus_cost = surplus_ratio, surplus_cost
        config = chosen_config(MobileConfig, "mobile-10x2", preset, config, overrides)
        self.episode_length = config.mobility.slots
        self.sampler = mobility_sampler(config)
        codec = MobileObservationCodec(config, observation_encoding)
        super().__init__(config, action_encoding, codec, split, split_stride)
        if split == "test":
            presets = trajectory_bank_presets()
            self._bounds = certified_bounds(config, presets, load_trajectory_bank)
        self._check_speeds(config, codec.velocity_max)
        self._check_servers(config, codec.place_max)

    def begin(self, source: Any) -> MobileSituation:
        """Returns the first slot of an episode."""
        given = isinstance(source, MobilityState)
        state = source if given else self.sampler.begin(uniforms_of(source))
        batch, association = state.joined.shape[:-1], state.scenario.channel_gain.shape
        return _situation(
            state,
            self._bound_of(source, batch),
            serving=np.zeros(association),
            slot=np.zeros(batch, dtype=np.int64),
            score=np.zeros(batch),
            cost=np.zeros(batch),
        )

    def settle(self, situation: MobileSituation, decision: Decision) -> MobileSituation:
        """Returns the slot after a decision on it, training states having moved."""
        allocation, outcome = decision
        seen, serving = situation.seen, allocation.association
        settled = seen.changed(
            slot=seen.slot + 1,
            scenario=seen.scenario.changed(serving=serving),
            score=seen.score + outcome.score.sum(axis=-1),
            cost=seen.cost + outcome.cost.sum(axis=-1),
        )
        return situation.changed(seen=settled)

    def onward(self, situation: MobileSituation, source: Any) -> MobileSituation:
        """Returns the slot after a settled one: users move, join and leave."""
        seen, state = situation.seen, source
        if not isinstance(source, MobilityState):
            state = MobilityState.unchecked(
                scenario=seen.scenario,
                user_velocity_m_per_s=seen.user_velocity_m_per_s,
                user_speed_m_per_s=situation.user_speed_m_per_s,
                shadowing_db=situation.shadowing_db,
                sight=situation.sight,
            )
            state = self.sampler.advance(state, uniforms_of(source))
        association = seen.scenario.serving
        assert association is not None
        return _situation(
            state,
            situation.upper_bound,
            serving=np.where(state.joined[..., None], 0.0, association),
            slot=seen.slot,
            score=seen.score,
            cost=seen.cost,
        )

    def observe(self, situation: MobileSituation) -> Any:
        """Returns the observation of a situation, or of a batch."""
        return self.observation_codec.encode(situation.seen)

    def reward(
        self, before: MobileSituation, after: MobileSituation, outcome: Outcome
    ) -> Array:
        """Returns the reward of a slot, `[...]`: see `MobileTask`."""
        if self.reward_kind == "slot":
            return outcome.scr
        if self.reward_kind == "surplus":
            assert self.surplus_ratio is not None
            assert self.surplus_cost is not None
            mean = self._means(outcome, "score", "cost")
            surplus = mean["score"] - self.surplus_ratio * mean["cost"]
            return surplus / (self.episode_length * self.surplus_cost)
        return after.seen.scr - before.seen.scr

    def reward_parts(
        self, before: MobileSituation, after: MobileSituation, outcome: Outcome
    ) -> Array:
        """Returns what each user adds to the reward, `[..., N]`, which is their sum.

        To the SCR's change it is the score, less what its cost takes of the SCR so far,
        over the cost of the episode with this slot.
        """
        score, cost = outcome.score, outcome.cost
        if self.reward_kind == "slot":
            return score / cost.sum(axis=-1, keepdims=True)
        if self.reward_kind == "surplus":
            assert self.surplus_ratio is not None
            assert self.surplus_cost is not None
            slots = self.episode_length * self.surplus_cost * score.shape[-1]
            return (score - self.surplus_ratio * cost) / slots
        so_far, total = before.seen.scr[..., None], after.seen.cost[..., None]
        return (score - so_far * cost) / total

    def figures(
        self,
        before: MobileSituation,
        after: MobileSituation,
        action: Any,
        decision: Decision,
    ) -> dict[str, Any]:
        """Returns the entries of `info`: the slot's, and the SCR of the episode so far.

        `migrations` counts the users that changed their server; what that took is a
        mean over users, as all delays and energies are. Those of a test episode have
        its certified `upper_bound`; `optimality` is the episode's SCR over it, at its
        end, and NaN before.
        """
        moved = before.scenario.serving * (1 - decision.allocation.association)
        names = ("delay_migration_s", "energy_migration_j")
        migration = self._means(decision.outcome, *names)
        certified: dict[str, Any] = {}
        if before.upper_bound is not None:
            over = after.seen.slot == self.episode_length
            share = np.where(over, after.seen.scr / before.upper_bound, np.nan)
            certified = {"upper_bound": before.upper_bound, "optimality": share[()]}
        return {
            **super().figures(before, after, action, decision),
            **certified,
            "episode_scr": after.seen.scr,
            "migrations": moved.sum(axis=(-2, -1)).astype(np.int64),
            "migration_delay_s": migration["delay_migration_s"],
            "migration_energy_j": migration["energy_migration_j"],
        }

    def draw(
        self,
        situations: Sequence[MobileSituation],
        allocation: Allocation | None,
        outcome: Outcome | None,
    ) -> np.ndarray[Any, Any]:
        """Draws the last of some slots, those before it as trails, and the decision.

        Raises:
            DependencyNotInstalled: the extra `render` is not installed.
        """
        from mec_llm_env.rendering import Episode, draw_decision

        last = so_far = situations[-1]
        if allocation is not None and outcome is not None:
            so_far = self.settle(last, Decision(allocation, outcome))
        episode = Episode(
            slot=min(int(last.seen.slot) + 1, self.episode_length),
            slots=self.episode_length,
            scr=float(so_far.seen.scr),
            trails=_trails(situations),
            radius_m=self.config.layout.cell_radius_m,
        )
        return draw_decision(last.scenario, allocation, outcome, episode)

    def given(
        self, options: Mapping[str, Any] | None, num_envs: int | None = None
    ) -> Trajectory | None:
        """Returns the trajectory that `reset(options=…)` asks for, or None.

        It is a single one, or, where there are `num_envs`, may be a batch of them.
        Where positions or velocities are unknown users are taken to stand still in the
        middle, and moving is free where nothing else is said.

        Raises:
            ValueError: an option is not known, or the trajectory has other sizes or
                cannot be observed.
        """
        given = self._given_option(options, Trajectory)
        if given is None:
            return None
        self._check_batch(given.batch_shape, num_envs)
        config = self.config
        for name, got, wanted, parameter in (
            ("users", given.n_users, config.users, "users"),
            ("servers", given.n_servers, config.servers, "servers"),
            ("slots", given.n_slots, self.episode_length, "mobility.slots"),
        ):
            if got != wanted:
                raise ValueError(
                    f"`options['trajectory']` must have {wanted} {name}; got {got}. "
                    f"Make the environment with overrides={{{parameter!r}: {got}}}."
                )
        scenario, shape = given.scenario, given.joined.shape
        at_server = (*shape[:-1], given.n_servers, 2)
        known = scenario.to_dict()
        known.setdefault("migration_delay_s", np.zeros(shape))
        known.setdefault("migration_energy_j", np.zeros(shape))
        known.setdefault("user_position_m", np.zeros((*shape, 2)))
        known.setdefault("server_position_m", np.zeros(at_server))
        velocity = given.user_velocity_m_per_s
        velocity = np.zeros((*shape, 2)) if velocity is None else velocity
        trajectory = Trajectory.unchecked(
            joined=given.joined,
            scenario=Scenario.unchecked(**known),
            user_velocity_m_per_s=velocity,
        )
        # Refuses what cannot be observed.
        self.observe(self.begin(self._state(trajectory)))
        return trajectory

    def recall(self, given: Trajectory, index: Any, decisions: Any) -> MobilityState:
        """Returns slots of what was given: of its members, after so many decisions."""
        over_batch = index if isinstance(index, tuple) else (index,)
        return self._state(ArrayRecord.__getitem__(given, (*over_batch, decisions)))

    def _state(self, slots: Trajectory) -> MobilityState:
        """Returns slots of a trajectory as states that nothing is drawn from."""
        nothing = np.zeros(slots.scenario.channel_gain.shape)
        return MobilityState(
            joined=slots.joined,
            scenario=slots.scenario,
            user_velocity_m_per_s=slots.user_velocity_m_per_s,
            user_speed_m_per_s=np.zeros(slots.joined.shape),
            shadowing_db=nothing,
            sight=nothing if self.sampler.scenarios.has_states else None,
        )

    def _check_speeds(self, config: MobileConfig, highest: float) -> None:
        """Refuses speeds that an observation cannot hold."""
        mobility = config.mobility
        drawn = {"pedestrian": mobility.pedestrian_share}
        drawn |= {"vehicular": mobility.vehicular_share}
        for name, share in drawn.items():
            speed = getattr(mobility, f"{name}_speed_m_per_s")
            # Six deviations of a component, as far as normal numbers are drawn.
            if share > 0 and 6 * speed[1] > highest:
                raise ValueError(
                    f"`mobility.{name}_speed_m_per_s` must be at most {highest / 6:g} "
                    f"m/s to be observed; got {list(speed)}, with `mobility.slot_s` = "
                    f"{mobility.slot_s} and `layout.cell_radius_m` = "
                    f"{config.layout.cell_radius_m}."
                )

    def _check_servers(self, config: MobileConfig, highest: float) -> None:
        """Refuses places of servers that an observation cannot hold."""
        layout = config.layout
        key, given = "server_position_m", layout.server_position_m
        farthest = 0.0 if given is None else float(np.abs(given).max())
        if given is None and config.servers > 1:
            key = "server_ring_ratio"
            farthest = layout.server_ring_ratio * layout.cell_radius_m
        if farthest >= highest:
            raise ValueError(
                f"`layout.{key}` must have servers less than {highest:g} m from the "
                f"middle along both axes, to be observed; got {farthest:g} m, with "
                f"`layout.cell_radius_m` = {layout.cell_radius_m}."
            )


def _situation(
    state: MobilityState, upper_bound: Any, *, serving: Array, **so_far: Any
) -> MobileSituation:
    """Returns the situation of a slot."""
    return MobileSituation.unchecked(
        seen=MobileObservation.unchecked(
            scenario=state.scenario.changed(serving=serving),
            user_velocity_m_per_s=state.user_velocity_m_per_s,
            **so_far,
        ),
        user_speed_m_per_s=state.user_speed_m_per_s,
        shadowing_db=state.shadowing_db,
        sight=state.sight,
        upper_bound=upper_bound,
    )


def _trails(situations: Sequence[MobileSituation]) -> Array:
    """Returns where users were in some slots, [slots, N, 2] m; NaN before they joined.

    A new episode is one that all have joined: slots before it do not show.
    """
    trails, gone = [], np.zeros(situations[-1].seen.joined.shape, dtype=np.bool_)
    for situation in reversed(situations):
        place = situation.scenario.user_position_m
        assert place is not None  # `given` puts them in
        trails.append(np.where(gone[:, None], np.nan, place))
        gone = gone | situation.seen.joined
    return np.stack(trails[::-1])


def _check_surplus(name: str, value: Any, reward: str) -> None:
    """Refuses a parameter of the reward "surplus" that is none, or has no use.

    Raises:
        ValueError: it is one.
    """
    if reward != "surplus":
        if value is not None:
            raise ValueError(
                f"`{name}` is for reward='surplus'; got {shorten(value)} with "
                f"reward={reward!r}."
            )
        return
    rule = Rule(Limits(1e-12 if name == "surplus_cost" else 0, 1e12))
    try:
        rule.clean(value)
    except ValueError:
        raise ValueError(
            f"`{name}` must be {rule} with reward='surplus'; got {shorten(value)}. "
            "Take the mean `info['episode_scr']` at the ends of episodes, and the mean "
            "`info['cost']`, of a policy that you have."
        ) from None
