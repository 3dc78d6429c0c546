"""A painted mask as a still picture: who may look at whom, the weights, who hears whom."""

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Circle, Rectangle

from attnlib.show.parts import Grid, mask_grid
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    PART,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

SIDE, GAP, SUMS = 2.4, 0.34, 0.4  # inches of a panel, between two, and of the sums of the rows


@on_paper
def painted(mask, weights, leaks, hops, tokens=None, *, order="before", title="") -> Picture:
    """Three panels: the mask; the weights with the sums of their rows; after how many layers token
    i knows of token j, with leaks as red discs.

    mask     boolean (n, n); weights: (n, n), the mask put "before" or "after" the softmax
    leaks    boolean (n, n): hears, and must not; hops: whole numbers (n, n), -1 for never
    """
    n, facts = len(mask), _facts(mask, weights, leaks, hops)
    grid = mask_grid(mask, tokens, None)
    shares = Grid("weights", weights, tokens, None, mask, False, 1)
    reach = Grid("hops", np.zeros((n, n)), tokens, None, hops >= 0, False, 1)
    left = MARGIN + grid.label_width(0)
    side = min(SIDE, (PAGE - left - SUMS - MARGIN) / 3 - GAP)
    cell, step = side / n, side + GAP
    over = grid.above(cell, False)
    top = under(title) + line(PART) + over
    picture = Picture(left + 3 * step + SUMS, top + side + 0.08 + line() + MARGIN, title=title)
    places = [left, left + step, left + 2 * step + SUMS]  # the sums stand beside the weights
    names = ["mask", f"weights, mask {order} softmax", "who hears whom, in layers"]
    for x, name, (words, bad) in zip(places, names, facts):
        picture.write(x, under(title), name, weight="bold", size=PART, va="top")
        tone = colour("nan" if bad else "faint")
        picture.write(x, top + side + 0.08, words, va="top", color=tone)
    how = {"numbers": False, "axes": False}
    grid.draw(picture, places[0], top, cell, **how)
    shares.draw(picture, places[1], top, cell, sums=True, rows=False, columns=False, **how)
    reach.draw(picture, places[2], top, cell, rows=False, columns=False, **how)
    _holes(picture, left, top, cell, mask & leaks)
    _heard(picture, places[2], top, cell, leaks, hops)
    said = "; ".join(words for words, _ in facts)
    picture.alt = f"{title or 'A mask, painted'}. {said}; the mask comes {order} the softmax."
    return picture


def _holes(picture, x, y, cell, holes):
    """A red frame around each cell that is open and should not be."""
    for i, j in np.argwhere(holes):
        corner = x + (j + 0.06) * cell, y + (i + 0.06) * cell
        frame = Rectangle(corner, 0.88 * cell, 0.88 * cell, fill=False, edgecolor=colour("nan"))
        picture.sheet.add_patch(frame)


def _heard(picture, x, y, cell, leaks, hops):
    """A square for one layer, a number for more where it fits, a red disc for a leak."""
    squares, discs, dots = [], [], []
    for (i, j), layers in np.ndenumerate(hops):
        middle = x + (j + 0.5) * cell, y + (i + 0.5) * cell
        if leaks[i, j]:
            discs.append(Circle(middle, cell * 0.27))
        elif layers == 0:
            dots.append(Circle(middle, cell * 0.08))
        elif layers == 1:
            corner = middle[0] - cell * 0.3, middle[1] - cell * 0.3
            squares.append(Rectangle(corner, cell * 0.6, cell * 0.6))
        elif layers > 1 and max(text_width(str(layers), weight="normal"), 0.13) < cell:
            picture.write(*middle, str(layers), ha="center", va="center_baseline")
    for marks, tone in [(squares, "allowed"), (discs, "nan"), (dots, "hatch")]:
        collection = PatchCollection(marks, facecolor=colour(tone), edgecolor="none")
        picture.sheet.add_collection(collection, autolim=False)


def _facts(mask, weights, leaks, hops):
    """What is said below each panel: (words, is it bad?)"""
    broken = int((np.abs(weights.sum(axis=1) - 1) >= 0.005).sum())
    count, never, deepest = int(leaks.sum()), int((hops < 0).sum()), int(hops.max())
    heard = f"{never} pairs never" if never else f"all within {deepest} layer{'s' * (deepest != 1)}"
    return [
        (f"{mask.sum()} of {mask.size} pairs allowed ({mask.mean():.0%})", False),
        (f"{broken} of {len(mask)} rows broken" if broken else "all rows add up to 1", broken > 0),
        (f"{count} leak{'s' * (count > 1)}" if count else f"no leak; {heard}", count > 0),
    ]
