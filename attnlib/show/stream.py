"""The residual stream of a block as a drawing: what is read from it, what is written to it, and how
large it is.
"""

import numpy as np
from matplotlib.patches import Circle, FancyArrow, FancyBboxPatch

from attnlib import _check
from attnlib.show.labels import drawable
from attnlib.show.sheet import (
    HALF,
    MARGIN,
    PAGE,
    TEXT,
    Picture,
    colour,
    on_paper,
    text_width,
    under,
)
from attnlib.show.sheet import PART as NAME

LEAST, MOST = 2.3, 4.15  # inches from one plus to the next
LAYER, WRITTEN, NORM = 0, 1, 2  # their colours, among those of lines
HIGH, LOW = 0.5, 1.9  # inches below the title: the stream, and the layer below it
THICK, THICKEST = 5, 18  # points of the stream: of size 1, and at most in a picture
BEFORE, BEHIND = 0.45, 0.75  # inches of the sheet before the first layer, and behind the last


@on_paper
def stream(parts, *, norm="pre", title="") -> Picture:
    """The stream from left to right, with the layers that hang on it.

    parts   name of a layer -> five arrays (..., n, d_model): the stream before, what the layer
            reads, what it writes, their sum, and the stream behind
    norm    "pre": the norm stands before the layer, "post": on the stream behind the sum, None:
            nowhere
    The numbers are sizes: the root of the mean square of all numbers in the array. The stream and
    the arrows are as thick as their square roots.
    """
    if not isinstance(parts, dict):
        raise TypeError(
            f"parts must be a dict name of a layer -> five arrays, got {type(parts).__name__}"
        )
    if not parts:
        raise ValueError("parts must be a dict with at least one layer, got an empty one")
    if norm is not None:
        _check.choice("norm", norm, ["pre", "post"])
    sizes = {str(name): _sizes(name, arrays) for name, arrays in parts.items()}
    room = (HALF if len(parts) == 1 else PAGE) - BEFORE - BEHIND
    step, top = float(np.clip(room / len(parts), LEAST, MOST)), under(title)
    picture = Picture(BEFORE + step * len(parts) + BEHIND, top + LOW + 0.65, title=title)
    x, high, size = BEFORE, top + HIGH, next(iter(sizes.values()))[0]
    picture.write(x - 0.12, high, "x", ha="right", va="center_baseline", size=NAME, weight="bold")
    largest = max(max(row) for row in sizes.values())
    unit = min(THICK, THICKEST / max(largest, 1e-12) ** 0.5)
    for name, row in sizes.items():
        _part(picture, x, high, step, name, row, norm, unit)
        x, size = x + step, row[-1]
    _size(picture, x + 0.06, high, size)
    words = "number: size (root mean square); thickness: its square root"
    picture.write(MARGIN, top + LOW + 0.53, words, color=colour("faint"), va="bottom")
    numbers = {name: [_short(number) for number in row] for name, row in sizes.items()}
    said = [
        f"{name} reads {read} and writes {wrote} into a stream of {at}"
        for name, (at, read, wrote, *_) in numbers.items()
    ]
    picture.alt = f"{title or 'Residual stream'}: {'; '.join(said)}; behind it {_short(size)}."
    return picture


def _sizes(name, arrays):
    if not isinstance(arrays, (list, tuple, np.ndarray)) or len(arrays) != 5:
        got = len(arrays) if hasattr(arrays, "__len__") else type(arrays).__name__
        raise ValueError(
            f"parts[{name!r}] must be five arrays: before, read, written, sum, behind; got {got}"
        )
    arrays = [
        _check.finite(f"parts[{name!r}]", _check.floats(f"parts[{name!r}]", array, "n d_model"))
        for array in arrays
    ]
    for array in arrays:
        if not array.size:
            raise ValueError(
                f"parts[{name!r}] must be five arrays (..., n, d_model) with at least one number"
                f" each, got {array.shape}"
            )
    return [float(np.sqrt(np.square(array, dtype=np.float64).mean())) for array in arrays]


