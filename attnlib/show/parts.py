"""The parts that pictures are made of: matrices of cells, alone or side by side, and what their
colours mean.
"""

import textwrap

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.image import BboxImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox

from attnlib import _check
from attnlib.show.labels import axis_names, printable
from attnlib.show.sheet import (
    DPI,
    HALF,
    MARGIN,
    PAGE,
    PART,
    SMALL,
    Picture,
    colour,
    ink_on,
    line,
    text_width,
    under,
    wide,
)

CELL_NUMBERS = 16  # up to so many columns, cells show their numbers
CELL_LABELS = 60  # up to so many tokens, each token is named
FEW = 24  # where there are more keys, their even share has no colour to speak of
LEAST, EVEN = 0.02, 0.012  # what is not printed; what differs less is even
HIGH, WIDE, LOW = 0.36, 2, 0.18  # inches of a row, at most; cells so often as wide; a row of words
GAP = 0.07  # inches between cells and words
CORNER = 14 / 72, 26 / 72  # inches above the cells: what rows are called, what columns are called
BESIDE, STEP = 0.25, 1.35  # inches between two maps, and of a map with its name, at least
LEAST_CELLS = 0.4  # inches of a map without its names, at least
PANELS = 4  # maps side by side
ALONE, TOGETHER = 4.4, 2.7  # inches: how high a map may be, alone or in a row of maps
FOOT = 0.36  # inches below the cells for what their colours mean
HATCH = 8  # dots from one line of the hatch to the next
RAMP = 0.5, 0.1  # inches of a legend's colours
MARK = 10 / DPI  # inches of the mark of an even cell, at most
WORDS = ("looks (query)", "is looked at (key)")
RAMPS = {None: "weights", "weight": "weights", "value": "values", "count": "counts"}  # of a kind


