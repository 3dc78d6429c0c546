"""Score against cost: every design a mark, and the front of those that nothing beats in both; and a
design as small maps.
"""

import numpy as np
from matplotlib.colors import to_rgb

from attnlib import _check
from attnlib.show.curves import STYLES, _axes
from attnlib.show.sheet import Picture, colour, on_paper, text_width

SHAPES = "os^Dv<>pXh"  # told apart without colours, too
LEGEND = 0.19  # inches from one name to the next


def front(costs, scores):
    """Which designs nothing beats: no other costs as little or less and scores as much or more, and
    one of both really.

    costs, scores   (m,)
    returns         boolean (m,); two designs that are the same in both are both in or both out
    """
    costs, scores = _pair(costs, scores)
    no_worse = (costs[:, None] <= costs) & (scores[:, None] >= scores)  # (m, m) row against column
    better = (costs[:, None] < costs) | (scores[:, None] > scores)
    return ~(no_worse & better).any(axis=0)


def _ends(name, value):
    """((low, high), (low, high))"""
    two = {"of": _check.number, "what": "numbers (low, high)"}
    return _check.pair(name, value, lambda name, ends: _check.pair(name, ends, **two), "pairs")


@on_paper(limits=_ends, marked=_check.text)
def pareto(
    groups,
    *,
    marked=None,
    title="",
    axes=("share of n² used", "score"),
    limits=((0, 0.6), (0, 1.03)),
    width=6.6,
    height=3.6,
) -> Picture:
    """Designs by what they cost and what they reach; a line runs along the front of those that
    nothing beats.

    groups   name -> (m, 2) cost and score of each design: one design, or a family with a knob,
             joined in its order
    marked   a name: its designs are drawn large
    limits   ((low, high), (low, high)) of both axes; a design outside is left out, and does not
             count for the front
    """
    groups, marked = _checked(groups, marked)
    right = 0.4 + max(text_width(name, 8.5) for name in groups)
    top = 0.3 + 0.3 * bool(title)
    width = max(width, right + 3.4, 0.1 * len(title))
    picture = Picture(width, max(height, 0.55 + top + LEGEND * (len(groups) + 2)), title=title)
    plot = _axes(picture, axes, top, right + 0.1)
    plot.set(xlim=limits[0], ylim=limits[1])
    inside = {name: points[_within(points, limits)] for name, points in groups.items()}
    points = np.concatenate(list(inside.values()))
    best = front(*points.T) if len(points) else np.zeros(0, bool)
    _stairs(plot, points[best], limits)
    for number, (name, group) in enumerate(inside.items()):
        _group(plot, group, number, name == marked)
    _legend(picture, list(groups), marked, width - right, top)
    picture.alt = _words(title, axes, inside)
    return picture


def _pair(costs, scores):
    costs, scores = (
        _check.finite(name, _check.floats(name, a, "m"))
        for name, a in (("costs", costs), ("scores", scores))
    )
    if costs.ndim != 1 or costs.shape != scores.shape:
        raise ValueError(
            f"costs and scores must have the same shape (m,), got {costs.shape} and {scores.shape}"
        )
    return costs, scores


def _checked(groups, marked):
    """groups as name -> (m, 2), the names as text; marked as one of the names, or None."""
    if not isinstance(groups, dict) or not groups:
        raise ValueError(
            "groups must be a dict name -> (m, 2) cost and score, with at least one name"
        )
    if len(groups) > len(SHAPES):
        raise ValueError(
            f"groups must have at most {len(SHAPES)} names, one for each shape of mark, got"
            f" {len(groups)}"
        )
    found = {}
    for name, points in groups.items():
        points = np.atleast_2d(
            _check.finite(f"groups[{name!r}]", _check.floats(f"groups[{name!r}]", points, "xy"))
        )
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(
                f"groups[{name!r}] must have the shape (m, 2), cost and score, got {points.shape}"
            )
        found[str(name)] = points
    if marked is not None and str(marked) not in found:
        raise ValueError(
            f"marked must be one of the names, {', '.join(map(repr, found))}, got {marked!r}"
        )
    return found, None if marked is None else str(marked)


def _within(points, limits):
    (left, right), (low, high) = limits
    return (
        (points[:, 0] >= left)
        & (points[:, 0] <= right)
        & (points[:, 1] >= low)
        & (points[:, 1] <= high)
    )


def _looks(number):
    return {"color": colour("lines")[number % len(colour("lines"))], "marker": SHAPES[number]}


def _stairs(plot, best, limits):
    """What can be had for each cost: level until the next design of the front, then up."""
    if len(best):
        best = best[np.argsort(best[:, 0])]
        across = [best[0, 0], *best[:, 0], limits[0][1]]
        up = [limits[1][0], *best[:, 1], best[-1, 1]]
        plot.step(
            across,
            up,
            where="post",
            color=colour("hatch"),
            linewidth=5,
            solid_capstyle="butt",
            zorder=1,
        )


