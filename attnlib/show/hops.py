"""How far news travels: after how many layers each token knows of each other, and what the last one
hears, layer by layer.
"""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from attnlib import _check, masks
from attnlib.show.parts import Grid, legend, mask_grid, whole
from attnlib.show.sheet import (
    HALF,
    MARGIN,
    PAGE,
    PART,
    SMALL,
    Picture,
    colour,
    ink_on,
    line,
    on_paper,
    text_width,
    under,
)

SIDE = 3.1  # inches: of one matrix, at most
DEPTH, TALLEST = 0.27, 0.45  # inches: of one layer of a cone, in the least and the most room
FOOT = 0.36  # inches below the cells for what their colours mean
STEPS = 0, 1, 2, 3, 4, 6, 10  # layers: where the next colour begins
STAMP = 0.2  # inches: how high a colour of the legend is


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
    hops = Grid("layers", np.maximum(layers, 0), tokens, None, layers >= 0, False, farthest)
    steps = [step for step in STEPS if step < farthest] + [farthest]
    hops.scale = lambda found: (np.searchsorted(steps, found, "right") - 1) / (len(steps) - 1)
    pairs = f"{np.sum(mask):,} of {np.size(mask):,} pairs allowed ({np.mean(mask):.0%})"
    parts = [(mask_grid(mask, tokens, None), "one layer", pairs)] if show_mask else []
    parts.append((hops, "layers until i knows of j", said := _said(layers)))
    cell, left = whole(SIDE / len(mask)), MARGIN + hops.left()
    side = cell * len(mask)
    names = under(title), under(title) + line(PART)
    top = names[1] + line() + hops.above(cell if tokens else side)
    picture = Picture(PAGE if show_mask else HALF, top + side + FOOT, title=title)
    for i, (grid, name, words) in enumerate(parts):
        x = left + i * (SIDE + 0.7)
        picture.write(x, names[0], name, size=PART, weight="bold", va="top")
        picture.write(x, names[1], words, va="top", color=colour("faint"))
        look = {"rows": i == 0 and tokens is not None, "columns": tokens is not None}
        grid.draw(picture, x, top, cell, numbers=False, axes=i == 0, **look)
        if tokens is None:
            _places(picture, x, top, cell, len(mask), rows=i == 0)
        mine = (layers, steps) if grid is hops else (None, ())
        _explained(picture, grid, x, top, top + side + FOOT / 2, *mine)
    picture.alt = (
        f"{title or 'Hop map'}. {f'Mask: {pairs}. ' if show_mask else ''}Hop map of {len(layers)}"
        f" tokens: {said}."
    )
    return picture


