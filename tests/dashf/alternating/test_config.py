import re

import numpy as np
import pytest

from dashf import DashfConfig
from tests.dashf.cases import benchmark_scenario


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("tolerance", 0.0, "must be a number from 1e-15 to 1; got 0.0"),
        ("final_tolerance", "x", "must be a number from 1e-15 to 1; got 'x'"),
        ("max_passes", 0, "must be an integer from 1 to 1e+09; got 0"),
        ("restarts", 1.5, "must be None or an integer from 0 to 1e+09; got 1.5"),
        ("sdr", "dense", "'auto', 'sparse', 'full', 'closed_form'; got 'dense'"),
        ("sdr", np.array([]), "'closed_form'; got array([], dtype=float64)."),
        ("start", "weakest", "must be one of 'strongest', 'compute', 'random'"),
        ("convex_solver", "MOSEK", "must be one of 'CLARABEL', 'SCS'; got 'MOSEK'"),
    ],
)
def test_the_configuration_is_checked(field, value, text):
    with pytest.raises(ValueError, match=f"`{field}`.*{re.escape(text)}"):
        DashfConfig(**{field: value})


def test_the_formulation_depends_on_the_size():
    assert DashfConfig().formulation(benchmark_scenario(0)) == "sparse"
    large = benchmark_scenario(0, "medium-50x10")
    assert DashfConfig().formulation(large) == "closed_form"
    assert DashfConfig(sdr="full").formulation(large) == "full"
