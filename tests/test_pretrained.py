"""Published models: parity with the reference on the tiny checkpoints of tests/fixtures and on
MiniLM; texts.
"""

import json
import os
import sys
import typing

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
    renamed,
    without,
)

import attnlib
from attnlib import masks, models
from attnlib.layers import parameters
from attnlib.models.files import hub
from attnlib.models.files.checkpoint import Blank, read_tensors
from attnlib.models.pretrained import FAMILIES, SHIPPED, load
from attnlib.models.text import NoTokenizer, TextEncoder, TextModel, TextToText, read_tokenizer
from attnlib.models.translator import Translator

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")

VARIANTS = [
    (family, name)
    for family, names in json.loads((FIXTURES / "variants.json").read_text()).items()
    for name in names
]
WRITERS = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt_neox"]
WRITERS += ["phi3", "olmo2"]
SENTENCE = "The cat sat on the mat."

# ---- parity --------------------------------------------------------------------------------------


def test_every_model_type_has_a_checkpoint_here():
    assert {
        json.loads((FIXTURES / name / "config.json").read_text())["model_type"] for name in FOLDERS
    } == set(FAMILIES)
    assert len(FAMILIES) == 21, (
        "one more or one less: say so here, in README and in the notebook real_models"
    )
    made = json.loads((FIXTURES / "versions.json").read_text())
    assert all({"torch", "transformers"} <= made[name].keys() for name in FOLDERS)


@pytest.mark.parametrize("family", FOLDERS)
def test_attentions_and_logits_equal_the_reference(family):
    ref = reference(family)
    trace = forward(load(FIXTURES / family), ref)
    assert trace.weights.dtype == trace.output.dtype == np.float32
    for name in ("weights", "decoder_weights", "cross_weights"):
        if name in ref:
            close(getattr(trace, name), ref[name], WEIGHTS)
    assert (trace.cross_weights is None) == ("cross_weights" not in ref)
    close(trace.output, ref["logits"], LOGITS)
    assert ref["weights"].max(-1).mean() > 0.4  # far from uniform: a wrong scale would show


@pytest.mark.parametrize("family", FOLDERS)
def test_a_padded_batch_equals_the_reference(family):
    ref = reference(family)
    mask = ref["padded.mask"][1]  # row 1 has padding
    # the reference's GPT-2 counts the padding in front, too, unless it is told the positions
    told = {"positions": np.arange(len(mask))} if family == "gpt2" else {}
    trace = forward(load(FIXTURES / family), ref, "padded.", **told)
    seen = trace.weights[:, 1][..., mask, :]  # what padding looks at is nobody's business
    close(seen, ref["padded.weights"][:, :, mask], WEIGHTS)
    assert not seen[..., ~mask].any() and not mask.all()
    if trace.cross_weights is None:
        close(trace.output[1][mask], ref["padded.logits"][mask], LOGITS)
    else:
        close(trace.decoder_weights[:, 1], ref["padded.decoder_weights"], WEIGHTS)
        close(trace.cross_weights[:, 1], ref["padded.cross_weights"], WEIGHTS)
        close(trace.output[1], ref["padded.logits"], LOGITS)


@pytest.mark.parametrize(("family", "variant"), VARIANTS)
def test_the_same_weights_under_another_config(tmp_path, family, variant):
    ref, change = (
        reference(family),
        json.loads((FIXTURES / "variants.json").read_text())[family][variant],
    )
    trace = forward(load(changed(tmp_path, family, change=change)), ref)
    close(trace.weights, ref[f"{variant}.weights"], WEIGHTS)
    # it does change something
    assert np.abs(ref[f"{variant}.weights"] - ref["weights"]).max() > 5 * WEIGHTS


