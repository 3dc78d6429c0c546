"""show/curves.py, show/stream.py and arrows.choice: lines, arrows, bars and sizes are those of the
numbers that were given.
"""

import io
from itertools import pairwise

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import same_color, to_rgb
from matplotlib.patches import FancyArrow, FancyBboxPatch, Rectangle
from matplotlib.quiver import Quiver
from PIL import Image

from attnlib.show import sheet
from attnlib.show.arrows import PLANE, bars, choice, plane
from attnlib.show.curves import beside, curves
from attnlib.show.stream import stream

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

X = np.arange(8.0)
ODD = ["$a_1$", "<b>x</b>", "&lt;", "√d · k", "$\\frac{", "%s {0}"]


def pixels(picture, fast=True):
    return np.asarray(Image.open(io.BytesIO(picture.png(fast=fast))).convert("RGB")).astype(int)


def rgb(color):
    return np.rint(np.array(to_rgb(color)) * 255).astype(int)


def texts(picture):
    return [text.get_text() for text in picture.sheet.texts]


def text_of(picture, words):
    (found,) = [text for text in picture.sheet.texts if text.get_text() == words]
    return found


def overhang(picture):
    """How far any text sticks out of the picture, in pixels, and which."""
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    found = list(picture.sheet.texts)
    for plot in picture.axes[1:]:
        found += [plot.xaxis.label, plot.yaxis.label]
        for axis, (low, high) in ((plot.xaxis, plot.get_xlim()), (plot.yaxis, plot.get_ylim())):
            found += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
            found += [axis.get_offset_text()]
    boxes = [(text.get_window_extent(), text.get_text()) for text in found if text.get_text()]
    return max(
        (max(-box.x0, -box.y0, box.x1 - width, box.y1 - height), words) for box, words in boxes
    )


def size(picture):
    return pixels(picture).shape


def refused(make, kind, *words):
    with pytest.raises(kind) as error:
        make()
    for word in words:
        assert word in str(error.value), (word, str(error.value))


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
    assert len({dashes for _, dashes in looks}) == 4


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
    assert dots(curves(X, {"a": y}), 4) == [(0, 0, style["lines"][0]), (3, 3, style["lines"][0])]
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
            assert np.isclose(float(words), place), (words, place)
        assert not getattr(picture.axes[1], f"{axis}axis").get_minorticklocs().size


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 40])
def test_whole_numbers_are_counted_in_whole_numbers(n):
    for x, whole in ((np.arange(n), True), (np.arange(n) / 4, False)):
        picture = curves(x, {"a": np.arange(n)})
        low, high = picture.axes[1].get_xlim()
        marks = [mark for mark in picture.axes[1].get_xticks() if low <= mark <= high]
        assert len(marks) > 1 and (not whole or all(mark == round(mark) for mark in marks)), marks
        assert whole or n > 5 or any(mark != round(mark) for mark in marks)


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
            assert abs(text.get_position()[1] - height_of(picture, end)) < 0.17, name
            assert text.get_color() == style["lines"][number]
            assert (
                0.03
                < text.get_position()[0]
                - picture.axes[1].get_position().x1 * picture.get_figwidth()
                < 0.15
            )
    exact = names(curves(X, {"a": X * 0, "b": X * 0 + 5, "c": X}), "abc")
    np.testing.assert_allclose(
        exact,
        [height_of(curves(X, {"a": X * 0, "b": X * 0 + 5, "c": X}), y) for y in (0, 5, 7)],
        atol=0.01,
    )


def test_a_line_that_ends_early_has_its_name_there_unless_another_is_in_the_way():
    short = np.where(X > 3, np.nan, 5)
    picture = curves(X, {"short": short, "also": short + 0.1, "far": X * 0, "ends": X})
    plot = picture.axes[1]
    inside = {text.get_text(): text.get_position() for text in plot.texts}
    x, y = plot.transData.transform((3, 5)) / picture.dpi
    assert set(inside) == {"short", "also"} and {"far", "ends"} <= set(texts(picture))
    assert all(
        0.05 < place[0] - x < 0.12 and abs(picture.get_figheight() - place[1] - y) < 0.2
        for place in inside.values()
    )
    assert inside["also"][1] + 0.15 < inside["short"][1], (
        "the higher line has the higher name, and they do not touch"
    )
    crossed = curves(X, {"short": short, "across": X * 0 + 5.1}, limits=(0, 10))
    assert "short" in texts(crossed), "at the edge: a line is in the way"
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
        if len(set(ends)) == len(ends)
    ), "in order"


