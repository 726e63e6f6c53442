from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mec_llm_env import MobileConfig, Scenario, ScenarioConfig, sample_scenario
from mec_llm_env.command import main
from mec_llm_env.config import ruled
from mec_llm_env.sampling import is_fixed
from mec_llm_env.scenario_file.documents import ConfigFileError
from tests.mec_llm_env.cases import random_config
from tests.mec_llm_env.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[3]
OWN = ROOT / "examples" / "own_system"
GOLDEN = ROOT / "tests" / "golden" / "own-12x3.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the example of twelve phones."""
    shutil.copytree(OWN, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, folder: Path, kind: type[ScenarioConfig] = ScenarioConfig) -> Any:
    (folder / "some.toml").write_text(text)
    return kind.from_file(folder / "some.toml")


def test_the_example_is_the_system_that_was_given_in_si_units() -> None:
    config = ScenarioConfig.from_file(OWN / "phones.toml")
    drawn = sample_scenario(config, np.random.default_rng(0)).to_dict()
    given = json.loads(GOLDEN.read_text())
    assert drawn.keys() == given.keys()
    for name, value in given.items():
        # Of other processors, powers of ten differ in the last digit.
        np.testing.assert_allclose(drawn[name], value, rtol=1e-14, err_msg=name)
    Scenario(**drawn)
    assert is_fixed(config)
    again = ScenarioConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=range(len(MUTATIONS)))
def test_mutations_are_refused_in_clear_lines(
    mutation: Mutation, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / ("gains.csv" if mutation.gains else "phones.toml")
    old, new = (
        part.encode() if isinstance(part, str) else part for part in mutation[:2]
    )
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new) if old else new)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    assert main(["check", "phones.toml"]) == 2

    output, errors = capsys.readouterr()
    assert output == ""
    assert re.search(mutation.says, errors), errors
    for line in errors.splitlines():
        assert re.match(r"mec_llm_env: error: '(phones.toml|gains.csv)'[,:]", line)
        assert line.endswith((".", "?"))
        assert len(line) < 600
    if "mobility" in str(mutation.new):
        return  # read as of users that move, unlike below
    # One error for whoever does not ask for all.
    with pytest.raises(ConfigFileError) as caught:
        ScenarioConfig.from_file("phones.toml")
    problems = caught.value.problems
    assert str(caught.value).startswith(str(problems[0]))
    assert len(problems) == len(errors.splitlines())
    assert ("more: `python -m mec_llm_env check" in str(caught.value)) == (
        len(problems) > 1
    )
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_there_are_a_hundred_mutations() -> None:
    assert len(MUTATIONS) >= 100


def test_all_problems_are_told_at_once(folder: Path) -> None:
    text = "[radio]\nfading = 3\nnoise_figure = 5\n[workload]\nlayers = 0\n[objctive]\n"
    with pytest.raises(ConfigFileError) as caught:
        read(text, folder)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 5, 6]


def test_what_is_meant_is_taken(folder: Path) -> None:
    text = "{}[[server]]\ncount = 2\nbandwidth_mhz = 0.00002\n"
    with pytest.raises(ConfigFileError, match=r'unusual = \["radio.bandwidth_mhz"\]'):
        read(text.format(""), folder)
    config = read(text.format('unusual = ["radio.bandwidth_mhz"]\n'), folder)
    assert config.radio.bandwidth_mhz == 0.00002
    (folder / "gains.csv").write_text("-10,-300\n")
    text = 'gains = "gains.csv"\n{}'
    with pytest.raises(ConfigFileError, match=r"from -300 to -20 dB; got '-10'"):
        read(text.format(""), folder)
    config = read(text.format('unusual = ["radio.channel_gain_db"]'), folder)
    assert config.radio.channel_gain_db == ((-10, -300),)
    assert (config.users, config.servers) == (1, 2)


def test_tables_repeat_and_share(folder: Path) -> None:
    config = read(
        """
        [users]
        tokens = 100
        [[user]]
        count = 2
        sequences = [3, 5]
        [[user]]
        tokens = 7
        sequences = 9
        [servers]
        cores = 10_000
        bandwidth_mhz = 5
        [[server]]
        frequency_ghz = 1
        power_w = 50
        max_users = 2
        [[server]]
        bandwidth_mhz = 6
        frequency_ghz = 2
        power_w = 60
        """,
        folder,
    )
    assert (config.users, config.servers) == (3, 2)
    assert config.workload.tokens == ((100, 100), (100, 100), (7, 7))
    assert config.workload.sequences == ((3, 5), (3, 5), (9, 9))
    assert config.radio.bandwidth_mhz == (5, 6)
    assert config.server.cores == (10_000, 10_000)
    assert config.server.frequency_ghz == (1, 2)
    assert config.server.max_users == (2, None)