def _part(picture, x, high, step, name, sizes, norm, unit):
    """One layer, hung on the stream from x to x + step, with its five sizes."""
    before, read, wrote, total, after = sizes
    left, right, low = x + 0.24 * step, x + 0.66 * step, high + LOW - HIGH
    behind = right + 0.19 * step
    for start, end, at in [(x, right, before), (right, behind, total), (behind, x + step, after)]:
        _flow(picture, start, end, high, _thick(at, unit))
    above = high - 0.29
    _size(picture, x + 0.12 * step, above, before, ha="center")
    inks = colour("faint"), colour("lines")[WRITTEN]
    _arrow(picture, (left, high), (left, low - 0.18), _thick(read, unit), colour("hatch"))
    _arrow(picture, (right, low - 0.18), (right, high + 0.14), _thick(wrote, unit), inks[1])
    _box(picture, (left + right) / 2, low, 0.42 * step + 0.4, name, colour("lines")[LAYER], step)
    if norm == "pre":
        _box(picture, left, (high + low) / 2 - 0.1, 0.6, "norm", colour("lines")[NORM], step)
    for place, y, number, word, ink, ha in [
        (left - 0.2, low - 0.3, read, "reads", inks[0], "right"),
        (right + 0.2, (high + low) / 2 + 0.05, wrote, "writes", inks[1], "left"),
    ]:
        _size(picture, place, y, number, ha=ha, color=None if word == "reads" else ink)
        picture.write(place, y - 0.17, word, color=ink, ha=ha, va="center_baseline")
    disc = Circle((right, high), 0.11, facecolor=colour("paper"), edgecolor="none", zorder=1.5)
    picture.sheet.add_patch(disc)
    picture.write(right, high, "⊕", ha="center", va="center_baseline", size=16, weight="bold")
    if norm == "post":
        _size(picture, right + 0.095 * step, above, total, ha="center")
        _box(picture, behind, high, 0.6, "norm", colour("lines")[NORM], step)


def _thick(size, unit):
    """Points: the stream, and what runs from and to it, is thicker where its numbers are larger."""
    return max(unit * float(size) ** 0.5, 0.5)


def _flow(picture, left, right, high, thick):
    look = {"linewidth": thick, "solid_capstyle": "butt", "zorder": 0}
    picture.sheet.plot([left, right], [high, high], color=colour("hatch"), **look)


def _arrow(picture, start, end, thick, color):
    wide = thick / 72
    look = {
        "width": wide,
        "head_width": wide + 0.1,
        "head_length": 0.12,
        "length_includes_head": True,
        "linewidth": 0,
    }
    step = end[0] - start[0], end[1] - start[1]
    picture.sheet.add_patch(FancyArrow(*start, *step, facecolor=color, zorder=1, **look))


def _box(picture, x, y, width, name, color, step):
    """A name in a frame: for a long one first the frame grows, then the end is left out."""
    name, most = drawable(name), step - 0.3
    while text_width(name, TEXT) > most:
        name = name.removesuffix("…")[:-1] + "…"
    look = {"ha": "center", "va": "center_baseline", "weight": "bold", "color": color}
    picture.write(x, y, name, size=TEXT, **look).set_zorder(3)
    width = max(width, text_width(name, TEXT) + 0.14)
    style = f"round,pad=0,rounding_size={0.06}"
    box = FancyBboxPatch((x - width / 2, y - 0.16), width, 0.32, boxstyle=style)
    box.set(facecolor=colour("paper"), edgecolor=color, linewidth=1.4, zorder=2)
    picture.sheet.add_patch(box)


def _short(size):
    return f"{size:.2f}" if size == 0 or 0.005 <= size < 1000 else f"{size:.1e}"


def _size(picture, x, y, size, ha="left", color=None):
    look = {"size": TEXT, "ha": ha, "va": "center_baseline", "color": color}
    picture.write(x, y, _short(size), **look)
