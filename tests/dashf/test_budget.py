import math
import time

import numpy as np
import pytest

from dashf.budget import Budget


def test_without_a_limit_there_is_always_time():
    budget = Budget()
    assert budget.left_s() == math.inf
    assert not budget.spent()
    assert budget.for_a_program() is None


def test_time_is_spent_and_programs_are_counted():
    budget = Budget(0.05)
    assert not budget.spent()
    assert 0 < budget.for_a_program() <= 0.05
    time.sleep(0.06)
    assert budget.spent()
    assert budget.used_s() >= 0.06
    budget.for_a_program()
    assert budget.programs == 2


@pytest.mark.parametrize("limit", [1, 0.5, np.float32(2), np.int64(3)])
def test_numbers_of_every_kind_are_limits(limit):
    assert Budget(limit).left_s() == pytest.approx(float(limit), abs=0.1)


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, "5", True])
def test_a_wrong_limit_is_refused(limit):
    with pytest.raises(ValueError, match="`time_limit_s` must be positive; got"):
        Budget(limit)
