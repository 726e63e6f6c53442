"""The settings of a training run, as in `config.json` of its folder."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Self

from agents.algorithms import ALGORITHMS
from agents.problems.tasks import MOBILE_ENV, environment, make_task
from agents.run.plain import check_integer, check_plain
from agents.solvers import SEQUENTIAL
from dashf.registry import check_solver
from mec_llm_env.config import MOST_PAIRS
from mec_llm_env.names import did_you_mean

_ENV_ID = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
# A configuration may hold a gain of each user to each server, and rows of them.
_MOST_VALUES = 2 * MOST_PAIRS + 100_000
_MOST_TIMESTEPS = 10**12 - 1  # what the names of checkpoints have room for

# Seeds of random streams, which must not overlap: environment i of run s has the seed s
# · ENVIRONMENTS_PER_RUN + i; seeds of validation and test scenarios are higher.
ENVIRONMENTS_PER_RUN = 10_000
RUNS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmStart:
    """Settings of a warm start: behaviour cloning of a solver before training.

    Raises:
        ValueError: a number is out of range, or there is no such solver.
    """

    solver: str  # one of `dashf.SOLVERS`, or of `agents.solvers.SEQUENTIAL`
    scenarios: int  # demonstrations: decisions of it
    steps: int = 3000  # gradient steps of the actor
    critic_steps: int = 500  # gradient steps of the critic
    batch_size: int = 512  # demonstrations per step
    learning_rate: float = 1e-3  # peak; decays to 0 by a cosine
    log_std: float = -3.5  # ln of the deviation of actions after cloning

    def __post_init__(self) -> None:
        check_demonstrator(self.solver, MOBILE_ENV)
        lowest = {"scenarios": 2, "steps": 1, "critic_steps": 0, "batch_size": 1}
        for name, least in lowest.items():
            check_integer(f"warm_start.{name}", getattr(self, name), least)
        # As Stable-Baselines3 limits its own log-deviations.
        for name, low, high in (("learning_rate", 0, 1), ("log_std", -20, 2)):
            value = getattr(self, name)
            if not low <= value <= high or (name, value) == ("learning_rate", 0):
                raise ValueError(
                    f"`warm_start.{name}` must lie between {low} and {high}; got "
                    f"{value!r}."
                )

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Reads what `dataclasses.asdict` gave.

        Raises:
            ValueError: a setting is missing, unknown or not valid.
        """
        check_plain("warm_start", values)
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"`warm_start` is not valid: {error}") from None


