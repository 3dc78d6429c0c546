"""toy.py: the tokenizer in many languages, the word features, and every hand-built head at its
stated job.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlib
from attnlib import scaled_dot_product_attention, softmax, split_heads, toy
from attnlib.show import labels

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=100, deadline=None, derandomize=True)

# Three sentences with the kind of every word, and which words are alive, labelled by a reader.
SENTENCES = {
    "The cat sat on the mat because it was tired.": (
        "function noun verb function function noun function pronoun verb quality punctuation",
        [1],
    ),
    "The girl gave her old dog a warm bed and the dog slept.": (
        (
            "function noun verb pronoun quality noun function quality noun function function noun"
            " verb punctuation"
        ),
        [1, 5, 11],
    ),
    "Two birds sang in the garden while the farmer drank his coffee!": (
        (
            "number noun verb function function noun function function noun verb pronoun noun"
            " punctuation"
        ),
        [1, 8],
    ),
}
POSITIONS = ["sinusoidal", "learned"]
ZWJ, ZWNJ = "\u200d", "\u200c"


# ---- the tokenizer -------------------------------------------------------------------------------

TEXTS = [
    ("It's late.", ["It's", "late", "."]),
    ("Wait... what?!", ["Wait", ".", ".", ".", "what", "?", "!"]),
    (
        "He said: “no” (twice), then left;",
        ["He", "said", ":", "“", "no", "”", "(", "twice", ")", ",", "then", "left", ";"],
    ),
    ("don’t can't o'clock", ["don’t", "can't", "o'clock"]),
    ("the dogs' 'tis", ["the", "dogs", "'", "'", "tis"]),
    ("rock 'n' roll", ["rock", "'", "n", "'", "roll"]),
    ("well-known 3.14 a_b", ["well", "-", "known", "3", ".", "14", "a", "_", "b"]),
    ("GPT2 x² ½", ["GPT2", "x²", "½"]),
    ("Größe cafe\u0301 Łódź", ["Größe", "cafe\u0301", "Łódź"]),
    ("बिल्ली चटाई पर बैठी।", ["बिल्ली", "चटाई", "पर", "बैठी", "।"]),
    (f"क्{ZWJ}ष है", [f"क्{ZWJ}ष", "है"]),
    ("القِطَّةُ نامت؟", ["القِطَّةُ", "نامت", "؟"]),
    (f"می{ZWNJ}خواهم", [f"می{ZWNJ}خواهم"]),
    ("הֶחָתוּל ישן.", ["הֶחָתוּל", "ישן", "."]),
    ("猫が寝た。", ["猫", "が", "寝", "た", "。"]),
    ("我love你", ["我", "love", "你"]),
    ("𠮷野家", ["𠮷", "野", "家"]),
    ("고양이가 잤다.", ["고양이가", "잤다", "."]),
    ("แมวนอน", ["แมวนอน"]),
    ("😀😀 ok", ["😀", "😀", "ok"]),
    ("👍🏽👍🏿", ["👍🏽", "👍🏿"]),
    (f"👩{ZWJ}👩{ZWJ}👧{ZWJ}👦!", [f"👩{ZWJ}👩{ZWJ}👧{ZWJ}👦", "!"]),
    (f"👩🏾{ZWJ}🚀", [f"👩🏾{ZWJ}🚀"]),
    (f"🏳\ufe0f{ZWJ}🌈 ❤\ufe0f", [f"🏳\ufe0f{ZWJ}🌈", "❤\ufe0f"]),
    ("1\ufe0f\u20e3#\ufe0f\u20e3", ["1\ufe0f\u20e3", "#\ufe0f\u20e3"]),
    ("🇮🇳🇯🇵", ["🇮🇳", "🇯🇵"]),
    ("🇮🇳🇯", ["🇮🇳", "🇯"]),
    (
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ["🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"],
    ),
    ("a\x00b\x1b[31m", ["a", "b", "[", "31m"]),
    ("\ufeffone\u200btwo\u2060three", ["one", "two", "three"]),
    ("\u202eabc\u202c", ["abc"]),
    ("a\tb\nc\r\nd\u00a0e\u3000f\u2028g", ["a", "b", "c", "d", "e", "f", "g"]),
    ("\ud800 lone", ["lone"]),
    ("<b>cat</b> &amp;", ["<", "b", ">", "cat", "<", "/", "b", ">", "&", "amp", ";"]),
    (
        "<img src=x onerror='f()'>",
        ["<", "img", "src", "=", "x", "onerror", "=", "'", "f", "(", ")", "'", ">"],
    ),
    ("$x_1^2$ \\n {y}", ["$", "x", "_", "1", "^", "2", "$", "\\", "n", "{", "y", "}"]),
    ("\u0301", ["\u0301"]),
]


@pytest.mark.parametrize("text, tokens", TEXTS, ids=[ascii(text)[:40] for text, _ in TEXTS])
def test_tokenize(text, tokens):
    assert toy.tokenize(text) == tokens


SOFT_HYPHEN = "\xad"


def stays(char):
    """A reader's rule for what must not get lost: all but white space, controls, invisible format
    characters and joiners.
    """
    tag = "\U000e0020" <= char <= "\U000e007f"  # the letters inside a regional flag
    return tag or not (char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Cs"))


tricky = st.sampled_from(
    "ab'’ .\n\x00\xad猫カ々한ก्क\u0301\u0651\ufe0f\u20e3😀🏽🇮🇳🏴"
    "\U000e0067\U000e007f\u200b\u202e\ud800" + ZWJ + ZWNJ
)


@examples
@given(
    st.text(max_size=60)
    | st.text(tricky, max_size=12)
    | st.text(st.characters(exclude_categories=[]), max_size=20)
)
def test_no_sign_is_lost(text):
    visible = "".join(filter(stays, text))
    if not visible:
        with contextlib.suppress(ValueError):  # joiners alone: see test_joiners_alone_are_nothing
            assert set("".join(toy.tokenize(text))) <= {ZWJ, ZWNJ}
        return
    tokens = toy.tokenize(text)
    assert "".join(tokens).translate(dict.fromkeys(map(ord, (ZWJ, ZWNJ, SOFT_HYPHEN)))) == visible
    assert all(tokens) and not any(char.isspace() for token in tokens for char in token)
    assert toy.tokenize(" ".join(tokens)) == tokens
    assert toy.embed(tokens).shape == (len(tokens), toy.D_MODEL)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r", "\u200b\ufeff", "\x00", "\u3000\u2028"])
def test_nothing_to_read(text):
    with pytest.raises(ValueError, match="sentence is empty: type at least one word"):
        toy.tokenize(text)


@pytest.mark.parametrize(
    "text, tokens", [(f"a {ZWJ} b", ["a", "b"]), (f"猫{ZWJ}猫", ["猫", "猫"]), (f". {ZWNJ}", ["."])]
)
def test_joiners_alone_are_nothing(text, tokens):
    assert toy.tokenize(text) == tokens


def test_too_long():
    assert len(toy.tokenize("a " * toy.MAX_TOKENS)) == toy.MAX_TOKENS == 1000
    with pytest.raises(ValueError, match=r"1,001 tokens, .* at most 1,000"):
        toy.tokenize("a " * 1001)


@pytest.mark.parametrize("text", [None, 5, b"cat", ["cat"], float("nan")])
def test_only_strings_are_sentences(text):
    with pytest.raises(TypeError, match=f"sentence must be a string, got {type(text).__name__}"):
        toy.tokenize(text)
    with pytest.raises(TypeError, match="sentence must be a string"):
        toy.look(text)


def test_name_repeats():
    assert labels.name_repeats(["a", "b", "a"]) == ["a₁", "b", "a₂"]
    assert labels.name_repeats(["the", "The"]) == ["the", "The"]
    assert labels.name_repeats(["x"] * 12)[8:] == ["x₉", "x₁₀", "x₁₁", "x₁₂"]
    assert labels.name_repeats([]) == []


@examples
@given(st.lists(st.sampled_from(["a", "b", "c", "."]), max_size=15))
def test_names_tell_the_tokens_apart(tokens):
    before = list(tokens)
    names = labels.name_repeats(tokens)
    assert tokens == before and len(set(names)) == len(tokens)
    assert [name.rstrip("₀₁₂₃₄₅₆₇₈₉") for name in names] == tokens


def test_names_stay_apart_when_the_text_has_subscripts():
    names = labels.name_repeats(toy.tokenize("a a a₁"))
    assert len(set(names)) == 3


# ---- features ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word, found",
    [
        ("cat", "token noun animal alive"),
        ("Dogs", "token noun animal alive plural"),
        ("GIRL", "token noun person alive"),
        ("mat", "token noun thing"),
        ("bank", "token noun thing place"),
        ("fish", "token noun animal food alive"),
        ("sat", "token verb past"),
        ("is", "token verb"),
        ("love", "token noun idea"),
        ("they", "token pronoun plural"),
        ("it", "token pronoun"),
        ("tired", "token quality"),
        ("soft", "token quality"),
        ("seven", "token number"),
        ("42", "token number"),
        ("٤٢", "token number"),
        ("because", "token function"),
        (".", "token punctuation"),
        ("“", "token punctuation"),
    ],
)
def test_features(word, found):
    assert toy.features(word) == set(found.split())


@pytest.mark.parametrize("word", ["zyzzyva", "don't", "बिल्ली", "猫", "GPT2", "x²", "catt"])
def test_unknown_words_are_only_tokens(word):
    assert toy.features(word) == {"token"}


def test_word_table_makes_sense():
    """Every heading is a feature; what is past is a verb; what is plural is a noun or a pronoun; no
    word stands twice.
    """
    table = {heading: words.split() for heading, words in toy.WORDS.items()}
    nouns = {word for noun in toy.NOUNS for word in table[noun]}
    assert set(table) | {"token", "noun", "alive", "punctuation"} == set(toy.FEATURES)
    assert set(table["past"]) <= set(table["verb"])
    assert set(table["plural"]) <= nouns | set(table["pronoun"])
    for heading, words in table.items():
        assert len(set(words)) == len(words), heading
        assert all(word == word.lower() for word in words)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_are_labelled_as_a_reader_would(sentence):
    kinds, alive = SENTENCES[sentence]
    tokens = toy.tokenize(sentence)
    assert [[kind for kind in toy.KINDS if kind in toy.features(token)] for token in tokens] == [
        [kind] for kind in kinds.split()
    ]
    assert [i for i, token in enumerate(tokens) if "alive" in toy.features(token)] == alive


# ---- embeddings ----------------------------------------------------------------------------------

F, S = len(toy.FEATURES), toy.N_SPELLING


def spelling(word):
    """The rule in the docstring of `embed`, piece by piece."""
    columns, text = [0.0] * S, f"<{word.lower()}>"
    pieces = [text[i : i + 2] for i in range(len(text) - 1)] + [
        text[i : i + 3] for i in range(len(text) - 2)
    ]
    for piece in pieces:
        code = zlib.crc32(piece.encode())
        columns[code // 2 % S] += 1 if code % 2 == 1 else -1
    length = sum(x * x for x in columns) ** 0.5
    return [x / length if length else 0.0 for x in columns]


def test_blocks_of_an_embedding():
    tokens = ["The", "cat", "zyzzyva", ".", "猫", "😀"]
    x = toy.embed(tokens)
    assert x.shape == (6, toy.D_MODEL) and toy.D_MODEL == F + S + toy.N_POSITION
    for row, token in zip(x, tokens):
        assert row[:F].tolist() == [
            float(feature in toy.features(token)) for feature in toy.FEATURES
        ]
        np.testing.assert_allclose(row[F : F + S], spelling(token), atol=1e-12)
    assert not x[:, F + S :].any()


def test_the_spelling_alone():
    tokens = ["The", "cat", "zyzzyva", "mat"]
    rows = toy.spelling(tokens)
    np.testing.assert_allclose(rows, [spelling(token) for token in tokens], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    assert rows[1] @ rows[3] > rows[1] @ rows[2]


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
def test_positions_are_added_in_a_block_of_their_own(encoding):
    tokens = ["cat", "cat", "dog"]
    x, plain = toy.embed(tokens, encoding), toy.embed(tokens)
    np.testing.assert_array_equal(x[:, : F + S], plain[:, : F + S])
    np.testing.assert_array_equal(x[:, F + S :], toy.positions(3, encoding))
    np.testing.assert_allclose(np.linalg.norm(x[:, F + S :], axis=1), encoding != "none")


def test_sinusoidal_positions_are_those_of_the_formula():
    np.testing.assert_allclose(
        toy.positions(50, "sinusoidal") * 4, slow.sinusoidal(50, 32), atol=1e-12
    )


def test_learned_positions_stand_at_right_angles():
    table = toy.positions(32, "learned")
    np.testing.assert_allclose(table @ table.T, np.eye(32), atol=1e-12)


def test_words_that_look_alike_are_near():
    def nearness(a, b):
        x = toy.embed([a, b])[:, F : F + S]
        return x[0] @ x[1]

    assert nearness("cat", "Cat") == pytest.approx(1)
    for a, near, far in [
        ("cat", "cats", "dog"),
        ("zyzzyva", "zyzzyvas", "qwrtp"),
        ("walked", "walks", "cheese"),
    ]:
        assert nearness(a, near) > 0.4 > nearness(a, far)


def test_embeddings_are_copies():
    toy.embed(["cat"])[:] = 0
    assert toy.embed(["cat"]).any()


def test_positions_are_copies():
    table = toy.positions(32, "learned")
    before = table.copy()
    try:
        with contextlib.suppress(ValueError):  # a read-only array would do as well
            toy.positions(32, "learned")[:] = 0
        np.testing.assert_array_equal(toy.positions(32, "learned"), before)
    finally:
        table[:] = before


def test_half_a_sign_in_a_word_is_embedded_as_a_question_mark():
    np.testing.assert_array_equal(toy.embed(["a\ud83dbc"]), toy.embed(["a?bc"]))


@pytest.mark.parametrize("tokens", [[], ()])
def test_embed_needs_a_word(tokens):
    with pytest.raises(ValueError, match="tokens must be a list with at least one word"):
        toy.embed(tokens)


FINGERPRINT = """
import hashlib
from attnlib import masks, toy
total = hashlib.sha256()
for encoding in toy.ENCODINGS:
    words = toy.tokenize("The quick zyzzyva's 猫 didn't 😀 1,234.")
    total.update(toy.embed(words, encoding).tobytes())
    total.update(toy.layer(8, encoding=encoding).W_q.tobytes())