class Grid:
    """A matrix with names for its rows and columns, ready to be put on a sheet."""

    gaps = False  # paper between the cells
    words = ("allowed", "not allowed")  # what the cells of a mask mean

    def __init__(self, name, data, tokens, key_tokens, mask, signed, vmax, kind=None):
        self.data = matrix(name, data, 2)
        self.shape, self.signed, self.kind = self.data.shape, signed, kind
        self.tokens = axis_names("tokens", tokens, self.shape[0], printable)
        if key_tokens is None and self.shape[0] == self.shape[1]:
            key_tokens = tokens
        self.key_tokens = axis_names("key_tokens", key_tokens, self.shape[1], printable, "n_k")
        self.blocked = np.zeros(self.shape, bool)
        if mask is not None:
            mask = _check.allowed("mask", mask)
            while mask.ndim > 2 and len(mask) == 1:
                mask = mask[0]
            self.blocked = ~np.broadcast_to(_check.broadcasts("mask", mask, self.shape), self.shape)
        if vmax is None:
            shown = self.data[np.isfinite(self.data)]
            largest = max(float(np.abs(shown).max(initial=0)), 1e-12)
            vmax = largest if signed or kind in ("value", "count") else 1.0
        self.vmax = _check.positive("vmax", vmax)
        self.colours = LinearSegmentedColormap.from_list(
            "course", colour("signed" if signed else RAMPS[kind])
        )
        self.scale = Normalize(-self.vmax if signed else 0, self.vmax)

    # ---- numbers and geometry ----

    def label_width(self, axis, size=SMALL):
        """Inches that the names need at the left (0), or above, slanted (1)."""
        names = (self.tokens, self.key_tokens)[axis]
        longest = max(text_width(name, size, "normal") for name in names[: CELL_LABELS + 1])
        if len(names) > CELL_LABELS:
            longest = text_width(f"{len(names)}", size, "normal")
        return longest + GAP if axis == 0 else (longest + line(size)) * 0.71 + GAP

    def left(self, axes=True, size=SMALL):
        """Inches that names and the words of the corner need at the left."""
        return max(self.label_width(0, size), *(text_width(w, size) + GAP for w in _corner(axes)))

    def above(self, wide, axes=True, size=SMALL):
        """Inches that names and the words of the corner need above cells of this width."""
        names = line(size) + GAP if self._level(wide, size) else self.label_width(1, size)
        return max(names, CORNER[1] + line(size) / 2 if axes else 0)

    def over(self, wide, size=SMALL):
        """Inches that the last name sticks out at the right of cells of this width."""
        if self._level(wide, size):
            return 0.0
        return max(text_width(self.key_tokens[-1], size, "normal") * 0.71 - wide / 2 + GAP, 0.0)

    def _level(self, wide, size):
        """Do the names of the columns fit side by side?"""
        names = self.key_tokens
        if len(names) > CELL_LABELS or _are_numbers(names):
            return True
        return max(text_width(name, size, "normal") for name in names) + GAP <= wide

    def shares(self, axes, sums=False):
        """Does each row share out 1? As its kind says, or else its names and its sums."""
        if self.signed or self.kind is not None:
            return self.kind == "weight"
        return axes in (True, False, None) or bool(sums)

    def even(self):
        """Which rows share out 1 among all that they may see alike. (n_q,)"""
        if self.signed or self.vmax != 1 or self.shape[1] > FEW:
            return np.zeros(self.shape[0], bool)
        total = np.where(self.blocked, 0, self.data).sum(axis=1)
        return even_rows(self.data, ~self.blocked) & (np.abs(total - 1) < 0.01)

    def wrong(self):
        """Weights where none is allowed. (n_q, n_k)"""
        return self.blocked & (self.data != 0) & (not self.signed)

    def numbers(self, cell, *, shares=True, every=False):
        """(i, j) -> the number that stands there, for cells in which it says something; None where
        the cells have no room for numbers. `every` for all cells.

        shares   rows share out 1: what is 0, or even, says nothing; of other numbers each is said,
                 but for features (kind "value") that are 0
        """
        if self.shape[1] > CELL_NUMBERS or cell[1] < 1.15 * SMALL / 72:
            return None
        shares = shares and not self.signed
        says = np.abs(self.data) >= 0.005
        if shares and self.vmax == 1:
            says = (self.data > LEAST) & ~self.even()[:, None]
        elif not shares and self.kind != "value":
            says = np.ones(self.shape, bool)
        wrong = self.wrong()
        says = (says | every | np.isnan(self.data)) & ~self.blocked | wrong
        counted = self.signed or self.kind == "count" or (self.vmax > 1 and not shares)
        whole = counted and np.array_equal(self.data, np.round(self.data))
        written = {(i, j): number(self.data[i, j], whole) for i, j in np.argwhere(says)}
        small = wrong & (self.data > 0) & (self.data < 0.005)  # a leak is never 0
        written |= {(i, j): "<.01" for i, j in np.argwhere(small)}
        widest = max([text_width(t, SMALL, "normal") for t in {*written.values(), ".00"}])
        return written if widest + 0.03 <= cell[0] else None

    def pooled(self):
        """The cells, or where they are smaller than a dot on the screen, the largest of each few:
        none gets lost.
        """
        tall, wide = (int(np.ceil(0.016 / size)) for size in self.cell[::-1])
        if tall == wide == 1:
            return self.data, self.blocked

        def few(largest, cells):
            cells = largest.reduceat(cells, np.arange(0, self.shape[0], tall), axis=0)
            return largest.reduceat(cells, np.arange(0, self.shape[1], wide), axis=1)

        data = np.where(self.blocked, 0, self.data) if self.signed else self.data
        most, blocked = few(np.maximum, data), few(np.logical_and, self.blocked)
        least = few(np.minimum, data) if self.signed or data.min() < 0 else most
        return np.where(-least > most, least, most), blocked

    # ---- drawing ----

    def draw(
        self,
        picture,
        x,
        y,
        cell,
        *,
        size=SMALL,
        sums=False,
        counts=False,
        numbers=True,
        rows=True,
        columns=True,
        axes=True,
    ):
        """The cells with their top left corner at (x, y) inches, and whatever is asked for around
        them.

        sums      True: of every row; None: of rows that do not add up to 1
        numbers   where they say something; or (i, j) -> text, or None for nowhere
        axes      what rows and columns are called, True: they look and are looked at
        """
        self.cell = cell if isinstance(cell, tuple) else (cell, cell)
        width, height = self.cell[0] * self.shape[1], self.cell[1] * self.shape[0]
        shares = self.shares(axes, sums)
        data, blocked = self.pooled()
        image = self.colours(self.scale(data))
        # a weight there keeps its colour
        image[blocked & ((data == 0) | self.signed)] = to_rgba(colour("blocked"))
        image[np.isnan(data)] = to_rgba(colour("nan"))
        even = self.even() if shares else np.zeros(self.shape[0], bool)
        if even.any():
            image[even[:, None] & ~blocked] = to_rgba(colour("paper"))
        picture.place(image, x, y, width, height)
        picture.sheet.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor=colour("hatch"), linewidth=0.8)
        )
        self._hatch(picture, x, y, blocked)
        self._marks(picture, x, y, even)
        if self.gaps and min(self.cell) > 0.08:
            self._gaps(picture, x, y, width, height)
        if numbers is True:
            numbers = self.numbers(self.cell, shares=shares)
        for (i, j), text in (numbers or {}).items():
            middle = x + (j + 0.5) * self.cell[0], y + (i + 0.5) * self.cell[1]
            ink = ink_on(image[i, j])
            picture.write(*middle, text, color=str(ink), ha="center", va="center_baseline")
        if rows:
            self._rows(picture, x - GAP, y, size)
        if columns:
            self._columns(picture, x, y - GAP, size)
        if axes:
            self.corner(picture, x, y, axes, size)
        if (sums is not False or counts) and self.shape[0] <= CELL_LABELS:
            self._right_edge(picture, x + width + GAP, y, size, sums, counts)

    def corner(self, picture, x, y, axes=True, size=SMALL):
        """What rows and columns are called, in the corner between their names."""
        inks = (colour("query_text"), colour("key_text")) if axes is True else (None, None)
        for words, high, ink in zip(_corner(axes), CORNER, inks):
            look = {"size": size, "weight": "bold", "ha": "right", "va": "center", "color": ink}
            picture.write(x - GAP, y - high, words, **look)

    def _marks(self, picture, x, y, even):
        """Thin marks at 1/n in rows that look at all alike."""
        if min(self.cell) * DPI < 5:
            return
        i, j = np.nonzero(even[:, None] & ~self.blocked)
        wide = min(0.4 * self.cell[0], MARK)
        across, low = x + (j + 0.5) * self.cell[0] - wide / 2, y + (i + 0.7) * self.cell[1]
        ends = np.stack([across, low, across + wide, low], axis=-1)
        picture.sheet.add_collection(
            LineCollection(
                ends.reshape(-1, 2, 2), colors=colour("hatch"), linewidths=0.75, antialiaseds=False
            ),
            autolim=False,
        )

    def _gaps(self, picture, x, y, width, height):
        across = [x + j * self.cell[0] for j in range(1, self.shape[1])]
        down = [y + i * self.cell[1] for i in range(1, self.shape[0])]
        lines = [[(a, y), (a, y + height)] for a in across] + [
            [(x, b), (x + width, b)] for b in down
        ]
        picture.sheet.add_collection(
            LineCollection(lines, colors=colour("paper"), linewidths=0.75, antialiaseds=False),
            autolim=False,
        )

    def _hatch(self, picture, x, y, blocked):
        """Slanted lines, dot by dot, over what is not allowed; one line around weights there."""
        wrong = self.wrong()
        if min(self.cell) >= 0.02 and wrong.any():  # pooled cells are no cells of their own
            blocked = blocked & ~wrong
            inside = np.pad(wrong, 1)
            down = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])[:, None] + [[0, 0], [1, 0]]
            level = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])[:, None] + [[0, 0], [0, 1]]
            edges = np.concatenate([down, level])[..., ::-1] * self.cell + (x, y)
            look = {"colors": colour("nan"), "linewidths": 1.6, "capstyle": "projecting"}
            picture.sheet.add_collection(LineCollection(edges, **look), autolim=False)
        if blocked.any():
            size = self.cell[1] * self.shape[0], self.cell[0] * self.shape[1]
            down, across = (np.arange(max(round(one * DPI), 1)) for one in size)
            rows = down * blocked.shape[0] // len(down)
            columns = across * blocked.shape[1] // len(across)
            drawn = ((down[:, None] + across) % HATCH == 0) & blocked[rows][:, columns]
            lines = np.where(drawn[..., None], to_rgba(colour("hatch")), 0.0)
            there = Bbox([[x, y + size[0]], [x + size[1], y]])
            there = TransformedBbox(there, picture.sheet.transData)
            image = BboxImage(there, interpolation="nearest", zorder=2)
            image.set_data(lines[::-1])
            picture.sheet.add_artist(image)

    def _rows(self, picture, x, y, size):
        look = {"size": size, "ha": "right", "va": "center"}
        for i, name in _some(self.tokens, self.cell[1], size):
            picture.write(x, y + (i + 0.5) * self.cell[1], name, **look)

    def _columns(self, picture, x, y, size):
        if self._level(self.cell[0], size):
            look, room = {"size": size, "ha": "center", "va": "bottom"}, self.cell[0]
            names = _edge(self.key_tokens)
            if _are_numbers(names):  # side by side they need their width, not a line
                room *= size * 1.3 / 72 / (text_width(names[-1], size, "normal") + 2 * GAP)
        else:
            look = {"size": size, "ha": "left", "va": "bottom", "rotation": 45}
            look["rotation_mode"], room = "anchor", 0.85 * self.cell[0]  # slanted they stand closer
        for j, name in _some(self.key_tokens, room, size):
            picture.write(x + (j + 0.5) * self.cell[0], y, name, **look)

    def _right_edge(self, picture, x, y, size, sums, counts):
        """The sums of the rows, or how many keys each may look at."""
        total = (~self.blocked).sum(axis=1) if counts else self.data.sum(axis=1)
        right = counts | (np.abs(total - 1) < 0.005) | ((total == 0) & self.blocked.all(axis=1))
        shown = [i for i in range(len(total)) if sums or counts or not right[i]]
        every = (
            int(np.ceil(line(size) / self.cell[1])) if counts and _are_numbers(self.tokens) else 1
        )
        alike = counts and len(total) > 1 and len(set(total)) == 1
        for i in shown[:1] if alike else shown[::every]:
            text = (
                f"all {total[i]:d}" if alike else f"{total[i]:d}" if counts else f"{total[i]:.2f}"
            )
            ink = colour("faint" if right[i] else "nan")
            middle = y + (i + 0.5) * self.cell[1]
            picture.write(x, middle, text, size=size, va="center_baseline", color=ink)
        if shown:
            word = "keys" if counts else "sum"
            picture.write(x, y - GAP, word, size=size, color=colour("faint"), va="bottom")

    def area(self, cell, where, text):
        """The place on the cells that are meant, (n_q, n_k), with room for a text: (x, y, width,
        height) in inches from the corner, or None.
        """
        size = text_width(text, SMALL, "normal") + 0.1, line(SMALL)
        wide, high = (int(np.ceil(one / two)) for one, two in zip(size, cell))
        if high > self.shape[0] or wide > self.shape[1]:
            return None
        total = np.pad(where.cumsum(axis=0, dtype=np.int32).cumsum(axis=1), ((1, 0), (1, 0)))
        inside = total[:, wide:] - total[:, :-wide]  # of runs in a row, and all rows above
        rows, columns = np.nonzero(inside[high:] - inside[:-high] == wide * high)
        if not len(rows):
            return None
        i, j = rows[0], columns[rows == rows[0]][-1]  # the uppermost, of these the rightmost
        x, y = (j + wide / 2) * cell[0] - size[0] / 2, (i + high / 2) * cell[1] - size[1] / 2
        return x, y, *size

    def describe(self, top=3, axes=("queries", "keys")):
        """The strongest cells in words, for readers who do not see the picture."""
        shown = np.where(np.isnan(self.data), -1, np.abs(self.data)).ravel()
        best = _largest(shown, min(top, np.isfinite(self.data).sum()))
        pairs = [np.unravel_index(b, self.shape) for b in best]
        strongest = ", ".join(
            f"{self.tokens[i]} → {self.key_tokens[j]} {self.data[i, j]:.2f}" for i, j in pairs
        )
        more = (
            f"; {int(np.isnan(self.data).sum())} cells are NaN" if np.isnan(self.data).any() else ""
        )
        if len(leaks := self.data[self.wrong()]):
            more += f"; where none is allowed, at most {np.nanmax(leaks):.2g}"
        if empty := int((self.blocked.all(axis=1) & ~self.wrong().any(axis=1)).sum()):
            more += f"; {axes[0]} without any of the {axes[1]}: {empty}"
        strongest = f"strongest {strongest}" if strongest else "no numbers"
        return f"{self.shape[0]} {axes[0]} × {self.shape[1]} {axes[1]}, {strongest}{more}."


