"""show/flow.py: a layer from left to right, and where the columns of words go."""

import io

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import texts, touching
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from attnlib import merge_heads, softmax, split_heads, toy
from attnlib.show import flow, pieces

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

WORDS = ["cat", "sat", "mat"]
WHOLE = np.arange(12).reshape(3, 4)


def layer(n=10, heads=2, d=2):
    tokens = (toy.tokenize("The cat sat on the mat because it was tired") * 2)[:n]
    x = np.random.default_rng(n).normal(size=(n, 17))
    q, k, v = np.random.default_rng(0).normal(size=(3, heads, n, d))
    scores = q @ k.mT
    weights = softmax(scores)
    stages = {"x": x, "q\nx W_q": q, "k\nx W_k": k, "scores\nq kᵀ / √d": scores}
    stages |= {"weights\nsoftmax": weights, "v\nx W_v": v, "brings\nweights v": weights @ v}
    return stages | {"output\nside by side, W_o": x}, tokens, "→·→→·→→"


def squares(picture):
    """(x, y, colour, text) of each square, from left to right, then down."""
    found = [(*box.get_xy(), to_hex(box.get_facecolor())) for box in picture.sheet.patches]
    texts = [text for text in picture.sheet.texts if text.get_text().isdigit()]
    assert len(found) == len(texts)
    for box, text in zip(found, texts):
        x, y = text.get_position()
        assert box[0] < x < box[0] + 0.3 and box[1] < y < box[1] + 0.3, "a number in each square"
    return [(*box, int(text.get_text())) for box, text in zip(found, texts)]


