"""What every test has: a key of its own to sign checkpoints with, Ctrl-C, no screen."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

os.environ["SDL_VIDEODRIVER"] = "dummy"

# A shell has its jobs in the background ignore Ctrl-C, and so would what tests begin.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def configuration_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that tests start sign with the same key, and none with the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            os.environ, "XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config"))
        )
        yield
