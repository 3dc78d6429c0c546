"""Checkpoints as people have them: in shards, without a head or with others, wrapped, of two sides
that differ, with older tokenizers, and what is no checkpoint at all. Each kind opens as the whole
one does, or is refused in words that say what to do.
"""

import json
import shutil

import numpy as np
import pytest
from checkpoints import (
    FIXTURES,
    FOLDERS,
    LOGITS,
    WEIGHTS,
    changed,
    close,
    forward,
    plus,
    reference,
    refused,
)

from attnlib.models.files.checkpoint import read_tensors
from attnlib.models.pretrained import load
from attnlib.models.text import TextEncoder

save_file = pytest.importorskip(
    "safetensors.numpy", reason="pip install 'attnlib[models]'"
).save_file
pytestmark = pytest.mark.filterwarnings("error")
WRITERS = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt_neox"]
WRITERS += ["phi3", "olmo2"]
SIDES = ["t5", "t5_gated", "bart", "marian"]


def tensors_of(family):
    tensors = read_tensors(FIXTURES / family / "model.safetensors")
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def same(model, ref):
    """All that the reference says of a whole checkpoint."""
    trace = forward(model, ref)
    close(trace.weights, ref["weights"], WEIGHTS)
    close(trace.output, ref["logits"], LOGITS)


# ---- shards --------------------------------------------------------------------------------------


def sharded(tmp_path, family, n=3):
    """The checkpoint with its tensors dealt to n files, and the index of these."""
    folder = changed(tmp_path, family)
    (folder / "model.safetensors").unlink()
    tensors, where = tensors_of(family), {}
    for i in range(n):
        shard = f"model-{i + 1:05}-of-{n:05}.safetensors"
        part = dict(list(tensors.items())[i::n])
        save_file(part, folder / shard)
        where |= dict.fromkeys(part, shard)
    write_index(folder, where)
    return folder, where


def write_index(folder, where):
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("family", FOLDERS)
def test_a_checkpoint_in_shards(tmp_path, family):
    folder, _ = sharded(tmp_path, family)
    same(load(folder), reference(family))
    (folder / "consolidated.safetensors").write_bytes(b"beside them, and not in the index")
    same(load(folder), reference(family))


@pytest.mark.parametrize(
    "name",
    [
        "../other.safetensors",
        "/etc/passwd",
        "/tmp/model.safetensors",
        "sub/model.safetensors",
        "..",
        "",
        "..\\other.safetensors",
        "C:model.safetensors",
        "model.bin",
        ".safetensors",
        "a\nb.safetensors",
        5,
        None,
        ["model.safetensors"],
    ],
)
def test_an_index_names_files_beside_it_alone(tmp_path, name):
    folder, where = sharded(tmp_path, "llama")
    save_file(tensors_of("llama"), tmp_path / "other.safetensors")
    write_index(folder, where | {"lm_head.weight": name})
    refused(folder, ValueError, "index.json' must hold names", "without a path")


def test_shards_that_do_not_fit_their_index(tmp_path):
    folder, where = sharded(tmp_path, "llama")
    first, second = sorted(set(where.values()))[:2]
    write_index(folder, where | {"model.more": first})
    refused(folder, ValueError, "names files that lack 1 of the tensors: 'model.more'")
    write_index(folder, dict.fromkeys(where, first))
    refused(folder, ValueError, "names files that lack", "of the tensors")
    shutil.copy(folder / first, folder / "twice.safetensors")
    write_index(folder, where | {next(iter(where)): "twice.safetensors"})
    refused(folder, ValueError, "names files that both hold")
    (folder / second).unlink()
    write_index(folder, where)
    refused(folder, FileNotFoundError, f"names {second!r}, which is not there")
    for text in ("{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}'):
        (folder / "model.safetensors.index.json").write_text(text)
        refused(folder, ValueError, "model.safetensors.index.json")
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, FileNotFoundError, "no model.safetensors.index.json, which says what lies in")


# ---- heads ---------------------------------------------------------------------------------------


def base(family, prefix):
    """The tensors of the model without its head, with and without what its class puts in front."""

    def tensors(given):
        heads = ("lm_head", "cls.", "vocab_", "predictions", "final_logits")
        return {
            name.removeprefix(prefix): array
            for name, array in given.items()
            if not name.startswith(heads)
        }

    return tensors


