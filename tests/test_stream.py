"""show/stream.py: boxes, arrows and sizes are those of the numbers that were given."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, pixels, refused, rgb, text_of, texts
from matplotlib.patches import FancyArrow, FancyBboxPatch

from attnlib.show.sheet import PAGE
from attnlib.show.stream import stream

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

ODD = ["$a_1$", "<b>x</b>", "&lt;", "√d · k", "$\\frac{", "%s {0}"]


def arrays(*sizes):
    """Five arrays (2, 3, 4) with these root mean squares, and means of any kind."""
    found = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    return [array * size / np.sqrt((array**2).mean()) for array, size in zip(found, sizes)]


def boxes(picture):
    """The boxes of a picture by their words: (left, top, width)."""
    found = {}
    for box in picture.sheet.patches:
        if isinstance(box, FancyBboxPatch):
            x, y = box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2
            words = [
                text.get_text()
                for text in picture.sheet.texts
                if np.allclose(text.get_position(), (x, y))
            ]
            found.setdefault(*words, []).append((x, y, box.get_width()))
    return found


def flow(picture):
    """The pieces of the stream, from left to right: (left, right, how thick)."""
    lines = [line for line in picture.sheet.lines if line.get_ydata()[0] == line.get_ydata()[1]]
    return sorted((*line.get_xdata(), line.get_linewidth()) for line in lines)


def test_the_numbers_are_root_mean_squares():
    picture = stream(
        {
            "attention": arrays(1.5, 0.25, 3.0, 7, 4.75),
            "feed-forward": arrays(4.75, 2.0, 12.34, 8, 999.99),
        },
        title="T",
    )
    found = [
        text
        for text in picture.sheet.texts
        if text.get_text() in ("1.50", "0.25", "3.00", "4.75", "2.00", "12.34", "999.99")
    ]
    assert len(found) == 7
    x = {text.get_text(): text.get_position()[0] for text in found}
    assert (
        x["1.50"]
        < x["0.25"] + 0.3
        < x["3.00"]
        < x["4.75"]
        < x["2.00"] + 0.3
        < x["12.34"]
        < x["999.99"]
    )
    y = {text.get_text(): text.get_position()[1] for text in found}
    assert y["1.50"] == y["4.75"] < y["999.99"] < y["3.00"] == y["12.34"] < y["0.25"] == y["2.00"]
    assert y["999.99"] == flow_height(picture), "at the end of the stream"
    assert picture.alt == (
        "T: attention reads 0.25 and writes 3.00 into a stream of 1.50; "
        "feed-forward reads 2.00 and writes 12.34 into a stream of 4.75; behind it 999.99."
    )
    shifted = stream({"f": [np.array([[3.0, -4.0]])] * 5}).alt
    assert f"writes {12.5**0.5:.2f}" in shifted, "the mean is not taken away"


SHORT = {0: "0.00", 1e-8: "1.0e-08", 0.01: "0.01", 999.4: "999.40", 1e8: "1.0e+08", 1e30: "1.0e+30"}


@pytest.mark.parametrize("value,words", SHORT.items())
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sizes_of_any_size_are_short(value, words, kind):
    picture = stream(
        {"f": [array.astype(kind) for array in arrays(*[value] * 5)], "g": arrays(*[value] * 5)},
        norm="post",
    )
    assert f"reads {words} and writes {words} into a stream of {words}" in picture.alt
    assert overhang(picture)[0] <= 1, overhang(picture)


def test_half_precision_does_not_overflow():
    assert "writes 300.00" in stream({"f": np.full((5, 2, 2), 300, np.float16)}).alt


def test_the_norm_stands_before_behind_or_nowhere():
    parts = {"attention": arrays(1, 2, 3, 4, 5), "feed-forward": arrays(5, 6, 7, 8, 9)}
    before, behind, nowhere = (boxes(stream(parts, norm=norm)) for norm in ("pre", "post", None))
    assert "norm" not in nowhere and len(before["norm"]) == len(behind["norm"]) == 2
    for which, layer in enumerate(parts):
        ((x, y, width),) = before[layer]
        assert nowhere[layer] == behind[layer] == before[layer]
        left, high, _ = before["norm"][which]
        assert x - width / 2 < left < x and high < y - 0.3, "on the way down to the layer"
        right, high, _ = behind["norm"][which]
        assert right > x + width / 2 and high == flow_height(stream(parts)), (
            "on the stream, behind the plus"
        )
    assert (
        texts(stream(parts)).count("norm") == 2
        and "4.00" not in texts(stream(parts))
        and "4.00" in texts(stream(parts, norm="post"))
    )
    assert boxes(stream(parts)) == before, "before, unless told"


def flow_height(picture):
    (height,) = {line.get_ydata()[0] for line in picture.sheet.lines}
    return height


def test_the_stream_is_thicker_where_it_is_larger():
    picture = stream(
        {
            "a": arrays(1, 1, 1, 3, 3),
            "b": arrays(3, 1, 1, 0.5, 0.5),
            "c": arrays(0.5, 1, 1, 0.5, 0.5),
        },
        norm=None,
    )
    plus = sorted(text.get_position()[0] for text in picture.sheet.texts if text.get_text() == "⊕")
    pieces = flow(picture)
    assert all(np.isclose(one[1], two[0]) for one, two in pairwise(pieces)), "without gaps"

    def thick(x):
        (found,) = [width for left, right, width in pieces if left <= x < right]
        return found

    first, second, third = ((thick(x - 0.5), thick(x + 0.1), thick(x + 0.6)) for x in plus)
    np.testing.assert_allclose(
        [first[1:], second[1:], third[1:]], [[second[0]] * 2, [third[0]] * 2, [third[0]] * 2]
    )
    assert second[0] > first[0] > third[0]
    post = stream({"a": arrays(1, 1, 1, 5, 2)}, norm="post")
    widths = [width for *_, width in flow(post)]
    assert widths[0] < widths[2] < widths[1], "the norm makes it thinner"
    extremes = [flow(stream({"a": arrays(*[value] * 5)}))[0][2] for value in (0, 1e-8, 1, 1e8)]
    assert (
        extremes == sorted(extremes)
        and extremes[0] > 0
        and extremes[-1] < 20
        and extremes[0] < extremes[2] < extremes[3]
    )


def test_thickness_is_the_square_root_as_it_says():
    for largest in (4, 400):
        picture = stream({"f": arrays(1, 1, 1, largest, largest)}, norm=None)
        thin, thick = (flow(picture)[k][2] for k in (0, 1))
        assert thick / thin == pytest.approx(largest**0.5)
    assert "number: size (root mean square); thickness: its square root" in texts(picture)


def test_an_arrow_is_as_thick_as_a_stream_of_its_size():
    picture = stream({"f": arrays(2, 2, 7, 7, 7)}, norm=None)
    read, wrote = [a for a in picture.sheet.patches if isinstance(a, FancyArrow)]
    before, total, _ = [thick for *_, thick in flow(picture)]
    np.testing.assert_allclose([72 * read._width, 72 * wrote._width], [before, total])


def test_arrows_lead_to_the_layer_and_back():
    picture = stream({"f": arrays(1, 1, 1, 1, 1)})
    ((x, y, _),) = boxes(picture)["f"]
    down, up = [arrow for arrow in picture.sheet.patches if isinstance(arrow, FancyArrow)]
    assert down._dy > 0 and up._dy < 0 and down._x < x < up._x and down._y < y and up._y < y
    assert text_of(picture, "⊕").get_position()[0] == up._x


@pytest.mark.parametrize("n", [1, 4])
@in_both_themes
def test_stream_in_its_colours(n, style):
    picture = stream({f"layer {i}": arrays(1, 2, 3, 4, 5) for i in range(n)}, title="T")
    seen, saved = pixels(picture), pixels(picture, fast=False)
    assert (seen[2, -2] == rgb(style["paper"])).all() and overhang(picture)[0] <= 1
    for color in (style["lines"][0], style["lines"][2], style["hatch"]):
        area = (seen == rgb(color)).all(axis=2)
        assert area.sum() > 50 and np.abs(saved[area] - rgb(color)).max() <= 8
    for words in ("3.00", "writes"):
        inks = {text.get_color() for text in picture.sheet.texts if text.get_text() == words}
        assert inks == {style["lines"][1]}
    assert len(boxes(picture)["norm"]) == n == texts(picture).count("⊕")
    assert picture.get_figwidth() < (PAGE + 0.01 if n == 1 else 11)


@pytest.mark.parametrize("name", [*ODD, "a very long name of a layer", "w" * 60, "日本の猫", 7])
def test_any_layer_has_its_name_in_its_box(name):
    picture = stream(
        {name: arrays(1, 2, 3, 4, 5), "other": arrays(1, 2, 3, 4, 5)}, title=str(name)[:40]
    )
    assert overhang(picture)[0] <= 1, overhang(picture)
    assert not any(text.get_parse_math() or text.get_usetex() for text in picture.sheet.texts)
    shown = next(box for box in picture.sheet.patches if isinstance(box, FancyBboxPatch))
    middle = shown.get_x() + shown.get_width() / 2, shown.get_y() + shown.get_height() / 2
    (label,) = [text for text in picture.sheet.texts if np.allclose(text.get_position(), middle)]
    assert label.get_window_extent().width <= shown.get_window_extent().width
    assert str(name) in picture.alt
    if name == "w" * 60:
        assert label.get_text().startswith("wwwww") and label.get_text().endswith("…")
    else:
        assert name == "日本の猫" or label.get_text() == str(name)
    assert label.get_size() >= 9
    if name in ODD:
        assert texts(picture).count(name) == 2


FIVE = arrays(1, 1, 1, 1, 1)
NOT_STREAMS = [
    (lambda: stream({}), ValueError, ["parts must be a dict", "empty"]),
    (
        lambda: stream([FIVE]),
        TypeError,
        ["parts must be a dict name of a layer -> five arrays", "list"],
    ),
    (
        lambda: stream({"f": FIVE[:4]}),
        ValueError,
        ["parts['f'] must be five arrays", "before, read, written, sum, behind", "4"],
    ),
    (lambda: stream({"f": FIVE + FIVE}), ValueError, ["parts['f'] must be five arrays", "10"]),
    (lambda: stream({"f": 3}), ValueError, ["parts['f'] must be five arrays", "int"]),
    (
        lambda: stream({"f": [np.ones(3)] * 5}),
        ValueError,
        ["parts['f'] must have the shape (..., n, d_model)", "(3,)"],
    ),
    (
        lambda: stream({"f": [np.ones((0, 3))] * 5}),
        ValueError,
        ["parts['f']", "at least one number", "(0, 3)"],
    ),
    (
        lambda: stream({"f": [*FIVE[:4], np.full((2, 2), np.nan)]}),
        ValueError,
        ["parts['f'] must be finite", "nan"],
    ),
    (
        lambda: stream({"f": [np.array([["a", "b"]])] * 5}),
        TypeError,
        ["parts['f'] must hold real numbers"],
    ),
    (
        lambda: stream({"f": FIVE}, norm="both"),
        ValueError,
        ["norm must be one of 'pre', 'post'", "'both'"],
    ),
    (
        lambda: stream({"f": FIVE}, norm=True),
        ValueError,
        ["norm must be one of 'pre', 'post'", "True"],
    ),
]


@pytest.mark.parametrize("number", range(len(NOT_STREAMS)))
def test_what_is_no_stream_is_refused_by_name(number):
    make, kind, words = NOT_STREAMS[number]
    refused(make, kind, *words)
