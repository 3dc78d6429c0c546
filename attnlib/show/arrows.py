"""Arrows and what they make: one choice among keys, queries and keys in the plane, a positional
encoding.
"""

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle, Wedge

from attnlib import _check
from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.show.brought import of_one_text
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import FOOT, Grid, legend, matrix
from attnlib.show.sheet import (
    KEY,
    MARGIN,
    PAGE,
    PART,
    QUERY,
    VALUE,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import spot

PLANE, ROUND, RIM = 1.25, 1.6, 0.14  # inches: the longest arrow, the circle around it, and its rim
SHADES = 5  # of the rim
FEW = 6  # up to so many keys, each bar has its number
HIGH = 3.0  # inches: the tables of an encoding
NUMBER = 0.42  # inches that the number at the end of a bar needs
ENCODED = ("position", "column"), ("position", "position")  # rows and columns of its two tables


@on_paper
def choice(
    query,
    keys,
    values,
    names,
    *,
    who="query",
    axes=None,
    value_name="value",
    temperature=1.0,
    title="",
) -> Picture:
    """One query among keys in the plane: the arrows, to scale; the scores, the weights, and the
    mixture of the values.

    query (2,), keys (n, 2), values (n,), names: n names of the keys; who: the name of the query
    axes          names of the two directions
    temperature   divides the scores before the softmax
    The dotted lines drop each key onto the line of the query: score = length of the query × place
    where it lands. The rim is as dark as the mixture would be large if the query pointed there.
    """
    query = _check.finite("query", _check.floats("query", query, "2"))
    keys = _check.finite("keys", _check.floats("keys", keys, "n 2"))
    values = _check.finite("values", _check.floats("values", values, "n"))
    if (
        query.shape != (2,)
        or keys.ndim != 2
        or keys.shape[1] != 2
        or values.shape != keys.shape[:1]
        or not len(keys)
    ):
        shapes = f"got {query.shape}, {keys.shape} and {values.shape}"
        raise ValueError(
            f"query, keys and values must have the shapes (2,), (n, 2) and (n,), {shapes}"
        )
    names = axis_names("names", names, len(keys), printable, "n")
    temperature = _check.positive("temperature", temperature)
    scores = keys @ query
    weights = softmax(scores / temperature)
    row, top, far = float(np.clip(2.6 / len(keys), 0.2, 0.42)), under(title), ROUND + RIM
    above = line() if axes else 0  # of the name of the second direction
    high = max(2 * far + line() + above, 0.3 + row * len(keys) + 0.5)
    left = 2 * (MARGIN + far) + 0.4 + max(text_width(name) for name in names)
    wide = max((PAGE - MARGIN - left) / 3, 1.2)  # a column of bars
    right = max(left + 3 * wide, left + 2.5 * wide + text_width(value_name, PART))
    picture = Picture(right + MARGIN, top + high + MARGIN, title=title)
    middle = np.array([2 * MARGIN + far, top + far + above])
    _rim(picture, middle, query, around(query, keys, values, temperature), who)
    taken = [*_crossed(picture, middle, axes), (middle[0] + far + 0.15, -9, 99, 99)]
    unit = PLANE / max(1.0, np.linalg.norm(keys, axis=1).max(), np.linalg.norm(query))
    feet = _landing(picture, middle, unit, query, keys)
    groups = [(keys, names, KEY, "key_text"), (query[None], [who], QUERY, "query_text")]
    taken, shafts = plane(picture, middle, unit, groups, taken)
    for j in np.argsort(-np.abs(scores), kind="stable")[: 2 if len(feet) else 0]:
        if abs(scores[j]) > 0.005:  # at most two scores, where they land and have room
            step = feet[j] - middle
            name_at(picture, feet[j], step, short(scores[j]), taken, shafts, near=True)
    reach = np.linalg.norm(keys, axis=1).max() * max(1.5, np.linalg.norm(query))
    _shares(picture, left, top + 0.3, row, wide, names, scores, reach, weights, values, value_name)
    best = ", ".join(
        f"{names[j]} {weights[j]:.2f}" for j in np.argsort(-weights, kind="stable")[:3]
    )
    mixed = f"mixture: {short(weights @ values)}"
    picture.alt = f"{title or 'One query among keys'}: the largest weights are {best}; {mixed}."
    return picture


def around(query, keys, values, temperature, n=120):
    """What the mixture would be if the query pointed in each of n directions, from the right on
    against the clock. (n,)
    """
    angles = 2 * np.pi * np.arange(n) / n
    turned = np.linalg.norm(query) * np.stack([np.cos(angles), np.sin(angles)], axis=-1)  # (n, 2)
    return softmax(turned @ keys.T / temperature) @ values


def _rim(picture, middle, query, mixtures, who):
    """The mixtures all around, in the shades of a value, and a mark where the query points."""
    low, high = mixtures.min(), mixtures.max()
    shade = np.floor(SHADES * 0.999 * (mixtures - low) / max(high - low, 1e-9)) / (SHADES - 1)
    tones = LinearSegmentedColormap.from_list("rim", [colour("paper"), VALUE])(shade)
    turn = 360 / len(mixtures)
    wedges = [
        Wedge(middle, ROUND + RIM, -turn * (i + 0.5), -turn * (i - 0.5), width=RIM)
        for i in range(len(mixtures))
    ]
    picture.sheet.add_collection(
        PatchCollection(wedges, facecolor=tones, edgecolor=tones, linewidth=0.4), autolim=False
    )
    words = f"the rim: the mixture, if {who} pointed there"
    x, y = middle + (0, ROUND + RIM + 0.04)
    x = max(x, MARGIN + text_width(words, weight="normal") / 2)
    picture.write(x, y, words, ha="center", va="top", color=colour("faint"))
    length = np.linalg.norm(query)
    if length > 0.05:
        ends = middle + np.outer([-ROUND, ROUND, ROUND + RIM], query / length * (1, -1))
        picture.sheet.plot(*ends[:2].T, color=QUERY, linestyle=(0, (1, 2)), linewidth=1)
        picture.sheet.plot(*ends[1:].T, color=QUERY, linewidth=3, solid_capstyle="butt")


def _crossed(picture, middle, axes):
    """The two directions, with their names; the boxes that these take."""
    x, y = middle
    for ends in ([x - ROUND, x + ROUND], [y, y]), ([x, x], [y - ROUND, y + ROUND]):
        picture.sheet.plot(*ends, color=colour("line"), linewidth=0.8, zorder=0)
    taken = []
    east, north = axes or ("", "")
    for text, end, top in [
        (f"{east} →", 1, y + 0.04),
        (f"{north} ↑", 0.5, y - ROUND - RIM - line() - 0.03),
    ]:
        if axes is not None:
            wide = text_width(text, weight="normal")
            right = max(x + (ROUND - 0.06 if end == 1 else wide / 2), MARGIN + wide)
            picture.write(right, top, text, ha="right", va="top", color=colour("faint"))
            taken.append((right - wide, top, right, top + line()))
    return taken


def _landing(picture, middle, unit, query, keys):
    """Where each key lands on the line of the query, on the sheet: (n, 2), none if it has none."""
    if np.linalg.norm(query) <= 0.05:
        return np.empty((0, 2))
    places = np.outer(keys @ query / (query @ query), query)
    tips, feet = middle + keys * unit * (1, -1), middle + places * unit * (1, -1)
    for tip, foot in zip(tips, feet):
        picture.sheet.plot(*np.array([tip, foot]).T, color=KEY, linewidth=0.9, linestyle=":")
        picture.sheet.plot(*foot[:, None], "o", markersize=4, color=KEY)
    return feet


def _shares(picture, x, y, row, width, names, scores, reach, weights, values, value_name):
    """The bars of `choice`: scores on the scale of the longest key, so that they grow with the
    query; weights on that of 1; values hollow, and filled as far as their weight takes them.
    """
    n, signs = len(names), colour("signed")
    low, mixture = y + row * n, float(weights @ values)
    for j, name in enumerate(names):
        look = {"ha": "right", "va": "center_baseline", "weight": "bold"}
        picture.write(x - 0.08, y + (j + 0.5) * row, name, color=colour("key_text"), **look)
    apart = weights - 1 / n
    told = (
        np.abs(scores) > 0.005,
        (np.abs(apart) > 0.005) & ((n <= FEW) | (apart > 0.02)),
        (n <= FEW) | (values != 0),
    )
    tones = np.where(scores < 0, signs[1], signs[-2])
    columns = [x + width * i for i in range(3)]
    at = [
        bars(picture, columns[0], y, row, width, scores, tones, told[0], span=(-reach, reach)),
        bars(
            picture,
            columns[1],
            y,
            row,
            width,
            weights,
            [colour("weights")[3]] * n,
            told[1],
            span=(0, 1),
            drawn=share,
        ),
        bars(picture, columns[2], y, row, width, values, [VALUE] * n, told[2], hollow=True),
    ]
    inks = signs[-1], colour("weights")[3], colour("value_text")
    for (zero, _), title, ink in zip(at, ("score", "weight", value_name), inks):
        left = min(zero, picture.get_figwidth() - MARGIN - text_width(title, PART))
        picture.write(left, y - 0.08, title, size=PART, weight="bold", color=ink)
    even = at[1][0] + at[1][1] / n
    picture.sheet.plot(
        [even, even], [y, low], color=colour("hatch"), linewidth=0.9, linestyle=":", zorder=0
    )
    picture.write(
        even, low + 0.03, f"even {share(1 / n)}", va="top", ha="center", color=colour("faint")
    )
    zero, unit = at[2]
    for j, part in enumerate(weights * values):
        _bar(picture, zero, y + (j + 0.5) * row, part * unit, _thick(row), VALUE)
    foot, end, text = low + 0.32, zero + mixture * unit, short(mixture)
    _bar(picture, zero, foot, mixture * unit, 0.16, VALUE)
    look = {"va": "center_baseline", "weight": "bold", "color": colour("value_text")}
    beside = {"ha": "right" if mixture < 0 else "left", "size": PART}
    picture.write(end + (-0.05 if mixture < 0 else 0.05), foot, text, **look | beside)
    left = min(zero, end - 0.05 - text_width(text, PART)) if mixture < 0 else zero
    picture.write(left - 0.08, foot, "mixture", ha="right", **look)


def _thick(row):
    return min(0.62 * row, 0.22)


def _bar(picture, x, y, length, thick, fill, edge="none"):
    """A bar from x on to the right, or to the left, with its middle at y."""
    box = Rectangle((x, y - thick / 2), length, thick)
    box.set(facecolor=fill, edgecolor=edge, linewidth=0.9)
    picture.sheet.add_patch(box)


def bars(picture, x, y, row, width, values, tones, told, *, span=(0, 0), hollow=False, drawn=None):
    """Horizontal bars, one per row, from a common zero, and a number at the end of those that are
    `told`. -> the place of 0, and the inches of 1

    tones   a colour for each; hollow: outlines alone
    span    the values at the two ends of the column; unless given, the bars fill it
    drawn   how a number is written: `short` unless given
    """
    low, high = min(values.min(), span[0], 0), max(values.max(), span[1], 0)
    texts = [(drawn or short)(value) if say else "" for value, say in zip(values, told)]
    widest = max(text_width(text, weight="normal") for text in [*texts, short(low), short(high)])
    room = max(NUMBER, widest + 0.1) * (low < 0), max(NUMBER, widest + 0.1)
    unit = (width - sum(room)) / max(high - low, 1e-9)
    zero = x + room[0] - low * unit
    picture.sheet.plot(
        [zero, zero], [y, y + row * len(values)], color=colour("hatch"), linewidth=0.8
    )
    for n, (value, tone) in enumerate(zip(values, tones)):
        middle, below = y + (n + 0.5) * row, value < 0
        fill, edge = ("none", tone) if hollow else (tone, "none")
        _bar(picture, zero, middle, value * unit, _thick(row), fill, edge)
        if told[n]:
            place = zero + value * unit + (-0.05 if below else 0.05)
            look = {"ha": "right" if below else "left", "va": "center_baseline"}
            wide = text_width(texts[n], weight="normal")
            bed(picture, place - below * wide, middle - 0.06, wide, 0.12, zorder=0.5)
            picture.write(place, middle, texts[n], **look)
    return zero, unit


def bed(picture, x, y, wide, high, zorder):
    """Paper behind a text, so that no line runs through it."""
    box = Rectangle((x - 0.02, y), wide + 0.04, high, facecolor=colour("paper"), linewidth=0)
    picture.sheet.add_patch(box).set_zorder(zorder)


def short(value):
    """A number as it is written beside a bar: two decimals, and large ones in few signs."""
    size = abs(value)
    text = f"{size:.2f}" if size < 1000 else f"{size:.0f}" if size < 1e5 else f"{size:.0e}"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def share(weight):
    """A weight as it is written beside a bar."""
    return f"{weight:.2f}".removeprefix("0")


# ---- arrows, and names that do not touch ---------------------------------------------------------


def plane(picture, middle, unit, groups, taken):
    """Arrows from one origin, `unit` inches per 1, with the names of those that share one at their
    tips. -> the boxes that are taken, the names among them; those of the arrows

    groups   (rows (n, 2), n names, the colour of the arrows, that of their names): the first widest
    taken    boxes (left, top, right, bottom) that the names leave free
    """
    ring = np.linspace(0, 2 * np.pi, 100)
    look = {"color": colour("line"), "linewidth": 0.8, "zorder": 0}
    for radius in {round(unit, 4), ROUND}:
        picture.sheet.plot(
            *(middle[:, None] + radius * np.array([np.cos(ring), np.sin(ring)])), **look
        )
    named, shafts = [], []
    for i, (rows, names, color, ink) in enumerate(groups):
        shared = {}
        for row, name in zip(rows, names):
            step = np.round(row * unit, 2) * (1, -1)
            if step.any():
                shared.setdefault(tuple(step), []).append(name)
        if not shared:
            continue
        steps = np.array(list(shared))
        picture.sheet.quiver(
            *np.broadcast_to(middle, steps.shape).T,
            *steps.T,
            color=color,
            width=(0.045, 0.024)[i],
            units="inches",
            angles="xy",
            scale_units="xy",
            scale=1,
        )
        for step, group in zip(steps, shared.values()):
            named.append((step, _together(group), ink))
            along = np.arange(0.1, np.hypot(*step), 0.06) / np.hypot(*step)
            shafts += [(*(p - 0.03), *(p + 0.03)) for p in middle + np.outer(along, step)]
    for step, name, ink in sorted(named, key=lambda one: -np.hypot(*one[0])):
        name_at(
            picture,
            middle + step,
            step,
            name,
            taken,
            avoid=shafts,
            color=colour(ink),
            weight="bold",
        )
    return taken, shafts


def _together(names, wide=1.6):
    """As many names as have room in so many inches, and how many more there are."""
    n = len(names)
    while n > 1 and text_width(", ".join(names[:n])) > wide:
        n -= 1
    more = [f"and {len(names) - n} more"] if n < len(names) else []
    return ", ".join([*names[:n], *more])


def name_at(picture, point, away, text, taken, avoid=(), near=False, **look):
    """A text beside a point of the sheet, in the direction `away` if it can be, where it touches
    nothing; the box that it takes is added to `taken`. It crosses what is to be avoided only where
    there is no other place near; if it should be `near`, it is left out there.
    """
    wide = text_width(text, weight=look.get("weight", "normal"))
    edges = np.array([MARGIN / 2, 0, PAGE, picture.get_figheight() - MARGIN])
    found = spot(wide, _beside(point, away, 0.2 if near else 1), [*taken, *avoid], edges)
    if found is None and not near:
        found = spot(wide, _beside(point, away, 9), taken, edges)
    if found is not None:
        (x, y, ha), box = found
        taken.append((box[0], box[1] - 0.03, box[2], box[3] + 0.03))  # what is drawn is higher
        near_by = np.clip(point, box[:2], box[2:])
        if np.hypot(*(near_by - point)) > 0.25:  # far off: a thin line leads there
            picture.sheet.plot(*np.array([point, near_by]).T, color=colour("hatch"), linewidth=0.7)
        if near:
            bed(picture, box[0], box[1], box[2] - box[0], box[3] - box[1], zorder=2.2)
        picture.write(x, y, text, ha=ha, va="center", **look)


def _beside(point, away, limit):
    """Where a text may stand beside a point, for `spot`: at each distance first `away`."""
    start = np.arctan2(away[1], away[0])
    for gap in np.arange(0.06, limit, 0.06):
        for turn in (0, 0.35, -0.35, 0.7, -0.7, 1.1, -1.1, 1.6, -1.6, 2.3, -2.3, np.pi):
            right, down = np.cos(start + turn), np.sin(start + turn)
            ha = "left" if right > 0.3 else "right" if right < -0.3 else "center"
            yield point[0] + right * gap, point[1] + down * (gap + line() / 2), ha


@on_paper
def aim(q, k, v, tokens, *, value_names=None, mask=None, title="") -> Picture:
    """Queries and keys as arrows in the plane, beside the weights that they make, the values, and
    the output.

    q k (n, 2), v (n, d_v): where an orange arrow points along a green one, the weight is large.
    value_names   d_v names for the columns of values and output
    """
    q, k, v = matrix("q", q, 2), matrix("k", k, 2), matrix("v", v, 2)
    if q.shape[1] != 2:
        raise ValueError(f"q and k must have two columns to be drawn in the plane, got q {q.shape}")
    mask = None if mask is None else _check.allowed("mask", mask)
    if value_names is not None:
        value_names = of_one_text("value_names", value_names, v.shape[1])
        if len(value_names) != v.shape[1]:
            raise ValueError(
                f"value_names has {len(value_names)} names, but v has {v.shape[1]} columns"
            )
    output, weights = scaled_dot_product_attention(q, k, v, mask=mask)
    grid = Grid("weights", weights, tokens, None, mask, False, None)
    side = Grid("v", v, tokens, value_names, None, True, np.abs(v).max() or 1)
    result = Grid("output", output, tokens, value_names, None, True, np.abs(v).max() or 1)
    cell = min(2.6 / max(grid.shape), 0.42)
    middle = np.array([2 * MARGIN + ROUND, under(title) + ROUND])
    x, y = middle[0] + ROUND + 0.3 + grid.left(), under(title) + grid.above(cell)
    width = x + cell * len(k) + 0.75 + 2 * (0.25 * v.shape[1] + 0.35)
    high = max(y + cell * len(q), middle[1] + ROUND) + 2 * MARGIN
    picture = Picture(max(width, PAGE), high, title=title)
    unit = PLANE / max(1e-9, *np.linalg.norm(q, axis=1), *np.linalg.norm(k, axis=1))
    groups = [(k, grid.tokens, KEY, "key_text"), (q, grid.tokens, QUERY, "query_text")]
    plane(picture, middle, unit, groups, [(middle[0] + ROUND + 0.15, -9, 99, 99)])
    grid.draw(picture, x, y, cell, sums=None)
    x += cell * len(k) + 0.75
    for values, name, color in [
        (side, "value", colour("value_text")),
        (result, "output", colour("ink")),
    ]:
        values.draw(
            picture,
            x,
            y,
            (0.25, cell),
            numbers=False,
            rows=False,
            columns=value_names is not None,
            axes=False,
        )
        picture.write(
            x,
            y - (0.1 if value_names is None else values.label_width(1) + 0.06),
            name,
            color=color,
            weight="bold",
        )
        x += 0.25 * v.shape[1] + 0.35
    picture.alt = f"{title or 'Queries and keys as arrows'}. Weights: {grid.describe()}"
    return picture


@on_paper
def encoding_figure(encoding, *, title="") -> Picture:
    """A positional encoding and what it makes of distance. encoding (n, d): its numbers, and every
    row times every row.
    """
    encoding = matrix("encoding", encoding, 2)
    n, d = encoding.shape
    tables = (encoding, "the encoding"), (encoding @ encoding.T, "row · other row")
    grids = [Grid("encoding", data, None, None, None, True, None) for data, _ in tables]
    left, right = (MARGIN + grid.left(axes) for grid, axes in zip(grids, ENCODED))
    across = PAGE - left - right - HIGH - MARGIN
    top = under(title) + line(PART) + max(g.above(HIGH, a) for g, a in zip(grids, ENCODED))
    picture = Picture(PAGE, top + HIGH + FOOT, title=title)
    places = (left, across), (left + across + right, HIGH)
    for (x, wide), grid, axes, (_, name) in zip(places, grids, ENCODED, tables):
        picture.write(x, under(title), name, size=PART, weight="bold", va="top")
        cell = wide / grid.shape[1], HIGH / n
        grid.draw(picture, x, top, cell, numbers=False, axes=axes)
    for (x, _), grid in zip(places, grids):
        legend(picture, x, top + HIGH + FOOT / 2, grid)
    picture.alt = (
        f"{title or 'Positional encoding'}: {n} positions, {d} columns; at the right the product of"
        " every two rows."
    )
    return picture
