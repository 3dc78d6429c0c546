"""show/stacked.py: parts laid end to end, on one scale with the limit."""

from itertools import combinations

import numpy as np
import pytest
from conftest import in_both_themes
from matplotlib.colors import to_hex
from matplotlib.patches import Polygon, Rectangle

from attnlib.show import stacked
from attnlib.show.rows import THICK
from attnlib.show.sheet import colour

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.usefixtures("style")]

VALUES = np.array([[4.0, 5.0], [4.0, 1.0], [3.0, 0.0]])


def draw(values=VALUES, **more):
    how = {
        "texts": ["x", "y", "z"][: len(values)],
        "full": 16,
        "limit": 8,
        "limit_name": "8 of them",
        "title": "T",
    } | more
    return stacked(values, ["one", "two", "three"][: len(values)], ["weights", "cache"], **how)


def bars(picture):
    return [
        patch
        for patch in picture.sheet.patches
        if isinstance(patch, Rectangle) and patch.get_height() == THICK
    ]


def line(picture):
    """x of the dashed line, and of zero."""
    zero, limit = (line.get_xdata()[0] for line in picture.sheet.lines)
    return limit, zero


@in_both_themes
def test_the_parts_are_as_long_as_their_numbers_and_follow_each_other(style):
    picture = draw()
    limit, zero = line(picture)
    unit = (limit - zero) / 8
    found = np.array([bar.get_width() for bar in bars(picture)]).reshape(3, 2) / unit
    np.testing.assert_allclose(found, VALUES, atol=1e-9)
    begins = np.array([bar.get_x() - zero for bar in bars(picture)]).reshape(3, 2) / unit
    np.testing.assert_allclose(begins, np.stack([np.zeros(3), VALUES[:, 0]], 1), atol=1e-9)
    assert [to_hex(bar.get_facecolor()) for bar in bars(picture)[:2]] == [
        colour("hatch"),
        colour("lines")[0],
    ]
    assert picture.alt == "T: one x, two y, three z; 8 of them, beyond it one."


def test_every_word_is_on_the_paper():
    picture = draw(texts=["a text that is rather long", "y", "z"])
    picture.draw_without_rendering()
    width, height = picture.canvas.get_width_height()
    for text in picture.sheet.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text.get_text()
    assert {"weights", "cache", "8 of them", "one"} <= {
        text.get_text() for text in picture.sheet.texts
    }


def test_room_keeps_the_zero_line_where_it_is():
    room = {"room": ("a longer name", "a longer text")}
    one, two = draw(**room), draw(VALUES / 9, texts=["longer", "y", "z"], **room)
    assert line(one) == line(two) and tuple(one.get_size_inches()) == tuple(two.get_size_inches())
    assert line(one)[1] > line(draw())[1]


@in_both_themes
def test_a_bar_that_is_too_long_is_cut_with_an_arrow_on_the_same_scale(style):
    values = np.array([[4.0, 50.0], [4.0, 1.0], [90.0, 5.0]])
    short, long = draw(VALUES), draw(values)
    assert line(short) == line(long), "one scale, whatever is on it"
    unit = (line(long)[0] - line(long)[1]) / 8
    found = np.array([bar.get_width() for bar in bars(long)]).reshape(3, 2) / unit
    np.testing.assert_allclose(found, [[4, 12], [4, 1], [16, 0]], atol=1e-9)
    heads = [patch for patch in long.sheet.patches if isinstance(patch, Polygon)]
    fills = [to_hex(head.get_facecolor()) for head in heads]
    assert fills == [style["lines"][0], style["hatch"]], "of the part that is cut"
    assert all(np.isclose(head.get_xy()[:, 0].min(), line(long)[1] + 16 * unit) for head in heads)
    assert not [patch for patch in short.sheet.patches if isinstance(patch, Polygon)]
    assert long.alt.endswith("8 of them, beyond it one, three.")
    assert draw(values[1:2]).alt.endswith("beyond it none.")


def test_a_part_has_its_name_where_it_begins():
    picture = draw()
    at = {text.get_text(): text.get_position() for text in picture.sheet.texts}
    begins = [bar.get_x() for bar in bars(picture)[:2]]
    assert [at[part][0] - x for part, x in zip(["weights", "cache"], begins)] == pytest.approx(
        [0.165, 0.165], abs=0.01
    ), "behind its square"
    assert at["weights"][1] == at["cache"][1] < min(bar.get_y() for bar in bars(picture))
    low = max(bar.get_y() + bar.get_height() for bar in bars(picture))
    assert at["8 of them"][1] > low, "the limit has its name below"


def test_a_part_that_begins_at_the_right_edge_has_its_name_on_the_paper():
    how = {"texts": ["x"], "full": 9.1, "limit": 9}
    picture = stacked([[9, 0.1]], ["a"], ["weights", "a part with a long name"], width=4, **how)
    (name,) = [text for text in picture.sheet.texts if text.get_text().startswith("a part")]
    assert name.get_window_extent().x1 <= picture.canvas.get_width_height()[0]


@pytest.mark.parametrize("seed", range(10))
def test_names_of_parts_never_touch_and_stay_on_the_paper(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 6)
    values = rng.random((2, n)) * rng.choice([1e-3, 1], (2, n))
    parts = [f"part {i} {'of a long name ' * rng.integers(0, 2)}" for i in range(n)]
    how = {"texts": ["x", "y"], "full": 6, "limit": rng.uniform(0.1, 6), "limit_name": "the limit"}
    picture = stacked(values, ["a", "b"], parts, width=rng.choice([4, 9.5]), **how)
    picture.draw_without_rendering()
    boxes = [text.get_window_extent() for text in picture.sheet.texts]
    squares = [patch.get_window_extent() for patch in picture.sheet.patches[:n]]
    width, height = picture.canvas.get_width_height()
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(square) for square in squares)
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert min(text.get_size() for text in picture.sheet.texts) >= 9


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"full": 7}, "full=7 must be at least the limit, 8"),
        ({"full": 9, "limit": 10}, "the limit, 10"),
        ({"values": -VALUES}, "not below 0"),
        ({"values": VALUES[0]}, "shape"),
        ({"texts": ["x"]}, "texts has 1"),
        ({"limit": 0}, "limit must be"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        draw(**arguments)
