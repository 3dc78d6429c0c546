"""SentencePiece's vocabularies in GGUF files: as SentencePiece itself cuts a text, and letter by
letter as llama.cpp describes it.
"""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
from checkpoints import FIXTURES

from attnlib.models.files import gguf as reader
from attnlib.models.files.sentence_pieces import SentencePieces
from attnlib.models.pretrained import load
from attnlib.models.text import HALF, NoTokenizer, TextModel

pytest.importorskip("gguf", reason="pip install -r tests/requirements.txt")
pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
import test_gguf

pytestmark = pytest.mark.filterwarnings("error")

MADE = json.loads((FIXTURES / "pieces.json").read_text("utf-8"))
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
HEAD = ["<unk>", "<s>", "</s>", *BYTES]
HEAD_KINDS = [2, 3, 3, *[6] * 256]


def about(tokens, scores, kinds, **more):
    """The metadata of a vocabulary; what is None is not said."""
    said = {"model": "llama", "pre": "default", "tokens": tokens, "scores": scores}
    said |= {"token_type": kinds, "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    said |= more
    return {f"tokenizer.ggml.{key}": one for key, one in said.items() if one is not None}


def file(tmp_path, said, *, name=None, template=None):
    """The tiny Llama with that vocabulary, and a row for each of its tokens, as a file."""
    tokens = said.get("tokenizer.ggml.tokens", [])
    n = max(len(tokens), 3) if isinstance(tokens, list) else 48
    tensors = test_gguf.converted(FIXTURES / "llama", "llama")
    for tensor in ("token_embd.weight", "output.weight"):
        tensors[tensor] = np.resize(tensors[tensor], (n, 16))
    if name is not None:
        said = said | {"general.name": name}
    if template is not None:
        said = said | {"tokenizer.chat_template": template}
    path = tmp_path / "pieces.gguf"
    return test_gguf.written(path, "llama", tensors, about=said, said={"vocab_size": n})


PIECES = ["▁", "a", "b", "c", "ab", "bc", "▁a", "▁ab", "abc", "▁▁", "▁▁▁", "é", "<tool>", "<un>"]
SCORES = [-9.0, -9, -9, -9, -2, -1, -3, -4, -5, -6, -7, -8, -1000, -1000]
KINDS = [1] * 12 + [4, 5]


def small(**more):
    said = {"tokens": [*HEAD, *PIECES], "scores": [0.0] * len(HEAD) + SCORES}
    said |= {"kinds": [*HEAD_KINDS, *KINDS]}
    return about(**said | more)


# ---- as SentencePiece cuts a text ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_a_text_is_cut_as_sentencepiece_cuts_it(tmp_path, kind):
    """150 odd texts, with two vocabularies that it has trained: with a space put before a text, and
    without, but with words that are never cut.
    """
    made, more = MADE[kind], {} if kind == "llama" else {"add_space_prefix": False}
    model = load(file(tmp_path, about(made["tokens"], made["scores"], made["token_type"], **more)))
    assert isinstance(model.tokenizer, SentencePieces) and len(model.tokenizer) == 700
    assert len(made["texts"]) == 150
    for text, ids in zip(made["texts"], made["ids"]):
        assert model.encode(text).tolist() == [1, *ids], text
        assert model.tokenizer.encode(text, marks=False).tolist() == ids
        shown = text.replace("▁", " ")
        assert model.tokenizer.decode(ids) == model.tokenizer.decode([1, *ids, 2]) == shown
    used = {i for ids in made["ids"] for i in ids}
    kinds = {made["token_type"][i] for i in used}
    assert kinds == ({1, 6} if kind == "llama" else {1, 4, 6}) and len(used) > 250


# ---- letter by letter ----------------------------------------------------------------------------


def literal(text, said):
    """What llama.cpp says of a text, without its shortcuts: the longest marks are taken out, then
    of all neighbours that make a token the two with the best score are joined, the leftmost of
    equals.
    """
    get = {key.removeprefix("tokenizer.ggml."): one for key, one in said.items()}.get
    tokens, scores, kinds = get("tokens"), get("scores"), get("token_type")
    parts = [text]
    marks = [i for i, kind in enumerate(kinds) if kind in (2, 3, 4)]
    for i in sorted(marks, key=lambda i: -len(tokens[i].encode())):
        rest, parts = parts, []
        while rest:
            part, *rest = rest
            if isinstance(part, str) and tokens[i] in part:
                before, _, behind = part.partition(tokens[i])
                part, rest = before, [i, behind, *rest]
            parts.append(part)
    ids = []
    for part in parts:
        if isinstance(part, int):
            ids.append(part)
        elif part:
            space = " " if get("add_space_prefix", True) else ""
            signs = list((space + part).replace(" ", "▁"))
            while True:
                found = [
                    (-scores[tokens.index(first + second)], at)
                    for at, (first, second) in enumerate(pairwise(signs))
                    if first + second in tokens
                ]
                if not found:
                    break
                at = min(found)[1]
                signs[at : at + 2] = [signs[at] + signs[at + 1]]
            for sign in signs:
                names = [sign] if sign in tokens else [BYTES[byte] for byte in sign.encode()]
                ids += [tokens.index(name) for name in names]
    return ids


LETTERS = ["a", "b", "c", " ", "▁", "é", "😀", "\n", "<s>", "<ab>", "ab>c", "<unk>", "日", "<0x61>"]


def drawn(rng):
    """A vocabulary of pieces of few letters, many scores equal, and words in it that are never cut
    and overlap; not every letter is a piece of its own.
    """
    letters = ["a", "b", "c", "▁", "é", "<", ">", "日"]
    pieces = {one for one in letters if rng.random() < 0.8}
    for _ in range(rng.integers(4, 40)):
        parts = sorted(pieces | set(letters))
        pieces.add("".join(rng.choice(parts, 2)))
    pieces = sorted(one for one in pieces if len(one) < 7)
    users = [one for one in ("<ab>", "ab>c", "  ", "\n\n", "▁▁▁▁▁▁▁", "c<ab") if rng.random() < 0.5]
    tokens = [*HEAD, *pieces, *users]
    few = rng.integers(1, 12)
    scores = (-rng.integers(0, few, len(tokens)).astype(float)).tolist()
    kinds = [*HEAD_KINDS, *rng.choice([1, 1, 1, 5], len(pieces)).tolist(), *[4] * len(users)]
    return about(tokens, scores, kinds, add_space_prefix=bool(rng.integers(2)))


@pytest.mark.parametrize("seed", range(30))
def test_any_text_with_any_vocabulary(seed):
    """40 texts with each of 30 vocabularies, against the same written down letter by letter."""
    rng = np.random.default_rng(seed)
    said = drawn(rng)
    names = "tokens", "scores", "token_type"
    space = said["tokenizer.ggml.add_space_prefix"]
    found = SentencePieces(
        *(said[f"tokenizer.ggml.{name}"] for name in names), add_space_prefix=space
    )
    for _ in range(40):
        text = "".join(rng.choice(LETTERS, rng.integers(1, 30)))
        assert found.encode(text).tolist() == literal(text, said), text


def test_pairs_are_joined_in_the_order_of_their_scores(tmp_path):
    model = load(file(tmp_path, small()))
    assert model.tokens("abc") == ["<s>", " a", "bc"]  # bc is better than ab
    assert model.tokens("ab") == ["<s>", " ab"]
    assert model.tokens("xab")[3:] == ["ab"]
    # " a" first, then from the left two and two; the one that is left joins the second two
    assert model.tokens("     a") == ["<s>", "  ", "   ", " a"]
    assert model.tokens("x€")[2:] == ["<0x78>", "<0xE2>", "<0x82>", "<0xAC>"]
    assert model.tokens("e\u0301é")[2:] == ["<0x65>", "<0xCC>", "<0x81>", "é"]  # as it is written
    equal = about([*HEAD, "a", "b", "aa", "aaa"], [0.0] * 263, [*HEAD_KINDS, 1, 1, 1, 1])
    assert load(file(tmp_path, equal)).tokens("aaaaab")[4:] == ["aaa", "aa", "b"]


def test_marks_and_words_that_are_never_cut(tmp_path):
    """A space comes behind each; marks are not shown, words are."""
    model = load(file(tmp_path, small()))
    assert model.tokens("a<s>b<tool>c</s>") == [
        *("<s>", " a", "<s>", " ", "b", "<tool>", " ", "c", "</s>")
    ]
    assert model.tokenizer.decode(model.encode("ab<s>ab<tool>ab</s>")) == "ab ab<tool> ab"
    assert model.tokens("<s>")[1:] == ["<s>"] and model.tokens("<unk>")[1:] == ["<unk>"]
    assert "<un>" not in model.tokens("<un>") and model.tokenizer.decode([272]) == ""
    bare = load(file(tmp_path, small(add_space_prefix=False)))
    assert bare.tokens("a<s>b<tool>c") == ["<s>", "a", "<s>", "b", "<tool>", "c"]
    for text in ("a<tool>b", " a", "  a  ", "\n", "é<tool><tool> "):
        assert bare.tokenizer.decode(bare.encode(text)) == text


def test_the_longest_of_two_words_comes_first_wherever_it_stands(tmp_path):
    tokens = [*HEAD, "xy", "yzw", "ab日", "日本"]  # the last has more bytes than the one before
    model = load(file(tmp_path, about(tokens, [0.0] * 263, [*HEAD_KINDS, 4, 4, 4, 4])))
    assert model.tokens("xyzw")[-2:] == ["<0x78>", "yzw"]
    assert model.tokens("ab日本")[-2:] == ["<0x62>", "日本"]


def test_marks_around_a_text(tmp_path):
    for more, first, last in (
        ({}, ["<s>"], []),
        ({"bos_token_id": None}, ["<s>"], []),
        ({"add_bos_token": True, "bos_token_id": 2}, ["</s>"], []),
        ({"add_bos_token": False}, [], []),
        ({"add_eos_token": True}, ["<s>"], ["</s>"]),
        ({"add_eos_token": True, "eos_token_id": None}, ["<s>"], ["</s>"]),
        ({"add_bos_token": False, "bos_token_id": 9999}, [], []),
    ):
        model = load(file(tmp_path, small(**more)))
        assert model.tokens("ab") == [*first, " ab", *last], more
        assert model.tokenizer.encode("ab", marks=False).tolist() == [266]


def test_the_marks_of_phi3_take_the_space_behind_them(tmp_path):
    """llama.cpp knows the models by their name; <s> leaves the space."""
    for name, tight in ("Phi3", True), ("My Phi-3 mini", True), ("Phi 3", False), ("Llama", False):
        model = load(file(tmp_path, small(), name=name))
        tokens = model.tokens("a<tool> \n ab<tool>")[3:]
        assert tokens == ([" ab", "<tool>"] if tight else tokens)
        assert ("<0x0A>" in tokens) != tight, name
        assert model.tokens("<s>  ab")[2:] == ["  ", " ab"]


# ---- back to a text ------------------------------------------------------------------------------


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path):
    tokenizer = load(file(tmp_path, small())).tokenizer
    ids = [tokenizer.ids[f"<0x{byte:02X}>"] for byte in b"\xe2\x82a\xff\xf0\x9f\x98\x80"]
    assert tokenizer.decode(ids) == f"{HALF}a{HALF}😀"
    assert tokenizer.decode([]) == tokenizer.decode([1, 2]) == ""
    assert tokenizer.tokens(ids[:2]) == ["<0xE2>", "<0x82>"]
    # rows without a token, as a padded embedding has them
    assert tokenizer.tokens([266, len(tokenizer), -1]) == [" ab", f"<{len(tokenizer)}>", "<-1>"]
    assert tokenizer.decode([266, len(tokenizer), 266 - len(tokenizer)]) == "ab"
    assert tokenizer.encode("\ud83d").tolist() == tokenizer.encode("?").tolist()
    with pytest.raises(TypeError, match="text must be a string"):
        tokenizer.encode(5)