@pytest.mark.parametrize("kind", ["linear", "dynamic", "llama3", "yarn", "longrope"])
@pytest.mark.parametrize("word", ["type", "rope_type"])
def test_older_files_spell_rotary_positions_in_another_way(tmp_path, kind, word):
    new = json.loads((FIXTURES / "variants.json").read_text())["llama"][kind]
    rope = dict(new["rope_parameters"])
    old = new | {"rope_theta": rope.pop("rope_theta"), "torch_dtype": "float16"}
    old["rope_scaling"] = {word: rope.pop("rope_type")} | rope
    ref = reference("llama")
    folder = changed(tmp_path, "llama", change=old, drop=["rope_parameters", "dtype"])
    close(forward(load(folder), ref).weights, ref[f"{kind}.weights"], WEIGHTS)


@pytest.mark.parametrize(
    ("family", "drop"),
    [
        ("gemma2", ["layer_types", "rope_parameters"]),
        ("qwen2", ["layer_types", "rope_parameters", "tie_word_embeddings"]),
        ("qwen3", ["layer_types", "tie_word_embeddings"]),
        ("llama", ["head_dim", "tie_word_embeddings", "rope_parameters"]),
        ("phi3", ["head_dim", "tie_word_embeddings"]),
        ("olmo2", ["tie_word_embeddings"]),
        ("gpt2", ["scale_attn_weights", "scale_attn_by_inverse_layer_idx"]),
        ("t5", ["scale_decoder_outputs", "num_decoder_layers"]),
        ("marian", ["share_encoder_decoder_embeddings", "decoder_vocab_size"]),
        ("roberta", ["pad_token_id", "tie_word_embeddings"]),
        ("electra", ["tie_word_embeddings"]),
        ("modernbert", ["layer_types", "tie_word_embeddings", "decoder_bias"]),
    ],
)
def test_older_files_leave_keys_out(tmp_path, family, drop):
    ref = reference(family)
    close(forward(load(changed(tmp_path, family, drop=drop)), ref).output, ref["logits"], LOGITS)


def test_a_window_that_is_switched_off(tmp_path):
    ref = reference("qwen2")  # as Qwen 2.5 is published: a window, and not used
    folder = changed(tmp_path, "qwen2", change={"use_sliding_window": False}, drop=["layer_types"])
    close(forward(load(folder), ref).weights, ref["full.weights"], WEIGHTS)