@pytest.mark.parametrize(
    "name",
    ["a very long name of a line that goes on and on", "W" * 30, "日本の猫" * 3, "x" * 100, *ODD],
)
def test_any_name_is_drawn_whole_as_plain_characters(name):
    picture = curves(X, {name: X, "b": -X}, title=name, axes=(name, name))
    assert overhang(picture)[0] <= 1, overhang(picture)
    assert name in picture.alt
    plot = picture.axes[1]
    labels = [plot.xaxis.label, plot.yaxis.label]
    assert not any(
        text.get_parse_math() or text.get_usetex() for text in [*picture.sheet.texts, *labels]
    )
    if name in ODD:
        assert texts(picture).count(name) == 2 and [label.get_text() for label in labels] == [
            name,
            name,
        ]
    assert plot.get_window_extent().width > 1.3 * picture.dpi, "there is room for the lines"


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
    assert [plot.xaxis.label.get_color(), plot.yaxis.label.get_color()] == [style["ink"]] * 2
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
    picture = curves(X, {"a": X**2})
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
    assert size(curves(X, {"a": X}))[:2] == (np.ceil(3.4 * sheet.DPI), np.ceil(6.2 * sheet.DPI))
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


# ---- choice --------------------------------------------------------------------------------------

QUERY, KEYS, VALUES = (
    np.array([1.0, 0.5]),
    np.array([[1.0, 0], [0, 2.0], [-1.5, -0.5], [0.3, -1.2]]),
    np.array([9.0, -4, 0.5, 2]),
)
NAMES = ["Ada", "Bo", "Cem", "Dora"]


def twin(query, keys, values, temperature):
    """Scores, weights and mixture in plain Python."""
    scores = [sum(float(a) * float(b) for a, b in zip(query, key)) for key in keys]
    powers = [2.718281828459045 ** ((score - max(scores)) / temperature) for score in scores]
    weights = [power / sum(powers) for power in powers]
    return scores, weights, sum(w * float(v) for w, v in zip(weights, values))


def bars_of(picture):
    """The bars of a picture, column by column: (inches wide, the number beside it), from top to
    bottom; and the zeros.
    """
    boxes = [patch for patch in picture.sheet.patches if isinstance(patch, Rectangle)]
    columns = {}
    for box in boxes:
        columns.setdefault((round(box.get_x(), 3), to_rgb(box.get_facecolor())), []).append(box)
    return {
        key: [box.get_width() for box in sorted(column, key=lambda box: box.get_y())]
        for key, column in columns.items()
    }


def arrows(picture):
    """Every arrow as (color, start, end) on the sheet, in inches; y goes down."""
    found = []
    for quiver in picture.sheet.collections:
        if isinstance(quiver, Quiver):
            assert (quiver.angles, quiver.scale, quiver.scale_units) == ("xy", 1, "xy")
            color = to_rgb(quiver.get_facecolor()[0])
            found += [
                (color, np.array(start), np.array(start) + (u, v))
                for start, u, v in zip(quiver.XY, quiver.U, quiver.V)
            ]
    return found


