"""The line of every key of a JSON text, which the standard reader does not keep."""

from __future__ import annotations

import json
import re

from mec_llm_env.scenario_file.toml_lines import Path

_TOKEN = re.compile(r'[{}\[\],:]|"(?:\\.|[^"\\])*"|[^\s{}\[\],:"]+')


def key_lines(text: str) -> dict[Path, int]:
    """Returns the lines, from 1, of keys and of entries of arrays.

    A path is what leads to the value, such as `("server", 1, "power_w")`. A dotted key
    of the outermost object is a path of two.

    Args:
        text: valid JSON.
    """
    lines: dict[Path, int] = {}
    inside: list[str | int | None] = []  # keys, None before one, and places in arrays
    line, counted = 1, 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if token in ("}", "]"):
            inside.pop()
        elif token == ",":
            last = inside[-1]
            inside[-1] = last + 1 if isinstance(last, int) else None
        elif token != ":":
            if inside and inside[-1] is None:
                inside[-1] = str(json.loads(token))
            lines.setdefault(_path(inside), line)
            if token in ("{", "["):
                inside.append(None if token == "{" else 0)
    return lines


def _path(inside: list[str | int | None]) -> Path:
    names = [name for name in inside if name is not None]
    if names and isinstance(names[0], str):
        topic, dot, name = names[0].partition(".")
        names[:1] = [topic, name] if dot else [topic]
    return tuple(names)
