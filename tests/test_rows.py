"""show/rows.py: bars as long as the numbers, the same scale for all, and the same in words."""

import itertools

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from attnlib.show import rows

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]


def bars(picture):
    return [patch for patch in picture.sheet.patches if isinstance(patch, Rectangle)]


def lengths(picture):
    return np.array([bar.get_width() for bar in bars(picture)])


@in_both_themes
def test_bars_are_as_long_as_their_numbers(style):
    picture = rows([4.0, 1.0, 0.0, 2.0], ["a", "b", "c", "d"], title="Four")
    np.testing.assert_allclose(lengths(picture) / lengths(picture)[0], [1, 0.25, 0, 0.5])
    assert len({bar.get_x() for bar in bars(picture)}) == 1, "all begin on one line"
    assert {to_hex(bar.get_facecolor()) for bar in bars(picture)} == {style["lines"][0]}
    assert picture.alt == "Four: a 4.00, b 1.00, c 0.00, d 2.00." and picture.png()


def test_full_holds_the_scale_while_a_slider_moves():
    one, two = (rows([value], ["a"], full=10, texts=["same"]) for value in (1, 5))
    assert lengths(two)[0] == pytest.approx(5 * lengths(one)[0])
    assert tuple(one.get_size_inches()) == tuple(two.get_size_inches())


def test_room_keeps_the_size_and_the_zero_line():
    room = {"room": (4, "a rather long name", "1.00 and a text"), "full": 2}
    one, two = (
        rows([1.0], ["a"], **room),
        rows([1.0, 0.5, 0.2], ["a", "b", "a longer name"], **room),
    )
    assert tuple(one.get_size_inches()) == tuple(two.get_size_inches())
    assert bars(one)[0].get_x() == bars(two)[0].get_x() > bars(rows([1.0], ["a"]))[0].get_x()
    assert lengths(one)[0] == lengths(two)[0]
    wider = rows([1.0] * 5, ["a"] * 5, **room)
    assert wider.get_figheight() > one.get_figheight(), (
        "more than there is room for are drawn all the same"
    )


@in_both_themes
def test_ranges_are_thin_lines_on_the_scale_of_the_bars(style):
    ranges = np.array([[1, 4], [-0.5, 0.5], [2, 2.0]])
    picture = rows([2, 0, 2.0], ["a", "b", "c"], ranges=ranges, texts=["x", "y", "z"])
    zero = bars(picture)[0].get_x()
    unit = lengths(picture)[0] / 2
    whiskers = [line for line in picture.sheet.lines if line.get_marker() == "|"]
    found = [(line.get_xdata() - zero) / unit for line in whiskers]
    np.testing.assert_allclose(found, ranges[:2], atol=1e-9)  # the third has no width
    assert {line.get_color() for line in whiskers} == {style["ink"]}
    at = {text.get_text(): text.get_position()[0] for text in picture.sheet.texts}
    assert at["x"] > zero + 4 * unit and at["y"] > zero + 0.5 * unit and at["b"] < zero - unit / 2
    (axis,) = [line for line in picture.sheet.lines if line.get_marker() == "None"]
    assert axis.get_xdata()[0] == zero, "bars begin on the line of zero"
    assert not [line for line in rows([1], ["a"]).sheet.lines if line.get_marker() == "|"]


def test_ranges_that_fit_no_bars_are_refused():
    for ranges in ([[1, 2]], [[2, 1], [0, 1]], [1, 2]):
        with pytest.raises(ValueError, match=r"ranges must (be|have the shape)"):
            rows([1, 1], ["a", "b"], ranges=ranges)
    with pytest.raises(ValueError, match="full=2 must be at least the largest value, 3"):
        rows([1], ["a"], ranges=[[0, 3]], full=2)


@in_both_themes
def test_rivals_are_marks_on_the_scale_of_the_bars(style):
    against = {"distance": [1, 3.0, np.nan], "order": [0, 0.5, 4]}
    picture = rows([2, 4, 1.0], ["a", "b", "c"], against=against, title="Three", axis="share")
    zero, unit = bars(picture)[0].get_x(), lengths(picture)[0] / 2
    marks = {}
    for line in picture.sheet.lines:
        if len(line.get_xdata()) == 3:
            marks[line.get_marker()] = (line.get_xdata() - zero) / unit, line.get_ydata()
    places = np.array([bar.get_y() + bar.get_height() / 2 for bar in bars(picture)])
    for (across, down), numbers in zip(marks.values(), against.values(), strict=True):
        np.testing.assert_allclose(across, numbers, atol=1e-9)
        np.testing.assert_allclose(down, places)
    single = {line.get_marker() for line in picture.sheet.lines if len(line.get_xdata()) == 1}
    assert single == set(marks) and len(marks) == 2, "each is told, with its own shape"
    at = {text.get_text(): text.get_position() for text in picture.sheet.texts}
    assert at["1.00"][0] > zero + 4 * unit, "a text stands behind the farthest mark"
    assert at["share"][1] < at["distance"][1] == at["order"][1] < min(places)
    assert picture.alt == (
        "Three: a 2.00 (distance 1.00, order 0.00), b 4.00 (distance 3.00, order 0.50),"
        " c 1.00 (order 4.00)."
    )


