import shutil
from importlib import resources

import numpy as np
import pytest

from mec_llm_env import PRESETS, ScenarioConfig, evaluate, sample_scenario
from mec_llm_env import bank as module
from mec_llm_env.bank import FIRST_SEED, bank_presets, digest, load_bank, save_bank
from mec_llm_env.mobile.bank import load_trajectory_bank, trajectory_bank_presets
from mec_llm_env.mobile.config import MOBILE_PRESETS
from tests.mec_llm_env.cases import damaged

COUNTS = dict.fromkeys(PRESETS, 100) | {"large-1000x50": 8}
del COUNTS["huge-10000x200"]  # it is for solvers
SPEEDS = ("mobile-10x2-pedestrian", "mobile-10x2-vehicular")


def file_of(preset):
    return resources.files("mec_llm_env.bank").joinpath(f"{preset}.npz")


def test_all_presets_but_the_huge_one_have_a_bank_and_together_they_are_small():
    assert set(bank_presets()) == set(COUNTS)
    sizes = [len(file_of(preset).read_bytes()) for preset in COUNTS]
    assert sum(sizes) < 10e6


@pytest.mark.parametrize("preset", COUNTS)
def test_stored_bounds_hold_for_stored_allocations(preset):
    bank = load_bank(preset)
    assert len(bank) == COUNTS[preset]
    scr = evaluate(
        bank.scenario, bank.allocation, ScenarioConfig.preset(preset).objective
    ).scr
    np.testing.assert_allclose(scr, bank.scr, rtol=1e-12)
    assert (bank.bound >= scr).all()
    gaps = bank.bound / scr - 1
    closed = {"large-1000x50": 2.5e-3, "medium-50x10": 8e-3}
    assert gaps.max() <= closed.get(preset, 1e-3) * (1 + 1e-9)


@pytest.mark.parametrize("preset", COUNTS)
def test_stored_scenarios_are_the_test_scenarios(preset):
    bank, config = load_bank(preset), ScenarioConfig.preset(preset)
    assert np.array_equal(bank.seed, FIRST_SEED + np.arange(len(bank)))
    for i in (0, len(bank) - 1):
        s = sample_scenario(config, np.random.default_rng(FIRST_SEED + i))
        for name, value in s.to_dict().items():
            stored = getattr(bank.scenario[i], name)
            np.testing.assert_allclose(stored, value, rtol=1e-9, err_msg=name)


def test_a_changed_file_is_noticed(tmp_path, monkeypatch):
    bank = load_bank("tiny-4x2")
    path = tmp_path / "tiny-4x2.npz"
    shutil.copy(str(file_of("tiny-4x2")), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    assert digest({k: v for k, v in arrays.items() if k != "sha256"}) == bank.sha256
    arrays["bound"][3] *= 0.99
    np.savez(path, **arrays)
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="'tiny-4x2' is damaged: its contents have"):
        load_bank("tiny-4x2")


def test_saved_and_loaded(tmp_path, monkeypatch):
    bank = load_bank("tiny-4x2")
    for with_scenarios in (True, False):
        sha256 = save_bank(
            tmp_path / "tiny-4x2.npz",
            "tiny-4x2",
            seed=bank.seed,
            bound=bank.bound,
            scr=bank.scr,
            allocation=bank.allocation,
            with_scenarios=with_scenarios,
        )
        with monkeypatch.context() as patch:
            patch.setattr(module.resources, "files", lambda _: tmp_path)
            again = load_bank("tiny-4x2")
        assert again.sha256 == sha256
        gain = bank.scenario.channel_gain
        np.testing.assert_allclose(again.scenario.channel_gain, gain, rtol=1e-9)
        assert np.array_equal(again.allocation.server, bank.allocation.server)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="no instance bank of 'huge'"):
        load_bank("huge")


def assert_damage_is_told(tmp_path, monkeypatch, count):
    rng = np.random.default_rng(0)
    content = file_of("tiny-4x2").read_bytes()
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    told = 0
    for _ in range(count):
        spoiled = damaged(rng, content)
        (tmp_path / "tiny-4x2.npz").write_bytes(spoiled)
        try:
            bank = load_bank("tiny-4x2")
        except ValueError as error:
            told += 1
            text = str(error)
            assert text.startswith("The instance bank of 'tiny-4x2' is damaged: ")
            assert text.endswith("Install the package again.")
        else:
            assert digest_of(bank) == bank.sha256  # nothing that is read has changed
    assert told > 0.8 * count


def digest_of(bank):
    arrays = {k: getattr(bank, k) for k in ("seed", "bound", "scr")}
    arrays["server"] = bank.allocation.server.astype(np.int16)
    arrays |= {k: getattr(bank.allocation, k) for k in module._RESOURCES}
    fields = bank.scenario.to_dict().items()
    return digest(arrays | {f"scenario_{k}": v for k, v in fields if v is not None})


def test_damaged_files_are_told(tmp_path, monkeypatch):
    assert_damage_is_told(tmp_path, monkeypatch, 100)


@pytest.mark.slow
def test_many_damaged_files_are_told(tmp_path, monkeypatch):
    assert_damage_is_told(tmp_path, monkeypatch, 3000)


def test_a_bank_that_lacks_arrays_is_refused(tmp_path, monkeypatch):
    with np.load(file_of("tiny-4x2")) as archive:
        arrays = {k: v for k, v in dict(archive).items() if k not in ("scr", "sha256")}
    np.savez(tmp_path / "tiny-4x2.npz", sha256=np.array(digest(arrays)), **arrays)
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="'tiny-4x2' is damaged: it has no array scr"):
        load_bank("tiny-4x2")


@pytest.mark.parametrize("preset", ["mobile-10x2", *SPEEDS])
def test_the_bank_of_episodes(preset: str) -> None:
    bank = load_trajectory_bank(preset)
    assert len(bank) == 100
    assert np.array_equal(bank.seed, FIRST_SEED + np.arange(100))
    assert bank.server.shape == (100, 50, 10)
    share = bank.scr / bank.bound
    assert (share <= 1).all()
    assert share.mean() >= 0.99
    assert share.min() >= 0.975


def test_presets_without_a_bank_of_episodes() -> None:
    assert {*trajectory_bank_presets(), "mobile-50x10"} == set(MOBILE_PRESETS)
    with pytest.raises(
        ValueError, match="There is no bank of episodes of 'paper-10x2'"
    ):
        load_trajectory_bank("paper-10x2")


def test_a_changed_bank_of_episodes_is_noticed(tmp_path, monkeypatch) -> None:
    path = tmp_path / "mobile-10x2.npz"
    shutil.copy(str(file_of("mobile-10x2")), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["bound"][3] *= 0.99
    np.savez(path, **arrays)
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="'mobile-10x2' is damaged: its contents have"):
        load_trajectory_bank("mobile-10x2")