def scale_of(query, keys):
    return PLANE / max([1.0, *(np.hypot(*row) for row in [query, *keys])])


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1, 5.0, 50])
@pytest.mark.parametrize("seed", range(3))
def test_choice_says_scores_weights_and_mixture(temperature, seed):
    rng = np.random.default_rng(seed)
    n = [2, 5, 12][seed]
    query, keys, values = rng.normal(size=2), rng.normal(size=(n, 2)) * 2, rng.normal(size=n) * 9
    picture = choice(query, keys, values, [f"k{i}" for i in range(n)], temperature=temperature)
    scores, weights, mixture = twin(query, keys, values, temperature)
    found = [(*text.get_position(), text.get_text()) for text in picture.sheet.texts]
    for j, numbers in enumerate(zip(scores, weights, values)):
        (row,) = [y for x, y, words in found if words == f"k{j}" and x > 4]
        said = [words for x, y, words in sorted(found) if y == row and x > 5.05]
        assert said == [f"{number:.2f}" for number in numbers]
    assert f"mixture: {mixture:.2f}" in texts(picture) and f"mixture: {mixture:.2f}." in picture.alt
    best = sorted(range(n), key=lambda j: -weights[j])[:3]
    assert (
        "the largest weights are " + ", ".join(f"k{j} {weights[j]:.2f}" for j in best) + ";"
        in picture.alt
    )
    assert "sum 1.00" in texts(picture)


@in_both_themes
def test_the_bars_are_as_long_as_their_numbers(style):
    picture = choice(QUERY, KEYS, VALUES, NAMES)
    scores, weights, _ = twin(QUERY, KEYS, VALUES, 1)
    found = bars_of(picture)
    longest = max(np.hypot(*key) for key in KEYS)
    reach = 2 * longest * max(1.5, np.hypot(*QUERY))
    for numbers, color, span, width in [
        (scores, style["faint"], reach, 1.2),
        (weights, style["weights"][3], 1, 0.85),
        (VALUES, sheet.VALUE, np.ptp(VALUES), 0.85),
    ]:
        (lengths,) = [lengths for (_, ink), lengths in found.items() if same_color(ink, color)]
        np.testing.assert_allclose(lengths, np.array(numbers) / span * width, atol=1e-9)


def test_the_bars_of_scores_grow_with_the_query():
    """A slider of length: a query half as long has bars half as long."""
    ink = sheet.THEMES["light"]["faint"]
    found = [bars_of(choice(QUERY * times, KEYS, VALUES, NAMES)) for times in (0.8, 0.4)]
    whole, half = (
        next(lengths for (_, color), lengths in bars.items() if same_color(color, ink))
        for bars in found
    )
    np.testing.assert_allclose(half, np.array(whole) / 2, atol=1e-9)


def test_the_bars_of_weights_do_not_stretch():
    picture = sheet.Picture(3, 3)
    bars(picture, 0.5, 0.5, 0.2, 1.3, np.array([0.25, 0.5, 0.0]), "weight", "#123456", span=(0, 1))
    bars(picture, 0.5, 1.5, 0.2, 1.3, np.array([0.25, 0.5, 0.0]), "weight", "#654321")
    bars(picture, 0.5, 2.3, 0.2, 1.3, np.array([2.0, -3.0]), "x", "#abcdef", span=(0, 1))
    (whole,), (stretched,), (both,) = (
        [lengths for (_, ink), lengths in bars_of(picture).items() if same_color(ink, color)]
        for color in ("#123456", "#654321", "#abcdef")
    )
    np.testing.assert_allclose(whole, [0.25, 0.5, 0])
    np.testing.assert_allclose(stretched, [0.5, 1, 0])
    np.testing.assert_allclose(both, [0.4, -0.6])
    assert [t.get_text() for t in picture.sheet.texts].count("0.25") == 2


@pytest.mark.parametrize(
    "value,words",
    [(1e8, "1e+08"), (-1e8, "-1e+08"), (-12345.6, "-12346"), (999.99, "999.99"), (-100, "-100.00")],
)
def test_numbers_beside_bars_are_short(value, words):
    picture = choice([1, 0], [[1, 0], [0, 1]], [value, value], ["a", "b"])
    assert texts(picture).count(words) == 2 and f"mixture: {words}" in texts(picture)
    assert overhang(picture)[0] <= 1, overhang(picture)


