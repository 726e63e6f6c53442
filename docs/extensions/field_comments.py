"""Griffe extension: comments beside fields become entries of the reference.

The house style documents a field of a dataclass in the comment at its line, with shape
and unit, and a constant in the `#:` comment above it. Fields are listed under
"Attributes" of their class. Defaults that carry limits, such as
`number(500.0, 0.1, 1e8)`, are shown as the default alone.
"""

from __future__ import annotations

import io
import tokenize
from typing import Any

import griffe

#: Functions whose first argument is the default of a field.
_DEFAULT_FIRST = {"number", "integer", "choice"}


class FieldComments(griffe.Extension):
    """Documents attributes by the comments in the source."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Documents a constant of a module, and makes defaults readable."""
        _simplify_default(attr)
        text = _comment(attr)
        if text and attr.docstring is None and attr.parent and attr.parent.is_module:
            attr.docstring = griffe.Docstring(text, lineno=attr.lineno, parent=attr)

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Lists the fields of a dataclass, or the members of an enumeration."""
        is_enum = any(str(base).endswith("Enum") for base in cls.bases)
        if cls.docstring is None or not (is_enum or "dataclass" in cls.labels):
            return
        if "Attributes:" in cls.docstring.value:  # written by hand
            return
        entries = []
        for name, member in cls.members.items():
            if not isinstance(member, griffe.Attribute) or name.startswith("_"):
                continue
            if "property" in member.labels or member.docstring is not None:
                continue
            text = f"`{member.value}`" if is_enum else _comment(member)
            text += member.extra["field_comments"].get("range", "")
            entries.append(f"    {name}: {text.removeprefix('; ') or '—'}")
        if entries:
            section = "\n".join(["Attributes:", *entries])
            head, mark, tail = cls.docstring.value.partition("\nRaises:")
            cls.docstring.value = f"{head.rstrip()}\n\n{section}\n{mark}{tail}"


def _comment(attr: griffe.Attribute) -> str:
    """Returns the comment above and beside an attribute, as Markdown."""
    if attr.lineno is None:
        return ""
    lines = attr.lines_collection[attr.filepath]
    own = lines[attr.lineno - 1 : attr.endlineno or attr.lineno]
    text = " ".join(_above(lines, attr.lineno - 1) + _beside(own))
    return text.replace("[", "\\[").replace("_", "\\_").replace("*", "\\*")


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


def _simplify_default(attr: griffe.Attribute) -> None:
    """Replaces the call that makes a field by its default, and keeps its range."""
    value = attr.value
    if not isinstance(value, griffe.ExprCall):
        return
    function = str(value.function)
    if function == "_given":  # axes, unit, lowest, highest, default=…
        _, unit, lowest, highest, *rest = value.arguments
        unit = str(unit).strip("\"'")
        attr.extra["field_comments"]["range"] = (
            f"; {_number(lowest)} to {_number(highest)} {unit}".rstrip()
        )
        attr.value = rest[0].value if rest else None
    elif function in _DEFAULT_FIRST:
        attr.value = value.arguments[0]


def _number(value: Any) -> str:
    """Returns a number as one would write it, 1e+15 and not fifteen zeros."""
    try:
        return f"{float(str(value)):g}"
    except ValueError:  # an expression
        return str(value)
