"""Whose checkpoints may be unpickled: those that this user has written on this machine.

Unpickling executes whatever the file says. A checkpoint therefore carries a signature
made with a key that lies in the user's own configuration folder, which nobody publishes
with a run. See `docs/promises.md`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LENGTH = 32  # byte


def key_path() -> Path:
    """Returns where the key lies: `$XDG_CONFIG_HOME`, or `~/.config`.

    Raises:
        RuntimeError: the user has no home.
    """
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(base) if base else Path.home() / ".config"
    return folder / "mec-llm-env" / "key"


def sign(content: Mapping[str, Any]) -> str | None:
    """Returns the signature of JSON values; None where no key can be kept."""
    key = _key()
    return None if key is None else _digest(key, content)


def is_own(content: Mapping[str, Any], signature: Any) -> bool:
    """Returns whether this user has signed JSON values on this machine."""
    key = _key(make=False)
    if key is None or not isinstance(signature, str):
        return False
    return hmac.compare_digest(_digest(key, content).encode(), signature.encode())


def can_sign() -> bool:
    """Returns whether there is a key, or a place for one."""
    return _key() is not None


def _digest(key: bytes, content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(make: bool = True) -> bytes | None:
    try:
        path = key_path()
        if make and not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except (OSError, RuntimeError):
        return None
    return key if len(key) == _LENGTH else None


def _make_key(path: Path) -> None:
    """Writes a key that only the user can read; leaves one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # of a process beside this one
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
