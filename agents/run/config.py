"""The settings of a training run, as in `config.json` of its folder."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Self

from agents.algorithms import ALGORITHMS
from agents.problems.tasks import DEFAULT_ENV, MOBILE_ENV, environment, make_task
from agents.run.plain import check_integer, check_plain
from agents.run.setting import check_all, setting
from agents.solvers import SEQUENTIAL
from dashf.registry import check_solver
from mec_llm_env.config import MOST_PAIRS
from mec_llm_env.names import did_you_mean

_ENV_ID = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
# A configuration may hold a gain of each user to each server, and rows of them.
_MOST_VALUES = 2 * MOST_PAIRS + 100_000
_MANY = 10**12 - 1  # what the names of checkpoints have room for
_TUNED = "as tuned"  # in `hyperparams/`

# Seeds of random streams, which must not overlap: environment i of run s has the seed s
# · ENVIRONMENTS_PER_RUN + i; seeds of validation and test scenarios are higher.
ENVIRONMENTS_PER_RUN = 10_000
RUNS = 1_000

EVALUATIONS_PER_RUN = 20  # and checkpoints, unless it is told

#: Demonstrations of a solver, unless it is told: a minute or two of it.
DEMONSTRATED = {"dual": 8192, "hysteresis": 16_384, "lookahead": 16_384}
OTHERS_DEMONSTRATED = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmStart:
    """Settings of a warm start: behaviour cloning of a solver before training.

    Raises:
        ValueError: a number is out of range, or there is no such solver.
    """

    solver: str = setting(
        "first clone a solver: dual, or dashf; in episodes lookahead too",
        option="--warm-start",
        metavar="SOLVER",
    )
    scenarios: int = setting(
        "that the solver demonstrates, decisions of it; kept in .cache/",
        left_out=", ".join(f"{k}: {n:,}" for k, n in DEMONSTRATED.items())
        + f", others: {OTHERS_DEMONSTRATED}",
        option="--warm-start-scenarios",
        metavar="K",
        least=2,
        most=_MANY,
    )
    steps: int = setting(
        "gradient steps of the actor", default=3000, least=1, most=_MANY
    )
    critic_steps: int = setting(
        "gradient steps of the critic", default=500, least=0, most=_MANY
    )
    batch_size: int = setting("demonstrations a step", default=512, least=1, most=_MANY)
    learning_rate: float = setting(
        "peak; decays to 0 by a cosine", default=1e-3, least=1e-12, most=1.0
    )
    log_std: float = setting(  # limits of Stable-Baselines3's own
        "ln of the deviation of actions after cloning",
        default=-3.5,
        least=-20.0,
        most=2.0,
    )

    def __post_init__(self) -> None:
        check_demonstrator(self.solver, MOBILE_ENV)
        check_all(self, "warm_start.")

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

    agent: str = setting(f"algorithm: {', '.join(ALGORITHMS)}")
    env_id: str = setting(
        "environment id", left_out=DEFAULT_ENV, option="--env", metavar="ID"
    )
    env_kwargs: dict[str, Any] = setting(
        "of the environment: its system, encodings, reward", default={}, option="-"
    )
    policy: str = setting(
        "network: mlp, or set, which takes any number of users",
        left_out=_TUNED,
        default="mlp",
    )
    timesteps: int = setting(
        "decisions in all", left_out=_TUNED, metavar="T", least=1, most=_MANY
    )
    n_envs: int = setting(
        "parallel environments",
        left_out=_TUNED,
        metavar="B",
        least=1,
        most=ENVIRONMENTS_PER_RUN,
        why=", so that the runs' random streams stay apart",
    )
    seed: int = setting(
        f"0 … {RUNS - 1}; another seed is another run",
        left_out="0",
        metavar="S",
        least=0,
        most=RUNS - 1,
        why=", so that training meets no validation or test scenario",
    )
    eval_freq: int = setting(
        "decisions between evaluations on the validation scenarios",
        left_out=f"T/{EVALUATIONS_PER_RUN}",
        metavar="T",
        least=1,
        most=_MANY,
    )
    checkpoint_freq: int = setting(
        "decisions between checkpoints",
        left_out="as --eval-freq",
        metavar="T",
        least=1,
        most=_MANY,
    )
    hyperparameters: dict[str, Any] = setting(
        "of the algorithm, such as n_epochs=5; may be repeated",
        left_out=_TUNED,
        default={},
        option="--hyperparameter",
        metavar="KEY=VALUE",
    )
    warm_start: WarmStart | None = setting(
        "before the first decision", default=None, option="-"
    )
    engine: str | None = setting(
        "rllib: train ppo with RLlib, on many machines",
        left_out="the algorithm's own",
        default=None,
    )
    num_env_runners: int = setting(
        "with --engine rllib: processes that step environments",
        default=0,
        metavar="K",
        least=0,
        most=ENVIRONMENTS_PER_RUN,
    )

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
        check_all(self)
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