@pytest.mark.parametrize("family", ["llama", "mistral"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_untied_model_without_its_head(tmp_path, family, prefix):
    """As embedding models are published: the attentions need no head."""
    ref = reference(family)
    folder = changed(tmp_path, family, tensors=base(family, prefix))
    model, whole = load(folder), load(FIXTURES / family)
    trace = forward(model, ref)
    close(trace.weights, ref["weights"], WEIGHTS)
    assert trace.output.shape == (len(ref["ids"]), 16)  # the last hidden state, which is scored so
    close(trace.output @ whole.model.unembedding, ref["logits"], LOGITS)
    close(model.model.forward(ref["ids"]).output, trace.output, 0)
    for use in (lambda: model.model.logits(ref["ids"]), lambda: model.generate("a")):
        with pytest.raises(ValueError, match=r"no head \(lm_head.weight\)|no tokenizer"):
            use()


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "gemma2", "gemma3_text"])
def test_an_untied_config_beside_a_file_without_a_head(tmp_path, family):
    ref, change = reference(family), {"tie_word_embeddings": False}
    model = load(changed(tmp_path, family, change=change))
    close(forward(model, ref).weights, ref["weights"], WEIGHTS)
    assert model.model.headless and forward(model, ref).output.shape[-1] == 16


def test_a_t5_without_its_head(tmp_path):
    ref = reference("t5_gated")
    change = {"tie_word_embeddings": False, "scale_decoder_outputs": None}
    folder = changed(tmp_path, "t5_gated", change=change, tensors=base("t5_gated", ""))
    model = load(folder)
    trace = forward(model, ref)
    close(trace.cross_weights, ref["cross_weights"], WEIGHTS)
    close(trace.output @ tensors_of("t5_gated")["lm_head.weight"].T, ref["logits"], 2e-3)
    with pytest.raises(ValueError, match="no head"):
        model.forward(ref["ids"])


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "gemma2", "gemma3_text"])
def test_a_tied_model_with_a_copy_of_its_head(tmp_path, family):
    ref = reference(family)
    copied = plus(**{"lm_head.weight": "model.embed_tokens.weight"})
    same(load(changed(tmp_path, family, tensors=copied)), ref)
    wrong = plus(**{"lm_head.weight": np.ones((48, 16), np.float32)})
    folder = changed(tmp_path, family, tensors=wrong, name="wrong")
    refused(folder, ValueError, "tie_word_embeddings=True", "'lm_head.weight' should be the same")
    drop = ["tie_word_embeddings"]
    if "gemma" in family:  # whose class ties unless told otherwise
        refused(changed(tmp_path, family, tensors=wrong, drop=drop, name="a"), ValueError, "same")


OTHERS = {
    "gpt2": ["score.weight", "classifier.bias", "multiple_choice_head.summary.weight"],
    "llama": ["score.weight", "v_head.summary.weight", "qa_outputs.bias"],
    "qwen3": ["score.weight", "classifier.weight", "linear.weight", "custom_text_proj.bias"],
    "bert": ["classifier.weight", "bert.pooler.dense.weight", "linear.weight", "qa_outputs.bias"],
    "distilbert": ["pre_classifier.weight", "classifier.bias", "qa_outputs.weight"],
    "albert": ["albert.pooler.weight", "sop_classifier.classifier.weight"],
    "roberta": ["roberta.pooler.dense.weight", "classifier.dense.weight", "qa_outputs.bias"],
    "electra": [
        "discriminator_predictions.dense.weight",
        "discriminator_predictions.dense_prediction.bias",
        "sequence_summary.summary.weight",
    ],
    "modernbert": ["classifier.weight"],
    "gpt_neox": ["score.weight", "classifier.bias", "qa_outputs.weight"],
    "bart": ["classification_head.dense.weight", "classification_head.out_proj.bias"],
    "t5": ["classification_head.dense.weight", "qa_outputs.weight"],
}


@pytest.mark.parametrize("family", OTHERS)
def test_heads_for_other_tasks_are_left_out_and_named(tmp_path, family):
    heads = {name: np.ones((2, 16), np.float32) for name in OTHERS[family]}
    model = load(changed(tmp_path, family, tensors=plus(**heads)))
    same(model, reference(family))
    assert sorted(model.about["ignored"]) == sorted(heads)
    inside = {"gpt2": "transformer.h.0.", "bert": "bert.encoder.layer.0."}.get(family, "model.")
    odd = plus(**{inside + "score.weight": np.ones((2, 16), np.float32)})
    # within the model nothing is left out
    if family in ("gpt2", "bert"):
        refused(changed(tmp_path, family, tensors=odd, name="odd"), ValueError, "nobody reads")


def test_a_classifier_in_place_of_the_head(tmp_path):
    ref = reference("llama")
    score = {"score.weight": np.ones((2, 16), np.float32)}
    folder = changed(tmp_path, "llama", tensors=lambda t: base("llama", "")(t) | score)
    model = load(folder)
    close(forward(model, ref).weights, ref["weights"], WEIGHTS)
    assert model.about["ignored"] == ["score.weight"] and model.model.headless


FRONTS = [
    "model.",
    "transformer.",
    "bert.",
    "pretrained_model.",
    "module.",
    "_orig_mod.",
    "base_model.model.",
    "model.module.",
    "0.auto_model.",
    "a.b.c.",
]


