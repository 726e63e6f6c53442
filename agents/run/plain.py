"""Settings are plain data, which is parsed and never executed.

A value is a number, a string, true, false, none, or a list or dictionary of values.
rl-zoo3's "dict(net_arch=[64], activation_fn=nn.ReLU)" is understood, but no other
Python expression.
"""

from __future__ import annotations

import ast
from typing import Any

_LONGEST, _DEEPEST, _MOST = 10_000, 20, 10_000  # characters, levels, values
_LARGEST = 2**63 - 1

#: What may follow `nn.`: activation functions, which have no side effects.
ACTIVATIONS = frozenset(
    {
        *("CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish"),
        *("Hardtanh", "Identity", "LeakyReLU", "LogSigmoid", "Mish", "ReLU", "ReLU6"),
        *("SELU", "Sigmoid", "SiLU", "Softplus", "Softshrink", "Softsign", "Tanh"),
        "Tanhshrink",
    }
)


def read_dict(name: str, text: str) -> dict[str, Any]:
    """Parses "dict(…)" of literals, nested `dict(…)` and `nn.<activation>`.

    Raises:
        ValueError: it contains anything else.
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters")
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        shown = text if len(text) < 200 else f"{text[:200]}…"
        raise ValueError(f"`{name}` cannot be read: {shown!r}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` must be a dict(…); got {text!r}.")
    check_plain(name, value)
    return value


def check_plain(name: str, value: Any, most: int = _MOST) -> None:
    """Checks that a value is plain data of limited size.

    Args:
        name: of it, for the error.
        value: what it is.
        most: values in it, at most.

    Raises:
        ValueError: it is not.
    """
    left = most

    def check(where: str, part: Any, depth: int) -> None:
        nonlocal left
        left -= 1
        if depth > _DEEPEST or left < 0:
            raise ValueError(f"`{name}` has too many values, or too many levels.")
        if isinstance(part, dict):
            for key, inner in part.items():
                if not isinstance(key, str):
                    raise ValueError(f"`{where}` must have texts as keys; got {key!r}.")
                check(f"{where}.{key}", inner, depth + 1)
        elif isinstance(part, list | tuple):
            for i, inner in enumerate(part):
                check(f"{where}[{i}]", inner, depth + 1)
        elif isinstance(part, int | float):
            if not -_LARGEST <= part <= _LARGEST:  # nor NaN
                raise ValueError(f"`{where}` must be finite and below 2^63.")
        elif not (part is None or isinstance(part, str) or _is_activation(part)):
            raise ValueError(
                f"`{where}` must be a number, a text, a list or a dictionary; got a "
                f"{type(part).__name__}."
            )

    check(name, value, 0)


def check_integer(
    name: str, value: Any, least: int | None = None, most: int | None = None
) -> None:
    """Checks that a setting is an integer, and in its range.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{name}` must be an integer; got {value!r}.")
    if least is not None and value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}; got {value!r}."
        )
    if most is not None and value > most:
        raise ValueError(f"`{name}` must be at most {most}; got {value!r}.")


def _value(node: ast.expr) -> Any:
    """Evaluates an expression of plain data."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(
            op=ast.USub(), operand=ast.Constant(value=int() | float() as value)
        ):
            return -value
        case ast.List(elts=parts):
            return [_value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part) for part in parts)
        case ast.Dict(keys=keys, values=values):
            names = [_key(key) for key in keys]
            return _unique(names, [_value(part) for part in values])
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words):
            names = [_key(word.arg) for word in words]
            return _unique(names, [_value(word.value) for word in words])
        case ast.Attribute(value=ast.Name(id="nn"), attr=attr) if attr in ACTIVATIONS:
            from torch import nn

            return getattr(nn, attr)
    raise ValueError(
        f"{ast.unparse(node)!r} is not allowed; only numbers, texts, lists, dict(…) "
        f"and nn.<activation>, such as nn.ReLU, are"
    )


def _key(key: ast.expr | str | None) -> str:
    name = key.value if isinstance(key, ast.Constant) else key
    if not isinstance(name, str):
        raise ValueError("the keys of a dictionary must be texts")
    return name


def _unique(names: list[str], values: list[Any]) -> dict[str, Any]:
    if len(set(names)) < len(names):
        raise ValueError("a key stands twice")
    return dict(zip(names, values, strict=True))


def _is_activation(value: Any) -> bool:
    if not isinstance(value, type):
        return False
    from torch import nn

    return any(value is getattr(nn, name) for name in ACTIVATIONS)
