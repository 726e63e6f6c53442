"""The learned algorithms: a new one is an entry here and a file in `hyperparams/`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """A learning algorithm, what trains it, and what `--policy` may be for it."""

    module: str
    name: str  # of the class
    policies: dict[str, str]  # `--policy` → name that the class knows, or module.class
    any_size: frozenset[str] = frozenset()  # policies for any number of users, servers
    # The same as `policies` for --action-encoding association; empty where it cannot.
    choosing: dict[str, str] = field(default_factory=dict)
    trainer: str = "agents.training.sb3_trainer.SB3Trainer"  # module.class
    extra: str = "train"  # of setup.cfg, which installs it

    def policy_name(self, policy: str, encoding: str) -> str:
        """Returns what the class takes for a `--policy` and an action encoding.

        Raises:
            ValueError: the algorithm cannot learn in this encoding.
        """
        if encoding != "association":
            return self.policies[policy]
        if policy not in self.choosing:
            able = [name for name, other in ALGORITHMS.items() if other.choosing]
            raise ValueError(
                f"--action-encoding association needs --agent {' or '.join(able)}; "
                f"{self.name} decides on resources too. Choose another --agent, or "
                "leave the encoding out."
            )
        return self.choosing[policy]

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
    """Imports what `module.name` names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


_ON_POLICY = {"mlp": "MlpPolicy", "set": "agents.policies.set_policy.SetPolicy"}
_CHOOSING = {
    "mlp": "agents.policies.association_policy.AssociationMlpPolicy",
    "set": "agents.policies.association_policy.AssociationSetPolicy",
}
_SAC = {"mlp": "MlpPolicy", "set": "agents.policies.off_policy.SetSACPolicy"}
_TD3 = {
    "mlp": "agents.policies.mlp_td3.MlpTD3Policy",
    "set": "agents.policies.off_policy.SetTD3Policy",
}
_TQC = {"mlp": "MlpPolicy", "set": "agents.policies.tqc.SetTQCPolicy"}
_SET = frozenset({"set"})

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(
        module="stable_baselines3",
        name="PPO",
        policies=_ON_POLICY,
        any_size=_SET,
        choosing=_CHOOSING,
    ),
    "a2c": Algorithm(
        module="stable_baselines3",
        name="A2C",
        policies=_ON_POLICY,
        any_size=_SET,
        choosing=_CHOOSING,
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
    "sac": Algorithm(
        module="stable_baselines3", name="SAC", policies=_SAC, any_size=_SET
    ),
    "td3": Algorithm(
        module="stable_baselines3", name="TD3", policies=_TD3, any_size=_SET
    ),
    "ddpg": Algorithm(
        module="stable_baselines3", name="DDPG", policies=_TD3, any_size=_SET
    ),
    "tqc": Algorithm(
        module="sb3_contrib",
        name="TQC",
        policies=_TQC,
        any_size=_SET,
        extra="contrib",
    ),
    "apg": Algorithm(
        module="agents.apg",
        name="Apg",
        policies={"set": "SetPolicy"},
        any_size=_SET,
        trainer="agents.training.apg_trainer.ApgTrainer",
    ),
}