@pytest.mark.parametrize("family", FOLDERS)
@pytest.mark.parametrize("front", FRONTS)
def test_what_wrappers_put_in_front(tmp_path, family, front):
    wrapped = lambda tensors: {front + name: array for name, array in tensors.items()}  # noqa: E731
    same(load(changed(tmp_path, family, tensors=wrapped)), reference(family))


@pytest.mark.parametrize("family", FOLDERS)
def test_names_without_what_the_class_puts_in_front(tmp_path, family):
    bare = lambda tensors: {  # noqa: E731
        name.removeprefix("model.").removeprefix("transformer.").removeprefix(f"{family}."): array
        for name, array in tensors.items()
    }
    if family == "distilbert":  # whose layers are called so, too
        bare = lambda tensors: {n.removeprefix("distilbert."): a for n, a in tensors.items()}  # noqa: E731
    same(load(changed(tmp_path, family, tensors=bare)), reference(family))


def test_two_models_in_one_file(tmp_path):
    two = lambda t: {f"{who}.{n}": a for n, a in t.items() for who in ("model", "ref_model")}  # noqa: E731
    refused(changed(tmp_path, "gpt2", tensors=two), ValueError, "more than one model", "ref_model.")
    lora = plus(**{"model.layers.0.self_attn.q_proj.lora_A.weight": np.ones((2, 16), np.float32)})
    refused(changed(tmp_path, "llama", tensors=lora), ValueError, "adapter", "merge_and_unload")


BUFFERS = {
    "gpt2": ["h.0.attn.bias", "h.1.attn.masked_bias", "transformer.h.0.attn.bias"],
    "bert": ["bert.embeddings.position_ids", "bert.embeddings.token_type_ids"],
    "distilbert": ["distilbert.embeddings.position_ids"],
    "albert": ["albert.embeddings.position_ids", "albert.embeddings.token_type_ids"],
    "roberta": ["roberta.embeddings.position_ids", "roberta.embeddings.token_type_ids"],
    "electra": ["electra.embeddings.position_ids"],
    "modernbert": ["model.layers.1.attn.rotary_emb.inv_freq"],
    "gpt_neox": [
        "gpt_neox.layers.0.attention.bias",
        "gpt_neox.layers.1.attention.masked_bias",
        "gpt_neox.layers.1.attention.rotary_emb.inv_freq",
    ],
    "llama": [
        "model.layers.1.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
        "model.layers.0.self_attn.rotary_emb.cos_cached",
        "model.layers.0.self_attn.rotary_emb.sin_cached",
    ],
    "qwen2": ["model.rotary_emb.original_inv_freq"],
    "bart": ["model.encoder.position_ids", "model.decoder.version"],
    "marian": ["model.encoder.embed_positions._float_tensor", "model.encoder.version"],
}


@pytest.mark.parametrize("family", BUFFERS)
def test_buffers_of_older_libraries(tmp_path, family):
    more = plus(**{name: np.arange(4)[None] for name in BUFFERS[family]})
    same(load(changed(tmp_path, family, tensors=more)), reference(family))


# ---- two sides -----------------------------------------------------------------------------------

DEEP = {"t5": ("num_layers", "num_decoder_layers", "block."), "t5_gated": None}
DEEP["t5_gated"] = DEEP["t5"]
DEEP |= dict.fromkeys(("bart", "marian"), ("encoder_layers", "decoder_layers", "layers."))


@pytest.mark.parametrize("family", SIDES)
def test_a_decoder_that_is_not_as_deep_as_the_encoder(tmp_path, family):
    """As distilbart: layer 0 does what it did, for it does not hear of the layers above."""
    ref, (_, key, part) = reference(family), DEEP[family]
    cut = f"decoder.{part}1."
    folder = changed(
        tmp_path,
        family,
        change={key: 1},
        tensors=lambda given: {name: a for name, a in given.items() if cut not in name},
    )
    trace = forward(load(folder), ref)
    close(trace.weights, ref["weights"], WEIGHTS)
    close(trace.decoder_weights, ref["decoder_weights"][:1], WEIGHTS)
    close(trace.cross_weights, ref["cross_weights"][:1], WEIGHTS)
    assert load(folder).forward(ref["ids"]).cross_weights.shape[0] == 1  # it writes, too


@pytest.mark.parametrize("family", SIDES)
def test_an_encoder_that_is_not_as_deep_as_the_decoder(tmp_path, family):
    ref, (key, other, part) = reference(family), DEEP[family]
    cut = f"encoder.{part}1."
    folder = changed(
        tmp_path,
        family,
        change={key: 1, other: 2},
        tensors=lambda given: {name: a for name, a in given.items() if cut not in name},
    )
    trace = forward(load(folder), ref)
    close(trace.weights, ref["weights"][:1], WEIGHTS)
    close(trace.decoder_weights[:1], ref["decoder_weights"][:1], WEIGHTS)
    assert trace.cross_weights.shape[0] == 2


