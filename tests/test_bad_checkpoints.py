"""Checkpoints that are damaged, not whole, or not built here: one clear error each, and nothing in
them is executed.
"""

import json
import os
import pickle
import re
import sys

import numpy as np
import pytest
from checkpoints import FIXTURES, FOLDERS, changed, forward, plus, reference, refused

from attnlib.models.files.checkpoint import read_tensors
from attnlib.models.pretrained import load

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")

CONFIGS = {
    "an unknown model type": (
        "bert",
        {"model_type": "mamba"},
        ["model_type must be one of 'gpt2', 'bert'", "'mamba'"],
    ),
    "no model type": ("bert", {"model_type": None}, ["model_type must be one of"]),
    "quantised": (
        "llama",
        {"quantization_config": {"bits": 4}},
        ["quantised", "quantization_config"],
    ),
    "an unknown activation": (
        "bert",
        {"hidden_act": "mish"},
        ["hidden_act must be one of 'relu'", "'mish'"],
    ),
    "an unknown rotary type": (
        "llama",
        {"rope_parameters": {"rope_type": "proportional"}},
        ["rotary", "'proportional'"],
    ),
    "an unknown rotary option": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 2, "waves": 3}},
        ["'waves'"],
    ),
    "a word for a factor": (
        "llama",
        {
            "rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": "8"},
            "rope_parameters": None,
        },
        ["rotary"],
    ),
    "a list for a type": (
        "bert",
        {"model_type": ["bert"]},
        ["config.json: model_type must be one of"],
    ),
    "a word for a list": (
        "qwen2",
        {"layer_types": "full"},
        ["config.json: layer_types must be a list, got 'full'"],
    ),
    "a number for a table": (
        "llama",
        {"rope_parameters": 3},
        ["config.json: rope_parameters must be a dict, got 3"],
    ),
    "a word for yes": (
        "t5",
        {"scale_decoder_outputs": "yes"},
        ["config.json: scale_decoder_outputs must be a bool, got 'yes'"],
    ),
    "half a head turned, in older files": (
        "llama",
        {"partial_rotary_factor": 0.5, "rope_parameters": None},
        ["partial_rotary_factor"],
    ),
    "a GPT-2 with another head": (
        "gpt2",
        {"tie_word_embeddings": False},
        ["tie_word_embeddings=False"],
    ),
    "a T5 with a longer decoder": (
        "t5",
        {"num_decoder_layers": 3},
        ["num_decoder_layers=3 does not fit the weights", "lacks", "decoder.block.2."],
    ),
    "half a head turned": (
        "llama",
        {"rope_parameters": {"partial_rotary_factor": 0.5}},
        ["partial_rotary_factor"],
    ),
    "an unknown layer type": (
        "gemma2",
        {"layer_types": ["chunked_attention"] * 2},
        ["layer_types", "'chunked_attention'"],
    ),
    "too few layer types": (
        "gemma2",
        {"layer_types": ["full_attention"]},
        ["layer_types must name 2 layers, got 1"],
    ),
    "relative positions": (
        "bert",
        {"position_embedding_type": "relative_key"},
        ["position_embedding_type='relative_key'", "not built"],
    ),
    "a BERT that decodes": ("bert", {"is_decoder": True}, ["is_decoder=True"]),
    "two groups of layers": ("albert", {"num_hidden_groups": 2}, ["num_hidden_groups=2"]),
    "a RoBERTa that decodes": ("roberta", {"is_decoder": True}, ["is_decoder=True"]),
    "an ELECTRA with another context": (
        "electra",
        {"add_cross_attention": True},
        ["add_cross_attention=True"],
    ),
    "padding behind the last position": (
        "roberta",
        {"pad_token_id": 19},
        ["pad_token_id must leave a row behind its own, and there are 20 positions, got 19"],
    ),
    "no padding to count from": (
        "camembert",
        {"pad_token_id": None},
        ["pad_token_id must be a token's id"],
    ),
    "a tied RoBERTa with two tables": (
        "xlm_roberta",
        {"tie_word_embeddings": True},
        ["tie_word_embeddings=True does not fit", "'lm_head.decoder.weight' should be the same"],
    ),
    **{
        f"an untied {family} without a table": (
            family,
            {"tie_word_embeddings": False},
            ["tie_word_embeddings=False does not fit the weights", "lacks", f"'{head}.weight'"],
        )
        for family, head in (
            ("roberta", "lm_head.decoder"),
            ("electra", "generator_lm_head"),
            ("modernbert", "decoder"),
        )
    },
    "biases": ("modernbert", {"attention_bias": True}, ["attention_bias=True is not built"]),
    "biases of gates": ("modernbert", {"mlp_bias": True}, ["mlp_bias=True is not built"]),
    "biases of norms": ("modernbert", {"norm_bias": True}, ["norm_bias=True is not built"]),
    "a bias of the head": (
        "modernbert",
        {"classifier_bias": True},
        ["classifier_bias=True is not built"],
    ),
    "no bias of the logits": (
        "modernbert",
        {"decoder_bias": False},
        ["decoder_bias=False is not built"],
    ),
    "one rotary table for two": (
        "modernbert",
        {"rope_parameters": {"rope_theta": 7.0}},
        ["rope_parameters may have full_attention and sliding_attention here", "'rope_theta'"],
    ),
    "one rotary scaling for two": (
        "modernbert",
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        ["rope_scaling=", "not built"],
    ),
    "half a head turned in some layers": (
        "modernbert",
        {"rope_parameters": {"full_attention": {"partial_rotary_factor": 0.5}}},
        ["rope_parameters", "partial_rotary_factor"],
    ),
    "a number for one of the tables": (
        "modernbert",
        {"rope_parameters": {"sliding_attention": 3}},
        ["rope_parameters: sliding_attention must be a dict, got 3"],
    ),
    "two windows": (
        "modernbert",
        {"sliding_window": 64},
        ["sliding_window must be local_attention // 2, 3"],
    ),
    "a recipe that Phi-3 does not have": (
        "phi3",
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
        ["rope_parameters=", "not built here, only 'default' and 'longrope'"],
    ),
    "a Phi-3 with biases": ("phi3", {"attention_bias": True}, ["attention_bias=True is not built"]),
    "a Phi-3 of other heads": (
        "phi3",
        {"num_key_value_heads": 2},
        ["num_key_value_heads=2", "k_proj.weight", "(16, 16)", "(8, 16)"],
    ),
    "an OLMo 2 with biases that it has not": (
        "olmo2",
        {"attention_bias": False},
        ["attention_bias=False does not fit the weights", "q_proj.bias"],
    ),
    "a part of a head of OLMo 2": (
        "olmo2",
        {"partial_rotary_factor": 0.5},
        ["partial_rotary_factor=0.5 is not built here, only 1.0"],
    ),
    "heads that share no rows": (
        "gpt_neox",
        {"num_attention_heads": 5},
        ["num_attention_heads does not fit the weights", "5 heads cannot share the 48 rows of"],
    ),
    "a part of an odd number of columns": (
        "gpt_neox",
        {"rotary_pct": 0.4, "rope_parameters": None},
        ["rotary_pct must turn an even number of columns, at least 2: 0.4 of 8 columns is 3"],
    ),
    "the same in newer files": (
        "gpt_neox",
        {"rope_parameters": {"partial_rotary_factor": 0.1}},
        ["rope_parameters", "partial_rotary_factor must turn an even number", "is 0"],
    ),
    "two bases": (
        "gpt_neox",
        {"rope_theta": 500_000.0},
        ["rope_theta=500000.0 is not built here, only 10000.0, as rotary_emb_base"],
    ),
    "two parts": (
        "gpt_neox",
        {"partial_rotary_factor": 1.0},
        ["partial_rotary_factor=1.0 is not built here, only 0.25, as rotary_pct"],
    ),
    "heads of another width": (
        "modernbert",
        {"head_dim": 8},
        ["head_dim must be hidden_size // num_attention_heads, 4"],
    ),
    "three layers, two types": (
        "modernbert",
        {"layer_types": ["full_attention"] * 2},
        ["layer_types must name 3 layers, got 2"],
    ),
    "a BART with a longer encoder": (
        "bart",
        {"encoder_layers": 3},
        ["encoder_layers=3 does not fit the weights", "lacks 16 of", "encoder.layers.2."],
    ),
    "a BART with a shorter decoder": (
        "bart",
        {"decoder_layers": 1},
        ["decoder_layers=1 does not fit the weights", "nobody reads", "decoder.layers.1."],
    ),
    "sides of unequal heads": ("bart", {"decoder_attention_heads": 2}, ["=2 is not built here"]),
    "two vocabularies": (
        "marian",
        {"share_encoder_decoder_embeddings": False},
        ["share_encoder_decoder_embeddings=False"],
    ),
    "an unknown feed-forward": (
        "t5",
        {"feed_forward_proj": "mixed-gelu"},
        ["feed_forward_proj='mixed-gelu'"],
    ),
    "both directions": (
        "gemma2",
        {"use_bidirectional_attention": True},
        ["use_bidirectional_attention=True"],
    ),
    "another number of heads": (
        "bert",
        {"num_attention_heads": 5},
        ["d_model=16 must be divisible by n_heads=5"],
    ),
    "a string for a number": (
        "bert",
        {"num_hidden_layers": "2"},
        ["num_hidden_layers must be a whole number, got '2'"],
    ),
    "a list for a number": (
        "llama",
        {"hidden_size": [16]},
        ["config.json: hidden_size must be a whole number"],
    ),
    "no layers": ("gpt2", {"n_layer": 0}, ["config.json: n_layer must be at least 1"]),
    "a word for a cap": (
        "gemma2",
        {"attn_logit_softcapping": "soft"},
        ["config.json: attn_logit_softcapping must be a number"],
    ),
    "a window of nothing": (
        "gemma2",
        {"sliding_window": 0},
        ["config.json: sliding_window must be at least 1"],
    ),
    "a negative eps": (
        "t5",
        {"layer_norm_epsilon": -1},
        ["config.json: layer_norm_epsilon must be a finite number above 0"],
    ),
    "more layers than the file": (
        "bert",
        {"num_hidden_layers": 3},
        ["lacks 16 of the tensors", "encoder.layer.2."],
    ),
    "many more": (
        "bert",
        {"num_hidden_layers": 5},
        ["num_hidden_layers=5", "lacks 48 of the tensors"],
    ),
    "fewer layers than the file": (
        "bert",
        {"num_hidden_layers": 1},
        ["nobody reads", "encoder.layer.1."],
    ),
    "another width": ("bert", {"hidden_size": 32}, ["must have the shape", "(48, 32)", "(48, 16)"]),
    "another hidden width": ("gpt2", {"n_inner": 99}, ["h.0.mlp.c_fc", "99"]),
    "another number of kv heads": (
        "llama",
        {"num_key_value_heads": 4},
        ["k_proj.weight", "(16, 16)", "(8, 16)"],
    ),
}


