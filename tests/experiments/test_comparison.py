"""The parts of the comparison: settings, runs on the disk, pairs, tables, page."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from agents.evaluation.comparison import Measurement
from agents.evaluation.results import AgentResult
from agents.evaluation.statistics import Estimate
from agents.run.folder import create_run
from experiments.comparison.curves import Curve
from experiments.comparison.document import FRAGMENTS, check_page, update_page
from experiments.comparison.pairs import all_pairs, shown_pairs
from experiments.comparison.plan import Entry, check_labels, make_entries
from experiments.comparison.runs import make_runs
from experiments.comparison.tables import (
    markdown_table,
    milestone_table,
    reading,
    summary_rows,
)
from experiments.comparison.training import Pace
from tests.agents.run.test_folder import CONFIG as RUN_CONFIG

CONFIG = dataclasses.replace(RUN_CONFIG, seed=0, eval_freq=50, checkpoint_freq=50)
PPO = Entry(label="ppo", arguments=("--agent", "ppo"), config=CONFIG)
SET = Entry(
    label="ppo set", arguments=(), config=dataclasses.replace(CONFIG, policy="set")
)


def evaluated(folder: Path, timesteps: list[int], seconds: list[float]) -> None:
    np.savez(folder / "evaluations.npz", timesteps=timesteps, training_s=seconds)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["ppo sets"], "no entry 'ppo sets'. Did you mean 'ppo set'"),
        (["ppo", "ppo"], "names 'ppo' twice"),
    ],
)
def test_labels_that_are_not_in_the_plan(labels, text):
    with pytest.raises(ValueError, match=text):
        check_labels(labels)


def test_what_train_refuses_is_refused_with_its_remedy():
    with pytest.raises(ValueError, match=r"--preset papr is not possible: .*no preset"):
        make_entries(["ppo"], ["--preset", "papr"], 1)


def test_runs_are_found_by_their_settings(tmp_path):
    runs = make_runs(tmp_path, [PPO, SET], 2)
    assert [run.name for run in runs] == [
        *("ppo, seed 0", "ppo set, seed 0", "ppo, seed 1", "ppo set, seed 1")
    ]
    one = runs[2]
    assert one.folder is None
    begun = create_run(tmp_path / "runs" / "ppo", one.config)
    assert one.folder == begun  # `--resume` goes on with it, checkpoint or not
    assert not one.finished
    finished = create_run(tmp_path / "runs" / "ppo", one.config)
    (finished / "model.zip").touch()
    assert one.folder == finished
    assert one.finished
    assert runs[0].folder is None  # the other seed


def test_runs_of_other_settings_are_refused(tmp_path):
    longer = dataclasses.replace(CONFIG, timesteps=200, seed=1)
    create_run(tmp_path / "runs" / "ppo", longer)
    make_runs(tmp_path, [PPO], 1)  # the first seed alone
    text = (
        "MecLlm-v0_1' was trained with other settings than 'ppo' has now: `timesteps` "
        "is 200, not 100"
    )
    with pytest.raises(ValueError, match=text):
        make_runs(tmp_path, [PPO], 2)


def test_the_time_left_by_hand(tmp_path):
    runs = make_runs(tmp_path, [PPO, SET], 2)
    first, other, second, _ = runs
    assert Pace(runs).seconds_left(first) == 0  # nobody knows
    done = create_run(tmp_path / "runs" / "ppo", first.config)
    (done / "model.zip").touch()
    evaluated(done, [0, 50, 100], [0.0, 5.0, 20.0])
    half = create_run(tmp_path / "runs" / "ppo", second.config)
    (half / "checkpoints" / "step_000000000050").mkdir(parents=True)
    evaluated(half, [0, 50], [0.0, 20.0])
    pace = Pace(runs)
    assert pace.done == 1.5
    assert pace.is_done(first)
    assert not pace.is_done(second)
    # Whole runs take 20 s and 2 · 20 s, the mean is 30 s, and half of one is left.
    assert pace.seconds_left(second) == 15
    assert pace.seconds_left(other) == 30


def result(label: str, *runs: list[float]) -> AgentResult:
    measurements = tuple(
        Measurement(
            **{
                name: np.full(4, 2.0)
                for name in ("score", "delay_s", "energy_j", "cost", "violation")
            },
            scr=np.array(scr),
            single_time_s=np.array([1e-3, 2e-3, 3e-3]),
            batch_time_s=1e-4,
            batch_size=3,
        )
        for scr in runs
    )
    names = ("",) if label in ("dual", "gucro") else ("run",) * len(runs)
    return AgentResult(
        label=label,
        runs=names,
        measurements=measurements,
        bound=np.full(4, 10.0),
        seed=0,
    )


RESULTS = [
    result("dual", [9.9, 9.9, 9.9, 9.9]),
    result("ppo set", [9, 9, 9, 9.5], [9, 9, 9, 9.5]),
    result("ppo", [8, 8, 9, 9.5], [8, 8, 9, 9.5]),
    result("gucro", [7, 7, 7, 7]),
]


def curve(label: str, *values: float) -> Curve:
    return Curve(
        label=label,
        decisions=np.array([0, 50, 100]),
        seconds=np.array([[0.0, 5, 10], [0.0, 7, 14]]),
        optimality=np.full((2, 3), 0.9),
        iqm=tuple(Estimate(value=v, low=v, high=v) for v in values),
    )


CURVES = [curve("ppo set", 0.1, 0.96, 0.9), curve("ppo", 0.1, 0.89, 0.92)]


def test_pairs_by_hand():
    pairs = {(p.better, p.worse): p.probability for p in all_pairs(RESULTS)}
    assert len(pairs) == 12
    # Better on two of four scenarios, equal on the others: (1 + 1 + ½ + ½) / 4.
    assert pairs["ppo set", "ppo"].value == 0.75
    assert pairs["ppo", "ppo set"].value == 0.25
    assert pairs["dual", "gucro"].value == 1


def test_neighbours_and_variants_are_shown():
    swapped = [RESULTS[i] for i in (0, 2, 3, 1)]
    shown = shown_pairs(swapped, all_pairs(swapped))
    assert [(p.better, p.worse) for p in shown] == [
        *(("dual", "ppo"), ("ppo", "gucro"), ("gucro", "ppo set")),
        ("ppo set", "ppo"),
    ]


def test_the_table_by_hand():
    rows = summary_rows(RESULTS, CURVES)
    by_agent = {row["agent"]: row for row in rows}
    assert by_agent["ppo"]["runs"] == 2
    assert by_agent["ppo"]["decisions"] == 100
    assert by_agent["ppo"]["training_s_mean"] == 12  # (10 + 14) / 2
    assert by_agent["ppo"]["optimality_worst"] == 0.8
    # Of 8, 8, 8, 8, 9, 9, 9.5, 9.5 the middle half is 8, 8, 9, 9.
    assert by_agent["ppo"]["optimality_iqm"] == pytest.approx(0.85)
    lines = markdown_table(rows).splitlines()
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| `dual` | – | – | – | 9.90 | 0.9900 [0.9900, 0.9900]")
    assert lines[4].startswith("| `ppo` | 2 | 100 | 12 | 8.62 | 0.8500 [")
    assert lines[4].endswith("| 0.8000 | 2.00 | 0.100 |")
    assert rows[2]["decision_time_s_median"] == 2e-3


def test_milestones_by_hand():
    assert milestone_table(CURVES).splitlines() == [
        "| agent | 0.9 | 0.95 |",
        "| --- | --- | --- |",
        "| `ppo set` | 6 s (50) | 6 s (50) |",  # median of 5 s and 7 s
        "| `ppo` | 12 s (100) | – |",
    ]
    assert "No entry reached" in milestone_table([curve("ppo", 0.1, 0.2, 0.3)])


def test_sentences_by_hand():
    text = reading(RESULTS, all_pairs(RESULTS))
    assert "best learned agent is `ppo set`, with an IQM of 0.9000" in text
    assert "the best solver, `dual`" in text
    assert "0.9000 against 0.9900" in text
    assert "`ppo set` over `ppo` 0.75 [0.75, 0.75]" in text
    assert "not told apart" not in text  # 0.75, whatever runs are drawn
    equal = [RESULTS[0], result("ppo", [8] * 4), result("a2c", [8] * 4), RESULTS[3]]
    text = reading(equal, all_pairs(equal))
    assert "not told apart" in text
    assert "`ppo` and `a2c` (0.50 [0.50, 0.50])" in text
    assert "worse one in most scenarios" not in text
    # Ahead by 8.5 to 8.05, behind in three scenarios of four.
    ppo, a2c = [5, 8, 9.5, 9], [5.1, 8.1, 8, 9.1]
    rare = [result("ppo", ppo, ppo), result("a2c", a2c, a2c), RESULTS[0], RESULTS[3]]
    text = reading(rare, all_pairs(rare))
    assert "worse one in most scenarios: `ppo` and `a2c` (0.25 [0.25, 0.25])" in text


def test_the_page_keeps_what_is_written_by_hand(tmp_path):
    with pytest.raises(ValueError, match=r"results.md' does not exist"):
        check_page(tmp_path)
    page = tmp_path / "results.md"
    page.write_text("".join(f"<!-- begin {n} -->x<!-- end {n} -->" for n in FRAGMENTS))
    check_page(tmp_path)
    page.write_text(f"by hand\n{page.read_text()}\nand more\n")
    for _ in range(2):  # again gives the same
        update_page(tmp_path, {n: rf"\1 {n}" for n in FRAGMENTS}, {"a.png": b"png"})
    text = page.read_text()
    assert text.startswith("by hand\n")
    assert text.endswith("and more\n")
    assert text.count("<!-- begin table -->\n\\1 table\n<!-- end table -->") == 1
    assert (tmp_path / "figures/comparison/a.png").read_bytes() == b"png"
    page.write_text(text.replace("begin table", "begin"))
    with pytest.raises(ValueError, match="must have one place for the fragment 'table"):
        check_page(tmp_path)


def test_the_documentation_has_a_place_for_everything():
    check_page(Path(__file__).parents[2] / "docs")
