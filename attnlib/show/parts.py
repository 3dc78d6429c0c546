"""The parts that pictures are made of: matrices of cells, and what the colours mean."""

import numpy as np
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.labels import axis_names, printable
from attnlib.show.sheet import KEY, QUERY, Picture, colour, ink_on, text_width

CELL_NUMBERS = 12  # up to so many columns, each cell shows its number
CELL_LABELS = 60  # up to so many tokens, each token is named


class Grid:
    """A matrix with names for its rows and columns, ready to be put on a sheet."""

    def __init__(self, name, data, tokens, key_tokens, mask, signed, vmax):
        self.data = matrix(name, data, 2)
        self.shape, self.signed = self.data.shape, signed
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
            vmax = max(float(np.abs(shown).max(initial=0)), 1e-12) if signed else 1.0
        self.vmax = _check.positive("vmax", vmax)
        self.colours = LinearSegmentedColormap.from_list(
            "course", colour("signed" if signed else "weights")
        )
        self.scale = Normalize(-self.vmax if signed else 0, self.vmax)

    def label_width(self, axis, size=9):
        """Inches that the names need at the left (0), or above, slanted (1)."""
        names = (self.tokens, self.key_tokens)[axis]
        if len(names) > CELL_LABELS:
            return 0.35
        longest = max(map(len, names)) * size * 0.0092
        return longest + 0.12 if axis == 0 else longest * 0.78 + 0.12

    def draw(
        self,
        picture,
        x,
        y,
        cell,
        *,
        size=9,
        sums=False,
        counts=False,
        numbers=True,
        rows=True,
        columns=True,
        axes=True,
    ):
        """The cells with their top left corner at (x, y) inches, and whatever is asked for around
        them.
        """
        self.cell = cell if isinstance(cell, tuple) else (cell, cell)
        width, height = self.cell[0] * self.shape[1], self.cell[1] * self.shape[0]
        data, blocked = self._pooled()
        image = self.colours(self.scale(data))
        # a weight there keeps its colour
        image[blocked & ((data == 0) | self.signed)] = to_rgba(colour("blocked"))
        image[np.isnan(data)] = to_rgba(colour("nan"))
        picture.place(image, x, y, width, height)
        picture.sheet.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor=colour("hatch"), linewidth=0.8)
        )
        self._hatch(picture, x, y)
        if numbers and self.shape[1] <= CELL_NUMBERS and min(self.cell) > 0.24:
            self._numbers(picture, x, y, size)
        if rows:
            middles = [(x - 0.07, y + (i + 0.5) * self.cell[1]) for i in range(self.shape[0])]
            self._labels(picture, self.tokens, middles, size, "right", 0)
        if columns:
            middles = [(x + (j + 0.5) * self.cell[0], y - 0.07) for j in range(self.shape[1])]
            self._labels(picture, self.key_tokens, middles, size, "left", 50)
        if axes:
            self._axes(picture, x, y, size, axes, height)
        if (sums or counts) and self.shape[0] <= CELL_LABELS:
            self._right_edge(picture, x + width + 0.08, y, size, counts)

    def _pooled(self):
        """The cells, or where they are smaller than a dot on the screen, the largest of each few:
        none gets lost.
        """
        tall, wide = (int(np.ceil(0.016 / size)) for size in self.cell[::-1])
        if tall == wide == 1:
            return self.data, self.blocked
        pad = [(0, -self.shape[0] % tall), (0, -self.shape[1] % wide)]
        rows, columns = -(-self.shape[0] // tall), -(-self.shape[1] // wide)
        data = np.pad(np.where(self.blocked & self.signed, 0, self.data), pad).reshape(
            rows, tall, columns, wide
        )
        low, high = data.min((1, 3)), data.max((1, 3))
        blocked = np.pad(self.blocked, pad, constant_values=True).reshape(rows, tall, columns, wide)
        return np.where(-low > high, low, high), blocked.all((1, 3))

    def _hatch(self, picture, x, y):
        if self.blocked.sum() > 40_000 or min(self.cell) < 0.02:  # too fine to be seen: plain grey
            return
        i, j = np.nonzero(self.blocked)
        low, high = (
            (x + j * self.cell[0], y + (i + 1) * self.cell[1]),
            (x + (j + 1) * self.cell[0], y + i * self.cell[1]),
        )
        lines = np.stack([np.stack(low, -1), np.stack(high, -1)], axis=1)
        picture.sheet.add_collection(
            LineCollection(lines, colors=colour("hatch"), linewidths=0.6), autolim=False
        )
        # a weight where none is allowed
        wrong = self.blocked & (self.data != 0) & (not self.signed)
        boxes = [
            Rectangle((x + c * self.cell[0], y + r * self.cell[1]), *self.cell)
            for r, c in np.argwhere(wrong)
        ]
        picture.sheet.add_collection(
            PatchCollection(boxes, facecolor="none", edgecolor=colour("nan"), linewidth=1.6),
            autolim=False,
        )

    def _numbers(self, picture, x, y, size):
        inks = ink_on(self.colours(self.scale(self.data)))
        whole = self.signed and np.array_equal(self.data, np.round(self.data))  # counts, not shares
        for (i, j), value in np.ndenumerate(self.data):
            if self.blocked[i, j] and (value == 0 or self.signed):
                continue
            value = 0 if abs(value) < 0.005 else value  # not -.00
            text = (
                "NaN"
                if np.isnan(value)
                else (
                    f"{value:.0f}"
                    if whole
                    else f"{value:.1f}"
                    if abs(value) >= 9.95
                    else f"{value:.2f}"
                )
            )
            text = text.replace("0.", ".", 1) if abs(value) < 0.995 else text
            middle = x + (j + 0.5) * self.cell[0], y + (i + 0.5) * self.cell[1]
            picture.write(
                *middle,
                text,
                size=size - 1.5,
                color=str(inks[i, j]),
                ha="center",
                va="center_baseline",
            )

    def _labels(self, picture, names, places, size, ha, angle):
        """As many names as fit without touching; beyond CELL_LABELS, positions."""
        room = self.cell[1] if angle == 0 else 0.85 * self.cell[0]  # slanted names stand closer
        # a word is missed, a number is not
        every = int(np.ceil(size * (1.3 if _are_numbers(names) else 1.05) / 72 / room))
        if len(names) > CELL_LABELS:
            names, every = range(len(names)), len(names) - 1
        for i in range(0, len(names), every):
            va = "center" if angle == 0 else "bottom"
            picture.write(
                *places[i],
                str(names[i]),
                size=size,
                ha=ha,
                va=va,
                rotation=angle,
                rotation_mode="anchor",
            )

    def tall(self, x, height, axes, size=9):
        """Inches from the top of the cells to the end of the name of the rows, which is written
        upwards beside them.
        """
        word = text_width(f"← {_words(axes)[0]}", size)
        # a long word over a low grid stands above the names, if it can
        return height if word < x - 0.17 else max(height, word)

    def _axes(self, picture, x, y, size, axes, height):
        """What the columns and the rows are: above their names, or for the rows upwards beside them
        where there is room.
        """
        who, whom = _words(axes)
        look = {
            "size": size,
            "weight": "bold",
            "va": "bottom",
            "color": QUERY if axes is True else None,
        }
        picture.write(
            x,
            y - self.label_width(1, size) - 0.06,
            f"{whom} →",
            **look | {"color": KEY if axes is True else None},
        )
        if text_width(f"← {who}", size) > self.tall(x, height, axes, size):
            picture.write(x - 0.07, y - 0.05, f"{who} ↓", ha="right", **look)
        else:
            left = x - self.label_width(0, size) - 0.08
            picture.write(
                left,
                y + self.tall(x, height, axes, size),
                f"← {who}",
                rotation=90,
                ha="right",
                **look,
            )

    def _right_edge(self, picture, x, y, size, counts):
        picture.write(
            x,
            y - 0.07,
            "keys" if counts else "sum",
            size=size - 1,
            color=colour("faint"),
            va="bottom",
        )
        every = (
            int(np.ceil((size - 1) * 1.3 / 72 / self.cell[1]))
            if counts and _are_numbers(self.tokens)
            else 1
        )
        for i, row in list(enumerate(self.data))[::every]:
            total = row.sum()
            text = f"{int((~self.blocked[i]).sum())}" if counts else f"{total:.2f}"
            right = counts or abs(total - 1) < 1e-3 or (total == 0 and self.blocked[i].all())
            place = y + (i + 0.5) * self.cell[1]
            size_here = min(size - 1, 72 * self.cell[1])
            picture.write(
                x,
                place,
                text,
                size=size_here,
                va="center_baseline",
                color=colour("faint") if right else colour("nan"),
            )

    def describe(self, top=3, axes=("queries", "keys")):
        """The strongest cells in words, for readers who do not see the picture."""
        shown = np.where(np.isnan(self.data), -1, np.abs(self.data))
        best = np.argsort(-shown, axis=None, kind="stable")[
            : min(top, np.isfinite(self.data).sum())
        ]
        pairs = [np.unravel_index(b, self.shape) for b in best]
        strongest = ", ".join(
            f"{self.tokens[i]} → {self.key_tokens[j]} {self.data[i, j]:.2f}" for i, j in pairs
        )
        more = (
            f"; {int(np.isnan(self.data).sum())} cells are NaN" if np.isnan(self.data).any() else ""
        )
        strongest = f"strongest {strongest}" if strongest else "no numbers"
        return f"{self.shape[0]} {axes[0]} × {self.shape[1]} {axes[1]}, {strongest}{more}."


def _words(axes):
    """What rows and columns are called: (who, whom)"""
    return ("query (who looks)", "key (who is looked at)") if axes is True else axes


def _are_numbers(names):
    return all(str(name).isdigit() for name in names)


def mask_grid(mask, tokens, key_tokens):
    """A mask as a grid: what may be looked at in one colour, off the scale of the weights."""
    mask = _check.allowed("mask", mask)
    grid = Grid("mask", mask.astype(float), tokens, key_tokens, mask, False, 1)
    grid.colours = LinearSegmentedColormap.from_list("mask", [colour("blocked"), colour("allowed")])
    return grid


def row_of_grids(grids, names, title):
    """Several matrices of the same size in one row, each with a colour bar of its own."""
    n_q, n_k = grids[0].shape
    cell = min((8.9 / len(grids) - 0.75) / n_k, 2.1 / n_q, 0.4)
    left, top = (
        0.5 + grids[0].label_width(0, 8),
        0.55 + 0.3 * bool(title) + grids[0].label_width(1, 8),
    )
    step = max(cell * n_k, 0.7) + 0.7
    picture = Picture(left + step * len(grids) + 0.1, top + max(cell * n_q, 1.3) + 0.2, title=title)
    for i, (grid, name) in enumerate(zip(grids, names)):
        x = left + i * step
        grid.draw(picture, x, top, cell, size=8, numbers=False, rows=i == 0, axes=i == 0)
        picture.write(x, top - grid.label_width(1, 8) - 0.26, name, weight="bold", size=9.5)
        colour_bar(picture, x + cell * n_k + 0.12, top, max(cell * n_q, 0.9), grid)
    picture.alt = f"{title or 'Side by side'}. " + " ".join(
        f"{name}: {grid.describe()}" for name, grid in zip(names, grids)
    )
    return picture


def colour_bar(picture, x, y, height, grid):
    """What the colours mean, as a strip with its two ends (and the middle) in numbers."""
    low = -grid.vmax if grid.signed else 0
    ramp = grid.colours(np.linspace(1, 0, 21))[:, None]
    picture.place(ramp, x, y, 0.12, height)
    for share, va in [(0, "bottom"), (0.5, "center"), (1, "top")]:
        value = low + share * (grid.vmax - low)
        picture.write(
            x + 0.17,
            y + height * (1 - share),
            f"{value:.2g}",
            size=7.5,
            va=va,
            color=colour("faint"),
        )


def matrix(name, value, ndim):
    array = _check.floats(name, value, " ".join("n" * ndim))
    if array.ndim != ndim or 0 in array.shape:
        axes = {2: "(n_q, n_k)", 3: "(heads, n_q, n_k)"}[ndim]
        raise ValueError(f"{name} must have the shape {axes}, got {array.shape}")
    return array
