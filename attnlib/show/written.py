"""A map that grows row by row, as a text does that is being written: what is not there yet is blank
paper.
"""

from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.brought import brought
from attnlib.show.parts import FOOT, Grid, alone, foot, said_once
from attnlib.show.sheet import Picture, colour, on_paper


@on_paper
def written(weights, n, tokens, *, key_tokens, title="", axes=None) -> Picture:
    """The first n rows of a map of weights, and room for the others.

    weights      (n_q, n_k), all rows of the map
    n            how many of them are there, 1 … n_q
    tokens       n_q names of the rows; key_tokens: n_k names of the columns
    axes         names of rows and columns, if they are not queries and keys
    For every n the picture has the same size, and each row the same place: a slider over n adds
    rows, and nothing moves.
    """
    weights, tokens, key_tokens, _ = brought(weights, tokens, key_tokens, most=2)
    whole = Grid("weights", weights, tokens, key_tokens, None, False, None)
    n = _check.integer("n", n, minimum=1, maximum=len(whole.data))
    there = Grid("weights", whole.data[:n], whole.tokens[:n], whole.key_tokens, None, False, None)
    left, top, cell, width = alone(whole, title, axes or True)
    wide, high = cell[0] * whole.shape[1], cell[1] * whole.shape[0]
    places, ramps = [(whole, left, top)], whole.numbers(cell) is None
    picture = Picture(width, top + high + foot(places, cell, ramps=ramps), title=title)
    there.draw(picture, left, top, cell, axes=False)
    picture.sheet.add_patch(
        Rectangle((left, top), wide, high, fill=False, edgecolor=colour("hatch"), linewidth=0.8)
    )
    whole.corner(picture, left, top, axes or True)
    if n < len(whole.data):
        middle = left + wide / 2, top + high - cell[1] * (len(whole.data) - n) / 2
        look = {"ha": "center", "va": "center_baseline", "color": colour("faint")}
        picture.write(*middle, "not written yet", **look)
    said_once(picture, places, cell, top + high + FOOT / 2, ramps=ramps)
    named = ("queries", "keys") if axes is None else tuple(f"{name}s" for name in axes)
    rest = f", {len(whole.data) - n} to come" if n < len(whole.data) else ""
    picture.alt = f"{title or 'A map so far'}: {there.describe(axes=named)[:-1]}{rest}."
    return picture
