import dataclasses
import itertools

import numpy as np
import pytest

from dashf.alternating.continuous import optimise_continuous
from dashf.alternating.neighbours import Choice
from dashf.alternating.resources import shadow_prices
from dashf.alternating.search import Judge, climb, explore
from dashf.common.budget import Budget
from dashf.pair.best_response import best_response
from dashf.rules import strongest_channel
from mec_llm_env import evaluate
from mec_llm_env.allocation import one_hot
from tests.dashf.cases import (
    OBJECTIVE,
    assert_feasible,
    benchmark_scenario,
    start,
)


def judge_of(s, budget=None):
    return Judge(s, OBJECTIVE, budget or Budget())


def from_strongest(s):
    """Where climbs begin under a limit: at the strongest channels that keep to it."""
    return lambda room: [strongest_channel(dataclasses.replace(s, max_users=room))]


def test_what_is_judged_is_feasible_and_near_what_block_2_finds():
    for number in range(5):
        s = benchmark_scenario(number)
        judge = judge_of(s)
        judged = judge.best(judge.either(start(s).association))
        assert_feasible(s, judged.allocation)
        assert judged.scr == evaluate(s, judged.allocation, OBJECTIVE).scr
        reference = optimise_continuous(s, start(s), OBJECTIVE, tolerance=1e-8)
        assert judged.scr == pytest.approx(reference.scr, rel=1e-3)


def test_a_choice_keeps_to_its_part_of_the_range():
    s = benchmark_scenario(0)
    judge = judge_of(s)
    part = np.arange(s.n_users) % 2
    x = start(s).association
    judged = judge.best([Choice(association=x, part=part)])
    cut = (
        1
        - ((np.sqrt(1 - s.local_fraction_min) + np.sqrt(1 - s.local_fraction_max)) / 2)
        ** 2
    )
    split = judged.allocation.local_fraction
    assert (split[part == 0] <= cut[part == 0] + 1e-12).all()
    assert (split[part == 1] >= cut[part == 1] - 1e-12).all()


def test_judgements_are_remembered(monkeypatch):
    s = benchmark_scenario(0)
    judge = judge_of(s)
    choices = judge.either(start(s).association)
    first = judge.best(choices)
    monkeypatch.setattr(Judge, "_judge", lambda *arguments: pytest.fail("judged again"))
    assert judge.best(choices) is first


def test_benefits_are_those_of_the_best_responses():
    s = benchmark_scenario(2)
    judge = judge_of(s)
    z = judge.best(judge.either(start(s).association)).allocation
    y = float(evaluate(s, z, OBJECTIVE).scr)
    band, compute = shadow_prices(s, z, OBJECTIVE, ratio=y)
    expected = best_response(
        s, OBJECTIVE, ratio=y, bandwidth_price=band, compute_price=compute
    ).benefit
    benefit, highest = judge.benefit(z, y)
    assert benefit.max(axis=-1) == pytest.approx(expected, rel=1e-7)
    assert not highest.any()


def test_no_association_reaches_more_than_it_promises():
    s = benchmark_scenario(1)
    judge = judge_of(s)
    x = start(s).association
    judged = [judge.best(judge.either(a)) for a in (x, 1 - x)]
    for one, promise in zip(judged, judge.promise(judged), strict=True):
        best = optimise_continuous(s, one.allocation, OBJECTIVE, tolerance=1e-9).scr
        assert one.scr <= promise
        assert best <= promise * (1 + 1e-6)


def test_climbs_end_at_the_best_of_all_on_small_scenarios():
    for number in range(4):
        s = benchmark_scenario(number, "tiny-4x2")
        judge = judge_of(s)
        found = explore(judge, from_strongest(s), 24)
        best = judge.best(
            [
                choice
                for server in itertools.product(range(2), repeat=4)
                for choice in judge.either(one_hot(np.array(server), 2))
            ]
        )
        assert found.scr >= best.scr * (1 - 1e-4)


def test_a_climb_keeps_to_the_room_it_is_given():
    s = benchmark_scenario(5, users=6)
    judge = judge_of(s)
    x = one_hot(np.array([0, 0, 0, 1, 1, 1]), 2)
    room = np.array([3, 3])
    found = climb(judge, [judge.best(judge.either(x))], room, 24)
    assert found.choice.association.sum(axis=0).tolist() == [3, 3]


def test_without_time_nothing_is_judged():
    s = benchmark_scenario(0)
    budget = Budget(0.1)
    while not budget.spent():
        pass
    judge = judge_of(s, budget)
    assert explore(judge, from_strongest(s), 24) is None
    assert judge.best(judge.either(start(s).association)) is None
