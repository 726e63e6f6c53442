"""The learned algorithms: a new one is an entry here and a file in `hyperparams/`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """A learning algorithm, what trains and loads it, and its `--policy` names."""

    module: str
    name: str  # of the class
    policies: dict[str, str]  # `--policy` → name that the class knows, or module.class
    any_size: frozenset[str] = frozenset()  # policies for any number of users, servers
    # The same as `policies` for --action-encoding association; empty where it cannot.
    choosing: dict[str, str] = field(default_factory=dict)
    trainer: str = "agents.training.sb3_trainer.SB3Trainer"  # module.class
    policy_files: str = "agents.run.sb3_policy"  # module: load_policy, export_policy
    model_file: str = "model.zip"  # in a run folder, what `model.save` writes
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

    def load_policy_files(self) -> Any:
        """Imports the module that loads and exports policies of the algorithm."""
        return importlib.import_module(self.policy_files)


def load_object(path: str) -> Any:
    """Imports what `module.name` names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


_ON_POLICY: dict[str, Any] = {
    "policies": {"mlp": "MlpPolicy", "set": "agents.policies.set_policy.SetPolicy"},
    "any_size": frozenset({"set"}),
}
_CHOOSING: dict[str, Any] = _ON_POLICY | {
    "choosing": {
        "mlp": "agents.policies.association_policy.AssociationMlpPolicy",
        "set": "agents.policies.association_policy.AssociationSetPolicy",
    }
}
_SAC: dict[str, Any] = _ON_POLICY | {
    "policies": {"mlp": "MlpPolicy", "set": "agents.policies.off_policy.SetSACPolicy"}
}
_TD3: dict[str, Any] = _ON_POLICY | {
    "policies": {
        "mlp": "agents.policies.mlp_td3.MlpTD3Policy",
        "set": "agents.policies.off_policy.SetTD3Policy",
    }
}
_TQC: dict[str, Any] = _ON_POLICY | {
    "policies": {"mlp": "MlpPolicy", "set": "agents.policies.tqc.SetTQCPolicy"}
}
_SB3 = "stable_baselines3"
_CONTRIB: dict[str, Any] = {"module": "sb3_contrib", "extra": "contrib"}

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(module=_SB3, name="PPO", **_CHOOSING),
    "a2c": Algorithm(module=_SB3, name="A2C", **_CHOOSING),
    "trpo": Algorithm(module="agents.trpo", name="TRPO", extra="contrib", **_ON_POLICY),
    "recurrent_ppo": Algorithm(
        name="RecurrentPPO", policies={"lstm": "MlpLstmPolicy"}, **_CONTRIB
    ),
    "sac": Algorithm(module=_SB3, name="SAC", **_SAC),
    "td3": Algorithm(module=_SB3, name="TD3", **_TD3),
    "ddpg": Algorithm(module=_SB3, name="DDPG", **_TD3),
    "tqc": Algorithm(name="TQC", **_TQC, **_CONTRIB),
    "apg": Algorithm(
        module="agents.apg",
        name="Apg",
        policies={"set": "SetPolicy"},
        any_size=frozenset({"set"}),
        trainer="agents.training.apg_trainer.ApgTrainer",
        policy_files="agents.run.apg_policy",
        model_file="model.npz",
    ),
}
