"""Decisions on cases of one's own in words."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import dashf
from agents.evaluation.cases.deciding import (
    Decision,
)
from agents.evaluation.cases.files import (
    decision_json,
    picture,
)
from agents.evaluation.cases.reading import Case
from agents.evaluation.cases.words import (
    phase_costs,
    what_binds,
    what_more_gives,
    where_it_stands,
    who_costs_most,
)
from mec_llm_env import (
    Allocation,
    evaluate,
)
from tests.agents.evaluation.cases.decided import (
    CASES,
    OBJECTIVE,
    best_of,
    decided,
)
from tests.dashf.extremes import random_objective, random_scenario, with_serving


def test_phases_make_up_the_cost() -> None:
    for seed in range(10):
        rng = np.random.default_rng([21, seed])
        s = random_scenario(rng)
        if seed % 2:
            s = with_serving(s, rng)
        decision = best_of(s, random_objective(rng))
        costs = phase_costs(decision)
        assert ("migration" in costs) == (seed % 2 == 1)
        total = np.sum(list(costs.values()), axis=0)
        np.testing.assert_allclose(total, decision.outcome.cost, rtol=1e-12)


def by_hand() -> Decision:
    """Four users, of whom three are at the first of two servers; half of it idle."""
    s = CASES[0].scenario
    server = np.array([0, 0, 0, 1])
    z = Allocation.from_server(
        server,
        2,
        local_fraction=np.array([1 / 16, 0.5, 0.5, 15 / 16]),
        transmit_power_w=s.transmit_power_max_w * np.array([1, 1, 0.5, 0.5]),
        bandwidth_hz=np.array([2e6, 2e6, 6e6, 1e7]),
        user_frequency_hz=s.user_frequency_max_hz * np.array([0.5, 0.5, 0.5, 1]),
        server_frequency_hz=s.server_frequency_max_hz[server]
        * np.array([0.1, 0.2, 0.2, 1]),
    )
    return dataclasses.replace(
        best_of(s),
        label="mine",
        allocation=z,
        outcome=evaluate(s, z),
        explanation=dashf.explain(s, z),
    )


def test_what_binds_is_said() -> None:
    text = " ".join(what_binds(by_hand()))
    assert "Bandwidth binds at all servers." in text
    assert "is partly idle at S0 (50 % used)." in text
    assert "2 of 4 users at full transmit power, 1 with the own GPU" in text
    assert "1 with as few layers of their own as they may have, 1 with as many" in text
    everyone = dataclasses.replace(CASES[0].scenario, max_users=np.array([4.0, 0]))
    text = " ".join(what_binds(best_of(everyone)))
    assert "Nobody is served at S1." in text
    assert "All slots are taken at S1." in text
    halves = dataclasses.replace(CASES[0].scenario, max_users=np.array([2.0, 2]))
    assert "All slots are taken at all servers." in " ".join(
        what_binds(best_of(halves))
    )


def test_who_costs_most_is_said() -> None:
    decision = by_hand()
    share = decision.explanation.cost_share
    text = who_costs_most(decision, 2)
    top = share.argsort()[::-1][:2]
    named = ", ".join(f"{n} ({100 * share[n]:.0f} %)" for n in top)
    assert text.startswith(f"Most cost: users {named}. ")
    assert "user 0 (100 %)" in who_costs_most(best_of(CASES[1].scenario))


def test_what_more_gives_is_said() -> None:
    decision = by_hand()
    e = decision.explanation
    band = int(e.price_per_mhz.argmax())
    text = " ".join(what_more_gives(decision))
    assert f"One more MHz pays most at S{band}: to share, " in text
    assert f"{e.price_per_mhz[band]:+.3g} of SCR" in text
    nothing = dataclasses.replace(
        decision,
        explanation=dataclasses.replace(
            e, price_per_ghz=0 * e.price_per_ghz, scr_per_ghz=np.array([-1.0, 0])
        ),
    )
    text = " ".join(what_more_gives(nothing))
    assert "One more GHz to share would give nothing anywhere." in text
    assert "A larger GPU frequency would lower the SCR at S0" in text


def test_how_far_from_the_bound_is_said_and_never_rounded_up(
    bounds: list[dashf.Bound],
) -> None:
    decision = best_of(CASES[0].scenario)
    bound = dataclasses.replace(bounds[0], value=decision.scr / 0.99999)
    text = where_it_stands([decision], bound)
    assert "at least 99.99 % of the best" in text
    other = dataclasses.replace(by_hand(), label="other")
    last = dataclasses.replace(by_hand(), label="last")
    text = where_it_stands([decision, other, last], None)
    assert f"other reaches {other.scr:.5g}, last, the last, " in text
    assert "bound" not in text


def test_the_certificate_of_a_solver_is_told_where_it_is_the_lower_one(
    bounds: list[dashf.Bound],
) -> None:
    (exact,) = decided(["exact"], CASES[:1])[1][0][0]
    found = dashf.solve(exact.case.scenario, OBJECTIVE, solver="exact").bound
    assert found is not None
    assert exact.own_bound == pytest.approx(float(found.value), rel=1e-12)
    content = json.loads(decision_json(exact, bounds[0]))
    assert content["own_upper_bound"] == exact.own_bound >= exact.scr * (1 - 1e-9)
    loose = dataclasses.replace(bounds[0], value=1.02 * exact.own_bound)
    words = f"exact itself certifies {exact.own_bound:.5g}, of which that is "
    assert words in where_it_stands([exact], loose)
    tight = dataclasses.replace(bounds[0], value=exact.own_bound)
    for bound in (tight, None):
        assert "itself" not in where_it_stands([exact], bound)
    (rule,) = decided(["gucaa"], CASES[:1])[1][0][0]
    assert rule.own_bound is None


def test_any_decision_can_be_told_and_drawn() -> None:
    for seed in range(8):
        rng = np.random.default_rng([22, seed])
        s = random_scenario(rng)
        own = Case(
            name="odd", scenario=s, objective=random_objective(rng), source="odd.npz"
        )
        for row in decided(["random", "dual"], [own])[1]:
            decision = row[0][0]
            sentences = [
                *(where_it_stands([decision], None), who_costs_most(decision)),
                *what_binds(decision),
                *what_more_gives(decision),
            ]
            assert all(text.endswith(".") for text in sentences)
            assert "nan" not in " ".join(sentences)
            json.loads(decision_json(decision, None))
    assert picture(decision).startswith(b"\x89PNG")