@in_both_themes
def test_each_square_has_the_colour_of_its_word_and_the_number_of_its_column(style):
    tables = {"whole": WHOLE, "cut": split_heads(WHOLE, 2), "reshape": WHOLE.reshape(2, 3, 2)}
    found = squares(pieces(tables, WORDS))
    wanted = [place for table in tables.values() for place in np.ravel(table)]
    assert [(tone, column) for *_, tone, column in found] == [
        (style["lines"][place // 4].lower(), place % 4) for place in wanted
    ]
    one, other = found[12:24], found[24:]
    assert [y for _, y, *_ in one] == [y for _, y, *_ in other], "heads stand at the same height"
    assert len({x for x, *_ in one}) == 2 and len({y for _, y, *_ in one}) == 6


def test_its_words_say_where_the_columns_went():
    cut = split_heads(WHOLE, 2)
    tables = {
        "q\n(3, 4)": WHOLE,
        "back": merge_heads(cut),
        "alone\n(2, 3, 2)": WHOLE.reshape(2, 3, 2),
    }
    picture = pieces(tables, WORDS, title="Which head?")
    assert picture.alt == (
        "Which head? back: cat 0, cat 1, cat 2, cat 3; sat 0, sat 1, sat 2, sat 3; mat 0, mat 1,"
        " mat 2, mat 3. alone, head 0: cat 0, cat 1; cat 2, cat 3; sat 0, sat 1. alone, head 1:"
        " sat 2, sat 3; mat 0, mat 1; mat 2, mat 3."
    )
    assert {"Which head?", "q", "(3, 4)", "head 0", "head 1", *WORDS} <= set(texts(picture))


@in_both_themes
@pytest.mark.parametrize("n, heads", [(1, 1), (2, 3), (10, 2), (16, 2)])
def test_a_layer_fits_the_page_and_nothing_is_cut_off(style, n, heads):
    stages, tokens, signs = layer(n, heads)
    picture = flow(stages, tokens, signs, marked=n - 1, title="What becomes of a word?")
    assert picture.get_figwidth() <= 932 / 96
    assert Image.open(io.BytesIO(picture.png())).width > 400
    picture.draw_without_rendering()
    wide, high = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= wide and box.y0 >= 0 and box.y1 <= high, text.get_text()
    assert touching(picture) == []
    stood = [text.get_text() for text in picture.sheet.texts]
    assert stood.count("·") == 2 and stood.count("→") == 5
    assert ("head 1" in stood) == (heads > 1)


def test_the_row_of_a_word_is_framed_in_every_matrix():
    stages, tokens, signs = layer()
    plain = len(flow(stages, tokens, signs).sheet.patches)
    picture = flow(stages, tokens, signs, marked=7)
    matrices = sum(len(one) if one.ndim == 3 else 1 for one in stages.values())
    assert len(picture.sheet.patches) == plain + matrices
    frames = [box for box in picture.sheet.patches if to_hex(box.get_edgecolor()) == "#d55e00"]
    assert len(frames) == matrices and len({round(box.get_height(), 6) for box in frames}) == 1
    for box, image in zip(frames, picture.sheet.images, strict=True):
        _, _, low, top = image.get_extent()
        middle = (box.get_y() + box.get_height() / 2 - top) / (low - top)
        assert middle == pytest.approx(7.5 / 10), "around row 7 of its own matrix"
    assert "the row of it is framed" in picture.alt and "scores (2, 10, 10)" in picture.alt


def test_weights_have_colours_of_their_own_and_an_even_row_is_quiet(style):
    rows = np.array([[1, 0, 0, 0], [0.25] * 4, [0.1, 0.2, 0.3, 0.4], [0.25] * 4])
    both = ("scores", "weights")
    pictures = [flow({"x": np.eye(4), name: rows}, list("abcd"), "→") for name in both]
    scores, weights = (np.asarray(one.sheet.images[1].get_array())[..., :3] for one in pictures)
    assert not np.allclose(scores[0, 0], weights[0, 0])
    paper = [(one == to_rgb(style["paper"])).all(axis=(1, 2)) for one in (scores, weights)]
    assert np.array(paper).tolist() == [[False] * 4, [False, True, False, True]]
    lines = [
        [each for each in one.sheet.collections if hasattr(each, "get_segments")]
        for one in pictures
    ]
    marks = [sum(len(each.get_segments()) for each in some) for some in lines]
    assert marks == [0, 8], "a thin mark in each cell of an even row"


REFUSED = {
    "stages": (lambda: flow([1], ["a"], ""), TypeError, "stages must be a dict"),
    "nothing": (lambda: flow({}, ["a"], ""), ValueError, "stages must be a dict"),
    "four axes": (lambda: flow({"x": np.ones((1, 1, 2, 2))}, ["a", "b"], ""), ValueError, r"'x'\]"),
    "no numbers": (lambda: flow({"x": [["a"]]}, ["a"], ""), TypeError, r"stages\['x'\]"),
    "NaN": (lambda: flow({"x": [[np.nan]]}, ["a"], ""), ValueError, r"stages\['x'\]"),
    "rows": (
        lambda: flow({"x": np.eye(2), "q": np.eye(3)}, ["a", "b"], "→"),
        ValueError,
        r"a row for each of 2 tokens, got x \(2, 2\), q \(3, 3\)",
    ),
    "tokens": (lambda: flow({"x": np.eye(2)}, ["a"], ""), ValueError, "tokens"),
    "signs": (lambda: flow({"x": np.eye(1), "q": np.eye(1)}, ["a"], "→→"), ValueError, "1 signs"),
    "marked": (lambda: flow({"x": np.eye(1)}, ["a"], "", marked=1), ValueError, "one of 1 tokens"),
    "marked, a word": (lambda: flow({"x": [[1]]}, ["a"], "", marked="a"), TypeError, "marked must"),
    "not the whole": (lambda: pieces({"q": WHOLE + 1}, WORDS), ValueError, "must be the whole"),
    "outside": (lambda: pieces({"q": WHOLE, "k": [[12]]}, WORDS), ValueError, r"tables\['k'\]"),
    "words": (lambda: pieces({"q": WHOLE}, ["cat"]), ValueError, "words"),
    "many": (
        lambda: pieces({"q": np.arange(14).reshape(7, 2)}, list("abcdefg")),
        ValueError,
        "words must be at most 6, got 7",
    ),
}


@pytest.mark.parametrize("call, error, said", REFUSED.values(), ids=REFUSED)
def test_it_refuses(call, error, said):
    with pytest.raises(error, match=said):
        call()
