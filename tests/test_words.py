"""show/words.py: pieces put together again, as their tokenizers cut them, and their weights."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnlib.show import words
from attnlib.show.words import allowed_by_words, by_words

ROWS = json.loads((Path(__file__).parent / "fixtures" / "words.json").read_text("utf-8"))["rows"]


def names(tokens):
    return [word.name for word in words(tokens)]


def pieces(tokens):
    return [word.pieces for word in words(tokens)]


def first(tokens):
    return [word.pieces[0] for word in words(tokens)]


def bare(piece):
    """Has it a letter or a digit? Marks and spelled bytes aside."""
    return any(sign.isalnum() for sign in piece.replace("Ġ", "").replace("Ċ", ""))


@pytest.mark.parametrize("kind, text, tokens, ids", ROWS, ids=lambda one: str(one)[:24])
def test_words_are_those_of_the_tokenizer(kind, text, tokens, ids):
    """As its word_ids say; only that signs are words by themselves here, and there at times not."""
    theirs = [[i for i, word in enumerate(ids) if word == n] for n in dict.fromkeys(ids)]
    found = pieces(tokens)
    if all(sign.isalnum() or sign == " " for sign in text):
        assert found == theirs
    starts, known = ({one[0] for one in words_} for words_ in (found, theirs))
    lone = {i for i, token in enumerate(tokens) if token in "▁Ġ"}  # a space goes on to its word
    for i in starts ^ known:
        near = [tokens[n] for n in (i - 1, i) if n >= 0]
        assert not all(map(bare, near)) or "<0x0A>" in near or i - 1 in lone, near
    assert "".join("".join(names(tokens)).split()) == "".join(text.split())


def test_the_rule_of_the_docstring():
    assert words(["▁The", "▁c", "at", "."]) == [("The", [0]), ("cat", [1, 2]), (".", [3])]
    assert names(["The", " c", "at", ",", " it", "'", "s", " (", "so", ")"]) == [
        *("The", "cat", ",", "it's", "(", "so", ")")
    ]
    assert names(["[CLS]", "un", "##believ", "##able", "[SEP]"]) == [
        "[CLS]",
        "unbelievable",
        "[SEP]",
    ]
    assert names(["un@@", "believ@@", "able", "cat"]) == ["unbelievable", "cat"]
    assert names(["un", "able</w>", "c", "at</w>"]) == ["unable", "cat"]
    assert names(["<start>", "The", "Ġcat", "<|end|>", "s"]) == [
        "<start>",
        "The",
        "cat",
        "<|end|>",
        "s",
    ]
    assert names(["▁", "日", "本", "語"]) == ["日", "本", "語"]
    assert names(["Ġna", "Ã", "¯", "ve", "ĠðŁĺ", "Ģ"]) == ["naïve", "😀"]
    assert names([" n", "a", "<C3>", "<AF>", "ve"]) == ["naïve"]
    assert names(["I", " <F0><9F>", "<98><80>", " <E6>", "<97><A5>"]) == ["I", "😀", "日"]
    assert names(["Ġthe", "Ġæľ¬æ", "Ĺ¥"]) == ["the", "本日"]  # cut within a sign
    assert names(["▁न", "म", "स", "्", "त", "े"]) == ["नमस्ते"]
    assert names(["line", "Ċ", "next", "Ġline"]) == ["line", "\n", "next", "line"]


def test_words_of_a_list_without_marks_are_its_tokens():
    assert pieces(["The", "cat", "##", "-", ""]) == [[0], [1], [2], [3], [4]]
    assert words([]) == [] and names([3, 7]) == ["3", "7"]
    assert names([["▁a", "b"]]) == ["ab"]  # a batch of one


LETTERS = st.text(st.sampled_from("abcxyzäßж"), min_size=1, max_size=9)
MARKED = {
    "Ġ": lambda cut, first: ["Ġ" * (not first) + cut[0], *cut[1:]],
    "▁": lambda cut, _: ["▁" + cut[0], *cut[1:]],
    " ": lambda cut, first: [" " * (not first) + cut[0], *cut[1:]],
    "##": lambda cut, _: [cut[0], *(f"##{one}" for one in cut[1:])],
    "</w>": lambda cut, _: [*cut[:-1], f"{cut[-1]}</w>"],
    "@@": lambda cut, _: [*(f"{one}@@" for one in cut[:-1]), cut[-1]],
}


@pytest.mark.parametrize("mark", MARKED)
@given(st.data())
def test_any_text_cut_anywhere_comes_together_again(mark, data):
    text = data.draw(st.lists(LETTERS, min_size=2, max_size=8))
    if mark in ("Ġ", "</w>"):
        text = [word.encode().hex()[:9] for word in text]  # their letters are names of bytes
    tokens, wanted = [], []
    for n, word in enumerate(text):
        at = sorted({0, len(word), *data.draw(st.lists(st.integers(0, len(word)), max_size=3))})
        cut = MARKED[mark]([word[a:b] for a, b in pairwise(at)], not n)
        wanted.append([*range(len(tokens), len(tokens) + len(cut))])
        tokens += cut
    if mark in ("##", "@@") and not any(mark in token for token in tokens):
        wanted = [[i] for i in range(len(tokens))]
    assert pieces(tokens) == wanted and names(tokens) == text


def test_weights_of_words_are_summed_over_keys_and_averaged_over_queries():
    rng = np.random.default_rng(0)
    found, keys = first(["▁a", "b", "▁c", "d", "e"]), first(["▁a", "▁b", "c"])
    weights = rng.dirichlet(np.ones(3), (2, 4, 5))
    result = by_words(weights, found, keys)
    wanted = np.zeros((2, 4, 2, 2))
    for i, query in enumerate([[0, 1], [2, 3, 4]]):
        for j, key in enumerate([[0], [1, 2]]):
            for a in query:
                for b in key:
                    wanted[..., i, j] += weights[..., a, b] / len(query)
    np.testing.assert_allclose(result, wanted, atol=1e-12)
    np.testing.assert_allclose(result.sum(-1), 1)
    assert by_words(weights.astype(np.float32), found, keys).dtype == np.float32
    weights[0, 0, 1, 0] = np.nan  # stays in its own word
    assert np.isnan(by_words(weights, found, keys)).sum() == 1


def test_a_word_may_look_where_one_of_its_pieces_may():
    found = first(["▁a", "b", "▁c", "d"])
    mask = np.tri(4, dtype=bool)
    assert (allowed_by_words(mask, found, found) == [[True, False], [True, True]]).all()
    mask[3, 1] = mask[2, 1] = mask[3, 0] = mask[2, 0] = False
    assert (allowed_by_words(mask, found, found) == [[True, False], [False, True]]).all()
    assert allowed_by_words(np.eye(4, k=3, dtype=bool), found, found).tolist() == [
        [False, True],
        [False, False],
    ]
