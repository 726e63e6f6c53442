"""Decoders by name, from a Hugging Face file, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mec_llm_env import ScenarioConfig
from mec_llm_env.config import WorkloadConfig
from mec_llm_env.workload.adapters import Houlsby, training_flop
from mec_llm_env.workload.llms import DECODERS, Decoder, decoder_of, gpt, model_text

#: Published numbers of parameters, and what a family has besides its matrices: a layer,
#: and in all (norms, biases, positions).
PUBLISHED = {
    "gpt2-xl": (1_557_611_200, lambda d: 13 * d.width, lambda d: 1026 * d.width),
    "pythia-1b": (1_011_781_632, lambda d: 13 * d.width, lambda d: 2 * d.width),
    "tinyllama-1.1b": (1_100_048_384, lambda d: 2 * d.width, lambda d: d.width),
    "llama-2-7b": (6_738_415_616, lambda d: 2 * d.width, lambda d: d.width),
    "llama-3.1-8b": (8_030_261_248, lambda d: 2 * d.width, lambda d: d.width),
    "llama-3.2-1b": (1_235_814_400, lambda d: 2 * d.width, lambda d: d.width),
    "llama-3.2-3b": (3_212_749_824, lambda d: 2 * d.width, lambda d: d.width),
    "mistral-7b": (7_241_732_096, lambda d: 2 * d.width, lambda d: d.width),
    "qwen2.5-0.5b": (494_032_768, lambda d: 2 * d.width + qkv(d), lambda d: d.width),
    "qwen2.5-1.5b": (1_543_714_304, lambda d: 2 * d.width + qkv(d), lambda d: d.width),
    "qwen3-0.6b": (
        *(596_049_920, lambda d: 2 * (d.width + d.head_size), lambda d: d.width),
    ),
    "qwen3-1.7b": (
        *(1_720_574_976, lambda d: 2 * (d.width + d.head_size), lambda d: d.width),
    ),
    "gemma-2-2b": (2_614_341_888, lambda d: 4 * d.width, lambda d: d.width),
    "gemma-3-1b": (
        *(999_885_952, lambda d: 4 * d.width + 2 * d.head_size, lambda d: d.width),
    ),
    "phi-2": (
        2_779_683_840,
        lambda d: qkv(d) + 4 * d.width + d.feed_forward_width,
        lambda d: 2 * d.width + d.vocabulary,
    ),
    "phi-3-mini": (3_821_079_552, lambda d: 2 * d.width, lambda d: d.width),
}


def qkv(d: Decoder) -> int:
    """Biases of queries, keys and values."""
    return (d.heads + 2 * d.kv_heads) * d.head_size


def test_all_known_decoders_have_a_published_size() -> None:
    assert set(PUBLISHED) == set(DECODERS)


@pytest.mark.parametrize("name", DECODERS)
def test_known_decoders_add_up_to_their_published_parameters(name: str) -> None:
    decoder = DECODERS[name]
    published, layer, besides = PUBLISHED[name]
    found = decoder.weights + decoder.layers * layer(decoder) + besides(decoder)
    assert found == published


LLAMA: dict[str, Any] = {  # of meta-llama/Llama-3.2-1B, what matters here
    "architectures": ["LlamaForCausalLM"],
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "rope_scaling": {"factor": 32.0, "rope_type": "llama3"},
    "tie_word_embeddings": True,
    "vocab_size": 128256,
}


def hugging_face(name: str, kind: str, **changes: Any) -> dict[str, Any]:
    """Returns a `config.json` as a family of `transformers` writes it."""
    d = DECODERS[name]
    keys = {
        "model_type": kind,
        "hidden_size": d.width,
        "num_hidden_layers": d.layers,
        "num_attention_heads": d.heads,
        "num_key_value_heads": d.kv_heads,
        "head_dim": d.head_size,
        "intermediate_size": d.feed_forward_width,
        "vocab_size": d.vocabulary,
        "tie_word_embeddings": d.tied_head,
    }
    return {k: v for k, v in (keys | changes).items() if v != "missing"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("llama-3.2-1b", LLAMA),
        (
            "llama-2-7b",
            hugging_face(
                "llama-2-7b",
                "llama",
                head_dim="missing",
                num_key_value_heads="missing",
                tie_word_embeddings="missing",
            ),
        ),
        ("mistral-7b", hugging_face("mistral-7b", "mistral", head_dim=None)),
        ("qwen2.5-0.5b", hugging_face("qwen2.5-0.5b", "qwen2", head_dim="missing")),
        ("qwen3-0.6b", hugging_face("qwen3-0.6b", "qwen3", head_dim="missing")),
        (
            "gemma-2-2b",
            hugging_face("gemma-2-2b", "gemma2", tie_word_embeddings="missing"),
        ),
        ("gemma-3-1b", hugging_face("gemma-3-1b", "gemma3_text")),
        (
            "phi-2",
            hugging_face("phi-2", "phi", head_dim="missing", num_key_value_heads=None),
        ),
        ("phi-3-mini", hugging_face("phi-3-mini", "phi3", head_dim="missing")),
        ("pythia-1b", hugging_face("pythia-1b", "gpt_neox", head_dim="missing")),
        (
            "gpt2-xl",
            {
                **{"model_type": "gpt2", "n_embd": 1600, "n_head": 25, "n_layer": 48},
                **{"n_inner": None, "vocab_size": 50257, "n_positions": 1024},
            },
        ),
    ],
)
def test_files_of_hugging_face(
    name: str, content: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    text = model_text(str(path))
    assert text is not None
    assert decoder_of(text) == DECODERS[name]
    assert model_text(path) == model_text(content) == model_text(text) == text
    config = ScenarioConfig().with_overrides({"workload.model": str(path)})
    path.unlink()  # a configuration does not depend on it
    again = ScenarioConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert again.workload.decoder == DECODERS[name]


def changed(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (LLAMA | changes).items() if v != "missing"}


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("llama-3.2-1B", "got 'llama-3.2-1B'. Did you mean 'llama-3.2-1b'"),
        ("zzz", "the name of a known decoder, or the path .* Known: gpt2-xl, "),
        (3, "`workload.model` must be the name .*; got 3"),
        (["gpt2-xl"], r"got \['gpt2-xl'\]"),
        ("no/config.json", "'no/config.json' cannot be read: .*No such file"),
        ("{", "`workload.model` is not JSON"),
        ("{}", "no decoder in `workload.model`: `Decoder` lacks `layers`"),
        (changed(model_type="mixtral"), "'mixtral' is not known, only llama, mistral"),
        (changed(model_type=None), "`model_type` = None is not known"),
        (changed(hidden_size="missing"), "it has no `hidden_size`, which 'llama'"),
        (changed(hidden_size="2048"), "`decoder.width` must be an integer .*'2048'"),
        (changed(hidden_size=2048.0), "`decoder.width` must be an integer"),
        (changed(num_hidden_layers=1), "`decoder.layers` must be .* from 2 .*; got 1"),
        (changed(num_key_value_heads=5), "a multiple of `decoder.kv_heads`; got 32"),
        (changed(num_attention_heads=0), "`decoder.heads` must be an integer from 1"),
        (
            changed(head_dim="missing", num_attention_heads=24),
            "`hidden_size` must be a multiple of `num_attention_heads`",
        ),
        (changed(tie_word_embeddings="yes"), "`decoder.tied_head` must be true or fa"),
        (
            hugging_face("mistral-7b", "mistral", num_key_value_heads="missing"),
            "it has no `num_key_value_heads`, which 'mistral' needs",
        ),
        ({"layers": 2}, "no decoder in `workload.model`"),
        ({"layer": 2}, "'layer'"),
        ({3: 2}, "no decoder in `workload.model`"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(model: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        WorkloadConfig(model=model)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is not JSON"),
        (b"[1]", "must be a JSON object of dimensions"),
        (b"\xff\xfe{", "cannot be read: 'utf-8'"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * 10_000_001, "at most 10,000,000 bytes. Give the `config.json`, not"),
        (b'{"model_type": "bert"}', "config.json': the architecture .* 'bert'"),
    ],
)
def test_damaged_files(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text):
        WorkloadConfig(model=str(path))
    with pytest.raises(ValueError, match=r"cannot be read: .*directory"):
        WorkloadConfig(model=str(tmp_path) + "/../" + tmp_path.name + "/.json")


def test_layers_and_width_are_of_the_decoder_without_a_model() -> None:
    assert WorkloadConfig().decoder == gpt(16, 2048)
    assert WorkloadConfig(layers=24).decoder == gpt(24, 2048)
    known = WorkloadConfig(model="qwen3-0.6b")
    assert known.decoder.layers == 28
    with pytest.raises(
        ValueError, match=r"`workload.layers` must be left at 16 .* has 28; got 24"
    ):
        WorkloadConfig(model="qwen3-0.6b", layers=24)
    with pytest.raises(ValueError, match=r"`workload.width` .* has 1024; got 99"):
        WorkloadConfig(model="qwen3-0.6b", width=99)
    config = ScenarioConfig().with_overrides({"workload.model": "qwen3-0.6b"})
    other = config.with_overrides({"workload.model": "phi-2"})
    assert other.workload.decoder == DECODERS["phi-2"]
    assert config.with_overrides({"workload.model": None}) == ScenarioConfig()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"adapter": "prefix"}, "`workload.adapter` must be one of 'houlsby', 'lora'"),
        ({"adapter": "lora", "lora_targets": ("gate",)}, "q, k, v, o, up, down; got g"),
        ({"lora_targets": ()}, r"some of 'q', .*, each at most once; got \(\)"),
        ({"lora_targets": "q"}, "each at most once; got 'q'"),
        ({"lora_targets": ["q", "q"]}, "each at most once"),
        ({"lora_targets": ["q_proj"]}, "must be a tuple of some of"),
        ({"lora_rank": 0}, "`workload.lora_rank` must be an integer from 1"),
        ({"split": "integer"}, "`workload.split` must be one of 'continuous', 'whole"),
    ],
)
def test_bad_adapters_are_named(fields: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        WorkloadConfig(**fields)


def test_lists_become_tuples() -> None:
    config = ScenarioConfig().with_overrides(
        {
            "workload.model": "llama-3.2-1b",
            "workload.adapter": "lora",
            "workload.lora_targets": ["gate", "up", "down"],
        }
    )
    assert config.workload.lora_targets == ("gate", "up", "down")
    again = ScenarioConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)


def test_the_documentation_lists_the_decoders() -> None:
    page = (Path(__file__).parents[3] / "docs" / "llms.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 9
    ]
    sequence = {"sequences": 1, "epochs": 1, "adapter": Houlsby(bottleneck=64)}
    wanted = []
    for name, d in DECODERS.items():
        flop = training_flop(1024, decoder=d, **sequence)  # type: ignore[arg-type]
        head = 4 * 1024 * d.width * d.vocabulary
        wanted.append(
            [
                *(f"`{name}`", str(d.layers), str(d.width)),
                f"{d.heads} / {d.kv_heads} × {d.head_size}",
                f"{d.feed_forward_width}{' gated' if d.gated else ''}",
                f"{d.vocabulary}{' tied' if d.tied_head else ''}",
                *(f"{flop / 1e12:.2f}", f"{head / flop:.0%}"),
            ]
        )
    assert rows == wanted
