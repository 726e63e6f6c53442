"""Damages files of every kind that the project reads, and reads them again.

    python -m tests.faults.damage [KIND ...] --count 1000

A damaged file must be refused with one line, or read as it was. What has no check sum,
because people write it, may be read as something else; that is counted. A damaged cache
must cost time alone. What is wrong is printed, a line each, and a line of counts.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

from agents.console.command_line import one_line
from tests.faults.damaged_caches import CACHES
from tests.faults.damaged_data import DATA
from tests.faults.damaged_runs import RUNS
from tests.faults.kinds import Kind

KINDS = {kind.name: kind for kind in (*DATA, *CACHES, *RUNS)}

_LONGEST = 2_000  # characters of a line that a user reads


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Returns other bytes: what disks, copies, editors and power failures make."""
    whole = content
    while content == whole:
        first, last = np.sort(rng.integers(len(content) + 1, size=2))
        near = int(min(last, first + rng.integers(1, 17)))
        noise = rng.integers(256, size=near - first, dtype=np.uint8).tobytes()
        bit = int(rng.integers(len(content)))
        flipped = bytes([content[bit] ^ 1 << int(rng.integers(8))])
        one_bit = content[:bit] + flipped + content[bit + 1 :]
        content = [
            one_bit,
            one_bit,
            content[:first] + noise + content[near:],  # overwritten
            content[:first],  # cut, and then padded, as after a power failure
            content[:first] + bytes(len(content) - first),
            content[:first] + bytes(last - first) + content[last:],
            content[:first] + content[near:],  # lost
            content[:last] + content[first:],  # there twice
            content[:first] + noise + content[first:],
            content + noise,
            b"",
        ][rng.integers(11)]
    return content


class Damage:
    """Counts what became of damaged files of a kind."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    def run(self, count: int, seed: int = 0) -> None:
        """Damages a file so often, each time anew."""
        rng = np.random.default_rng(seed)
        with contextlib.ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("error")
            file, read = self.kind.make(self.folder, stack)
            whole, expected = file.read_bytes(), read()
            assert read() == expected
            for i in range(count):
                file.write_bytes(damaged(rng, whole))
                kept = file.read_bytes()
                try:
                    found = read()
                    outcome = "harmless" if found == expected else "unnoticed"
                except (ValueError, OSError) as error:
                    outcome = "refused"
                    if problem := self._complaint(str(error), file):
                        self._note(i, kept, problem)
                except Exception:
                    outcome = "raised"
                    self._note(i, kept, traceback.format_exc(limit=-3))
                self.counts[outcome] += 1
                if outcome == "unnoticed" and not self.kind.unsigned:
                    self._note(i, kept, "unnoticed")
                if outcome == "refused" and self.kind.is_cache:
                    self._note(i, kept, "refused, though it can be made again")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(whole)

    def _complaint(self, text: str, file: Path) -> str | None:
        line = one_line("a script", text)
        if "\n" in line or len(line) > _LONGEST:
            return f"no single line: {line[:300]!r}"
        if self.kind.named.format(name=file.name) not in line:
            return f"it does not name the file: {line}"
        return None

    def _note(self, i: int, content: bytes, text: str) -> None:
        start = content[:60]
        self.wrong.append(
            f"{self.kind.name} {i} ({len(content)} bytes, {start!r}): {text}"
        )


def main() -> int:
    """Damages; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = 0
    for name in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            damage = Damage(KINDS[name], Path(folder))
            damage.run(options.count, options.seed)
        counts = ", ".join(f"{n} {what}" for what, n in damage.counts.most_common())
        print("\n".join([*damage.wrong[:10], f"{name}: {counts}"]), flush=True)
        print(
            f"  {len(damage.wrong)} wrong" if damage.wrong else "  0 wrong", flush=True
        )
        failed += bool(damage.wrong)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
