"""Named numbers as bars, one below the other: shares of next tokens, bytes of memory."""

import re

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    TEXT,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import fills

ROW, THICK = 0.28, 0.19  # inches
BEFORE, BEHIND = 0.1, 0.08  # inches between a bar and its name, and its text
LEAST = 1.2  # inches of bars, however long the names are


def _room(name, value):
    """(n, name, text)"""
    found = _check.row(name, value, "a number and two strings")
    if len(found) != 3:
        raise ValueError(f"{name} must be (n, name, text), got {value!r}")
    return _check.integer(name, found[0], 0), *(_check.text(name, one) for one in found[1:])


@on_paper(marked=_check.row, room=_room)
def rows(
    values, names, *, texts=None, full=None, marked=(), title="", axis="", width=PAGE, room=None
) -> Picture:
    """One bar for each number, in the order given, with its name before it and its text behind it.

    values   (n,) not below 0        names   n strings
    texts    n strings behind the bars; the numbers with two digits unless given
    full     the number that fills the width, the largest of the values unless given: give it where
             a slider moves, so that bars can be compared with those of before
    marked   places of the bars that stand out; where none does, and all are things of the course,
             as flash and standard, each has its colour
    axis     what the numbers are, in words
    room     (n, name, text): leave room for n bars with a name and a text as wide as these, so that
             the picture keeps its size and its zero line while a slider moves
    """
    values = _checked(values, full)
    names = axis_names("names", names, len(values), visible, "values")
    texts = (
        [f"{value:.2f}" for value in values]
        if texts is None
        else axis_names("texts", texts, len(values), list, "values")
    )
    marked = {_check.integer("marked", i, minimum=0, maximum=len(values) - 1) for i in marked}
    least, name, text = room or (0, "", "")
    n = max(len(values), least)
    left = MARGIN + BEFORE + max(text_width(one, TEXT) for one in [name, *names])
    right = MARGIN + BEHIND + max(text_width(one, TEXT) for one in [text, *texts])
    top = under(title) + line() * bool(axis) + 0.04
    wide = left + max(right + LEAST, text_width(axis) + MARGIN)
    picture = Picture(max(width, wide), top + ROW * n + MARGIN, title=title)
    picture.write(left, under(title), axis, va="top", color=colour("faint"))
    per_unit = (picture.get_figwidth() - left - right) / (full or values.max() or 1)
    for i, fill in enumerate(fills(names, marked)):
        y, length = top + ROW * i, per_unit * values[i]
        bar(picture, left, y, length, fill)
        label(picture, left, y, names[i], i in marked)
        how = {"weight": "bold" if i in marked else "normal", "va": "center_baseline"}
        ink = colour("ink" if re.search("[^-+−0.,% ]", texts[i]) else "faint")  # a mere 0 is quiet
        picture.write(left + length + BEHIND, y + ROW / 2, texts[i], size=TEXT, color=ink, **how)
    zero(picture, left, top, n)
    picture.alt = (
        f"{title or 'Bars'}: {', '.join(f'{name} {text}' for name, text in zip(names, texts))}."
    )
    return picture


def bar(picture, x, y, length, fill):
    """A bar in a row that begins y inches down."""
    box = (x, y + (ROW - THICK) / 2), length, THICK
    picture.sheet.add_patch(Rectangle(*box, facecolor=fill, edgecolor="none"))


def label(picture, x, y, name, strong):
    """The name of a row, before its bar."""
    how = {"ha": "right", "va": "center_baseline", "weight": "bold" if strong else "normal"}
    picture.write(x - BEFORE, y + ROW / 2, name, size=TEXT, **how)


def zero(picture, x, y, n):
    """The line that n bars begin on."""
    picture.sheet.plot([x, x], [y, y + ROW * n], color=colour("hatch"), linewidth=0.8)


def _checked(values, full):
    values = _check.finite("values", _check.floats("values", values, "n")).astype(float)
    if values.ndim != 1 or not len(values) or (values < 0).any():
        raise ValueError(
            f"values must be numbers not below 0, of the shape (n,), got {values.shape} from"
            f" {np.min(values, initial=0):.3g}"
        )
    if full is not None and values.max() > _check.positive("full", full):
        raise ValueError(f"full={full:g} must be at least the largest value, {values.max():g}")
    return values
