"""show/labels.py: names that a picture can draw, and the table of who looks at whom most."""

import unicodedata

import numpy as np
import pytest

from attnlib import toy
from attnlib.show import most_attended
from attnlib.show.labels import LONGEST, fonts, printable, visible

pytestmark = pytest.mark.filterwarnings("error")


def table(weights, tokens, **how):
    return most_attended(np.asarray(weights, float), tokens, **how)


def lines(weights, tokens, **how):
    return table(weights, tokens, **how).splitlines()


def columns(text):
    """Columns of a terminal that a text takes, for the scripts of these tests: marks none, wide
    signs two.
    """
    marks = sum(unicodedata.category(c) in ("Mn", "Me") for c in text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) - marks + wide


# ---- names ---------------------------------------------------------------------------------------


def test_plain_words_stay_as_they_are():
    assert printable(
        ["The", "naïve", "café", "don't", ".", "$5", "<b>", "Ελλάδα", "мир", "שלום"]
    ) == ["The", "naïve", "café", "don't", ".", "$5", "<b>", "Ελλάδα", "мир", "שלום"]
    assert printable([]) == [] and printable([3, None, 2.5]) == ["3", "None", "2.5"]


def test_repeats_are_numbered_in_order():
    assert printable(["a", "b", "a", "a"]) == ["a₁", "b", "a₂", "a₃"]
    assert printable(["a"] * 12)[-1] == "a₁₂"


@pytest.mark.parametrize(
    "word", ["internationalization", "x" * 16, "x" * 15, "Donaudampfschifffahrt"]
)
def test_repeats_of_long_words_are_numbered_too(word):
    names = printable([word] * 3)
    assert len(set(names)) == 3 and all(len(name) <= LONGEST for name in names)


def test_long_names_are_cut_and_say_so():
    (name,) = printable(["a" * 100])
    assert len(name) == LONGEST and name.endswith("…") and name.startswith("aaa")
    assert printable(["a" * LONGEST]) == ["a" * LONGEST]


@pytest.mark.parametrize(
    "blank, sign",
    [(" ", "␣"), ("\n", "↵"), ("\t", "⇥"), ("\u00a0", "␣"), ("  \n ", "␣␣↵␣"), ("\u3000", "␣")],
)
def test_blanks_are_visible(blank, sign):
    assert printable([blank]) == [sign] and printable([""]) == ["␣"]
    assert printable([f"{blank}word", f"word{blank}"]) == [f"{sign}word", f"word{sign}"]


def test_blanks_inside_do_not_break_the_line():
    (name,) = printable(["a\nb\tc"])
    assert not set(name) & set("\n\t\r")


@pytest.mark.parametrize("sign", ["日", "ก", "न", "한", "🦜", "🇩", "👨", "\U0001f9ff"])
def test_a_sign_without_a_font_is_spelled_out(sign):
    (name,) = printable([sign])
    assert name == sign or (
        name.startswith("[") and name.endswith("]") and name.isascii() and len(name) > 2
    )


@pytest.mark.parametrize(
    "token", ["\u200b", "\u200d", "\u00ad", "\u202e", "\ufe0f", "\u2060", "\x00", "\x1b", "\ud800"]
)
def test_an_invisible_sign_does_not_make_an_invisible_name(token):
    (name,) = printable([token])
    assert any(unicodedata.category(char)[0] not in "CZM" for char in name), ascii(name)


