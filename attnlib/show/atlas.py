"""All heads of a model at once: `mosaic`, each as a small square; `measure_figure`, each as one
number.
"""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.brought import brought
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import Grid, legend
from attnlib.show.sheet import (
    DPI,
    HALF,
    MARGIN,
    PAGE,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

SQUARE, GAP = 120, 3  # dots: the side of a square, at most, and the paper between two
FEW = 4  # up to so many heads have room on half a page
LIFT = 18  # dots for a name above a square
CELL, ROW = 0.66, 0.3  # inches of a number, at most
FRAME = 2.0  # points


@on_paper(captions=lambda name, value: value, marked=_check.row)
def mosaic(
    weights,
    tokens=None,
    *,
    mask=None,
    order=None,
    captions=None,
    marked=(),
    vmax=1.0,
    title="",
    width=9.5,
    batch=None,
) -> Picture:
    """All heads of a model as one image: a row for each layer, a column for each head, numbers from
    0.

    weights   (layers, heads, n_q, n_k), or what a model returned: a tuple of layers
    tokens    n_k names for the line below (numbers unless given); with many tokens the darkest cell
              of each few is drawn
    mask      boolean, True = may attend, broadcasts to (n_q, n_k): what is not allowed is grey
    order     numbers of heads, layer · heads + head: these squares alone, in this order, row by
              row, each with its name. `np.argsort(-measure, axis=None)` puts the largest first, and
              [:24] keeps so many
    captions  (layers, heads) strings or numbers to stand above the squares; numbers get two digits
    marked    pairs (layer, head): squares with a dark outline
    vmax      the weight of the darkest colour
    width     inches, at most
    batch     the text that is meant, where weights are those of several
    """
    weights, own, tokens, mask = brought(weights, key_tokens=tokens, mask=mask, batch=batch)
    tokens = own if tokens is None else tokens
    tiles = _Tiles(weights, tokens, mask, order, captions, marked, vmax)
    left = 2 * MARGIN + max(text_width(words) for words in tiles.edge())
    few = tiles.columns <= FEW
    tiles.fit(((min(width, HALF) if few else width) - left - MARGIN) * DPI)
    side, step_x, step_y = tiles.side, tiles.step, tiles.side + GAP + tiles.lift
    top = under(title) + 2 * line() + 0.03
    high = (tiles.rows * step_y - GAP) / DPI
    foot = 0.1 + line() * bool(marked) * (not tiles.lift)
    end = left + tiles.columns * step_x / DPI + MARGIN
    width = HALF if max(end, tiles.said_width() + left) <= HALF < width else max(end, width)
    lines = 3 if width == HALF else 2
    picture = Picture(width, top + high + lines * line() + foot + MARGIN, title=title)
    x, y = round(left * DPI), round(top * DPI)
    image = tiles.image(side, step_x, step_y)
    picture.place(image, x / DPI, y / DPI, image.shape[1] / DPI, image.shape[0] / DPI)
    tiles.write(picture, x, y, side, step_x, step_y)
    _legend(picture, left, top + high + foot, tiles)
    picture.alt = f"{title or 'All heads'}: {tiles.describe()}"
    return picture


class _Tiles:
    """The squares of a mosaic: checked, in their order, with what stands beside them."""

    def __init__(self, weights, tokens, mask, order, captions, marked, vmax):
        self.weights = _check.floats("weights", weights, "layers heads n_q n_k")
        if self.weights.ndim != 4 or 0 in self.weights.shape:
            wanted = "(layers, heads, n_q, n_k), with no axis of length 0"
            raise ValueError(f"weights must have the shape {wanted}; got {self.weights.shape}")
        layers, self.columns, _, n_k = self.weights.shape
        self.grid = Grid("weights", self.weights[0, 0], None, None, mask, False, vmax)
        self.tokens = axis_names("tokens", tokens, n_k, printable, "n_k")
        self.ordered, self.order = order is not None, _order(order, layers * self.columns)
        self.rows = -(-len(self.order) // self.columns)
        self.captions = _captions(captions, self.weights.shape[:2])
        self.marked = {self._number(pair) for pair in marked}
        self.masked = mask is not None
        named = self.ordered or self.captions is not None
        self.lift = LIFT if named else 0

    def edge(self):
        """What stands at the left edge."""
        rows = range(len(self.order) if self.ordered else self.rows)
        return ["layer ↓", *(f"{row + 1}." if self.ordered else str(row) for row in rows)]

    def _number(self, pair):
        if np.shape(pair) != (2,):
            raise ValueError(f"marked must be pairs (layer, head), got {pair!r}")
        layer = _check.integer("marked: layer", pair[0], minimum=0, maximum=len(self.weights) - 1)
        return layer * self.weights.shape[1] + _check.integer(
            "marked: head", pair[1], minimum=0, maximum=self.weights.shape[1] - 1
        )

    def fit(self, room):
        """The side of a square in dots, and from one to the next; in an order of their own, as
        many to a row as have room for their names.
        """
        n = max(self.weights.shape[2:])
        widest = max(text_width(self._name(number), weight="normal") for number in self.order)
        if self.ordered:
            most = int(room / max(widest * DPI + 2 * GAP, 1))
            self.columns = int(np.clip(most, 1, self.columns))
            self.rows = -(-len(self.order) // self.columns)
        side = max(min(SQUARE, int(room / self.columns) - GAP), 8)
        # whole dots for a cell, or whole cells for a dot
        self.side = side // n * n if n <= side else -(-n // -(-n // side))
        named = int(np.ceil(widest * DPI)) + 2 * GAP if self.ordered else 0
        self.step = max(self.side + GAP, named)

    def image(self, side, step_x, step_y):
        """All squares as one image, (dots, dots, 4)."""
        lift = step_y - side - GAP  # room for what stands above the squares
        image = np.empty((self.rows * step_y - GAP, self.columns * step_x - GAP, 4))
        image[:] = to_rgba(colour("paper"))
        for place, number in enumerate(self.order):
            row, column = divmod(place, self.columns)
            square = self._square(self.weights[divmod(number, self.weights.shape[1])], side)
            high, wide = square.shape[:2]
            down, right = row * step_y + lift, column * step_x
            image[down : down + high, right : right + wide] = square
        return image

    def _square(self, weights, side):
        """One head as an image: every cell some dots, or every dot the largest of some cells."""
        n_q, n_k = weights.shape
        blocked = self.grid.blocked
        few = -(-max(n_q, n_k) // side)
        if few > 1:
            pad = [(0, -n_q % few), (0, -n_k % few)]
            cut = (-(-n_q // few), few, -(-n_k // few), few)
            weights = np.pad(weights, pad).reshape(cut).max(axis=(1, 3))
            blocked = np.pad(blocked, pad, constant_values=True).reshape(cut).all(axis=(1, 3))
        square = self.grid.colours(self.grid.scale(weights))
        square[blocked & (weights == 0)] = to_rgba(colour("blocked"))
        square[np.isnan(weights)] = to_rgba(colour("nan"))
        dots = max(side // max(n_q, n_k), 1)
        return square.repeat(dots, axis=0).repeat(dots, axis=1)

    def write(self, picture, x, y, side, step_x, step_y):
        """Numbers of layers and heads at the edges, or names and captions above the squares; what
        is marked has a frame, and its name. x, y: dots.
        """
        lift = self.lift
        high, wide = (np.array(self._square(self.weights[0, 0], side).shape[:2]) / DPI).tolist()
        every = int(np.ceil((text_width("99", weight="normal") + 0.04) * DPI / step_x))
        for place, number in enumerate(self.order):
            row, column = divmod(place, self.columns)
            left, top = (x + column * step_x) / DPI, (y + row * step_y + lift) / DPI
            words = self._name(number)
            if words and text_width(words, weight="normal") <= (step_x - 1) / DPI:
                picture.write(left, top - 0.03, words, va="bottom")
            if column == 0:
                first = f"{place + 1}." if self.ordered else str(row)
                look = {"ha": "right", "va": "center_baseline"}
                picture.write(left - 0.08, top + high / 2, first, **look)
            if row == 0 and column % every == 0 and not self.ordered:
                middle, above = left + wide / 2, y / DPI - 0.03
                picture.write(middle, above, str(column), ha="center", va="bottom")
            if number in self.marked:
                self._mark(picture, number, left, top, wide, high)
        look = {"weight": "bold", "color": colour("faint"), "va": "bottom"}
        if self.ordered:
            picture.write(x / DPI, y / DPI - 0.03, "in this order →", **look)
        else:
            above = y / DPI - 0.03
            picture.write(x / DPI, above - line(), "head →", **look)
            picture.write(x / DPI - 0.08, above, "layer ↓", ha="right", **look)

    def _mark(self, picture, number, left, top, wide, high):
        """A frame around a square, and at its foot the name, if no name stands above it."""
        box = {"edgecolor": colour("ink"), "linewidth": FRAME, "fill": False, "zorder": 3}
        picture.sheet.add_patch(
            Rectangle((left - 0.01, top - 0.01), wide + 0.02, high + 0.02, **box)
        )
        if self._name(number):
            return
        words = "L{}H{}".format(*divmod(number, self.weights.shape[1]))
        room = text_width(words) + 0.08
        x = np.clip(left + wide / 2, room / 2, picture.get_figwidth() - room / 2)
        below = top + high + 0.01
        bed = Rectangle((x - room / 2, below), room, line(), facecolor=colour("ink"), zorder=3)
        picture.sheet.add_patch(bed)
        look = {"ha": "center", "va": "center_baseline", "weight": "bold"}
        name = picture.write(x, below + line() / 2, words, color=colour("paper"), **look)
        name.set_zorder(4)

    def said(self):
        """The tokens of the text, or how many there are."""
        n_q, n_k = self.weights.shape[2:]
        if n_q == n_k:
            return f"{n_k} tokens: {' '.join(self.tokens)}"
        return f"{n_q} queries, {n_k} keys"

    def said_width(self):
        """Inches that the words of the lower line need at least."""
        return min(text_width(self.said(), weight="normal"), 3.2) + MARGIN

    def _name(self, number):
        """What stands above a square: where it is from, if that cannot be seen, and its caption."""
        layer, head = divmod(number, self.weights.shape[1])
        where = f"L{layer}H{head}" if self.ordered else ""
        return " ".join(
            filter(None, [where, "" if self.captions is None else self.captions[layer][head]])
        )

    def describe(self):
        """The number of heads, and the three that look most at one token, or come first in the
        order, in words.
        """
        layers, heads, n_q, n_k = self.weights.shape
        sharp = np.nan_to_num(self.weights).max(axis=-1).mean(axis=-1).ravel()
        first = self.order[:3] if self.ordered else np.argsort(-sharp, kind="stable")[:3]
        named = ", ".join(f"layer {n // heads} head {n % heads} ({sharp[n]:.2f})" for n in first)
        what = "first in this order" if self.ordered else "sharpest"
        return (
            f"{layers} layers × {heads} heads, {n_q} queries × {n_k} keys; {what}, with the mean of"
            f" each row's largest weight: {named}."
        )


def _order(order, n):
    """The order as a list of whole numbers from 0 … n - 1, none twice."""
    if order is None:
        return list(range(n))
    array = _check.array("order", order)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ValueError(f"order must be a row of whole numbers, got {order!r}")
    if array.min() < 0 or array.max() >= n or len(set(array.tolist())) < len(array):
        raise ValueError(
            f"order must hold numbers from 0 to {n - 1}, each once at most, got {order!r}"
        )
    return array.tolist()


def _captions(captions, shape):
    """A caption for each head as a list of lists of strings, or None."""
    if captions is None:
        return None
    array = _check.array("captions", captions)
    if array.dtype.kind not in "fiubUO":
        raise TypeError(f"captions must be strings or numbers, got an array of {array.dtype}")
    if array.shape != shape:
        raise ValueError(
            f"captions must have the shape (layers, heads) = {shape}, got {array.shape}"
        )
    return [
        [f"{one:.2f}".removeprefix("0") if array.dtype.kind == "f" else str(one) for one in row]
        for row in array
    ]


def _legend(picture, left, y, tiles):
    """What a square is: its rows, its columns, its colours, its tokens; in three lines on half a
    page, or in two.
    """
    x, middle, room = left, y + line() / 2, picture.get_figwidth() - MARGIN
    for text, ink in (("looks (query) ↓", "query_text"), ("is looked at (key) →", "key_text")):
        picture.write(x, middle, text, va="center", weight="bold", color=colour(ink))
        x += text_width(text) + 0.15
    if room < HALF:
        x, middle = left - 0.05, middle + line()
    x = legend(picture, x + 0.05, middle, tiles.grid) + 0.2
    if tiles.masked:
        box = Rectangle((x, middle - 0.05), 0.16, 0.1, linewidth=0, facecolor=colour("blocked"))
        picture.sheet.add_patch(box)
        picture.write(x + 0.22, middle, "not allowed", va="center", color=colour("faint"))
    words = tiles.said()
    while len(words) > 1 and left + text_width(words, weight="normal") > room:
        words = words.removesuffix("…")[:-1] + "…"
    picture.write(left, middle + line(), words, va="center", color=colour("faint"))


@on_paper(marked=_check.place)
def measure_figure(values, *, title="", vmax=None, marked=None) -> Picture:
    """One number for each head, as a grid: a row for each layer, with its mean, a column for each
    head, numbers from 0.

    values   (layers, heads), not below 0, as the functions of attnlib.measures return them
    vmax     the number of the darkest colour: the largest unless given
    marked   a pair (layer, head) to outline: the largest unless given, or nobody where all are
             alike
    """
    values = _check.finite("values", _check.floats("values", values, "layers heads"))
    if values.ndim != 2 or 0 in values.shape or values.min() < 0:
        raise ValueError(
            f"values must be numbers not below 0, of the shape (layers, heads), got {values.shape}"
        )
    layers, heads = values.shape
    grid = Grid(
        "values",
        values,
        None,
        [str(h) for h in range(heads)],
        None,
        False,
        vmax or float(values.max()) or 1.0,
    )
    layer, head = np.unravel_index(values.argmax(), values.shape) if marked is None else marked
    layer = _check.integer("marked: layer", layer, minimum=0, maximum=layers - 1)
    head = _check.integer("marked: head", head, minimum=0, maximum=heads - 1)
    axes, mean = ("layer", "head"), text_width("mean", weight="normal") + 0.15
    left = MARGIN + grid.left(axes)
    wide = min((PAGE - left - mean - MARGIN) / heads, CELL)
    numbers = grid.numbers((wide, ROW), shares=False)
    row = ROW if numbers is not None else min(ROW, max(wide, 0.19))
    top, high = under(title) + grid.above(wide, axes), row * layers
    end = left + wide * heads + mean + MARGIN
    picture = Picture(HALF if end <= HALF else PAGE, top + high + line() + 0.25, title=title)
    grid.draw(picture, left, top, (wide, row), numbers=numbers, axes=axes)
    _means(picture, left + wide * heads + 0.1, top, row, values)
    low = top + high + 0.1 + line() / 2
    if marked is not None or values.min() < values.max():
        box = {"fill": False, "edgecolor": colour("ink"), "linewidth": FRAME, "zorder": 3}
        corner = left + head * wide, top + layer * row
        picture.sheet.add_patch(Rectangle(corner, wide, row, **box))
        words = f"framed: layer {layer}, head {head}, {values[layer, head]:.2f}"
        picture.write(left, low, words, va="center")
    if numbers is None:
        legend(picture, max(left + wide * heads - 1.1, left + 2.2), low, grid)
    means, chosen = (
        ", ".join(f"{mean:.2f}" for mean in values.mean(axis=1)),
        f"layer {layer} head {head} {values[layer, head]:.2f}",
    )
    picture.alt = (
        f"{title or 'Heads'}: {layers} layers × {heads} heads, {chosen}; means by layer {means}."
    )
    return picture


def _means(picture, x, y, row, values):
    """The mean of each layer at the right edge."""
    look = {"color": colour("faint")}
    picture.write(x, y - 0.07, "mean", va="bottom", **look)
    for i, mean in enumerate(values.mean(axis=1)):
        picture.write(x, y + (i + 0.5) * row, f"{mean:.2f}", va="center_baseline", **look)
