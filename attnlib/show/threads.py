"""Threads: one head as lines from the words that look to the words that are looked at, and all
heads small beside it.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from attnlib import _check
from attnlib.show.brought import brought
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import LEAST, WORDS, Grid, even_rows, matrix
from attnlib.show.sheet import (
    PAGE,
    QUERY,
    SMALL,
    TEXT,
    TITLE,
    Picture,
    colour,
    on_paper,
    text_width,
    wide,
)

EDGE, GAP = 0.15, 0.1  # inches
ROW, THICK = 0.3, 0.2  # a word, and a thread of weight 1
SPAN = 1.2, 3.4  # from words that look to words that are looked at
MAPS, ASIDE = 3.2, 0.2  # the small maps together; between them, and beside them
BUSY = 16  # threads: where there are more, the heaviest are drawn, and those of chosen words
MOST = 8  # small maps


@on_paper(pins=_check.row)
def threads(
    weights,
    tokens=None,
    *,
    key_tokens=None,
    mask=None,
    titles=None,
    head=0,
    pins=(),
    side="query",
    title="",
    batch=None,
) -> Picture:
    """One head as threads: the thicker a thread, the larger the weight.

    weights   (n_q, n_k), or (heads, n_q, n_k): then up to eight small maps stand beside it
    tokens    n_q names; key_tokens: n_k names, the same unless given
    mask      boolean, True = may attend, broadcasts to the weights: what none of the chosen words
              may look at is struck out
    titles    names of the heads; head: the one that is drawn large
    pins      the chosen words, by their places: their threads are dark; side="key" chooses among
              the words that are looked at
    batch     the text that is meant, where weights are those of several
    A row that is even is a short mark, and a weight below 0.02 is not drawn. Where there are
    very many threads, only the heaviest are, and those of the chosen words.
    """
    given = brought(weights, tokens, key_tokens, mask, batch=batch, most=3)
    weights, tokens, key_tokens, mask = given
    weights = matrix("weights", weights[None] if weights.ndim == 2 else weights, 3)
    head = _check.integer("head", head, minimum=0, maximum=len(weights) - 1)
    if titles is not None and len(titles) != len(weights):
        raise ValueError(f"titles has {len(titles)} names, but weights has {len(weights)} heads")
    titles = [f"head {h}" for h in range(len(weights))] if titles is None else list(titles)
    allowed = np.ones(weights.shape, bool)
    if mask is not None:
        mask = _check.broadcasts("mask", mask, weights.shape)
        allowed = np.broadcast_to(mask, weights.shape)
    w, open_ = weights[head], allowed[head]
    names = axis_names("tokens", tokens, w.shape[0], printable)
    square = key_tokens is None and w.shape[0] == w.shape[1]
    keys = names if square else axis_names("key_tokens", key_tokens, w.shape[1], printable, "n_k")
    chosen = _chosen(pins, side, w.shape)
    place = _place(names, keys, len(weights), title)
    picture = Picture(place["width"], place["height"])
    picture.write(EDGE, EDGE, title or titles[head], size=TITLE, weight="bold", va="top")
    _lines(picture, place, w, open_, chosen)
    _words(picture, place, w, open_, names, keys, chosen)
    if len(weights) > 1:
        _maps(picture, place, weights, allowed, titles, head)
    picture.alt = f"{title or titles[head]}, as threads. {_said(w, open_, names, keys, chosen)}"
    return picture


def _chosen(pins, side, shape):
    """The chosen words, as a boolean (n_q, n_k): whose weights are meant."""
    _check.choice("side", side, ["query", "key"])
    n = shape[0] if side == "query" else shape[1]
    chosen = np.zeros(n, bool)
    for pin in pins:
        chosen[_check.integer("pins", pin, minimum=0, maximum=n - 1)] = True
    return np.broadcast_to(chosen[:, None] if side == "query" else chosen, shape)


def _place(names, keys, n_heads, title):
    """Where everything stands, in inches."""
    n, left = max(len(names), len(keys)), max(text_width(name, TEXT) for name in names)
    most = min(max(text_width(f"{key} .00", SMALL, "normal") for key in keys), 1.5)
    x0 = EDGE + max(left, 0.5) + GAP + most + GAP
    right = 0.08 + max(
        max(text_width(key, TEXT) for key in keys) + 0.45, text_width(WORDS[1], SMALL)
    )
    free = PAGE - EDGE - x0 - right - SPAN[0] - ASIDE  # long words leave less for the small maps
    maps = ASIDE + float(np.clip(free, MAPS / 2, MAPS)) if n_heads > 1 else 0
    x1 = x0 + float(np.clip(PAGE - x0 - right - maps - EDGE, *SPAN))
    end = x1 + right
    top = 0.75
    tall = max(ROW * n, 2.6 if n_heads > 1 else 0.9)
    rows = {"q": tall / len(names), "k": tall / len(keys)}
    return {
        "x0": x0,
        "x1": x1,
        "most": x0 - GAP - most,
        "sum": end - 0.05,
        "maps": end + ASIDE,
        "map": (maps - 2 * ASIDE) / 2,
        "top": top,
        "tall": tall,
        **rows,
        "thick": min(THICK, 0.75 * min(rows.values())),
        "width": max(end + maps + EDGE, wide(title)),
        "height": top + tall + EDGE,
    }


def _y(place, axis, i):
    return place["top"] + place[axis] * (i + 0.5)


def _lines(picture, place, w, allowed, chosen):
    """The threads, and a short mark for a row that is even."""
    even = even_rows(w, allowed)
    drawn = np.where(even[:, None] | ~(w > LEAST), 0, np.nan_to_num(w))
    if (drawn > 0).sum() > BUSY:
        heavy = np.zeros(drawn.size, bool)
        heavy[np.argsort(-drawn, axis=None, kind="stable")[:BUSY]] = True
        drawn = np.where(chosen | heavy.reshape(drawn.shape), drawn, 0)
    ramp = LinearSegmentedColormap.from_list("weights", colour("weights"))
    leave = np.cumsum(drawn, axis=1) - drawn / 2 - drawn.sum(axis=1, keepdims=True) / 2
    arrive = np.cumsum(drawn, axis=0) - drawn / 2 - drawn.sum(axis=0) / 2
    arrive *= np.minimum(1, 1.3 / np.maximum(drawn.sum(axis=0), 1e-9))
    order = sorted(zip(*np.nonzero(drawn)), key=lambda cell: (chosen[cell], drawn[cell]))
    for i, j in order:
        strong = chosen[i, j] or not chosen.any()
        tone = ramp(0.4 + 0.45 * w[i, j]) if strong else ramp(0.25)
        ends = (leave[i, j] * place["thick"], arrive[i, j] * place["thick"])
        shape = _ribbon(place, i, j, w[i, j], *ends)
        picture.sheet.add_patch(PathPatch(shape, facecolor=tone, edgecolor="none"))
    marks = [
        [(place["x0"], _y(place, "q", i)), (place["x0"] + 0.14, _y(place, "q", i))]
        for i in np.flatnonzero(even)
    ]
    picture.sheet.add_collection(LineCollection(marks, colors=colour("hatch"), linewidths=1))


def _ribbon(place, i, j, w, leave, arrive):
    """A thread as two curves, as thick in the middle as at its ends."""
    (xa, xb), half = (place["x0"], place["x1"]), w * place["thick"] / 2
    ya, yb = _y(place, "q", i) + leave, _y(place, "k", j) + arrive
    a, b = xa + 0.42 * (xb - xa), xa + 0.58 * (xb - xa)
    angle = np.arctan2(1.72 * (yb - ya), xb - xa)
    dx, dy = -half * np.sin(angle) * 4 / 3, half * (4 * np.cos(angle) - 1) / 3
    there = [(xa, ya - half), (a - dx, ya - dy), (b - dx, yb - dy), (xb, yb - half)]
    back = [(xb, yb + half), (b + dx, yb + dy), (a + dx, ya + dy), (xa, ya + half)]
    curve = [Path.CURVE4] * 3
    return Path([*there, *back, there[0]], [Path.MOVETO, *curve, Path.LINETO, *curve, Path.LINETO])


def _words(picture, place, w, allowed, names, keys, chosen):
    """Both columns of words; beside each that looks, quietly, where most of it goes."""
    even, any_ = even_rows(w, allowed), chosen.any()
    by_query = any_ and chosen.all(axis=1).any() and not chosen.all(axis=0).any()
    rows, columns = chosen.all(axis=1) & any_, chosen.all(axis=0) & any_
    head = {"size": SMALL, "weight": "bold", "va": "bottom"}
    picture.write(EDGE, place["top"] - 0.03, WORDS[0], color=colour("query_text"), **head)
    picture.write(
        place["x1"] + 0.08, place["top"] - 0.03, WORDS[1], color=colour("key_text"), **head
    )
    named = False
    for i, name in enumerate(names):
        y, mine = _y(place, "q", i), bool(rows[i] and by_query)
        if mine:
            band = Rectangle(
                (EDGE / 2, y - place["q"] / 2), place["x0"] - EDGE, place["q"], color=QUERY
            )
            picture.sheet.add_patch(band)
            band.set_alpha(0.1)
        _word(picture, EDGE, y, name, colour("query_text") if mine else None)
        best = int(np.nanargmax(w[i])) if not np.isnan(w[i]).all() else 0
        most = "" if named else "all alike"
        if not even[i]:
            most = f"{keys[best]} {_share(w[i, best])}" if w[i, best] > LEAST else ""
        named |= even[i]
        picture.write(
            place["most"],
            y,
            most,
            size=SMALL,
            va="center_baseline",
            color=colour("ink" if mine else "faint"),
        )
    got = w[rows].sum(axis=0) if by_query else np.zeros(len(keys))
    got = got * (~even[rows]).any() if by_query else got
    for j, key in enumerate(keys):
        y = _y(place, "k", j)
        strong = got[j] > 0.05 or bool(columns[j] and not by_query)
        shut = by_query and not allowed[rows][:, j].any()
        tone = colour("key_text") if strong else colour("faint") if shut else None
        _word(picture, place["x1"] + 0.08, y, key, tone)
        if shut:
            x = place["x1"] + 0.08
            line = [[(x, y), (x + text_width(key, TEXT, "normal"), y)]]
            picture.sheet.add_collection(LineCollection(line, colors=colour("faint")))
        if got[j] > LEAST:
            where = {"size": SMALL, "ha": "right", "va": "center_baseline"}
            picture.write(place["sum"], y, _share(got[j]), **where)


def _word(picture, x, y, text, tone):
    weight = "bold" if tone in (colour("query_text"), colour("key_text")) else "normal"
    picture.write(x, y, text, size=TEXT, va="center_baseline", color=tone, weight=weight)


def _share(w):
    """A weight as it is printed: .85, 1.00"""
    return "NaN" if np.isnan(w) else f"{w:.2f}" if w >= 0.995 else f"{w:.2f}"[1:]


def _maps(picture, place, weights, allowed, titles, head):
    """Small maps of the heads, two to a row; the one that is drawn large is framed."""
    shown, n = min(len(weights), MOST), weights.shape[1:]
    if head >= shown:
        shown = MOST - 1
    heads = [*range(shown)] if head < shown else [*range(shown), head]
    rows = -(-len(heads) // 2)
    tall, wide = (place["tall"] + 0.3) / rows, place["map"]
    size = wide, tall - 0.34
    for at, h in enumerate(heads):
        x, y = place["maps"] + (at % 2) * (wide + ASIDE), place["top"] - 0.12 + (at // 2) * tall
        weight = "bold" if h == head else "normal"
        picture.write(x, y - 0.04, titles[h], size=SMALL, weight=weight, va="bottom")
        grid = Grid("weights", weights[h], None, None, allowed[h], False, None)
        cell = size[0] / n[1], size[1] / n[0]
        grid.draw(picture, x, y, cell, numbers=False, rows=False, columns=False, axes=False)
        if h == head:
            frame = Rectangle((x, y), *size, fill=False, edgecolor=colour("ink"), linewidth=1.6)
            picture.sheet.add_patch(frame)


def _said(w, allowed, names, keys, chosen):
    """The threads of the chosen words in words; without any, the strongest three."""
    even = even_rows(w, allowed)
    cells = [tuple(cell) for cell in np.argwhere(chosen if chosen.any() else np.ones_like(chosen))]
    cells = [cell for cell in cells if not even[cell[0]] and w[cell] > 0.05]
    cells = sorted(cells, key=lambda cell: -w[cell])[: 6 if chosen.any() else 3]
    said = ", ".join(f"{names[i]} → {keys[j]} {w[i, j]:.2f}" for i, j in cells)
    flat = int(even.sum())
    alike = f" {flat} of {len(names)} rows are even." if flat else ""
    return f"{said or 'no thread stands out'}.{alike}"
