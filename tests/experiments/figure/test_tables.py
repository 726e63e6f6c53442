"""Means, paired differences, and their tables."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

from experiments.figure.tables import Block, interval, to_table


def block(**samples: list[list[float]]) -> Block:
    values = np.arange(len(next(iter(samples.values()))))
    arrays = {label: np.array(own, dtype=float) for label, own in samples.items()}
    return Block(
        axis="a_b, %",
        values=values,
        quantity="SCR",
        samples=arrays,
        reference=next(iter(samples)),
    )


def test_the_interval_by_hand() -> None:
    # 1, 2, 3: deviation 1, over √3; t(0.975, 2) = 4.303.
    mean, half = interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2.0
    assert half == pytest.approx(4.3027 / 3**0.5, rel=1e-4)


def test_differences_are_paired() -> None:
    # Means that differ by less than their bands, and never by other than 1 %.
    one = block(
        x=[[100.0, 200.0, 300.0]], y=[[101.0, 202.0, 303.0]], z=[[1000, 1001, 1002]]
    )
    mean, half = interval(one.differences()["y"])
    assert mean == pytest.approx([1.0])
    assert half == pytest.approx([0.0], abs=1e-12)
    assert one.overlapping() == ["y"]


def test_no_band_overlaps_where_nothing_is_near() -> None:
    far = block(x=[[10.0, 10.1], [10.0, 10.1]], y=[[90.0, 90.1], [90.0, 90.1]])
    assert far.overlapping() == []
    near_once = block(x=[[10.0, 10.1], [10.0, 10.1]], y=[[90.0, 90.1], [10.0, 10.1]])
    assert near_once.overlapping() == ["y"]


def test_what_is_not_there_is_left_out() -> None:
    gap = block(x=[[1.0, 2.0], [1.0, 2.0]], y=[[np.nan, 2.0], [3.0, 4.0]])
    found = list(csv.DictReader(io.StringIO(to_table([gap], "csv", ""))))
    assert [(row["agent"], row["value"]) for row in found] == [
        *(("x", "0"), ("x", "1"), ("y", "1"))
    ]
    assert "nan" not in to_table([gap], "latex", "").lower()


def test_latex_by_hand() -> None:
    text = to_table([block(x=[[1.0, 3.0]], y=[[1.0, 3.0]])], "latex", "of\nwhat")
    lines = text.splitlines()
    assert lines[0] == "% of what"
    assert lines[2] == "\\begin{tabular}{rrr}"
    assert "a\\_b, \\% & x & y \\\\" in lines
    # Deviation √2, over √2: 1; t(0.975, 1) = 12.706.
    assert "0 & $2 \\pm 13$ & $2 \\pm 13$ \\\\" in lines
    # No difference, and no negative zero.
    assert "0 &  & $0.0000 \\pm 0.0000$ \\\\" in lines


@pytest.mark.parametrize("seed", range(200))
def test_tables_are_well_formed_and_hold_the_means(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agents, values, instances = rng.integers((1, 1, 2), (6, 6, 5))
    scale = 10.0 ** rng.uniform(-6, 6, (values, 1))
    samples = {
        f"a_{k} & b": scale * rng.lognormal(0, 0.3, (values, instances))
        for k in range(agents)
    }
    for own in samples.values():
        own[rng.random(values) < 0.2] = np.nan
    one = block(**{k: v.tolist() for k, v in samples.items()})
    found = list(csv.DictReader(io.StringIO(to_table([one], "csv", ""))))
    for row in found:
        own = samples[row["agent"]][int(row["value"])]
        assert float(row["mean"]) == pytest.approx(own.mean(), rel=1e-5)
        assert int(row["instances"]) == instances
    present = sum((~np.isnan(own[:, 0])).sum() for own in samples.values())
    assert len(found) == present
    latex = to_table([one, one], "latex", "")
    body = [line for line in latex.splitlines() if line.endswith("\\\\")]
    for line in body:
        cells = len(re.findall(r"(?<!\\)&", line)) + 1
        (spanned,) = re.findall(r"multicolumn\{(\d+)\}", line) or ["1"]
        assert cells + int(spanned) - 1 == agents + 1
    assert "nan" not in latex
    assert not re.search(r"-0(\.0*)?(?![\d.])", latex)
    assert latex.count("{") == latex.count("}")