@pytest.mark.parametrize("family", SIDES)
@pytest.mark.parametrize("own", ["shared", "encoder.embed_tokens"])
def test_an_encoder_alone(tmp_path, family, own):
    ref, shared = reference(family), {f"{front}shared.weight" for front in ("", "model.")}

    def encoder(given):
        kept = {n: a for n, a in given.items() if n.removeprefix("model.").startswith("encoder.")}
        front = "model." if any(name.startswith("model.") for name in given) else ""
        return kept | {f"{front}{own}.weight": a for n, a in given.items() if n in shared}

    drop = ["decoder_start_token_id", "eos_token_id"]
    model = load(changed(tmp_path, family, tensors=encoder, drop=drop))
    assert isinstance(model, TextEncoder)
    trace = model.forward(ref["ids"])
    close(trace.weights, ref["weights"], WEIGHTS)
    whole = load(FIXTURES / family).model
    close(trace.output, whole.encode(ref["ids"]), 0)
    assert trace.decoder_tokens is None and trace.tokens == [str(i) for i in ref["ids"].tolist()]
    mask = ref["padded.mask"]
    padded = model.forward(ref["padded.ids"], mask=mask[:, None, None])
    real = padded.weights[:, 1][..., mask[1], :]
    close(real, ref["padded.weights"][:, :, mask[1]], WEIGHTS)


def test_a_decoder_alone_is_refused(tmp_path):
    decoder = lambda given: {n: a for n, a in given.items() if "encoder." not in n}  # noqa: E731
    folder = changed(tmp_path, "bart", tensors=decoder)
    refused(folder, ValueError, "encoder_layers=2", "lacks all that begins with 'encoder.layers.0")


# ---- what a config does not say ------------------------------------------------------------------

ABSENT = {  # a missing key is what the reference's class takes; null, where it may be, is none
    "gemma2": {
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    },
    "gemma3_text": {
        "final_logit_softcapping": None,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "layer_types": ["sliding_attention"] * 3,
        "rope_parameters": {
            "full_attention": {"rope_theta": 1_000_000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10_000.0, "rope_type": "default"},
        },
    },
    "gpt_neox": {
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": True,
        "attention_bias": True,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_theta": 10_000, "partial_rotary_factor": 0.25},
    },
    "phi3": {
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "sliding_window": None,
        "original_max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_theta": 10_000, "rope_type": "default"},
    },
    "olmo2": {
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_theta": 10_000},
    },
    "mistral": {"sliding_window": 4096, "hidden_act": "silu", "rms_norm_eps": 1e-6},
    "qwen2": {"sliding_window": 4096, "max_window_layers": 28, "rms_norm_eps": 1e-6},
    "llama": {"hidden_act": "silu", "rms_norm_eps": 1e-6, "attention_bias": False},
    "gpt2": {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5},
    "bert": {"hidden_act": "gelu", "layer_norm_eps": 1e-12},
    "albert": {"hidden_act": "gelu_new", "layer_norm_eps": 1e-12},
    "camembert": {"hidden_act": "gelu", "pad_token_id": 1, "tie_word_embeddings": True},
    "xlm_roberta": {"layer_norm_eps": 1e-12, "pad_token_id": 1},
    "roberta": {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 1},
    "electra": {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "tie_word_embeddings": True},
    "modernbert": {
        "hidden_activation": "gelu",
        "classifier_activation": "gelu",
        "norm_eps": 1e-5,
        "local_attention": 128,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "full_attention": {"rope_theta": 160_000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10_000.0, "rope_type": "default"},
        },
    },
    "distilbert": {"activation": "gelu"},
    "t5": {"layer_norm_epsilon": 1e-6, "relative_attention_max_distance": 128},
    "bart": {"activation_function": "gelu", "scale_embedding": False},
    "marian": {"activation_function": "gelu", "scale_embedding": False},
}


@pytest.mark.parametrize(("family", "key"), [(f, key) for f in ABSENT for key in ABSENT[f]])
def test_a_missing_key_is_the_default_of_the_reference(tmp_path, family, key):
    ref, value = reference(family), ABSENT[family][key]
    missing = forward(load(changed(tmp_path, family, drop=[key])), ref)
    said = forward(load(changed(tmp_path, family, change={key: value}, name="said")), ref)
    close(missing.weights, said.weights, 0)
    close(missing.output, said.output, 0)


