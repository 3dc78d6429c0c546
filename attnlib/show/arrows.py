"""Arrows and what they make: queries and keys in the plane, one choice among keys, a positional
encoding.
"""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.show.brought import of_one_text
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import Grid, colour_bar, matrix
from attnlib.show.sheet import KEY, QUERY, VALUE, Picture, colour, on_paper

PLANE = 1.4  # inches from the origin to the end of the longest arrow drawn to scale


@on_paper
def encoding_figure(encoding, *, title="") -> Picture:
    """A positional encoding and what it makes of distance. encoding (n, d): its numbers, and every
    row times every row.
    """
    encoding = matrix("encoding", encoding, 2)
    n, d = encoding.shape
    picture = Picture(9.2, 3.9, title=title)
    for x, data, name, across in [
        (0.75, encoding, "the encoding", "column"),
        (5.1, encoding @ encoding.T, "row · row", "position"),
    ]:
        grid = Grid("encoding", data, None, None, None, True, None)
        cells = (2.7 / data.shape[1], 2.5 / n)
        picture.write(x, 0.62, name, weight="bold")
        grid.draw(picture, x, 0.75, cells, numbers=False, rows=False, columns=False, axes=False)
        picture.write(x + 1.35, 3.32, across, ha="center", va="top", color=colour("faint"))
        picture.write(
            x - 0.12, 2.0, "position", rotation=90, ha="right", va="center", color=colour("faint")
        )
        for share in (0, 1):
            picture.write(
                x - 0.06,
                0.75 + 2.5 * share,
                str(share * (n - 1)),
                ha="right",
                va="bottom" if share else "top",
                size=7.5,
            )
            picture.write(
                x + 2.7 * share,
                3.3,
                str(share * (data.shape[1] - 1)),
                ha="right" if share else "left",
                va="top",
                size=7.5,
            )
        colour_bar(picture, x + 2.9, 0.75, 2.5, grid)
    picture.alt = (
        f"{title or 'Positional encoding'}: {n} positions, {d} columns; at the right the product of"
        " every two rows."
    )
    return picture


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
    cell = min(2.6 / max(grid.shape), 0.4)
    x, y = 3.45 + grid.label_width(0, 8), 0.45 + 0.3 * bool(title) + grid.label_width(1, 8)
    width = x + cell * len(k) + 0.75 + 2 * (0.25 * v.shape[1] + 0.35)
    picture = Picture(width, max(y + max(cell * len(q), 1.3) + 0.2, 3.5), title=title)
    plane(picture, 1.55, 1.85, 1.05, q, k, grid.tokens)
    grid.draw(picture, x, y, cell, size=8, sums=True)
    x += cell * len(k) + 0.75
    for values, name, color in [(side, "value", VALUE), (result, "output", colour("ink"))]:
        values.draw(
            picture,
            x,
            y,
            (0.25, cell),
            size=8,
            numbers=False,
            rows=False,
            columns=value_names is not None,
            axes=False,
        )
        picture.write(
            x,
            y - (0.1 if value_names is None else values.label_width(1, 8) + 0.06),
            name,
            color=color,
            weight="bold",
            size=8.5,
        )
        x += 0.25 * v.shape[1] + 0.35
    picture.alt = f"{title or 'Queries and keys as arrows'}. Weights: {grid.describe()}"
    return picture


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
    where it lands.
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
    weights = softmax(keys @ query / _check.positive("temperature", temperature))
    row, top = 0.3, 0.85 + 0.3 * bool(title)
    picture = Picture(
        max(9.2, 8.0 + 0.1 * len(value_name)),
        max(top + row * len(keys) + 0.55, top + 2.85),
        title=title,
    )
    _landing(picture, 1.95, top + 1.0, query, keys, names, who, axes)
    _shares(picture, 5.1, top, row, query, keys, weights, values, names, value_name)
    best = ", ".join(
        f"{names[j]} {weights[j]:.2f}" for j in np.argsort(-weights, kind="stable")[:3]
    )
    mixed = f"mixture: {short(weights @ values)}"
    picture.alt = f"{title or 'One query among keys'}: the largest weights are {best}; {mixed}."
    return picture


def _landing(picture, x, y, query, keys, names, who, axes):
    """The arrows of `choice`, and where each key lands on the line of the query."""
    unit = PLANE / max(1.0, np.linalg.norm(keys, axis=1).max(), np.linalg.norm(query))
    plane(picture, x, y, unit, query[None], keys, names, query_names=[who], unit=unit)
    if np.linalg.norm(query) > 0.05:
        landing = np.outer(keys @ query / (query @ query), query)
        for key, foot in zip(keys, landing):
            ends = np.array([key, foot]) * unit
            picture.sheet.plot(
                x + ends[:, 0], y - ends[:, 1], color=colour("faint"), linewidth=0.9, linestyle=":"
            )
            picture.sheet.plot(*(x + ends[1:, 0], y - ends[1:, 1]), "o", markersize=3, color=QUERY)
    if axes is not None:
        picture.write(
            x + PLANE + 0.4, y + 0.2, f"{axes[0]} →", size=8, color=colour("faint"), va="center"
        )
        picture.write(
            x,
            y - PLANE - 0.22,
            f"{axes[1]} ↑",
            size=8,
            color=colour("faint"),
            ha="center",
            va="center",
        )