total.update(toy.layer(3, control=True).W_q.tobytes() + masks.random_keys(9, n_random=4).tobytes())
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_numbers_in_every_process(seed):
    """Python's own hash() differs from process to process; the toy world must not."""
    here = {}
    exec(FINGERPRINT, here)
    root = str(Path(attnlib.__file__).parents[1])
    command = [sys.executable, "-c", FINGERPRINT + "print(total.hexdigest())"]
    environment = os.environ | {
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": root,
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUTF8": "1",
    }
    there = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert there.stdout.strip() == here["total"].hexdigest()


# ---- heads ---------------------------------------------------------------------------------------


def weights_of(name, sentence, encoding="sinusoidal", **options):
    seen = toy.look(sentence, n_heads=len(toy.HEADS), encoding=encoding, **options)
    return seen.weights[seen.names.index(name)]


def assert_even(rows):
    np.testing.assert_allclose(rows, np.full(rows.shape, 1 / rows.shape[-1]), atol=1e-12)


every_sentence = pytest.mark.parametrize("sentence", SENTENCES)
every_encoding = pytest.mark.parametrize("encoding", POSITIONS)


@every_encoding
@every_sentence
def test_one_token_back(sentence, encoding):
    weights = weights_of("one token back", sentence, encoding)
    for i in range(1, len(weights)):
        assert weights[i].argmax() == i - 1 and weights[i, i - 1] > 0.9


