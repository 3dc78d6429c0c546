"""A position as the hands of clocks: one clock for each pair of numbers, the fast ones first."""

import numpy as np

from attnlib import _check
from attnlib.show.sheet import Picture, colour

RADIUS, STEP = 0.42, 1.08                                  # inches


def clocks(hands, *, captions=None, title=""):
    """Each pair of numbers (sine, cosine) as the hand of a clock that starts at 12 and turns to the right.

    hands      name -> (2m,) sine, cosine, sine, cosine …: one row of an interleaved encoding; or several names
    captions   m texts, one below each clock
    """
    if not isinstance(hands, dict) or not hands:
        raise ValueError("hands must be a dict name -> row of an encoding, with at least one row")
    rows = {name: _check.finite(f"hands[{name!r}]", _check.floats(f"hands[{name!r}]", row, "d")) for name, row in hands.items()}
    width = len(next(iter(rows.values())))
    for name, row in rows.items():
        if row.ndim != 1 or len(row) != width or width % 2 or not width:
            raise ValueError(f"hands[{name!r}] must have the shape (d,), d even and the same for all, got {row.shape}")
    captions = [""] * (width // 2) if captions is None else list(captions)
    if len(captions) != width // 2:
        raise ValueError(f"captions must be {width // 2} texts, one per clock, got {len(captions)}")
    per_row = min(width // 2, 8)
    lines = -(-(width // 2) // per_row)
    top = 0.35 + 0.3 * bool(title) + 0.25
    picture = Picture(max(0.3 + STEP * per_row, 0.1 * len(title), 4), top + 1.3 * lines)
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    _legend(picture, rows, 0.15, top - 0.22)
    for i in range(width // 2):
        x, y = 0.3 + RADIUS + i % per_row * STEP, top + RADIUS + i // per_row * 1.3
        _clock(picture, x, y, [row[2 * i : 2 * i + 2] for row in rows.values()])
        picture.write(x, y + RADIUS + 0.08, captions[i], size=7.5, ha="center", va="top", color=colour("faint"))
    fast = "; ".join(f"{name}: first hand at {np.rad2deg(np.arctan2(*row[:2])) % 360:.0f}°" for name, row in rows.items())
    picture.alt = f"{title or 'Clocks'}: {width // 2} clocks; {fast}."
    return picture


def _clock(picture, x, y, hands):
    ring = np.linspace(0, 2 * np.pi, 60)
    picture.sheet.plot(x + RADIUS * np.cos(ring), y + RADIUS * np.sin(ring), color=colour("hatch"), linewidth=0.9)
    picture.sheet.plot([x, x], [y - RADIUS, y - 0.85 * RADIUS], color=colour("hatch"), linewidth=0.9)
    for number, (sine, cosine) in enumerate(hands):
        ends = [x, x + 0.92 * RADIUS * sine], [y, y - 0.92 * RADIUS * cosine]
        thick = 3.2 if number == 0 else 1.6
        picture.sheet.plot(*ends, color=colour("lines")[number % 6], linewidth=thick, solid_capstyle="round")


def _legend(picture, rows, x, y):
    for number, name in enumerate(rows):
        picture.write(x, y, name, size=8.5, weight="bold", color=colour("lines")[number % 6], va="center_baseline")
        x += 0.25 + 0.085 * len(str(name))