def test_missing_is_not_null(tmp_path):
    """A soft cap or a window that is null is none; gemma2's old hidden_act is not read."""
    for family, key in (("gemma2", "attn_logit_softcapping"), ("mistral", "sliding_window")):
        null = load(changed(tmp_path, family, change={key: None}, name=f"{family} null"))
        missing = load(changed(tmp_path, family, drop=[key], name=f"{family} missing"))
        block, other = null.model.blocks[0], missing.model.blocks[0]
        if family == "mistral":
            assert block.window is None and other.window == 4096
        else:
            found = block.attention.scoring, other.attention.scoring
            assert [one["softcap"] for one in found] == [None, 50.0]
    old = {"hidden_act": "gelu"}
    folder = changed(tmp_path, "gemma2", change=old, drop=["hidden_activation"], name="old")
    close(forward(load(folder), reference("gemma2")).output, reference("gemma2")["logits"], LOGITS)
    folder = changed(tmp_path, "bart", drop=["decoder_attention_heads"], name="heads")
    refused(folder, ValueError, "decoder_attention_heads=16 is not built here, only 4")
    full = {"use_sliding_window": True, "sliding_window": None, "layer_types": None}
    model = load(changed(tmp_path, "qwen2", change=full))
    close(forward(model, reference("qwen2")).weights, reference("qwen2")["full.weights"], WEIGHTS)


def test_an_end_that_nobody_chose(tmp_path):
    """50256 is what GPT-2's class writes in a config of any vocabulary; any other is an error."""
    model = load(changed(tmp_path, "gpt2", change={"eos_token_id": 50256}))
    assert model.stop is None
    folder = changed(tmp_path, "gpt2", change={"eos_token_id": 50255}, name="other")
    refused(folder, ValueError, "eos_token_id must be a token's id")


# ---- padding on the left -------------------------------------------------------------------------


@pytest.mark.parametrize("family", WRITERS)
@pytest.mark.parametrize("n_padding", [1, 3, 8])
def test_padding_on_the_left_changes_nothing(family, n_padding):
    """Positions count from the first token that the mask shows."""
    model, ids = load(FIXTURES / family), reference(family)["ids"]
    alone, n = model.forward(ids), len(ids)
    rows = np.stack([np.r_[np.zeros(n_padding, int), ids], np.r_[ids, np.full(n_padding, 7)]])
    mask = np.stack([np.arange(n + n_padding) >= n_padding, np.arange(n + n_padding) < n])
    trace = model.forward(rows, mask=mask[:, None, None])
    for i, real in enumerate((np.s_[n_padding:], np.s_[:n])):
        close(trace.weights[:, i, :, real, real], alone.weights, WEIGHTS)
        close(trace.output[i, real], alone.output, LOGITS)
    whole = mask[:, None, None] & np.tri(n + n_padding, dtype=bool)  # with the future in it
    close(model.forward(rows, mask=whole).output[0, n_padding:], alone.output, LOGITS)
    one = model.forward(rows[:1], mask=mask[:1])  # a batch of one, as a tokenizer gives it
    close(one.output[0, n_padding:], alone.output, LOGITS)
    counted = np.maximum(np.arange(n + n_padding) - n_padding, 0)
    close(model.forward(rows[:1], mask=mask[:1], positions=counted).output, one.output, 0)
    caches = model.model.caches()
    model.model.logits(rows[:1, :-2], mask=mask[:1, None, None, :-2], caches=caches)
    last = model.model.logits(rows[:1, -2:], mask=mask[:1, None, None], caches=caches)
    close(last[0], alone.output[-2:], LOGITS)


def test_a_pattern_is_no_padding():
    """Who hides a first token, but not from itself, or from a text alone, does not move it."""
    model, ids = load(FIXTURES / "gpt2").model, np.array([[5, 6, 7, 8], [9, 8, 7, 6]])
    given = {"positions": np.arange(4)}
    itself = np.eye(4, dtype=bool) | (np.arange(4) > 0)
    for rows, mask in ((ids, itself), (ids, itself[None, None] & np.ones((2, 1, 1, 1), bool))):
        moved = model.logits(rows, mask=mask) - model.logits(rows, mask=mask, **given)
        assert not moved.any()
    first, four = np.arange(4) > 0, ids[[0, 1, 1, 0]]
    window = np.tile(first, (4, 1))  # four texts of four tokens: rows of a pattern are queries
    assert not (model.logits(four, mask=window) - model.logits(four, mask=window, **given)).any()
    for mask in (first, first[None]):
        assert not (
            model.logits(ids[0], mask=mask) - model.logits(ids[0], mask=mask, **given)
        ).any()


@pytest.mark.parametrize("family", [*WRITERS, "bert"])
def test_a_mask_of_a_batch_needs_axes_for_heads_and_queries(family):
    model, ids = load(FIXTURES / family), np.full((3, 7), 5)  # nor 3 heads
    with pytest.raises(ValueError, match=r"mask has the shape of ids, .*\[:, None, None, :\]"):
        model.forward(ids, mask=np.ones((3, 7), bool))
    for odd in (np.ones((7, 3), bool), np.ones((3, 1, 7), bool), np.ones(6, bool)):
        with pytest.raises(ValueError, match="mask has the shape"):
            model.forward(ids, mask=odd)


# ---- what a model may write ----------------------------------------------------------------------


