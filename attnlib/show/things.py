"""A colour belongs to a thing, not to an order: who has which wherever lines, marks or bars have
names. And where a name finds room.
"""

import numpy as np

from attnlib.show.sheet import SMALL, colour, line

BLUE, AMBER, VIOLET, SLATE, TEAL, CRIMSON = range(6)  # places in colour("lines")
# told apart without colours, too
STYLES = (
    "-",
    (0, (5, 1.6)),
    (0, (1.4, 1.2)),
    (0, (5, 1.4, 1.2, 1.4)),
    (0, (9, 1.8)),
    (0, (5, 1.4, 1.2, 1.4, 1.2, 1.4)),
)
SHAPES = "os^Dv<>pXhP*"
# where the name of a mark may stand: inches to its right, downwards, and how it is aligned
NEAR = [(0.13, 0, "left"), (-0.13, 0, "right"), (0, -0.18, "center"), (0, 0.18, "center")]
NEAR += [(-0.1, -0.14, "right"), (0.1, -0.14, "left"), (0.1, 0.14, "left"), (-0.1, 0.14, "right")]
LEFT_OF = {"left": 0, "center": 0.5, "right": 1}  # of its place: so much of the text
CLEAR = 0.15  # inches from a name to a line that it does not name

# The things that several pictures of the course show; slate is what the others are compared with.
THINGS = {
    # positions
    **{"RoPE": BLUE, "rotary": BLUE, "ALiBi": AMBER, "sinusoidal": VIOLET, "none": SLATE},
    **{"t5": TEAL, "learned": CRIMSON},
    # where the norm stands; what scores are divided by
    **{"pre": BLUE, "post": AMBER, "q·k / √d": BLUE, "q·k": AMBER, "q·k / d": VIOLET},
    # who may look at whom
    **{"full": SLATE, "the whole past": SLATE, "band over n×n": SLATE},
    **{"local": BLUE, "window": BLUE, "wider window": BLUE},
    **{"bigbird": AMBER, "window + random": AMBER, "random keys": AMBER, "+ 1 random": AMBER},
    **{"global-local": VIOLET, "one global token": VIOLET, "+ 1 global": VIOLET},
    **{"streaming": TEAL, "+ 1 sink": TEAL, "window + stride": TEAL},
    **{"mine": CRIMSON, "this design": CRIMSON},
    # how it is computed
    **{"standard": SLATE, "with weights": SLATE, "weights": SLATE, "flash": BLUE},
    **{"all again": SLATE, "without a cache": SLATE, "with a cache": BLUE},
    # models and their parts
    **{"tiny-gpt": BLUE, "minilm": AMBER, "all alike": SLATE, "trained": BLUE, "shuffled": SLATE},
    **{"two layers": BLUE, "one layer": AMBER, "all heads": SLATE},
    **{"previous-token, layer 0": AMBER, "layer 0": AMBER},
    **{"induction, layer 1": VIOLET, "layer 1": VIOLET},
}


def _spelled(name):
    return name.lower().replace(" ", "")


_known = {_spelled(name): number for name, number in THINGS.items()}


def known(name):
    """Is it a thing that has its colour in every picture?"""
    return _spelled(name) in _known


def numbers(names):
    """A number for each name, as different as they can be: that of a thing wherever it is free, and
    the first free ones for the others. -> name -> number
    """
    found = {}
    for name in names:
        number = _known.get(_spelled(name))
        if number is not None and number not in found.values():
            found[name] = number
    free = (number for number in range(len(names)) if number not in found.values())
    return {name: found[name] if name in found else next(free) for name in names}


def looks(names):
    """The colour, the dashes and the mark of each name. -> name -> (colour, dashes, mark)"""
    inks = colour("lines")
    return {
        name: (
            inks[n % len(inks)],
            STYLES[(n + n // len(inks)) % len(STYLES)],
            SHAPES[n % len(SHAPES)],
        )
        for name, n in numbers(names).items()
    }


def fills(names, marked):
    """A colour for each of n bars or points: where some are marked, these stand out; where all are
    things, each has its own.
    """
    strong, quiet = colour("lines")[BLUE], colour("hatch")
    if marked:
        return [strong if i in marked else quiet for i in range(len(names))]
    if all(map(known, names)):
        return [ink for ink, *_ in looks(names).values()]
    return [strong] * len(names)


def along(points, step=0.06):
    """Points (m, 2) on a line through the points (n, 2), no further apart than `step`."""
    points = np.asarray(points, float).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return points
    far = np.concatenate([[0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    at = np.linspace(0, far[-1], int(min(far[-1] / step, 2000)) + 2)
    return np.column_stack([np.interp(at, far, axis) for axis in points.T])


def around(points, by=0.04):
    """Boxes (m, 4) of left, top, right and bottom around points (m, 2)."""
    points = np.asarray(points, float).reshape(-1, 2)
    return np.hstack([points - by, points + by])


def near(points):
    """Where the name of one of these points (m, 2) may stand, in the order to try, for `spot`."""
    return [(x + right, y + down, ha) for x, y in points for right, down, ha in NEAR]


def farther(points):
    """Where it may stand with a thread that leads to it, the nearest first."""
    ring = np.exp(1j * np.linspace(-0.5, 1.5, 16, endpoint=False) * np.pi)  # from above
    return [
        (x + step.real, y + step.imag, "right" if step.real < -0.1 else "left")
        for far in (0.35, 0.6, 0.9, 1.2)
        for x, y in points
        for step in far * ring
    ]


def clear(wide, places, others, size=SMALL):
    """Those of the places for `spot` whose text is CLEAR inches or more away from all points (m, 2)
    of other lines, the farthest first.
    """
    if not len(places):
        return []
    left, y = np.array([(x - wide * LEFT_OF[ha], y) for x, y, ha in places]).T[..., None]
    others, half = np.asarray(others, float).reshape(-1, 2), 0.375 * line(size)
    right = np.maximum(left - others[:, 0], others[:, 0] - left - wide)  # (places, m), inside < 0
    down = np.abs(y - others[:, 1]) - half
    far = np.hypot(np.maximum(right, 0), np.maximum(down, 0)).min(axis=1, initial=np.inf)
    return [places[i] for i in np.argsort(-far, kind="stable") if far[i] >= CLEAR]


def spot(wide, places, taken, edges, size=SMALL):
    """The first place where a text touches nothing. All in inches, y downwards.

    wide    of the text        places   (x, y, "left", "center" or "right") to try, y its middle
    taken   boxes (m, 4)       edges    the box that it must stay in
    returns (place, box), or None
    """
    taken, high = np.asarray(taken, float).reshape(-1, 4), 0.75 * line(size)
    for x, y, ha in places:
        left = x - wide * LEFT_OF[ha]
        box = np.array([left, y - high / 2, left + wide, y + high / 2])
        inside = (box[:2] >= edges[:2]).all() and (box[2:] <= edges[2:]).all()
        if inside and not ((box[:2] < taken[:, 2:]) & (box[2:] > taken[:, :2])).all(axis=1).any():
            return (x, y, ha), box
    return None
