"""Suggestions where a name, or a field, is mistyped."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that was probably meant, or None.

    Probably is one letter of three, or its first word: `q_proj` is q. Another name that
    only looks alike is no help, and capitals make no difference.
    """
    folded = {word.casefold(): word for word in known}
    wanted = str(name).casefold()
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.65)
    return folded.get(near[0] if near else re.split(r"[\W_]", wanted)[0])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'the nearest'?", or nothing where none is near."""
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def by_name(cls: type[T]) -> type[T]:
    """Makes a dataclass refuse unknown and missing fields with a ValueError.

    Python's own is a TypeError that stops at the first of them.
    """
    specs = dataclasses.fields(cls)  # type: ignore[arg-type]
    known = [spec.name for spec in specs]
    required = [
        spec.name
        for spec in specs
        if spec.default is dataclasses.MISSING
        and spec.default_factory is dataclasses.MISSING
    ]
    init = cls.__init__

    @functools.wraps(init)
    def checked(self: T, /, *values: Any, **fields: Any) -> None:
        if values:
            raise ValueError(
                f"`{cls.__name__}` takes its fields by name, such as "
                f"`{cls.__name__}({known[0]}=…)`; got {len(values)} without."
            )
        _check_fields(cls.__name__, fields, known, required)
        init(self, **fields)

    cls.__init__ = checked  # type: ignore[method-assign, assignment]
    return cls


def _check_fields(
    owner: str, given: Iterable[str], known: Iterable[str], required: Iterable[str]
) -> None:
    given, known = list(given), list(known)
    unknown = [name for name in given if name not in known]
    missing = [name for name in required if name not in given]
    if not unknown and not missing:
        return
    parts = []
    if unknown:
        shown = ", ".join(map(repr, unknown[:3]))
        parts.append(f"has no field {shown}{', …' if len(unknown) > 3 else ''}")
    if missing:
        parts.append(f"lacks {', '.join(f'`{name}`' for name in missing)}")
    hint = did_you_mean(unknown[0], missing or known) if unknown else ""
    if unknown and not hint and not missing:
        hint = f" Choose from {', '.join(known)}."
    raise ValueError(f"`{owner}` {' and '.join(parts)}.{hint}")
