"""The learned algorithms: a new one is an entry here and a file in `hyperparams/`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """A learning algorithm, what trains it, and what `--policy` may be for it."""

    module: str
    name: str  # of the class
    policies: dict[str, str]  # `--policy` → name that the class knows, or module:class
    any_size: frozenset[str] = frozenset()  # policies for any number of users, servers
    trainer: str = "agents.training.sb3_trainer:SB3Trainer"  # module:class
    extra: str = "train"  # of setup.cfg, which installs it

    def load_class(self) -> Any:
        """Imports the algorithm's class.

        Raises:
            ValueError: its library is not installed; the text names the command.
        """
        try:
            return getattr(importlib.import_module(self.module), self.name)
        except ImportError as error:
            missing = error.name or self.module
            raise ValueError(
                f"{self.name} needs {missing}, which is not installed: "
                f"pip install '.[{self.extra}]'."
            ) from error

    def load_trainer(self) -> Any:
        """Imports the `Trainer` of the algorithm."""
        return load_object(self.trainer)


def load_object(path: str) -> Any:
    """Imports what `module:name` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


_ON_POLICY = {"mlp": "MlpPolicy", "set": "agents.set_policy:SetPolicy"}
_SET = frozenset({"set"})

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(
        module="stable_baselines3", name="PPO", policies=_ON_POLICY, any_size=_SET
    ),
    "a2c": Algorithm(
        module="stable_baselines3", name="A2C", policies=_ON_POLICY, any_size=_SET
    ),
    "trpo": Algorithm(
        module="agents.trpo",
        name="TRPO",
        policies=_ON_POLICY,
        any_size=_SET,
        extra="contrib",
    ),
    "recurrent_ppo": Algorithm(
        module="sb3_contrib",
        name="RecurrentPPO",
        policies={"lstm": "MlpLstmPolicy"},
        extra="contrib",
    ),
    "apg": Algorithm(
        module="agents.apg",
        name="Apg",
        policies={"set": "SetPolicy"},
        any_size=_SET,
        trainer="agents.training.apg_trainer:ApgTrainer",
    ),
}