@every_encoding
@every_sentence
def test_one_token_ahead(sentence, encoding):
    weights = weights_of("one token ahead", sentence, encoding)
    for i in range(len(weights) - 1):
        assert weights[i].argmax() == i + 1 and weights[i, i + 1] > 0.9


@every_encoding
@every_sentence
def test_first_token(sentence, encoding):
    weights = weights_of("first token", sentence, encoding)
    assert (weights[:, 0] > 0.9).all()


@pytest.mark.parametrize(
    "sentence, encoding",
    [("cat " * 400, "sinusoidal"), ("cat " * 32, "learned")],
    ids=["400", "32"],
)
def test_position_heads_hold_in_long_texts(sentence, encoding):
    back, ahead = (
        weights_of(name, sentence, encoding) for name in ("one token back", "one token ahead")
    )
    n = len(back)
    assert back.argmax(1)[1:].tolist() == list(range(n - 1)) and ahead.argmax(1)[
        :-1
    ].tolist() == list(range(1, n))
    assert (np.diagonal(back, -1) > 0.9).all() and (np.diagonal(ahead, 1) > 0.9).all()
    assert (weights_of("first token", sentence, encoding)[:, 0] > 0.8).all()


@every_sentence
def test_without_positions_the_position_heads_are_even(sentence):
    for name in ("one token back", "one token ahead", "first token"):
        assert_even(weights_of(name, sentence, "none"))


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
@every_sentence
def test_pronoun_to_noun(sentence, encoding):
    """A pronoun looks most at the nouns that are alive, less at other nouns, hardly at the rest;
    all other rows are even.
    """
    kinds, alive = SENTENCES[sentence][0].split(), SENTENCES[sentence][1]
    weights = weights_of("pronoun → noun", sentence, encoding)
    things = [j for j, kind in enumerate(kinds) if kind == "noun" and j not in alive]
    others = [j for j, kind in enumerate(kinds) if kind != "noun"]
    for i, kind in enumerate(kinds):
        if kind == "pronoun":
            assert (
                weights[i, alive].min()
                > 2 * weights[i, things].max()
                > 10 * weights[i, others].max()
            )
        else:
            assert_even(weights[i])


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_small_pronoun_head_looks_as_the_one_of_the_layer_does(sentence):
    q, k, v = toy.pronoun_head(toy.tokenize(sentence))
    output, weights = scaled_dot_product_attention(q, k, v)
    np.testing.assert_allclose(weights, toy.look(sentence, n_heads=2).weights[1], atol=3e-3)
    assert q.shape[1] == k.shape[1] == len(toy.ASKED) and output.shape[1] == len(toy.TOLD)
    animals = [i for i, token in enumerate(toy.tokenize(sentence)) if token.lower() == "cat"]
    assert all((v[i] == [1, 1, 0, 0]).all() for i in animals)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_scores_of_a_head_are_those_of_the_layer(sentence):
    seen = toy.look(sentence, n_heads=len(toy.HEADS))
    by_name = toy.scores(seen.tokens, list(toy.HEADS))
    for name, weights in zip(seen.names, seen.weights):
        np.testing.assert_allclose(softmax(by_name[name]), weights, atol=1e-12)


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
def test_matrices_of_a_head_are_those_of_the_layer(encoding):
    layer, x = toy.layer(5, encoding=encoding), toy.embed(["a", "cat"], encoding)
    for h, name in enumerate(list(toy.HEADS)[:5]):
        W_q, W_k, W_v = toy.matrices(name, encoding)
        part = slice(h * toy.D_HEAD, (h + 1) * toy.D_HEAD)
        for mine, theirs in ((W_q, layer.W_q), (W_k, layer.W_k), (W_v, layer.W_v)):
            np.testing.assert_array_equal(mine, theirs[:, part])
        assert ((x @ W_v)[:, : len(toy.FEATURES)] == x[:, : len(toy.FEATURES)]).all()