@pytest.mark.parametrize(
    "sign",
    ["\ud800", "\udfff", "\x00", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\u00ad", "\ufeff"],
)
@pytest.mark.parametrize("spell", [printable, visible])
def test_a_sign_that_no_file_or_line_can_take_goes_out_of_a_word(spell, sign):
    for token in (f"ab{sign}cd", f"{sign}abcd", f"abcd{sign}"):
        (name,) = spell([token])
        assert sign not in name and name.strip("␣") in ("abcd", "ab cd")
        name.encode()  # a page or a message to the browser is UTF-8


def test_names_never_turn_the_writing_direction():
    (name,) = printable(["abc\u202edef"])
    assert "\u202e" not in name


@pytest.mark.parametrize(
    "text",
    [
        "😀 👍🏽 ❤️",
        "日本の猫",
        "สวัสดีครับ",
        "नमस्ते",
        "e\u0301 o\u0308\u0323",
        "שָׁלוֹם",
        "한국어 👨‍👩‍👧 🇩🇪",
    ],
)
def test_every_name_can_be_drawn(text):
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    faces = [
        FT2Font(font_manager.findfont(font_manager.FontProperties(family=family)))
        for family in fonts()
    ]
    for name in printable(toy.tokenize(text)):
        assert name
        for char in name:
            assert any(face.get_char_index(ord(char)) for face in faces), f"{char!r} of {name!r}"


def test_the_default_font_comes_first():
    assert fonts()[0] == "DejaVu Sans"


# ---- who looks at whom ---------------------------------------------------------------------------


def test_the_largest_weight_of_each_row():
    weights = [[0.1, 0.7, 0.2], [0.25, 0.25, 0.5], [0.9, 0.06, 0.04]]
    assert lines(weights, ["x", "y", "z"]) == [
        "   looks most at",
        "x  y 0.70",
        "y  z 0.50",
        "z  x 0.90",
    ]


def test_one_column_for_each_head():
    weights = np.stack([np.eye(2), np.eye(2)[::-1]])
    assert lines(weights, ["x", "y"]) == [
        "   head 0  head 1",
        "x  x 1.00  y 1.00",
        "y  y 1.00  x 1.00",
    ]
    assert lines(weights, ["x", "y"], names=["itself", "other"])[0].split() == ["itself", "other"]
    assert lines(weights[:1], ["x", "y"], names=["one"])[0].split() == ["one"]


@pytest.mark.parametrize("n", [2, 3, 10])
def test_equal_weights_name_nobody(n):
    rows = lines(np.full((n, n), 1 / n), [f"w{i}" for i in range(n)])
    assert all(row.endswith(f"all alike {1 / n:.2f}") for row in rows[1:])


def test_all_alike_counts_only_those_that_get_anything():
    weights = [[0.5, 0.5, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0], [1, 0, 0, 0], [0.3, 0.3, 0.3, 0.1]]
    found = [row.split("  ")[1] for row in lines(weights, list("abcd"))[1:]]
    assert found == ["all alike 0.50", "all alike 0.33", "a 1.00", "a and 2 more 0.30"]


def test_a_tie_of_some_is_counted():
    found = lines([[0.4, 0.2, 0.4], [0.2, 0.2, 0.6], [0.2, 0.2, 0.6]], list("abc"))
    assert found[1] == "a  a and 1 more 0.40" and found[2] == "b  c 0.60"


def test_a_tie_in_floating_point_is_a_tie():
    third = np.array([0.1 + 0.2, 0.3, 0.4 - 1e-16])
    assert lines([third], ["q"], key_tokens=list("abc"))[1] == "q  c 0.40"
    assert (
        "and 1 more 0.30" in lines([[0.1 + 0.2, 0.3, 0.2, 0.2]], ["q"], key_tokens=list("abcd"))[1]
    )
    assert (
        lines(
            np.full((1, 3), 1 / 3, np.float32) + np.array([0, 0, 1e-5], np.float32),
            ["q"],
            key_tokens=list("abc"),
        )[1]
        == "q  c 0.33"
    )


def test_an_empty_row_looks_at_nobody():
    weights = np.tril(np.ones((3, 3)), -1)
    found = lines(weights / np.maximum(weights.sum(1, keepdims=True), 1), list("abc"))
    assert found[1:] == ["a  nobody", "b  a 1.00", "c  all alike 0.50"]


def test_a_nan_is_not_passed_over():
    found = lines([[np.nan, 0.5], [0.4, 0.6]], ["a", "b"])
    assert "nan" in found[1].lower() and found[2] == "b  b 0.60"


def test_repeated_tokens_are_told_apart():
    found = lines(np.eye(3)[[2, 0, 1]], ["the", "cat", "the"])
    assert found[1:] == ["the₁  the₂ 1.00", "cat   the₁ 1.00", "the₂  cat 1.00"]


def test_keys_may_be_other_tokens():
    found = lines([[0, 0, 1.0], [1, 0, 0]], ["der", "Hund"], key_tokens=["the", "big", "dog"])
    assert found[1:] == ["der   dog 1.00", "Hund  the 1.00"]


SCRIPTS = {
    "latin": ["a", "bb", "ccc"],
    "cjk": ["日本", "x", "ｗｉｄｅ"],
    "combining": ["e\u0301e\u0301", "eee", "o"],
    "hebrew": ["한국", "שָׁלוֹם", "y"],
    "thai": ["สวัสดี", "ไทย", "x"],
    "hindi": ["नगर", "z", "मुकुट"],
}


@pytest.mark.parametrize("tokens", SCRIPTS.values(), ids=SCRIPTS)
def test_columns_stand_under_each_other(tokens):
    rows = most_attended(np.stack([np.eye(3)] * 2), tokens, names=["first", "second"]).splitlines()
    for row in rows[1:]:
        token, one, two = (
            row.split("  ")[0],
            *[part for part in row.split("  ")[1:] if part.strip()],
        )
        assert columns(row[: row.index(one.strip(), len(token))]) == columns(
            rows[0][: rows[0].index("first")]
        )
        assert columns(row[: row.rindex(two.strip())]) == columns(
            rows[0][: rows[0].index("second")]
        )


def test_one_line_for_each_token_whatever_it_holds():
    rows = lines(np.eye(4), ["\n", "a\nb", "\t", "x"])
    assert len(rows) == 5 and not any("\t" in row for row in rows)


def test_lines_have_no_blanks_at_the_end():
    assert all(
        row == row.rstrip() for row in lines(np.stack([np.eye(3)] * 3), ["long word", "x", "y"])
    )


def test_the_toy_world_in_words():
    seen = toy.look("The cat sat on the mat because it was tired", n_heads=2)
    rows = most_attended(seen.weights, seen.tokens, names=seen.names).splitlines()
    assert len(rows) == 11
    assert next(row for row in rows if row.startswith("it ")).split()[-2:] == [
        "cat",
        f"{seen.weights[1, 7, 1]:.2f}",
    ]


def test_weights_are_left_alone():
    weights = np.eye(3)
    weights.flags.writeable = False
    tokens = ["a", "b", "a"]
    most_attended(weights, tokens)
    assert tokens == ["a", "b", "a"] and most_attended(
        weights.tolist(), tuple(tokens)
    ) == most_attended(weights, tokens)


@pytest.mark.parametrize(
    "arguments, how, words",
    [
        ((np.ones(3), ["a"]), {}, ["weights", "(3,)"]),
        ((np.ones((2, 2, 2, 2)), ["a", "b"]), {}, ["weights", "(2, 2, 2, 2)"]),
        ((np.ones((2, 2)), ["a"]), {}, ["weights", "1 tokens"]),
        ((np.ones((2, 3)), ["a", "b"]), {}, ["weights", "2 key tokens"]),
        ((np.ones((2, 3)), ["a", "b"]), {"key_tokens": ["a"]}, ["weights", "1 key tokens"]),
        ((np.ones((2, 2, 2)), ["a", "b"]), {"names": ["one"]}, ["names", "1", "2"]),
        ((np.ones((2, 2, 2)), ["a", "b"]), {"names": ["one", "two", "three"]}, ["names", "3", "2"]),
    ],
)
def test_what_does_not_fit_is_refused(arguments, how, words):
    with pytest.raises(ValueError) as error:
        most_attended(*arguments, **how)
    for word in words:
        assert word in str(error.value)


def test_a_string_is_no_list_of_tokens():
    with pytest.raises(TypeError, match="tokens"):
        most_attended(np.eye(3), "abc")
