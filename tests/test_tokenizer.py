"""Byte pairs: any text comes back, and merges are learned and applied as the paper says."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnlib.models.files.tokenizer import PIECES, BytePairs, learn_byte_pairs
from attnlib.models.text import FileTokenizer

TEXT = (
    "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
)
TOKENIZER = BytePairs(learn_byte_pairs(TEXT, 270))


@given(st.text())
def test_every_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text.encode("utf-8", "replace").decode()


@given(st.text())
def test_pieces_lose_no_sign(text):
    assert "".join(PIECES.findall(text)) == text


@given(st.text(alphabet="lowernstid ", max_size=60))
def test_encoding_is_what_replaying_the_merges_one_by_one_gives(text):
    """An oracle that knows no ranks: go through the merges in the order learned, and join
    everywhere.
    """
    expected = [TOKENIZER.start]
    for piece in PIECES.findall(text):
        ids = list(piece.encode())
        for new, pair in enumerate(TOKENIZER.ranks, start=256):
            i = 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == pair:
                    ids[i : i + 2] = [new]
                i += 1
        expected += ids
    assert TOKENIZER.encode(text).tolist() == expected


def test_every_merge_is_the_most_frequent_pair_of_its_time():
    """Counted anew from scratch before every merge, as in Sennrich et al. 2016, figure 1."""
    pieces = {
        tuple(piece.encode()): count for piece, count in Counter(PIECES.findall(TEXT)).items()
    }
    for new, pair in enumerate(TOKENIZER.ranks, start=256):
        counts = Counter()
        for ids, count in pieces.items():
            for found in itertools.pairwise(ids):
                counts[found] += count
        assert counts[pair] == max(counts.values()) >= 2
        fresh = {}
        for ids, count in pieces.items():
            ids, i = list(ids), 0
            while i < len(ids) - 1:
                if (ids[i], ids[i + 1]) == pair:
                    ids[i : i + 2] = [new]
                i += 1
            fresh[tuple(ids)] = fresh.get(tuple(ids), 0) + count
        pieces = fresh


def test_frequent_words_become_one_token():
    tokens = TOKENIZER.tokens(TOKENIZER.encode("the newest"))
    assert (
        tokens[0] == "<start>"
        and tokens[-1].endswith("est")
        and len(tokens) < 1 + len("the newest")
    )


def test_learning_stops_where_no_pair_stands_twice():
    assert learn_byte_pairs("abc", 300).shape == (0, 2)
    assert len(BytePairs(learn_byte_pairs("ab ab", 300))) == 258


@pytest.mark.parametrize("odd", ["\ud800", "\udfff", "a\ud83d b", "\udc00\ud800", "low\udcfflow"])
def test_half_a_sign_becomes_a_question_mark(odd):
    shown = re.sub("[\ud800-\udfff]", "?", odd)
    for tokenizer in (TOKENIZER, BytePairs(learn_byte_pairs(odd * 3, 270))):
        np.testing.assert_array_equal(tokenizer.encode(odd), tokenizer.encode(shown))
        assert (
            tokenizer.decode(tokenizer.encode(odd))
            == "".join(tokenizer.tokens(tokenizer.encode(odd))[1:])
            == shown
        )
    np.testing.assert_array_equal(
        learn_byte_pairs(f"{TEXT} {odd * 3}", 280), learn_byte_pairs(f"{TEXT} {shown * 3}", 280)
    )


def test_bytes_that_are_no_sign_are_seen():
    assert TOKENIZER.decode([97, 0xC3, 98]) == "a\ufffdb"
    assert TOKENIZER.decode([0xFF, 0xFE]) == "\ufffd\ufffd"
    assert TOKENIZER.decode(list("é".encode())) == "é"  # two halves that meet


def test_parts_of_a_sign_are_shown_as_bytes():
    assert BytePairs([[0, 1]]).tokens(list("é".encode())) == ["<C3>", "<A9>"]
    assert BytePairs([[0xC3, 0xA9]]).tokens([256]) == ["é"]


SIGNS = "I love 😀 and 🦜, 日本の猫, café, قطة, \N{REPLACEMENT CHARACTER}"
SPELT = re.compile("<([0-9A-F]{2})>")


def bytes_of(name):
    """What a token's name stands for, read as the docstring says."""
    found = b""
    for k, part in enumerate(SPELT.split(name)):
        found += bytes([int(part, 16)]) if k % 2 else part.encode()
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A tokenizer.json in bytes, whose tokens are halves of signs, some behind a space."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280, initial_alphabet=alphabet, special_tokens=["<|end|>", "<｜end▁of｜>"]
    )
    made.train_from_iterator([SIGNS] * 9, trainer)
    path = tmp_path_factory.mktemp("published") / "tokenizer.json"
    made.save(str(path))
    return FileTokenizer(path)


@pytest.mark.parametrize("text", [SIGNS, " 😀😀", "\x00\x7f\xad\t\n", "naïve ¡ÿ"])
def test_the_names_of_tokens_spell_the_bytes_of_the_text(published, text):
    for tokenizer in (published, TOKENIZER):
        names = tokenizer.tokens(tokenizer.encode(text, marks=False))
        assert b"".join(map(bytes_of, names)) == text.encode()


def test_half_signs_and_marks_of_a_published_tokenizer(published):
    names = published.tokens(range(len(published)))
    assert names[:2] == ["<|end|>", "<｜end▁of｜>"]
    halves = [name for name in names if SPELT.search(name)]
    assert any(name.startswith(" <") for name in halves) and any("><" in name for name in halves)
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(halves)


def test_marks_are_decoded_where_they_are_asked_for(published):
    ids = published.encode("The <|end|> cat")
    assert published.decode(ids, marks=True) == "The <|end|> cat"
    assert "end" not in published.decode(ids)
    ids = TOKENIZER.encode("low")
    assert (TOKENIZER.decode(ids), TOKENIZER.decode(ids, marks=True)) == ("low", "<start>low")


@pytest.mark.parametrize("ids", [[-1], [10_000], [[1, 2]], [1.5], "12"])
def test_wrong_ids_are_refused(ids):
    with pytest.raises(ValueError, match="ids must"):
        TOKENIZER.decode(ids)


def test_wrong_texts_and_merges_are_refused():
    with pytest.raises(TypeError, match="text must be a string, got bytes"):
        TOKENIZER.encode(b"low")
    with pytest.raises(ValueError, match=r"shape \(m, 2\)"):
        BytePairs(np.zeros(3, int))
    with pytest.raises(ValueError, match="there before"):
        BytePairs([[97, 256]])
    with pytest.raises(ValueError, match="vocabulary"):
        learn_byte_pairs("low", 256)