def _shares(picture, x, y, row, query, keys, weights, values, names, value_name):
    """The bars of `choice`. Scores are drawn on the scale of the longest key, so that they grow
    with the query.
    """
    scores, low = keys @ query, y + row * len(keys) + 0.12
    reach = np.linalg.norm(keys, axis=1).max() * max(1.5, np.linalg.norm(query))
    for n, name in enumerate(names):
        picture.write(x - 0.08, y + (n + 0.5) * row, name, size=9, ha="right", va="center_baseline")
    bars(
        picture,
        x,
        y,
        row,
        1.5,
        scores,
        "score",
        colour("faint"),
        chosen=int(scores.argmax()),
        span=(-reach, reach),
    )
    bars(
        picture,
        x + 1.6,
        y,
        row,
        1.15,
        weights,
        "weight",
        colour("weights")[3],
        chosen=int(weights.argmax()),
        span=(0, 1),
    )
    bars(picture, x + 2.75, y, row, 1.15, values, value_name, VALUE)
    picture.write(
        x + 2.75,
        low,
        f"mixture: {short(weights @ values)}",
        size=10,
        weight="bold",
        va="top",
        color=VALUE,
    )
    picture.write(
        x + 1.6, low, f"sum {weights.sum():.2f}", size=8.5, va="top", color=colour("faint")
    )


def plane(picture, x, y, radius, q, k, names, *, query_names=None, unit=None):
    """Arrows from one origin, with the names of those that share one: keys in green, queries in
    orange.

    unit   inches per 1, the circle is then a circle of radius 1; unless given, the longer an arrow,
           the more it is shortened (to less than the radius), so that short and long ones fit the
           circle
    """
    ring = np.linspace(0, 2 * np.pi, 100)
    picture.sheet.plot(
        x + radius * np.cos(ring), y + radius * np.sin(ring), color=colour("hatch"), linewidth=0.8
    )
    for rows, labels, color, width, aside in [
        (k, names, KEY, 0.055, 0.16),
        (q, query_names or names, QUERY, 0.025, 0),
    ]:
        groups = {}
        for row, name in zip(rows, labels):
            length = np.linalg.norm(row)
            arrow = np.round(row * (unit or radius / (length + 0.5)), 2)
            if length > 0.05 and arrow.any():  # shorter ones have no direction to see
                groups.setdefault(tuple(arrow), []).append(name)
        if groups:
            ends = np.array(list(groups)) * (1, -1)
            starts = np.full(ends.shape, (x, y))
            picture.sheet.quiver(
                *starts.T,
                *ends.T,
                color=color,
                width=width,
                units="inches",
                angles="xy",
                scale_units="xy",
                scale=1,
            )
        for arrow, group in groups.items():
            _arrow_name(picture, x, y, np.array(arrow), ", ".join(group), color, aside, unit)
    words = ("keys", "queries") if query_names is None else ("keys", "query")
    low = y + (radius if unit is None else PLANE) + 0.3
    picture.write(x, low, words[0], size=8.5, color=KEY, weight="bold", ha="right")
    picture.write(x, low, f"   {words[1]}", size=8.5, color=QUERY, weight="bold", ha="left")


def _arrow_name(picture, x, y, arrow, text, color, aside, unit):
    """The name of an arrow (2,) of `plane` at its tip, or if `aside` is so many inches, beside its
    middle.
    """
    step = arrow / np.hypot(*arrow)
    tip = arrow + (0.26 if unit and not aside else 0.08) * step
    place = arrow / 2 + aside * step[::-1] * (1, -1) if aside and not unit else tip
    ha = "left" if place[0] > 0.05 else "right" if place[0] < -0.05 else "center"
    va = "bottom" if place[1] > 0.05 else "top" if place[1] < -0.05 else "center"
    label = picture.write(x + place[0], y - place[1], text, color=color, size=8.5, ha=ha, va=va)
    out = max(0.05 - label.get_window_extent().x0 / picture.dpi, 0)
    label.set_x(x + place[0] + out)  # moved back onto the sheet


def bars(picture, x, y, row, width, values, title, color=None, chosen=None, span=(0, 0)):
    """Horizontal bars, one per row, from a common zero; -inf is drawn as "not allowed". Without a
    colour, by sign.

    span   the values at the two ends of the column; unless given, the bars fill it
    """
    picture.write(x, y - 0.08, title, size=9, weight="bold", color=color)
    finite = values[np.isfinite(values)]
    low, high = finite.min(initial=min(span[0], 0)), finite.max(initial=max(span[1], 0))
    unit = (width - 0.3) / max(high - low, 1e-9)
    zero = x - low * unit
    signs = colour("signed")
    picture.sheet.plot(
        [zero, zero], [y, y + row * len(values)], color=colour("hatch"), linewidth=0.8
    )
    for n, value in enumerate(values):
        top, middle = y + n * row + 0.04, y + (n + 0.5) * row
        if not np.isfinite(value):
            picture.sheet.add_patch(
                Rectangle(
                    (zero, top),
                    width - 0.3,
                    row - 0.08,
                    facecolor=colour("blocked"),
                    edgecolor="none",
                )
            )
            picture.write(
                zero + 0.03, middle, "−∞", size=7, va="center_baseline", color=colour("faint")
            )
            continue
        fill = color or (signs[-2] if value > 0 else signs[1])
        picture.sheet.add_patch(
            Rectangle((zero, top), value * unit, row - 0.08, facecolor=fill, edgecolor="none")
        )
        bold = "bold" if n == chosen else "normal"
        place = zero + max(value, 0) * unit + 0.05
        picture.write(
            place,
            middle,
            short(value),
            size=7,
            va="center_baseline",
            color=colour("faint"),
            weight=bold,
        )


def short(value):
    """A number as it is written beside a bar: two decimals, and large ones in few signs."""
    return (
        f"{value:.2f}"
        if abs(value) < 1000
        else f"{value:.0f}"
        if abs(value) < 1e5
        else f"{value:.0e}"
    )
