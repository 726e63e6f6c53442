"""Which action encodings there are: the library's own, and registered ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mec_llm_env.actions.codec import ENCODINGS, ActionCodec
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.ranges import shorten

_REGISTERED: dict[str, Callable[[ScenarioConfig], ActionCodec]] = {}


def register_encoding(
    name: str, maker: Callable[[ScenarioConfig], ActionCodec]
) -> None:
    """Adds an action encoding from outside of this library, for `action_encoding=`.

    Like an environment's id, it is known once the module that registers it is imported.

    Args:
        name: of the encoding.
        maker: returns its codec, of a subclass of `ActionCodec`.

    Raises:
        ValueError: the name is that of one of the library's own.
    """
    if not isinstance(name, str) or name in ENCODINGS:
        raise ValueError(
            f"`name` must not be one of {', '.join(ENCODINGS)} or no text; got "
            f"{shorten(name)}."
        )
    if not callable(maker):
        raise ValueError(f"`maker` must return a codec; got {shorten(maker)}.")
    _REGISTERED[name] = maker


def _with_dashf(encoding: Any) -> str:
    """Says where the solvers' own encoding is, if that was asked for."""
    if isinstance(encoding, str) and encoding == "association":
        return " It comes with the solvers: `import dashf`."
    return ""


def make_codec(config: ScenarioConfig, encoding: str) -> ActionCodec:
    """Returns the codec of an encoding, the library's or a registered one.

    Raises:
        ValueError: the encoding is unknown.
    """
    if not isinstance(config, ScenarioConfig):
        raise ValueError(
            f"`config` must be a mec_llm_env.ScenarioConfig; got {shorten(config)}."
        )
    known = (*ENCODINGS, *_REGISTERED)
    if not isinstance(encoding, str) or encoding not in known:
        raise ValueError(
            f"`action_encoding` must be one of {', '.join(known)}; got "
            f"{shorten(encoding)}.{_with_dashf(encoding)}"
        )
    if encoding in _REGISTERED:
        return _REGISTERED[encoding](config)
    return ActionCodec(config.users, config.servers, encoding)