def _group(plot, points, number, large):
    look, rim = _looks(number), colour("ink") if large else colour("paper")
    if len(points) > 1:
        plot.plot(
            *points.T,
            color=look["color"],
            linewidth=1,
            linestyle=STYLES[number % len(STYLES)],
            zorder=2,
        )
    plot.plot(
        *points.T,
        linestyle="",
        markersize=12 if large else 7,
        markeredgecolor=rim,
        clip_on=False,
        zorder=4 if large else 3,
        **look,
    )


def _legend(picture, names, marked, x, top):
    """The marks with their names at the right, and the line of the front below them."""
    for number, name in enumerate(names):
        y, large = top + LEGEND * (number + 0.5), name == marked
        rim = colour("ink") if large else colour("paper")
        picture.sheet.plot(
            [x + 0.05],
            [y],
            linestyle="",
            markersize=9 if large else 7,
            markeredgecolor=rim,
            **_looks(number),
        )
        picture.write(
            x + 0.2,
            y,
            name,
            size=8.5,
            weight="bold",
            color=_looks(number)["color"],
            va="center_baseline",
        )
    y = top + LEGEND * (len(names) + 1)
    picture.sheet.plot(
        [x - 0.05, x + 0.13], [y, y], color=colour("hatch"), linewidth=5, solid_capstyle="butt"
    )
    picture.write(x + 0.2, y, "front", size=8.5, color=colour("faint"), va="center_baseline")


def _words(title, axes, groups):
    """Each group's first and last design, and who is on the front."""
    points = np.concatenate(list(groups.values()))
    best = front(*points.T) if len(points) else np.zeros(0, bool)
    ends = np.cumsum([len(group) for group in groups.values()])
    leaders = [name for name, found in zip(groups, np.split(best, ends[:-1])) if found.any()]
    said = [
        f"{name}: {'; '.join(f'{score:.2f} for {cost:.3f}' for cost, score in group) or 'outside'}."
        for name, group in groups.items()
    ]
    return (
        f"{title or 'Designs'}: {axes[1]} against {axes[0]}. On the front:"
        f" {', '.join(leaders) or 'none'}. " + " ".join(said)
    )


@on_paper
def panels(mask, *, title="", width=4.6) -> Picture:
    """Small maps of a design, a row for each layer and a column for each head: green may be looked
    at.

    mask   boolean (layers, heads, n, n)
    """
    mask = _check.allowed("mask", mask)
    if mask.ndim != 4 or mask.shape[-1] != mask.shape[-2] or 0 in mask.shape:
        raise ValueError(f"mask must have the shape (layers, heads, n, n), got {mask.shape}")
    layers, heads, *_ = mask.shape
    left, top, shares = 0.62, 0.34 + 0.3 * bool(title), mask.mean(axis=(-2, -1))  # (layers, heads)
    side = min((width - left - 0.1) / heads - 0.1, 2.0)
    picture = Picture(width, top + layers * (side + 0.3) + 0.42, title=title)
    pixels = np.array([to_rgb(colour("blocked")), to_rgb(colour("allowed"))])
    for layer, head in np.ndindex(layers, heads):
        x, y = left + head * (side + 0.1), top + layer * (side + 0.3)
        picture.place(pixels[mask[layer, head].astype(int)], x, y, side, side)
        if layer == 0:
            picture.write(
                x + side / 2,
                y - 0.06,
                f"head {head}",
                size=8.5,
                weight="bold",
                ha="center",
                va="bottom",
            )
        if head == 0:
            picture.write(
                left - 0.08,
                y + side / 2,
                f"layer {layer}",
                size=8.5,
                weight="bold",
                ha="right",
                va="center_baseline",
            )
        picture.write(
            x + side / 2,
            y + side + 0.03,
            f"{shares[layer, head]:.1%}",
            size=7.5,
            ha="center",
            va="top",
            color=colour("faint"),
        )
    for line, words in enumerate(
        (
            f"green: may attend, {mask.mean():.1%} of all pairs",
            "rows: who looks, columns: who is looked at",
        )
    ):
        picture.write(
            left,
            picture.get_figheight() - 0.2 + 0.12 * line,
            words,
            size=7.5,
            va="bottom",
            color=colour("faint"),
        )
    said = "; ".join(
        f"layer {layer}, head {head}: {share:.1%}"
        for (layer, head), share in np.ndenumerate(shares)
    )
    picture.alt = f"{title or 'Design'}: {mask.mean():.1%} of all pairs may attend. {said}."
    return picture