def even_rows(weights, allowed):
    """Which rows look at all that they may see alike. (n_q,)"""
    low = np.where(allowed, weights, np.inf).min(axis=1)
    high = np.where(allowed, weights, -np.inf).max(axis=1)
    return (high - low < EVEN) & (allowed.sum(axis=1) > 1)


def sized(shape, wide, high):
    """A cell in inches, where all of them may take so much: at most twice as wide as high; whole
    dots, if there are some.
    """
    tall = min(high / shape[0], HIGH)
    across = min(wide / shape[1], WIDE * tall)
    tall = min(tall, max(across, LOW))
    return whole(across), whole(tall)


def whole(inches):
    """A side of a cell in whole dots, if it has three: all cells are alike."""
    return np.floor(inches * DPI) / DPI if inches * DPI >= 3 else inches


def dots(inches):
    """A distance in whole dots: what stands there is sharp."""
    return np.ceil(inches * DPI - 1e-6) / DPI


def _largest(values, n):
    """Places of the n largest of many values (m,), the largest first, of equal ones the first."""
    if not n:
        return []
    least = np.partition(values, -n)[-n]
    above, alike = np.flatnonzero(values > least), np.flatnonzero(values == least)[:n]
    return [*above[np.argsort(-values[above], kind="stable")], *alike][:n]


