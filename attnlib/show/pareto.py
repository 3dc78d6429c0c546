"""Score against cost: every design a mark, and the front of those that nothing beats in both; and a
design as small maps.
"""

import numpy as np
from matplotlib.colors import to_rgb

from attnlib import _check
from attnlib.show.curves import edges, frame, on_sheet, settle, ticks
from attnlib.show.sheet import (
    HALF,
    MARGIN,
    PAGE,
    TEXT,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import SHAPES, along, around, farther, looks, near, spot

LEAST = 3.2  # inches of plot
GAP = 0.1  # inches between small maps
APART = np.array([-0.08, 0, 0.08, 0])  # inches that are free beside a name
BESIDE = 0.14  # inches from the plot to the threads of names at its right, and again to these
OUTSIDE = ": outside"  # behind the name of a family that has no design in the picture


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
    width=PAGE,
    height=3.8,
) -> Picture:
    """Designs by what they cost and what they reach; a band runs along the front of those that
    nothing beats. A family has its name at its cheapest design that has room for it, and else at
    the right.

    groups   name -> (m, 2) cost and score of each design: one design, or a family with a knob,
             joined in its order
    marked   a name: its designs are drawn large
    limits   ((low, high), (low, high)) of both axes; a design outside is left out, and does not
             count for the front
    """
    groups, marked = _checked(groups, marked)
    inside = {name: points[_within(points, limits)] for name, points in groups.items()}
    said = [name + OUTSIDE * (not len(points)) for name, points in inside.items()]
    right = 0.5 + max(text_width(one, TEXT) for one in said)
    top = under(title) + line() + 0.1
    tall = 0.6 + top + line(TEXT) * len(groups)
    picture = Picture(max(width, right + LEAST), max(height, tall), title=title)
    plot = frame(picture, axes, "", top, right, under(title))
    ticks(plot, np.array([0.5]))
    plot.set(xlim=limits[0], ylim=limits[1])
    settle(picture, plot)
    points = np.concatenate(list(inside.values()))
    best = front(*points.T) if len(points) else np.zeros(0, bool)
    stairs = _stairs(plot, points[best], limits)
    for name, look in looks(groups).items():
        _group(plot, inside[name], look, name == marked)
    places = {name: on_sheet(picture, plot, group) for name, group in inside.items()}
    box = edges(picture, plot) + (0.08, 0, 0, 0)  # clear of the numbers at the left
    _names(picture, box, places, on_sheet(picture, plot, stairs), marked)
    picture.alt = _words(title, axes, inside, marked)
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


def _stairs(plot, best, limits):
    """What can be had for each cost: level until the next design of the front, then up. -> its
    corners (m, 2)
    """
    if not len(best):
        return np.empty((0, 2))
    best = best[np.argsort(best[:, 0])]
    across = [best[0, 0], *best[:, 0], limits[0][1]]
    up = [limits[1][0], *best[:, 1], best[-1, 1]]
    how = {"color": colour("line"), "linewidth": 7, "solid_capstyle": "butt", "zorder": 1}
    plot.step(across, up, where="post", **how)
    return np.column_stack([np.repeat(across, 2)[1:], np.repeat(up, 2)[:-1]])


def _group(plot, points, look, large):
    color, dashes, shape = look
    if len(points) > 1:
        plot.plot(*points.T, color=color, linewidth=1, linestyle=dashes, zorder=2)
    _mark(plot, points.T, color, shape, large, zorder=4 if large else 3)


def _mark(plot, places, color, shape, large, **how):
    rim = colour("ink" if large else "paper")
    size = 12 if large else 7
    look = {"linestyle": "", "markersize": size, "markeredgecolor": rim, "clip_on": False}
    plot.plot(*places, color=color, marker=shape, **look, **how)