@pytest.mark.parametrize(
    "query,keys",
    [
        (QUERY, KEYS),
        (QUERY / 9, KEYS / 9),
        (QUERY * 7, KEYS),
        (-QUERY, KEYS * 20),
        ([0, -1], [[3, 4]]),
    ],
)
@in_both_themes
def test_arrows_are_drawn_to_scale_in_their_direction(query, keys, style):
    query, keys = np.asarray(query, float), np.asarray(keys, float)
    picture = choice(
        query, keys, np.ones(len(keys)), NAMES[: len(keys)], who="me", axes=("east", "north")
    )
    unit = scale_of(query, keys)
    found = arrows(picture)
    (middle,) = {tuple(start) for _, start, _ in found}
    for rows, ink in [(keys, sheet.KEY), (query[None], sheet.QUERY)]:
        seen = [end - middle for color, _, end in found if same_color(color, ink)]
        np.testing.assert_allclose(seen, rows * unit * (1, -1), atol=0.0051)
    assert text_of(picture, "me").get_color() == sheet.QUERY
    (ring,) = [line for line in picture.sheet.lines if len(line.get_xdata()) == 100]
    radius = np.hypot(ring.get_xdata() - middle[0], ring.get_ydata() - middle[1])
    np.testing.assert_allclose(radius, unit, err_msg="the circle has radius 1")
    east, north = (
        text_of(picture, "east →").get_position(),
        text_of(picture, "north ↑").get_position(),
    )
    assert east[0] > middle[0] + PLANE and north[1] < middle[1] - PLANE


def test_arrows_show_in_the_pixels():
    picture = choice([0.0, 1.0], [[1.0, 0], [-0.6, -0.8]], [1, 2], ["a", "b"])
    seen, middle = pixels(picture), arrows(picture)[0][1]
    for row, color in [([0.0, 1], sheet.QUERY), ([1.0, 0], sheet.KEY), ([-0.6, -0.8], sheet.KEY)]:
        x, y = np.rint((middle + 0.6 * PLANE * np.array(row) * (1, -1)) * picture.dpi).astype(int)
        assert np.abs(seen[y - 1 : y + 2, x - 1 : x + 2] - rgb(color)).max(axis=2).min() < 60


def test_a_name_stands_at_the_tip_of_its_arrow():
    picture = choice(QUERY, KEYS, VALUES, NAMES, who="me")
    unit, middle = scale_of(QUERY, KEYS), arrows(picture)[0][1]
    for name, row in [*zip(NAMES, KEYS), ("me", QUERY)]:
        places = [text.get_position() for text in picture.sheet.texts if text.get_text() == name]
        assert (
            min(np.hypot(*(np.array(place) - middle - row * unit * (1, -1))) for place in places)
            < 0.3
        )


@pytest.mark.parametrize(
    "query,keys", [(QUERY, KEYS), (QUERY * 3, KEYS), ([-2, 1.0], KEYS * 5), ([0.3, 0], KEYS)]
)
def test_dotted_lines_land_where_the_key_projects(query, keys):
    query = np.array(query, float)
    picture = choice(query, keys, VALUES, NAMES)
    unit, middle = scale_of(query, keys), arrows(picture)[0][1]
    dotted = [line for line in picture.sheet.lines if line.get_linestyle() == ":"]
    feet = [line for line in picture.sheet.lines if line.get_marker() == "o"]
    assert len(dotted) == len(feet) == len(keys)
    angle = np.arctan2(query[1], query[0])
    for key, line, foot in zip(keys, dotted, feet):
        along = np.hypot(*key) * np.cos(np.arctan2(key[1], key[0]) - angle)
        wanted = along * np.array([np.cos(angle), np.sin(angle)])
        ends = (np.stack([line.get_xdata(), line.get_ydata()], axis=1) - middle) * (1, -1) / unit
        np.testing.assert_allclose(ends, [key, wanted], atol=1e-9)
        np.testing.assert_allclose(
            [foot.get_xdata()[0], foot.get_ydata()[0]], [line.get_xdata()[1], line.get_ydata()[1]]
        )
        assert np.isclose(np.hypot(*query) * along, key @ query), (
            "score = length of the query × place where it lands"
        )