def test_pronoun_without_a_living_noun_looks_at_a_thing():
    tokens = toy.tokenize("Take the book and read it")
    assert weights_of("pronoun → noun", "Take the book and read it")[5].argmax() == tokens.index(
        "book"
    )


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
@every_sentence
def test_same_kind(sentence, encoding):
    """All tokens of the same kind get the same share, the token itself included, and the other
    kinds hardly anything.
    """
    kinds = SENTENCES[sentence][0].split()
    weights = weights_of("same kind", sentence, encoding)
    for i, kind in enumerate(kinds):
        same = [j for j, other in enumerate(kinds) if other == kind]
        different = [j for j, other in enumerate(kinds) if other != kind]
        assert np.ptp(weights[i, same]) < 1e-12
        assert weights[i, same].min() > 50 * weights[i, different].max()
        assert weights[i, same].sum() > 0.85


def test_same_kind_of_an_unknown_word_is_even():
    assert_even(weights_of("same kind", "The zyzzyva sat")[1])


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
def test_look_alikes(encoding):
    """A word looks at the words that are written like it: first at the same word, then at its
    plural.
    """
    tokens = toy.tokenize("The cats saw a cat near the castle, said the zyzzyva to the zyzzyvas.")
    weights = weights_of("look-alikes", " ".join(tokens), encoding)
    for i, token in enumerate(tokens):
        same = [j for j, other in enumerate(tokens) if other.lower() == token.lower()]
        different = [j for j in range(len(tokens)) if j not in same]
        assert (
            np.ptp(weights[i, same]) < 1e-12
            and weights[i, same].min() > 2 * weights[i, different].max()
        )
        if token in ("cat", "cats", "zyzzyva", "zyzzyvas"):
            partner = token.removesuffix("s") if token.endswith("s") else token + "s"
            assert different[weights[i, different].argmax()] == tokens.index(partner)


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
@every_sentence
def test_verb_to_who_acts(sentence, encoding):
    kinds, alive = SENTENCES[sentence][0].split(), SENTENCES[sentence][1]
    weights = weights_of("verb → who acts", sentence, encoding)
    rest = [j for j in range(len(kinds)) if j not in alive]
    for i, kind in enumerate(kinds):
        if kind == "verb":
            assert weights[i, alive].min() > 50 * weights[i, rest].max()
        else:
            assert_even(weights[i])


@pytest.mark.parametrize("encoding", toy.ENCODINGS)
@every_sentence
def test_everyone_alike(sentence, encoding):
    assert_even(weights_of("everyone alike", sentence, encoding))


def test_there_is_a_test_for_every_head():
    tested = [
        "one token back",
        "pronoun → noun",
        "same kind",
        "look-alikes",
        "one token ahead",
        "verb → who acts",
        "first token",
    ]
    assert list(toy.HEADS) == [*tested, "everyone alike"]


def test_learned_positions_end_in_a_cliff():
    assert toy.look("cat " * 32, encoding="learned").weights.shape == (4, 32, 32)
    with pytest.raises(ValueError, match=r"32 rows.*33 tokens"):
        toy.look("cat " * 33, encoding="learned")
    assert toy.look("cat " * 33, encoding="sinusoidal").weights.shape == (4, 33, 33)


# ---- layer and look ------------------------------------------------------------------------------

TWINS = {
    "standard": lambda n, window, n_global: slow.full(n, n),
    "causal": lambda n, window, n_global: slow.causal(n, n),
    "local": lambda n, window, n_global: slow.local(n, n, window),
    "global-local": slow.global_local,
}


def test_every_pattern_and_encoding_is_tried_here():
    missing = [name for name in toy.PATTERNS if name not in TWINS]
    assert not missing, f"{missing}: a line in TWINS here, (n, window, n_global) -> the slow mask"
    assert toy.ENCODINGS == ("none", "sinusoidal", "learned")


