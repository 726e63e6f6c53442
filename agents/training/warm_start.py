"""Warm start: a policy clones a solver before reinforcement learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import Tensor, nn
from torch.nn import functional

from agents.apg import Apg
from agents.console.display import Display
from agents.problems.tasks import AnyTask
from agents.run.config import WarmStart
from agents.training.demonstrations import (
    Demonstrations,
    EpisodeDemonstrations,
    demonstrate,
    describe,
)
from agents.training.imitation import (
    Batch,
    imitation_loss,
    mean_action,
    permuted,
    random_action,
    set_network,
    values,
)

HELD_OUT = 0.05  # share of the demonstrations that are not trained on
LOG_INTERVAL = 100  # steps between two entries of the log
_RISE = 100  # steps over which the learning rate rises linearly
_LARGEST_GRADIENT = 1.0
_WIDEST_NOISE = 0.3  # of the actions that a Q-function is fitted on


def learn_from_solver(
    model: Any,
    task: AnyTask,
    settings: WarmStart,
    seed: int,
    logger: Logger,
    bar: bool | None,
) -> None:
    """Generates demonstrations of a solver and clones them, with progress bars.

    Demonstrations are cached, also those of an interrupted run.

    Args:
        model: an algorithm of Stable-Baselines3, or `Apg`.
        task: what it decides.
        settings: of the warm start.
        seed: of batches and orders.
        logger: that figures are written to, by steps.
        bar: show progress bars; None: only on a terminal.
    """
    solver, count = settings.solver, settings.scenarios
    with Display(f"{solver} demonstrates", count, bar) as display:
        shown = demonstrate(task, solver, count, advance=display.update)
        display.say(describe(shown, solver))
    with Display("cloning", settings.steps + settings.critic_steps, bar) as display:
        figures = clone(
            *(model, task, shown, settings, seed, logger), advance=display.update
        )
        display.say(
            f"Cloned: mean SCR {figures['scr']:.2f} on those held out; {solver} itself "
            f"{figures['solver_scr']:.2f}."
        )


def clone(
    model: Any,
    task: AnyTask,
    demonstrations: Demonstrations,
    settings: WarmStart,
    seed: int,
    logger: Logger,
    advance: Callable[[int], None] = lambda steps: None,
) -> dict[str, float]:
    """Trains actor and critic of a model on demonstrations.

    It is deterministic in the seed, and does not change the global random states.

    Args:
        model: an algorithm of Stable-Baselines3, or `Apg`.
        task: what it decides.
        demonstrations: of a solver.
        settings: of the training.
        seed: of batches and orders.
        logger: that figures are written to, by steps.
        advance: called with the number of steps done.

    Returns:
        Mean SCR of the cloned policy, `scr`, and of the solver, `solver_scr`, on the
        demonstrations held out.
    """
    training, held_out = _split(demonstrations, _returns(model, demonstrations))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        of_actor = _clone_actor(model, training, settings, logger, advance)
        if isinstance(model, Apg):
            model.reset_average()
        else:
            _set_initial_deviation(model.policy, settings.log_std)
            _fit_critic(model, task, training, settings, of_actor, logger, advance)
    if isinstance(model, OffPolicyAlgorithm):
        _synchronise_targets(model.policy)
        _fill_buffer(model, task, training, demonstrations.scr)
    return _compare(model, task, held_out, demonstrations.scr)


def _returns(model: Any, demonstrations: Demonstrations) -> Tensor | None:
    """Returns what the rest of the episodes earned, as the model's critic counts."""
    if not isinstance(demonstrations, EpisodeDemonstrations):
        return None
    of_users = getattr(model.policy, "per_user", False)
    returns = demonstrations.returns(model.gamma, of_users)
    return torch.from_numpy(returns).float()


def _split(
    demonstrations: Demonstrations, returns: Tensor | None = None
) -> tuple[Batch, Batch]:
    """Splits into training and held-out demonstrations, the last ones."""
    whole = Batch(
        users=torch.from_numpy(demonstrations.users),
        servers=torch.from_numpy(demonstrations.servers),
        server=torch.from_numpy(demonstrations.server),
        resources=torch.from_numpy(demonstrations.resources),
        returns=returns,
    )
    count = len(whole) - max(1, round(HELD_OUT * len(whole)))
    return whole[:count], whole[count:]


def _clone_actor(
    model: Any,
    training: Batch,
    settings: WarmStart,
    logger: Logger,
    advance: Callable[[int], None],
) -> set[nn.Parameter]:
    """Trains the actor; returns the parameters that have received gradients."""
    module = getattr(model, "network", model.policy)
    module.train()
    optimizer = _CosineAdam(module.parameters(), settings.learning_rate, settings.steps)
    for done in range(1, settings.steps + 1):
        batch = _random_batch(model, training, settings.batch_size)
        loss, scores = imitation_loss(model, batch)
        optimizer.step(loss)
        logger.record_mean("warm_start/loss", loss.item())
        if scores.numel():
            equal = (scores.argmax(dim=-1) == batch.server).float().mean()
            logger.record_mean("warm_start/association_accuracy", equal.item())
        if done % LOG_INTERVAL == 0 or done == settings.steps:
            logger.dump(done)
        advance(done)
    module.eval()
    return {value for value in module.parameters() if value.grad is not None}


