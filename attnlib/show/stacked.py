"""Bars of several parts beside a limit: what fills a memory, and whether it fits."""

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.rows import BEFORE, BEHIND, LEAST, ROW, THICK, bar, label, minus, zero
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
from attnlib.show.things import looks

SQUARE = 0.11  # inches, in the colour of a part before its name
HEAD = 0.12  # inches of the arrow of a bar that is longer than the picture


@on_paper(room=_check.pair, parts=_check.texts)
def stacked(
    values, names, parts, *, texts, full, limit, limit_name="", title="", width=PAGE, room=("", "")
) -> Picture:
    """One bar for each name, made of parts laid end to end, and a dashed line at a limit. The
    first part is quiet; all have their names above the first bar, where they begin.

    values   (n, p) not below 0      names   n strings         parts   p strings
    texts    n strings behind the bars
    full     the number that fills the width: a longer bar is cut there, with an arrow, and its
             text says the number; limit: where the line stands, at most `full`
    room     a name and a text that there must be room for, so that the zero line stays while a
             slider moves
    """
    values = _checked(values, limit, full)
    names = axis_names("names", names, len(values), visible, "values")
    parts = axis_names("parts", parts, values.shape[1], visible, "values")
    texts = [minus(text) for text in axis_names("texts", texts, len(values), list, "values")]
    left = MARGIN + BEFORE + max(text_width(one, TEXT) for one in [room[0], *names])
    right = MARGIN + HEAD + BEHIND + max(text_width(one, TEXT) for one in [room[1], *texts])
    keys = sum(text_width(part) + 3 * SQUARE for part in parts)
    top = under(title) + line() + 0.08
    low = top + ROW * len(values)
    wide = left + max(right + LEAST, keys + MARGIN)
    picture = Picture(max(width, wide), low + 0.06 + line() + MARGIN, title=title)
    unit = (picture.get_figwidth() - left - right) / full
    fills = [colour("hatch"), *(ink for ink, *_ in looks(parts[1:]).values())]
    shown = np.diff(np.minimum(np.cumsum([0, *values[0]]), full))
    _key(picture, left, under(title) + line() / 2, parts, unit * shown, fills)
    for i, (row, name, text) in enumerate(zip(values, names, texts)):
        y, ends = top + ROW * i, np.minimum(np.cumsum([0, *row]), full)
        for begin, length, fill in zip(ends, np.diff(ends), fills):
            bar(picture, left + unit * begin, y, unit * length, fill)
        if row.sum() > full:
            _head(picture, left + unit * full, y + ROW / 2, fills[np.diff(ends).nonzero()[0][-1]])
        label(picture, left, y, name, False)
        x = picture.get_figwidth() - right + HEAD + BEHIND
        picture.write(x, y + ROW / 2, text, size=TEXT, va="center_baseline")
    zero(picture, left, top, len(values))
    x = left + unit * limit
    how = {"color": colour("ink"), "linewidth": 1.4, "linestyle": (0, (3, 2))}
    picture.sheet.plot([x, x], [top - 0.05, low + 0.06], **how)
    side = "center" if limit < full else "right"
    picture.write(x, low + 0.08, limit_name, weight="bold", ha=side, va="top")
    bars = ", ".join(f"{name} {text}" for name, text in zip(names, texts))
    over = [name for name, row in zip(names, values) if row.sum() > limit]
    picture.alt = (
        f"{title or 'Bars'}: {bars}; {limit_name or f'limit {limit:g}'}, beyond it"
        f" {', '.join(over) or 'none'}."
    )
    return picture


def _key(picture, x, y, parts, lengths, fills):
    """The name of each part where it begins in the first bar, or behind the one before; a square in
    its colour leads to it.
    """
    begins, edge = x + np.concatenate([[0], np.cumsum(lengths)]), picture.get_figwidth() - MARGIN
    wide = [text_width(part) + 3 * SQUARE for part in parts]
    after = np.cumsum(wide[::-1])[::-1]  # what this one and those behind it need
    for part, begin, fill, room, rest in zip(parts, begins, fills, wide, after):
        x = max(x, min(begin, edge - rest))
        box = (x, y - SQUARE / 2), SQUARE, SQUARE
        picture.sheet.add_patch(Rectangle(*box, facecolor=fill, edgecolor="none"))
        picture.write(x + 1.5 * SQUARE, y, part, va="center_baseline")
        x += room


def _head(picture, x, y, fill):
    """An arrow: the bar that ends here goes on."""
    corners = [(x, y - THICK / 2), (x + HEAD, y), (x, y + THICK / 2)]
    picture.sheet.add_patch(Polygon(corners, facecolor=fill, edgecolor="none"))


def _checked(values, limit, full):
    values = _check.finite("values", _check.floats("values", values, "n p")).astype(float)
    if values.ndim != 2 or not values.size or (values < 0).any():
        found = f"got {values.shape} from {np.min(values, initial=0):.3g}"
        raise ValueError(f"values must be numbers not below 0, of the shape (n, p), {found}")
    if _check.positive("limit", limit) > _check.positive("full", full):
        raise ValueError(f"full={full:g} must be at least the limit, {limit:g}")
    return values