def slow_rules(scores, target, end, most, rules):
    """Which of the tokens may come next, rule by rule, in loops, from their definitions."""
    scores, ask = scores.astype(float).copy(), rules.get
    for i in set(target):
        factor = ask("repetition_penalty", 1)
        scores[i] = scores[i] * factor if scores[i] < 0 else scores[i] / factor
    barred = set()
    for i in range(len(scores)):
        longer, n = [*target, i], ask("no_repeat_ngram_size", 0)
        runs = [longer[j : j + n] for j in range(len(longer) - n + 1)]
        if n and len(longer) > n and runs[-1] in runs[:-1]:
            barred.add(i)
        for word in ask("bad_words_ids", []):
            if word != [end] and longer[-len(word) :] == word:
                barred.add(i)
    if len(target) - 1 < ask("min_new_tokens", ask("min_length", 0) - 1):
        barred.add(end)
    first, last = ask("forced_bos_token_id"), ask("forced_eos_token_id")
    if len(target) == most - 1 and last is not None:
        return np.array([0.0 if i == last else -np.inf for i in range(len(scores))])
    if len(target) == 1 and first is not None:
        return np.array([0.0 if i == first else -np.inf for i in range(len(scores))])
    barred |= set(ask("suppress_tokens", []))
    if len(target) == (1 if first is None else 2):
        barred |= set(ask("begin_suppress_tokens", []))
    return np.array([-np.inf if i in barred else scores[i] for i in range(len(scores))])


def some_rules(rng, end):
    words = [rng.integers(0, 48, rng.choice([1, 1, 2, 3])).tolist() for _ in range(25)]
    rules = {
        "bad_words_ids": [*words, [end]],
        "no_repeat_ngram_size": int(rng.integers(1, 4)),
        "min_length": int(rng.integers(1, 9)),
        "min_new_tokens": int(rng.integers(1, 9)),
        "forced_bos_token_id": int(rng.integers(3, 48)),
        "forced_eos_token_id": end,
        "repetition_penalty": float(rng.choice([0.7, 1.3])),
        "suppress_tokens": rng.integers(3, 48, 5).tolist(),
        "begin_suppress_tokens": rng.integers(3, 48, 9).tolist(),
    }
    return {name: rule for name, rule in rules.items() if rng.random() < 0.5}


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
@pytest.mark.parametrize("seed", range(12))
def test_the_rules_of_generation_config(tmp_path, family, seed):
    rng = np.random.default_rng(seed)
    ids, folder = rng.integers(3, 48, 7), changed(tmp_path, family)
    free = load(folder)
    rules = some_rules(rng, free.end)
    (folder / "generation_config.json").write_text(json.dumps(rules))
    model, n = load(folder), int(rng.integers(2, 12))
    target = [model.start]
    while len(target) <= n:
        scores = free.model.logits(ids, np.array(target))[-1]
        best = int(slow_rules(scores, target, model.end, n + 1, rules).argmax())
        if best == model.end:
            break
        target.append(best)
    assert model._written(ids, n).tolist() == target[1:]


def test_marian_does_not_write_its_padding(tmp_path):
    """Every published Marian forbids it so, for its score is 0 and all others are below."""
    folder = changed(
        tmp_path,
        "marian",
        tensors=lambda given: (
            given
            | {"final_logits_bias": np.where(np.arange(48) == 0, 40, 0).astype(np.float32)[None]}
        ),
    )
    assert set(load(folder)._written([5, 6, 2], 6)) == {0}
    for name in ("generation_config.json", "config.json"):  # the second as older files have it
        path = folder / name
        said = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(said | {"bad_words_ids": [[0]]}))
        written = load(folder)._written([5, 6, 2], 6)
        assert 0 not in written and len(written)
        if name == "generation_config.json":
            path.unlink()


def test_generation_config_has_the_last_word(tmp_path):
    """On tokens before config.json; on rules it alone, as the reference reads them."""
    folder = changed(tmp_path, "bart", change={"suppress_tokens": [5], "forced_bos_token_id": 7})
    assert load(folder).rules.suppress_tokens == [5]
    assert load(folder)._written([5, 6, 2], 3)[0] == 7
    (folder / "generation_config.json").write_text('{"decoder_start_token_id": 3}')
    model = load(folder)
    assert model.start == 3 and model.rules.suppress_tokens == []
    for family in ("t5", "bart"):
        keys = ["decoder_start_token_id", "eos_token_id"]
        folder = changed(tmp_path, family, drop=keys, name=f"{family} bare")
        refused(folder, ValueError, "config.json has no 'decoder_start_token_id'")
        said = '{"decoder_start_token_id": 4, "eos_token_id": [6, 7]}'
        (folder / "generation_config.json").write_text(said)
        assert (load(folder).start, load(folder).end) == (4, 6)
    folder = changed(tmp_path, "llama", drop=["eos_token_id"], name="llama")
    (folder / "generation_config.json").write_text('{"eos_token_id": [6, 7]}')
    assert load(folder).stop == [6, 7]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bad_words_ids", [5]),
        ("bad_words_ids", [[]]),
        ("bad_words_ids", [[48]]),
        ("no_repeat_ngram_size", -1),
        ("min_length", "x"),
        ("repetition_penalty", 0),
        ("forced_bos_token_id", 48),
        ("suppress_tokens", [-1]),
        ("decoder_start_token_id", 1e9),
    ],
)
def test_a_rule_that_is_none_is_refused(tmp_path, key, value):
    folder = changed(tmp_path, "bart")
    (folder / "generation_config.json").write_text(json.dumps({key: value}))
    refused(folder, ValueError, f"generation_config.json: {key} must be")
    (folder / "generation_config.json").write_text("{")
    refused(folder, ValueError, "generation_config.json' is not JSON")