@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("encoding", toy.ENCODINGS)
@pytest.mark.parametrize("pattern", TWINS)
def test_look_at_every_combination(pattern, encoding, control):
    """Every number of heads, windows from 1 to wider than the text: the mask holds and every row
    sums to 1.
    """
    sentence = "The cat didn't sit: it ran."
    n = len(toy.tokenize(sentence))
    for n_heads in range(1, 9):
        for window, n_global in [(1, 1), (2, 0), (3, 2), (n, 1), (50, n + 3)]:
            options = {
                "pattern": pattern,
                "encoding": encoding,
                "window": window,
                "n_global": n_global,
                "control": control,
            }
            tokens, names, weights, mask, output = toy.look(sentence, n_heads=n_heads, **options)
            assert tokens == ["The", "cat", "didn't", "sit", ":", "it", "ran", "."]
            assert names == (
                [f"random {h}" for h in range(1, n_heads + 1)]
                if control
                else list(toy.HEADS)[:n_heads]
            )
            assert weights.shape == (n_heads, n, n) and output.shape == (n, toy.D_MODEL)
            np.testing.assert_array_equal(mask, TWINS[pattern](n, window, n_global))
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-12)
            assert not weights[:, ~mask].any() and (weights[:, mask] > 0).all()
            assert np.isfinite(output).all()


def test_look_defaults():
    plain = toy.look("The cat sat because it was tired")
    said = toy.look(
        "The cat sat because it was tired",
        pattern="standard",
        n_heads=4,
        window=3,
        n_global=1,
        encoding="sinusoidal",
        temperature=1.0,
        control=False,
    )
    np.testing.assert_array_equal(plain.weights, said.weights)
    assert len(plain.names) == 4


def test_fewer_heads_are_the_first_of_more():
    few, many = toy.look("The cat sat", n_heads=3), toy.look("The cat sat", n_heads=8)
    np.testing.assert_allclose(few.weights, many.weights[:3], atol=1e-12)
    assert few.names == many.names[:3]


def test_what_comes_back_are_the_features():
    """The output is the sum over the heads of the looked-at features; spelling and position bring
    nothing.
    """
    tokens, _, weights, _, output = toy.look("The cat sat because it was tired", n_heads=5)
    seen = toy.embed(tokens)[:, :F]
    np.testing.assert_allclose(output[:, :F], sum(head @ seen for head in weights), atol=1e-12)
    assert not output[:, F:].any()


@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("temperature", [0.25, 0.5, 2, 10])
def test_temperature_divides_the_scores(temperature, control):
    """So the weights become the old weights to the power 1 / temperature, normalised again."""
    once = toy.look("The cat sat because it was tired", n_heads=8, control=control).weights
    again = toy.look(
        "The cat sat because it was tired", n_heads=8, control=control, temperature=temperature
    ).weights
    powered = once ** (1 / temperature)
    np.testing.assert_allclose(again, powered / powered.sum(-1, keepdims=True), atol=1e-9)


def test_control_is_random_but_always_the_same():
    sentence = "The cat sat on the mat because it was tired"
    first, second = toy.look(sentence, control=True), toy.look(sentence, control=True)
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.output, second.output)
    assert np.abs(first.weights - toy.look(sentence).weights).max() > 0.5
    for i in range(4):
        for j in range(i):
            assert np.abs(first.weights[i] - first.weights[j]).max() > 0.1


def test_control_draws_pretty_nonsense():
    """Its rows are far from even (small random weights would leave every token near 1/10), and not
    all on one token.
    """
    weights = toy.look(
        "The cat sat on the mat because it was tired", n_heads=8, control=True
    ).weights
    assert 0.18 < weights.max(-1).mean() < 0.9


def test_layer_shapes():
    attention = toy.layer(3)
    assert (
        attention.n_heads == 3
        and attention.W_q.shape
        == attention.W_k.shape
        == attention.W_v.shape
        == (toy.D_MODEL, 3 * toy.D_HEAD)
    )
    assert attention.W_o.shape == (3 * toy.D_HEAD, toy.D_MODEL)


def test_heads_are_rebuilt_each_time():
    toy.layer(2).W_q[:] = 0
    assert toy.layer(2).W_q.any()


BAD = [
    ({"n_heads": 0}, ValueError, "n_heads must be at least 1, got 0"),
    ({"n_heads": -1}, ValueError, "n_heads must be at least 1, got -1"),
    ({"n_heads": 9}, ValueError, "n_heads must be at most 8, got 9"),
    ({"n_heads": "8"}, TypeError, "n_heads must be a whole number, got '8'"),
    ({"n_heads": 2.0}, TypeError, "n_heads must be a whole number, got 2.0"),
    ({"n_heads": True}, TypeError, "n_heads must be a whole number, got True"),
    ({"n_heads": None}, TypeError, "n_heads must be a whole number, got None"),
    ({"n_heads": [2]}, TypeError, r"n_heads must be a whole number, got \[2\]"),
    ({"window": 0}, ValueError, "window must be at least 1, got 0"),
    ({"window": -3}, ValueError, "window must be at least 1, got -3"),
    ({"window": 2.5}, TypeError, "window must be a whole number, got 2.5"),
    ({"window": "3"}, TypeError, "window must be a whole number, got '3'"),
    ({"window": True}, TypeError, "window must be a whole number, got True"),
    ({"window": np.nan}, TypeError, "window must be a whole number, got nan"),
    ({"n_global": -1}, ValueError, "n_global must be at least 0, got -1"),
    ({"n_global": 0.5}, TypeError, "n_global must be a whole number, got 0.5"),
    ({"n_global": False}, TypeError, "n_global must be a whole number, got False"),
    ({"temperature": 0}, ValueError, "temperature must be a finite number above 0, got 0"),
    ({"temperature": -1}, ValueError, "temperature must be a finite number above 0, got -1"),
    ({"temperature": np.nan}, ValueError, "temperature must be a finite number above 0, got nan"),
    ({"temperature": np.inf}, ValueError, "temperature must be a finite number above 0, got inf"),
    ({"temperature": "1"}, TypeError, "temperature must be a number, got '1'"),
    ({"temperature": "hot"}, TypeError, "temperature must be a number, got 'hot'"),
    ({"temperature": None}, TypeError, "temperature must be a number, got None"),
    (
        {"pattern": "spiral"},
        ValueError,
        "pattern must be one of 'standard', 'causal', 'local', 'global-local',? .*got 'spiral'",
    ),
    ({"pattern": "Local"}, ValueError, "pattern must be one of .* got 'Local'"),
    ({"pattern": None}, ValueError, "pattern must be one of .* got None"),
    (
        {"encoding": "rotary"},
        ValueError,
        "encoding must be one of 'none', 'sinusoidal', 'learned', got 'rotary'",
    ),
    ({"encoding": None}, ValueError, "encoding must be one of .* got None"),
    (
        {"encoding": "rotary", "control": True},
        ValueError,
        "encoding must be one of .* got 'rotary'",
    ),
    ({"sentence": ""}, ValueError, "sentence is empty"),
    ({"sentence": " \n"}, ValueError, "sentence is empty"),
]


