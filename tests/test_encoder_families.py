"""RoBERTa, ELECTRA and ModernBERT: what no fixture shows. Where padding stands, files without a
head or with one of their own, and configs of older files.
"""

import numpy as np
import pytest
from checkpoints import FIXTURES, LOGITS, WEIGHTS, changed, close, forward, plus, reference, renamed

from attnlib import masks
from attnlib.layers import parameters
from attnlib.models.files.checkpoint import read_tensors
from attnlib.models.modernbert import ModernBert
from attnlib.models.pretrained import load
from attnlib.models.roberta import Roberta

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")

# ---- positions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_padding", [1, 3, 6])
@pytest.mark.parametrize("family", ["roberta", "xlm_roberta", "camembert"])
def test_padding_anywhere_moves_no_token(family, n_padding):
    """Positions count tokens, so padding in front, behind and between changes nothing."""
    model = load(FIXTURES / family)
    padding, ids = model.model.padding, np.array([5, 9, 4, 7, 30, 8])
    alone, wide = model.forward(ids), len(ids) + n_padding
    for places in (np.arange(6), np.arange(6) + n_padding, [0, 1, *range(wide - 4, wide)]):
        row = np.full((1, wide), padding)
        row[0, places] = ids
        trace = model.forward(row, mask=(row != padding)[:, None, None])
        seen = trace.weights[:, 0][:, :, places][..., places]
        close(seen, alone.weights, WEIGHTS)
        close(trace.output[0, places], alone.output, LOGITS)


def test_a_long_text_is_refused_and_a_long_padding_is_not():
    model = load(FIXTURES / "roberta")  # 20 rows, and the first two belong to no token
    assert model.model.n_max == 18 and model.forward(np.full(18, 5)).output.shape == (18, 48)
    with pytest.raises(ValueError, match="a text may have 18 tokens here, got 19"):
        model.forward(np.full(19, 5))
    padded = np.r_[np.full(18, 5), np.full(9, 1)]
    assert model.forward(padded[None]).output.shape == (1, 27, 48)


def test_rows_of_positions_from_their_definition():
    rng = np.random.default_rng(0)
    model = Roberta(9, 4, 1, 1, n_max=5, padding=2, rng=rng)
    rows = [2 + 1, 2 + 2, 2, 2 + 3]  # the third token is padding
    np.testing.assert_array_equal(model._placed(np.array([7, 2 + 1, 2, 8])), _rows(model, rows))
    assert len(model.positions.table) == 8 and model.n_max == 5
    with pytest.raises(ValueError, match="padding must be at least 0"):
        Roberta(9, 4, 1, 1, padding=-1)


def _rows(model, rows):
    return np.stack([model.positions.table[row] for row in rows])


# ---- heads ---------------------------------------------------------------------------------------

HEADS = {"roberta": "lm_head.", "electra": "generator_", "modernbert": "decoder."}


@pytest.mark.parametrize("family", HEADS)
@pytest.mark.parametrize("bare", [False, True])
def test_a_file_without_a_head_says_what_it_thinks(tmp_path, family, bare):
    """As ELECTRA's discriminator and embedding models are published."""
    front = "model." if family == "modernbert" else f"{family}."

    def base(tensors):
        kept = {name: a for name, a in tensors.items() if not name.startswith(HEADS[family])}
        if bare:
            kept = {n.removeprefix(front): a for n, a in kept.items() if n.startswith(front)}
        return kept

    ref = reference(family)
    model = load(changed(tmp_path, family, tensors=base))
    close(forward(model, ref).output, ref["hidden"], LOGITS)
    if family == "modernbert" and not bare:  # the dense layer of a classifier
        assert model.about["ignored"] == ["head.dense.weight", "head.norm.weight"]