def _names(picture, box, places, stairs, marked):
    """The name of each family beside its first design that has room, the marked one first. Where
    there is none, a thread leads from a design to its name: farther off, or at the right.

    box   of the plot        places, stairs   on the sheet: name -> (m, 2), and (m, 2)
    """
    found, left = looks(places), []
    taken = np.concatenate(
        [around(along(path), 0.05) for path in (stairs, *places.values())]
        + [around(path, 0.08) for path in places.values()]
    )
    how = {"size": TEXT, "weight": "bold", "va": "center_baseline"}
    for name in sorted(places, key=lambda name: (name != marked, len(places[name]))):
        tries = near(places[name]) + farther(places[name])
        place = spot(text_width(name, TEXT), tries, taken, box, TEXT)
        if place is None:
            left.append(name)
            continue
        (x, y, ha), inside = place
        taken = np.concatenate([taken, inside[None] + APART])
        _thread(picture, places[name], inside, found[name][0])
        picture.write(x, y, name, color=found[name][0], ha=ha, **how)
    x = box[2] + 2 * BESIDE
    for number, name in enumerate(left):
        y, color = box[1] + line(TEXT) * (number + 0.5), found[name][0]
        _thread(picture, places[name], np.array([x - 0.04, y, x, y]), color)
        picture.write(x, y, name if len(places[name]) else f"{name}{OUTSIDE}", color=color, **how)
    if len(stairs):
        x, y = stairs[-1] - (0.05, 0)
        place = spot(
            text_width("the front"), [(x, y + d, "right") for d in (0.17, -0.17)], taken, box
        )
        if place:
            (x, y, ha), _ = place
            picture.write(x, y, "the front", color=colour("faint"), ha=ha, va="center_baseline")


def _thread(picture, points, box, color):
    """A line from the edge of a name's box to the nearest of its designs (m, 2), unless that is
    beside it.
    """
    ends = np.clip(points, box[:2], box[2:])
    far = np.hypot(*(ends - points).T)
    if len(far) and far.min() > 0.2:
        thread = np.array([points[far.argmin()], ends[far.argmin()]]).T
        picture.sheet.plot(*thread, color=color, linewidth=0.8)


def _words(title, axes, groups, marked):
    """Who is on the front, and the designs of each group, the marked one first."""
    points = np.concatenate(list(groups.values()))
    best = front(*points.T) if len(points) else np.zeros(0, bool)
    ends = np.cumsum([len(group) for group in groups.values()])
    leaders = [name for name, found in zip(groups, np.split(best, ends[:-1])) if found.any()]
    said = [
        f"{name}: {'; '.join(f'{score:.2f} for {cost:.3f}' for cost, score in group) or 'outside'}."
        for name, group in sorted(groups.items(), key=lambda one: one[0] != marked)
    ]
    return (
        f"{title or 'Designs'}: {axes[1]} against {axes[0]}. On the front:"
        f" {', '.join(leaders) or 'none'}. " + " ".join(said)
    )


@on_paper
def panels(mask, *, title="", width=HALF) -> Picture:
    """Small maps of a design, a row for each layer and a column for each head: what is filled may
    be looked at.

    mask   boolean (layers, heads, n, n)
    """
    mask = _check.allowed("mask", mask)
    if mask.ndim != 4 or mask.shape[-1] != mask.shape[-2] or 0 in mask.shape:
        raise ValueError(f"mask must have the shape (layers, heads, n, n), got {mask.shape}")
    layers, heads, *_ = mask.shape
    left = 2 * MARGIN + text_width(f"layer {layers - 1}")
    top, shares = under(title) + line() + 0.06, mask.mean(axis=(-2, -1))  # (layers, heads)
    side = min((width - left - MARGIN) / heads - GAP, 2.0)
    row = side + line() + GAP
    low = top + layers * row
    picture = Picture(width, low + 2 * line() + MARGIN, title=title)
    pixels = np.array([to_rgb(colour("blocked")), to_rgb(colour("allowed"))])
    for layer, head in np.ndindex(layers, heads):
        x, y = left + head * (side + GAP), top + layer * row
        picture.place(pixels[mask[layer, head].astype(int)], x, y, side, side)
        if layer == 0:
            picture.write(
                x + side / 2, y - 0.06, f"head {head}", weight="bold", ha="center", va="bottom"
            )
        if head == 0:
            picture.write(
                left - 0.08,
                y + side / 2,
                f"layer {layer}",
                weight="bold",
                ha="right",
                va="center_baseline",
            )
        picture.write(
            x + side / 2,
            y + side + 0.03,
            f"{shares[layer, head]:.1%}",
            ha="center",
            va="top",
            color=colour("faint"),
        )
    for number, words in enumerate(
        (
            f"filled: may attend, {mask.mean():.1%} of all pairs",
            "rows: who looks; columns: who is looked at",
        )
    ):
        picture.write(left, low + line() * number, words, va="top", color=colour("faint"))
    said = "; ".join(
        f"layer {layer}, head {head}: {share:.1%}"
        for (layer, head), share in np.ndenumerate(shares)
    )
    picture.alt = f"{title or 'Design'}: {mask.mean():.1%} of all pairs may attend. {said}."
    return picture
