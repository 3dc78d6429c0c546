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
from attnlib.show.sheet import Picture, colour, ink_on, on_paper, text_width

LINE, SIZE = 0.215, 8.5  # inches from line to line; points


@on_paper
def shaded(tokens, weights, *, vmax=None, title="", axis="weight", width=6.2) -> Picture:
    """The tokens as running text, each on the colour of its weight.

    tokens   n strings, with a space in front where they begin a word, as `Trace.tokens`
    weights  (n,) not below 0
    vmax     the number of the darkest colour, the largest of the weights unless given (1 where all
             are 0): give it where a slider moves, so that colours can be compared with those of
             before
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
    places, lines = _laid_out(words, _check.positive("width", width) - 0.24)
    top = 0.24 + 0.3 * bool(title) + 0.28
    picture = Picture(width, top + LINE * lines + 0.1, title=title)
    colours = LinearSegmentedColormap.from_list("course", colour("weights"))
    _legend(picture, colours, vmax, top - 0.2, axis)
    fills = colours(np.minimum(weights / vmax, 1))  # (n, 4)
    boxes = [
        Rectangle((0.12 + x, top + LINE * line + 0.01), wide, LINE - 0.02)
        for x, line, wide in places
    ]
    picture.sheet.add_collection(
        PatchCollection(boxes, facecolor=fills, edgecolor="none"), autolim=False
    )
    for (text, _), (x, line, wide), ink in zip(words, places, ink_on(fills)):
        middle = 0.12 + x + wide / 2, top + LINE * (line + 0.5)
        picture.write(*middle, text, size=SIZE, color=str(ink), ha="center", va="center_baseline")
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
    """(x, line, width) of each token in inches, and the number of lines; a word is not cut unless
    it is too long.
    """
    places, x, line, i = [], 0.0, 0, 0
    while i < len(words):
        end = i + 1
        while end < len(words) and not words[end][1]:  # the pieces of one word
            end += 1
        widths = [text_width(text, SIZE, "normal") + 0.005 for text, _ in words[i:end]]
        x += 0.04 if x else 0
        if x and x + sum(widths) > room:
            x, line = 0.0, line + 1
        for wide in widths:
            if x and x + wide > room:
                x, line = 0.0, line + 1
            places.append((x, line, min(wide, room)))
            x += wide
        i = end
    return places, line + 1


def _legend(picture, colours, vmax, y, axis):
    """The colours from 0 to vmax as a strip with its ends in numbers."""
    picture.write(0.12, y + 0.06, f"{axis}  0", size=7.5, va="center", color=colour("faint"))
    x = 0.2 + text_width(f"{axis}  0", 7.5, "normal")
    picture.place(colours(np.linspace(0, 1, 21))[None], x, y, 0.9, 0.12)
    picture.write(x + 0.97, y + 0.06, f"{vmax:.2g}", size=7.5, va="center", color=colour("faint"))
