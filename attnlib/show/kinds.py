"""What kind of head a head is, by its measures; and all heads of a model as a still picture."""

from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.parts import Grid
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    PART,
    THEMES,
    Picture,
    colour,
    ink_on,
    line,
    on_paper,
    text_width,
    under,
)
from attnlib.show.things import AMBER, BLUE, CRIMSON, SLATE, TEAL, VIOLET

MIXED = "mixed"
FAINT = 0.2  # how strong the colour of a head is whose habit is weakest
# What habits are known: a sign, a colour of the theme, from which share on they make a kind, and
# where such a look goes. In the order in which they are tried: where a head rests when it finds
# nothing comes last.
KNOWN = {
    "induction": (
        "↷",
        "query_text",
        0.3,
        "of its looks go to what followed last time, in a text that repeats",
    ),
    "same token": (
        "=",
        "value_text",
        0.3,
        "of its looks go to the same token earlier, in a text that repeats",
    ),
    "previous token": ("‹", BLUE, 0.3, "of its looks go one token back"),
    "next token": ("›", VIOLET, 0.3, "of its looks go one token ahead"),
    "itself": ("\\", "good", 0.3, "of its looks stay with the token itself"),
    "first token": ("|", "allowed", 0.5, "of its looks rest on the first token"),
    "separator": ("¦", SLATE, 0.5, "of its looks rest on the separator"),
    "broad": ("≈", "line", 0.6, "of all tokens share its looks"),
}
OTHERS = (TEAL, CRIMSON, AMBER)  # colours of habits that are not known here
WIDE, HIGH, SIDE = 5.9, 3.6, 3.2  # inches: all heads, at most, and a map
GAP, HEAD = 0.3, 0.2  # inches between two blocks of layers; above a map or a block


class Kind(NamedTuple):
    """How a kind of heads looks, and what it is."""

    name: str
    sign: str
    light: str
    dark: str
    what: str


def chosen(kinds, measures):
    """{name: least} of the kinds that are meant, in their order: those that are known, unless
    given.
    """
    if kinds is None:
        return {name: KNOWN[name][2] for name in KNOWN if name in measures}
    for name, least in _check.named("kinds", kinds, "from which share on").items():
        if name not in measures:
            raise ValueError(f"kinds has {name!r}, and measures has only {list(measures)}")
        _check.positive(f"kinds[{name!r}]", least)
    return {str(name): float(least) for name, least in kinds.items()}


def looks_of(names):
    """The `Kind` of each name, and of what is mixed."""
    others, found = iter([name for name in names if name not in KNOWN]), []
    places = {name: OTHERS[k % len(OTHERS)] for k, name in enumerate(others)}
    for name in names:
        sign, ink, _, what = KNOWN.get(
            name, (name[:1].upper(), places.get(name), 0, f"of its looks: {name}")
        )
        inks = [
            theme["lines"][ink] if isinstance(ink, int) else theme[ink] for theme in THEMES.values()
        ]
        found.append(Kind(name, sign, *inks, what))
    inks = [theme["blocked"] for theme in THEMES.values()]
    return [*found, Kind(MIXED, "·", *inks, "no measure reaches its limit")]


def kinds_of(measures, least):
    """The kind of each head, as its place in `least`, {name: from which share on}: the first whose
    measure is that large, or len(least) where none is. {name: (layers, heads)} -> (layers, heads)
    """
    found = np.full(next(iter(measures.values())).shape, len(least))
    for k, (name, limit) in reversed(list(enumerate(least.items()))):
        found[np.asarray(measures[name], np.float64) >= limit] = k
    return found