class Speaker:
    """A model that says what it is told."""

    def __init__(self, ids):
        self.ids = ids


def streamed(monkeypatch, tokenizer, prompt, ids, *, stop=None, shown=False):
    """The pieces that a model which says those ids gives."""
    from attnlib.models import text

    monkeypatch.setattr(text, "stream", lambda model, ids, **options: iter(model.ids))
    model = TextModel(Speaker(ids), tokenizer, {}, stop=stop)
    start = tokenizer.encode(prompt, marks=False)
    return list(model._pieces(start, shown=shown, n_new=99))


def test_a_reply_comes_in_whole_signs(tmp_path, monkeypatch):
    tokenizer = load(file(tmp_path, small())).tokenizer
    for text in ("abc 😀ab\n\n日本 a", "  a", "é<tool>ab", "a b c"):
        ids = tokenizer.encode(text, marks=False).tolist()
        pieces = streamed(monkeypatch, tokenizer, "ab", [*ids, 2, *ids], stop=2)
        assert "".join(pieces) == tokenizer.decode(ids) and HALF not in "".join(pieces)
        assert all(pieces) and len(pieces) > 1
        on = streamed(monkeypatch, tokenizer, "ab", ids, shown=True)
        assert "".join(on) == tokenizer.decode([*tokenizer.encode("ab"), *ids])[2:]
    broken = [tokenizer.bytes[0xE2], tokenizer.ids["a"]]
    assert "".join(streamed(monkeypatch, tokenizer, "ab", broken)) == f"{HALF}a"


