"""The certified bounds of the small cases."""

from __future__ import annotations

import pytest

import dashf
from agents.problems import bounds as bounds_module
from agents.problems.bounds import priced_bounds
from tests.agents.evaluation.cases.decided import CASES


@pytest.fixture(scope="module")
def bounds(tmp_path_factory: pytest.TempPathFactory) -> list[dashf.Bound]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds_module, "CACHE", tmp_path_factory.mktemp("cache"))
        return priced_bounds([(c.scenario, c.objective) for c in CASES])
