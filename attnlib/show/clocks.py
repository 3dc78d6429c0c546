"""A position as the hands of clocks: one clock for each pair of numbers, the fast ones first."""

import numpy as np
from matplotlib.patches import Wedge
from matplotlib.patheffects import withStroke

from attnlib import _check
from attnlib.show.sheet import (
    HALF,
    KEY,
    MARGIN,
    PAGE,
    QUERY,
    SMALL,
    TEXT,
    TITLE,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

RADIUS, STEP, LINE = 0.5, 1.16, 1.42  # inches: a clock, from one to the next, from row to row
PER_ROW = 8
SAMPLE = 0.26  # inches of a hand before its name


@on_paper
def clocks(hands, *, captions=None, title="") -> Picture:
    """Each pair of numbers (sine, cosine) as the hand of a clock that starts at 12 and turns to the
    right.

    hands      name -> (2m,) sine, cosine, sine, cosine …: one row of an interleaved encoding; or up
               to six names. A pair shorter than 1 is a shorter hand; longer ones would leave
               their clocks, and are refused. A name that says query or key has the colour of one.
    captions   m texts, one below each clock
    """
    rows = _rows(hands)
    n = len(next(iter(rows.values()))) // 2
    captions = _captions(captions, n)
    names, texts = _inches(rows, size=TEXT, weight="bold"), _inches(captions, size=SMALL)
    step, per_row = max(STEP, max(texts) + 0.1), min(n, PER_ROW)
    left, top = max(MARGIN + RADIUS, step / 2), under(title) + line(TEXT) + 0.1
    needed = max(
        left + step * (per_row - 0.5),
        2 * MARGIN + sum(names) + (SAMPLE + 0.35) * len(names),
        *_inches([title], size=TITLE, weight="bold", beside=2 * MARGIN),
    )
    wide = next((page for page in (HALF, PAGE) if needed <= page), needed)
    picture = Picture(wide, top + LINE * -(-n // per_row), title=title)
    inks = [_ink(name, number) for number, name in enumerate(rows)]
    _legend(picture, dict(zip(rows, names)), MARGIN, top - 0.1 - line(TEXT) / 2, inks)
    for i in range(n):
        x, y = left + i % per_row * step, top + RADIUS + i // per_row * LINE
        _clock(picture, x, y, [row[2 * i : 2 * i + 2] for row in rows.values()], inks)
        look = {"ha": "center", "va": "top", "color": colour("faint")}
        picture.write(x, y + RADIUS + 0.06, captions[i], **look)
    fast = "; ".join(
        f"{name}: first hand at {round(np.rad2deg(np.arctan2(*row[:2]))) % 360}°"
        for name, row in rows.items()
    )
    picture.alt = f"{title or 'Clocks'}: {n} clock{'s' * (n > 1)}; {fast}."
    return picture


def _rows(hands):
    """Name -> (2m,) for every row, the names as text; ValueError where a row cannot be drawn as
    hands.
    """
    if not isinstance(hands, dict) or not hands:
        raise ValueError("hands must be a dict name -> row of an encoding, with at least one row")
    if len(hands) > len(colour("lines")):
        raise ValueError(
            f"hands must have at most {len(colour('lines'))} rows, one for each colour, got"
            f" {len(hands)}"
        )
    rows = {
        name: _check.finite(f"hands[{name!r}]", _check.floats(f"hands[{name!r}]", row, "d"))
        for name, row in hands.items()
    }
    width = len(next(iter(rows.values())))
    for name, row in rows.items():
        if row.ndim != 1 or len(row) != width or width % 2 or not width:
            raise ValueError(
                f"hands[{name!r}] must have the shape (d,), d even and the same for all, got"
                f" {row.shape}"
            )
        rows[name] = row = row.astype(float)  # half precision would place the hands roughly
        length = np.hypot(row[0::2], row[1::2])
        if length.max() > 1.01:
            i = int(length.argmax())
            raise ValueError(
                f"hands[{name!r}] must hold sines and cosines, but pair {i} is {length[i]:.3g}"
                " long: divide it by its length"
            )
    return {str(name): row for name, row in rows.items()}


def _captions(captions, n):
    """n texts, empty ones unless given."""
    captions = [""] * n if captions is None else captions
    if len(captions) != n:
        raise ValueError(f"captions must be {n} texts, one per clock, got {len(captions)}")
    return captions


def _inches(texts, beside=0.0, *, size, weight="normal"):
    """How wide each text is: size / 100 inches a sign, or more where wide signs need it; so digits
    that change do not change it.
    """
    return [max(text_width(text, size, weight), size / 100 * len(text)) + beside for text in texts]


def _ink(name, number):
    """The colours of a hand, and of its name."""
    for thing, ink in (("query", QUERY), ("key", KEY)):
        if thing in name.lower():
            return ink, colour(f"{thing}_text")
    return (colour("lines")[number],) * 2


def _thick(number):
    """Points: the first hand is thick, so that others are seen on it."""
    return 4.8 if number == 0 else 1.8


def _clock(picture, x, y, hands, inks):
    """One clock, with a mark at 12; between two hands, the angle."""
    if len(hands) == 2 and min(np.hypot(*hand) for hand in hands) > 0.05:
        first, second = (np.rad2deg(np.arctan2(*hand)) for hand in hands)
        turn = (second - first + 180) % 360 - 180  # the shorter way
        low, high = sorted((first - 90, first - 90 + turn))  # the sheet counts downwards
        picture.sheet.add_patch(
            Wedge((x, y), 0.6 * RADIUS, low, high, facecolor=colour("line"), edgecolor="none")
        )
    ring = np.linspace(0, 2 * np.pi, 60)
    look = {"color": colour("hatch"), "linewidth": 0.9}
    picture.sheet.plot(x + RADIUS * np.cos(ring), y + RADIUS * np.sin(ring), **look)
    picture.sheet.plot([x, x], [y - RADIUS, y - 0.85 * RADIUS], **look)
    for number, (sine, cosine) in enumerate(hands):
        ends = [x, x + 0.92 * RADIUS * sine], [y, y - 0.92 * RADIUS * cosine]
        look = {"color": inks[number][0], "linewidth": _thick(number)}
        if number:  # a thin hand is seen on a thick one of its own colour
            look["path_effects"] = [withStroke(linewidth=3.4, foreground=colour("paper"))]
        picture.sheet.plot(*ends, solid_capstyle="round", **look)


def _legend(picture, names, x, y, inks):
    """Each name behind a piece of its hand."""
    for number, (name, inches) in enumerate(names.items()):
        tone, ink = inks[number]
        look = {"color": tone, "linewidth": _thick(number), "solid_capstyle": "round"}
        picture.sheet.plot([x + 0.04, x + SAMPLE], [y, y], **look)
        x += SAMPLE + 0.1
        picture.write(x, y, name, size=TEXT, weight="bold", color=ink, va="center_baseline")
        x += 0.25 + inches