UNTIED = {
    "electra": ("generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"),
    "modernbert": ("decoder.weight", "model.embeddings.tok_embeddings.weight"),
    "roberta": ("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
}


@pytest.mark.parametrize("family", UNTIED)
def test_a_head_with_a_table_of_its_own(tmp_path, family):
    name, embedding = UNTIED[family]
    ref, own = reference(family), {"tie_word_embeddings": False}
    copied = plus(**{name: embedding})
    for i, change in enumerate((own, {"tie_word_embeddings": True})):
        folder = changed(tmp_path, family, change=change, tensors=copied, name=f"copy{i}")
        close(forward(load(folder), ref).output, ref["logits"], LOGITS)
    twice = lambda tensors: tensors | {name: tensors[embedding] * np.float16(2)}  # noqa: E731
    folder = changed(tmp_path, family, change=own, tensors=twice, name="twice")
    bias = load(folder).model.head.bias
    close(forward(load(folder), ref).output - bias, 2 * (ref["logits"] - bias), 2 * LOGITS)


def test_an_electra_as_wide_as_its_embedding_is_a_bert(tmp_path):
    """It has no layer between the two, as electra-base."""
    names = {
        "bert.": "electra.",
        "cls.predictions.transform.": "generator_predictions.",
        "cls.predictions.bias": "generator_lm_head.bias",
    }

    def moved(tensors):
        for old, new in names.items():
            tensors = renamed(old, new)(tensors)
        return tensors

    change = {"model_type": "electra", "embedding_size": 16}
    ref = reference("bert")
    model = load(changed(tmp_path, "bert", change=change, tensors=moved))
    close(forward(model, ref).output, ref["logits"], LOGITS)
    assert model.model.widen is None


# ---- ModernBERT ----------------------------------------------------------------------------------


def test_an_older_modernbert(tmp_path):
    """As published: bases and every third layer under keys of their own."""
    ref = reference("modernbert")
    old = {"global_rope_theta": 50.0, "local_rope_theta": 4.0, "global_attn_every_n_layers": 3}
    drop = ["rope_parameters", "layer_types"]
    folder = changed(tmp_path, "modernbert", change=old, drop=drop)
    close(forward(load(folder), ref).output, ref["logits"], LOGITS)
    for key, value in {"global_rope_theta": 8.0, "local_rope_theta": 8.0}.items():
        folder = changed(tmp_path, "modernbert", change=old | {key: value}, drop=drop, name=key)
        assert np.abs(forward(load(folder), ref).weights - ref["weights"]).max() > 0.01
    every = {"global_attn_every_n_layers": 2}
    folder = changed(tmp_path, "modernbert", change=old | every, drop=drop, name="every")
    assert [block.window for block in load(folder).model.blocks] == [None, 4, None]


def test_a_window_on_both_sides():
    model, ids = load(FIXTURES / "modernbert"), reference("modernbert")["ids"]
    near = masks.local(len(ids), window=4)  # local_attention 7: 3 on each side
    weights = model.forward(ids).weights
    assert (weights[0] > 0).all() and (weights[1:][..., near] > 0).all()
    assert not weights[1:][..., ~near].any()
    own = masks.causal(len(ids))
    both = model.forward(ids, mask=own).weights[1:]
    assert not both[..., ~(near & own)].any() and (both[..., near & own] > 0).all()


def test_no_text_is_too_long_for_turns():
    model = load(FIXTURES / "modernbert")
    assert model.model.n_max is None and model.forward(np.full(70, 5)).output.shape == (70, 48)
    with pytest.raises(ValueError, match="token_types must be None: this model has none"):
        model.forward([3, 4], token_types=[0, 1])


def test_a_modernbert_of_your_own():
    """It can be made without a file, and has the parameters of a file without biases."""
    from attnlib.encodings import Rotary

    layers = [(Rotary(layout="half"), None), (Rotary(layout="half"), 2)]
    model = ModernBert(9, 8, 2, layers, d_hidden=12, head=True, rng=np.random.default_rng(0))
    trace = model.forward([1, 2, 3, 4])
    np.testing.assert_allclose(trace.weights.sum(-1), 1, atol=1e-6)
    assert trace.output.shape == (4, 9)
    kept = load(FIXTURES / "modernbert").model
    stored = read_tensors(FIXTURES / "modernbert" / "model.safetensors")
    assert sum(a.size for a in parameters(kept).values()) == sum(a.size for a in stored.values())
    biases = [name for name in parameters(model) if "bias" in name or ".b_" in name]
    assert biases == ["head.bias"]


# ---- texts ---------------------------------------------------------------------------------------


def test_a_pair_of_texts_and_a_mask_that_takes_its_space(tmp_path):
    """RoBERTa marks a pair by two </s>, and knows no types of tokens."""
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors

    signs = ["<s>", "<pad>", "</s>", "<mask>", "t", "h", "e", "\u0120", "th", "the"]
    ids = {sign: i for i, sign in enumerate(signs)}
    made = tokenizers.Tokenizer(models.BPE(ids, [("t", "h"), ("th", "e")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>", AddedToken("<mask>", lstrip=True)])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    folder = changed(tmp_path, "roberta")
    made.save(str(folder / "tokenizer.json"))
    model = load(folder)
    assert model.tokens("the <mask> the") == ["<s>", "the", "<mask>", " ", "the", "</s>"]
    trace = model(("the", "the"))
    assert trace.tokens == ["<s>", "the", "</s>", "</s>", "the", "</s>"]
    close(trace.output, model.forward(model.tokenizer.pair("the", "the")[0]).output, 0)


def test_an_older_folder_says_which_mark_takes_its_space(tmp_path):
    """What the reference makes of such a folder: the space goes only where a dict says so."""
    import json

    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    signs = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"thecasmo.12", "\u0120"]
    signs += ["th", "the", "\u0120c", "at", "\u0120cat"]
    mark = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False}
    told = {"added_tokens_decoder": {"4": mark}, "mask_token": "<mask>"}
    kept, gone = [0, 18, 16, 4, 21, 2], [0, 18, 4, 21, 2]
    for i, (settings, wanted) in enumerate(
        (({}, kept), ({"mask_token": "<mask>"}, kept), ({"mask_token": mark}, gone), (told, gone))
    ):
        folder = changed(tmp_path, "roberta", name=f"older{i}")
        (folder / "vocab.json").write_text(json.dumps({sign: i for i, sign in enumerate(signs)}))
        merges = "#version: 0.2\nt h\nth e\n\u0120 c\na t\n\u0120c at\n"
        (folder / "merges.txt").write_text(merges, encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        assert load(folder).encode("the <mask> cat").tolist() == wanted
