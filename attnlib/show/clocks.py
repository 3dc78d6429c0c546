"""A position as the hands of clocks: one clock for each pair of numbers, the fast ones first."""

import numpy as np

from attnlib import _check
from attnlib.show.sheet import Picture, colour, on_paper, text_width

RADIUS, STEP, LINE = 0.42, 1.08, 1.3  # inches: a clock, from one to the next, from row to row
PER_ROW = 8


@on_paper
def clocks(hands, *, captions=None, title="") -> Picture:
    """Each pair of numbers (sine, cosine) as the hand of a clock that starts at 12 and turns to the
    right.

    hands      name -> (2m,) sine, cosine, sine, cosine …: one row of an interleaved encoding; or up
               to six names. A pair shorter than 1 is a shorter hand; longer ones would leave
               their clocks, and are refused.
    captions   m texts, one below each clock
    """
    rows = _rows(hands)
    n = len(next(iter(rows.values()))) // 2
    captions = _captions(captions, n)
    names, texts = _inches(rows, size=8.5, weight="bold"), _inches(captions, size=7.5)
    step, per_row = max(STEP, max(texts) + 0.1), min(n, PER_ROW)
    left, top = max(0.3 + RADIUS, step / 2), 0.4 + 0.25 * bool(title)
    wide = max(
        left + step * (per_row - 0.5),
        0.15 + sum(names) + 0.25 * len(names),
        *_inches([title], size=11, weight="bold", beside=0.24),
    )
    picture = Picture(max(wide, 4), top + LINE * -(-n // per_row), title=title)
    _legend(picture, dict(zip(rows, names)), 0.15, top - 0.2)
    for i in range(n):
        x, y = left + i % per_row * step, top + RADIUS + i // per_row * LINE
        _clock(picture, x, y, [row[2 * i : 2 * i + 2] for row in rows.values()])
        picture.write(
            x,
            y + RADIUS + 0.08,
            captions[i],
            size=7.5,
            ha="center",
            va="top",
            color=colour("faint"),
        )
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


def _clock(picture, x, y, hands):
    ring = np.linspace(0, 2 * np.pi, 60)
    picture.sheet.plot(
        x + RADIUS * np.cos(ring), y + RADIUS * np.sin(ring), color=colour("hatch"), linewidth=0.9
    )
    picture.sheet.plot(
        [x, x], [y - RADIUS, y - 0.85 * RADIUS], color=colour("hatch"), linewidth=0.9
    )
    for number, (sine, cosine) in enumerate(hands):
        ends = [x, x + 0.92 * RADIUS * sine], [y, y - 0.92 * RADIUS * cosine]
        thick = 3.2 if number == 0 else 1.6
        picture.sheet.plot(
            *ends, color=colour("lines")[number], linewidth=thick, solid_capstyle="round"
        )


def _legend(picture, names, x, y):
    for number, (name, inches) in enumerate(names.items()):
        picture.write(
            x, y, name, size=8.5, weight="bold", color=colour("lines")[number], va="center_baseline"
        )
        x += 0.25 + inches
