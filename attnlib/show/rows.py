"""Named numbers as bars, one below the other: shares of next tokens, bytes of memory."""

import re

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    SMALL,
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
MARKS = "D^Xsvp"  # of the numbers that bars are held against, in their order
APART = 0.1  # inches on either side of such a mark before its name


def _room(name, value):
    """(n, name, text)"""
    found = _check.row(name, value, "a number and two strings")
    if len(found) != 3:
        raise ValueError(f"{name} must be (n, name, text), got {value!r}")
    return _check.integer(name, found[0], 0), *(_check.text(name, one) for one in found[1:])


def _against(name, value):
    """name -> numbers, as many as there are marks at most"""
    found = _check.made(dict)(name, value)
    if len(found) > len(MARKS):
        raise ValueError(f"{name} must have at most {len(MARKS)} names, got {len(found)}")
    return {_check.text(f"a name of {name}", one): numbers for one, numbers in found.items()}


@on_paper(marked=_check.row, room=_room, against=_against)
def rows(
    values,
    names,
    *,
    texts=None,
    ranges=None,
    against=None,
    full=None,
    marked=None,
    title="",
    axis="",
    width=PAGE,
    room=None,
) -> Picture:
    """One bar for each number, in the order given, with its name before it and its text behind it.

    values   (n,) not below 0        names   n strings
    texts    n strings behind the bars; the numbers with two digits unless given
    ranges   (n, 2) the least and the most that the value was found to be: a thin line between them
    against  name -> (n,) numbers that the bars are held against, NaN for none: a mark in each row
    full     the number that fills the width, the largest that is drawn unless given: give it where
             a slider moves, so that bars can be compared with those of before
    marked   places of the bars that stand out, of which there may be none; None makes all alike,
             and things of the course, as flash and standard, have each their colour
    axis     what the numbers are, in words
    room     (n, name, text): leave room for n bars with a name and a text as wide as these, so that
             the picture keeps its size and its zero line while a slider moves
    """
    values, ranges, against = _checked(values, ranges, against or {}, full)
    names = axis_names("names", names, len(values), visible, "values")
    texts = (
        [f"{value:.2f}" for value in values]
        if texts is None
        else [minus(text) for text in axis_names("texts", texts, len(values), list, "values")]
    )
    alike, marked = marked is None, () if marked is None else marked
    marked = {_check.integer("marked", i, minimum=0, maximum=len(values) - 1) for i in marked}
    least, name, text = room or (0, "", "")
    n = max(len(values), least)
    left = MARGIN + BEFORE + max(text_width(one, TEXT) for one in [name, *names])
    right = MARGIN + BEHIND + max(text_width(one, TEXT) for one in [text, *texts])
    key = under(title) + line() * bool(axis)  # where the marks are told
    top = key + (line(TEXT) if against else 0) + 0.04
    told = sum(4 * APART + _wide(name) for name in against)
    wide = left + max(right + LEAST, text_width(axis) + MARGIN, told)
    picture = Picture(max(width, wide), top + ROW * n + MARGIN, title=title)
    ends = np.column_stack([ranges, *against.values()])  # (n, 2 and the marks)
    least, most = min(0, np.nanmin(ends)), full or np.nanmax(ends) or 1
    per_unit = (picture.get_figwidth() - left - right) / (most - least)
    start = left - per_unit * least  # where bars begin
    picture.write(start, under(title), axis, va="top", color=colour("faint"))
    inks = fills(names, marked) if alike or marked else [colour("hatch")] * len(values)
    for i, fill in enumerate(inks):
        y, length = top + ROW * i, per_unit * values[i]
        bar(picture, start, y, length, fill)
        _range(picture, start + per_unit * ranges[i], y + ROW / 2)
        label(picture, left, y, names[i], i in marked)
        how = {"weight": "bold" if i in marked else "normal", "va": "center_baseline"}
        ink = colour("ink" if re.search("[^-+−0.,% ]", texts[i]) else "faint")  # a mere 0 is quiet
        end = start + per_unit * np.nanmax(ends[i]) + BEHIND
        picture.write(end, y + ROW / 2, texts[i], size=TEXT, color=ink, **how)
    zero(picture, start, top, n)
    _marks(picture, left, key, start + per_unit * ends[:, 2:], top, list(against))
    beside = [_beside(against, i) for i in range(len(values))]
    said = ", ".join(map("{} {}{}".format, names, texts, beside))
    picture.alt = f"{title or 'Bars'}: {said}."
    return picture


