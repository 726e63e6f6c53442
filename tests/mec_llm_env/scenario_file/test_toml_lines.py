from __future__ import annotations

import tomllib
from typing import Any

import numpy as np

from mec_llm_env.command.example import example_config
from mec_llm_env.scenario_file.toml_lines import key_lines


def test_lines_of_keys_tables_and_entries() -> None:
    text = (
        '''# a = 1
a = "x # no" # y
b.c = [1,
  2] # z
d = """
e = 1
"""
"f g" = 'it'''
        + """'s'
""".replace("'s'", "'")
        + """
h = [
  [1, 2], # first
  [3, 4],
  { i = 3 },
]
[j.k]
l = { m = [1, 2] }
[[n]]
o = 1
[[n]]
[n.p]
q = 2
[[n]] # ]]
'r.s' = 2024-01-01T00:00:00
"""
    )
    tomllib.loads(text)
    lines = key_lines(text)
    wanted = {
        **{("a",): 2, ("b",): 3, ("b", "c"): 3, ("d",): 5, ("f g",): 8, ("h",): 10},
        **{("h", 0): 11, ("h", 1): 12, ("h", 2): 13},
        **{("j",): 15, ("j", "k"): 15, ("j", "k", "l"): 16},
        **{("n",): 17, ("n", 0): 17, ("n", 0, "o"): 18, ("n", 1): 19},
        **{
            ("n", 1, "p"): 20,
            ("n", 1, "p", "q"): 21,
            ("n", 2): 22,
            ("n", 2, "r.s"): 23,
        },
    }
    assert {path: line for path, line in lines.items() if path in wanted} == wanted
    assert ("e",) not in lines


def paths(value: Any, before: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Returns the paths of the keys of tables, and of tables in arrays."""
    found: set[tuple[str | int, ...]] = {before} if before else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*before, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, inner in enumerate(value):
            found |= paths(inner, (*before, i))
    return found


def test_every_key_of_random_files_is_found_where_it_stands() -> None:
    rng = np.random.default_rng(0)
    values = (
        *("1", '"a # ] = \\" b"', "'x [ # '", "[1, [2, 3], # ]\n [4]]", "true"),
        *('"""\n[no]\na = 1 \\"""" ""', "'''\n# '\n'''", "[\n]", "1.5e3 # [x]"),
    )
    values = tuple(v.removesuffix(' ""') for v in values)
    for _ in range(300):
        lines: list[str] = []
        wanted: dict[tuple[str | int, ...], int] = {}
        tables = 0
        prefix: tuple[str | int, ...] = ()
        for i in range(int(rng.integers(1, 15))):
            at = sum(line.count("\n") + 1 for line in lines) + 1
            kind = rng.integers(6)
            if kind == 0:
                lines.append(" # comment [x] = '''")
            elif kind == 1:
                lines.append(f"[[t]] # {i}")
                prefix, tables = ("t", tables), tables + 1
                wanted[prefix] = at
            elif kind == 2:
                lines.append(f" [u{i}.'v w'] ")
                prefix = (f"u{i}", "v w")
                wanted[prefix] = at
            else:
                lines.append(f"k{i} = {values[rng.integers(len(values))]}")
                wanted[*prefix, f"k{i}"] = at
        text = "\n".join(lines)
        assert wanted.keys() <= paths(tomllib.loads(text))
        found = key_lines(text)
        assert {path: found[path] for path in wanted} == wanted, text


def test_all_keys_of_the_example_have_lines() -> None:
    text = example_config("my.toml")
    rows = text.splitlines()
    for path, line in key_lines(text).items():
        if isinstance(path[-1], str):
            assert path[-1] in rows[line - 1]
