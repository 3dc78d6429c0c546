"""Bars of several parts beside a limit: what fills a memory, and whether it fits."""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.rows import ROW, THICK
from attnlib.show.sheet import Picture, colour, on_paper, text_width


@on_paper(room=_check.pair, parts=_check.texts)
def stacked(
    values, names, parts, *, texts, full, limit, limit_name="", title="", width=8, room=("", "")
) -> Picture:
    """One bar for each name, made of parts laid end to end, and a dashed line at a limit.

    values   (n, p) not below 0      names   n strings         parts   p strings, for the key
    texts    n strings behind the bars
    full     the number that fills the width; limit: where the line stands, at most `full`
    room     a name and a text that there must be room for, so that the zero line stays while a
             slider moves
    """
    values = _checked(values, limit, full)
    names = axis_names("names", names, len(values), visible, "values")
    parts = axis_names("parts", parts, values.shape[1], visible, "values")
    texts = axis_names("texts", texts, len(values), list, "values")
    left, right = (
        0.2 + max(map(text_width, [room[0], *names])),
        0.15 + max(map(text_width, [room[1], *texts])),
    )
    top = 0.52 + 0.3 * bool(title)
    picture = Picture(
        max(width, left + right + 1.5, 0.24 + text_width(title, 11)),
        top + ROW * len(values) + 0.16,
        title=title,
    )
    unit = (picture.get_figwidth() - left - right) / full
    fills = [colour("hatch"), *colour("lines")][: len(parts)]
    _key(picture, left, top - 0.36, parts, fills)
    for i, (row, name, text) in enumerate(zip(values, names, texts)):
        y, ends = top + ROW * i, left + unit * np.concatenate([[0], row.cumsum()])
        for begin, length, fill in zip(ends, unit * row, fills):
            picture.sheet.add_patch(
                Rectangle(
                    (begin, y + (ROW - THICK) / 2), length, THICK, facecolor=fill, edgecolor="none"
                )
            )
        picture.write(
            left - 0.08, y + ROW / 2, name, size=9, ha="right", va="center_baseline", weight="bold"
        )
        picture.write(
            picture.get_figwidth() - right + 0.07, y + ROW / 2, text, size=8.5, va="center_baseline"
        )
    low = top + ROW * len(values)
    picture.sheet.plot([left, left], [top, low], color=colour("faint"), linewidth=0.8)
    picture.sheet.plot(
        [left + unit * limit] * 2,
        [top - 0.06, low + 0.06],
        color=colour("ink"),
        linewidth=1.4,
        linestyle=(0, (3, 2)),
    )
    picture.write(
        left + unit * limit,
        top - 0.08,
        limit_name,
        size=8.5,
        ha="center" if limit < full else "right",
        va="bottom",
    )
    bars = ", ".join(f"{name} {text}" for name, text in zip(names, texts))
    picture.alt = f"{title or 'Bars'}: {bars}; {limit_name or f'limit {limit:g}'}."
    return picture


def _key(picture, x, y, parts, fills):
    """A square in its colour before the name of each part."""
    for part, fill in zip(parts, fills):
        picture.sheet.add_patch(
            Rectangle((x, y - 0.06), 0.12, 0.12, facecolor=fill, edgecolor="none")
        )
        picture.write(x + 0.18, y, part, size=8.5, va="center_baseline")
        x += 0.4 + text_width(part, 8.5, "normal")


def _checked(values, limit, full):
    values = _check.finite("values", _check.floats("values", values, "n p")).astype(float)
    if values.ndim != 2 or not values.size or (values < 0).any():
        found = f"got {values.shape} from {np.min(values, initial=0):.3g}"
        raise ValueError(f"values must be numbers not below 0, of the shape (n, p), {found}")
    most = max(values.sum(axis=1).max(), _check.positive("limit", limit))
    if most > _check.positive("full", full):
        raise ValueError(f"full={full:g} must be at least the longest bar and the limit, {most:g}")
    return values