def test_the_names_of_many_rivals_stay_on_the_paper():
    against = {f"a rival with a rather long name {n}": [1] for n in range(6)}
    picture = rows([1], ["a"], against=against, width=3)
    picture.draw_without_rendering()
    boxes = [text.get_window_extent() for text in picture.sheet.texts if "rival" in text.get_text()]
    assert len(boxes) == 6 and boxes[-1].x1 <= picture.canvas.get_width_height()[0]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    "text, shown",
    [
        ("-0.82 from <start>", "−0.82 from <start>"),
        ("0.03 (-.26 to 0.19)", "0.03 (−.26 to 0.19)"),
        ("from 0053-10-13", "from 0053-10-13"),
        ("GPT-2", "GPT-2"),
    ],
)
def test_a_hyphen_before_a_number_is_a_minus(text, shown):
    assert shown in {one.get_text() for one in rows([1], ["a"], texts=[text]).sheet.texts}


def test_where_no_bar_stands_out_all_are_quiet(style):
    inks = {to_hex(bar.get_facecolor()) for bar in bars(rows([1, 2], ["a", "flash"], marked=[]))}
    assert inks == {style["hatch"]}
    assert style["hatch"] not in {to_hex(bar.get_facecolor()) for bar in bars(rows([1], ["a"]))}


def test_marked_bars_stand_out(style):
    picture = rows([1, 2, 3], ["a", "b", "c"], marked=[1])
    assert [to_hex(bar.get_facecolor()) for bar in bars(picture)] == [
        style["hatch"],
        style["lines"][0],
        style["hatch"],
    ]


@in_both_themes
def test_a_mere_zero_is_quiet(style):
    texts = ["0.00", "+0.000", "0%", "0.01", "10%", "0.006 (0.000 to 0.010)", "0 of 3"]
    picture = rows(range(7), list("abcdefg"), texts=texts)
    inks = {text.get_text(): text.get_color() for text in picture.sheet.texts}
    assert [inks[text] == style["faint"] for text in texts] == [True] * 3 + [False] * 4


def test_names_and_texts_stay_on_the_paper_and_apart_from_the_bars():
    names = ["a", "a name that is quite a bit longer than the others are", "b"]
    picture = rows(
        [3, 2, 1], names, texts=["three of them", "two", "1"], title="T", axis="how many"
    )
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()
    left = min(bar.get_window_extent().x0 for bar in bars(picture))
    assert all(
        text.get_window_extent().x1 <= left
        for text in picture.sheet.texts
        if text.get_text() in names
    )


def test_spaces_of_tokens_can_be_seen_and_signs_are_only_signs():
    written = [text.get_text() for text in rows([1, 1, 1], [" the", "$x$", "<b>"]).sheet.texts]
    assert "␣the" in written and "$x$" in written and "<b>" in written


def test_all_zero_is_a_picture_too():
    assert (lengths(rows([0, 0], ["a", "b"])) == 0).all()


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (([-1, 2], ["a", "b"]), ValueError, "not below 0"),
        (([], []), ValueError, "values must be"),
        (([[1]], ["a"]), ValueError, "values must be"),
        (([np.nan], ["a"]), ValueError, "NaN|finite"),
        (([1, 2], ["a"]), ValueError, "1 names"),
        (([1], "a"), TypeError, "list of strings"),
        (("x", ["a"]), TypeError, "values"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        rows(*arguments)


def test_other_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="full=1 must be at least the largest value, 2"):
        rows([2], ["a"], full=1)
    with pytest.raises(ValueError, match="marked must be at most 0"):
        rows([2], ["a"], marked=[1])
    with pytest.raises(ValueError, match="texts has 2"):
        rows([2], ["a"], texts=["x", "y"])
    for numbers in ([1, 2], [-1], [np.inf], [[1]]):
        with pytest.raises(ValueError, match=r"against\['b'\] must"):
            rows([2], ["a"], against={"b": numbers})
    with pytest.raises(ValueError, match="against must have at most 6 names, got 7"):
        rows([2], ["a"], against={str(n): [1] for n in range(7)})
    with pytest.raises(ValueError, match="full=2 must be at least the largest value, 3"):
        rows([2], ["a"], against={"b": [3]}, full=2)
    with pytest.raises(TypeError, match="against must be a dict"):
        rows([2], ["a"], against=[1])
