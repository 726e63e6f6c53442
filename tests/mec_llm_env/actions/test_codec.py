from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mec_llm_env import (
    Allocation,
    MobileConfig,
    Scenario,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    sample_trajectory,
    violations,
)
from mec_llm_env.actions import ENCODINGS, ActionCodec
from tests.mec_llm_env.bad_actions import spoiled_action

CONTINUOUS = Allocation.field_names()[1:]
KINDS = ("continuous", "whole_layers", "moving")


def draw(
    seed: int = 0, users: int = 10, servers: int = 2, **overrides: Any
) -> Scenario:
    config = ScenarioConfig(users=users, servers=servers).with_overrides(overrides)
    return sample_scenario(config, np.random.default_rng(seed))


@settings(max_examples=80, deadline=None)
@given(
    encoding=st.sampled_from(ENCODINGS),
    users=st.integers(1, 6),
    servers=st.integers(1, 4),
    slack=st.one_of(st.none(), st.integers(0, 2)),
    seed=st.integers(0, 10_000),
)
def test_every_action_is_feasible(
    encoding: str, users: int, servers: int, slack: int | None, seed: int
) -> None:
    slots = None if slack is None else -(-users // servers) + slack
    scenario = draw(seed, users, servers, **{"server.max_users": slots})
    codec = ActionCodec(users, servers, encoding)
    space = codec.space
    space.seed(seed)
    allocation = codec.decode(space.sample(), scenario)
    assert max(violations(scenario, allocation).values()) < 1e-12
    evaluate(scenario, allocation)


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(["box", "dict", "dict_flat"]),
    users=st.integers(1, 6),
    servers=st.integers(1, 4),
    slots=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_encode_is_the_right_inverse(
    encoding: str, users: int, servers: int, slots: bool, seed: int
) -> None:
    limit = -(-users // servers) if slots else None
    scenario = draw(seed, users, servers, **{"server.max_users": limit})
    source = ActionCodec(users, servers, "box")
    space = source.space
    space.seed(seed)
    wanted = source.decode(space.sample(), scenario)
    codec = ActionCodec(users, servers, encoding)
    action = codec.encode(wanted, scenario)
    assert codec.space.contains(action)
    decoded = codec.decode(action, scenario)
    np.testing.assert_array_equal(decoded.association, wanted.association)
    for name in CONTINUOUS:
        actual, expected = getattr(decoded, name), getattr(wanted, name)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, err_msg=name)
    _, distance = codec.project(wanted, scenario)
    assert distance < 1e-5


def test_multi_discrete_takes_the_nearest_level() -> None:
    scenario = draw()
    codec = ActionCodec(10, 2, "multi_discrete")
    space = codec.space
    space.seed(0)
    for _ in range(20):
        action = space.sample()
        allocation = codec.decode(action, scenario)
        again = codec.encode(allocation, scenario)
        # Power, split and frequency levels are kept; bandwidth weights and full
        # compute are known up to a factor.
        table, expected = again.reshape(10, 6), action.reshape(10, 6)
        np.testing.assert_array_equal(table[:, [0, 1, 2, 5]], expected[:, [0, 1, 2, 5]])


def test_encodings_agree() -> None:
    scenario = draw()
    space = ActionCodec(10, 2, "multi_discrete").space
    space.seed(1)
    action = space.sample()
    expected = ActionCodec(10, 2, "multi_discrete").decode(action, scenario)
    table = action.reshape(10, 6)
    units = table[:, 1:] / 5 - 1
    pair = {"association": table[:, 0], "resources": units}
    scores = np.where(table[:, :1] == [0, 1], 0.3, -0.2)
    flat = np.concatenate([scores, units], axis=-1).ravel()
    flat_pair = {"association": table[:, 0], "resources": units.ravel()}
    for encoding, action in (("dict", pair), ("dict_flat", flat_pair), ("box", flat)):
        actual = ActionCodec(10, 2, encoding).decode(action, scenario)
        for name in Allocation.field_names():
            np.testing.assert_allclose(
                getattr(actual, name), getattr(expected, name), rtol=1e-12
            )


def test_ties_go_to_the_lowest_server_and_boxes_are_clipped() -> None:
    scenario = draw()
    codec = ActionCodec(10, 2)
    zeros = codec.decode(np.zeros(70), scenario)
    assert (zeros.server == 0).all()
    at_limit = codec.decode(np.ones(70), scenario)
    for high in (7.0, 1e308):  # the sum of the latter overflows
        beyond = codec.decode(np.full(70, high), scenario)
        for name in Allocation.field_names():
            np.testing.assert_array_equal(
                getattr(beyond, name), getattr(at_limit, name)
            )


def best_by_enumeration(scores: Any, slots: Any) -> float:
    n_users, n_servers = scores.shape
    return max(
        sum(scores[n, m] for n, m in enumerate(choice))
        for choice in itertools.product(range(n_servers), repeat=n_users)
        if (np.bincount(choice, minlength=n_servers) <= slots).all()
    )


@pytest.mark.parametrize("seed", range(5))
def test_finite_slots_take_the_best_assignment_of_the_scores(seed: int) -> None:
    scenario = draw(seed, 5, 3, **{"server.max_users": 2})
    rng = np.random.default_rng(seed)
    action = rng.uniform(-1, 1, 5 * 8)
    allocation = ActionCodec(5, 3).decode(action, scenario)
    scores = action.reshape(5, 8)[:, :3]
    total = (allocation.association * scores).sum()
    assert total == pytest.approx(best_by_enumeration(scores, scenario.max_users))


def test_finite_slots_honour_choices_then_gains() -> None:
    scenario = draw(0, 3, 3, **{"server.max_users": 1})
    gain = np.array([[9.0, 5, 4], [9, 1, 8], [9, 2, 1]]) * 1e-10
    scenario = dataclasses.replace(scenario, channel_gain=gain)
    codec = ActionCodec(3, 3, "dict")
    action = {"association": [0, 0, 0], "resources": np.zeros((3, 5))}
    # One of the three choices of server 0 is honoured. Ranks at the others: user 0
    # (1, 0), user 1 (0, 1), user 2 (1, 0): users 0 or 2 stay, the rest goes up.
    server = codec.decode(action, scenario).server
    assert server[1] == 2
    assert sorted(server) == [0, 1, 2]


@pytest.mark.parametrize(
    ("encoding", "action", "text"),
    [
        ("box", np.zeros(69), r"`action` must have shape \(70,\); got \(69,\)"),
        ("box", np.full(70, np.nan), "`action` must be finite; got nan at index 0"),
        ("box", np.r_[np.zeros(33), np.inf, np.zeros(36)], "got inf at index 33"),
        ("box", "left", "`action` must be an array of real numbers; got 'left'"),
        ("box", None, "`action` must be an array of real numbers; got None"),
        ("multi_discrete", np.full(60, 11), "numbers from 0 to 1; got 11 at index 0"),
        (
            "multi_discrete",
            np.r_[0, 11, np.zeros(58)],
            "from 0 to 10; got 11.0 at index 1",
        ),
        (
            "multi_discrete",
            np.full(60, 0.5),
            "whole numbers from 0 to 1; got 0.5 at index 0",
        ),
        ("dict", np.zeros(70), "must be a dictionary .*; got ndarray"),
        ("dict", {"association": np.zeros(10)}, r"got dict with \['association'\]"),
        ("dict", {1: 0, "association": 0}, r"got dict with \[1, 'association'\]"),
        (
            "box",
            torch.zeros(70, requires_grad=True),
            "array of real numbers; got tensor",
        ),
        ("box", [[0.0], [0.0, 1.0]], r"an array of real numbers; got \[\[0.0\], \["),
        ("box", np.full(70, np.longdouble("1e4000")), "finite; got inf at index 0"),
        (
            "dict",
            {"association": np.full(10, -1), "resources": np.zeros((10, 5))},
            "`association` must hold whole numbers from 0 to 1; got -1 at index 0",
        ),
        (
            "dict",
            {"association": np.zeros(10), "resources": np.full((10, 5), np.nan)},
            r"`resources` must be finite; got nan at index \(0, 0\)",
        ),
        (
            "dict",
            {"association": np.zeros(10), "resources": np.zeros(50)},
            r"`resources` must have shape \(10, 5\); got \(50,\)",
        ),
        (
            "dict_flat",
            {"association": np.zeros(10), "resources": np.zeros((10, 5))},
            r"`resources` must have shape \(50,\); got \(10, 5\)",
        ),
    ],
)
def test_bad_actions_are_named(encoding: str, action: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ActionCodec(10, 2, encoding).decode(action, draw())


def test_unknown_encoding() -> None:
    with pytest.raises(ValueError, match="`action_encoding` must be one of box, multi"):
        ActionCodec(10, 2, "onehot")


def a_cell(kind: str, seed: int) -> Scenario:
    """3 × 2: of continuous splits, of whole layers, or where users move."""
    if kind != "moving":
        return draw(seed, 3, 2, **{"workload.split": kind})
    config = MobileConfig(users=3, servers=2)
    return sample_trajectory(config, np.random.default_rng(seed)).slot(1)


def assert_spoiled_actions_are_refused(
    encoding: str, kind: str, seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    scenario, codec = a_cell(kind, seed), ActionCodec(3, 2, encoding)
    space = codec.space
    space.seed(seed)
    texts = []
    for _ in range(count):
        action = spoiled_action(rng, space.sample())
        try:
            allocation = codec.decode(action, scenario)
        except ValueError as error:
            texts.append(str(error))
        else:
            assert max(violations(scenario, allocation).values()) < 1e-12
    assert count / 3 < len(texts) < count
    for text in set(texts):
        assert re.search(
            r"real numbers; got .|got (.* at index |\(|\w+\.$|dict with )", text
        ), text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_spoiled_actions_are_refused_with_words(encoding: str, kind: str) -> None:
    assert_spoiled_actions_are_refused(encoding, kind, 0, 500)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_many_spoiled_actions_are_refused_with_words(encoding: str, kind: str) -> None:
    assert_spoiled_actions_are_refused(encoding, kind, 1, 50_000)


def _full_cell(rng: np.random.Generator) -> tuple[ScenarioConfig, Scenario]:
    """A random size with little room, some servers having none."""
    n, m = int(rng.integers(1, 9)), int(rng.integers(2, 5))
    config = ScenarioConfig(users=n, servers=m)
    fields = sample_scenario(config, rng, (3,)).to_dict()
    slots = rng.integers(0, n + 1, (3, m)).astype(float)
    slots[:, 0] += np.maximum(n - slots.sum(axis=-1), 0)
    return config, Scenario(**{**fields, "max_users": slots})


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("seed", range(6))
def test_repaired_users_are_those_that_found_no_room(encoding: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    config, scenario = _full_cell(rng)
    n, m = config.users, config.servers
    codec = ActionCodec(n, m, encoding)
    space = codec.space
    space.seed(seed)
    actions = [space.sample() for _ in range(3)]
    for i, action in enumerate(actions):
        allocation = codec.decode(action, scenario[i])
        if encoding == "box":
            asked = action.reshape(n, m + 5)[:, :m].argmax(axis=1)
        elif encoding == "multi_discrete":
            asked = action.reshape(n, 6)[:, 0]
        else:
            asked = action["association"]
        moved = int((allocation.server != asked).sum())
        repaired = codec.repaired(action, scenario[i], allocation)
        assert repaired.dtype == np.int64
        assert repaired == moved
        room = np.bincount(asked, minlength=m) <= scenario[i].max_users
        assert (moved == 0) == room.all()


@pytest.mark.parametrize("encoding", ["multi_discrete", "dict", "dict_flat"])
def test_masks_have_one_entry_for_each_choice(encoding: str) -> None:
    for seed in range(6):
        config, scenario = _full_cell(np.random.default_rng(seed))
        n, m = config.users, config.servers
        codec = ActionCodec(n, m, encoding)
        masks = codec.masks(scenario)
        space = (
            codec.space if encoding == "multi_discrete" else codec.space["association"]
        )  # type: ignore[index]
        sizes = space.nvec  # type: ignore[attr-defined]
        assert masks.shape == (3, sizes.sum())
        assert masks.dtype == np.bool_
        for i in range(3):
            parts = np.split(masks[i], np.cumsum(sizes)[:-1])
            for k, part in enumerate(parts):
                server = encoding != "multi_discrete" or k % 6 == 0
                room = scenario[i].max_users >= 1
                np.testing.assert_array_equal(part, room if server else True)
        sample = space.sample(
            mask=tuple(
                part.astype(np.int8)
                for part in np.split(masks[0], np.cumsum(sizes)[:-1])
            )
        )
        servers = sample[::6] if encoding == "multi_discrete" else sample
        assert (scenario[0].max_users[servers] >= 1).all()


def test_a_box_has_no_choices_to_mask() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="'box' has no choices to mask; use 'multi_d"):
        ActionCodec(10, 2, "box").masks(scenario)


def test_a_registered_encoding_that_does_not_know_says_so() -> None:
    class Own(ActionCodec):
        def __init__(self) -> None:
            self.n_users, self.n_servers, self.encoding = 10, 2, "own"

    config = ScenarioConfig().with_overrides({"server.max_users": 5})
    scenario = sample_scenario(config, np.random.default_rng(0), (3,))
    box = ActionCodec(10, 2)
    allocation = box.decode(np.zeros((3, 70)), scenario)
    assert (Own().repaired(None, scenario, allocation) == -1).all()