def _edge(names):
    """Names as they stand at an edge: of many tokens, their places."""
    return [str(i) for i in range(len(names))] if len(names) > CELL_LABELS else names


def _some(names, room, size):
    """(place, name) of as many names as fit without touching; of numbers, at even steps."""
    n, names = len(names), _edge(names)
    if _are_numbers(names):
        least = max(size * 1.3 / 72 / room, n / 6 if n > CELL_LABELS else 1)
        every = next(s for k in range(9) for s in (10**k, 2 * 10**k, 5 * 10**k) if s >= least)
    else:  # a word is missed, a number is not
        every = int(np.ceil(size * 1.05 / 72 / room))
    return [(i, names[i]) for i in range(0, n, every)]


def number(value, whole=False):
    """A number as it stands in a cell: .85, −2.50, 12.3, 0"""
    if np.isnan(value) or value == 0:
        return "NaN" if value else "0"
    value = 0 if abs(value) < 0.005 else value  # not -.00
    text = f"{value:.0f}" if whole else f"{value:.1f}" if abs(value) >= 9.95 else f"{value:.2f}"
    text = text.replace("0.", ".", 1) if abs(value) < 0.995 else text
    return text.replace("-", "−")


def _corner(axes):
    """What rows and columns are called, as it stands in the corner between their names."""
    who, whom = WORDS if axes in (True, False) else axes
    return f"{who} ↓", f"{whom} →"


