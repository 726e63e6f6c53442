"""Cases read from files: what they hold, how they are named, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.evaluation.cases.reading import MOST_CASES, Case, as_name, read_cases
from agents.problems.instances import held_out_instances
from mec_llm_env import ObjectiveConfig, Scenario, ScenarioConfig, sample_scenario

TINY = {"users": 3, "servers": 2, "radio.bandwidth_mhz": 20}


def scenario(seed: int = 0, batch: tuple[int, ...] = (), users: int = 3) -> Scenario:
    config = ScenarioConfig(users=users, servers=2)
    return sample_scenario(config, np.random.default_rng(seed), batch)


def equal(one: Scenario, other: Scenario) -> bool:
    fields, others = one.to_dict(), other.to_dict()
    return set(fields) == set(others) and all(
        np.array_equal(fields[name], others[name]) for name in fields
    )


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


def test_a_scenario_comes_back_bit_for_bit(tmp_path: Path) -> None:
    given = scenario()
    (tmp_path / "one.json").write_text(given.to_json())
    given.save(tmp_path / "two.npz")
    cases = read_cases([tmp_path / "two.npz", tmp_path / "one.json"])
    assert names(cases) == ["two", "one"]
    assert all(equal(case.scenario, given) for case in cases)
    assert all(case.objective == ObjectiveConfig() for case in cases)
    assert cases[0].source.endswith("two.npz")


def test_a_batch_is_a_case_each(tmp_path: Path) -> None:
    given = scenario(batch=(2, 2))
    given.save(tmp_path / "grid.npz")
    cases = read_cases([tmp_path / "grid.npz"])
    assert names(cases) == ["grid-0", "grid-1", "grid-2", "grid-3"]
    assert equal(cases[2].scenario, given[1, 0])


def test_a_configuration_draws_the_test_scenarios(tmp_path: Path) -> None:
    file = tmp_path / "drawn.json"
    file.write_text(json.dumps(TINY | {"objective.delay_weight": 0.9}))
    config = ScenarioConfig.from_dict(json.loads(file.read_text()))
    (one,) = read_cases([file])
    assert one.objective.delay_weight == 0.9
    drawn = held_out_instances(config, 3)
    cases = read_cases([file], {"objective.delay_weight": 0.7}, 3)
    assert names(cases) == ["drawn-0", "drawn-1", "drawn-2"]
    for i, case in enumerate(cases):
        assert equal(case.scenario, drawn[i])
        assert case.objective.delay_weight == 0.7
    assert equal(one.scenario, drawn[0])


def test_an_override_changes_a_configuration_and_any_objective(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(TINY))
    scenario().save(tmp_path / "b.npz")
    (wide,) = read_cases([tmp_path / "a.json"], {"radio.bandwidth_mhz": 40})
    assert wide.scenario.bandwidth_max_hz.tolist() == [4e7, 4e7]
    both = read_cases([tmp_path], {"objective.energy_weight": 0.0})
    assert [case.objective.energy_weight for case in both] == [0.0, 0.0]
    with pytest.raises(
        ValueError, match=r"'radio\.bandwidth_mhz' is of configurations"
    ):
        read_cases([tmp_path], {"radio.bandwidth_mhz": 40})


def test_a_list_holds_scenarios_and_configurations(tmp_path: Path) -> None:
    given = scenario(batch=(2,))
    entries = [TINY, json.loads(given.to_json())]
    (tmp_path / "my list.json").write_text(json.dumps(entries))
    cases = read_cases([tmp_path / "my list.json"])
    assert names(cases) == ["my_list-0", "my_list-1", "my_list-2"]
    assert equal(cases[2].scenario, given[1])


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for i, name in enumerate(("b.npz", "a.npz", "a.json", ".hidden.npz")):
        if name.endswith("json"):
            (tmp_path / name).write_text(scenario(i, users=2).to_json())
        else:
            scenario(i).save(tmp_path / name)
    (tmp_path / "gains.csv").write_text("1")
    cases = read_cases([tmp_path])
    assert names(cases) == ["a.json", "a.npz", "b.npz"]  # stems would be alike
    assert [case.scenario.n_users for case in cases] == [2, 3, 3]
    assert cases[0].size == "2 × 2"


def test_names_are_unique_and_fit_for_files(tmp_path: Path) -> None:
    scenario(batch=(2,)).save(tmp_path / "a.npz")
    scenario().save(tmp_path / "a-0.npz")
    cases = read_cases([tmp_path])
    assert sorted(names(cases)) == ["a-0", "a-0_2", "a-1"]
    assert as_name("../é $x/..") == "é_x"
    assert as_name("..") == "case"
    assert len(as_name("x" * 500)) == 80


def test_a_toml_file_is_read_by_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def from_file(path: Path) -> ScenarioConfig:
        asked.append(path)
        return ScenarioConfig.from_dict(TINY)

    monkeypatch.setattr(ScenarioConfig, "from_file", from_file, raising=False)
    (tmp_path / "my.toml").write_text("users = 3\n")
    (case,) = read_cases([tmp_path / "my.toml"])
    assert case.name == "my"
    assert case.scenario.n_users == 3
    assert asked == [tmp_path / "my.toml"]


def test_equal_draws_are_one_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(config: ScenarioConfig, count: int) -> Scenario:
        return scenario().repeat(count)

    monkeypatch.setattr("agents.evaluation.cases.reading.held_out_instances", same)
    (tmp_path / "fixed.json").write_text(json.dumps(TINY))
    assert names(read_cases([tmp_path / "fixed.json"], draws=5)) == ["fixed"]


def valid() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(scenario().to_json())
    return content


#: What stands in a file that is wrong, and what the one error must say.
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "no json": ("a.json", b"{", "'a.json' is not JSON"),
    "empty": ("a.json", b"", "is not JSON"),
    "empty list": ("a.json", b"[]", "There is no scenario"),
    "a number": ("a.json", b"3", "must be a JSON object"),
    "a list of numbers": ("a.json", b"[1, 2]", "entry 0 must be a JSON object"),
    "another encoding": ("a.json", "{ü}".encode("latin-1"), "is not UTF-8 text"),
    "utf-16": ("a.json", json.dumps(TINY).encode("utf-16"), "is not UTF-8 text"),
    "a key twice": ("a.json", b'{"users": 2, "users": 3}', "'users' stands 2 times"),
    "deep": ("a.json", b"[" * 100_000, "is not JSON"),
    "unknown parameter": ("a.json", b'{"usrs": 2}', "`usrs`: there is no such key"),
    "no tables": ("a.json", b'{"user": 2}', "must be a table for each user, [[user]]"),
    "no zip": ("a.npz", b"PK", "is not a scenario file"),
    "empty archive": ("a.npz", b"", "is not a scenario file"),
    "another suffix": ("a.yaml", b"users: 2", "takes .toml, .json, .npz files"),
    "text for a number": (
        *("a.json", json.dumps(valid() | {"data_bit": "much"}).encode()),
        "`data_bit` must be an array of real numbers",
    ),
    "a decibel": (
        *("a.json", json.dumps(valid() | {"channel_gain": [[-90, -80]] * 3}).encode()),
        "This may be a gain in dB",
    ),
    "rows of other lengths": (
        *("a.json", json.dumps(valid() | {"channel_gain": [[1e-9], [1, 2]]}).encode()),
        "`channel_gain` must be an array of real numbers",
    ),
    "a missing field": (
        *("a.json", json.dumps({"channel_gain": [[1e-9]]}).encode()),
        "lacks `workload_flop`",
    ),
    "not a number": (
        *("a.json", json.dumps(valid() | {"data_bit": float("nan")}).encode()),
        "`data_bit` must",
    ),
    "an empty batch": (
        *("a.json", json.dumps(valid() | {"channel_gain": []}).encode()),
        "`channel_gain` must have shape",
    ),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_file_is_named(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, content, text = BROKEN[mistake]
    monkeypatch.chdir(tmp_path)
    Path(file).write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.(json|npz|yaml)") as refused:
        read_cases([file])
    assert text in str(refused.value)


def test_what_is_no_file_of_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no case in the folder '\.'"):
        read_cases(["."])
    with pytest.raises(OSError, match=r"No such file.*'none\.npz'"):
        read_cases(["none.npz"])
    os.mkfifo("pipe.json")
    with pytest.raises(ValueError, match=r"'pipe\.json' is not a regular file"):
        read_cases(["pipe.json"])
    scenario().save("a.npz")
    with pytest.raises(ValueError, match=r"names 'a\.npz' twice"):
        read_cases(["a.npz", "a.npz"])
    with pytest.raises(ValueError, match="says how often a configuration is drawn"):
        read_cases(["a.npz"], draws=3)
    scenario(batch=(MOST_CASES + 1,)).save("many.npz")
    with pytest.raises(ValueError, match="at most 1,000 cases"):
        read_cases(["many.npz"])


def test_random_damage_is_a_value_error(tmp_path: Path) -> None:
    """Bytes changed, cut or doubled: a scenario that is valid, or one clear error."""
    rng = np.random.default_rng(0)
    scenario().save(tmp_path / "a.npz")
    originals = {
        "a.npz": (tmp_path / "a.npz").read_bytes(),
        "a.json": scenario().to_json().encode(),
        "b.json": json.dumps(ScenarioConfig(users=3).to_dict()).encode(),
    }
    refused: list[tuple[str, str]] = []
    for number in range(300):
        file, original = list(originals.items())[number % 3]
        data = bytearray(original)
        at = int(rng.integers(len(data)))
        match rng.integers(4):
            case 0:
                data[at] = int(rng.integers(256))
            case 1:
                del data[at : at + int(rng.integers(1, 50))]
            case 2:
                data[at:at] = data[at : at + int(rng.integers(1, 50))]
            case _:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        path = tmp_path / file
        path.write_bytes(bytes(data))
        try:
            cases = read_cases([path])
            assert cases[0].scenario.n_users >= 1
        except ValueError as error:
            refused.append((file, str(error)))
    assert len(refused) > 150
    assert all(file in text for file, text in refused)
