"""Analytic policy gradient: the network is trained through the model's equations.

The SCR is a differentiable function of the resources, so that their gradient is exact;
the gradient with respect to the association is estimated from two decisions. See
`docs/training.md` for the equations.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from agents.apg.association_gradient import association_surrogate, sample_pair
from agents.apg.augmentation import ScenarioBatch
from agents.apg.candidates import choose_best
from agents.policies.set_network import NetworkConfig, SetNetwork, project
from agents.storage.weights import read_weights, write_weights
from mec_llm_env import Scenario, evaluate
from mec_llm_env.actions import decode_resources
from mec_llm_env.task import Task

Schedule = float | Callable[[float], float]  # of the share of training that is left

#: Scenarios in one forward pass of a thread, so that their tokens stay in the cache.
CHUNK = 128

FORMAT = "mec-llm-env apg 2"

# Least and greatest values of arguments.
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("averaging", "subsets", "merges"), (0, 1)),
    **dict.fromkeys(("warmup", "fewest_users", "most_merged"), (1, np.inf)),
    **dict.fromkeys(("candidates", "margin", "max_grad_norm", "ent_coef"), (0, np.inf)),
}


class Apg:
    """A policy on the set network, trained by back-propagating −ln SCR.

    Args:
        policy: "SetPolicy".
        task: what it decides.
        seed: of the initial weights and of the sampled associations.
        learning_rate: of Adam; `lin_X` decays linearly from X to 0.
        warmup: updates over which the learning rate rises linearly.
        ent_coef: weight of the entropy of a user's association in the loss.
        subsets: share of the updates on a random subset of the users, so that the
            network generalises over the number of users.
        fewest_users: of a subset.
        merges: share of the updates on scenarios merged from several, with the servers
            of all, so that it generalises over the number of servers.
        most_merged: scenarios in one.
        averaging: decay of the exponential moving average of the weights, with which
            the policy decides.
        candidates: neighbouring associations that a decision evaluates besides the
            network's own.
        margin: by how much their sum of scores may be lower.
        max_grad_norm: norm to which gradients are clipped.
        policy_kwargs: of `NetworkConfig`.

    Raises:
        ValueError: an argument is out of range, or the encoding is not `box`.
        TypeError: `policy_kwargs` has an unknown key.
    """

    def __init__(
        self,
        policy: str,
        task: Task,
        *,
        seed: int = 0,
        learning_rate: Schedule = 2e-3,
        warmup: int = 50,
        ent_coef: float = 0.01,
        subsets: float = 0.5,
        fewest_users: int = 4,
        merges: float = 0.25,
        most_merged: int = 5,
        averaging: float = 0.99,
        candidates: int = 2,
        margin: float = 8.0,
        max_grad_norm: float = 1.0,
        policy_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if policy != "SetPolicy":
            raise ValueError(f"`policy` must be 'SetPolicy'; got {policy!r}.")
        _check_encoding(task)
        self.task = task
        self.candidates, self.margin = candidates, margin
        self.learning_rate = learning_rate
        self.ent_coef = ent_coef
        self.warmup, self.averaging = warmup, averaging
        self.max_grad_norm = max_grad_norm
        self.subsets, self.fewest_users = subsets, fewest_users
        self.merges, self.most_merged = merges, most_merged
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(
                    f"`{name}` must lie between {least} and {most}; got {value!r}."
                )
        self.num_timesteps = self.updates = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = NetworkConfig(**(policy_kwargs or {}))
            self.network = SetNetwork(config, limit=project)
        self.policy = copy.deepcopy(self.network)  # moving average, which decides
        self._frozen: Any = None  # compiled copy of `policy`
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.98))
        self.generator = torch.Generator().manual_seed(seed)

    # Training.

    def update(
        self, scenario: Scenario, observation: Any, remaining: float
    ) -> dict[str, float]:
        """Takes one step of Adam on scenarios [B].

        Args:
            scenario: to decide on.
            observation: of them.
            remaining: share of training that is left, from 1 to 0.

        Returns:
            Figures of the update, by their names in TensorBoard.
        """
        batch = self._augmented(
            ScenarioBatch.of(self.task.observation_codec, scenario, observation)
        )
        pairs = self.network.pairs(batch.users, batch.servers)
        scores = self.network.scores(pairs)
        max_users = batch.scenario.max_users.numpy()
        association = sample_pair(scores.detach(), max_users, self.generator)
        resources = self.network.resources(pairs, association)  # [2, B, N, 5]
        twice = batch.scenario[torch.arange(len(scores)).expand(2, -1)]
        allocation = decode_resources(twice, association, resources)
        objective = self.task.config.objective
        scr = evaluate(twice, allocation, objective, check=False).scr  # [2, B]
        value = torch.log(scr)
        log_probability = torch.log_softmax(scores, dim=-1)
        entropy = -(log_probability.exp() * log_probability).sum(dim=-1).mean()
        gain = association_surrogate(scores, association, value)
        loss = -value.mean() - gain - self.ent_coef * entropy

        rate = _value(self.learning_rate, remaining)
        rate *= min(1.0, (self.updates + 1) / self.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.max_grad_norm
        )
        self.optimizer.step()
        self._average()
        self.updates += 1
        self.num_timesteps += scenario.batch_shape[0]
        return {
            "train/loss": -value[0].mean().item(),
            "train/scr": scr[0].mean().item(),
            "train/association_entropy_nat": entropy.item(),
            "train/gradient_norm": norm.item(),
            "train/learning_rate": rate,
        }

    def _augmented(self, batch: ScenarioBatch) -> ScenarioBatch:
        """Removes users or merges scenarios, in some of the updates."""
        chance, share = torch.rand(2, generator=self.generator).tolist()
        least, n_users = self.fewest_users, batch.scenario.n_users
        if chance < self.subsets and n_users > least:
            batch = batch.first_users(least + int(share * (n_users + 1 - least)))
        chance, share = torch.rand(2, generator=self.generator).tolist()
        most = min(self.most_merged, len(batch.users))
        if chance < self.merges and most > 1:
            batch = batch.merged(2 + int(share * (most - 1)))
        return batch

    def _average(self) -> None:
        kept = min(self.averaging, (self.updates + 1) / (self.updates + 10))
        with torch.no_grad():
            for average, value in zip(
                self.policy.parameters(), self.network.parameters(), strict=True
            ):
                average.lerp_(value, 1 - kept)
        self._frozen = None

    def reset_average(self) -> None:
        """Restarts the moving average at the current weights."""
        self.policy.load_state_dict(self.network.state_dict())
        self._frozen = None

    # Deciding.

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[Any, ...] | None]:
        """Returns the action, or batch of actions; the same whatever `deterministic`.

        The association of the highest scores and up to `candidates` others, in each of
        which one user changes its server, are evaluated with the model, and the best is
        taken. Large batches are divided among `torch.get_num_threads()` threads.
        """
        scenario = self.task.observation_codec.decode(observation)
        batch = scenario.batch_shape
        if not batch:
            scenario = scenario[None]
        n_batch, n_users, n_servers = scenario.channel_gain.shape
        users, servers = self.task.observation_codec.unpack(observation)
        users = users.reshape(n_batch, n_users, -1)
        servers = servers.reshape(n_batch, n_servers, -1)
        network, objective = self._decider(), self.task.config.objective

        def choose(k: slice) -> tuple[Any, Any]:
            part = scenario if n_batch <= CHUNK else scenario[k]
            return choose_best(
                *(users[k], servers[k], part, network, objective),
                *(self.candidates, self.margin),
            )

        parts = [slice(i, i + CHUNK) for i in range(0, n_batch, CHUNK)]
        threads = min(torch.get_num_threads(), len(parts))
        if threads == 1:
            chosen = [choose(part) for part in parts]
        else:
            # Each thread computes serially; BLAS's own threads would compete with them.
            with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
                chosen = list(pool.map(choose, parts))
        association, resources = map(np.concatenate, zip(*chosen, strict=True))
        action = np.concatenate([2 * association - 1, resources], axis=-1)
        return action.reshape(*batch, -1).astype(np.float32), state

    def _decider(self) -> Any:
        """Returns the policy compiled by numba."""
        if self._frozen is None:
            from agents.policies.compiled_network import CompiledNetwork

            self._frozen = CompiledNetwork(self.policy)
        return self._frozen

    # Files.

    def save(self, file: str | Path | BinaryIO) -> None:
        """Writes weights and the state of training, without pickles."""
        arrays = {
            **_arrays("network", self.network.state_dict()),
            **_arrays("policy", self.policy.state_dict()),
            "generator": self.generator.get_state().numpy(),
        }
        for i, moments in self.optimizer.state_dict()["state"].items():
            arrays |= _arrays(f"adam.{i}", moments)
        write_weights(file, arrays, self._about())

    def save_policy(self, file: str | Path | BinaryIO) -> None:
        """Writes the weights of the policy alone."""
        write_weights(file, _arrays("policy", self.policy.state_dict()), self._about())

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "network": dataclasses.asdict(self.network.config),
            "num_timesteps": self.num_timesteps,
            "updates": self.updates,
        }

    @classmethod
    def load(cls, path: str | Path, task: Task, **settings: Any) -> Self:
        """Reads what `save` or `save_policy` wrote.

        Args:
            path: of the file.
            task: what it is to decide: any numbers of users and servers.
            **settings: as the constructor takes them; the network's own size stays.

        Raises:
            ValueError: the file is not one that this class wrote.
        """
        arrays, about = read_weights(path)
        if about.get("format") != FORMAT:
            raise ValueError(
                f"{str(path)!r} has the format {about.get('format')!r}, not {FORMAT!r}."
            )
        settings["policy_kwargs"] = about["network"]
        model = cls("SetPolicy", task, **settings)
        model.num_timesteps, model.updates = about["num_timesteps"], about["updates"]
        model.policy.load_state_dict(_tensors("policy", arrays))
        if "generator" in arrays:
            model.network.load_state_dict(_tensors("network", arrays))
            model.generator.set_state(torch.from_numpy(arrays["generator"]))
            model._load_optimizer(arrays)
        return model

    def _load_optimizer(self, arrays: dict[str, Any]) -> None:
        state = self.optimizer.state_dict()
        state["state"] = {
            i: moments
            for i in range(len(state["param_groups"][0]["params"]))
            if (moments := _tensors(f"adam.{i}", arrays))
        }
        self.optimizer.load_state_dict(state)


def _arrays(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {f"{prefix}.{name}": tensor.numpy() for name, tensor in tensors.items()}


def _tensors(prefix: str, arrays: dict[str, Any]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{prefix}.")
    }


def _value(schedule: Schedule, remaining: float) -> float:
    return float(schedule(remaining) if callable(schedule) else schedule)


def _check_encoding(task: Task) -> None:
    if task.action_codec.encoding != "box":
        raise ValueError(
            "apg needs --action-encoding box, as it differentiates with respect to "
            f"the resources; got {task.action_codec.encoding!r}."
        )
