"""What a warm start is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from dashf.registry import check_solver


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmStart:
    """What is learned before reinforcement learning, and how.

    Raises:
        ValueError: a number is out of range, or there is no such solver.
    """

    solver: str  # one of `dashf.SOLVERS`
    scenarios: int  # that it demonstrates
    steps: int = 3000  # of Adam, of the actor
    critic_steps: int = 500  # of Adam, of the critic
    batch_size: int = 512  # demonstrations a step
    learning_rate: float = 1e-3  # highest; falls to 0 by a cosine
    log_std: float = -3.5  # of the actions, where reinforcement learning begins

    def __post_init__(self) -> None:
        check_solver(self.solver)
        lowest = {"scenarios": 2, "steps": 1, "critic_steps": 0, "batch_size": 1}
        for name, least in lowest.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"`warm_start` needs `{name}` to be an integer of at least "
                    f"{least}; got {value!r}."
                )
        if not 0 < self.learning_rate <= 1:
            raise ValueError(
                "`warm_start` needs `learning_rate` to lie between 0 and 1; got "
                f"{self.learning_rate!r}."
            )
        if not -20 <= self.log_std <= 2:  # as Stable-Baselines3 cuts its own
            raise ValueError(
                "`warm_start` needs `log_std` to lie between -20 and 2; got "
                f"{self.log_std!r}."
            )

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Reads what `dataclasses.asdict` gave.

        Raises:
            ValueError: a setting is missing, unknown or not valid.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"`warm_start` is not valid: {error}") from None