@pytest.mark.parametrize(
    "options, error, message", BAD, ids=[str(options) for options, _, _ in BAD]
)
def test_look_refuses(options, error, message):
    with pytest.raises(error, match=message):
        toy.look(**{"sentence": "The cat sat"} | options)


def test_a_layer_that_was_kept_does_not_let_bad_arguments_pass():
    """2.0 and True have the same hash as 2 and 1: a cache must tell them apart."""
    for good, bad in [(2, 2.0), (1, True), (1, 1.0)]:
        toy.look("The cat sat", n_heads=good)
        with pytest.raises(TypeError, match="n_heads must be a whole number"):
            toy.look("The cat sat", n_heads=bad)


@pytest.mark.parametrize("pattern", toy.PATTERNS)
def test_window_is_checked_even_where_it_is_not_used(pattern):
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        toy.look("The cat sat", pattern=pattern, window=0)


UNNAMED = [
    (lambda: toy.look("cat", pattern=[]), "pattern"),
    (lambda: toy.look("cat", encoding=np.array(["none", "learned"])), "encoding"),
    (lambda: toy.layer(2, control=True, encoding="rotary"), "encoding"),
    (lambda: toy.embed([1, 2]), "tokens"),
    (lambda: toy.embed("cat"), "tokens"),
]


@pytest.mark.parametrize(
    "call, name",
    UNNAMED,
    ids=["unhashable pattern", "array for encoding", "control layer", "numbers", "a string"],
)
def test_refuses_by_name(call, name):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must"):
        call()


# ---- tired or soft -------------------------------------------------------------------------------

# Each pair: two sentences, and the noun that its pronoun means, as a reader says. All were written
# down before the two layers were built; while they were built, only the first list was looked at.
PAIRS = {
    "built with": [
        ("The cat sat on the mat because it was tired", "cat"),
        ("The cat sat on the mat because it was soft", "mat"),
        ("The dog slept on the bed because it was hungry", "dog"),
        ("The dog slept on the bed because it was new", "bed"),
        ("The fox liked the forest because it was brave", "fox"),
        ("The fox liked the forest because it was dark", "forest"),
        ("Because it was thirsty, the horse left the field.", "horse"),
        ("Because it was empty, the horse left the field.", "field"),
        ("The bird looked at the cake. It was hungry.", "bird"),
        ("The bird looked at the cake. It was sweet.", "cake"),
        ("The cat was tired so it sat on the mat", "cat"),
        ("The mat was soft so the cat sat on it", "mat"),
        ("The mouse ran under the table, for it was afraid.", "mouse"),
        ("The mouse ran under the table, for it was round.", "table"),
        ("The dogs ran around the boxes because they were happy", "dogs"),
        ("The dogs ran around the boxes because they were empty", "boxes"),
    ],
    "held out": [
        ("The wolf left the river because it was sick", "wolf"),
        ("The wolf left the river because it was deep", "river"),
        ("Because it was angry, the lion did not like the chair.", "lion"),
        ("Because it was broken, the lion did not like the chair.", "chair"),
        ("The rabbit looked at the door. It was nervous.", "rabbit"),
        ("The rabbit looked at the door. It was open.", "door"),
        ("The mouse was hungry so it ate the bread", "mouse"),
        ("The bread was fresh so the mouse ate it", "bread"),
        ("Since it was so bored, the dog left the ball behind.", "dog"),
        ("Since it was so flat, the dog left the ball behind.", "ball"),
        ("The owl loves the river, for it is wise.", "owl"),
        ("The owl loves the river, for it is wide.", "river"),
        ("The birds liked the apples because they were hungry", "birds"),
        ("The birds liked the apples because they were sweet", "apples"),
        ("A horse stood for hours near the old wall until it was thirsty again", "horse"),
        ("A horse stood for hours near the old wall until it was broken again", "wall"),
    ],
}
# Sentences that a reader understands, and that one quality of two kinds cannot decide.
TOO_HARD = {
    "two qualities": [
        ("The black cat sat on the soft mat because it was tired", "cat"),
        ("The tired cat sat on the black mat because it was soft", "mat"),
    ],
    "a quality of another word": [
        ("The dog was hungry, so the boy filled the bowl and put it down", "bowl")
    ],
    "two living nouns": [
        ("The cat chased the dog because it was hungry", "cat"),
        ("The cat chased the dog because it was afraid", "dog"),
    ],
    "two things": [("The cat put the ball into the box because it was empty", "box")],
}

EVERY_STORY = [story for half in PAIRS.values() for story in half]
both_halves = pytest.mark.parametrize("half", PAIRS)


def asking(tokens):
    """Where the pronoun stands whose noun is asked for."""
    return [token.lower() in ("it", "they") for token in tokens].index(True)


def row_of(seen, table):
    """What the pronoun gives to each word."""
    return dict(zip(seen.tokens, table[asking(seen.tokens)]))


def right(half, table_of, **options):
    """In which of these sentences the noun that is meant gets most, and how much it gets."""
    found = []
    for sentence, noun in PAIRS[half]:
        seen = toy.story(sentence, **options)
        row = row_of(seen, table_of(seen))
        others = [weight for token, weight in row.items() if token != noun]
        found.append(row[noun] if row[noun] > max(others) + 1e-9 else np.nan)
    return np.array(found)


def test_half_of_the_sentences_were_kept_out_and_none_stands_twice():
    assert [len(half) for half in PAIRS.values()] == [16, 16]
    assert len({sentence for sentence, _ in EVERY_STORY}) == 32


@both_halves
def test_one_head_is_right_on_one_ending_of_each_pair(half):
    found = right(half, lambda seen: seen.one).reshape(-1, 2)
    assert (np.isfinite(found) == [True, False]).all(), "the living one, and never the thing"
    assert (found[:, 0] > 0.8).all() and (found[:, 0] < 0.9).all()


