from __future__ import annotations

import json
from typing import Any

import numpy as np

from mec_llm_env.scenario_file.json_lines import key_lines
from mec_llm_env.scenario_file.toml_lines import Path


def random_value(rng: np.random.Generator, depth: int, names: list[str]) -> Any:
    """Returns nested objects and arrays; no two keys are alike."""
    kind = rng.integers(5) if depth < 4 else 3
    if kind >= 3:
        return [1.5, 'a \\" b: {[,\n', None, True, {}, []][rng.integers(6)]
    if kind == 2:
        return [random_value(rng, depth + 1, names) for _ in range(rng.integers(4))]
    return random_object(rng, depth + 1, names)


def random_object(
    rng: np.random.Generator, depth: int, names: list[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(rng.integers(1, 5)):
        names.append(name := f"k{len(names)}")
        found[name] = random_value(rng, depth, names)
    return found


def paths(value: Any, path: Path = ()) -> list[Path]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path] * bool(path) + [p for k, v in inner for p in paths(v, (*path, k))]


def test_every_key_and_entry_has_its_line() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        document = random_object(rng, 0, [])
        text = json.dumps(document, indent=int(rng.integers(3)) or None)
        found = key_lines(text)
        assert set(paths(document)) == found.keys() - {()}
        for path, line in found.items():
            if path and isinstance(path[-1], str):  # as no other key
                assert f'"{path[-1]}":' in text.split("\n")[line - 1]


def test_lines_of_dotted_keys_and_of_tables() -> None:
    text = '{"radio.bandwidth_mhz":\n[1,\n2], "server": [{"a.b": 1},\n{"b": 2}]}'
    assert key_lines(text) == {
        (): 1,
        ("radio", "bandwidth_mhz"): 1,
        ("radio", "bandwidth_mhz", 0): 2,
        ("radio", "bandwidth_mhz", 1): 3,
        ("server",): 3,
        ("server", 0): 3,
        ("server", 0, "a.b"): 3,
        ("server", 1): 4,
        ("server", 1, "b"): 4,
    }