@pytest.mark.parametrize("problem", CONFIGS)
def test_a_config_that_is_not_built_is_refused(tmp_path, problem):
    family, change, parts = CONFIGS[problem]
    refused(changed(tmp_path, family, change=change), (ValueError, TypeError), *parts)


NULLS = {
    "llama": ["attention_bias", "quantization_config", "rope_scaling", "pretraining_tp"],
    "qwen2": ["tie_word_embeddings", "layer_types"],
    "gemma2": ["layer_types"],
    "gemma3_text": ["layer_types", "rope_parameters", "rope_scaling", "attn_logit_softcapping"],
    "t5": ["scale_decoder_outputs"],
    "marian": ["scale_embedding"],
    "bert": ["is_decoder", "quantization_config"],
    "roberta": ["is_decoder", "tie_word_embeddings"],
    "gpt_neox": ["rope_parameters", "rope_scaling", "head_dim", "tie_word_embeddings"],
    "phi3": ["rope_parameters", "rope_scaling", "sliding_window"],
    "olmo2": ["rope_parameters", "rope_scaling"],
    "modernbert": ["layer_types", "norm_bias", "rope_parameters", "sliding_window"],
}


@pytest.mark.parametrize("family", NULLS)
def test_null_is_the_same_as_missing_and_not_refused(tmp_path, family):
    ref = reference(family)
    null = changed(tmp_path, family, change=dict.fromkeys(NULLS[family]), name="null")
    missing = changed(tmp_path, family, drop=NULLS[family], name="missing")
    np.testing.assert_array_equal(
        forward(load(null), ref).output, forward(load(missing), ref).output
    )


