"""Griffe extension: the comment beside a field becomes its entry in the reference.

The house style documents a field of a dataclass in the comment at its line, with shape
and unit, and a constant in the `#:` comment above it. Defaults that carry limits, such
as `number(500.0, 0.1, 1e8)`, are shown as the default alone.
"""

from __future__ import annotations

import io
import tokenize
from typing import Any

import griffe

#: Functions whose first argument is the default of a field.
_DEFAULT_FIRST = {"number", "integer", "choice"}


class FieldComments(griffe.Extension):
    """Takes docstrings of attributes from the comments in the source."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Adds a docstring where the source has a comment instead of one."""
        _simplify_default(attr)
        if attr.docstring is not None or attr.lineno is None:
            return
        lines = attr.lines_collection[attr.filepath]
        own = lines[attr.lineno - 1 : attr.endlineno or attr.lineno]
        text = _above(lines, attr.lineno - 1) + _beside(own)
        if text:
            attr.docstring = griffe.Docstring(
                _escape(" ".join(text)),
                lineno=attr.lineno,
                endlineno=attr.endlineno,
                parent=attr,
            )


def _above(lines: list[str], index: int) -> list[str]:
    """Returns the comment lines directly above a line."""
    found: list[str] = []
    while index > 0 and lines[index - 1].lstrip().startswith("#"):
        index -= 1
        found.insert(0, lines[index].strip().lstrip("#:").strip())
    return found


def _beside(lines: list[str]) -> list[str]:
    """Returns the comments at the ends of a statement's lines."""
    source = "\n".join(line.strip() for line in lines)
    try:
        tokens = [*tokenize.generate_tokens(io.StringIO(source).readline)]
    except (tokenize.TokenError, IndentationError):
        return []
    return [
        token.string.lstrip("#:").strip()
        for token in tokens
        if token.type == tokenize.COMMENT and not token.string.startswith("# noqa")
    ]


def _escape(text: str) -> str:
    """Keeps [..., N] and |x| from being read as Markdown."""
    return text.replace("[", "\\[").replace("_", "\\_").replace("*", "\\*")


def _simplify_default(attr: griffe.Attribute) -> None:
    value = attr.value
    if not isinstance(value, griffe.ExprCall):
        return
    function = str(value.function)
    if function == "_given":
        defaults = [
            argument.value
            for argument in value.arguments
            if isinstance(argument, griffe.ExprKeyword) and argument.name == "default"
        ]
        attr.value = defaults[0] if defaults else None
    elif function in _DEFAULT_FIRST:
        attr.value = value.arguments[0]
