"""Fields of configurations that say once what they are, and which values they take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from agents.run.plain import check_integer


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is said of a field once: to the command line, to checks, to readers.

    The parser of `train.py`, its `--help`, the checks of `config.json` and the table in
    `docs/training.md` all have it from here.
    """

    help: str
    left_out: str = ""  # what holds where nothing is given
    option: str = ""  # on the command line; "": after the field
    metavar: str | None = None
    least: float | None = None  # of numbers, as `most`
    most: float | None = None
    why: str = ""  # there is a limit

    def check(self, name: str, value: Any) -> None:
        """Raises a ValueError if a number is none, or out of range."""
        if self.least is None or self.most is None:
            return
        whole = isinstance(self.least, int)
        if whole and not self.why:
            check_integer(name, value, int(self.least), int(self.most))
            return
        is_one = isinstance(value, int if whole else int | float)
        is_one = is_one and not isinstance(value, bool)
        if not is_one or not self.least <= value <= self.most:
            raise ValueError(
                f"`{name}` must lie in {self.least} … {self.most}{self.why}; got "
                f"{value!r}."
            )


def setting(help: str, *, default: Any = dataclasses.MISSING, **about: Any) -> Any:
    """Returns a field of a dataclass with its `Setting`."""
    if isinstance(default, int | float):
        about["left_out"] = f"{default:g}"
    metadata = {"setting": Setting(help=help, **about)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def settings_of(kind: type) -> dict[str, Setting]:
    """Returns the settings of a configuration, by their fields."""
    return {f.name: f.metadata["setting"] for f in dataclasses.fields(kind)}


def check_all(config: Any, prefix: str = "") -> None:
    """Raises a ValueError if a field of a configuration is out of range."""
    for name, about in settings_of(type(config)).items():
        about.check(f"{prefix}{name}", getattr(config, name))