@pytest.mark.parametrize("kind", ["llama", "gemma"])
def test_pieces_of_a_reply_are_the_reply(monkeypatch, kind):
    made = MADE[kind]
    vocabulary = made["tokens"], made["scores"], made["token_type"]
    tokenizer = SentencePieces(*vocabulary, add_space_prefix=kind == "llama")
    for text, ids in zip(made["texts"], made["ids"]):
        pieces = streamed(monkeypatch, tokenizer, "on", ids)
        assert "".join(pieces) == text.replace("▁", " ")


def test_a_chat_ends_with_the_turn(tmp_path):
    """The file says "eos" only; that a turn ends with <end_of_turn> its name says."""
    tokens = [*HEAD, "<start_of_turn>", "<end_of_turn>", "▁", "user"]
    scores, kinds = [0.0] * len(tokens), [*HEAD_KINDS, 3, 3, 1, 1]
    template = "{{ bos_token }}<start_of_turn>{{ messages[0]['content'] }}<end_of_turn>"
    pytest.importorskip("jinja2", reason="pip install 'attnlib[models]'")
    model = load(file(tmp_path, about(tokens, scores, kinds), template=template))
    assert model.stop == [2, 260]
    assert model.prompt("user") == "<s><start_of_turn>user<end_of_turn>"
    ids = model.tokenizer.encode(model.prompt("user"), marks=False)
    assert model.tokenizer.tokens(ids) == [
        *("<s>", "<start_of_turn>", " ", *(f"<0x{byte:02X}>" for byte in b"user"), "<end_of_turn>")
    ]
    assert isinstance(model.chat("user", n_new=3), str)
    end = load(file(tmp_path, about(tokens, scores, kinds, eot_token_id=260))).stop
    assert end == [2, 260]