def test_json_has_dotted_keys_or_tables(folder: Path) -> None:
    config = ScenarioConfig().with_overrides({"users": 4, "server.max_users": 3})
    (folder / "a.json").write_text(json.dumps(config.to_dict()))
    assert ScenarioConfig.from_file("a.json") == config
    (folder / "b.json").write_text('{"users": 4, "server": {"max_users": 3}}')
    assert ScenarioConfig.from_file("b.json") == config
    for text, says in {
        "{": r"'c.json', line 1: is not valid JSON",
        "[1]": "must hold a JSON object",
        "{}": "sets nothing",
        '{\n"users": 1,\n"users": 2}': r"line 2, `users`: appears twice",
        '{"a.b": 1, "a": {"b": 2}}': "twice",
        '{"radio.bandwith_mhz": 3}': r"line 1, \[radio\], `bandwith_mhz`.*Did you mean",
        '{"users": 4,\n "radio.bandwidth_mhz": -3}': "line 2, `radio.bandwidth_mhz`: m",
        '{"channel_gain": [[1]]}': "field of a scenario, .*`Scenario.from_json`",
        "[" * 100_000: "too many levels",
        '{"users": NaN}': "must be an integer.*nan",
        '{"radio": 3}': r"must be a table, \[radio\]; got 3",
    }.items():
        (folder / "c.json").write_text(text)
        with pytest.raises(ConfigFileError, match=says):
            ScenarioConfig.from_file("c.json")


def test_json_problems_are_told_with_their_line(folder: Path) -> None:
    (folder / "c.json").write_text(
        '{"radio.fading": "x", "layout": {\n"distance_min_m": -1},\n'
        '"server": [{"cores": 5},\n{"cores": "6",\n"fading": 1}]}'
    )
    with pytest.raises(ConfigFileError) as caught:
        ScenarioConfig.from_file("c.json")
    assert [(p.line, p.key) for p in caught.value.problems] == [
        (1, "`radio.fading`"),
        (2, "`layout.distance_min_m`"),
        (3, "[[server]]"),  # a GPU that is described in part
        (4, "[[server]] 1, `cores`"),
        (5, "[[server]] 1, `fading`"),
    ]
    text = '{"server": {"cores": 1,\n"power_w": 1,\n"cores": 2}}'
    (folder / "c.json").write_text(text)
    with pytest.raises(ConfigFileError, match="line 1, `cores`: appears twice"):
        ScenarioConfig.from_file("c.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("users = 1\nusers = 2\n", r"line 2, `users`: appears twice\. Keep one"),
        ("[radio]\n[users]\n[radio]\n", r"line 3, \[radio\]: appears twice"),
        (
            "user = [{ tokens = 1, tokens = 2 }]\n",
            r"line 1: is not valid TOML: Du.*keep one",
        ),
        (
            "[server]\nmax_users = None\n",
            r"line 2: is not valid TOML: .*leave the key out",
        ),
        ('workload.adapter = "LoRA"\n', "got 'LoRA'. Did you mean 'lora'"),
        ('radio.path_loss = "UMi"\n', "got 'UMi'. Did you mean 'umi'"),
        ('workload.lora_targets = ["q", "V_proj"]\n', "Did you mean 'v'"),
        ("workload.lora_rank = 64\n", "r` = 'houlsby'. Set both, or leave it out"),
        ('workload = { adapter = "lora", bottleneck = 9 }\n', "r` = 'lora'. Set both"),
        ('unusual = [["a"], {b = 1}]\n', r"there is no parameter \['a'\]"),
        ("radio.antenna_gain_db = 140\n", r"from -30 to 90; got 140\. .*unusual = "),
        ('radio = { path_loss = "umi", carrier_ghz = 900 }\n', "in MHz: write 0.9"),
        ("radio.carrier_ghz = 5\n", r"`radio\.path_loss` = 'log-d.*Leave it out\."),
        (
            "[[server]]\ncount = 2\nposition_m = [1, 2]\n",
            "line 3, .* is one point, for 2",
        ),
        (
            "[[user]]\ncount = 3\nposition_m = [1, 2]\n",
            "one point, for 3. Write a table for each",
        ),
        ("users = 9\nserver.max_users = 1\n", "or leave it out for no limit"),
    ],
)
def test_what_a_newcomer_mistypes(text: str, says: str, folder: Path) -> None:
    with pytest.raises(ConfigFileError, match=says):
        read(text, folder)


def test_what_is_said_to_be_meant_may_be_without_effect(folder: Path) -> None:
    text = 'unusual = ["workload.lora_rank"]\nworkload.lora_rank = 64\n'
    assert read(text, folder).workload.lora_rank == 64


def test_a_config_json_of_something_else_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"foo": 1}')
    with pytest.raises(ConfigFileError, match="has a `model_type`, which is missing"):
        read('workload.model = "config.json"', folder)


