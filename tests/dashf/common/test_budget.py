import math
import time

import pytest

from dashf.common.budget import Budget


def test_without_a_limit_there_is_always_time():
    budget = Budget()
    assert not budget.spent()
    assert budget.for_a_program() is None


def test_time_is_spent_and_programs_are_counted():
    budget = Budget(0.1)
    assert not budget.spent()
    assert 0 < budget.for_a_program() <= 0.1
    time.sleep(0.11)
    assert budget.spent()
    budget.for_a_program()
    assert budget.programs == 2


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, "5", True])
def test_a_wrong_limit_is_refused(limit):
    with pytest.raises(ValueError, match="`time_limit_s` must be"):
        Budget(limit)
