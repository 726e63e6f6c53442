"""What every test has: a key of its own to sign checkpoints with, and no screen."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["SDL_VIDEODRIVER"] = "dummy"


@pytest.fixture(autouse=True, scope="session")
def configuration_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that tests start sign with the same key, and none with the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            os.environ, "XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config"))
        )
        yield
