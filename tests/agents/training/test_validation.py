"""Which of the policies of a run is kept."""

from __future__ import annotations

import numpy as np
import pytest

from agents.training.validation import Validation
from mec_llm_env.task import Task


@pytest.fixture
def validation() -> Validation:
    return Validation(Task(preset="tiny-4x2"))


def kept(validation: Validation, means: list[float], noise: float) -> list[bool]:
    """Whether each of some evaluations is the one to keep when it is made."""
    rng = np.random.default_rng(0)
    scenario = 10 * rng.standard_normal(100)  # some are easier than others
    found = []
    for mean in means:
        error = rng.standard_normal(100)
        error -= error.mean()
        validation.history["results"].append(mean + scenario + noise * error)
        found.append(validation.keeps_last())
    return found


def test_a_later_policy_replaces_one_that_is_hardly_better(
    validation: Validation,
) -> None:
    # The difference of two has a standard error of about √2/10.
    assert kept(validation, [100.0, 101.0, 100.8], noise=1.0) == [True, True, True]


def test_but_not_one_that_is_clearly_better(validation: Validation) -> None:
    means = [100.0, 101.0, 100.5, 101.1]
    assert kept(validation, means, noise=1.0) == [True, True, False, True]


def test_a_slow_fall_is_noticed(validation: Validation) -> None:
    means = [100.0, 99.8, 99.6, 99.4, 99.2]
    assert kept(validation, means, noise=1.0) == [True, True, False, False, False]


def test_equal_results(validation: Validation) -> None:
    assert kept(validation, [50.0, 50.0], noise=0.0) == [True, True]
