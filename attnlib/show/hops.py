"""How far news travels: after how many layers each token knows of each other, and what the last one
hears, layer by layer.
"""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap

from attnlib import _check, masks
from attnlib.show.parts import Grid, colour_bar
from attnlib.show.sheet import Picture, colour, on_paper

SIDE, HATCH = 2.5, 0.16  # inches: of one matrix, and between the lines of a hatch
DEPTH, ACROSS = 0.24, 5.6  # inches: of one layer of a cone, and of all its tokens
LABELS = 12  # tokens that are named, at most


@on_paper
def hop_map(mask, tokens=None, *, title="", farthest=10, show_mask=True) -> Picture:
    """A mask, and beside it the layers until token i knows of token j: dark is far, hatched is
    never.

    mask      boolean (n, n), the same in every layer, as for `masks.hops`
    tokens    n names (numbers unless given)
    farthest  so many layers, and more, have the darkest colour: one scale for pictures that are
              compared
    """
    mask = _check.allowed("mask", mask)
    layers = masks.hops(mask)
    if layers.ndim != 2:
        raise ValueError(f"mask must have the shape (n, n), got {layers.shape}")
    farthest = _check.integer("farthest", farthest)
    hops = Fine("layers", np.maximum(layers, 0), tokens, None, layers >= 0, False, farthest)
    one = Fine("mask", mask.astype(float), tokens, None, mask, False, 1)
    one.colours = LinearSegmentedColormap.from_list("mask", [colour("blocked"), colour("allowed")])
    pairs = f"{np.sum(mask):,} of {np.size(mask):,} pairs allowed ({np.mean(mask):.0%})"
    parts = [(one, "one layer", pairs)] if show_mask else []
    parts.append((hops, "layers until token i knows of token j", said := _said(layers)))
    picture = _drawn(parts, title)
    picture.alt = (
        f"{title or 'Hop map'}. {f'Mask: {pairs}. ' if show_mask else ''}Hop map of {len(layers)}"
        f" tokens: {said}."
    )
    return picture


@on_paper(room=_check.place)
def cone(mask, n_layers, *, room=None, title="", vmax=0.3) -> Picture:
    """What the last token can hear through a stack of layers, down to the input; hatched is never.

    mask      boolean (n, n), the same in every layer
    room      (layers, tokens): leave room for so many, so that the picture keeps its size while a
              slider moves
    vmax      the share that has the darkest colour
    The colour says how much of the last token comes from there if every token looks evenly at all
    it may look at.
    """
    n_layers = _check.integer("n_layers", n_layers)
    mask = _check.allowed("mask", mask)
    heard = np.array([masks.receptive_field(mask, layer)[-1] for layer in range(n_layers + 1)])
    if heard.ndim != 2:
        raise ValueError(f"mask must have the shape (n, n), got {np.shape(mask)}")
    n = heard.shape[1]
    deep, wide = room or (n_layers, n)
    if n_layers > deep or n > wide:
        raise ValueError(f"room must be for at least {n_layers} layers and {n} tokens, got {room}")
    even = mask / np.maximum(np.sum(mask, axis=1, keepdims=True), 1)  # (n, n) rows sum to 1
    shares = [np.linalg.matrix_power(even, layer)[-1] for layer in range(n_layers + 1)]
    names = [*(f"depth {depth}" for depth in range(n_layers, 0, -1)), "input"]
    grid = Grid("shares", np.array(shares), names, [str(j) for j in range(n)], heard, False, vmax)
    across, left = ACROSS / wide, 0.75 + grid.label_width(0)
    top, tall = 0.72 + 0.3 * bool(title), DEPTH * (deep + 1)
    picture = Picture(left + ACROSS + 1.1, top + tall + 0.25, title=title)
    grid.draw(picture, left, top, (across, DEPTH), numbers=False, axes=("depth", "token"))
    colour_bar(picture, left + ACROSS + 0.2, top, tall, grid)
    picture.alt = (
        f"{title or 'What the last token hears'}: {heard[-1].sum()} of {n} tokens of the input,"
        f" after {n_layers} layers."
    )
    return picture


class Fine(Grid):
    """A matrix of many small cells: a line through each that is not allowed would be a haze, so
    only some are hatched.
    """

    def _hatch(self, picture, x, y):
        across, down = self.cell
        i, j = np.nonzero(
            self.blocked
            & (np.add.outer(*map(np.arange, self.shape)) % max(round(HATCH / across), 1) == 0)
        )
        low, high = (x + j * across, y + (i + 1) * down), (x + (j + 1) * across, y + i * down)
        lines = np.stack([np.stack(low, -1), np.stack(high, -1)], axis=1)
        picture.sheet.add_collection(
            LineCollection(lines, colors=colour("hatch"), linewidths=0.6), autolim=False
        )


def _said(layers):
    """The largest and mean number of layers between two tokens; how many pairs never meet."""
    known, never = layers[layers > 0], int((layers < 0).sum())
    words = [f"largest {known.max()}, mean {known.mean():.1f}"] if known.size else []
    return "; ".join(words + [f"{never:,} pairs never"] * bool(never)) or "one token"


def _drawn(parts, title):
    """The matrices in one row, each with its name above and its numbers in words below. parts:
    (grid, name, words)
    """
    grid = parts[0][0]
    left, top = 0.5 + grid.label_width(0, 8), 0.5 + 0.3 * bool(title) + grid.label_width(1, 8)
    cell, step = SIDE / len(grid.data), SIDE + 0.45
    picture = Picture(left + step * len(parts) + 0.2, top + SIDE + 0.35, title=title)
    for i, (grid, name, words) in enumerate(parts):
        x = left + i * step
        grid.draw(
            picture, x, top, cell, size=8, numbers=False, rows=False, columns=False, axes=i == 0
        )
        _label(picture, grid, x, top, cell, rows=i == 0)
        picture.write(x, top - grid.label_width(1, 8) - 0.24, name, weight="bold", size=9)
        picture.write(x, top + SIDE + 0.07, words, size=8.5, va="top", color=colour("faint"))
    colour_bar(picture, x + SIDE + 0.1, top, SIDE, grid)
    return picture


def _label(picture, grid, x, y, cell, rows):
    """The names of about LABELS tokens, above, and at the left if `rows`."""
    for i in range(0, len(grid.tokens), -(-len(grid.tokens) // LABELS)):
        middle, name = (i + 0.5) * cell, grid.tokens[i]
        picture.write(
            x + middle, y - 0.07, name, size=8, rotation=50, rotation_mode="anchor", va="bottom"
        )
        if rows:
            picture.write(x - 0.07, y + middle, name, size=8, ha="right", va="center")