@pytest.mark.parametrize("family", FOLDERS)
def test_every_key_of_a_config_that_is_needed_is_asked_for(tmp_path, family):
    needed = {
        "gpt2": "n_head",
        "distilbert": "n_heads",
        "bart": "encoder_layers",
        "marian": "encoder_layers",
    }
    key = needed.get(family, "num_heads" if family.startswith("t5") else "num_attention_heads")
    refused(changed(tmp_path, family, drop=[key]), ValueError, f"config.json has no {key!r}")


@pytest.mark.parametrize("family", FOLDERS)
def test_missing_extra_and_misshapen_tensors_are_named(tmp_path, family):
    spare = {"final_logits_bias"}
    if family == "xlm_roberta":  # not tied: it has the bias of its logits twice
        spare |= {"lm_head.bias", "lm_head.decoder.bias"}
    names = sorted({*read_tensors(FIXTURES / family / "model.safetensors")} - spare)
    some = [names[0], names[len(names) // 2], names[-1]]
    for i, name in enumerate(some):
        folder = changed(
            tmp_path,
            family,
            tensors=lambda t, name=name: {n: a for n, a in t.items() if n != name},
            name=f"missing{i}",
        )
        if name in ("lm_head.weight", "embed_out.weight") and not family.startswith("t5"):
            assert load(folder).model.headless  # as embedding models are published
        elif name == "decoder.bias":
            assert load(folder).model.head is None
        else:
            refused(folder, ValueError, "model.safetensors" if "head" in name else "lacks")
        folder = changed(
            tmp_path,
            family,
            tensors=lambda t, name=name: t | {name: t[name][..., :-1]},
            name=f"shape{i}",
        )
        refused(folder, ValueError, "must have the shape")
    folder = changed(
        tmp_path,
        family,
        tensors=lambda t: t | {"adapter.weight": np.ones(3, np.float32)},
        name="extra",
    )
    refused(folder, ValueError, "nobody reads", "'adapter.weight'")


def test_a_second_copy_that_differs_is_refused(tmp_path):
    tensors = plus(**{"lm_head.weight": np.ones((48, 16), np.float32)})
    refused(
        changed(tmp_path, "gpt2", tensors=tensors),
        ValueError,
        "'lm_head.weight' should be the same as 'wte.weight'",
    )


@pytest.mark.parametrize("size", [0, 4, 100, 5000, -1])
def test_a_file_that_is_cut_short_is_refused(tmp_path, size):
    folder = changed(tmp_path, "bert")
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:size])
    refused(folder, ValueError, "model.safetensors", "damaged")


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_a_header_that_lies_is_refused(tmp_path, family):
    folder = changed(tmp_path, family)
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    path.write_bytes((2**63).to_bytes(8, "little") + raw[8:])
    refused(folder, ValueError, "damaged")
    path.write_bytes(raw.replace(b'"data_offsets":[0,', b'"data_offsets":[8,', 1))
    refused(folder, ValueError, "damaged")


