"""Named numbers as bars, one below the other: shares of next tokens, bytes of memory."""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.sheet import Picture, colour, on_paper, text_width

ROW, THICK = 0.26, 0.19  # inches


def _room(name, value):
    """(n, name, text)"""
    found = _check.row(name, value, "a number and two strings")
    if len(found) != 3:
        raise ValueError(f"{name} must be (n, name, text), got {value!r}")
    return _check.integer(name, found[0], 0), *(_check.text(name, one) for one in found[1:])


@on_paper(marked=_check.row, room=_room)
def rows(
    values, names, *, texts=None, full=None, marked=(), title="", axis="", width=6.2, room=None
) -> Picture:
    """One bar for each number, in the order given, with its name before it and its text behind it.

    values   (n,) not below 0        names   n strings
    texts    n strings behind the bars; the numbers with two digits unless given
    full     the number that fills the width, the largest of the values unless given: give it where
             a slider moves, so that bars can be compared with those of before
    marked   places of the bars that stand out
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
    left, right = (
        0.2 + max(map(text_width, [name, *names])),
        0.15 + max(map(text_width, [text, *texts])),
    )
    top = 0.2 + 0.3 * bool(title) + 0.22 * bool(axis)
    picture = Picture(
        max(width, left + right + 1.5, 0.24 + text_width(title, 11)),
        top + ROW * n + 0.1,
        title=title,
    )
    picture.write(left, top - 0.06, axis, size=8, va="bottom", color=colour("faint"))
    per_unit = (picture.get_figwidth() - left - right) / (full or values.max() or 1)
    for i, (value, name, text) in enumerate(zip(values, names, texts)):
        _bar(picture, left, top + ROW * i, per_unit * value, name, text, not marked or i in marked)
    picture.sheet.plot([left, left], [top, top + ROW * n], color=colour("faint"), linewidth=0.8)
    picture.alt = (
        f"{title or 'Bars'}: {', '.join(f'{name} {text}' for name, text in zip(names, texts))}."
    )
    return picture


def _bar(picture, x, y, length, name, text, strong):
    middle = y + ROW / 2
    fill = colour("lines")[0] if strong else colour("hatch")
    picture.sheet.add_patch(
        Rectangle((x, middle - THICK / 2), length, THICK, facecolor=fill, edgecolor="none")
    )
    picture.write(
        x - 0.08,
        middle,
        name,
        size=9,
        ha="right",
        va="center_baseline",
        weight="bold" if strong else "normal",
    )
    picture.write(x + length + 0.07, middle, text, size=8.5, va="center_baseline")


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
