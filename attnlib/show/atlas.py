"""All heads of a model at once: `mosaic`, each as a small square; `measure_figure`, each as one
number.
"""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.show.brought import brought
from attnlib.show.labels import axis_names, printable
from attnlib.show.parts import Grid, colour_bar
from attnlib.show.sheet import DPI, KEY, QUERY, Picture, colour, on_paper

SQUARE, GAP = 110, 6  # dots: the side of a square, at most, and the paper between two


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
    left, top = 0.3 + tiles.row_width, 0.55 + 0.3 * bool(title)
    side, step_y = tiles.sizes((width - left - 0.65) * DPI)
    step_x = side + GAP
    high = max(tiles.rows * step_y - GAP, 66) / DPI
    picture = Picture(
        max(
            left + tiles.columns * step_x / DPI + 0.6,
            0.1 * len(title),
            4.6 + 1.2 * (mask is not None),
        ),
        top + high + 0.5,
        title=title,
    )
    x, y = round(left * DPI), round(top * DPI)
    image = tiles.image(side, step_x, step_y)
    picture.place(image, x / DPI, y / DPI, image.shape[1] / DPI, image.shape[0] / DPI)
    tiles.write(picture, x, y, side, step_x, step_y)
    _legend(picture, left, top + high + 0.12, tiles, mask is not None)
    colour_bar(picture, (x + tiles.columns * step_x) / DPI + 0.05, top, min(high, 1.3), tiles.grid)
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
        self.row_width = 0.1 + 0.075 * len(str(len(self.order) if self.ordered else self.rows))

    def _number(self, pair):
        if np.shape(pair) != (2,):
            raise ValueError(f"marked must be pairs (layer, head), got {pair!r}")
        layer = _check.integer("marked: layer", pair[0], minimum=0, maximum=len(self.weights) - 1)
        return layer * self.columns + _check.integer(
            "marked: head", pair[1], minimum=0, maximum=self.columns - 1
        )

    def sizes(self, room):
        """Dots: the side of a square, and from the top of one row to the next. room: for a row of
        squares.
        """
        n = max(self.weights.shape[2:])
        side = max(min(SQUARE, int(room / self.columns) - GAP), 8)
        # whole dots for a cell, or whole cells for a dot
        side = side // n * n if n <= side else -(-n // -(-n // side))
        return side, side + GAP + 12 * bool(self.ordered or self.captions is not None)

    def image(self, side, step_x, step_y):
        """All squares as one image, (dots, dots, 4)."""
        lift = step_y - side - GAP  # room for what stands above the squares
        image = np.empty((self.rows * step_y - GAP, self.columns * step_x - GAP, 4))
        image[:] = to_rgba(colour("paper"))
        for place, number in enumerate(self.order):
            row, column = divmod(place, self.columns)
            square = self._square(self.weights[divmod(number, self.columns)], side)
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
        """Numbers of layers and heads at the edges, or names and captions above the squares;
        outlines. x, y: dots.
        """
        lift, faint = step_y - side - GAP, colour("faint")
        high, wide = (np.array(self._square(self.weights[0, 0], side).shape[:2]) / DPI).tolist()
        size = min(
            7.5, 72 * wide / 0.6 / max(*(len(self._name(number)) for number in self.order), 1)
        )
        for place, number in enumerate(self.order):
            row, column = divmod(place, self.columns)
            left, top = (x + column * step_x) / DPI, (y + row * step_y + lift) / DPI
            words = self._name(number)
            if words:
                picture.write(left, top - 0.03, words, size=size, va="bottom")
            if number in self.marked:
                box = {"fill": False, "edgecolor": colour("ink"), "linewidth": 1.6}
                picture.sheet.add_patch(
                    Rectangle((left - 0.02, top - 0.02), wide + 0.04, high + 0.04, **box)
                )
            if column == 0:
                first = f"{place + 1}." if self.ordered else str(row)
                picture.write(
                    left - 0.08, top + high / 2, first, size=8, ha="right", va="center_baseline"
                )
            if row == 0 and not self.ordered:
                picture.write(
                    left + wide / 2, y / DPI - 0.05, str(column), size=8, ha="center", va="bottom"
                )
        picture.write(
            x / DPI,
            y / DPI - 0.05 - 0.14 * (not self.ordered),
            "in this order →" if self.ordered else "head →",
            size=8,
            weight="bold",
            color=faint,
            va="bottom",
        )
        if not self.ordered:
            picture.write(
                0.24,
                y / DPI,
                "← layer",
                size=8,
                weight="bold",
                color=faint,
                rotation=90,
                ha="right",
                va="top",
            )

    def _name(self, number):
        """What stands above a square: where it is from, if that cannot be seen, and its caption."""
        layer, head = divmod(number, self.columns)
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


def _legend(picture, x, y, tiles, masked):
    """What a square is: its rows, its columns, its tokens."""
    n_q, n_k = tiles.weights.shape[2:]
    for text, color in (
        ("in each square:  ", None),
        ("↓ query (who looks)   ", QUERY),
        ("→ key (who is looked at)   ", KEY),
    ):
        label = picture.write(
            x,
            y,
            text,
            size=8,
            color=color or colour("ink"),
            weight="bold" if color else "normal",
            va="top",
        )
        x += label.get_window_extent().width / DPI + 0.1
    if masked:
        picture.write(x, y, "grey: not allowed", size=8, color=colour("faint"), va="top")
    words = (
        f"{n_k} tokens: {' '.join(tiles.tokens)}" if n_q == n_k else f"{n_q} queries, {n_k} keys"
    )
    room = int((picture.get_figwidth() - 0.5) / 0.075)
    words = words if len(words) <= room else words[: room - 1] + "…"
    picture.write(0.3 + tiles.row_width, y + 0.17, words, size=8, color=colour("faint"), va="top")


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
    cell, left, top = min(5.4 / heads, 0.42), 0.55, 0.62 + 0.3 * bool(title)
    high, wide = max(cell * 0.72, 0.1), cell
    picture = Picture(left + wide * heads + 1.55, top + max(high * layers, 1.3) + 0.2, title=title)
    grid.draw(picture, left, top, (wide, high), size=8.5, axes=("layer", "head"))
    _means(picture, left + wide * heads + 0.1, top, high, values)
    if marked is not None or values.min() < values.max():
        box = {"fill": False, "edgecolor": colour("ink"), "linewidth": 1.6}
        picture.sheet.add_patch(
            Rectangle((left + head * wide, top + layer * high), wide, high, **box)
        )
    colour_bar(picture, left + wide * heads + 0.75, top, max(high * layers, 1.3), grid)
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
    picture.write(x, y - 0.07, "mean", size=7.5, color=colour("faint"), va="bottom")
    for i, mean in enumerate(values.mean(axis=1)):
        picture.write(
            x,
            y + (i + 0.5) * row,
            f"{mean:.2f}",
            size=7.5,
            color=colour("faint"),
            va="center_baseline",
        )
