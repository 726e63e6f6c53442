"""The table of learned algorithms."""

from __future__ import annotations

import sys

import pytest

from agents.algorithms import ALGORITHMS


@pytest.mark.parametrize("name", ["trpo", "recurrent_ppo"])
def test_a_library_that_is_missing_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    monkeypatch.delitem(
        sys.modules, "agents.policies.trpo", raising=False
    )  # it imports that
    with pytest.raises(ValueError, match=r"needs sb3_contrib.*'\.\[contrib\]'"):
        ALGORITHMS[name].load_class()
