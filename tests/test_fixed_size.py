"""show/explore.py: what stands below a picture does not jump while a slider moves. The sweep of
test_notebooks_run asks every notebook.
"""

import re

import numpy as np
import pytest

from attnlib.show import explore, heatmap


def table(rows=3, lines=1, words="w"):
    """A picture with so many rows, and so many lines of text."""
    return heatmap(np.zeros((rows, 8)), title=words), "\n".join(["a line"] * lines)


def heights(view):
    """Of the frame, and of the text: its share of a line's height."""
    (text,) = re.findall(r"min-height:([\d.]+)em", view.text.value) or ["0"]
    return float(view.frame.layout.min_height.removesuffix("px")), float(text)


def height(view):
    return int.from_bytes(view.image.value[20:24], "big")  # of the PNG


def test_the_frame_keeps_the_tallest_picture_and_the_longest_text():
    view = explore(table, lines=(0, 6), rows=(1, 9))
    low = heights(view)
    view.controls["rows"].value, view.controls["lines"].value = 9, 6
    tall, picture = heights(view), height(view)
    assert tall[0] >= picture > low[0] and tall[1] > low[1]
    view.controls["rows"].value, view.controls["lines"].value = 1, 0
    assert heights(view) == tall and height(view) < picture


@pytest.mark.parametrize("control", ["rows", "lines", "words"])
def test_once_shown_the_first_control_finds_its_room(control):
    ends = {"rows": (1, 9), "lines": (0, 6), "words": ["w", "many words"]}
    view = explore(table, **{control: ends[control]})
    view._repr_mimebundle_()
    shown = heights(view)
    for value in (
        (9, 1) if control == "rows" else (6, 0) if control == "lines" else ("many words", "w")
    ):
        view.controls[control].value = value
        assert heights(view) == shown and not view.error


def test_the_picture_itself_is_as_it_was_drawn():
    view = explore(table, rows=(1, 9))
    view._repr_mimebundle_()
    view.controls["rows"].value = 2
    assert (
        view.image.value == table(2)[0].png(fast=True)
        and view.picture is view.image
        and view.frame in view.children
    )


def test_a_picture_that_cannot_be_drawn_leaves_the_room():
    def fragile(rows=3):
        if rows > 5:
            raise ValueError("too many")
        return heatmap(np.zeros((rows, 8)))

    view = explore(fragile, rows=(1, 9))
    view._repr_mimebundle_()
    before = view.frame.layout.min_height
    view.controls["rows"].value = 9
    assert view.error == "too many" and view.frame.layout.min_height == before
