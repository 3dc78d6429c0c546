"""Heads that were made by hand, as still pictures: one built of features, and jobs dealt into
several.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from attnlib.show.parts import Grid
from attnlib.show.sheet import (
    KEY,
    MARGIN,
    PAGE,
    PART,
    QUERY,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

ROW, BAR, GAP = 0.2, 0.75, 0.3  # inches of a row, a bar, a gap
PLAIN = {"numbers": False, "axes": False}


@on_paper
def built(weights, tokens, wanted, features, asks, offers, *, facts=(), title="") -> Picture:
    """One head and its two columns: what each feature asks for and what it offers, from -1 to 1, as
    bars; and what the head looks at, with a frame around what it should look at.

    weights  (n, n); wanted: boolean (n, n); asks, offers: (F,); facts: lines of text below
    """
    cell = min(0.3, 3.4 / len(tokens))
    grid = Grid("weights", weights, tokens, None, None, False, 1)
    named = max(text_width(name, weight="normal") for name in features) + 0.16
    left = MARGIN + 2 * BAR + named + GAP + grid.label_width(0)
    x, y = MARGIN, under(title) + line(PART) + 0.05
    top = max(under(title) + grid.above(cell, False), y)
    low = max(top + len(tokens) * cell, y + len(features) * ROW)
    end = left + len(tokens) * cell + grid.over(cell)
    picture = _sheet(end, low, facts, title)
    columns = [("asks", asks, x + BAR / 2, QUERY), ("offers", offers, x + 1.5 * BAR + named, KEY)]
    for name, side, middle, tone in columns:
        picture.write(middle, y - 0.05, name, size=PART, weight="bold", ha="center", va="bottom")
        picture.sheet.add_collection(
            _lines([(middle, y, middle, y + len(features) * ROW)], "hatch")
        )
        for f, value in enumerate(side):
            corner = middle + min(0, value) * BAR / 2, y + (f + 0.25) * ROW
            bar = Rectangle(corner, abs(value) * BAR / 2, ROW / 2, facecolor=tone, linewidth=0)
            picture.sheet.add_patch(bar)
    for f, name in enumerate(features):
        tone = colour("ink" if asks[f] or offers[f] else "faint")
        how = {"ha": "center", "va": "center", "color": tone}
        picture.write(x + BAR + named / 2, y + (f + 0.5) * ROW, name, **how)
    grid.draw(picture, left, top, cell, **PLAIN)
    for i, j in np.argwhere(wanted):
        corner = left + (j + 0.08) * cell, top + (i + 0.08) * cell
        frame = Rectangle(
            corner, 0.84 * cell, 0.84 * cell, fill=False, edgecolor=KEY, linestyle=":"
        )
        picture.sheet.add_patch(frame)
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
    longest = max(text_width(one, weight="normal") for one in sum(lines, ["no job"]))
    left, step = MARGIN + grids[0].label_width(0), max(n * cell, longest) + GAP
    across = max(1, min(len(deal), int((PAGE - MARGIN - left + GAP) / step)))
    head, first = line(PART) + line() * jobs + 0.05, under(title)
    high = head + n * cell + 0.16
    rows = -(-len(deal) // across)
    picture = _sheet(left + across * step - GAP, first + rows * high - 0.16, facts, title)
    for h, (grid, names) in enumerate(zip(grids, lines)):
        row, column = divmod(h, across)
        x, top = left + column * step, first + row * high + head
        y = top - head + line(PART)
        picture.write(x, top - head, f"head {h + 1}", size=PART, weight="bold", va="top")
        for k, name in enumerate(names or ["no job"]):
            tone = colour("ink" if names else "faint")
            picture.write(x, y + line() * k, name, va="top", color=tone)
        grid.draw(picture, x, top, cell, rows=column == 0, columns=False, **PLAIN)
    return picture


def percent(share):
    return "for no word" if np.isnan(share) else f"{share:.0%}"


def _lines(ends, tone):
    found = [[end[:2], end[2:]] for end in ends]
    return LineCollection(found, colors=colour(tone), linewidths=0.7)


def _sheet(end, low, facts, title):
    """A sheet for what reaches so far to the right and down, with lines of facts at its foot."""
    end, low = max([end, *(MARGIN + text_width(one, weight="normal") for one in facts)]), low + 0.1
    picture = Picture(end + MARGIN, low + line() * len(facts) + MARGIN, title=title)
    for k, one in enumerate(facts):
        picture.write(MARGIN, low + line() * k, one, va="top", color=colour("faint"))
    return picture
