"""Every public function refuses other things than its arguments, with words."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dashf
from dashf.alternating.baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.common import checks
from dashf.pricing.dual import solve_dual, solve_dual_batch
from dashf.pricing.exact import solve_exact
from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    Trajectory,
)
from mec_llm_env.assignment import round_assignment
from tests.dashf.cases import OBJECTIVE, benchmark_scenario, start
from tests.junk import JUNK as COMMON

SCENARIO = benchmark_scenario(0, "tiny-4x2", users=3)
ALLOCATION = start(SCENARIO)
BATCH = Scenario.stack([SCENARIO, benchmark_scenario(1, "tiny-4x2", users=3)])
RATIO = 80.0
PRICE = np.full(2, 5.0)

_GIVEN = {"scenario": SCENARIO, "objective": OBJECTIVE}
_AT = {**_GIVEN, "allocation": ALLOCATION, "ratio": RATIO}

_LIMITED = {**_GIVEN, "time_limit_s": 9.0}
_DUAL = {**_LIMITED, "tolerance": 1e-3, "rounds": 0, "candidates": 1, "nodes": 0}

_EPISODE = {
    "trajectory": Trajectory(scenario=BATCH),
    "objective": OBJECTIVE,
    "tolerance": 1e-3,
    "time_limit_s": 9.0,
}

#: A quick valid call of every public function, and of what checks its fields.
CALLS: dict[str, dict[str, Any]] = {
    "DashfConfig": {
        s.name: getattr(dashf.DashfConfig(), s.name)
        for s in dataclasses.fields(dashf.DashfConfig)
    },
    "best_response": {
        **_GIVEN,
        "ratio": RATIO,
        "bandwidth_price": PRICE,
        "compute_price": PRICE,
        "local_fraction_min": 0.2,
        "local_fraction_max": np.full((3, 2), 0.5),
    },
    "explain": {
        **_GIVEN,
        "allocation": ALLOCATION,
        "bound": dashf.upper_bound(SCENARIO, OBJECTIVE),
    },
    "gap": {
        **_GIVEN,
        "allocation": ALLOCATION,
        "bound": dashf.upper_bound(SCENARIO, OBJECTIVE),
    },
    "local_frequency": _GIVEN,
    "round_assignment": {
        "benefit": np.array([[1.0, 2], [3, 1], [3, 2]]),
        "max_users": np.array([2.0, 2]),
    },
    "shadow_prices": _AT,
    "share_resources": {
        **_GIVEN,
        "association": ALLOCATION.association,
        "local_fraction": ALLOCATION.local_fraction,
        "effort": "fast",
    },
    "solve": {**_LIMITED, "solver": "gucaa", "bound": False},
    "solve_batch": {
        **_LIMITED,
        "solver": "gucaa",
        "bound": False,
        "progress": lambda done: None,
        "jobs": 1,
    },
    "solve_aauco": {**_LIMITED, "sdr": "closed_form", "max_iterations": 0},
    "solve_dual": _DUAL,
    "solve_dual_batch": _DUAL,
    "solve_edge": {**_LIMITED, "tolerance": 0.1},
    "solve_exact": {**_GIVEN, "gap": 0.9, "time_limit_s": 1.0},
    "solve_gucro": {**_LIMITED, "tolerance": 0.1},
    "solve_local": {**_LIMITED, "tolerance": 0.1},
    "plan": _EPISODE,
    "trajectory_bound": _EPISODE,
    "upper_bound": {**_GIVEN, "tolerance": 1e-3, "nodes": 0, "time_limit_s": 9.0},
}

#: Those, and what is behind the ids of solvers.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(dashf, name) for name in CALLS if name in dashf.__all__
} | {
    function.__name__: function
    for function in (
        *(round_assignment, solve_aauco, solve_dual, solve_dual_batch, solve_exact),
    )
}
FUNCTIONS |= {
    "solve_edge": solve_edge,
    "solve_gucro": solve_gucro,
    "solve_local": solve_local,
}

#: What solvers return; nobody hands them in but `gap`, which checks its bound.
RESULTS = {
    *("BatchResult", "BestResponse", "Bound", "Explanation", "Iteration"),
    *("Plan", "SolveResult", "Status"),
}

JUNK = [*COMMON, SCENARIO.to_dict(), SCENARIO.to_torch(), ALLOCATION.to_torch()]


def assert_refused_or_answered(name: str, argument: str, junk: Any) -> bool:
    """Whether it is refused; if so, the text names the argument and the value."""
    function = FUNCTIONS[name]
    try:
        function(**CALLS[name] | {argument: junk})
    except ValueError as error:
        text = str(error)
        assert re.search(
            "; got |must have shape|is infeasible|no option|no solver", text
        ), text
        assert text[0] in "`TA" or text.startswith("'"), text
        return True
    return False


def test_every_public_function_is_called() -> None:
    others = {"SOLVERS", "SolverPolicy", "LookaheadPolicy", "AssociationCodec"}
    assert set(CALLS) >= set(dashf.__all__) - RESULTS - others
    for name, call in CALLS.items():
        function = FUNCTIONS[name]
        function(**call)
        parameters = set(inspect.signature(function).parameters)
        parameters -= {"options", "budget"}  # the latter of a solver's own
        assert parameters | {"options", "rounds"} >= set(call) >= parameters, name


@pytest.mark.parametrize("name", CALLS)
def test_other_arguments_are_refused_with_words(name: str) -> None:
    for argument in CALLS[name]:
        junk = [
            thing
            for thing in JUNK
            if thing is not print or not callable(CALLS[name][argument])
        ]
        refused = [assert_refused_or_answered(name, argument, thing) for thing in junk]
        assert sum(refused) >= len(junk) // 2, argument


@pytest.mark.parametrize("name", ["dashf", "gucro", "local", "edge", "aauco", "dual"])
def test_what_is_not_an_objective_is_named_by_every_solver(name: str) -> None:
    for call in (dashf.solve, dashf.solve_batch):
        with pytest.raises(
            ValueError, match=r"got ScenarioConfig. .*`config.objective`"
        ):
            call(SCENARIO, ScenarioConfig())
        with pytest.raises(ValueError, match=r"got dict. Give `ObjectiveConfig\("):
            call(SCENARIO, {"delay_weight": 1.0})
        with pytest.raises(
            ValueError, match=r"`scenario` must be a mec_llm_env.Scenario"
        ):
            call(SCENARIO.to_dict(), OBJECTIVE)
        with pytest.raises(ValueError, match=r"at least one; got batch shape \(0,\)"):
            call(BATCH[:0], OBJECTIVE)


@pytest.mark.parametrize("effort", ["full", "fast"])
def test_associations_are_checked_by_shape_and_number(effort: str) -> None:
    x = ALLOCATION.association
    limited = dataclasses.replace(SCENARIO, max_users=[1, 2])
    crowded = np.array([[1.0, 0], [1, 0], [0, 1]])
    for scenario, association, text in (
        (SCENARIO, x.T, r"must have shape \(3, 2\); got \(2, 3\)"),
        (SCENARIO, x[None], r"must have shape \(3, 2\); got \(1, 3, 2\)"),
        (BATCH, x, r"must have shape \(2, 3, 2\); got \(3, 2\)"),
        (SCENARIO, np.ones((3, 2)), "one server; got 2 for user 0"),
        (SCENARIO, np.zeros((3, 2)), "one server; got 0 for user 0"),
        (SCENARIO, np.full((3, 2), 0.5), "0 and 1 only; got 0.5 for user 0, server 0"),
        (SCENARIO, np.full((3, 2), np.nan), r"finite; got nan at index \(0, 0\)"),
        (SCENARIO, [1, 0, 1], r"must have shape \(3, 2\); got \(3,\)"),
        (SCENARIO, "strongest", "must be an array of real numbers; got 'strongest'"),
        (limited, crowded, "`max_users`; got 2 users for server 0, which may serve 1"),
    ):
        with pytest.raises(ValueError, match=f"`association` .*{text}"):
            dashf.share_resources(scenario, association, OBJECTIVE, effort=effort)
    with pytest.raises(
        ValueError, match=r"`local_fraction` must be from 0.0625 to .*; g"
    ):
        dashf.share_resources(
            SCENARIO, x, OBJECTIVE, local_fraction=np.full(3, 0.99), effort=effort
        )


def test_gap_says_where_the_objective_goes() -> None:
    wrong: Any = dashf.upper_bound(SCENARIO, OBJECTIVE)
    with pytest.raises(ValueError, match=r"`objective` must be .*ObjectiveConfig"):
        dashf.gap(SCENARIO, ALLOCATION, wrong)
    bound = dashf.upper_bound(BATCH, OBJECTIVE)
    with pytest.raises(ValueError, match=r"batch shape \(\); got \(2,\)"):
        dashf.gap(SCENARIO, ALLOCATION, bound=bound)


def test_numbers_of_numpy_are_taken() -> None:
    solve_dual(SCENARIO, rounds=np.int64(1), tolerance=np.float32(1e-3))
    config = dashf.DashfConfig(restarts=np.int8(1), tolerance=np.float32(1e-3))
    assert (type(config.restarts), type(config.tolerance)) == (int, float)
    for options, text in (
        ({"rounds": 1.5}, "`rounds` must be an integer of at least 0; got 1.5"),
        ({"tolerance": "a"}, r"`tolerance` must be in \[1e-9, 1\]; got 'a'"),
        (
            {"candidates": True},
            "`candidates` must be an integer of at least 1.*; got True",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            solve_dual(SCENARIO, **options)
    with pytest.raises(
        ValueError, match=r"no field 'restart'. Did you mean 'restarts'?"
    ):
        dashf.DashfConfig(restart=1)  # type: ignore[call-arg]


def test_checks_by_themselves() -> None:
    assert checks.check_objective(None) == ObjectiveConfig()
    assert checks.check_scenario(SCENARIO.to_torch()).data_bit.dtype == np.float64
    assert checks.check_ratio(np.array(3.0)) == 3.0
    x = checks.check_association(SCENARIO, torch.as_tensor(ALLOCATION.association))
    np.testing.assert_array_equal(x, ALLOCATION.association)
    wrong: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
        (
            checks.check_count,
            ("n", 2**70, 0),
            "`n` must be an integer of at least 0 and at most 1000000000; got 11",
        ),
        (checks.check_number, ("x", None, 0, 1), r"`x` must be in \[0, 1\]; got None"),
        (checks.check_ratio, (-1,), r"`ratio` must be in \[0, "),
        (checks.check_choice, ("k", ["a"], "ab"), r"`k` must be one of a, b; got \['a"),
        (checks.check_kind, ("k", 1, Allocation), "`k` must be a Allocation; got int"),
        (
            checks.check_array,
            ("a", [1, np.inf], (2,)),
            r"`a` .* got inf at index \(1,\)",
        ),
    ]
    for check, arguments, text in wrong:
        with pytest.raises(ValueError, match=text):
            check(*arguments)


@pytest.mark.parametrize("name", ["dashf", "dual", "gucro", "local", "edge", "aauco"])
def test_nobody_is_served_by_a_server_out_of_reach(name: str) -> None:
    """The gain of 1e-30 that `Scenario` tells to give for it."""
    gain = np.array(SCENARIO.channel_gain)
    gain[0, 0] = gain[2, 1] = 1e-30
    scenario = dataclasses.replace(SCENARIO, channel_gain=gain)
    batch = dashf.solve_batch(scenario, OBJECTIVE, solver=name)
    server = batch.allocation.server
    assert server[0] == 1
    assert server[2] == 0