def test_rules_that_are_not_built_let_a_model_read(tmp_path):
    ref, folder = reference("bart"), changed(tmp_path, "bart")
    said = {"encoder_no_repeat_ngram_size": 3, "guidance_scale": None, "num_beams": 4}
    (folder / "generation_config.json").write_text(json.dumps(said))
    model = load(folder)
    same(model, ref)
    with pytest.raises(ValueError, match=r"\(encoder_no_repeat_ngram_size=3\): give decoder_ids"):
        model.forward(ref["ids"])


# ---- tokenizers of older folders -----------------------------------------------------------------

LINES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "s", "##at", "on", "mat", "."]
MERGES = "#version: 0.2\nt h\nth e\n\u0120 c\na t\n\u0120c at\n"


def words(tmp_path, family="bert", **settings):
    folder = changed(tmp_path, family, name=f"words{len(list(tmp_path.iterdir()))}")
    (folder / "vocab.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def pairs(tmp_path, family, **settings):
    """A vocabulary of bytes: letters, the space, and what the merges make of them."""
    folder = changed(tmp_path, family, name=f"pairs{len(list(tmp_path.iterdir()))}")
    signs = ["<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>", *"thecasmo.12", "\u0120"]
    signs += ["th", "the", "\u0120c", "at", "\u0120cat"]
    (folder / "vocab.json").write_text(json.dumps({sign: i for i, sign in enumerate(signs)}))
    (folder / "merges.txt").write_text(MERGES, encoding="utf-8")
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("family", ["bert", "distilbert", "electra"])
def test_word_pieces_from_a_list_of_words(tmp_path, family):
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    model = load(words(tmp_path, family))
    wanted = ["[CLS]", "the", "cat", "s", "##at", "on", "[MASK]", ".", "[SEP]"]
    assert model.tokens("The CAT sat on [MASK].") == wanted
    assert model.encode("\u00e7at").tolist() == [2, 6, 3]  # without its accent
    assert model("the cat").weights.shape == (2, 4, 4, 4)
    cased = load(words(tmp_path, family, do_lower_case=False, tokenizer_class="BertTokenizer"))
    assert cased.encode("The cat").tolist() == [2, 1, 6, 3]
    marks = {"cls_token": "the", "sep_token": {"content": "."}}
    assert load(words(tmp_path, family, **marks)).encode("mat").tolist() == [5, 10, 11]


def test_byte_pairs_from_a_vocabulary_and_merges(tmp_path):
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    plain = load(pairs(tmp_path, "gpt2"))
    assert plain.tokens("the cat 12") == ["the", " cat", " ", "1", "2"]
    assert plain.tokens("the<|endoftext|>")[-1] == "<|endoftext|>"
    for family in ("bart", "roberta"):
        around = load(pairs(tmp_path, family))
        assert around.tokens("the cat") == ["<s>", "the", " cat", "</s>"]
        assert around.tokenizer.decode(around.encode("the cat")) == "the cat"
    front = load(pairs(tmp_path, "gpt2", add_prefix_space=True))
    assert front.tokens("cat") == [" cat"]
    added = {"4": {"content": "<|endoftext|>"}, "22": {"content": "<|im_start|>", "special": True}}
    qwen = load(pairs(tmp_path, "qwen2", added_tokens_decoder=added))
    assert qwen.tokens("<|im_start|>the cat") == ["<|im_start|>", "the", " cat"]


def test_where_no_recipe_stands_the_sentence_says_what_to_do(tmp_path):
    """Without a tokenizer, with one of another kind, or with half of its files."""
    other = words(tmp_path, "bert", tokenizer_class="BertJapaneseTokenizer")
    half = pairs(tmp_path, "gpt2")
    (half / "merges.txt").unlink()
    pieces = changed(tmp_path, "camembert")  # as published first: SentencePiece alone
    (pieces / "sentencepiece.bpe.model").write_bytes(b"")
    for folder in (other, half, pieces, changed(tmp_path, "t5"), pairs(tmp_path, "llama")):
        model = load(folder)
        assert model.forward([3, 4], **({"decoder_ids": [0]} if "t5" in str(folder) else {}))
        with pytest.raises(ValueError, match=r"has no tokenizer.json; without it") as caught:
            model.encode("the cat")
        assert f"AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained" in str(
            caught.value
        )
    marian = changed(tmp_path, "marian")
    (marian / "source.spm").write_bytes(b"")
    with pytest.raises(ValueError, match=r"\(text\).input_ids"):
        load(marian).encode("the cat")


def test_older_files_that_are_damaged(tmp_path):
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    for name, text in (
        ("vocab.json", "{"),
        ("vocab.json", '{"a": "b"}'),
        ("vocab.json", '{"a": -1}'),
        ("merges.txt", "a b c\n"),
        ("merges.txt", "x y\n"),
        ("tokenizer_config.json", "[1]"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"9": {"content": "new"}}}'),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {}}}'),
        ("tokenizer_config.json", '{"cls_token": "nowhere"}'),
    ):
        folder = pairs(tmp_path, "bart")
        (folder / name).write_text(text)
        refused(folder, ValueError, str(folder))