def test_whole_numbers_for_weights_are_refused(tmp_path):
    tensors = lambda t: {name: (array * 10).astype(np.int8) for name, array in t.items()}  # noqa: E731
    refused(changed(tmp_path, "llama", tensors=tensors), ValueError, "I8", "quantised")
    for kind in (np.int64, bool):  # read, since buffers are whole numbers, but not for a weight

        def tensors(t, kind=kind):
            return t | {"model.norm.weight": t["model.norm.weight"].astype(kind)}

        folder = changed(tmp_path, "llama", tensors=tensors, name=kind.__name__)
        refused(
            folder, ValueError, "'norm.weight' in", "must hold numbers with a point", kind.__name__
        )


def test_pickles_and_shards_are_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "opened"),))

    folder = changed(tmp_path, "bert")
    (folder / "model.safetensors").unlink()
    refused(folder, FileNotFoundError, "has no model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    refused(folder, ValueError, "'pytorch_model.bin'", "pickle", "Only model.safetensors is read")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused(folder, ValueError, "must have a weight_map")
    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    refused(folder, ValueError, "damaged")
    assert not (tmp_path / "opened").exists()


BOMB = {"Regex": "(a+)+$"}
SPLIT = {"type": "Split", "pattern": BOMB, "behavior": "Isolated", "invert": False}
TOKENIZERS = {
    "a pattern that tries without end": {"pre_tokenizer": SPLIT},
    "the same in a list": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT]}},
    "the same in the normalizer": {
        "normalizer": {"type": "Replace", "pattern": BOMB, "content": "x"}
    },
    "a pattern that is none": {"pre_tokenizer": SPLIT | {"pattern": {"Regex": "("}}},
    "an unknown part": {"pre_tokenizer": {"type": "Guess"}},
    "an unknown model": {"model": {"type": "Oracle"}},
    "no model": {"model": None},
    "a word for a number": {"added_tokens": [{"id": "x", "content": "y"}]},
    "a mark that the vocabulary lacks": {
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}
    },
    "merges of pieces that are not there": {
        "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["b c"]}
    },
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_tokenizer_that_fails_gets_a_sentence(tmp_path, case):
    """When it is read, or used. In some of these its library panics, which is no Exception."""
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    plain = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"},
    }
    folder = changed(tmp_path, "bert")
    (folder / "tokenizer.json").write_text(json.dumps(plain))
    assert load(folder).encode("aaa").tolist() == [1]
    (folder / "tokenizer.json").write_text(json.dumps(plain | TOKENIZERS[case]))
    with pytest.raises(ValueError, match=re.escape(str(folder / "tokenizer.json"))) as caught:
        load(folder).encode("a" * 40 + "!")
    said = str(caught.value)
    assert "Fetch the folder anew" in said and "\n" not in said and len(said) < 700
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_half_a_sign_in_a_text_is_read_as_a_question_mark(tmp_path):
    """A text that was cut within an emoji: the library would call it no string."""
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    folder = changed(tmp_path, "bert")
    words = {"a": 0, "?": 1, "[x]": 2}
    (folder / "tokenizer.json").write_text(
        json.dumps(
            {
                "pre_tokenizer": {"type": "Whitespace"},
                "model": {"type": "WordLevel", "vocab": words, "unk_token": "[x]"},
            }
        )
    )
    assert load(folder).tokenizer.encode("a \ud83d a").tolist() == [0, 1, 0]