def _fit_critic(
    model: Any,
    task: AnyTask,
    training: Batch,
    settings: WarmStart,
    of_actor: set[nn.Parameter],
    logger: Logger,
    advance: Callable[[int], None],
) -> None:
    """Fits the critic to the rewards of actions sampled from the cloned policy.

    The reward of one decision is the return for γ = 0. In episodes the critic is fitted
    to the demonstrator's own returns instead.
    """
    policy = model.policy
    own = [value for value in policy.parameters() if value not in of_actor]
    if not settings.critic_steps or not own:
        return
    policy.train()
    optimizer = _CosineAdam(own, settings.learning_rate, settings.critic_steps)
    for done in range(1, settings.critic_steps + 1):
        batch = _random_batch(model, training, settings.batch_size)
        observation = batch.observation(policy.observation_space)
        if batch.returns is None:
            with torch.no_grad():
                action = _exploring_actions(model, observation)
            earned = _reward(task, observation, action).unsqueeze(-1)
        else:
            earned = batch.returns
        if isinstance(model, OffPolicyAlgorithm):
            expected = policy.critic(observation, action)
            if isinstance(expected, tuple):
                expected = torch.cat(expected, dim=-1)
            expected = expected.flatten(1)  # of several critics, or quantiles
        else:
            expected = values(policy, observation)
        loss = functional.mse_loss(expected, earned.expand_as(expected))
        optimizer.step(loss)
        logger.record_mean("warm_start/critic_loss", loss.item())
        if done % LOG_INTERVAL == 0 or done == settings.critic_steps:
            logger.dump(settings.steps + done)
        advance(settings.steps + done)
    policy.eval()


class _CosineAdam:
    """Adam with linear warm-up and cosine decay of the learning rate."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, steps: int
    ) -> None:
        self._parameters = list(parameters)
        self._optimizer = torch.optim.Adam(self._parameters, lr=rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer,
            lambda done: (
                min(1.0, (done + 1) / _RISE)
                * (1 + math.cos(math.pi * min(done / steps, 1)))
                / 2
            ),
        )

    def step(self, loss: Tensor) -> None:
        """Takes a gradient step."""
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        self._optimizer.step()
        self._schedule.step()


def _random_batch(model: Any, training: Batch, count: int) -> Batch:
    """Returns a random batch, permuted if the network is not equivariant."""
    batch = training[torch.randint(len(training), (count,))]
    return batch if set_network(model) is not None else permuted(batch)


def _exploring_actions(model: Any, observation: Any) -> Tensor:
    """Samples actions [B, …] similar to those that the algorithm will explore."""
    policy = model.policy
    if not isinstance(model, OffPolicyAlgorithm):
        action = random_action(policy, observation)
        is_box = isinstance(policy.action_space, spaces.Box)
        return action.clamp(-1, 1) if is_box else action
    # The actor follows the gradient of a Q-function, which must hold nearby too.
    mean = mean_action(policy, observation)
    width = _WIDEST_NOISE * torch.rand(len(mean), 1)
    return (mean + width * torch.randn_like(mean)).clamp(-1, 1)


def _reward(task: AnyTask, observation: Any, action: Tensor) -> Tensor:
    """Returns the SCR of actions, [B]; in episodes, of their slots."""
    scenario = task.observation_codec.decode(_as_numpy(observation))
    _, outcome = task.decide(action.numpy(), scenario)
    return torch.from_numpy(outcome.scr).float()


def _set_initial_deviation(policy: Any, log_std: float) -> None:
    """Sets the deviation of a stochastic policy, so that it explores near the clone."""
    with torch.no_grad():
        for name, part in policy.named_parameters():
            if name == "log_std":  # one for all observations
                part.fill_(log_std)
        for name, head in policy.named_modules():
            if name.endswith("log_std") and isinstance(head, nn.Linear):
                head.weight.zero_()
                head.bias.fill_(log_std)


def _synchronise_targets(policy: Any) -> None:
    """Copies the weights to the target networks of an off-policy algorithm."""
    for name in ("actor", "critic"):
        target = getattr(policy, f"{name}_target", None)
        if target is not None:
            target.load_state_dict(getattr(policy, name).state_dict())


def _fill_buffer(model: Any, task: AnyTask, training: Batch, scr: Any) -> None:
    """Fills the replay buffer with the demonstrations.

    As in Vecerik et al., "Leveraging demonstrations for deep reinforcement learning"
    (arXiv 1707.08817), but without priorities.
    """
    buffer, count = model.replay_buffer, model.n_envs
    observation = training.observation(model.observation_space).numpy()
    action = training.action(model.action_space).numpy()
    ends = np.full(count, task.episode_length == 1)
    rows = min(len(training) // count, buffer.buffer_size)
    for i in range(rows):
        now = slice(i * count, (i + 1) * count)
        # The next scenario is independent, so that any other will do.
        later = np.roll(observation, -count, axis=0)[now]
        buffer.add(observation[now], later, action[now], scr[now], ends, [{}] * count)
    model.learning_starts = 0  # no random actions are needed


def _compare(
    model: Any, task: AnyTask, held_out: Batch, solver_scr: Any
) -> dict[str, float]:
    """Returns the mean SCR of policy and solver on the held-out scenarios."""
    space = task.observation_codec.space
    observation = held_out.observation(space)
    action, _ = model.predict(_as_numpy(observation), deterministic=True)
    scr = _reward(task, observation, torch.from_numpy(action))
    return {
        "scr": float(scr.mean()),
        "solver_scr": float(solver_scr[-len(held_out) :].mean()),
    }


def _as_numpy(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: part.numpy() for name, part in observation.items()}
    return observation.numpy()