def _are_numbers(names):
    return all(str(name).isdigit() for name in names)


def mask_grid(mask, tokens, key_tokens, words=Grid.words):
    """A mask as a grid: what may be looked at in slate, off the scale of the weights. words: what
    its two kinds of cells mean.
    """
    mask = _check.allowed("mask", mask)
    grid = Grid("mask", mask.astype(float), tokens, key_tokens, mask, False, 1)
    grid.colours = LinearSegmentedColormap.from_list("mask", [colour("blocked"), colour("allowed")])
    grid.gaps, grid.words = True, words
    return grid


def legend(picture, x, y, grid):
    """What the colours mean, in numbers: 0 ▮▮▮▮ 1. -> where it ends"""
    most = f"{grid.vmax:.2g}"
    least, look = f"−{most}" if grid.signed else "0", {"va": "center", "color": colour("faint")}
    start = x + text_width(least, SMALL, "normal") + GAP
    picture.write(x, y, least, **look)
    ramp = grid.colours(np.linspace(0, 1, 24))[None]
    picture.place(ramp, start, y - RAMP[1] / 2, *RAMP)
    picture.write(start + RAMP[0] + GAP, y, most, **look)
    return start + RAMP[0] + GAP + text_width(most, SMALL, "normal")


def said_once(picture, places, cell, y, *, ramps=True):
    """What colours and hatches mean, once: of a scale below the last matrix of it; of forbidden
    cells on them, or where some are too small, below.

    places   (grid, x, y) of each matrix; y: below all of them
    """
    last = {(grid.signed, grid.vmax): (grid, x) for grid, x, _ in places if ramps and not grid.gaps}
    free = places[0][1]
    for grid, x in last.values():
        end = legend(picture, x, y, grid)
        free = end + 0.2 if x == free else free
    for text, of, x, top, area in _areas(places, cell):
        fill = colour("allowed" if of else "blocked")
        if area:
            left, up, wide, high = area
            behind = Rectangle((x + left, top + up), wide, high, color=fill, linewidth=0)
            behind.set_zorder(2.5)  # on the hatch
            picture.sheet.add_patch(behind)
            middle = x + left + wide / 2, top + up + high / 2
            look = {"ha": "center", "color": str(ink_on(to_rgba(fill)))}
            picture.write(*middle, text, va="center_baseline", **look)
            continue
        hatch = None if of else "////"
        look = {"facecolor": fill, "edgecolor": colour("hatch"), "hatch": hatch, "linewidth": 0}
        picture.sheet.add_patch(Rectangle((free, y - RAMP[1] / 2), 0.16, RAMP[1], **look))
        picture.write(free + 0.16 + GAP, y, text, va="center", color=colour("faint"))
        free += 0.16 + 2 * GAP + text_width(text, SMALL, "normal") + 0.1


