"""A whole layer in one picture, from left to right; and where the columns of words go when they are
cut into heads.
"""

from functools import partial

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import Grid
from attnlib.show.sheet import (
    MARGIN,
    PART,
    QUERY,
    TITLE,
    Picture,
    colour,
    ink_on,
    line,
    on_paper,
    text_width,
    under,
)

CELL, LONGEST, GAP, APART = 0.14, 1.3, 0.26, 0.24  # inches: a cell, the cells of a row, gaps
ROW, TALLEST = 0.134, 2.4  # inches: a row that has room for its word, the rows of a table
PIECE, BETWEEN = 0.3, 0.55  # inches: a square of `pieces`, and what is between two tables


@on_paper(marked=partial(_check.integer, minimum=0))
def flow(stages, tokens, signs, *, marked=None, title="") -> Picture:
    """A layer from left to right: one column of matrices for each stage, a head in each row.

    stages   name -> (n, columns), or (h, n, columns) for h heads; the second line of a name, behind
             a line break, stands below it
    tokens   n strings
    signs    a string of one sign for each gap between two stages, say "→·→"
    marked   a token whose row is framed in each matrix

    Numbers are on two-sided colours with 0 in the middle, a stage called weights on those of
    weights.
    """
    arrays = _arrays("stages", stages)
    n, heads = next(iter(arrays.values())).shape[-2], max(map(len, arrays.values()))
    tokens = axis_names("tokens", tokens, n, printable)
    if any(one.shape[1] != n for one in arrays.values()):
        raise ValueError(f"stages must have a row for each of {n} tokens, got {_shapes(stages)}")
    if len(_check.text("signs", signs)) != len(arrays) - 1:
        raise ValueError(f"signs must be {len(arrays) - 1} signs, one for each gap, got {signs!r}")
    if marked is not None and marked >= n:
        raise ValueError(f"marked must be the place of one of {n} tokens, got {marked}")
    cell = min(CELL, LONGEST / n)  # a table of weights has squares; what has more columns is narrow
    cells = [min(cell, max(n * cell, LONGEST) / one.shape[-1]) for one in arrays.values()]
    row = max(cell, min(ROW, TALLEST / n))
    wide = [each * one.shape[-1] for each, one in zip(cells, arrays.values())]
    room = [max(w, _wide(name)) for w, name in zip(wide, arrays)]
    widest = int(np.argmax([w * (len(one) > 1) for w, one in zip(wide, arrays.values())]))
    left = MARGIN + max(text_width(token, weight="normal") for token in tokens) + 0.12
    top = under(title) + _high(arrays) + line() * (heads > 1)
    high, tall = n * row, heads * n * row + (heads - 1) * APART
    picture = Picture(
        left + sum(room) + GAP * len(signs) + MARGIN, top + tall + MARGIN, title=title
    )
    x = left
    for s, (name, array) in enumerate(arrays.items()):
        if s:
            how = {"size": TITLE, "ha": "center", "va": "center", "color": colour("faint")}
            picture.write(x + GAP / 2, top + tall / 2, signs[s - 1], **how)
            x += GAP
        _head(picture, x + room[s] / 2, under(title), name)
        at = x + (room[s] - wide[s]) / 2
        first = top + (tall - len(array) * high - (len(array) - 1) * APART) / 2
        for h, table in enumerate(array):
            y, shares = first + h * (high + APART), name.startswith("weights")
            grid = Grid(name, table, tokens, None, None, not shares, None)
            how = {"rows": s == 0, "columns": False, "numbers": False, "axes": False}
            grid.draw(picture, at, y, (cells[s], row), **how)
            if len(array) > 1 and s == widest:
                picture.write(at, y - 0.05, f"head {h}", va="bottom", color=colour("faint"))
            if marked is not None:
                corner, size = (at - 0.02, y + marked * row - 0.01), (wide[s] + 0.04, row + 0.02)
                picture.sheet.add_patch(Rectangle(corner, *size, fill=False, edgecolor=QUERY))
        x += room[s]
    frame = "" if marked is None else f"; the row of {tokens[marked]} is framed"
    picture.alt = f"{title or 'A layer.'} From left to right: {_shapes(stages)}{frame}."
    return picture


