"""The residual stream of a block as a drawing: what is read from it, what is written to it, and how
large it is.
"""

import numpy as np
from matplotlib.patches import FancyArrow, FancyBboxPatch

from attnlib import _check
from attnlib.show.sheet import Picture, colour, on_paper

PART = 2.15  # inches from one plus to the next
LAYER, WRITTEN, NORM = 0, 1, 2  # their colours, among those of lines
HIGH, LOW = 0.95, 2.05  # where the stream runs, and the layer below it


@on_paper
def stream(parts, *, norm="pre", title="") -> Picture:
    """The stream from left to right, with the layers that hang on it.

    parts   name of a layer -> five arrays (..., n, d_model): the stream before, what the layer
            reads, what it writes, their sum, and the stream behind
    norm    "pre": the norm stands before the layer, "post": on the stream behind the sum, None:
            nowhere
    The numbers are sizes: the root of the mean square of all numbers in the array.
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
    picture = Picture(0.9 + PART * len(parts) + 0.6, 2.75, title=title)
    x, size = 0.9, next(iter(sizes.values()))[0]
    picture.write(x - 0.12, HIGH, "x", ha="right", va="center_baseline", size=11, weight="bold")
    for name, row in sizes.items():
        _part(picture, x, name, row, norm)
        x, size = x + PART, row[-1]
    _size(picture, x + 0.02, HIGH - 0.15, size)
    picture.write(
        0.12,
        2.62,
        "numbers: size (root mean square)   ",
        size=7.5,
        color=colour("faint"),
        va="bottom",
    )
    picture.write(
        2.35, 2.62, "what a layer writes", size=7.5, color=colour("lines")[WRITTEN], va="bottom"
    )
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


def _part(picture, x, name, sizes, norm):
    """One layer, hung on the stream from x to x + PART, with its five sizes."""
    before, read, wrote, total, after = sizes
    left, right = x + 0.55, x + 1.45
    for start, end, at in [
        (x, right, before),
        (right, right + 0.43, total),
        (right + 0.43, x + PART, after),
    ]:
        _flow(picture, start, end, at)
    _size(picture, x + 0.3, HIGH - 0.15, before)
    _arrow(picture, (left, HIGH), (left, LOW - 0.2))
    _box(picture, (left + right) / 2, LOW, 1.2, name, colour("lines")[LAYER])
    _arrow(picture, (right, LOW - 0.2), (right, HIGH + 0.13))
    if norm == "pre":
        _box(picture, left, (HIGH + LOW) / 2 - 0.02, 0.5, "norm", colour("lines")[NORM])
    _size(picture, left - 0.1, LOW - 0.28, read, ha="right")
    _size(picture, right + 0.08, (HIGH + LOW) / 2, wrote, color=colour("lines")[WRITTEN])
    picture.write(right, HIGH, "⊕", ha="center", va="center_baseline", size=15, weight="bold")
    if norm == "post":
        _size(picture, right + 0.08, HIGH - 0.27, total)
        _box(picture, right + 0.43, HIGH, 0.46, "norm", colour("lines")[NORM])


def _flow(picture, left, right, size):
    """The stream itself: thicker where its numbers are larger."""
    thick = float(np.clip(2 + 2.5 * np.log2(1 + size), 2, 12))
    picture.sheet.plot(
        [left, right],
        [HIGH, HIGH],
        color=colour("hatch"),
        linewidth=thick,
        solid_capstyle="butt",
        zorder=0,
    )


def _arrow(picture, start, end):
    dx, dy = end[0] - start[0], end[1] - start[1]
    look = {
        "width": 0.012,
        "head_width": 0.09,
        "head_length": 0.09,
        "length_includes_head": True,
        "linewidth": 0,
    }
    picture.sheet.add_patch(FancyArrow(*start, dx, dy, facecolor=colour("faint"), **look))


def _box(picture, x, y, width, name, color):
    label = picture.write(
        x, y, name, ha="center", va="center_baseline", size=8.5, color=color, weight="bold"
    )
    needed = label.get_window_extent().width / picture.dpi + 0.14
    # a long name: first the box grows, then the name shrinks
    label.set_size(8.5 * min(1, (PART - 0.1) / needed))
    label.set_zorder(3)
    width = min(max(width, needed), PART - 0.1)
    style = f"round,pad=0,rounding_size={0.06}"
    box = FancyBboxPatch(
        (x - width / 2, y - 0.15),
        width,
        0.3,
        boxstyle=style,
        facecolor=colour("paper"),
        edgecolor=color,
        linewidth=1.4,
    )
    picture.sheet.add_patch(box)
    box.set_zorder(2)


def _short(size):
    return f"{size:.2f}" if size == 0 or 0.005 <= size < 1000 else f"{size:.1e}"


def _size(picture, x, y, size, ha="left", color=None):
    picture.write(
        x, y, _short(size), size=8, ha=ha, color=color or colour("ink"), va="center_baseline"
    )