@both_halves
def test_two_layers_are_right_on_both_endings(half):
    found = right(half, lambda seen: seen.second)
    assert (found > 0.99).all(), found


@both_halves
def test_the_first_layer_reads_the_quality(half):
    """The pronoun gives nearly all to a word of SAID, and takes along what is said by it."""
    for sentence, _ in PAIRS[half]:
        seen = toy.story(sentence)
        row, said = row_of(seen, seen.first), [words.split() for words in toy.SAID.values()]
        best = max(row, key=row.get)
        assert row[best] > 0.98
        np.testing.assert_allclose(
            seen.wants[asking(seen.tokens)], [best in words for words in said], atol=0.02
        )


@both_halves
def test_two_heads_in_one_layer_do_not_help(half):
    """The second asks with nothing, and sees what the one head sees, to the last digit."""
    np.testing.assert_array_equal(
        np.isfinite(right(half, lambda seen: seen.second, side_by_side=True)), [True, False] * 8
    )
    for sentence, _ in PAIRS[half]:
        seen, beside = toy.story(sentence), toy.story(sentence, side_by_side=True)
        np.testing.assert_allclose(beside.second, seen.one, atol=1e-12)
        np.testing.assert_array_equal(beside.first, seen.first)
        np.testing.assert_array_equal(beside.wants, seen.wants)


@both_halves
def test_with_the_qualities_exchanged_the_answers_are_exchanged(half, monkeypatch):
    """So it is the quality that decides, and nothing else in the sentence."""
    monkeypatch.setattr(toy, "SAID", dict(zip(toy.SAID, reversed(toy.SAID.values()))))
    assert np.isnan(right(half, lambda seen: seen.second)).all()
    for (one, living), (other, thing) in zip(PAIRS[half][::2], PAIRS[half][1::2]):
        for sentence, noun in ((one, thing), (other, living)):
            seen = toy.story(sentence)
            assert row_of(seen, seen.second)[noun] > 0.99


@pytest.mark.parametrize("ending", ["there", "warm", "purple", "old and small"])
def test_without_a_quality_that_tells_them_apart_two_layers_are_the_one_head(ending):
    """None; one that is said of both; one that the toy does not know; two."""
    seen = toy.story(f"The cat sat on the mat because it was {ending}")
    np.testing.assert_allclose(seen.second, seen.one, atol=1e-12)
    assert not seen.wants.any()


def answers(name):
    for sentence, noun in TOO_HARD[name]:
        seen = toy.story(sentence)
        yield noun, row_of(seen, seen.second)


def test_two_nouns_of_a_kind_get_the_same():
    for (_, row), nouns in [
        *((one, ("cat", "dog")) for one in answers("two living nouns")),
        *((one, ("ball", "box")) for one in answers("two things")),
    ]:
        a, b = (row[noun] for noun in nouns)
        assert a == pytest.approx(b, abs=1e-12) and a + b > 0.99


def test_two_qualities_take_each_other_away():
    """Half of each is brought; the living one wins, as it does for the one head."""
    for _, row in answers("two qualities"):
        assert 0.84 < row["cat"] < 0.87 and 0.13 < row["mat"] < 0.15


def test_a_quality_of_another_word_misleads():
    for noun, row in answers("a quality of another word"):
        assert row[noun] < 0.01 and min(row["dog"], row["boy"]) > 0.49


def slow_story(sentence, side_by_side=False):
    """By names, number by number: a token is a dict of what it has."""
    tokens = toy.tokenize(sentence)
    x = [dict.fromkeys((*toy.FEATURES, *toy.SAID, *toy.WANTS), 0.0) for _ in tokens]
    for token, row in zip(tokens, x):
        row |= dict.fromkeys(toy.features(token), 1.0)
        row |= {name: 1.0 for name, words in toy.SAID.items() if token.lower() in words.split()}
    tables, after = [], [dict(row) for row in x]
    for questions, brings in toy.STORY.values():
        source = [dict(row) for row in (x if side_by_side else after)]
        table = []
        for i, query in enumerate(source):
            loudness = [0.0] * len(source)
            for j, key in enumerate(source):
                for asks, offers, loud in questions:
                    asked = sum(amount * query[name] for name, amount in asks.items())
                    offered = sum(amount * key[name] for name, amount in offers.items())
                    loudness[j] += loud * asked * offered
            parts = [np.exp(one) for one in loudness]
            table.append([part / sum(parts) for part in parts])
            for column, target in brings.items():
                after[i][target] += sum(share * key[column] for share, key in zip(table[i], source))
        tables.append(table)
    return tables, after


def test_two_jobs_side_by_side_add_up():
    tokens = "She saw the cat and the mat".split()
    (q, k), (q_noun, k_noun) = toy.two_jobs(tokens, 2)
    np.testing.assert_array_equal(q @ k.T, 2 * np.eye(7, k=-1))
    wanted = np.zeros((7, 7))
    wanted[0, [3, 6]] = 2, 1.4  # the cat is alive, the mat is not
    np.testing.assert_allclose(q_noun @ k_noun.T, wanted, atol=1e-12)
    assert np.linalg.matrix_rank(q_noun) == 1  # one column does
    both = np.hstack([q, q_noun]) @ np.hstack([k, k_noun]).T
    np.testing.assert_allclose(both, 2 * toy.deal(" ".join(tokens))["scores"][:2].sum(0))
    heads = split_heads(np.hstack([q, q_noun]), 2)
    np.testing.assert_array_equal(heads, [q, q_noun])