def test_a_query_of_length_zero_believes_everyone_alike():
    picture = choice([0, 0], KEYS, VALUES, NAMES, who="me", temperature=0.01)
    assert texts(picture).count("0.25") == 4 and texts(picture).count("0.00") == 4
    assert f"mixture: {VALUES.mean():.2f}" in picture.alt
    assert "me" not in texts(picture) and not any(
        line.get_linestyle() == ":" for line in picture.sheet.lines
    )
    assert len(arrows(picture)) == 4


@pytest.mark.parametrize("scale", [0, 1e-8, 1e8])
def test_choice_stands_zeros_dwarfs_and_giants(scale):
    for query, keys in [
        (QUERY * scale, KEYS * scale),
        (QUERY, KEYS * np.array([[scale], [1], [1], [1]])),
        (QUERY * scale, KEYS),
    ]:
        picture = choice(query, keys, VALUES * scale, NAMES)
        assert overhang(picture)[0] <= 1, overhang(picture)
        assert "nan" not in picture.alt


def test_keys_that_point_the_same_way_share_one_arrow():
    picture = choice([1, 0], [[1, 1], [1, 1], [0, 1]], [1, 2, 3], ["a", "b", "c"])
    assert "a, b" in texts(picture) and len(arrows(picture)) == 3


@pytest.mark.parametrize(
    "names",
    [ODD[:4], ["a very long name of a key", "w" * 30, "W" * 16, "日本の猫"], ["x", "x", "", "\n"]],
)
def test_names_in_a_choice_are_plain_characters(names):
    turned = [[np.cos(a), np.sin(a)] for a in (3.1, 2.0, -0.05, 4.0)]
    for query in ([-1, 0.2], [1, 0.3], [0, 1]):
        how = {
            "who": "somebody <b>$x$</b>",
            "axes": ("$x$ of it", "<i>"),
            "value_name": "a longer name $",
            "title": "$5 & <b>",
        }
        picture = choice(query, turned, VALUES, names, **how)
        assert overhang(picture)[0] <= 1, overhang(picture)
        assert not any(text.get_parse_math() or text.get_usetex() for text in picture.sheet.texts)
        assert {
            "somebody <b>$x$</b>",
            "$x$ of it →",
            "<i> ↑",
            "a longer name $",
            "$5 & <b>",
        } <= set(texts(picture))
        assert "$5 & <b>" in picture.alt
        if names[0] == ODD[0]:
            assert set(names) <= set(texts(picture)) and "<b>x</b>" in picture.alt


def test_names_of_axes_stay_clear_of_names_of_keys():
    picture = choice([1, 1], [[1, 0], [0, 1]], [1, 2], ["Alexandra", "Bo"], axes=("fun", "brains"))
    picture.draw_without_rendering()
    boxes = {
        (t.get_text(), i): t.get_window_extent()
        for i, t in enumerate(picture.sheet.texts)
        if t.get_text()
    }
    for (word, _), box in boxes.items():
        if word in ("fun →", "brains ↑"):
            assert [
                other
                for (other, _), there in boxes.items()
                if other != word and box.overlaps(there)
            ] == []


@in_both_themes
def test_choice_in_its_colours(style):
    picture = choice(QUERY, KEYS, VALUES, NAMES, title="T", value_name="stars")
    seen = pixels(picture)
    assert (seen[2, -2] == rgb(style["paper"])).all()
    for color in (sheet.KEY, sheet.QUERY, sheet.VALUE, style["weights"][3]):
        area = (seen == rgb(color)).all(axis=2)
        assert area.sum() > 50
        assert np.abs(pixels(picture, fast=False)[area] - rgb(color)).max() <= 8
    assert (
        text_of(picture, "stars").get_color()
        == text_of(picture, texts(picture)[-2]).get_color()
        == sheet.VALUE
    )
    assert picture.alt.startswith("T: ") and choice(QUERY, KEYS, VALUES, NAMES).alt.startswith(
        "One query among keys: "
    )