BUFFER = np.ones((1, 1, 20, 20), np.float32)
OTHER_FORMS = {
    "gpt2 without its prefix": ("gpt2", without("transformer.")),
    "gpt2 with the masks of old files": (
        "gpt2",
        plus(**{"transformer.h.0.attn.bias": BUFFER, "transformer.h.1.attn.masked_bias": BUFFER}),
    ),
    "gpt2 with its head twice": ("gpt2", plus(**{"lm_head.weight": "transformer.wte.weight"})),
    "bert with its head twice": (
        "bert",
        plus(**{"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"}),
    ),
    "bert with the first names of gain and bias": (
        "bert",
        lambda tensors: {
            n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): a
            for n, a in tensors.items()
        },
    ),
    "bert with a pooler": (
        "bert",
        plus(**{"bert.pooler.dense.weight": np.ones((16, 16), np.float32)}),
    ),
    "bert with numbered positions": (
        "bert",
        plus(**{"bert.embeddings.position_ids": np.arange(20)[None]}),
    ),
    "distilbert with its head twice": (
        "distilbert",
        plus(**{"vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"}),
    ),
    "gpt_neox with its head by another name": ("gpt_neox", renamed("embed_out", "lm_head")),
    "llama with old buffers": (
        "llama",
        plus(**{"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(2, np.float32)}),
    ),
    "bart without a shared embedding": (
        "bart",
        renamed("model.shared", "model.decoder.embed_tokens"),
    ),
    "bart with a head": ("bart", plus(**{"lm_head.weight": "model.shared.weight"})),
    "marian with stored positions": (
        "marian",
        plus(**{"model.encoder.embed_positions.weight": np.ones((20, 16), np.float32)}),
    ),
    "t5 with three embeddings": (
        "t5",
        plus(**{"encoder.embed_tokens.weight": "shared.weight", "lm_head.weight": "shared.weight"}),
    ),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_of_the_same_checkpoint(tmp_path, form):
    family, tensors = OTHER_FORMS[form]
    ref = reference(family)
    close(
        forward(load(changed(tmp_path, family, tensors=tensors)), ref).output, ref["logits"], LOGITS
    )


def test_a_bart_without_a_bias_of_its_logits(tmp_path):
    ref, bias = (
        reference("bart"),
        read_tensors(FIXTURES / "bart" / "model.safetensors")["final_logits_bias"],
    )
    folder = changed(
        tmp_path,
        "bart",
        tensors=lambda tensors: {
            name.removeprefix("model."): array
            for name, array in tensors.items()
            if name != "final_logits_bias"
        },
    )
    close(forward(load(folder), ref).output, ref["logits"] - bias, LOGITS)


def test_a_bert_without_a_head_says_what_it_thinks(tmp_path):
    ref = reference("bert")
    folder = changed(
        tmp_path,
        "bert",
        tensors=lambda tensors: {
            name.removeprefix("bert."): array
            for name, array in tensors.items()
            if not name.startswith("cls.")
        },
    )
    close(forward(load(folder), ref).output, ref["hidden"], LOGITS)


@pytest.mark.parametrize("family", ["bert", "gpt2", "mistral"])
def test_a_mask_of_your_own_holds_in_every_layer(family):
    model, ids = load(FIXTURES / family), reference(family)["ids"]
    mask = masks.local(len(ids), window=3)
    assert not model.forward(ids, mask=mask).weights[..., ~mask].any()
    assert (model.forward(ids, mask=mask).weights[..., mask] > 0).any()


@pytest.mark.parametrize("family", FOLDERS)
def test_a_trace_of_a_model_that_writes_says_what_was_hidden(family):
    """That is where the reference gives no weight: a softmax leaves something everywhere else."""
    ref = reference(family)
    trace = forward(load(FIXTURES / family), ref)
    if family not in WRITERS:
        assert trace.mask is None
        return
    assert trace.mask.dtype == bool and trace.mask.ndim in (2, ref["weights"].ndim)
    shape = ref["weights"].shape
    assert np.array_equal(np.broadcast_to(trace.mask, shape), ref["weights"] > 0)
    layers = np.broadcast_to(trace.mask, shape)[:, 0]
    differ = any(not np.array_equal(layers[0], layer) for layer in layers[1:])
    assert (trace.mask.ndim > 2) == differ
    padded = forward(load(FIXTURES / family), ref, "padded.")
    where = np.broadcast_to(padded.mask, padded.weights.shape)
    real = ref["padded.mask"].astype(bool)
    for b, row in enumerate(real):  # of the tokens; who pads looks at whom it will
        assert np.array_equal(where[:, b][..., row, :], padded.weights[:, b][..., row, :] > 0)
    assert not where[:, 1][..., ~real[1]].any()


def test_layers_that_differ_have_masks_of_their_own():
    found = {f: forward(load(FIXTURES / f), reference(f)).mask.ndim for f in WRITERS}
    assert found["gpt2"] == found["llama"] == 2 and found["gemma2"] == found["gemma3_text"] == 4
    one = load(FIXTURES / "gpt2").forward([5])
    assert one.mask.tolist() == [[True]]


def test_token_types_are_added():
    model, ids, types = load(FIXTURES / "bert"), np.array([3, 4, 5]), np.array([0, 1, 1])
    plain, moved = model.forward(ids), model.forward(ids, token_types=types)
    assert np.abs(moved.output - plain.output).max() > 0.1
    # the first text, unless said otherwise
    close(model.forward(ids, token_types=0 * types).output, plain.output, 0)
    table, model.model.embedding = model.model.token_types, model.model.embedding.copy()
    for i, kind in zip(ids, types):  # the same in another way: other rows for these words
        model.model.embedding[i] += table[kind] - table[0]
    close(model.forward(ids).weights, moved.weights, 1e-6)
    with pytest.raises(ValueError, match="token_types must lie between 0 and 1"):
        model.forward(ids, token_types=[0, 1, 2])
    with pytest.raises(ValueError, match="token_types must be None"):
        load(FIXTURES / "distilbert").forward(ids, token_types=types)


@pytest.mark.parametrize("family", WRITERS)
def test_a_text_read_token_by_token_is_the_text_read_at_once(family):
    ids, model = reference(family)["ids"], load(FIXTURES / family).model
    caches = model.caches()
    rows = [model.logits(ids[i : i + 1], caches=caches)[0] for i in range(len(ids))]
    close(np.stack(rows), model.logits(ids), LOGITS)


@pytest.mark.parametrize("family", ["t5", "t5_gated", "bart", "marian"])
def test_a_target_written_token_by_token_is_the_target_read_at_once(family):
    ref, model = reference(family), load(FIXTURES / family).model
    caches = model.caches()
    rows = [
        model.logits(ref["ids"], ref["decoder_ids"][i : i + 1], caches=caches)[0]
        for i in range(len(ref["decoder_ids"]))
    ]
    close(np.stack(rows), ref["logits"], LOGITS)
    trace = load(FIXTURES / family).forward(ref["ids"])  # what it writes itself
    best = trace.output.argmax(-1).astype(str).tolist()
    assert trace.decoder_tokens[1:] == best[:-1] and len(best) <= 65


def test_bf16_is_read_exactly():
    raw = (FIXTURES / "qwen3" / "model.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    about, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    tensors = read_tensors(FIXTURES / "qwen3" / "model.safetensors")
    for name, array in tensors.items():
        assert about[name]["dtype"] == "BF16" and array.dtype == np.float32
        start, stop = about[name]["data_offsets"]
        halves = np.frombuffer(data[start:stop], np.uint16)
        # the definition of the format
        sign, exponent, fraction = halves >> 15, (halves >> 7) & 255, halves & 127
        value = (
            np.where(sign, -1.0, 1.0) * 2.0 ** (exponent.astype(int) - 127) * (1 + fraction / 128)
        )
        np.testing.assert_array_equal(
            array.ravel(), np.where(halves & 0x7FFF, value, 0).astype(np.float32)
        )


def test_parameters_are_float32_and_none_is_left_blank():
    for family in FOLDERS:
        for name, array in parameters(load(FIXTURES / family).model).items():
            assert array.dtype == np.float32, (family, name)
            assert array.strides[-1] != 0 or array.size == 1, (family, name)
    assert Blank().normal(0, 1, (10**6, 10**6)).shape == (10**6, 10**6)


@pytest.mark.parametrize("family", FOLDERS)
def test_weights_lie_row_by_row(family):
    # a product of few tokens takes twice as long with turned ones
    model = load(FIXTURES / family).model
    for name, array in parameters(model).items():
        if name.rpartition(".")[2].startswith("W"):
            assert array.flags.c_contiguous, name


def test_parameters_can_be_changed_and_the_file_stays(tmp_path):
    single = lambda tensors: {name: array.astype(np.float32) for name, array in tensors.items()}  # noqa: E731
    folder = changed(tmp_path, "bert", tensors=single)  # float32 is read as it lies there
    raw, model = (folder / "model.safetensors").read_bytes(), load(folder)
    before = model.forward([3, 4]).output
    for array in parameters(model.model).values():
        array[...] = 0
    assert not model.forward([3, 4]).output.any() and before.any()
    assert (folder / "model.safetensors").read_bytes() == raw
    close(load(folder).forward([3, 4]).output, before, 0)


# ---- MiniLM --------------------------------------------------------------------------------------


def minilm():
    """The model where it is on this machine. A test fetches it (91 MB) only where ATTNLIB_FETCH is
    set, as in CI.
    """
    if os.environ.get("ATTNLIB_FETCH"):
        try:
            return load("minilm")
        except FileNotFoundError as error:
            pytest.skip(str(error))
    for source in (hub.from_cache, hub.from_package):
        try:
            source("minilm", hub.PUBLISHED["minilm"])
        except hub.NotHere:
            continue
        return load("minilm")
    pytest.skip("MiniLM is not on this machine; with ATTNLIB_FETCH=1 this test fetches it (91 MB)")


def test_minilm_equals_the_reference():
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    model, ref, step = minilm(), reference("minilm"), 29
    assert isinstance(model, TextEncoder)
    for i, sentence in enumerate(ref["sentences"].tolist()):
        assert model.encode(sentence).tolist() == ref[f"{i}.ids"][0].tolist()
        trace = model(sentence)
        close(trace.weights.ravel()[::step], ref[f"{i}.weights"], 5e-6)
        close(trace.output.ravel()[::step], ref[f"{i}.hidden"], 1e-5)
    ids, mask = ref["padded.ids"], ref["padded.mask"]
    trace = model.forward(ids, mask=mask[:, None, None])
    real = np.broadcast_to(mask[None, :, None, :, None], trace.weights.shape).ravel()[::step]
    close(trace.weights.ravel()[::step][real], ref["padded.weights"][real], 5e-6)
    real = np.broadcast_to(mask[..., None], trace.output.shape).ravel()[::step]
    close(trace.output.ravel()[::step][real], ref["padded.hidden"][real], 1e-5)


# ---- texts ---------------------------------------------------------------------------------------


def tokenizer(kind):
    """A small published tokenizer of one kind, as its file; it pads and cuts, as MiniLM's does."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = sorted(set(SENTENCE.lower()) - {" "})
    if kind == "wordpiece":
        words = ["[UNK]", "[CLS]", "[SEP]", "the", "cat", "s", "##at", "on", "mat", "."]
        made = Tokenizer(
            models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
        )
        made.normalizer, made.pre_tokenizer = (
            normalizers.BertNormalizer(),
            pre_tokenizers.BertPreTokenizer(),
        )
        made.decoder = decoders.WordPiece()
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    elif kind == "bytes":
        vocabulary = {
            sign: i
            for i, sign in enumerate(["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())[:46]])
        }
        vocabulary |= {"Ġ": 47}
        made = Tokenizer(models.BPE(vocabulary, []))
        made.pre_tokenizer, made.decoder = (
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            decoders.ByteLevel(),
        )
    else:
        vocabulary = [
            ("<pad>", 0.0),
            ("</s>", 0.0),
            ("<unk>", -9.0),
            ("▁the", -1.0),
            ("▁", -2.0),
            *[(s, -3.0) for s in letters],
        ]
        made = Tokenizer(models.Unigram(vocabulary, 2))
        made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        made.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", 1)]
        )
    made.enable_padding(length=40)
    made.enable_truncation(3)
    return made


def with_tokenizer(tmp_path, family, kind, **changes):
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    folder = changed(
        tmp_path, family, change=changes, name=f"{family}{len(list(tmp_path.iterdir()))}"
    )
    tokenizer(kind).save(str(folder / "tokenizer.json"))
    return load(folder)


def test_an_encoder_reads_a_text(tmp_path):
    model = with_tokenizer(tmp_path, "bert", "wordpiece")
    tokens = ["[CLS]", "the", "cat", "s", "##at", "on", "the", "mat", ".", "[SEP]"]
    assert model.tokens(SENTENCE) == tokens  # neither padded nor cut
    trace = model(SENTENCE)
    assert (
        trace.tokens == tokens
        and trace.weights.shape == (2, 4, 10, 10)
        and trace.output.shape == (10, 48)
    )
    assert model.forward([[1, 3, 2]]).tokens == [["[CLS]", "the", "[SEP]"]]
    assert model.forward([47]).tokens == ["<47>"]  # a row that the tokenizer does not know
    assert model.tokenizer.decode(model.encode(SENTENCE)) == "[CLS] the cat sat on the mat. [SEP]"
    assert len(model.tokenizer) == 10 and model.about["config"]["model_type"] == "bert"


def test_a_language_model_reads_and_writes(tmp_path):
    model = with_tokenizer(tmp_path, "gpt2", "bytes")
    assert isinstance(model, TextModel)
    signs = "'(é"
    assert model.tokens(" " + signs)[:3] == [" ", "'", "("]  # the byte of a space is a space
    trace = model("+ (")
    assert trace.tokens == ["+", " ", "("] and trace.weights.shape == (2, 4, 3, 3)
    best = model.next_tokens("+ (", best=3)
    assert len(best) == 3 and best[0][1] >= best[1][1] >= best[2][1] > 0
    written = model.generate("+ (", n_new=5, temperature=0)
    assert written.startswith("+ (") and len(list(model.stream("+ (", n_new=5, temperature=0))) <= 5
    likeliest = model.model.logits(model.encode("+ ("))[-1].argmax()
    # each of the ends is one, and no part of the text
    for end, same in (
        (None, True),
        ([], True),
        (int(likeliest), False),
        ([1, int(likeliest)], False),
    ):
        ending = with_tokenizer(tmp_path, "gpt2", "bytes", eos_token_id=end)
        assert (ending.generate("+ (", n_new=5, temperature=0) == written) is same
        pieces = list(ending.stream("+ (", n_new=5, temperature=0))
        assert "".join(["+ (", *pieces]) == (written if same else "+ (")
    with pytest.raises(ValueError, match="at least one sign"):
        model("")
    with pytest.raises(TypeError, match="text must be a string"):
        model(b"+")


def test_an_encoder_decoder_reads_two_texts(tmp_path):
    model = with_tokenizer(tmp_path, "t5", "pieces")
    assert isinstance(model, TextToText)
    assert model.tokens("the cat") == [" the", " ", "c", "a", "t", "</s>"]
    trace = model("the cat", "the mat")
    # the start is T5's padding
    assert trace.decoder_tokens == ["<pad>", " the", " ", "m", "a", "t"]
    assert trace.cross_weights.shape == (2, 4, 6, 6) and trace.decoder_weights.shape == (2, 4, 6, 6)
    free = model("the cat")
    assert free.decoder_tokens[0] == "<pad>" and free.output.shape[0] == len(free.decoder_tokens)
    assert isinstance(model.translate("the cat", n_max=4), str)
    with pytest.raises(ValueError, match="decoder_ids must be given for a batch"):
        model.forward([[3, 4]])


def test_a_folder_without_a_tokenizer_reads_ids(tmp_path):
    model = load(FIXTURES / "llama")
    assert isinstance(model.tokenizer, NoTokenizer) and model.forward([3, 4]).tokens == ["3", "4"]
    for call in (model, model.tokens, model.encode):
        with pytest.raises(
            ValueError,
            match=r"no tokenizer.json; without it the model reads ids: model.forward\(ids\)",
        ):
            call("a text")
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text("{]")
    with pytest.raises(ValueError, match=r"tokenizer\.json' is damaged"):
        read_tokenizer(tmp_path)


def test_what_is_shipped_needs_no_library(monkeypatch):
    for name in ("safetensors", "tokenizers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    assert isinstance(load("tiny-gpt"), TextModel) and isinstance(load("reverse"), Translator)


EPS = {
    "gpt2": "layer_norm_epsilon",
    "t5": "layer_norm_epsilon",
    "t5_gated": "layer_norm_epsilon",
    "bert": "layer_norm_eps",
    "albert": "layer_norm_eps",
    "roberta": "layer_norm_eps",
    "xlm_roberta": "layer_norm_eps",
    "camembert": "layer_norm_eps",
    "electra": "layer_norm_eps",
    "modernbert": "norm_eps",
    "gpt_neox": "layer_norm_eps",
} | dict.fromkeys([one for one in WRITERS if not one.startswith("gpt")], "rms_norm_eps")
FIXED = {"distilbert": 1e-12, "bart": 1e-5, "marian": 1e-5}  # these configs have no such key


def norms(part):
    """The eps of every norm in a model."""
    if hasattr(part, "eps"):
        yield part.eps
    inside = (
        part if isinstance(part, list) else vars(part).values() if hasattr(part, "__dict__") else []
    )
    for one in inside:
        yield from norms(one)


@pytest.mark.parametrize("family", FOLDERS)
def test_every_norm_has_the_eps_of_its_config(tmp_path, family):
    """Most files say what is usual, so that a loader that does not read it would pass all else."""
    change = {EPS[family]: 0.25} if family in EPS else {}
    found = list(norms(load(changed(tmp_path, family, change=change)).model))
    where = f"the key of {family}'s eps belongs in EPS, or its fixed eps in FIXED"
    assert len(found) >= 5 and set(found) == {FIXED.get(family, 0.25)}, where


@pytest.mark.parametrize(
    "names", [["gelu_new", "gelu_pytorch_tanh", "gelu_fast"], ["silu", "swish"]]
)
def test_one_bend_under_several_names(tmp_path, names):
    ref = reference("bert")
    found = [
        forward(load(changed(tmp_path, "bert", change={"hidden_act": name}, name=name)), ref).output
        for name in names
    ]
    assert all(np.array_equal(found[0], other) for other in found)
    assert np.abs(found[0] - ref["logits"]).max() > 1e-4  # the file says "gelu", the exact one


def test_a_mistral_without_a_window(tmp_path):
    """Published so since 0.2: "sliding_window": null."""
    ref = reference("mistral")
    none, wide = (
        forward(load(changed(tmp_path, "mistral", change={"sliding_window": n}, name=str(n))), ref)
        for n in (None, 100)
    )
    np.testing.assert_array_equal(none.weights, wide.weights)
    assert np.abs(none.weights - ref["weights"]).max() > 0.01


def test_a_mistral_whose_layers_say_which_has_the_window(tmp_path):
    """As Ministral is published. The reference opens such a file as another class."""
    ref, said = reference("mistral"), ["full_attention", "sliding_attention"]
    full, first, none = (
        forward(load(changed(tmp_path, "mistral", change={key: one}, name=name)), ref)
        for name, key, one in (
            ("full", "layer_types", ["full_attention"] * 2),
            ("first", "layer_types", said),
            ("none", "sliding_window", None),
        )
    )
    np.testing.assert_array_equal(full.weights, none.weights)
    np.testing.assert_array_equal(first.weights[0], none.weights[0])
    assert np.abs(first.weights[1] - none.weights[1]).max() > 0.01
    assert not first.weights[1][:, ~np.tri(12, dtype=bool) | np.tri(12, k=-4, dtype=bool)].any()


def repeated(tensors):
    """The same Llama with as many kv heads as heads: every kv head stands there twice."""
    heads = lambda array: array.reshape(2, 4, 16).repeat(2, axis=0).reshape(16, 16)  # noqa: E731
    return {
        name: heads(array) if "k_proj" in name or "v_proj" in name else array
        for name, array in tensors.items()
    }


def padded(tensors):
    """The same GPT-2 with 4 · 16 hidden columns: those that are new are zeros."""
    wide = {
        "mlp.c_fc.weight": ((0, 0), (0, 28)),
        "mlp.c_fc.bias": ((0, 28),),
        "mlp.c_proj.weight": ((0, 28), (0, 0)),
    }
    return {
        name: np.pad(array, next((pad for key, pad in wide.items() if key in name), 0))
        for name, array in tensors.items()
    }


DEFAULTS = {
    "as many kv heads as heads": (
        "llama",
        {"drop": ["num_key_value_heads"], "tensors": repeated},
        "weights",
    ),
    "a hidden width of 4 d": ("gpt2", {"change": {"n_inner": None}, "tensors": padded}, "weights"),
    "no layer with a window": (
        "qwen2",
        {"drop": ["layer_types", "max_window_layers"]},
        "full.weights",
    ),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_what_a_config_does_not_say(tmp_path, case):
    family, how, wanted = DEFAULTS[case]
    ref = reference(family)
    close(forward(load(changed(tmp_path, family, **how)), ref).weights, ref[wanted], WEIGHTS)


@pytest.mark.parametrize(
    "kind, longest, left_out",
    [
        ("yarn", 64, "factor"),
        ("yarn", 16, "original_max_position_embeddings"),
        ("llama3", 16, "original_max_position_embeddings"),
        ("longrope", 32, "factor"),
        ("longrope", 8, "original_max_position_embeddings"),
    ],
)
def test_rotary_positions_that_leave_a_number_out(tmp_path, kind, longest, left_out):
    """The factor is the longest text divided by that of the training, and the training's is the
    longest unless it is said.
    """
    change = json.loads((FIXTURES / "variants.json").read_text())["llama"][kind]
    rope = {key: value for key, value in change["rope_parameters"].items() if key != left_out}
    ref = reference("llama")
    folder = changed(
        tmp_path, "llama", change={"rope_parameters": rope, "max_position_embeddings": longest}
    )
    close(forward(load(folder), ref).weights, ref[f"{kind}.weights"], WEIGHTS)


def test_a_llama_with_biases_of_its_attention(tmp_path):
    rng, ref = np.random.default_rng(0), reference("llama")
    sizes = {"q": 16, "k": 8, "v": 8, "o": 16}
    biases = {
        f"model.layers.{i}.self_attn.{letter}_proj.bias": rng.normal(size=size).astype(np.float32)
        for i in range(2)
        for letter, size in sizes.items()
    }
    folder = changed(
        tmp_path, "llama", change={"attention_bias": True}, tensors=lambda tensors: tensors | biases
    )
    model, bare = load(folder), load(FIXTURES / "llama")
    assert np.abs(forward(model, ref).weights - ref["weights"]).max() > 0.1
    for i, block in enumerate(bare.model.blocks):
        for letter in sizes:
            setattr(
                block.attention,
                f"b_{letter}",
                biases[f"model.layers.{i}.self_attn.{letter}_proj.bias"],
            )
    close(forward(model, ref).output, forward(bare, ref).output, 0)


def test_a_t5_with_the_table_that_nobody_reads(tmp_path):
    """T5 1.0 holds a table of distances for the cross-attention, too."""
    name, ref = (
        "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
        reference("t5"),
    )
    folder = changed(tmp_path, "t5", tensors=plus(**{name: np.ones((8, 4), np.float32)}))
    close(forward(load(folder), ref).output, ref["logits"], LOGITS)


# ---- one door ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-gpt", "reverse", "dates", "gpt2", "bert", "bart"])
def test_one_door_opens_every_model(name):
    """attnlib.load gives what attnlib.models.load gives, and its hint names each kind."""
    assert models.load is load
    name = name if name in SHIPPED else FIXTURES / name
    opened, same = attnlib.load(name), load(name)
    assert type(opened) is type(same)
    for key, array in parameters(opened.model).items():
        np.testing.assert_array_equal(array, parameters(same.model)[key])
    kinds = {kind.__name__: kind for kind in (TextModel, TextEncoder, TextToText, Translator)}
    hints = typing.get_type_hints(attnlib.load, localns={**kinds, "os": os})
    assert isinstance(opened, hints["return"]) and isinstance(name, hints["path_or_name"])
    assert set(typing.get_args(hints["return"])) == set(kinds.values())


@pytest.mark.parametrize(
    "wrong, kind, words",
    [
        (3, TypeError, "path_or_name must be a string or a path, got 3"),
        (None, TypeError, "path_or_name must be a string or a path, got None"),
        (["tiny-gpt"], TypeError, "path_or_name must be a string or a path, got ['tiny-gpt']"),
        ("tiny_gpt", ValueError, "no folder 'tiny_gpt', and no model of that name"),
        ("no/such/folder", FileNotFoundError, "no folder 'no/such/folder'"),
        (FIXTURES, FileNotFoundError, "config.json"),
    ],
)
def test_one_door_refuses_in_the_words_of_load(wrong, kind, words):
    said = []
    for door in (attnlib.load, load):
        with pytest.raises(kind) as caught:
            door(wrong)
        said.append(str(caught.value))
    assert said[0] == said[1] and words in said[0]