def blocks(layers, heads, wide, high):
    """In how many blocks of layers, side by side, the cells of all heads come out largest: what
    counts is the shorter side of a cell.
    """

    def side(count):
        return min(wide / (heads * count), high / -(-layers // count))

    return max(range(1, layers + 1), key=side)


@on_paper
def kinds_figure(measures, least, heads=(), maps=(), *, title="") -> Picture:
    """All heads by their kind, in a row for each layer, and maps of a few.

    measures  {name: (layers, heads)}; least {name: from which share on}
    heads     [(layer, head), …], at most two, which are framed
    maps      of each of them (weights (n, n), tokens, mask), or none
    """
    shape = next(iter(measures.values())).shape
    kinds, looks = kinds_of(measures, least), looks_of(list(least))
    dark = int(colour("paper") == THEMES["dark"]["paper"])
    inks = np.array([to_rgb((look.light, look.dark)[dark]) for look in looks])
    strong = np.full(shape, 0.6)
    for k, name in enumerate(least):
        strong = np.where(kinds == k, np.clip(measures[name], 0, 1), strong)
    strong = np.round(FAINT + (1 - FAINT) * strong, 1)[..., None]
    fills = strong * inks[kinds] + (1 - strong) * np.array(to_rgb(colour("paper")))

    counts = [f"{look.sign}  {look.name} {(kinds == k).sum()}" for k, look in enumerate(looks)]
    rows, x = [[]], MARGIN
    for k, text in enumerate(counts):
        far = text_width(text, weight="normal") + 0.25
        if x + far > PAGE - MARGIN:
            rows, x = [*rows, []], MARGIN
        rows[-1].append((x, text, k))
        x += far
    top = under(title) + 0.24 * len(rows) + line() + 0.08
    wide = WIDE if maps else PAGE - 2 * MARGIN
    count = blocks(*shape, wide, HIGH)
    down = -(-shape[0] // count)
    left = MARGIN + text_width(str(shape[0] - 1), weight="normal") + 0.08
    cell = (min(0.8, (wide - left - GAP * (count - 1)) / (shape[1] * count)), min(0.6, HIGH / down))
    tall = max(cell[1] * down, HIGH if maps else 0)
    picture = Picture(PAGE, top + tall + MARGIN, title=title)
    for number, row in enumerate(rows):
        for x, text, k in row:
            _key(picture, x, under(title) + 0.24 * number, text, inks[k])
    picture.write(left, top - line() / 2, "↓ layer, → head", color=colour("faint"), va="center")
    for block in range(count):
        part = slice(block * down, min((block + 1) * down, shape[0]))
        x = left + block * (shape[1] * cell[0] + GAP)
        _cells(picture, x, top, cell, fills[part], kinds[part], looks, block * down)
    signs = "AB" if len(heads) > 1 else [""]
    names = [f"{sign} layer {i}, head {j}".strip() for sign, (i, j) in zip(signs, heads)]
    for sign, (layer, head) in zip(signs, heads):
        x = left + layer // down * (shape[1] * cell[0] + GAP) + head * cell[0]
        _frame(picture, x, top + layer % down * cell[1], cell, sign)
    high = tall / max(len(maps), 1) - HEAD - 0.1
    for number, (name, one) in enumerate(zip(names, maps)):
        _map(picture, top - HEAD + number * tall / len(maps), high, name, *one)
    said = ", ".join(f"{look.name} {(kinds == k).sum()}" for k, look in enumerate(looks))
    shown = f" Maps: {' and '.join(names)}." if maps else ""
    picture.many_colours = True  # a colour pales in many steps
    picture.alt = (
        f"{title or 'Heads by kind'}: {shape[0]} layers × {shape[1]} heads; {said}.{shown}"
    )
    return picture


def _key(picture, x, y, text, ink):
    """A sign in its colour, and the name and number of its kind."""
    picture.sheet.add_patch(Rectangle((x, y), 0.17, 0.17, linewidth=0, facecolor=ink))
    sign, words = text.split("  ")
    how = {"ha": "center", "va": "center_baseline", "color": str(ink_on(ink))}
    picture.write(x + 0.085, y + 0.09, sign, weight="bold", **how)
    picture.write(x + 0.23, y + 0.09, words, va="center_baseline")


def _cells(picture, x, y, cell, fills, kinds, looks, first):
    """A block of layers: a cell for each head, with the sign of its kind where it can be read."""
    down, across = kinds.shape
    picture.place(fills, x, y, across * cell[0], down * cell[1])
    paper = {"color": colour("paper"), "linewidth": 1}
    picture.sheet.hlines(y + cell[1] * np.arange(1, down), x, x + across * cell[0], **paper)
    picture.sheet.vlines(x + cell[0] * np.arange(1, across), y, y + down * cell[1], **paper)
    inks, signs = ink_on(fills), min(cell) > 0.14
    for i in range(down):
        middle = y + (i + 0.5) * cell[1]
        if cell[1] > 0.13 or (first + i) % 5 == 0:
            look = {"ha": "right", "va": "center_baseline", "color": colour("faint")}
            picture.write(x - 0.05, middle, str(first + i), **look)
        for j in range(across if signs else 0):
            how = {"ha": "center", "va": "center_baseline", "color": str(inks[i, j])}
            sign = looks[kinds[i, j]].sign
            picture.write(x + (j + 0.5) * cell[0], middle, sign, **how)


def _frame(picture, x, y, cell, sign):
    """Around a head that is shown as a map, and which of two it is."""
    box = {"fill": False, "edgecolor": colour("ink"), "linewidth": 2, "zorder": 3}
    picture.sheet.add_patch(Rectangle((x, y), *cell, **box))
    if sign:
        corner = Rectangle((x, y), 0.11, 0.14, linewidth=0, facecolor=colour("ink"), zorder=3)
        picture.sheet.add_patch(corner)
        how = {"ha": "center", "va": "center_baseline", "color": colour("paper"), "zorder": 4}
        picture.write(x + 0.055, y + 0.07, sign, weight="bold", **how)


def _map(picture, y, high, name, weights, tokens, mask):
    """One head as a map, as large as there is room at the right."""
    grid = Grid("maps", weights, tokens, None, mask, False, 1)
    left = PAGE - MARGIN - SIDE + grid.label_width(0)
    picture.write(PAGE - MARGIN - SIDE, y, name, weight="bold", size=PART, va="top")
    cell = min((PAGE - MARGIN - left) / grid.shape[1], 0.3), min(high / grid.shape[0], 0.3)
    grid.draw(picture, left, y + HEAD + 0.02, cell, columns=False, axes=False, numbers=False)