def _marks(picture, x, y, places, top, names):
    """What the bars are held against: places (n, m) of marks in inches, and their names (m,) from
    (x, y) on.
    """
    look = {"linestyle": "", "color": colour("paper"), "markeredgecolor": colour("ink")}
    look |= {"markersize": 6.5, "markeredgewidth": 1.2, "zorder": 5}
    middle = top + ROW * (np.arange(len(places)) + 0.5)
    for name, shape, across in zip(names, MARKS, places.T):
        picture.sheet.plot([x + APART], [y + line() / 2], marker=shape, **look)
        picture.write(x + 2 * APART, y + line() / 2, name, va="center_baseline")
        picture.sheet.plot(across, middle, marker=shape, **look)
        x += 4 * APART + _wide(name)


def _wide(name):
    return text_width(name, SMALL, "normal")


def _beside(against, i):
    """What stands beside bar i, in words."""
    found = [f"{name} {numbers[i]:.2f}" for name, numbers in against.items() if numbers[i] >= 0]
    return f" ({', '.join(found)})" if found else ""


def bar(picture, x, y, length, fill):
    """A bar in a row that begins y inches down."""
    box = (x, y + (ROW - THICK) / 2), length, THICK
    picture.sheet.add_patch(Rectangle(*box, facecolor=fill, edgecolor="none"))


def _range(picture, ends, y):
    """A thin line over a bar, from the least to the most."""
    if np.ptp(ends) > 0:
        how = {"color": colour("ink"), "linewidth": 1.1, "marker": "|", "markersize": 6}
        picture.sheet.plot(ends, [y, y], **how)


def minus(text):
    """A hyphen before a number as a minus; a hyphen within a word or a date stays."""
    return re.sub(r"(?<![\w.])-(?=\.?\d)", "−", text)


def label(picture, x, y, name, strong):
    """The name of a row, before its bar."""
    how = {"ha": "right", "va": "center_baseline", "weight": "bold" if strong else "normal"}
    picture.write(x - BEFORE, y + ROW / 2, name, size=TEXT, **how)


def zero(picture, x, y, n):
    """The line that n bars begin on."""
    picture.sheet.plot([x, x], [y, y + ROW * n], color=colour("hatch"), linewidth=0.8)


def _checked(values, ranges, against, full):
    """values (n,); the least and the most of each (n, 2), the value itself unless given; against
    with arrays (n,).
    """
    values = _check.finite("values", _check.floats("values", values, "n")).astype(float)
    if values.ndim != 1 or not len(values) or (values < 0).any():
        raise ValueError(
            f"values must be numbers not below 0, of the shape (n,), got {values.shape} from"
            f" {np.min(values, initial=0):.3g}"
        )
    alone = np.stack([values, values], axis=1)
    if ranges is not None:
        ranges = _check.finite("ranges", _check.floats("ranges", ranges, "n 2")).astype(float)
        if ranges.shape != alone.shape or (ranges[:, 0] > ranges[:, 1]).any():
            raise ValueError(
                f"ranges must be ({len(values)}, 2), the least and the most of each value, got"
                f" {ranges.shape}"
            )
    against = {name: _rival(f"against[{name!r}]", one, values) for name, one in against.items()}
    drawn = [values, *against.values(), *(() if ranges is None else (ranges.ravel(),))]
    most = np.nanmax(np.concatenate(drawn))
    if full is not None and most > _check.positive("full", full):
        raise ValueError(f"full={full:g} must be at least the largest value, {most:g}")
    return values, alone if ranges is None else ranges, against


def _rival(name, numbers, values):
    """Numbers not below 0, or NaN, as many as there are values."""
    numbers = _check.floats(name, numbers, "n").astype(float)
    if numbers.shape != values.shape or (numbers < 0).any() or np.isinf(numbers).any():
        raise ValueError(
            f"{name} must be numbers not below 0, or NaN, of the shape {values.shape}, got"
            f" {numbers.shape} from {np.min(numbers, initial=0):.3g}"
        )
    return numbers