def test_other_paths_are_named(folder: Path) -> None:
    for path in ("my.yaml", "paper-10x2", "", 3, None, b"my.toml", "a\0.toml"):
        with pytest.raises(ValueError, match=r"(\.toml|path of text)"):
            ScenarioConfig.from_file(path)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"none\.toml"):
        ScenarioConfig.from_file("none.toml")


def test_a_file_of_users_that_move(folder: Path) -> None:
    text = "[mobility]\nslots = 3\n" + "[[server]]\nposition_m = [10, 5]\n" * 2
    config = read(text, folder, MobileConfig)
    assert config.mobility.slots == 3
    assert config.layout.server_position_m == ((10, 5), (10, 5))
    assert config.layout.cell_radius_m == 600  # its own default
    with pytest.raises(ConfigFileError, match=r"\[mobility\].*MecLlmMobile-v0"):
        read(text, folder)
    with pytest.raises(ConfigFileError, match=r"line 1, .*must be left out where use"):
        read('gains = "gains.csv"', folder, MobileConfig)


def test_environments_take_files(folder: Path) -> None:
    expected = json.loads(GOLDEN.read_text())["channel_gain"]
    for config in ("phones.toml", Path("phones.toml")):
        env = gym.make("MecLlm-v0", config=config, overrides={"workload.epochs": 2})
        env.reset(seed=1)
        scenario = env.unwrapped.situation.scenario  # type: ignore[attr-defined]
        np.testing.assert_allclose(scenario.channel_gain, expected, rtol=1e-14)
        assert env.step(env.action_space.sample())[1] > 0
    envs = gym.make_vec("MecLlm-v0", 3, config=ScenarioConfig.from_file("phones.toml"))
    envs.reset(seed=1)
    assert (envs.step(envs.action_space.sample())[1] > 0).all()
    envs = gym.make_vec(
        *("MecLlm-v0", 2, "sync"), config="phones.toml", episode_length=2
    )
    envs.reset(seed=1)
    with pytest.raises(ValueError, match="`config` takes the place of `preset`"):
        gym.make("MecLlm-paper-v0", config="phones.toml")
    with pytest.raises(ConfigFileError, match="must be left out where users move"):
        gym.make("MecLlmMobile-v0", config="phones.toml")
    (folder / "moving.toml").write_text("[mobility]\nslots = 2\n[users]\ncount = 3\n")
    moving = gym.make("MecLlmMobile-v0", config="moving.toml")
    moving.reset(seed=0)
    assert moving.step(moving.action_space.sample())[1] > 0
    with pytest.raises(
        ValueError, match=r"`config` must be a mec_llm_env\.MobileConfig"
    ):
        gym.make_vec("MecLlmMobile-v0", 2, config=ScenarioConfig())


def as_toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return json.dumps(value)


def test_random_systems_are_read_as_they_are_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        config = random_config(rng)
        values = config.to_dict()
        assert ScenarioConfig.from_dict(json.loads(json.dumps(values))) == config
        (tmp_path / "some.json").write_text(json.dumps(values))
        assert ScenarioConfig.from_file(tmp_path / "some.json") == config
        assert read(tables(config, rng), tmp_path) == simplest(config)


def simplest(config: ScenarioConfig) -> ScenarioConfig:
    """Returns the same system, one value standing for users or servers alike."""
    alike = {
        key: value[0]
        for key, (rule, value) in ruled(config).items()
        if rule.gives_each(value) and not rule.always_each and len(set(value)) == 1
    }
    m, server = config.servers, config.server
    models = {  # in turn
        f"server.{name}": tuple(getattr(server, name) * m)[:m]
        for name in ("cores", "frequency_ghz", "power_w")
    }
    return config.with_overrides(alike | models)


def tables(config: ScenarioConfig, rng: np.random.Generator) -> str:
    """Returns the configuration as TOML with `[[user]]` and `[[server]]`."""
    shared, each = [], {"user": [""] * config.users, "server": [""] * config.servers}
    for key, (rule, value) in ruled(config).items():
        topic, _, leaf = key.rpartition(".")
        per = rule.per or ("server" if topic == "server" else "")
        if per and value is not None and (not rule.per or rule.gives_each(value)):
            for i in range(len(each[per])):
                entry = value[i % len(value)]
                name = leaf.removeprefix(f"{per}_")
                if entry is not None:
                    each[per][i] += f"{name} = {as_toml(entry)}\n"
        elif value is not None and topic:
            owner = "servers" if topic == "server" else topic
            shared.append(f"{owner}.{leaf} = {as_toml(value)}")
    text = "\n".join([*shared, 'radio.fading = "rayleigh"', ""])
    for per, bodies in each.items():
        text += "".join(
            f"[[{per}]]{' # ]]' * (rng.random() < 0.5)}\n{b}" for b in bodies
        )
    return text
