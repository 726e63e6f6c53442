import dataclasses

import numpy as np
import pytest

from dashf.alternating.resource_program import PROGRAMS, ResourceProgram
from dashf.alternating.resources import improve_once, shadow_prices
from mec_llm_env import evaluate
from mec_llm_env.allocation import one_hot
from tests.dashf.cases import (
    OBJECTIVE,
    OBJECTIVES,
    benchmark_scenario,
    improve_resources,
    random_allocation,
    start,
)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_surrogate_touches_the_surplus_from_below(objective):
    s, rng = benchmark_scenario(3), np.random.default_rng(0)
    z = random_allocation(s, rng)
    outcome = evaluate(s, z, objective)
    y = float(outcome.scr)
    program = ResourceProgram(s.n_users)
    program.expand(s, z, objective, y, outcome)

    def surrogate(p, b, c):
        variables = program.power, program.bandwidth, program.compute
        for variable, value in zip(variables, (p, b, c), strict=True):
            variable.value = value[program.order]
        problem = program.program.problem
        slack = problem.constraints[0]  # rate ≤ b̂ − relative entropy
        program.rate.value = np.zeros(s.n_users)
        program.rate.value = -slack.expr.value
        return objective.score_scale * problem.objective.value

    def genuine(p, b, c):
        moved = dataclasses.replace(
            z,
            transmit_power_w=z.transmit_power_w * p,
            bandwidth_hz=z.bandwidth_hz * b,
            server_frequency_hz=z.server_frequency_hz * c,
        )
        result = evaluate(s, moved, objective, check=False)
        return result.score.sum() - y * result.cost.sum()

    ones = np.ones((3, s.n_users))
    base = genuine(*ones) - surrogate(*ones)
    for _ in range(20):
        point = np.exp(rng.normal(size=ones.shape))
        assert surrogate(*point) + base <= genuine(*point) + 1e-9
        # Touching: to first order the two agree.
        near = 1 + 1e-4 * (point - 1)
        assert surrogate(*near) + base == pytest.approx(genuine(*near), abs=1e-4)
        slope = (genuine(*near) - genuine(*ones)) / 1e-4
        assert (surrogate(*near) + base - genuine(*ones)) / 1e-4 == pytest.approx(
            slope, rel=1e-2, abs=0.1
        )


def test_prices_are_the_multipliers_of_the_capacities():
    s = benchmark_scenario(1)
    result = improve_resources(s, start(s), OBJECTIVE, tolerance=1e-12)
    found = shadow_prices(s, result.allocation, OBJECTIVE, ratio=result.ratio)
    with PROGRAMS.lend(s.n_users) as program:  # as it was left
        multipliers = program.prices(OBJECTIVE)
    for price, multiplier in zip(found, multipliers, strict=True):
        assert price == pytest.approx(multiplier, rel=1e-4, abs=1e-3)
    # One server's compute is not used up, and has no price.
    assert found[1].min() < 1e-3 < 100 < found[1].max()


def test_the_order_of_the_users_does_not_matter():
    """Shares are added up by server, wherever its users stand in the scenario."""
    s = benchmark_scenario(3, users=6, servers=3)
    x = one_hot(np.array([0, 2, 0, 2, 2, 0]), 3)  # nobody at server 1
    z = dataclasses.replace(random_allocation(s, np.random.default_rng(0)))
    load = x.sum(axis=0)
    z = dataclasses.replace(
        z,
        association=x,
        bandwidth_hz=x @ (s.bandwidth_max_hz / np.maximum(load, 1)),
        server_frequency_hz=x @ (s.server_frequency_max_hz / np.maximum(load, 1)),
    )
    found = improve_once(s, z, evaluate(s, z, OBJECTIVE), OBJECTIVE, 50.0)
    order = np.array([5, 1, 3, 0, 4, 2])
    per_user = {"channel_gain", "workload_flop", "data_bit", "adapter_bit"}
    per_user |= {name for name in s.to_dict() if name.startswith(("user_", "local_"))}
    per_user |= {"transmit_power_max_w"}
    other = type(s)(
        **{k: v[order] if k in per_user else v for k, v in s.to_dict().items()}
    )
    moved = z.map(lambda field: field[order])
    again = improve_once(
        other, moved, evaluate(other, moved, OBJECTIVE), OBJECTIVE, 50.0
    )
    for name in ("transmit_power_w", "bandwidth_hz", "server_frequency_hz"):
        assert getattr(again[0], name) == pytest.approx(
            getattr(found[0], name)[order], rel=1e-4
        )


def test_the_program_is_compiled_once_a_number_of_users():
    PROGRAMS.prepare(3)
    assert PROGRAMS.prepare(3) == 0.0
    for servers in (1, 2):
        s = benchmark_scenario(0, users=3, servers=servers)
        improve_resources(s, start(s), OBJECTIVE, passes=1)
        assert PROGRAMS.prepare(3) == 0.0
