"""show/curves.py: lines and sizes are those of the given numbers."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang as sticking_out
from drawn import pixels, refused, rgb
from matplotlib.colors import same_color

from attnlib.show import sheet
from attnlib.show.arrows import choice
from attnlib.show.curves import beside, curves, together, written
from attnlib.show.stream import stream

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

X = np.arange(8.0)
POWERS_BACK = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
ODD = ["$a_1$", "<b>x</b>", "&lt;", "√d · k", "$\\frac{", "%s {0}"]


def texts(picture):
    """What is written, without the sign before the name of a line that lies on another."""
    return [re.sub("^[=≈] ", "", text.get_text()) for text in picture.sheet.texts]


def text_of(picture, words):
    (found,) = [text for text, said in zip(picture.sheet.texts, texts(picture)) if said == words]
    return found


def number(text):
    """The number that is written: 1,000, 10⁻⁸ and −2.5×10³⁰⁰."""
    text, raised = text.replace("−", "-").replace(",", ""), "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
    found = re.fullmatch(rf"(-?)(?:([0-9.]+)×)?10([{raised}]+)", text)
    if not found:
        return float(text)
    return float(f"{found[1]}{found[2] or 1}e{found[3].translate(POWERS_BACK)}")


def overhang(picture):
    """How far any text sticks out of the picture, in pixels, and which; names and ticks, too."""
    picture.draw_without_rendering()  # which makes the ticks
    found = []
    for plot in picture.axes[1:]:
        found += [plot.xaxis.label, plot.yaxis.label]
        for axis, (low, high) in ((plot.xaxis, plot.get_xlim()), (plot.yaxis, plot.get_ylim())):
            found += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
            found += [axis.get_offset_text()]
    return sticking_out(picture, found)


def size(picture):
    return pixels(picture).shape


# ---- curves: the lines ---------------------------------------------------------------------------


def drawn(picture):
    """The lines of a picture as (x, y, colour), without cursor and dots."""
    found = [
        line
        for line in picture.axes[1].lines
        if line.get_marker() == "None" and len(set(line.get_xdata())) > 1
    ]
    return [
        (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), line.get_color())
        for line in found
    ]


def dots(picture, markersize):
    """Where dots of one size stand, with their colours: 6 at the cursor, 4 at a number that stands
    alone.
    """
    found = [
        line
        for line in picture.axes[1].lines
        if line.get_marker() == "o" and line.get_markersize() == markersize
    ]
    return [
        (x, y, line.get_color())
        for line in found
        for x, y in zip(line.get_xdata(), line.get_ydata())
    ]


def names(picture, wanted):
    """The heights in inches from the top of the names of the lines."""
    return np.array([text_of(picture, name).get_position()[1] for name in wanted])


def height_of(picture, y):
    """Where a value stands on the sheet, in inches from the top."""
    plot = picture.axes[1]
    return (
        picture.get_figheight() - plot.transData.transform((plot.get_xlim()[1], y))[1] / picture.dpi
    )


@in_both_themes
def test_a_line_is_what_was_given(style):
    given = {"up": X**2, "down": -X, "list": [3, 1, 4, 1, 5, 9, 2, 6]}
    picture = curves(X, given)
    assert len(drawn(picture)) == 3
    for (x, y, color), wanted, ink in zip(drawn(picture), given.values(), style["lines"]):
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(y, wanted)
        assert color == ink
    assert picture.axes[1].get_xlim() == (0, 7)
    low, high = picture.axes[1].get_ylim()
    assert low < -7 and high > 49, "no line is cut off"


def test_lines_are_told_apart_by_colour_and_by_dashes():
    looks = [
        (line.get_color(), str(line._dash_pattern))
        for line in curves(X, {f"line {i}": X + i for i in range(12)}).axes[1].lines
    ]
    assert len(set(looks)) == 12 and len({color for color, _ in looks}) == 6
    assert len({dashes for _, dashes in looks[:6]}) == 6


@pytest.mark.parametrize("runs", [2, 3, 4, 7])
def test_several_runs_are_a_median_in_a_band_of_all(runs):
    y = np.random.default_rng(runs).normal(size=(runs, 8)).cumsum(axis=1)
    picture = curves(X, {"runs": y, "one": X})
    np.testing.assert_allclose(drawn(picture)[0][1], np.median(y, axis=0))
    (band,) = picture.axes[1].collections
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    for place in range(8):
        there = corners[corners[:, 0] == X[place], 1]
        assert there.min() == y[:, place].min() and there.max() == y[:, place].max()
    assert (
        same_color(band.get_facecolor()[0, :3], drawn(picture)[0][2]) and 0 < band.get_alpha() < 0.5
    )


def test_one_run_has_no_band():
    assert not curves(X, {"a": X[None], "b": X}).axes[1].collections


def test_runs_that_broke_off_are_left_out_of_median_and_band():
    y = np.array(
        [[1.0, 2, 3, 4], [3, 4, np.nan, np.inf], [5, np.nan, np.nan, -np.inf], [7, 8, 9, np.nan]]
    )
    picture = curves(X[:4], {"a": y})
    np.testing.assert_array_equal(drawn(picture)[0][1], [4, 4, 6, 4])
    corners = np.concatenate([path.vertices for path in picture.axes[1].collections[0].get_paths()])
    assert sorted(set(corners[corners[:, 0] == 2, 1])) == [3, 9] and set(
        corners[corners[:, 0] == 3, 1]
    ) == {4}
    nowhere = curves(X, {"a": np.where(X == 3, np.nan, np.stack([X, X + 1])), "b": X})
    np.testing.assert_array_equal(np.isnan(drawn(nowhere)[0][1]), X == 3)


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_what_cannot_be_shown_is_left_out(log):
    x, y = np.arange(-2.0, 8), np.array([5, -1, 0, 2, np.nan, np.inf, 1, -np.inf, 3, 4])
    picture = curves(
        x, {"a": y, "b": np.stack([y, y - 2]), "none": np.full(10, np.nan)}, log=log, cursor=4
    )
    assert picture.png()
    kept = x > 0 if "x" in log else np.ones(10, bool)
    shown = np.where(np.isfinite(y) & ((y > 0) | ("y" not in log)), y, np.nan)[kept]
    found_x, found_y, _ = drawn(picture)[0]
    np.testing.assert_array_equal(found_x, x[kept])
    np.testing.assert_array_equal(found_y, shown)
    assert (picture.axes[1].get_xscale(), picture.axes[1].get_yscale()) == tuple(
        "log" if axis in log else "linear" for axis in "xy"
    )
    assert (
        "none: no values." in picture.alt and "nan" not in picture.alt and "inf" not in picture.alt
    )
    assert "none" not in texts(picture), "a line that is not there has no name"


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_nothing_at_all_is_still_a_picture(log):
    for y in (np.full(8, np.nan), np.full((3, 8), np.nan), -np.ones((2, 8))):
        assert curves(X + 1, {"a": y}, log=log, cursor=3).png()


def test_numbers_that_stand_alone_are_dots(style):
    y = np.where(np.isin(X, [0, 3, 6, 7]), X, np.nan)
    assert dots(curves(X, {"a": y}), 4) == [(0, 0, style["ink"]), (3, 3, style["ink"])]
    one = curves([3.0], {"a": [2.0], "b": [[4.0], [6.0]]})
    assert dots(one, 4) == [(3, 2, style["lines"][0]), (3, 5, style["lines"][1])]
    assert (pixels(one) == rgb(style["lines"][1])).all(axis=2).sum() > 10
    assert not dots(curves(X, {"a": X}), 4)


@pytest.mark.parametrize("scale", [1e-8, 1, 1e8, -1e8, 1e300])
def test_numbers_of_any_size(scale):
    for log in ("", "x"):
        picture = curves(X + 1, {"a": X * scale, "b": -X * scale / 2}, title="T", log=log)
        np.testing.assert_array_equal(drawn(picture)[0][1], X * scale)
        assert overhang(picture)[0] <= 1, overhang(picture)
    assert overhang(curves((X + 1) * abs(scale), {"a": X}))[0] <= 1


@pytest.mark.parametrize("values", [np.float16, np.float32, np.int64, bool])
def test_any_real_numbers(values):
    y = np.array([0, 1, 1, 0, 1, 0, 0, 1], values)
    np.testing.assert_array_equal(
        drawn(curves(X.astype(np.int64), {"a": y}))[0][1], y.astype(float)
    )


def test_inputs_are_left_alone():
    x, y = X - 3, np.stack([X, -X])
    x.flags.writeable = y.flags.writeable = False
    lines = {"a": y}
    curves(x, lines, log="xy", cursor=2).png()
    assert lines["a"] is y and list(lines) == ["a"]


# ---- curves: cursor, limits, marks ---------------------------------------------------------------


@pytest.mark.parametrize(
    "cursor,place", [(0, 0), (1.4, 0), (1.6, 1), (2.0, 1), (5, 2), (7, 3), (-10, 0), (1e9, 3)]
)
def test_the_cursor_stands_where_it_was_asked_for_and_its_dots_where_something_was_measured(
    cursor, place, style
):
    x, y = np.array([1.0, 2, 4, 8]), np.array([[1.0, 5, 2, 9], [3, 5, 4, 1], [2, 8, 0, 0]])
    picture = curves(x, {"runs": y, "gap": [np.nan, 1, np.nan, 3]}, cursor=cursor)
    (mark,) = [
        line
        for line in picture.axes[1].lines
        if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
    ]
    assert mark.get_xdata()[0] == min(max(cursor, 1), 8) and mark.get_color() == style["ink"]
    wanted = [(x[place], np.median(y[:, place]), style["lines"][0])]
    wanted += [(x[place], [0, 1, 0, 3][place], style["lines"][1])] if place in (1, 3) else []
    assert dots(picture, 6) == wanted


def test_the_cursor_has_its_words_and_few_lines_their_numbers():
    lines = {"a": 10 + X, "b": X**2 / 3, "c": -X}
    picture = curves(X, lines, cursor=4, axes=("step, of the training", "y"))
    assert {"step: 4", "14", "5.3", "−4"} <= set(texts(picture))
    across = picture.axes[1].transData.transform((4, 0))[0] / picture.dpi
    assert text_of(picture, "step: 4").get_position()[0] == pytest.approx(across)
    assert text_of(picture, "5.3").get_color() == text_of(picture, "b").get_color()
    assert picture.alt.endswith("Marked at step: 4. Measured there: a 14, b 5.33, c -4.")
    between = curves(X, lines, cursor=4.2, axes=("step", "y"))
    assert "step: 4.2" in texts(between) and not {"14", "5.3", "−4"} & set(texts(between)), (
        "nothing was measured there"
    )
    assert between.alt.endswith("Marked at step: 4.2. Measured at 4: a 14, b 5.33, c -4.")
    assert "14" not in texts(curves(X, lines | {"d": X + 2}, cursor=4)), "four lines: too many"
    tiny = curves(X, {"a": X / 7, "b": X * 0 + 0.00454}, cursor=0)
    assert "0" in texts(tiny) and "0.00454" not in texts(tiny), "finer than can be seen"
    assert "0.00454" in texts(curves(X, {"a": 10**-X, "b": X * 0 + 0.00454}, cursor=0, log="y"))
    for at in (0, 7):
        assert overhang(curves(X, lines, cursor=at, axes=("a very long name " * 3, "y")))[0] <= 1


def test_a_border_has_its_name_and_no_dots():
    lines = {"a": X, "b": -X}
    how = {"cursor": 3, "cursor_name": "training ended here", "axes": ("place, of 8", "loss")}
    picture = curves(X, lines, **how)
    assert "training ended here" in texts(picture) and "place: 3" not in texts(picture)
    assert not dots(picture, 6) and "3" not in texts(picture)
    assert picture.alt.endswith("Marked at place: 3, training ended here.")
    with pytest.raises(TypeError, match="cursor_name"):
        curves(X, lines, cursor=3, cursor_name=7)


def test_no_cursor_no_mark():
    assert len(curves(X, {"a": X}).axes[1].lines) == 1


def test_limits_hold_and_dots_stay_inside():
    picture = curves(X, {"a": 10 * X, "b": -X, "c": X * 0 + 2}, limits=(0, 5), cursor=6)
    assert picture.axes[1].get_ylim() == (0, 5)
    assert [y for _, y, _ in dots(picture, 6)] == [2], "a dot off the plot says nothing"
    box = picture.axes[1].get_position()
    top, low = (picture.get_figheight() * (1 - edge) for edge in (box.y1, box.y0))
    found = names(picture, ["a", "c", "b"])
    assert (np.diff(found) > 0).all() and top - 0.1 <= found[0] <= found[-1] <= low + 0.1


def marks(picture, axis):
    """The marks on an axis with their words, those that are seen."""
    picture.draw_without_rendering()
    low, high = getattr(picture.axes[1], f"get_{axis}lim")()
    ticks = getattr(picture.axes[1], f"{axis}axis").get_major_ticks()
    return [
        (tick.get_loc(), tick.label1)
        for tick in ticks
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]


RANGES = [
    (3, 4.1),
    (2, 5),
    (0.9, 11),
    (1.1, 99),
    (1, 100),
    (5, 8000),
    (1e-8, 1e8),
    (1e-3, 1e-2),
    (0.99, 1.01),
    (7, 7),
]


@pytest.mark.parametrize("low,high", RANGES)
def test_marks_on_logarithmic_axes_are_few_and_readable(low, high):
    many = np.geomspace(low, high, 40) if low < high else np.full(40, low)
    for picture, axis in [
        (curves(np.arange(40.0), {"a": many}, log="y"), "y"),
        (curves(many, {"a": np.arange(40)}, log="x"), "x"),
    ]:
        found = marks(picture, axis)
        assert 2 <= len(found) <= 8, (axis, [text.get_text() for _, text in found])
        boxes = [text.get_window_extent() for _, text in found]
        assert not any(one.overlaps(two) for one, two in pairwise(boxes))
        for place, text in found:
            words = (
                text.get_text()
                .replace("$\\mathdefault{10^{", "1e")
                .replace("}}$", "")
                .replace(",", "")
                .replace("−", "-")
            )
            assert np.isclose(number(words), place), (words, place)
        assert not getattr(picture.axes[1], f"{axis}axis").get_minorticklocs().size


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 40])
def test_whole_numbers_are_counted_in_whole_numbers(n):
    for x, whole in ((np.arange(n), True), (np.arange(n) / 4, False)):
        picture = curves(x, {"a": np.arange(n)})
        low, high = picture.axes[1].get_xlim()
        marks = [mark for mark in picture.axes[1].get_xticks() if low <= mark <= high]
        assert len(marks) > 1 and (not whole or all(mark == round(mark) for mark in marks)), marks
        assert whole or n > 5 or any(mark != round(mark) for mark in marks)


def test_a_logarithmic_axis_says_so():
    for log in ("", "x", "y", "xy"):
        found = texts(curves(X + 1, {"a": X + 1}, axes=("tokens", "loss"), log=log))
        assert ("tokens, log scale →" in found) == ("x" in log) != ("tokens →" in found)
        assert ("↑ loss, log scale" in found) == ("y" in log) != ("↑ loss" in found)


@pytest.mark.parametrize(
    "value, digits, text",
    [
        (0, 3, "0"),
        (1000, 6, "1,000"),
        (0.25, 2, "0.25"),
        (-0.5, 6, "−0.5"),
        (1234, 2, "1,200"),
        (1e-8, 6, "10⁻⁸"),
        (2.5e300, 6, "2.5×10³⁰⁰"),
        (-3.0e12, 1, "−3×10¹²"),
        (0.00143209, 3, "0.00143"),
        (9.9999, 2, "10"),
        (1e7, 6, "10⁷"),
        (9_999_999, 7, "9,999,999"),
    ],
)
def test_numbers_are_written_as_they_are_read(value, digits, text):
    assert written(value, digits) == text


@pytest.mark.parametrize(
    "low,high", [(0, 1), (-3, 12), (1e8, 1e8 + 4), (0.98, 1.01), (-1e-9, 1e-9)]
)
def test_marks_can_be_told_apart(low, high):
    picture = curves(X, {"a": np.linspace(low, high, 8)})
    found = marks(picture, "y")
    words = [text.get_text() for _, text in found]
    assert 2 <= len(found) <= 8 and len(set(words)) == len(words)
    for place, text in found:
        said = number(text.get_text())
        assert abs(said - place) <= 1e-6 * (high - low)
    assert overhang(picture)[0] <= 1


def test_few_measured_places_are_the_marks():
    widths = 2.0 ** np.arange(1, 11)
    found = marks(curves(widths, {"a": widths}, log="xy"), "x")
    assert (
        4 <= len(found) <= 6 and {place for place, _ in found} <= set(widths) and found[0][0] == 2
    )
    assert [text.get_text() for _, text in found] == [f"{place:,.0f}" for place, _ in found]
    for places in ([1, 1000, 1001, 1002.0], np.arange(1.0, 17), [5.0], [1, 1e8]):
        boxes = [
            text.get_window_extent()
            for _, text in marks(curves(places, {"a": np.ones(len(places))}, log="x"), "x")
        ]
        assert boxes and not any(one.overlaps(two) for one, two in pairwise(boxes))


# ---- curves: names -------------------------------------------------------------------------------


def test_a_name_stands_where_its_line_ends(style):
    lines = {
        "low": X * 0 - 5,
        "high": X * 3,
        "middle": 7 - X * 0,
        "stops": np.where(X > 4, np.nan, 2 * X + 4.5),
    }
    for x in (X, -X):
        picture = curves(x, lines)
        ends = {
            "low": -5,
            "high": 21 if x is X else 0,
            "middle": 7,
            "stops": 12.5 if x is X else 4.5,
        }
        for number, (name, end) in enumerate(ends.items()):
            text = text_of(picture, name)
            assert abs(text.get_position()[1] - height_of(picture, end)) < 0.2, name
            assert text.get_color() == style["lines"][number]
            edge = picture.axes[1].get_position().x1 * picture.get_figwidth()
            early = name == "stops" and x is X
            assert early or 0.03 < text.get_position()[0] - edge < 0.15
    exact = names(curves(X, {"a": X * 0, "b": X * 0 + 5, "c": X}), "abc")
    np.testing.assert_allclose(
        exact,
        [height_of(curves(X, {"a": X * 0, "b": X * 0 + 5, "c": X}), y) for y in (0, 5, 7)],
        atol=0.01,
    )


def test_a_line_that_ends_early_has_its_name_there_unless_another_is_in_the_way():
    short = np.where(X > 3, np.nan, 5)
    picture = curves(X, {"short": short, "also": short + 0.1, "far": X * 0, "ends": X})
    right = picture.axes[1].get_position().x1 * picture.get_figwidth()
    at = {name: text_of(picture, name).get_position() for name in ("short", "also", "far", "ends")}
    assert {name for name, (x, _) in at.items() if x < right} == {"short", "also"}
    x, y = picture.axes[1].transData.transform((3, 5)) / picture.dpi
    for name in ("short", "also"):
        assert 0.05 < at[name][0] - x < 0.15, name
        assert abs(picture.get_figheight() - at[name][1] - y) < 0.25, name
    assert at["also"][1] + 0.15 < at["short"][1], (
        "the higher line has the higher name, and they do not touch"
    )
    ways = {"across": X * 0 + 5.1, "below": X * 0 + 4.3}
    crossed = curves(X, {"short": short} | ways, limits=(0, 10))
    right = crossed.axes[1].get_position().x1 * crossed.get_figwidth()
    assert text_of(crossed, "short").get_position()[0] > right, "at the edge: lines are in the way"
    assert "a very long name of a line" in texts(
        curves(X, {"a very long name of a line": np.where(X > 6, np.nan, 1)})
    ), "no room"


CROWDS = {
    "six alike": (dict.fromkeys([f"line {i}" for i in range(6)], np.sin(X)), {}),
    "twelve in a low picture": (
        {f"line {i}": np.sin(X) + i / 100 for i in range(12)},
        {"height": 1.0, "title": "T"},
    ),
    "all at the bottom": (
        {f"line {i}": 0.01 * i * X + (i == 0) * (7 - X) * 100 for i in range(7)},
        {},
    ),
    "all at the top": ({f"line {i}": X - 0.01 * i for i in range(7)}, {"height": 2.0}),
    "all beyond the limits": (
        {f"line {i}": X * 10 + i for i in range(5)} | {f"under {i}": -X - i for i in range(5)},
        {"limits": (0, 1)},
    ),
    "logarithmic": (
        {f"line {i}": 10.0 ** (-i * X) for i in range(6)} | {"zero": X * 0},
        {"log": "y"},
    ),
    "two near, one far": ({"a": X, "b": X + 0.01, "c": -X}, {}),
    "one point": ({"a": X[:1], "b": X[:1] + 1}, {}),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_names_keep_apart_and_on_the_sheet(crowd):
    lines, how = CROWDS[crowd]
    picture = curves(X[: len(next(iter(lines.values())))], lines, **how)
    wanted = [name for name in lines if name != "zero"]
    places = names(picture, wanted)
    assert np.diff(np.sort(places)).min() >= 0.15
    assert overhang(picture)[0] <= 1, overhang(picture)
    plot, height = picture.axes[1], picture.get_figheight()
    assert (
        places.min() >= height * (1 - plot.get_position().y1) - 0.1
        and places.max() <= height * (1 - plot.get_position().y0) + 0.1
    )
    ends = [lines[name][-1] for name in wanted]
    assert all(
        a <= b + 1e-9
        for a, b in zip(places[np.argsort(ends)[::-1]], np.sort(places))
        if len(together(lines)) == len(lines)
    ), "in order"


@pytest.mark.parametrize(
    "name",
    ["a very long name of a line that goes on and on", "W" * 30, "日本の猫" * 3, "x" * 100, *ODD],
)
def test_any_name_is_drawn_whole_as_plain_characters(name):
    picture = curves(X, {name: X, "b": -X}, title=name, axes=(name, name))
    assert overhang(picture)[0] <= 1, overhang(picture)
    assert name in picture.alt
    assert not any(text.get_parse_math() or text.get_usetex() for text in picture.sheet.texts)
    if name in ODD:
        assert texts(picture).count(name) == 2, "its title and its line"
        assert {f"↑ {name}", f"{name} →"} <= set(texts(picture)), "its axes"
    assert picture.axes[1].get_window_extent().width > 1.3 * picture.dpi, "there is room for lines"


@pytest.mark.parametrize("seed", range(12))
def test_names_at_the_ends_of_any_lines_keep_apart_and_on_the_sheet(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.choice(100, rng.integers(2, 30), replace=False)).astype(float)
    words = ["d", "a name of some length", "RoPE", "a second one", "W" * 12, "none", "last"]
    lines = {}
    for name in rng.permutation(words)[: rng.integers(1, 8)]:
        y = rng.normal(size=len(x)).cumsum() * rng.choice([0.0, 1.0, 100.0])
        y[rng.integers(1, len(x) + 1) :] = np.nan  # most end early
        lines[name] = y
    how = {"limits": (-1, 1)} if rng.random() < 0.3 else {}
    picture = curves(
        x, lines, title="T", axes=("an axis", "another one"), width=rng.choice([4, 9.5]), **how
    )
    assert overhang(picture)[0] <= 1, overhang(picture)
    boxes = {text: text.get_window_extent() for text in picture.sheet.texts}
    assert set(lines) <= set(texts(picture)), "each has its name"
    for one, two in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[two]), (one.get_text(), two.get_text())
    assert min(text.get_size() for text in boxes) >= 9


def test_a_line_that_goes_on_beyond_the_limits_says_so():
    picture = curves(X, {"up": X, "level": X * 0 + 1, "down": -X}, limits=(0.5, 2))
    heads = {line.get_marker(): line.get_ydata()[0] for line in picture.sheet.lines}
    box = picture.axes[1].get_position()
    top, low = (picture.get_figheight() * (1 - edge) for edge in (box.y1, box.y0))
    assert heads["^"] == pytest.approx(top) and heads["v"] == pytest.approx(low)
    assert not {"^", "v"} & {line.get_marker() for line in curves(X, {"a": X}).sheet.lines}


def test_a_line_that_leaves_the_plot_or_comes_back_is_marked_there():
    picture = curves(X, {"a": 40 - 6 * X, "b": X}, limits=(0, 10))
    (mark,) = [line for line in picture.sheet.lines if line.get_marker() == "^"]
    x, y = picture.axes[1].transData.transform((5, 10)) / picture.dpi
    assert mark.get_xdata()[0] == pytest.approx(x, abs=1e-6)
    assert mark.get_ydata()[0] == pytest.approx(picture.get_figheight() - y, abs=1e-6)
    assert mark.get_color() == text_of(picture, "a").get_color()


def test_where_ends_meet_names_stand_beside_their_own_line():
    x = np.linspace(0, 10, 101)
    bumps = {"high": np.exp(-((x - 3) ** 2)), "wide": 0.5 * np.exp(-((x - 6) ** 2) / 3)}
    lines = bumps | {"flat": x * 0}
    picture = curves(x, lines)
    plot = picture.axes[1]
    picture.draw_without_rendering()
    for name in bumps:
        box = text_of(picture, name).get_window_extent()
        assert box.x1 < plot.get_window_extent().x1, "within the plot"
        far = {}
        for other, y in lines.items():
            pixels_of = plot.transData.transform(np.column_stack([x, y]))
            far[other] = np.hypot(*(np.clip(pixels_of, box.min, box.max) - pixels_of).T).min()
        assert min(far, key=far.get) == name and far[name] > 0, far
    assert text_of(curves(x, {"a": x, "b": -x}), "a").get_window_extent().x0 > 0.8 * 9.5 * sheet.DPI


@pytest.mark.parametrize("log", ["", "y"])
def test_lines_that_lie_on_each_other_are_named_together_and_both_seen(log):
    lines = {"all": X + 1, "one": X + 1, "near": X + 1.001, "far": 9 - X, "none": X * np.nan}
    assert [list(one.values()) for one in together(lines, log)] == [
        ["all", "= one", "≈ near"],
        ["far"],
        ["none"],
    ]
    assert len(together({"a": X, "b": X + 0.2})) == 2 == len(together({"a": X, "b": X[::-1]}))
    assert len(together({"a": X, "b": np.where(X > 6, np.nan, X)})) == 2, "one ends early"
    assert len(together({"a": X, "b": X + 0.2}, limits=(0, 1000))) == 1
    picture = curves(X, lines, log=log)
    assert {"= one", "≈ near"} <= {text.get_text() for text in picture.sheet.texts}
    wide = {line.get_color(): line.get_linewidth() for line in picture.axes[1].lines}
    found = [wide[text_of(picture, name).get_color()] for name in ("all", "one", "near", "far")]
    assert found[0] > found[1] > found[2] == found[3]
    order = {line.get_color(): line.get_zorder() for line in picture.axes[1].lines}
    found = [order[text_of(picture, name).get_color()] for name in ("all", "one", "near")]
    assert found == sorted(found) and len({*found}) == 3, "the widest lies lowest"


def test_a_line_alone_is_ink_unless_it_is_a_thing(style):
    assert drawn(curves(X, {"time": X}))[0][2] == style["ink"]
    assert drawn(curves(X, {"flash": X}))[0][2] == style["lines"][0]
    assert drawn(curves(X, {"time": X, "more": -X}))[0][2] == style["lines"][0]


def test_a_name_that_had_to_move_is_joined_to_its_line():
    picture = curves(X, {"a": X, "b": X + 0.3, "c": -X})
    threads = [line for line in picture.sheet.lines if len(line.get_xdata()) == 2]
    at = {text_of(picture, name).get_position()[1]: name for name in "abc"}
    for thread in threads:
        end, place = thread.get_ydata()
        name = at[place]
        assert name != "c" and end == pytest.approx(height_of(picture, 7 + 0.3 * (name == "b")))
        assert thread.get_color() == text_of(picture, name).get_color()
    assert threads


def test_lines_may_be_named_by_numbers():
    assert {"1", "0.5"} <= set(texts(curves(X, {1: X, 0.5: -X})))


# ---- curves: words, colours, sizes ---------------------------------------------------------------


def test_the_description_says_the_first_and_the_last_number():
    y = np.array([[1.0, 2, 4], [3, 2, 8]])
    alt = curves(
        [1, 2, 16384],
        {"a": y, "b": [np.nan, 0.123456, np.nan]},
        title="T",
        axes=("width, dots", "loss"),
    ).alt
    assert alt == "T: loss against width, dots. a: 2 at 1, 6 at 16384. b: 0.123 at 2, 0.123 at 2."
    assert curves(-X, {"a": X}).alt == "Curves: y against x. a: 0 at 0, 7 at -7."
    assert "a: 1 at 1, 7 at 7." in curves(X, {"a": X}, log="x").alt, (
        "what is left out is not described"
    )


@in_both_themes
def test_theme_colours_axes_lines_and_names(style):
    picture = curves(
        X, {f"line {i}": X * i for i in range(6)}, title="T", axes=("across", "along"), cursor=3
    )
    seen, plot = pixels(picture), picture.axes[1]
    assert (seen[2, -2] == rgb(style["paper"])).all() and same_color(
        plot.get_facecolor(), style["paper"]
    )
    assert {text_of(picture, name).get_color() for name in ("across →", "↑ along")} == {
        style["ink"]
    }
    assert plot.xaxis.get_major_ticks()[0].label1.get_color() == style["faint"]
    assert [text_of(picture, f"line {i}").get_color() for i in range(6)] == style["lines"]
    for color in style["lines"]:
        assert (seen == rgb(color)).all(axis=2).sum() > 50


@in_both_themes
def test_the_colours_of_lines_survive_saving(style):
    picture = curves(X, {f"line {i}": X * i for i in range(6)}, title="T", cursor=3)
    full, saved = pixels(picture), pixels(picture, fast=False)
    assert len(np.unique(saved.reshape(-1, 3), axis=0)) > 10, "nothing is drawn"
    for color in style["lines"]:
        line = (full == rgb(color)).all(axis=2)
        assert np.abs(saved[line] - rgb(color)).max() <= 2
    both = picture._repr_mimebundle_()
    assert both[0]["text/plain"] == both[1]["image/png"]["alt"] == picture.alt


def test_the_line_goes_through_the_pixels_of_its_values(style):
    picture = curves(X, {"rotary": X**2})
    seen, plot = pixels(picture), picture.axes[1]
    for x, y in [(1, 1), (4, 16), (6, 36)]:
        column, up = plot.transData.transform((x, y))
        around = seen[round(seen.shape[0] - up) - 2 : round(seen.shape[0] - up) + 3, round(column)]
        assert np.abs(around - rgb(style["lines"][0])).max(axis=1).min() < 40


def test_a_sliders_picture_keeps_its_size():
    def at(scale, cursor, **how):
        return size(
            curves(
                X + 1,
                {"first": X * scale, "second": [X - scale, X]},
                title="T",
                cursor=cursor,
                **how,
            )
        )

    for how in ({}, {"log": "xy"}, {"height": 2.6, "limits": (1, 2)}):
        assert (
            len(
                {
                    at(scale, cursor, **how)
                    for scale, cursor in [(-1e8, 0), (1e-8, 3), (0, 99), (12345.678, 4)]
                }
            )
            == 1
        )
    keys = np.random.default_rng(0).normal(size=(4, 2))
    made = [
        choice(keys[0] * s, keys * s, keys[:, 0] * s, list("abcd"), temperature=t)
        for s, t in [(0, 1), (1e-8, 1), (1, 0.1), (1e8, 50)]
    ]
    assert len({size(picture) for picture in made}) == 1
    sizes = [
        stream({"attention": np.full((5, 3, 4), s)}, norm=norm)
        for s in (0, 1e-8, 1, 1e8)
        for norm in ("pre", "post", None)
    ]
    assert len({size(picture) for picture in sizes}) == 1


def test_sizes_are_those_asked_for():
    assert size(curves(X, {"a": X}))[:2] == (np.ceil(3.0 * sheet.DPI), np.ceil(9.5 * sheet.DPI))
    assert size(curves(X, {"a": X}, width=4, height=2.6))[:2] == (
        np.ceil(2.6 * sheet.DPI),
        np.ceil(4 * sheet.DPI),
    )


def test_the_same_input_gives_the_same_bytes():
    def makes():
        keys = np.random.default_rng(0).normal(size=(3, 2))
        line = curves(X, {"a": X, "b": [X, X * 2]}, cursor=2)
        return (
            line,
            choice(keys[0], keys, keys[:, 1], list("abc")),
            stream({"f": np.ones((5, 2, 2))}),
            beside(line, line),
        )

    assert [picture.png() for picture in makes()] == [picture.png() for picture in makes()]


LINE = {"a": X}
NOT_CURVES = [
    (lambda: curves(3, LINE), ValueError, ["x must have the shape", "()"]),
    (lambda: curves([], {"a": []}), ValueError, ["x must have the shape (n,)", "(0,)"]),
    (lambda: curves(np.ones((2, 8)), LINE), ValueError, ["x must have the shape (n,)", "(2, 8)"]),
    (lambda: curves(np.where(X == 2, np.nan, X), LINE), ValueError, ["x must be finite", "x[2]"]),
    (lambda: curves(list("abcdefgh"), LINE), TypeError, ["x must hold real numbers"]),
    (
        lambda: curves(-X, LINE, log="x"),
        ValueError,
        ["x must have a number above 0", "logarithmic"],
    ),
    (lambda: curves(X, {}), ValueError, ["lines must be a dict name -> values", "empty"]),
    (lambda: curves(X, [X]), TypeError, ["lines must be a dict name -> values", "list"]),
    (lambda: curves(X, X), TypeError, ["lines must be a dict name -> values", "ndarray"]),
    (
        lambda: curves(X, {"cat": X[1:]}),
        ValueError,
        ["lines['cat'] must have the shape (8,) or (runs, 8)", "(7,)"],
    ),
    (
        lambda: curves(X, {"cat": X[:, None]}),
        ValueError,
        ["lines['cat']", "(8,) or (runs, 8)", "(8, 1)"],
    ),
    (
        lambda: curves(X, {"cat": np.ones((2, 2, 8))}),
        ValueError,
        ["lines['cat']", "(8,) or (runs, 8)", "(2, 2, 8)"],
    ),
    (
        lambda: curves(X, {"cat": np.ones((0, 8))}),
        ValueError,
        ["lines['cat']", "(8,) or (runs, 8)", "(0, 8)"],
    ),
    (lambda: curves(X, {"cat": 3}), ValueError, ["lines['cat']", "shape"]),
    (
        lambda: curves(X, {"cat": X + 1j}),
        TypeError,
        ["lines['cat'] must hold real numbers", "complex"],
    ),
    (
        lambda: curves(X, {"cat": [[1, 2], [3]]}),
        ValueError,
        ["lines['cat']", "rows of the same length"],
    ),
    (lambda: curves(X, LINE, log="z"), ValueError, ["log must be", '"xy"', "'z'"]),
    (lambda: curves(X, LINE, log=True), ValueError, ["log must be", "True"]),
    (lambda: curves(X, LINE, axes="xy"), ValueError, ["axes must be two names", "'xy'"]),
    (lambda: curves(X, LINE, axes=("x",)), ValueError, ["axes must be two names", "('x',)"]),
    (
        lambda: curves(X, LINE, cursor=np.nan),
        ValueError,
        ["cursor must be one finite number", "nan"],
    ),
    (lambda: curves(X, LINE, cursor="3"), TypeError, ["cursor must hold real numbers"]),
    (
        lambda: curves(X, LINE, cursor=[1, 2]),
        ValueError,
        ["cursor must be one finite number", "[1, 2]"],
    ),
    (
        lambda: curves(X, LINE, limits=(1,)),
        ValueError,
        ["limits must be two numbers (low, high)", "(1,)"],
    ),
    (
        lambda: curves(X, LINE, limits=5),
        ValueError,
        ["limits must be two numbers (low, high)", "5"],
    ),
    (
        lambda: curves(X, LINE, limits="01"),
        ValueError,
        ["limits must be two numbers (low, high)", "'01'"],
    ),
    (lambda: curves(X, LINE, limits=(2, 1)), ValueError, ["limits", "low < high", "(2, 1)"]),
    (lambda: curves(X, LINE, limits=(1, 1)), ValueError, ["limits", "low < high"]),
    (
        lambda: curves(X, LINE, limits=(0, np.inf)),
        ValueError,
        ["limits must be one finite number", "inf"],
    ),
    (
        lambda: curves(X, LINE, limits=(0, 1), log="y"),
        ValueError,
        ["limits", "0 < low < high", "(0, 1)"],
    ),
    (lambda: beside(), ValueError, ["at least one picture"]),
    (lambda: beside([curves(X, LINE)]), TypeError, ["one by one", "list"]),
    (lambda: beside(curves(X, LINE), None), TypeError, ["beside", "NoneType"]),
    (lambda: beside(curves(X, LINE), columns=0), ValueError, ["columns must be at least 1", "0"]),
    (
        lambda: beside(curves(X, LINE), columns=1.5),
        TypeError,
        ["columns must be a whole number", "1.5"],
    ),
]


@pytest.mark.parametrize("number", range(len(NOT_CURVES)))
def test_what_is_no_curve_is_refused_by_name(number):
    make, kind, words = NOT_CURVES[number]
    refused(make, kind, *words)


# ---- beside --------------------------------------------------------------------------------------


def four():
    return [
        curves(X, {"a": X}, width=4.01, height=2.3),
        curves(X, {"b": -X}, width=3.333, height=1.77, title="Second"),
        stream({"f": np.ones((5, 2, 2))}),
        curves(X, {"c": X**2}, width=3.1, height=2.05),
    ]


ROWS = {
    None: [[0, 1, 2, 3]],
    1: [[0], [1], [2], [3]],
    2: [[0, 1], [2, 3]],
    3: [[0, 1, 2], [3]],
    9: [[0, 1, 2, 3]],
}


@pytest.mark.parametrize("columns", ROWS)
@pytest.mark.parametrize("title,style", [("", "light"), ("All", "dark")], indirect=["style"])
def test_beside_places_every_dot_of_every_picture(columns, title, style, exact_images):
    rows = ROWS[columns]
    pictures = four()
    alone = [pixels(picture) for picture in pictures]
    whole = beside(*pictures, columns=columns, title=title)
    seen = pixels(whole)
    covered = np.zeros(seen.shape[:2], bool)
    low = 0.4 * bool(title) * sheet.DPI
    for row in rows:
        right = 0
        for which in row:
            height, width, _ = alone[which].shape
            fits = [
                (y, x)
                for y in range(round(low) - 1, round(low) + 2 + len(rows))
                for x in range(right, right + 3)
                if seen[y : y + height, x : x + width].shape == alone[which].shape
                and (seen[y : y + height, x : x + width] == alone[which]).all()
            ]
            assert fits, (which, "is not there, dot by dot")
            y, x = fits[0]
            assert not covered[y : y + height, x : x + width].any()
            covered[y : y + height, x : x + width] = True
            right = x + width
        low += max(alone[which].shape[0] for which in row)
    assert (
        abs(seen.shape[0] - low) <= 2 + len(rows)
        and abs(seen.shape[1] - max(sum(alone[w].shape[1] for w in row) for row in rows)) <= 4
    )
    if title:
        covered[: round(0.4 * sheet.DPI)] = True
        assert text_of(whole, title).get_position()[1] < 0.4
    assert (seen[~covered] == rgb(style["paper"])).all()


def test_beside_says_what_each_of_them_says():
    pictures = four()
    said = [picture.alt for picture in pictures]
    assert beside(*pictures, columns=2).alt == " ".join(said)
    assert beside(*pictures, title="All").alt == "All. " + " ".join(said)
    assert beside(pictures[0]).alt == said[0]


def test_beside_makes_room_for_its_title():
    assert (
        overhang(
            beside(
                curves(X, {"a": X}, width=3),
                title="A title that is longer than the only picture below",
            )
        )[0]
        <= 1
    )
