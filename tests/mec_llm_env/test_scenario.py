from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mec_llm_env import Allocation, Scenario, ScenarioConfig, sample_scenario
from tests.mec_llm_env.cases import damaged


def test_lists_become_float64_and_max_users_unlimited(
    toy_fields: dict[str, Any],
) -> None:
    scenario = Scenario(**toy_fields)
    assert (scenario.n_users, scenario.n_servers, scenario.batch_shape) == (2, 1, ())
    assert scenario.data_bit.dtype == np.float64
    assert scenario.noise_density_w_per_hz.shape == ()
    np.testing.assert_array_equal(scenario.max_users, [2.0])
    assert scenario.user_position_m is None


def test_fields_without_batch_axes_serve_the_batch(toy_fields: dict[str, Any]) -> None:
    toy_fields["channel_gain"] = np.ones((3, 2, 1))
    scenario = Scenario(**toy_fields)
    assert scenario.batch_shape == (3,)
    assert scenario.workload_flop.shape == (3, 2)
    assert scenario.noise_density_w_per_hz.shape == (3,)
    assert scenario[1].batch_shape == ()
    assert scenario[1:].batch_shape == (2,)


def test_inputs_are_not_shared(toy_fields: dict[str, Any]) -> None:
    gain = np.array([[0.5], [0.25]])
    scenario = Scenario(**(toy_fields | {"channel_gain": gain}))
    gain[0] = -1
    assert scenario.channel_gain[0] == 0.5


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data_bit": [1.0, -1.0]}, r"`data_bit` must be from 1 to 1e\+18 bit; got -1"),
        ({"data_bit": [0.0, 1.0]}, "got 0 for user 0. For data .* server give 1 bit"),
        ({"data_bit": None}, "`data_bit` must be an array of real numbers; got None"),
        ({"channel_gain": None}, "`channel_gain` must be an array .*; got None"),
        ({"channel_gain": [[0.5], [112.0]]}, "got 112 for user 1.* path loss in dB"),
        ({"channel_gain": [[0.5], [-90.0]]}, r"gain in dB; .* 10\*\*\(gain / 10\)"),
        ({"channel_gain": [[0.5], [1e-300]]}, "got 1e-300 .* out of reach give 1e-30"),
        (
            {"workload_flop": [1.0, 1e25]},
            r"1e\+24 FLOP; got 1e\+25 for user 1. Give it",
        ),
        (
            {"user_power_coefficient": [0.5, 5e-19]},
            r"5e-19 × 1³ = 5e-19 W for user 1. It is the power at full speed",
        ),
        ({"server_power_coefficient": [1e9]}, "must be from 1e-09 to 1e.09 W; got 1e"),
        (
            {"data_bit": np.ma.masked_invalid([1.0, math.nan])},
            "`data_bit` must not have masked entries; got 1",
        ),
        ({"data_bit": [1.0, 1j]}, "`data_bit` must be an array of real numbers"),
        ({"data_bit": torch.ones(2)}, "same kind as `channel_gain`"),
        ({"data_bit": [math.nan, 1.0]}, "`data_bit` .*nan for user 0"),
        ({"channel_gain": [[1.0], [0.0]]}, "`channel_gain`.*0 for user 1, server 0"),
        ({"channel_gain": [[1.0], [math.inf]]}, "`channel_gain` .*inf for user 1"),
        ({"bandwidth_max_hz": [0.0]}, "`bandwidth_max_hz` .*0 for server 0"),
        ({"noise_density_w_per_hz": -1.0}, "`noise_density_w_per_hz` .*got -1. It is"),
        ({"local_fraction_max": [1.0, 0.5]}, "`local_fraction_max` .*got 1 for user 0"),
        (
            {"local_fraction_min": [0.8, 0.25]},
            "`local_fraction_min` must be at most .*0.8 and 0.75 for user 0",
        ),
        ({"max_users": [1.5]}, "`max_users` must be a whole number from 0"),
        ({"serving": [[0.5], [1]]}, "`serving` must be a whole number from 0 to 1"),
        ({"serving": [1, 1]}, "`serving` must have shape"),
        ({"serving": [[1], [0]]}, "`serving` needs `migration_delay_s`"),
        (
            {"serving": [[1], [0]], "migration_delay_s": [1, 1]},
            "`serving` needs `migration_energy_j`",
        ),
        ({"migration_delay_s": [1, -1]}, "`migration_delay_s` must be from 0"),
        ({"max_users": [1]}, "`max_users` lets the servers serve 1 users"),
        ({"data_bit": [1.0]}, r"`data_bit` must have shape .*\(2,\); got \(1,\)"),
        ({"data_bit": "many"}, "`data_bit` must be an array of real numbers; got 'ma"),
        ({"channel_gain": [1.0, 2.0]}, r"`channel_gain` must have shape .*\(2,\)"),
        (
            {"noise_density_w_per_hz": [1.0, 1.0]},
            r"`noise_density_w_per_hz` must have the batch shape \(\); got \(2,\)",
        ),
        ({"user_position_m": [[0, 0], [0, math.nan]]}, "`user_position_m` .*user 1"),
    ],
)
def test_bad_fields_are_named(
    toy_fields: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        Scenario(**(toy_fields | changes))


def test_a_missing_field_is_named(toy_fields: dict[str, Any]) -> None:
    del toy_fields["data_bit"]
    with pytest.raises(ValueError, match="`Scenario` lacks `data_bit`"):
        Scenario(**toy_fields)
    with pytest.raises(
        ValueError,
        match=r"no field 'data_bits' and lacks `data_bit`. Did you mean 'data_bit'",
    ):
        Scenario(**toy_fields, data_bits=[1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"takes its fields by name, .*; got 1 without"
    ):
        Scenario([[0.5]])  # type: ignore[misc]


@pytest.mark.parametrize("batch_shape", [(), (4,)])
def test_files_and_json_keep_every_digit(
    tmp_path: Path, batch_shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    scenario = sample_scenario(ScenarioConfig(), rng, batch_shape)
    scenario.save(tmp_path / "scenario.npz")
    for copy in (
        Scenario.load(tmp_path / "scenario.npz"),
        Scenario.from_json(scenario.to_json()),
    ):
        for name, value in scenario.to_dict().items():
            np.testing.assert_array_equal(getattr(copy, name), value, err_msg=name)
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.npz"]


def test_absent_positions_stay_absent(
    tmp_path: Path, toy_fields: dict[str, Any]
) -> None:
    scenario = Scenario(**toy_fields)
    scenario.save(tmp_path / "toy.npz")
    assert Scenario.load(tmp_path / "toy.npz").user_position_m is None
    assert Scenario.stack([scenario, scenario]).user_position_m is None


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"a\.npz' is not a scenario file"):
        Scenario.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", gain=np.ones(2))
    with pytest.raises(
        ValueError, match="no field 'gain' and lacks `channel_gain`, `w"
    ):
        Scenario.load(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        Scenario.load(tmp_path / "c.npz")
    with pytest.raises(ValueError, match="is not JSON"):
        Scenario.from_json("{")
    with pytest.raises(ValueError, match="one key a field"):
        Scenario.from_json("[]")
    with pytest.raises(ValueError, match="must be a JSON text; got None"):
        Scenario.from_json(None)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"is not JSON: (maximum recursion|Stack overflow)"
    ):
        Scenario.from_json("[" * 100_000)
    with pytest.raises(ValueError, match="must be the path of a file; got 3"):
        Scenario.load(3)  # type: ignore[arg-type]


def test_null_is_no_value_of_a_required_field(toy_fields: dict[str, Any]) -> None:
    fields = json.loads(Scenario(**toy_fields).to_json())
    Scenario.from_json(json.dumps(fields | {"max_users": None}))
    for name in toy_fields:
        with pytest.raises(ValueError, match=f"`{name}` must be an array .*; got None"):
            Scenario.from_json(json.dumps(fields | {name: None}))


def test_tensors_of_other_numbers(toy_fields: dict[str, Any]) -> None:
    tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in toy_fields.items()}
    assert Scenario(**tensors).data_bit.dtype == torch.float64
    whole = Scenario(**(tensors | {"data_bit": torch.tensor([1, 2])}))
    assert whole.data_bit.dtype == torch.float64
    for dtype, text in (
        (torch.complex64, "must be a tensor of real numbers; got torch.complex64"),
        (torch.bfloat16, "must be a float32 or float64 tensor, .*; got torch.bfloat16"),
    ):
        with pytest.raises(ValueError, match=f"`data_bit` {text}"):
            Scenario(**(tensors | {"data_bit": torch.ones(2, dtype=dtype)}))
    with pytest.raises(ValueError, match=r"`data_bit` must be .* got 0 for user 1"):
        Scenario(**(tensors | {"data_bit": torch.tensor([1, 0])}))


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    path = tmp_path / "scenario.npz"
    scenario.save(path)
    before = path.read_bytes()
    broken = Scenario.unchecked(**(scenario.to_dict() | {"data_bit": {1: object()}}))
    with pytest.raises(ValueError, match="allow_pickle"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["scenario.npz"]


def test_torch_round_trip() -> None:
    scenario = sample_scenario(ScenarioConfig(), np.random.default_rng(0), (2,))
    back = scenario.to_torch().to_numpy()
    for name, value in scenario.to_dict().items():
        np.testing.assert_array_equal(getattr(back, name), value)


def test_allocation_checks_its_shapes() -> None:
    fields = {name: np.ones(2) for name in Allocation.field_names()[1:]}
    allocation = Allocation.from_server([1, 0], 2, **fields)
    np.testing.assert_array_equal(allocation.association, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(allocation.server, [1, 0])
    with pytest.raises(ValueError, match=r"`server` .* 0 to 1; got 2.0"):
        Allocation.from_server([2, 0], 2, **fields)
    with pytest.raises(ValueError, match=r"`server` .* got 0.5"):
        Allocation.from_server([0.5, 0], 2, **fields)
    with pytest.raises(ValueError, match=r"`bandwidth_hz` must have shape .*\(3,\)"):
        Allocation.from_server([1, 0], 2, **(fields | {"bandwidth_hz": np.ones(3)}))
    with pytest.raises(ValueError, match=r"use `Allocation.from_server`"):
        Allocation(association=np.array([1, 0]), **fields)
    with pytest.raises(ValueError, match=r"`server` .* got nan"):
        Allocation.from_server([math.nan, 0], 2, **fields)
    with pytest.raises(ValueError, match=r"`n_servers` must be an integer .*; got 0.5"):
        Allocation.from_server([1, 0], 0.5, **fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="same kind as `association`"):
        Allocation.from_server([1, 0], 2, **(fields | {"bandwidth_hz": torch.ones(2)}))


def test_stacking_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no Scenario to stack"):
        Scenario.stack([])
    one, other = (
        sample_scenario(ScenarioConfig(users=n), np.random.default_rng(0))
        for n in (3, 4)
    )
    with pytest.raises(
        ValueError, match=r"of one shape .* \(3, 2\) .* \(4, 2\) at index"
    ):
        Scenario.stack([one, other])
    with pytest.raises(
        ValueError, match="records of Scenario stack; got int at index 1"
    ):
        Scenario.stack([one, 1])  # type: ignore[list-item]


def assert_damage_is_told_or_harmless(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    scenario = sample_scenario(ScenarioConfig(users=3), rng, (2,))
    path = tmp_path / "scenario.npz"
    scenario.save(path)
    content = path.read_bytes()
    told = []
    for _ in range(count):
        path.write_bytes(damaged(rng, content))
        try:
            read = Scenario.load(path)
        except ValueError as error:
            told.append(str(error))
        else:
            for name, value in read.to_dict().items():
                np.testing.assert_array_equal(value, getattr(scenario, name))
    assert len(told) > 0.5 * count
    assert all(repr(str(path)) in text for text in told)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    assert_damage_is_told_or_harmless(tmp_path, 200)


@pytest.mark.slow
def test_many_damaged_files_are_told(tmp_path: Path) -> None:
    assert_damage_is_told_or_harmless(tmp_path, 10_000)


def test_spoiled_json_is_refused_with_words() -> None:
    rng = np.random.default_rng(0)
    content = sample_scenario(ScenarioConfig(users=2), rng).to_json().encode()
    told = []
    for _ in range(500):
        spoiled = damaged(rng, content)
        try:
            Scenario.from_json(spoiled)
        except ValueError as error:
            told.append(str(error))
    assert len(told) > 100
    for text in set(told):
        assert re.search("is not JSON: |no scenario in the JSON|is a JSON obj", text)


def test_noise_rise_survives_files_and_is_checked(tmp_path: Path) -> None:
    plain = sample_scenario(ScenarioConfig(), np.random.default_rng(0))
    s = Scenario(**plain.to_dict() | {"noise_rise": [1.0, 2.5]})
    np.testing.assert_allclose(
        s.uplink_noise_w_per_hz, plain.noise_density_w_per_hz * np.array([1.0, 2.5])
    )
    s.save(tmp_path / "s.npz")
    for again in (Scenario.load(tmp_path / "s.npz"), Scenario.from_json(s.to_json())):
        np.testing.assert_array_equal(again.noise_rise, [1.0, 2.5])
    assert Scenario.from_json(plain.to_json()).noise_rise is None
    tensors = s.to_torch()
    np.testing.assert_allclose(tensors.uplink_noise_w_per_hz, s.uplink_noise_w_per_hz)
    with pytest.raises(
        ValueError, match=r"`noise_rise` must be from 1 to 10000; got 0"
    ):
        dataclasses.replace(plain, noise_rise=[1.0, 0.5])
    with pytest.raises(ValueError, match=r"`noise_rise` must have shape \[..., M\]"):
        dataclasses.replace(plain, noise_rise=np.ones(10))
    with pytest.raises(ValueError, match="all have `noise_rise`, or none of them"):
        Scenario.stack([plain, s])
