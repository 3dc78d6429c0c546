"""A map that grows row by row, as a text does that is being written: what is not there yet is blank
paper.
"""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.brought import brought
from attnlib.show.parts import Grid, colour_bar
from attnlib.show.sheet import Picture, colour, on_paper


@on_paper
def written(
    weights, n, tokens, *, key_tokens, title="", axes=("target token", "source token")
) -> Picture:
    """The first n rows of a map of weights, and room for the others.

    weights      (n_q, n_k), all rows of the map
    n            how many of them are there, 1 … n_q
    tokens       n_q names of the rows; key_tokens: n_k names of the columns
    axes         names of rows and columns
    For every n the picture has the same size, and each row the same place: a slider over n adds
    rows, and nothing moves.
    """
    weights, tokens, key_tokens, _ = brought(weights, tokens, key_tokens, most=2)
    whole = Grid("weights", weights, tokens, key_tokens, None, False, None)
    n = _check.integer("n", n, minimum=1, maximum=len(whole.data))
    there = Grid("weights", whole.data[:n], whole.tokens[:n], whole.key_tokens, None, False, None)
    cell = np.clip(4.6 / max(whole.shape), 0.02, 0.46)
    left, top = 0.55 + whole.label_width(0), 0.45 + 0.3 * bool(title) + whole.label_width(1)
    wide, high = cell * whole.shape[1], cell * whole.shape[0]
    tall = max(whole.tall(left, high, axes), 0.8)
    picture = Picture(left + wide + 1.25, top + tall + 0.25, title=title)
    there.draw(picture, left, top, cell, axes=False)
    picture.sheet.add_patch(
        Rectangle((left, top), wide, high, fill=False, edgecolor=colour("hatch"), linewidth=0.8)
    )
    whole._axes(picture, left, top, 9, axes, high)
    colour_bar(picture, left + wide + 0.3, top, tall, whole)
    rest = f", {len(whole.data) - n} to come" if n < len(whole.data) else ""
    picture.alt = (
        f"{title or 'A map so far'}:"
        f" {there.describe(axes=tuple(f'{name}s' for name in axes))[:-1]}{rest}."
    )
    return picture
