"""Analytic policy gradient: what it samples, learns, decides and keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.apg.algorithm import CHUNK, Apg
from agents.apg.augmentation import ScenarioBatch
from agents.storage.weights import read_weights, write_weights
from mec_llm_env import sample_scenario
from mec_llm_env.task import Task
from tests.agents.policies.torch_network import TorchNetwork

SMALL = {"width": 16, "pair_layers": 1, "user_layers": 1, "pooled": 4}


def make(task: Task, **settings: Any) -> Apg:
    return Apg("SetPolicy", task, **{"policy_kwargs": SMALL} | settings)


def learn(model: Apg, updates: int, batch: int = 64) -> list[dict[str, float]]:
    rng, task = np.random.default_rng(1), model.task
    figures = []
    for k in range(updates):
        scenario = sample_scenario(task.config, rng, (batch,))
        observation = task.observation_codec.encode(scenario)
        figures.append(model.update(scenario, observation, 1 - k / updates))
    return figures


def test_it_learns() -> None:
    task = Task(preset="tiny-4x2")
    model = make(task, learning_rate=5e-3, warmup=1, averaging=0.9, candidates=0)
    scenario = sample_scenario(task.config, np.random.default_rng(2), (200,))
    observation = task.observation_codec.encode(scenario)
    before = task.decide(model.predict(observation)[0], scenario)[1].scr.mean()
    figures = learn(model, 40)
    after = task.decide(model.predict(observation)[0], scenario)[1].scr.mean()
    assert after > 1.5 * before
    assert figures[-1]["train/scr"] > 1.3 * figures[0]["train/scr"]
    assert figures[-1]["train/association_entropy_nat"] < np.log(2)
    assert model.num_timesteps == 40 * 64


def test_the_loss_is_that_of_the_model() -> None:
    # One server: no choice is sampled, so that the loss is a plain function.
    task = Task(preset="tiny-4x2", overrides={"servers": 1})
    model = make(task, subsets=0.0, merges=0.0, averaging=0.0)
    scenario = sample_scenario(task.config, np.random.default_rng(0), (8,))
    observation = task.observation_codec.encode(scenario)
    _, outcome = task.decide(_action(model, observation), scenario)
    figures = model.update(scenario, observation, 1.0)
    assert figures["train/scr"] == pytest.approx(outcome.scr.mean(), rel=1e-4)
    assert figures["train/loss"] == pytest.approx(-np.log(outcome.scr).mean(), rel=1e-4)


def _action(model: Apg, observation: Any) -> Any:
    return model.predict(observation)[0]


def test_gradient_is_that_of_finite_differences() -> None:
    task = Task(preset="tiny-4x2", overrides={"servers": 1})
    scenario = sample_scenario(task.config, np.random.default_rng(0), (8,))
    observation = task.observation_codec.encode(scenario)

    def update(step: float) -> tuple[float, Any]:
        model = make(task, subsets=0.0, merges=0.0, max_grad_norm=1e9)
        head = model.network.resource
        with torch.no_grad():
            head.weight *= 0.1  # no resource is at its limit, where there is a kink
            head.bias[2:4] += step  # bandwidth and compute
        loss = model.update(scenario, observation, 1.0)["train/loss"]
        return loss, head.bias.grad

    slope = (update(1e-2)[0] - update(-1e-2)[0]) / 2e-2
    _, gradient = update(0.0)
    assert slope == pytest.approx(float(gradient[2:4].sum()), rel=2e-2)
    assert abs(slope) > 1e-3


def test_scores_far_apart_keep_their_gradients_finite() -> None:
    task = Task(preset="tiny-4x2")
    model = make(task)
    with torch.no_grad():
        model.network.score.weight *= 1e4
    figures = learn(model, 2, batch=8)
    assert figures[-1]["train/association_entropy_nat"] < 0.05
    assert np.isfinite(figures[-1]["train/gradient_norm"])


def test_updates_see_other_numbers_of_users_and_servers() -> None:
    task = Task()
    model = make(task, subsets=0.5, fewest_users=3, merges=0.5, most_merged=3)
    scenario = sample_scenario(task.config, np.random.default_rng(0), (6,))
    observation = task.observation_codec.encode(scenario)
    batch = ScenarioBatch.of(task.observation_codec, scenario, observation)
    seen = [model._augmented(batch).scenario.channel_gain.shape for _ in range(300)]
    assert {shape[1] for shape in seen} == set(range(3, 11))
    assert {shape[2] for shape in seen} == {2, 4, 6}
    assert {shape[0] for shape in seen} == {6, 3, 2}
    plain = make(task, subsets=0.0, merges=0.0)
    assert plain._augmented(batch) is batch


def test_decides_alike_alone_in_batches_and_from_tokens() -> None:
    task = Task(preset="tiny-4x2")
    model = make(task)
    scenario = sample_scenario(task.config, np.random.default_rng(0), (5,))
    actions = _action(model, task.observation_codec.encode(scenario))
    assert actions.shape == (5, 4 * 7)
    assert actions.dtype == np.float32
    assert task.action_codec.space.contains(actions[0])
    tokens = make(Task(preset="tiny-4x2", observation_encoding="tokens"))
    for i in range(5):
        for one in (model, tokens):
            observation = one.task.observation_codec.encode(scenario[i])
            np.testing.assert_allclose(_action(one, observation), actions[i], atol=1e-5)


def test_decides_alike_in_two_threads_and_in_pytorch() -> None:
    task = Task(preset="tiny-4x2")
    scenario = sample_scenario(task.config, np.random.default_rng(0), (2 * CHUNK + 9,))
    observation = task.observation_codec.encode(scenario)
    threads, actions = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            actions.append(_action(make(task), observation))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*actions)
    in_pytorch = make(task)
    in_pytorch._frozen = TorchNetwork(in_pytorch.policy)
    np.testing.assert_allclose(_action(in_pytorch, observation), actions[0], atol=1e-4)


def test_kept_without_pickles_and_smaller_without_training(tmp_path: Path) -> None:
    task = Task(preset="tiny-4x2")
    model = make(task, candidates=1)
    learn(model, 3)
    model.save(tmp_path / "all.npz")
    model.save_policy(tmp_path / "policy.npz")
    sizes = [(tmp_path / f"{k}.npz").stat().st_size for k in ("all", "policy")]
    assert sizes[0] > 3 * sizes[1]
    scenario = sample_scenario(task.config, np.random.default_rng(0), (5,))
    observation = task.observation_codec.encode(scenario)
    for name in ("all", "policy"):
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as archive:
            assert all(array.dtype != object for array in archive.values())
        other = Apg.load(tmp_path / f"{name}.npz", task, candidates=1)
        assert other.num_timesteps == 192
        np.testing.assert_array_equal(
            _action(other, observation), _action(model, observation)
        )
    write_weights(tmp_path / "other.npz", {}, {"format": "other"})
    with pytest.raises(ValueError, match=r"other\.npz' has the format 'other', not"):
        Apg.load(tmp_path / "other.npz", task)


def test_weights_that_are_damaged_or_pickled(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    write_weights(path, {"a": np.arange(3.0)}, {"b": [1, None]})
    arrays, about = read_weights(path)
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
    assert about == {"b": [1, None]}
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"is not a file of weights: .* zip file"):
        read_weights(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"not a file of weights.*Python objects"):
        read_weights(path)
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"averaging": 1.5}, "`averaging` must lie between 0 and 1; got 1.5"),
        ({"ent_coef": -0.1}, "`ent_coef` must lie between 0"),
        ({"candidates": -1}, "`candidates` must lie between 0"),
        ({"margin": -1.0}, "`margin` must lie between 0"),
        ({"merges": 1.1}, "`merges` must lie between 0 and 1"),
        ({"subsets": -0.1}, "`subsets` must lie between 0 and 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make(Task(preset="tiny-4x2"), **settings)
