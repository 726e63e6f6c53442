"""`DecisionTask`: what all environments do alike, as functions of arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mec_llm_env._array import Array
from mec_llm_env.actions import make_codec
from mec_llm_env.allocation import Allocation
from mec_llm_env.config import Config, ScenarioConfig
from mec_llm_env.held_out import HeldOutBlock, HeldOutStreams, check_split
from mec_llm_env.objective import Outcome, evaluate
from mec_llm_env.observations import OBSERVABLE
from mec_llm_env.ranges import Limits, shorten
from mec_llm_env.record import Record
from mec_llm_env.sampling import scenario_sampler
from mec_llm_env.scenario import Scenario

#: Decisions an episode, at most.
MOST_DECISIONS = 10**9

#: What `info` has the mean over users of.
MEANS = ("score", "delay_s", "energy_j", "cost")
#: What it has of test instances in the bank.
_CERTIFIED = ("upper_bound", "optimality")


class Decision(NamedTuple):
    """What an action comes to, or a batch of them."""

    allocation: Allocation
    outcome: Outcome


class DecisionTask:
    """What the tasks of all environments share.

    A step is: decode and evaluate (`decide`), account for it (`settle`), go on to the
    next situation (`onward`), look (`observe`). `source` is what a situation is made
    of: a block of uniforms, or what `recall` returns of what a user gave.

    Args:
        config: of scenarios.
        action_encoding: "box", "multi_discrete", "dict" or one that is registered.
        observation_codec: of situations.
        split: None, "validation" or "test": see `Task`.
        split_stride: see `Task`.

    Attributes:
        episode_length: decisions an episode.
        sampler: has the `block_size` of a situation.
        replays: whether what a user gives lasts for the whole episode.
        decisions_shown: what `draw` needs: the last, and some before it.
    """

    episode_length: int
    _bounds: Any = None  # [I + 1] of test instances, and NaN; None without a bank
    sampler: Any
    replays = False
    option = "scenario"  # the one of a reset
    own_figures: tuple[str, ...] = ()  # of `info`, beside those of all tasks
    own_counts: tuple[str, ...] = ("repaired_users",)
    decisions_shown = 1

    def __init__(
        self,
        config: ScenarioConfig,
        action_encoding: str,
        observation_codec: Any,
        split: str | None,
        split_stride: int | None,
    ) -> None:
        check_split(split, split_stride)
        self.config, self.split, self.split_stride = config, split, split_stride
        self.action_codec = make_codec(config, action_encoding)
        self.observation_codec = observation_codec
        self._check_observable()

    def _check_observable(self) -> None:
        """Refuses a configuration that draws what an observation cannot hold."""
        sampler = scenario_sampler(self.config)
        limits = sampler.field_limits()
        noise = "noise_density_w_per_hz"  # is observed as servers hear it
        rise = limits.pop("noise_rise", Limits(1.0, 1.0))
        limits[noise] = Limits(
            *(n * r for n, r in zip(limits[noise], rise, strict=True))
        )
        for name, drawn in limits.items():
            lowest, highest = OBSERVABLE[name]
            for value in drawn:
                if not lowest <= value <= highest:
                    raise ValueError(
                        f"`{name}` must be from {OBSERVABLE[name]} to be observed; got "
                        f"{sampler.explain(name, value)}. Solvers take such "
                        "scenarios directly: `sample_scenario`."
                    )

    def _bound_of(self, source: Any, batch: tuple[int, ...]) -> Any:
        """Returns the certified bounds of what is begun with, or None."""
        if self._bounds is None:
            return None
        last = len(self._bounds) - 1
        held_out = isinstance(source, HeldOutBlock)
        number = source.number if held_out else np.full(batch, last)
        return self._bounds[np.minimum(number, last)]

    def held_out(self, num_envs: int, stride: int | None) -> HeldOutStreams | None:
        """Returns where environments are in the split; None without one.

        Args:
            num_envs: how many they are.
            stride: from one number to the next, unless `split_stride` says; None: as
                many as environments.
        """
        if self.split is None:
            return None
        stride = stride if self.split_stride is None else self.split_stride
        block_size = self.sampler.block_size
        return HeldOutStreams(self.split, num_envs, block_size, stride, self.replays)

    def action_masks(self, scenario: Scenario) -> np.ndarray[Any, Any]:
        """Returns which choices there are, `[..., sum of nvec]` bool.

        The layout is that of sb3-contrib's `MaskablePPO`: the choices of one entry of
        the action after those of another. A server without room for anybody,
        `max_users` = 0, cannot be chosen. Which choices fit together is not a mask's
        to say; see `info["repaired_users"]`.

        Raises:
            ValueError: the action encoding has no choices.
        """
        return self.action_codec.masks(scenario)

    def decide(self, action: Any, scenario: Scenario) -> Decision:
        """Decodes and evaluates an action, or a batch.

        Raises:
            ValueError: the action is not valid; see `ActionCodec.decode`.
        """
        allocation = self.action_codec.decode(action, scenario)
        # Decoded actions are feasible by construction; a test holds the decoder to it.
        outcome = evaluate(scenario, allocation, self.config.objective, check=False)
        return Decision(allocation, outcome)

    def figures(
        self, before: Any, after: Any, action: Any, decision: Decision
    ) -> dict[str, Any]:
        """Returns the entries of `info`: SCR, means over users, association counts.

        Args:
            before: the situation that was decided.
            after: the one that `settle` made of it.
            action: what was asked for.
            decision: what came of it.
        """
        allocation, outcome = decision
        repaired = self.action_codec.repaired(action, before.scenario, allocation)
        counts = np.ones(self.config.users) @ allocation.association
        return {
            **self.means(outcome),
            "association_counts": counts.astype(np.int64),
            "repaired_users": repaired,
        }

    def means(self, outcome: Outcome) -> dict[str, Any]:
        """Returns the SCR and means over users, `[...]` each."""
        return {"scr": outcome.scr, **self._means(outcome, *MEANS)}

    def no_figures(self, batch_shape: tuple[int, ...] = ()) -> dict[str, Any]:
        """Returns the entries of `info` before a decision: those of `figures`, zeros.

        So clients that learn the layout of `info` from a reset find all of it there.
        """
        numbers = ("scr", *MEANS, *self.own_figures)
        if self._bounds is not None:
            numbers += _CERTIFIED
        counts = np.zeros((*batch_shape, self.config.servers), dtype=np.int64)
        return {
            **{name: np.zeros(batch_shape) for name in numbers},
            **{name: np.zeros(batch_shape, np.int64) for name in self.own_counts},
            "association_counts": counts,
        }

    def drawn_limits(self) -> dict[str, Limits]:
        """Returns the lowest and highest value of each field of drawn scenarios."""
        return scenario_sampler(self.config).field_limits()

    def draw(
        self,
        situations: Sequence[Any],
        allocation: Allocation | None,
        outcome: Outcome | None,
    ) -> np.ndarray[Any, Any]:
        """Draws the last of some situations, without batch axes, and the decision.

        Raises:
            DependencyNotInstalled: the extra `render` is not installed.
        """
        from mec_llm_env.rendering import draw_decision

        return draw_decision(situations[-1].scenario, allocation, outcome)

    def _means(self, outcome: Outcome, *names: str) -> dict[str, Any]:
        n_users = self.config.users
        return {k: getattr(outcome, k).sum(axis=-1) / n_users for k in names}

    def _given_option(
        self, options: Mapping[str, Any] | None, kind: type[Record]
    ) -> Record | None:
        """Returns what `reset(options=…)` gives, or None.

        Raises:
            ValueError: an option is not known, or of another kind.
        """
        options = reset_options(options, self.option)
        unknown = [key for key in options if key != self.option]
        if unknown:
            raise ValueError(
                f"There is no reset option {shorten(unknown[0])}. Use {self.option!r}."
            )
        given = options.get(self.option)
        if given is not None and not isinstance(given, kind):
            raise ValueError(
                f"`options[{self.option!r}]` must be a mec_llm_env.{kind.__name__}; "
                f"got {type(given).__name__}."
            )
        return given

    def _check_batch(self, batch: tuple[int, ...], num_envs: int | None) -> None:
        if batch not in ((), (num_envs,)):
            several = "" if num_envs is None else f" or a batch of {num_envs}"
            raise ValueError(
                f"`options[{self.option!r}]` must be a single {self.option}{several}; "
                f"got batch shape {batch}."
            )


def chosen_config(
    kind: type[Config], default: str, preset: Any, config: Any, overrides: Any
) -> Config:
    """Returns the configuration that a task's arguments ask for.

    Args:
        kind: its class.
        default: the preset where neither preset nor configuration is given.
        preset: name, or None.
        config: a configuration, a file, a dictionary of its parameters, or None.
        overrides: parameters that differ from it, or None.

    Raises:
        ValueError: both preset and configuration are given, or something is not valid.
        OSError: the file cannot be opened.
    """
    if config is None:
        chosen = kind.preset(default if preset is None else preset)
    elif preset is not None:
        raise ValueError(
            "`config` takes the place of `preset`; got both, "
            f"{shorten(config)} and {shorten(preset)}. Leave one out."
        )
    elif isinstance(config, Mapping):
        chosen = kind.from_dict(config)
    elif isinstance(config, str | os.PathLike):
        chosen = kind.from_file(config)
    elif isinstance(config, kind):
        chosen = config
    else:
        raise ValueError(
            f"`config` must be a mec_llm_env.{kind.__name__}, the path of a .toml or "
            f".json file, or a dictionary of parameters; got {shorten(config)}."
        )
    return chosen.with_overrides({} if overrides is None else overrides)


def uniforms_of(source: Any) -> Array:
    """Returns the numbers that a situation is drawn with."""
    return source.uniforms if isinstance(source, HeldOutBlock) else source


def certified_bounds(
    config: Any, presets: Iterable[str], load: Callable[[str], Any]
) -> Any:
    """Returns the bounds [I + 1] of the test instances, NaN being that of all others.

    None where the bank has none: of a configuration that is no preset's.
    """
    for preset in presets:
        if config == type(config).preset(preset):
            return np.append(load(preset).bound, np.nan)
    return None


def reset_options(options: Any, option: str) -> Mapping[str, Any]:
    """Returns the options of a reset, none for None; `option` names a valid one.

    Raises:
        ValueError: they are not a mapping.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(
            f"`options` must be a dictionary, such as {{{option!r}: {option}}}; got "
            f"{shorten(options)}."
        )
    return options