def test_a_tokenizer_lets_an_interrupt_through(tmp_path, monkeypatch):
    """And the caller's own mistakes: only what its library breaks is put into words."""
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    folder = changed(tmp_path, "bert")
    (folder / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})
    )
    tokenizer = load(folder).tokenizer
    with pytest.raises(TypeError):
        tokenizer.encode(5)
    with pytest.raises((OverflowError, TypeError)):
        tokenizer.tokens([-1])
    for error in (KeyboardInterrupt, SystemExit, MemoryError):
        inner = type(
            "Inner", (), {"encode": lambda self, *_, e=error, **__: (_ for _ in ()).throw(e())}
        )()
        monkeypatch.setattr(tokenizer, "inner", inner)
        with pytest.raises(error):
            tokenizer.encode("a")


def test_what_is_no_checkpoint_at_all(tmp_path):
    refused(
        tmp_path / "nowhere",
        FileNotFoundError,
        "there is no folder",
        "nowhere",
        "'tiny-gpt'",
        "'minilm'",
    )
    refused("gpt-5", ValueError, "there is no folder 'gpt-5', and no model of that name", "'gpt2'")
    refused(tmp_path, FileNotFoundError, "is not a checkpoint: it has no config.json")
    folder = changed(tmp_path, "bert")
    refused(folder / "model.safetensors", ValueError, "is a file", f"{str(folder)!r}")
    for text in ("{", "", "\x00\xff", "[1, 2]", '"bert"', "null"):
        (folder / "config.json").write_bytes(text.encode("latin-1"))
        refused(folder, ValueError, "config.json")
    for wrong in (None, 3, ["bert"]):
        with pytest.raises(TypeError, match="path_or_name must be a string or a path"):
            load(wrong)


def test_without_the_libraries_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    refused(FIXTURES / "bert", ImportError, "pip install 'attnlib[models]'")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    folder = changed(tmp_path, "bert")
    (folder / "tokenizer.json").write_text("{}")
    model = load(folder)
    assert model.forward([3, 4]).tokens == ["3", "4"]
    with pytest.raises(ValueError, match=r"tokenizers library: pip install 'attnlib\[models\]'"):
        model("a text")


def test_ids_and_masks_that_do_not_fit():
    for family, name in (("bert", "ids"), ("gpt2", "ids"), ("t5", "ids")):
        model = load(FIXTURES / family)
        more = {"decoder_ids": [0]} if family == "t5" else {}
        for ids, error in (
            ([48], ValueError),
            ([-1], ValueError),
            ([[]], ValueError),
            ([0.5], TypeError),
            (3, ValueError),
        ):
            with pytest.raises(error, match=f"{name} must"):
                model.forward(ids, **more)
        mask = "source_mask" if family == "t5" else "mask"
        with pytest.raises(ValueError, match=r"mask (must have the shape of ids|has the shape)"):
            model.forward([3, 4], **{mask: np.ones(3, bool)}, **more)
        with pytest.raises(TypeError, match="mask must be boolean"):
            model.forward([3, 4], **{mask: [1, 1]}, **more)
    for family in ("bert", "gpt2", "bart"):
        with pytest.raises(ValueError, match=r"20 (rows|tokens)"):
            load(FIXTURES / family).forward(
                np.full(21, 3), **({"decoder_ids": [0]} if family == "bart" else {})
            )