def test_a_head_for_every_choice_of_five_jobs():
    text = "The cat sat on the mat because it was soft"
    found = toy.shared_heads(text, 3.0)
    four = 3 * toy.deal(text)["scores"]
    reads = np.log(toy.story(text).first)  # the scores, but for a number in each row
    jobs = [*four, reads]
    wanted = []
    for size in range(1, 6):
        for some in itertools.combinations(jobs, size):
            e = np.exp(sum(some))
            wanted.append(e / e.sum(axis=1, keepdims=True))
    assert found.shape == (31, 10, 10)
    for table in wanted:
        assert np.abs(found - table).max(axis=(1, 2)).min() < 1e-9
    ratios = found[:, 7, 1] / found[:, 7, 5]  # cat and mat keep their proportion
    np.testing.assert_allclose(
        ratios, (lambda w: w[:, 7, 1] / w[:, 7, 5])(toy.shared_heads(text[:-4] + "tired", 3.0))
    )


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize("sentence", [story[0] for story in EVERY_STORY[::3]])
def test_story_equals_its_slow_twin(sentence, side_by_side):
    seen = toy.story(sentence, side_by_side=side_by_side)
    (first, second), after = slow_story(sentence, side_by_side)
    np.testing.assert_allclose(seen.first, first, atol=1e-12)
    np.testing.assert_allclose(seen.second, second, atol=1e-12)
    rows = [list(row.values()) for row in after]
    columns = [*range(F), *range(toy.D_MODEL, toy.D_STORY)]
    np.testing.assert_allclose(seen.output[:, columns], rows, atol=1e-12)
    np.testing.assert_allclose(seen.wants, np.array(rows)[:, -2:], atol=1e-12)
    np.testing.assert_array_equal(seen.output[:, F : toy.D_MODEL], toy.embed(seen.tokens)[:, F:])


def test_the_one_head_is_that_of_the_first_notebook():
    seen = toy.story("The cat sat on the mat because it was soft")
    np.testing.assert_array_equal(
        seen.one, weights_of("pronoun → noun", "The cat sat on the mat because it was soft")
    )
    assert row_of(seen, seen.one)["cat"] == pytest.approx(0.85, abs=0.005)


@pytest.mark.parametrize("seed", range(4))
def test_no_position_is_read(seed):
    """Words in another order: the same numbers, in that order."""
    tokens = toy.tokenize("The cat sat on the mat because it was soft")
    order = np.random.default_rng(seed).permutation(len(tokens))
    seen, mixed = toy.story(" ".join(tokens)), toy.story(" ".join(tokens[i] for i in order))
    for table, other in ((seen.first, mixed.first), (seen.second, mixed.second)):
        np.testing.assert_allclose(other, table[np.ix_(order, order)], atol=1e-12)


def test_who_is_no_pronoun_looks_past_the_qualities_then_at_everyone_alike():
    seen = toy.story("The cat sat on the mat because it was soft")
    rest = [i for i, token in enumerate(seen.tokens) if token != "it"]
    assert (seen.first[rest, -1] < 1e-4).all() and np.ptp(seen.first[rest, :-1]) < 1e-4
    np.testing.assert_allclose(seen.second[rest], 0.1, atol=1e-4)


def test_rows_of_the_story():
    """Those of embed, what is said by the word, and two columns that nobody has filled."""
    tokens = ["The", "Tired", "soft", "old", "cat", "zyzzyva"]
    x = toy.story_embed(tokens)
    assert x.shape == (6, toy.D_STORY) and toy.D_STORY == toy.D_MODEL + 4
    np.testing.assert_array_equal(x[:, : toy.D_MODEL], toy.embed(tokens))
    said = [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0], [0, 0]]
    np.testing.assert_array_equal(x[:, toy.D_MODEL :], np.hstack([said, np.zeros((6, 2))]))


def test_what_is_said_is_a_quality_and_stands_in_one_line():
    living, things = (words.split() for words in toy.SAID.values())
    assert len({*living, *things}) == len(living) + len(things)
    assert {*living, *things} <= set(toy.WORDS["quality"].split())
    columns = [*toy.FEATURES, *toy.SAID, *toy.WANTS]
    assert len(set(columns)) == len(columns)


def test_the_matrices_are_small_and_cannot_be_overwritten():
    shapes = [[W.shape for W in toy.story_matrices(name)] for name in toy.STORY]
    D = toy.D_STORY
    assert shapes == [[(D, 1), (D, 1), (D, 2), (2, D)], [(D, 3), (D, 3), (D, F), (F, D)]]
    for name in toy.STORY:
        for W in toy.story_matrices(name):
            with pytest.raises(ValueError, match="read-only"):
                W[:] = 0


@pytest.mark.parametrize("name", ["pronoun → noun", "", None, ["pronoun → quality"]])
def test_a_head_that_the_story_has_not(name):
    with pytest.raises(ValueError, match=r"^name must be one of 'pronoun → quality'"):
        toy.story_head(name, toy.story_embed(["it"]))


@pytest.mark.parametrize(
    "start, living, thing",
    [("The cat sat on the mat because it was", "tired", "soft")]
    + [("The dog slept on the bed because it was", "hungry", "new")],
)
def test_in_one_layer_no_head_turns_with_the_ending_and_a_sum_of_two_can(start, living, thing):
    """many_heads says so: each head's order of the two nouns stays, and silence decides a sum."""
    ends = [toy.story_embed(toy.tokenize(f"{start} {end}")) for end in (living, thing)]
    alive, noun, it = 1, 5, 7
    rng = np.random.default_rng(3)
    for _ in range(200):
        W_q, W_k = rng.normal(size=(2, toy.D_STORY, 4))
        one, other = (x[it] @ W_q @ (x @ W_k).T for x in ends)
        assert one[alive] - one[noun] == pytest.approx(other[alive] - other[noun])
    for x, wanted in zip(ends, ([1, 0], [0, 1])):
        is_alive, is_noun = (x[:, toy.FEATURES.index(name)] for name in ("alive", "noun"))
        of_living, of_things = x[:, -4], x[:, -3]
        offers = np.stack([is_alive + 2 * of_things, is_noun - is_alive + 2 * of_living])
        total = attnlib.softmax(6 * offers).sum(axis=0)
        np.testing.assert_allclose(total[[alive, noun]], wanted, atol=0.05)


@pytest.mark.parametrize(
    "sentence, error, message",
    [("", ValueError, "sentence is empty"), (None, TypeError, "sentence must be a string")],
)
def test_story_refuses(sentence, error, message):
    with pytest.raises(error, match=message):
        toy.story(sentence)
