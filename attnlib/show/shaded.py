"""A text whose words stand on the colours of their weights: the heatmap that is shown as an
explanation.
"""

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.brought import of_one_text
from attnlib.show.labels import drawable, without_marks
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    TEXT,
    Picture,
    colour,
    ink_on,
    line,
    on_paper,
    text_width,
    under,
)

ROW = 0.25  # inches from one line of words to the next
STRIP = 0.9, 0.12  # inches, wide and high: the colours from 0 to vmax


@on_paper
def shaded(tokens, weights, *, vmax=None, title="", axis="weight", width=PAGE) -> Picture:
    """The tokens as running text, each on the colour of its weight.

    tokens   n strings, with a space in front where they begin a word, as `Trace.tokens`
    weights  (n,) not below 0
    vmax     the number of the darkest colour, the largest of the weights unless given (1 where all
             are 0): give it where a slider moves, so that colours can be compared with those of
             before; what is above it has the darkest, too
    axis     what the numbers are, in words
    width    inches
    """
    weights = _check.finite("weights", _check.floats("weights", weights, "n"))
    tokens = of_one_text("tokens", tokens, weights.size)
    if weights.ndim != 1 or not len(weights) or len(tokens) != len(weights) or (weights < 0).any():
        raise ValueError(
            f"weights must be numbers not below 0, one for each of the {len(tokens)} tokens, got"
            f" {weights.shape}"
        )
    vmax = _check.positive("vmax", float(weights.max()) or 1.0 if vmax is None else vmax)
    words = _words(without_marks(tokens))
    places, rows = _laid_out(words, _check.positive("width", width) - 2 * MARGIN)
    top = under(title) + line() + 0.08
    picture = Picture(width, top + ROW * rows + MARGIN, title=title)
    colours = LinearSegmentedColormap.from_list("course", colour("weights"))
    more = " and more" * bool(weights.max() > vmax * (1 + 1e-6))
    _strip(picture, colours, f"{vmax:.2g}{more}", under(title) + line() / 2, axis)
    fills = colours(np.minimum(weights / vmax, 1))  # (n, 4)
    boxes = [
        Rectangle((MARGIN + x, top + ROW * row + 0.01), wide, ROW - 0.02) for x, row, wide in places
    ]
    picture.sheet.add_collection(
        PatchCollection(boxes, facecolor=fills, edgecolor="none"), autolim=False
    )
    for (text, _), (x, row, wide), ink in zip(words, places, ink_on(fills)):
        middle = MARGIN + x + wide / 2, top + ROW * (row + 0.5)
        picture.write(*middle, text, size=TEXT, color=str(ink), ha="center", va="center_baseline")
    best = np.argsort(-weights, kind="stable")[:5]
    strongest = ", ".join(f"{words[j][0]} {weights[j]:.2f}" for j in best)
    picture.alt = (
        f"{title or 'A text'}: {len(words)} tokens on the colours of their {axis}, strongest"
        f" {strongest}."
    )
    return picture


def _words(tokens):
    """Each token as it is drawn, and whether it begins a word: after a space, and before and behind
    a mark as <start>.
    """
    found, apart = [], True
    for token in tokens:
        inner = " ".join(token.split())
        mark = inner[:1] + inner[-1:] in ("<>", "[]")
        found.append((drawable(inner) or "␣", apart or mark or token[:1].isspace() or not inner))
        apart = mark
    return found


def _laid_out(words, room):
    """(x, row, width) of each token in inches, and the number of rows; a word is not cut unless it
    is too long.
    """
    places, x, row, i = [], 0.0, 0, 0
    while i < len(words):
        end = i + 1
        while end < len(words) and not words[end][1]:  # the pieces of one word
            end += 1
        widths = [text_width(text, TEXT, "normal") + 0.005 for text, _ in words[i:end]]
        x += 0.04 if x else 0
        if x and x + sum(widths) > room:
            x, row = 0.0, row + 1
        for wide in widths:
            if x and x + wide > room:
                x, row = 0.0, row + 1
            places.append((x, row, min(wide, room)))
            x += wide
        i = end
    return places, row + 1


def _strip(picture, colours, most, y, axis):
    """The colours from 0 to vmax, level, with both ends in words."""
    wide, high = STRIP
    how = {"va": "center_baseline", "color": colour("faint")}
    picture.write(MARGIN, y, f"{axis}  0", **how)
    x = MARGIN + text_width(f"{axis}  0", weight="normal") + 0.08
    picture.place(colours(np.linspace(0, 1, 21))[None], x, y - high / 2, wide, high)
    picture.write(x + wide + 0.08, y, most, **how)