@on_paper
def pieces(tables, words, *, title="") -> Picture:
    """Where the columns of words go: each word has a colour, each square the number of its column.

    tables  name -> places in the first table, counted row by row from 0: (rows, columns), or
            (h, rows, columns) for h heads. The first is the whole, np.arange(n * d).reshape(n, d)
    words   n strings, up to six, the rows of the whole
    """
    arrays = _arrays("tables", tables)
    name, whole = next(iter(arrays.items()))
    words = axis_names("words", words, whole.shape[-2], printable)
    if len(words) > len(colour("lines")):
        raise ValueError(f"words must be at most {len(colour('lines'))}, got {len(words)}")
    if whole.shape[0] > 1 or (whole.ravel() != np.arange(whole.size)).any():
        raise ValueError(f"tables[{name!r}] must be the whole, np.arange(n * d).reshape(n, d)")
    for name, one in arrays.items():
        if not np.isin(one, whole).all():
            raise ValueError(
                f"tables[{name!r}] must hold places in the whole, 0 to {whole.size - 1}"
            )
    width = whole.shape[-1]
    left = MARGIN + max(text_width(word, 9) for word in words) + 0.12
    high = max(len(one) * one.shape[1] * PIECE + (len(one) - 1) * APART for one in arrays.values())
    room = [max(one.shape[-1] * PIECE, _wide(name)) for name, one in arrays.items()]
    top = under(title) + _high(arrays) + line() * any(len(one) > 1 for one in arrays.values())
    across = left + sum(room) + BETWEEN * (len(arrays) - 1) + 2 * MARGIN
    picture = Picture(across, top + high + MARGIN, title=title)
    x = left
    for s, (name, array) in enumerate(arrays.items()):
        _head(picture, x, under(title), name, "left")
        for h, table in enumerate(array):
            y = top + h * (table.shape[0] * PIECE + APART)
            if len(array) > 1:
                picture.write(x, y - 0.05, f"head {h}", va="bottom", color=colour("faint"))
            for (i, j), place in np.ndenumerate(table.astype(int)):
                word, column = divmod(int(place), width)
                _piece(picture, x + j * PIECE, y + i * PIECE, word, str(column))
        if s == 0:
            for i, word in enumerate(words):
                how = {"ha": "right", "va": "center_baseline", "weight": "bold"}
                picture.write(x - 0.08, top + (i + 0.5) * PIECE, word, **how)
        x += room[s] + BETWEEN
    said = []
    for name, array in list(arrays.items())[1:]:
        for h, table in enumerate(array):
            rows = [", ".join(_piece_name(words, width, place) for place in row) for row in table]
            which = f", head {h}" if len(array) > 1 else ""
            said.append(f"{_first(name)}{which}: {'; '.join(rows)}")
    picture.alt = f"{title or 'Words cut into heads.'} {'. '.join(said)}."
    return picture


def _arrays(given, named):
    """name -> (h, n, columns)"""
    arrays = {}
    for name, value in _check.named(given, named, "arrays").items():
        name = _check.text(given, name)
        where = f"{given}[{_first(name)!r}]"
        value = _check.finite(where, _check.floats(where, value, "n columns"))
        if value.ndim not in (2, 3) or not value.size:
            raise ValueError(
                f"{where} must have the shape (n, columns) or (h, n, columns), got {value.shape}"
            )
        arrays[name] = value.reshape(-1, *value.shape[-2:])
    return arrays


def _shapes(arrays):
    return ", ".join(f"{_first(name)} {np.shape(one)}" for name, one in arrays.items())


def _first(name):
    return name.partition("\n")[0]


def _wide(name):
    """Inches that a stage's name needs."""
    first, _, second = name.partition("\n")
    return max(text_width(first, PART), text_width(second, weight="normal"))


def _high(names):
    """Inches that the names of the stages need, and a little below them."""
    return line(PART) + line() * any("\n" in name for name in names) + 0.05


def _head(picture, x, y, name, ha="center"):
    first, _, second = name.partition("\n")
    picture.write(x, y, first, size=PART, weight="bold", ha=ha, va="top")
    picture.write(x, y + line(PART), second, ha=ha, va="top", color=colour("faint"))


def _piece(picture, x, y, word, text):
    fill = colour("lines")[word]
    gap = 0.03
    square = Rectangle((x, y), PIECE - gap, PIECE - gap, facecolor=fill, edgecolor="none")
    picture.sheet.add_patch(square)
    how = {"ha": "center", "va": "center_baseline", "color": str(ink_on(to_rgb(fill)))}
    picture.write(x + (PIECE - gap) / 2, y + (PIECE - gap) / 2, text, **how)


def _piece_name(words, width, place):
    word, column = divmod(int(place), width)
    return f"{words[word]} {column}"