@on_paper(room=_check.place)
def cone(mask, n_layers, *, room=None, title="", vmax=0.3) -> Picture:
    """What the last token can hear through a stack of layers, down to the input; hatched is never.

    mask      boolean (n, n), the same in every layer
    room      (layers, tokens): the most that a slider will ask for, so that the picture keeps its
              size while it moves
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
    left = 2 * MARGIN + text_width("depth 99", weight="normal")
    across, row = (PAGE - MARGIN - left) / n, min(DEPTH * (deep + 1) / (n_layers + 1), TALLEST)
    top = under(title) + grid.above(across, ("depth", "token"))
    low = top + DEPTH * (deep + 1) + line()
    picture = Picture(PAGE, low + FOOT, title=title)
    grid.draw(picture, left, top, (across, row), numbers=False, axes=("depth", "token"))
    foot = top + row * (n_layers + 1)
    never, place = "cannot be heard", grid.area((across, row), ~heard, "cannot be heard")
    _on_cells(picture, left, top, place, never, colour("blocked"))
    first = int(heard[-1].argmax())
    said = f"hears {heard[-1].sum()} of {n} tokens"
    wide_said = text_width(said, weight="normal")
    x = np.clip(
        left + across * (first + n) / 2, left + wide_said / 2, PAGE - MARGIN - wide_said / 2
    )
    picture.sheet.plot(
        [left + across * first + 0.02, left + across * n - 0.02],
        [foot + 0.05] * 2,
        color=colour("ink"),
        linewidth=1.2,
    )
    picture.write(x, foot + 0.08, said, ha="center", va="top")
    end = legend(picture, MARGIN, low + FOOT / 2, grid)
    picture.write(end + 0.1, low + FOOT / 2, "share", va="center", color=colour("faint"))
    picture.alt = (
        f"{title or 'What the last token hears'}: {heard[-1].sum()} of {n} tokens of the input,"
        f" after {n_layers} layers."
    )
    return picture


def _said(layers):
    """The largest and mean number of layers between two tokens; how many pairs never meet."""
    known, never = layers[layers > 0], int((layers < 0).sum())
    words = [f"largest {known.max()}, mean {known.mean():.1f}"] if known.size else []
    return "; ".join(words + [f"{never:,} pairs never"] * bool(never)) or "one token"


def _places(picture, x, y, cell, n, rows):
    """Numbers of tokens, a handful, above, and at the left if `rows`."""
    room = max(text_width(str(n), weight="normal") + 0.1, SIDE / 6)
    every = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**9) if step * cell > room)
    for i in range(0, n, every):
        middle = (i + 0.5) * cell
        picture.write(x + middle, y - 0.07, str(i), ha="center", va="bottom")
        if rows:
            picture.write(x - 0.07, y + middle, str(i), ha="right", va="center")


def _stamps(picture, x, y, grid, steps):
    """The colours of the layers, each with its number on it. -> where they end"""
    for step, after in zip(steps, [*steps[1:], None]):
        last = f"–{after - 1}" if after and after - 1 > step else ""
        text, fill = f"{step}{last}" if after else f"{step}+", grid.colours(grid.scale(step))
        wide = text_width(text, weight="normal") + 0.12
        box = Rectangle((x, y - STAMP / 2), wide, STAMP, facecolor=fill, linewidth=0)
        picture.sheet.add_patch(box)
        look = {"ha": "center", "va": "center_baseline", "color": str(ink_on(fill))}
        picture.write(x + wide / 2, y, text, **look)
        x += wide
    return x


def _explained(picture, grid, x, y, low, layers, steps):
    """What the colours of a matrix mean: on the cells where they have room, or below them."""
    if layers is None:
        shut, words, free = "not allowed", "allowed", x
    else:
        most, end = int(layers.max()), int(grid.vmax)
        shut, words = "never", f"{most} layers" if most < end else f"{end} layers and more"
        free = _stamps(picture, x, low, grid, steps) + 0.2
    deep = ~grid.blocked & (grid.data >= min(grid.vmax, grid.data.max()))
    for text, where, fill in [(words, deep, None), (shut, grid.blocked, colour("blocked"))]:
        place = grid.area(grid.cell, where, text) if where.any() else None
        fill = fill or grid.colours(grid.scale(grid.data.max()))
        if place:
            _on_cells(picture, x, y, place, text, fill)
        elif where.any() and (layers is None or text == shut):
            hatch = "////" if text == shut else None
            box = Rectangle((free, low - 0.05), 0.16, 0.1, hatch=hatch, linewidth=0)
            box.set(facecolor=fill, edgecolor=colour("hatch"))
            picture.sheet.add_patch(box)
            picture.write(free + 0.22, low, text, va="center", color=colour("faint"))
            free += 0.42 + text_width(text, weight="normal")


def _on_cells(picture, x, y, place, text, fill):
    """A word on the cells that it is about, with their colour behind it."""
    if place is None:
        return
    left, up, wide, high = place
    bed = Rectangle((x + left, y + up), wide, high, facecolor=fill, linewidth=0, zorder=2.5)
    picture.sheet.add_patch(bed)
    middle = x + left + wide / 2, y + up + high / 2
    ink = str(ink_on(to_rgba(fill)))
    picture.write(*middle, text, ha="center", va="center_baseline", color=ink, size=SMALL)
