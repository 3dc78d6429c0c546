"""Points with names: one measured number of each thing against another."""

from typing import Literal

import numpy as np

from attnlib import _check
from attnlib.show.curves import LEFT, _axes, _scales, _ticks
from attnlib.show.labels import axis_names, visible
from attnlib.show.sheet import Picture, colour, on_paper

# inches, y downwards
NEAR = [(0.07, 0, "left"), (-0.07, 0, "right"), (0, -0.12, "center"), (0, 0.12, "center")]


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
    width=6.2,
    height=3.6,
) -> Picture:
    """A point for each thing, with its name where there is room for it.

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
    picture = Picture(max(width, LEFT + 1.5), height, title=title)
    plot = _axes(picture, axes, 0.3 + 0.3 * bool(title), 0.35)
    _scales(plot, x[shown], log)
    plot.margins(0.08)
    plot.set_zorder(-1)  # under the names, which stand on the sheet
    for i in shown:
        fill = colour("lines")[0] if not marked or i in marked else colour("hatch")
        plot.plot(
            [x[i]],
            [y[i]],
            "o",
            markersize=6,
            color=fill,
            markeredgecolor=colour("paper"),
            clip_on=False,
            zorder=3,
        )
    _ticks(plot)
    _names(
        picture, plot, x, y, names, sorted(shown, key=lambda i: (i not in marked, -y[i])), marked
    )
    points = ", ".join(f"{names[i]} ({x[i]:.3g}, {y[i]:.3g})" for i in shown)
    picture.alt = f"{title or 'Points'}: {axes[1]} against {axes[0]}. {points}."
    return picture


def _names(picture, plot, x, y, names, order, marked):
    """A name beside each point, on the first side where it touches neither a point nor another
    name.
    """
    plot.autoscale_view()  # settles the limits, so that points can be found
    pixels = plot.transData.transform(np.column_stack([x, y])[order])
    places = (
        np.column_stack([pixels[:, 0], picture.get_figheight() * picture.dpi - pixels[:, 1]])
        / picture.dpi
    )
    taken = [(a - 0.05, b - 0.05, a + 0.05, b + 0.05) for a, b in places]
    for i, (a, b) in zip(order, places):
        for right, down, ha in NEAR:
            weight = "bold" if i in marked else "normal"
            label = picture.write(
                a + right, b + down, names[i], size=8, ha=ha, va="center_baseline", weight=weight
            )
            box = _box(picture, label)
            inside = 0 <= box[0] and box[2] <= picture.get_figwidth()
            if inside and not any(_touch(box, other) for other in taken):
                taken.append(box)
                break
            label.remove()


def _box(picture, label):
    """Left, top, right and bottom of a label in inches."""
    box, high = label.get_window_extent(), picture.get_figheight() * picture.dpi
    return tuple(value / picture.dpi for value in (box.x0, high - box.y1, box.x1, high - box.y0))


def _touch(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
