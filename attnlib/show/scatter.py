"""Points with names: one measured number of each thing against another."""

from typing import Literal

import numpy as np

from attnlib import _check
from attnlib.show.curves import LEAST, LEFT, edges, frame, on_sheet, settle, ticks
from attnlib.show.labels import axis_names, visible
from attnlib.show.sheet import PAGE, TEXT, Picture, colour, line, on_paper, text_width, under
from attnlib.show.things import around, fills, near, spot

RIGHT = 0.4  # inches at the right of the plot


@on_paper(marked=_check.row)
def scatter(
    x,
    y,
    names,
    *,
    marked=(),
    title="",
    axes=("x", "y"),
    log: Literal["", "x", "y", "xy"] = "",
    width=PAGE,
    height=3.6,
) -> Picture:
    """A point for each thing, with its name where there is room for it. Things of the course have
    their colours where none is marked.

    x, y     (n,) each        names   n strings
    marked   places of the points that stand out; their names come first
    axes     names of the horizontal and the vertical axis, with units
    log      "x", "y" or "xy": axes in powers of 10; a point that is not above 0 is left out there
    width, height   inches
    """
    x, y = (
        _check.finite(name, _check.floats(name, values, "n"))
        for name, values in (("x", x), ("y", y))
    )
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(
            f"x and y must have the same shape (n,) with at least one number, got {x.shape} and"
            f" {y.shape}"
        )
    names = axis_names("names", names, len(x), visible, "x")
    marked = {_check.integer("marked", i, minimum=0, maximum=len(x) - 1) for i in marked}
    shown = [
        i for i in range(len(x)) if ("x" not in log or x[i] > 0) and ("y" not in log or y[i] > 0)
    ]
    if not shown:
        raise ValueError("x and y must have a point above 0 on the logarithmic axes")
    top = under(title) + line() + 0.1
    picture = Picture(max(width, LEFT + LEAST + RIGHT), height, title=title)
    plot = frame(picture, axes, log, top, RIGHT, under(title))
    ticks(plot, x[shown])
    plot.margins(0.08)
    for i, fill in enumerate(fills(names, marked)):
        if i in shown:
            look = {"color": fill, "markeredgecolor": colour("paper"), "clip_on": False}
            plot.plot([x[i]], [y[i]], "o", markersize=7, zorder=3, **look)
    settle(picture, plot)
    order = sorted(shown, key=lambda i: (i not in marked, -y[i]))
    _names(picture, plot, np.column_stack([x, y])[order], [names[i] for i in order], len(marked))
    points = ", ".join(f"{names[i]} ({x[i]:.3g}, {y[i]:.3g})" for i in shown)
    picture.alt = f"{title or 'Points'}: {axes[1]} against {axes[0]}. {points}."
    return picture


def _names(picture, plot, points, names, strong):
    """A name beside each point (m, 2), on the first side where it touches neither a point nor
    another name; the first `strong` of them are bold.
    """
    places, box = on_sheet(picture, plot, points), edges(picture, plot)
    box += (-box[0], -0.1, RIGHT, 0.1)  # beside the plot is room, too
    taken = around(places, 0.06)
    for i, (place, name) in enumerate(zip(places, names)):
        weight = "bold" if i < strong else "normal"
        found = spot(text_width(name, TEXT, weight), near([place]), taken, box, TEXT)
        if found:
            (across, down, ha), inside = found
            taken = np.concatenate([taken, inside[None]])
            how = {"size": TEXT, "weight": weight, "ha": ha, "va": "center_baseline"}
            picture.write(across, down, name, **how)
