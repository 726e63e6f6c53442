"""Only checkpoints that this user has written on this machine are unpickled.

Unpickling can execute code. A checkpoint therefore has a signature, made with a key in
the user's configuration folder, which is not published with a run. See
`docs/promises.md`.
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
    """Returns the path of the key: `$XDG_CONFIG_HOME`, or `~/.config`.

    Raises:
        RuntimeError: the user has no home.
    """
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(base) if base else Path.home() / ".config"
    return folder / "mec-llm-env" / "key"


def sign(content: Mapping[str, Any]) -> str | None:
    """Returns the signature of JSON values; None if no key can be stored."""
    key = _key()
    return None if key is None else _digest(key, content)


def is_own(content: Mapping[str, Any], signature: Any) -> bool:
    """Returns whether this user has signed JSON values on this machine."""
    key = _key(make=False)
    if key is None or not isinstance(signature, str):
        return False
    return hmac.compare_digest(_digest(key, content).encode(), signature.encode())


def can_sign() -> bool:
    """Returns whether there is a key, or one can be created."""
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
    """Writes a key that only the user can read, unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