# ---- what is no vocabulary -----------------------------------------------------------------------


def without(name):
    return {name: None}


N = len(HEAD) + len(PIECES)
LIES = {
    "no tokens": (without("tokens"), "tokenizer.ggml.tokens is missing"),
    "no scores": (without("scores"), "tokenizer.ggml.scores is missing"),
    "no kinds": (without("kinds"), "tokenizer.ggml.token_type is missing"),
    "few scores": ({"scores": [0.0] * 5}, f"tokenizer.ggml.scores must be {N} numbers"),
    "many scores": ({"scores": [0.0] * (N + 1)}, f"got an array of the shape ({N + 1},)"),
    "one score": ({"scores": 0.5}, "tokenizer.ggml.scores must"),
    "scores in words": ({"scores": ["0.0"] * N}, "tokenizer.ggml.scores must hold real numbers"),
    "a score is no number": ({"scores": [0.0] * (N - 1) + [float("nan")]}, "scores must be finite"),
    "a score without end": ({"scores": [float("inf")] + [0.0] * (N - 1)}, "scores must be finite"),
    "few kinds": ({"kinds": [1] * 5}, f"tokenizer.ggml.token_type must be {N} numbers"),
    "kinds in words": ({"kinds": ["1"] * N}, "token_type must hold whole numbers"),
    "kinds in parts": ({"kinds": [0.5] * N}, "token_type must hold whole numbers"),
    "a token twice": (
        {"tokens": [*HEAD, *PIECES[:-1], "ab"]},
        "tokens must differ, got 'ab' twice",
    ),
    "tokens are numbers": ({"tokens": [1] * N}, "tokenizer.ggml.tokens must be a list of strings"),
    "tokens are one": ({"tokens": "abc"}, "tokenizer.ggml.tokens must be a list of strings"),
    "a byte is missing": (
        {"tokens": [one if one != "<0x0A>" else "<0xA>" for one in [*HEAD, *PIECES]]},
        "tokenizer.ggml.tokens must have one for each byte, and '<0x0A>' is not among them",
    ),
    "another start": (
        {"bos_token_id": N},
        f"tokenizer.ggml.bos_token_id must be at most {N - 1}, got {N}",
    ),
    "a start below 0": (
        {"bos_token_id": -1},
        "tokenizer.ggml.bos_token_id must be at least 0, got -1",
    ),
    "a start in words": ({"bos_token_id": "<s>"}, "bos_token_id must be a whole number, got '<s>'"),
    "a space in words": ({"add_space_prefix": "yes"}, "add_space_prefix must be True or False"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_vocabulary_that_lies_says_why_and_the_model_reads_ids(tmp_path, case):
    more, words = LIES[case]
    model = load(file(tmp_path, small(**more)))
    assert isinstance(model.tokenizer, NoTokenizer)
    with pytest.raises(ValueError) as caught:
        model("x")
    assert words in str(caught.value) and "model.forward(ids)" in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert model.forward([1, 0]).tokens == ["1", "0"]


@pytest.mark.parametrize("family", ["gemma3", "phi3", "olmo2"])
def test_bytes_of_the_metadata_that_are_flipped(tmp_path, family):
    """A ValueError, or a model that reads."""
    tensors = test_gguf.converted(test_gguf.fixture(family), family)
    for tensor in tensors.keys() & {"token_embd.weight", "output.weight"}:
        tensors[tensor] = np.resize(tensors[tensor], (N, 16))
    raw = test_gguf.written(tmp_path / "whole.gguf", family, tensors, about=small()).read_bytes()
    rng, path, survived = np.random.default_rng(0), tmp_path / "flipped.gguf", 0
    places = raw.index(b"tokenizer.ggml.model"), raw.index(b"token_embd.weight")
    for trial in range(150):
        bad = bytearray(raw)
        for at in rng.integers(0, places[trial % 2], rng.integers(1, 4)):
            bad[at] = rng.choice([0, 1, 127, 255, bad[at] ^ 1 << rng.integers(8)])
        path.write_bytes(bad)
        if test_gguf.whole(path):
            survived += 1
            model = load(path)
            if isinstance(model.tokenizer, SentencePieces):
                assert isinstance(model.tokenizer.decode(model.encode("ab <s>x 日")), str)
    assert 0 < survived < 150


def test_tokens_without_a_name_are_never_met(tmp_path):
    tokens = [*HEAD, *PIECES[:-2], "", ""]
    model = load(file(tmp_path, about(tokens, [0.0] * N, [*HEAD_KINDS, *KINDS[:-2], 3, 1])))
    assert model.tokens("a")[1:] == [" a"]
    assert model.tokenizer.tokens([N - 2, N - 1]) == [f"[EMPTY_{N - 2}]", f"[EMPTY_{N - 1}]"]


def test_numbers_of_every_width(tmp_path):
    """Scores and kinds as the file holds them, arrays of 32 bits."""
    path = file(tmp_path, small())
    said = reader.read(path).about
    assert said["tokenizer.ggml.scores"].dtype == np.float32
    assert load(path).tokens("abc") == ["<s>", " a", "bc"]


def test_it_takes_no_library(tmp_path, monkeypatch):
    path = file(tmp_path, small())
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert load(path)("ab").tokens == ["<s>", " ab"]


@pytest.mark.parametrize("space", [True, False])
def test_marks_are_decoded_where_they_are_asked_for(space):
    tokens, kinds = [*HEAD, "▁a", "a"], [*HEAD_KINDS, 1, 1]
    how = {"bos_token_id": 1, "add_space_prefix": space}
    found = SentencePieces(tokens, [0.0] * len(tokens), kinds, **how)
    ids = [1, len(HEAD), 2, len(HEAD) + 1]
    assert found.decode(ids, marks=True) == "<s> a</s>a"
    assert found.decode(ids) == " aa"[space:]