def check_demonstrator(solver: Any, env_id: str) -> None:
    """Refuses what cannot demonstrate decisions in an environment.

    Raises:
        ValueError: it is no solver, or decides episodes and the environment has none.
    """
    if not isinstance(solver, str) or solver not in SEQUENTIAL:
        try:
            check_solver(solver)
        except ValueError as error:
            hint = did_you_mean(str(solver), SEQUENTIAL)
            raise ValueError(f"{error}{hint}") from None
    elif env_id != MOBILE_ENV:
        raise ValueError(
            f"{solver!r} decides episodes, those of {MOBILE_ENV}; got {env_id}. Give "
            f"--warm-start dual, or --env {MOBILE_ENV}."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """All settings that are needed to repeat a training run.

    Raises:
        ValueError: a number is out of range.
    """

    agent: str  # name of the algorithm
    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)  # of gymnasium.make
    policy: str = "mlp"
    timesteps: int  # decisions in all
    n_envs: int
    seed: int
    eval_freq: int  # decisions between evaluations on the validation scenarios
    checkpoint_freq: int  # decisions between checkpoints
    hyperparameters: dict[str, Any] = field(default_factory=dict)  # resolved
    warm_start: WarmStart | None = None  # before the first decision
    engine: str | None = None  # of `Algorithm.engines`; None: the algorithm's own
    num_env_runners: int = 0  # processes that step environments; 0: none of their own

    def __post_init__(self) -> None:
        if not isinstance(self.agent, str) or self.agent not in ALGORITHMS:
            raise ValueError(
                f"`agent` must be one of {', '.join(ALGORITHMS)}; got {self.agent!r}."
            )
        policies = ALGORITHMS[self.agent].policies
        if not isinstance(self.policy, str) or self.policy not in policies:
            raise ValueError(
                f"`policy` must be one of {', '.join(policies)} for {self.agent}; got "
                f"{self.policy!r}."
            )
        # No module prefix, which Gymnasium would import, and no path.
        if not isinstance(self.env_id, str) or not _ENV_ID.fullmatch(self.env_id):
            raise ValueError(
                "`env_id` must be the id of an environment, such as MecLlm-v0; got "
                f"{self.env_id!r}."
            )
        for name in ("timesteps", "n_envs", "eval_freq", "checkpoint_freq"):
            check_integer(name, getattr(self, name), 1, _MOST_TIMESTEPS)
        check_integer("seed", self.seed)
        if self.n_envs > ENVIRONMENTS_PER_RUN:
            raise ValueError(
                f"`n_envs` must be at most {ENVIRONMENTS_PER_RUN}, so that the runs' "
                f"random streams stay apart; got {self.n_envs}."
            )
        if not 0 <= self.seed < RUNS:
            raise ValueError(
                f"`seed` must lie in 0 … {RUNS - 1}, so that training meets no "
                f"validation or test scenario; got {self.seed}."
            )
        for name in ("env_kwargs", "hyperparameters"):
            value = getattr(self, name)
            if not isinstance(value, dict):
                raise ValueError(f"`{name}` must be a dictionary; got {value!r}.")
            check_plain(name, value, _MOST_VALUES)
        self._check_engine()
        if self.warm_start is not None:
            check_demonstrator(self.warm_start.solver, self.env_id)
            if self.env_id == MOBILE_ENV and not ALGORITHMS[self.agent].clones_episodes:
                able = [k for k, a in ALGORITHMS.items() if a.clones_episodes]
                raise ValueError(
                    f"--warm-start in {MOBILE_ENV} needs --agent {' or '.join(able)}; "
                    f"got {self.agent}, whose critic judges other actions than those "
                    "demonstrated, or which remembers. Leave --warm-start out."
                )
        arguments = environment(self.env_id).arguments
        unknown = sorted(self.env_kwargs.keys() - arguments)
        if unknown:
            raise ValueError(
                f"`env_kwargs` must be of {', '.join(sorted(arguments))}; got "
                f"{unknown[0]!r}."
            )

    def _check_engine(self) -> None:
        """Raises a ValueError if the algorithm cannot be trained so."""
        engines = ALGORITHMS[self.agent].engines
        check_integer("num_env_runners", self.num_env_runners, 0, self.n_envs)
        if self.engine is None:
            if self.num_env_runners:
                raise ValueError("--num-env-runners needs --engine rllib.")
            return
        if not isinstance(self.engine, str) or self.engine not in engines:
            able = [k for k, v in ALGORITHMS.items() if self.engine in v.engines]
            raise ValueError(
                f"`engine` {self.engine!r} does not train {self.agent}, only "
                f"{', '.join(able) or 'nothing'}. Leave --engine out, or take rllib "
                "with ppo."
            )
        if self.warm_start is not None:
            raise ValueError(
                f"--engine {self.engine} begins from new weights; leave --warm-start "
                "out."
            )

    @property
    def first_seed(self) -> int:
        """Seed of the first environment; the others count up."""
        return self.seed * ENVIRONMENTS_PER_RUN

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON values; those of an engine are there if it is not the own."""
        values = dataclasses.asdict(self)
        if self.engine is None:
            del values["engine"], values["num_env_runners"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            ValueError: keys are missing or unknown.
        """
        names = {spec.name for spec in dataclasses.fields(cls)}
        optional = {"warm_start", "engine", "num_env_runners"}  # some runs lack them
        if not isinstance(values, dict) or not names - optional <= set(values) <= names:
            raise ValueError(
                f"The configuration must have the keys {sorted(names)}; got "
                f"{sorted(values) if isinstance(values, dict) else values!r}."
            )
        warm_start = values.get("warm_start")
        if warm_start is not None:
            warm_start = WarmStart.from_dict(warm_start)
        config = cls(**values | {"warm_start": warm_start})
        try:
            make_task(config.env_id, **config.env_kwargs)
        except (TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(f"`env_kwargs` are not valid: {error}") from error
        return config
