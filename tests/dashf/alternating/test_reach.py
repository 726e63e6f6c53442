import numpy as np
import pytest

from dashf.alternating.continuous import optimise_continuous
from dashf.alternating.reach import reach
from dashf.common.clock import Clock
from dashf.pricing.sharing import share_resources
from mec_llm_env import evaluate
from tests.dashf.cases import OBJECTIVE, benchmark_scenario, start
from tests.dashf.extremes import random_objective, random_scenario


def test_it_bounds_what_others_find_for_the_association():
    rng = np.random.default_rng(0)
    for _ in range(30):
        s, o = random_scenario(rng), random_objective(rng)
        if o.score_weight_power > 0:
            continue
        x = start(s, o).association
        z = start(s, o)
        bound = reach(s, z, o, float(evaluate(s, z, o).scr))
        for found in (
            share_resources(s, x, o),
            optimise_continuous(s, start(s, o), o).point[0],
        ):
            assert evaluate(s, found, o).scr <= bound


def test_it_is_tight_at_the_best_of_an_association():
    for number in range(5):
        s = benchmark_scenario(number)
        best = optimise_continuous(s, start(s), OBJECTIVE, tolerance=1e-9)
        bound = reach(s, best.point[0], OBJECTIVE, best.scr)
        assert best.scr <= bound <= best.scr * (1 + 1e-3)
        assert bound < 1.1 * reach(s, start(s), OBJECTIVE, best.scr)


def test_without_time_it_knows_nothing():
    s = benchmark_scenario(0)
    assert reach(s, start(s), OBJECTIVE, 100.0, clock=Clock(end=0.0)) == pytest.approx(
        np.inf
    )