def foot(places, cell, *, ramps=True):
    """Inches below the cells for what `said_once` says there."""
    below = any(not grid.gaps for grid, _, _ in places) if ramps else False
    return FOOT if below or any(area is None for *_, area in _areas(places, cell)) else MARGIN


def _areas(places, cell):
    """(words, are they allowed?, x, y, area) of what must be said of cells, each once, all on cells
    or all below: there area is None.
    """
    found = []
    for of in (False, True):
        said = []
        for grid, x, y in places:
            where = ~grid.blocked & grid.gaps if of else grid.blocked & ~grid.wrong()
            if where.any():
                text = grid.words[not of]
                said.append((text, of, x, y, grid.area(cell, where, text)))
        found += sorted(said, key=lambda one: one[-1] is None)[:1]
    below = any(area is None for *_, area in found)
    return [(*one, None if below else area) for *one, area in found]


def alone(grid, title, axes=True, right=0.0, most=PAGE):
    """Where a matrix of its own stands: (left, top, cell, width of the sheet), on half a page if it
    fits; `right` inches are for words beside it, the sheet has `most`, more where names need it.
    """
    left = MARGIN + grid.left(axes)
    right = MARGIN + max(right, grid.over(HIGH))
    width = min(_page(max(left + right + HIGH * grid.shape[1], wide(title))), most)
    width = max(width, left + right + LEAST_CELLS)
    cell = sized(grid.shape, width - left - right, ALONE)
    return dots(left), dots(under(title) + grid.above(cell[0], axes)), cell, width


def _page(wide):
    """The width of a sheet for what is so wide: half a page, or a page."""
    return HALF if wide <= HALF else PAGE


