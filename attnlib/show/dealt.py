"""Heads that were made by hand, as still pictures: one built of features, and jobs dealt into
several.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from attnlib.show.parts import Grid
from attnlib.show.sheet import KEY, MARGIN, QUERY, Picture, colour, on_paper, text_width

WIDTH = 9.2  # inches of a sheet at most
ROW, BAR, GAP, SIZE = 0.2, 0.75, 0.3, 8.5  # inches of a row, a bar, a gap; points of a name
EVEN = 0.012  # a row that differs by less looks at all alike, as in core.js


@on_paper
def built(weights, tokens, wanted, features, asks, offers, *, facts=(), title="") -> Picture:
    """One head and its two columns: what each feature asks for and what it offers, from -1 to 1, as
    bars; and what the head looks at, with a frame around what it should look at.

    weights  (n, n); wanted: boolean (n, n); asks, offers: (F,); facts: lines of text below
    """
    cell = min(0.3, 3.4 / len(tokens))
    grid = Grid("weights", weights, tokens, None, None, False, 1)
    named = max(text_width(name, size=SIZE) for name in features) + 0.16
    left, over = (
        MARGIN + 2 * BAR + named + GAP + grid.label_width(0, SIZE),
        grid.label_width(1, SIZE),
    )
    top = 0.3 + 0.3 * bool(title) + over
    high = max(len(tokens) * cell, len(features) * ROW - over + 0.1)
    picture = Picture(
        left + len(tokens) * cell + 0.3, top + high + 0.2 + 0.17 * len(facts), title=title
    )
    x, y = MARGIN, 0.42 + 0.3 * bool(title)
    columns = [("asks", asks, x + BAR / 2, QUERY), ("offers", offers, x + 1.5 * BAR + named, KEY)]
    for name, side, middle, tone in columns:
        picture.write(middle, y - 0.14, name, weight="bold", ha="center")
        picture.sheet.add_collection(
            _lines([(middle, y, middle, y + len(features) * ROW)], "hatch")
        )
        for f, value in enumerate(side):
            corner = middle + min(0, value) * BAR / 2, y + (f + 0.25) * ROW
            bar = Rectangle(corner, abs(value) * BAR / 2, ROW / 2, facecolor=tone, linewidth=0)
            picture.sheet.add_patch(bar)
    for f, name in enumerate(features):
        tone = colour("ink" if asks[f] or offers[f] else "faint")
        how = {"ha": "center", "va": "center", "size": SIZE, "color": tone}
        picture.write(x + BAR + named / 2, y + (f + 0.5) * ROW, name, **how)
    quiet(picture, grid, left, top, cell, weights)
    for i, j in np.argwhere(wanted):
        corner = left + (j + 0.08) * cell, top + (i + 0.08) * cell
        frame = Rectangle(
            corner, 0.84 * cell, 0.84 * cell, fill=False, edgecolor=KEY, linestyle=":"
        )
        picture.sheet.add_patch(frame)
    _below(picture, facts)
    return picture


@on_paper
def dealt(weights, tokens, deal, done, *, facts=(), title="") -> Picture:
    """Heads side by side, each with its jobs above it and how well they are done.

    weights  (h, n, n); deal: a list of names for each head; done: {name: share}; facts: lines below
    """
    n, jobs = len(tokens), max(1, *map(len, deal))
    cell = min(0.16, 1.9 / n)
    grids = [Grid("weights", one, tokens, None, None, False, 1) for one in weights]
    lines = [[f"{name} {percent(done[name])}" for name in names] for names in deal]
    longest = max(
        text_width(line, size=SIZE) for one in [*lines, ["no job"]] for line in one or [""]
    )
    left, step = MARGIN + grids[0].label_width(0, 7.5), max(n * cell, longest) + 0.25
    across = max(1, min(len(deal), int((WIDTH - left) / step)))
    head, first = 0.17 * jobs + 0.26, 0.1 + 0.3 * bool(title)
    high = head + n * cell + 0.16
    rows = -(-len(deal) // across)
    tall = first + rows * high + 0.06 + 0.17 * len(facts)
    picture = Picture(left + across * step, tall, title=title)
    for h, (grid, names) in enumerate(zip(grids, lines)):
        row, column = divmod(h, across)
        x, top = left + column * step, first + row * high + head
        y = top - 0.17 * jobs - 0.1
        picture.write(x, y, f"head {h + 1}", weight="bold")
        for k, name in enumerate(names or ["no job"]):
            tone = colour("ink" if names else "faint")
            picture.write(x, y + 0.17 * (k + 1), name, size=SIZE, color=tone)
        quiet(picture, grid, x, top, cell, weights[h], size=7.5, rows=column == 0, columns=False)
    _below(picture, facts)
    return picture


def percent(share):
    return "for no word" if np.isnan(share) else f"{share:.0%}"


def quiet(picture, grid, x, y, cell, weights, size=SIZE, **how):
    """The weights; a row that looks at all alike is white, with a thin mark in each cell."""
    grid.draw(picture, x, y, cell, size=size, numbers=False, axes=False, **how)
    n, marks = len(weights), []
    for i in np.flatnonzero(np.ptp(weights, axis=1) < EVEN):
        row = Rectangle((x + 0.01, y + i * cell), n * cell - 0.02, cell, linewidth=0)
        row.set_facecolor(colour("paper"))
        picture.sheet.add_patch(row)
        low = y + (i + 0.7) * cell
        marks += [(x + (j + 0.3) * cell, low, x + (j + 0.7) * cell, low) for j in range(n)]
    picture.sheet.add_collection(_lines(marks, "hatch"))


def _lines(ends, tone):
    found = [[end[:2], end[2:]] for end in ends]
    return LineCollection(found, colors=colour(tone), linewidths=0.7)


def _below(picture, facts):
    """Lines at the foot of the sheet."""
    for k, line in enumerate(facts):
        y = picture.get_figheight() - 0.08 - 0.17 * (len(facts) - 1 - k)
        picture.write(MARGIN, y, line, color=colour("faint"))