# ---- what is no folder with a checkpoint ---------------------------------------------------------


def test_a_file_in_place_of_its_folder(tmp_path):
    folder = changed(tmp_path, "bert")
    for name, words in (
        ("model.safetensors", f"is a file; load takes the folder .*: {str(folder)!r}"),
        ("config.json", f": {str(folder)!r}"),
        ("model.gguf", "is no GGUF file: it is too short"),
        ("pytorch_model.bin", r"is a file \(a pickle"),
        ("model.pt", r"is a file \(a pickle"),
        ("model.zip", r"is a file \(an archive: unpack it first\)"),
    ):
        (folder / name).touch()
        for path in (folder / name, str(folder / name)):
            with pytest.raises(ValueError, match=words):
                load(path)
    (tmp_path / "alone.bin").touch()
    refused(tmp_path / "alone.bin", ValueError, "is a file", "config.json and model.safetensors")


@pytest.mark.parametrize("with_model", [False, True])
def test_an_adapter(tmp_path, with_model):
    """Alone, or beside the model that it changes, which without it would look elsewhere."""
    folder = changed(tmp_path, "llama")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    if not with_model:
        (folder / "config.json").unlink()
    kind = ValueError if with_model else FileNotFoundError
    refused(folder, kind, "adapter (adapter_config.json)", "merge_and_unload()")


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("distilbert-base-uncased", "distilbert-base-uncased"),
        ("openai-community/gpt2", "openai-community/gpt2"),
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B"),
        ("https://huggingface.co/openai-community/gpt2", "openai-community/gpt2"),
        ("gpt2-medium", "gpt2-medium"),
    ],
)
def test_a_name_on_the_hub(name, bare):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load(name)
    said = str(caught.value)
    assert f"huggingface_hub.snapshot_download({bare!r})" in said and "'tiny-gpt'" in said


def test_what_is_no_name_gets_no_such_advice(tmp_path):
    for name in (str(tmp_path / "nowhere"), "no/such/folder", "../up", "a b"):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            load(name)
        assert "snapshot_download" not in str(caught.value)


def cached(tmp_path, revisions=("abc",), main=None):
    """A folder as the hub's cache lays it out: the files are links to blobs."""
    top = tmp_path / "hub" / "models--org--llama"
    shutil.copytree(FIXTURES / "llama", top / "blobs")
    for revision in revisions:
        (top / "snapshots" / revision).mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (top / "snapshots" / revision / name).symlink_to(top / "blobs" / name)
    if main is not None:
        (top / "refs").mkdir()
        (top / "refs" / "main").write_text(main)
    return top


def test_a_folder_of_the_hubs_cache_opens_its_snapshot(tmp_path):
    top, ref = cached(tmp_path, ("abc", "def"), main="def\n"), reference("llama")
    for folder in (top, top / "snapshots", top / "snapshots" / "abc", str(top)):
        model = load(folder)
        same(model, ref)
    assert load(top).about["folder"] == str(top / "snapshots" / "def")
    (top / "refs" / "main").write_text("../../blobs")  # nothing outside
    refused(top, ValueError, "load one of them: 'abc', 'def'")
    (top / "refs" / "main").unlink()
    refused(top, ValueError, "holds several snapshots", "'abc', 'def'")
    refused(top.parent, FileNotFoundError, "the hub's cache", "'models--org--llama'")


def test_a_folder_of_folders(tmp_path):
    changed(tmp_path, "bert", name="checkpoint-500")
    refused(tmp_path, FileNotFoundError, "has no config.json", "have one: 'checkpoint-500'")
    (tmp_path / "checkpoint-500" / "model.safetensors").rename(
        tmp_path / "checkpoint-500" / "m.bin"
    )
    refused(tmp_path / "checkpoint-500", ValueError, "'m.bin'", "a pickle")
    one = changed(tmp_path, "bert", name="one")
    (one / "model.safetensors").rename(one / "other.safetensors")
    refused(one, FileNotFoundError, "has no model.safetensors; is it 'other.safetensors'?")