def side_by_side(grids, names, title, *, notes=None, alt="", most=PAGE, axes=None) -> Picture:
    """Matrices side by side under their names, up to four to a row; what they share is said once.

    notes   a line for each, below its name; alt: what the picture shows, if not the strongest cells
    most    inches of the sheet; more where names need it
    axes    what rows and columns are called, if they do not look and are not looked at
    """
    axes = axes or True
    rows = -(-len(grids) // PANELS)
    across = -(-len(grids) // rows)
    shape = [max(grid.shape[axis] for grid in grids) for axis in (0, 1)]
    own = [_own_names(grids, k, across) for k in range(len(grids))]
    named = [grid for grid, (_, columns) in zip(grids, own) if columns]
    left = MARGIN + grids[0].left(axes)
    beside = max(
        [BESIDE + grid.label_width(0) for k, grid in enumerate(grids) if own[k][0] and k % across]
        + [BESIDE]
    )
    ends = [
        grid.over(HIGH) for k, grid in enumerate(grids) if own[k][1] and k % across == across - 1
    ]
    right = MARGIN + max(ends, default=0)
    room = max((most - left - right + beside) / across - beside, LEAST_CELLS)
    cell = sized(shape, room, ALONE if len(grids) == 1 else TOGETHER / rows**0.6)
    step = max(cell[0] * shape[1], min(STEP, room)) + beside
    lines = [_wrapped(name, step - GAP) for name in names]
    head = max(map(len, lines)) * line(PART) + (line(SMALL) if notes else 0)
    above = max(grid.above(cell[0], axes) for grid in named)
    again = above if any(own[k][1] for k in range(across, len(grids))) else GAP
    down = head + again + cell[1] * shape[0] + line(SMALL)
    top = under(title) + head + above
    places = [
        (grid, dots(left + k % across * step), dots(top + k // across * down))
        for k, grid in enumerate(grids)
    ]
    bottom = places[-1][2] + cell[1] * shape[0]
    end = left + step * across - beside + right
    width = min(_page(max(end, wide(title))), most)
    picture = Picture(max(width, end), bottom + foot(places, cell), title=title)
    for k, (grid, x, y) in enumerate(places):
        start = y - head - (above if k < across else again)
        for n, words in enumerate(lines[k]):
            picture.write(x, start + n * line(PART), words, size=PART, weight="bold", va="top")
        if notes:
            low = start + len(lines[k]) * line(PART)
            picture.write(x, low, notes[k], va="top", color=colour("faint"))
        rows_, columns = own[k]
        look = {"rows": rows_, "columns": columns, "axes": axes if k == 0 else False}
        grid.draw(picture, x, y, cell, numbers=False, **look)
    said_once(picture, places, cell, bottom + FOOT / 2)
    said = alt or " ".join(f"{name}: {grid.describe()}" for name, grid in zip(names, grids))
    picture.alt = f"{title or ('Side by side' if len(grids) > 1 else 'Heat map')}. {said}"
    return picture


def _own_names(grids, k, across):
    """Does this matrix need names of its own, for its rows, and its columns?"""
    if k == 0:
        return True, True
    columns = grids[k].key_tokens != grids[0].key_tokens
    if k % across == 0:
        return True, columns
    other = grids[k].key_tokens != grids[k - 1].key_tokens
    return other or grids[k].tokens != grids[k - 1].tokens, columns or other


def _wrapped(name, wide):
    """A name in lines that are not wider than so many inches; none of no name."""
    if not name:
        return []
    if text_width(name, PART) <= wide:
        return [name]
    letters = max(int(len(name) * wide / text_width(name, PART)), 8)
    return textwrap.wrap(name, letters, max_lines=3, placeholder=" …") or [""]


def matrix(name, value, ndim):
    array = _check.floats(name, value, " ".join("n" * ndim))
    if array.ndim != ndim or 0 in array.shape:
        axes = {2: "(n_q, n_k)", 3: "(heads, n_q, n_k)"}[ndim]
        raise ValueError(f"{name} must have the shape {axes}, got {array.shape}")
    return array