def test_plane_without_a_unit_fits_every_arrow_to_the_circle():
    for rows in (KEYS, KEYS * 100, KEYS / 9):
        free, bound = sheet.Picture(4, 4), sheet.Picture(4, 4)
        plane(free, 2, 2, 1.0, QUERY[None], rows, NAMES)
        plane(bound, 2, 2, 1.0, QUERY[None], rows, NAMES, query_names=["me"], unit=0.01)
        long = [np.hypot(*(end - start)) for _, start, end in arrows(free)]
        assert max(long) < 1.01
        wanted = [row for row in rows if np.round(row * 0.01, 2).any()]
        keys = [arrow for arrow in arrows(bound) if same_color(arrow[0], sheet.KEY)]
        assert len(keys) == len(wanted)
        for (_, start, end), row in zip(keys, wanted):
            np.testing.assert_allclose(end - start, row * 0.01 * (1, -1), atol=0.0051)
    assert (
        "queries" in " ".join(texts(free))
        and "query" in " ".join(texts(bound))
        and "queries" not in " ".join(texts(bound))
    )


def chosen(query=QUERY, keys=KEYS, values=VALUES, names=NAMES, **more):
    return lambda: choice(query, keys, values, names, **more)


NOT_CHOICES = [
    (chosen(query=[1, 2, 3]), ValueError, ["query", "(2,)", "(3,)"]),
    (chosen(query=1.0), ValueError, ["query", "shape", "()"]),
    (chosen(query=[[1, 2]]), ValueError, ["query", "(2,)", "(1, 2)"]),
    (chosen(query=[1, np.nan]), ValueError, ["query must be finite", "query[1]"]),
    (chosen(query=["a", "b"]), TypeError, ["query must hold real numbers"]),
    (chosen(keys=np.ones((4, 3))), ValueError, ["keys", "(n, 2)", "(4, 3)"]),
    (chosen(keys=np.ones(2)), ValueError, ["keys must have the shape (..., n, 2)", "(2,)"]),
    (chosen(keys=np.ones((1, 4, 2))), ValueError, ["keys", "(n, 2)", "(1, 4, 2)"]),
    (chosen(keys=np.ones((0, 2)), values=[], names=[]), ValueError, ["keys", "(n, 2)", "(0, 2)"]),
    (
        chosen(keys=np.where(KEYS == 2, np.inf, KEYS)),
        ValueError,
        ["keys must be finite", "keys[1, 1]", "inf"],
    ),
    (chosen(values=VALUES[1:]), ValueError, ["values", "(n,)", "(3,)"]),
    (chosen(values=VALUES[:, None]), ValueError, ["values", "(n,)", "(4, 1)"]),
    (chosen(values=VALUES * np.nan), ValueError, ["values must be finite", "values[0]", "nan"]),
    (chosen(names=["a"]), ValueError, ["names has 1 names", "4"]),
    (chosen(names="abcd"), TypeError, ["names must be a list of strings"]),
    (chosen(temperature=0), ValueError, ["temperature must be a finite number above 0", "0"]),
    (chosen(temperature=-1), ValueError, ["temperature must be a finite number above 0", "-1"]),
    (chosen(temperature=np.nan), ValueError, ["temperature", "nan"]),
    (chosen(temperature="1"), TypeError, ["temperature must be a number", "'1'"]),
    (chosen(axes="xy"), ValueError, ["axes must be two names", "'xy'"]),
    (chosen(axes=("a", "b", "c")), ValueError, ["axes must be two names"]),
]


@pytest.mark.parametrize("number", range(len(NOT_CHOICES)))
def test_what_is_no_choice_is_refused_by_name(number):
    make, kind, words = NOT_CHOICES[number]
    refused(make, kind, *words)


# ---- stream --------------------------------------------------------------------------------------


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
    assert y["1.50"] == y["4.75"] == y["999.99"] < y["3.00"] == y["12.34"] < y["0.25"] == y["2.00"]
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
    written = text_of(picture, "what a layer writes").get_color()
    assert (
        {text.get_color() for text in picture.sheet.texts if text.get_text() == "3.00"}
        == {written}
        == {style["lines"][1]}
    )
    assert len(boxes(picture)["norm"]) == n == texts(picture).count("⊕")
    assert picture.get_figwidth() <= 11


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
    assert str(name) in picture.alt and (name == "日本の猫" or label.get_text() == str(name))
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
