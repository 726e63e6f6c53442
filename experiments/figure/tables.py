"""Means, paired differences and their intervals; as CSV, or as LaTeX.

Intervals are Student's t over scenarios, which are drawn independently. Differences are
paired: an agent and the reference decide the same scenarios, so that what they differ
by is known far better than either mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.results import to_csv

Array = Any

#: File endings by what `--table` says.
KINDS = {"csv": "csv", "latex": "tex"}

#: Characters that LaTeX takes for something else, and those that few of its fonts have.
_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    },
    **{"κ": r"$\kappa$", "−": "--", "±": r"$\pm$", "<": "$<$", ">": "$>$"},
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """A quantity of all agents over the values of an axis: V values, I instances."""

    axis: str  # with its unit
    values: Array  # [V]
    quantity: str  # with its unit
    samples: Mapping[str, Array]  # [V, I] by label; NaN where there is none
    reference: str | None = None  # label of whom differences are to; None: no one
    names: Sequence[str] | None = None  # of the values, where they are no numbers

    def shown_values(self) -> list[str]:
        """Returns the values as text."""
        if self.names is not None:
            return list(self.names)
        return [f"{value:.6g}" for value in self.values]

    def differences(self) -> dict[str, Array]:
        """Returns by how much others differ from the reference, %, [V, I] by label."""
        if self.reference is None:
            return {}
        base = self.samples[self.reference]
        return {
            label: 100 * (own / base - 1)
            for label, own in self.samples.items()
            if label != self.reference
        }

    def overlapping(self) -> list[str]:
        """Returns whose band meets that of the reference at any value."""
        if self.reference is None:
            return []
        mean, half = interval(self.samples[self.reference])
        found = []
        for label in self.differences():
            own_mean, own_half = interval(self.samples[label])
            if (np.abs(own_mean - mean) <= own_half + half).any():
                found.append(label)
        return found


def interval(samples: Array) -> tuple[Array, Array]:
    """Returns mean and half width of its 95 % confidence interval, over the last axis.

    Both are NaN where a sample is; the half width of a single sample is unknown, NaN.
    """
    from scipy.stats import t as student

    count = samples.shape[-1]
    if count == 1:
        return samples[..., 0], np.full(samples.shape[:-1], np.nan)
    deviation = samples.std(axis=-1, ddof=1) / np.sqrt(count)
    return samples.mean(axis=-1), student.ppf(0.975, count - 1) * deviation


def to_table(blocks: Sequence[Block], kind: str, about: str) -> str:
    """Returns the numbers of a figure.

    Args:
        blocks: of one figure.
        kind: "csv", a row for each quantity, value and agent, or "latex", a `tabular`
            with a row for each value, for which a document needs `booktabs`.
        about: what they are, a comment in LaTeX.
    """
    return _to_latex(blocks, about) if kind == "latex" else _to_csv(blocks)


def _to_csv(blocks: Sequence[Block]) -> str:
    rows: list[list[Any]] = [
        [
            *("axis", "value", "agent", "quantity", "mean", "95 % half width"),
            *("instances", "reference", "difference %"),
            "95 % half width of difference",
        ]
    ]
    for block in blocks:
        differences = block.differences()
        for label, own in block.samples.items():
            mean, half = interval(own)
            difference = differences.get(label)
            for i, value in enumerate(block.shown_values()):
                if np.isnan(mean[i]):
                    continue
                rows.append([block.axis, value, label, block.quantity])
                known = None if np.isnan(half[i]) else f"{half[i]:.3g}"
                rows[-1] += [f"{mean[i]:.6g}", known, own.shape[-1]]
                rows[-1].append(block.reference)
                if difference is None:
                    rows[-1] += [None, None]
                else:
                    rows[-1] += [f"{x:.4g}" for x in _shown(*interval(difference[i]))]
    return to_csv(rows)


def _to_latex(blocks: Sequence[Block], about: str) -> str:
    labels = list(blocks[0].samples)
    columns = len(labels)
    heading = " & ".join(_escaped(label) for label in labels)
    lines = [f"% {' '.join(about.split())}", "% \\usepackage{booktabs}"]
    lines += [f"\\begin{{tabular}}{{r{'r' * columns}}}", "\\toprule"]
    for i, block in enumerate(blocks):
        lines += ["\\midrule"] if i else []
        others = f"difference to {block.reference}, %"
        for text, samples in (
            (block.quantity, block.samples),
            (f"{block.quantity}: {others}", block.differences()),
        ):
            if not samples:
                continue
            lines += ["\\midrule"] if text != block.quantity else []
            lines.append(f" & \\multicolumn{{{columns}}}{{c}}{{{_escaped(text)}}} \\\\")
            lines.append(f"{_escaped(block.axis)} & {heading} \\\\")
            lines.append("\\midrule")
            for k, value in enumerate(block.shown_values()):
                cells = [
                    _cell(samples[label][k]) if label in samples else ""
                    for label in labels
                ]
                lines.append(" & ".join([_escaped(value), *cells]) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def _cell(samples: Array) -> str:
    """Returns mean and half width of the interval, to the digits that are known."""
    mean, half = interval(samples)
    if np.isnan(mean):
        return ""
    if np.isnan(half):
        return f"${mean:.4f}$"
    # Two digits of the half width, but at most four behind the point.
    digits = 4 if half == 0 else int(np.clip(1 - np.floor(np.log10(half)), 0, 4))
    mean, half = _shown(round(float(mean), digits), float(half))
    return f"${mean:.{digits}f} \\pm {half:.{digits}f}$"


def _shown(mean: float, half: float) -> tuple[float, float]:
    """Returns numbers without negative zeros."""
    return mean + 0.0, half + 0.0


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)
