"""Pictures of attention: pure functions from arrays and tokens to a matplotlib Figure.

One language for all of them: rows are queries (who looks), columns are keys (who is looked at); a
weight is blue, a signed number purple to orange with 0 in the middle; a cell that is not allowed is
grey and hatched; NaN is red.
"""

import numpy as np

from attnlib import _check
from attnlib.attention import attention_scores, softmax
from attnlib.show.brought import brought
from attnlib.show.parts import CELL_NUMBERS, Grid, colour_bar, mask_grid, matrix, row_of_grids
from attnlib.show.sheet import Picture, colour, on_paper

WIDTH = 9.5  # inches; wider pictures are shrunk by JupyterLab on a small screen


@on_paper
def heatmap(
    weights,
    tokens=None,
    *,
    key_tokens=None,
    mask=None,
    title="",
    signed=False,
    vmax=None,
    sums=None,
    axes=None,
) -> Picture:
    """One matrix of weights, or of signed numbers, with its numbers, its row sums and a colour bar.

    weights      (n_q, n_k)
    tokens       n_q names (numbers unless given); key_tokens: n_k names, the same unless given
    mask         boolean (n_q, n_k), or 1 and 0: cells that are not allowed are hatched
    signed       use the two-sided colours, 0 in the middle
    vmax         the number of the darkest colour: 1 for weights, the largest for signed numbers
    sums         write the sum of each row at its right (True for weights)
    axes         names of rows and columns, if they are not queries and keys: ("token", "feature")
    """
    given = brought(weights, tokens, key_tokens, mask, most=2, signed=signed)
    grid = Grid("weights", *given, signed, vmax)
    sums = not signed and axes is None if sums is None else sums
    cell = np.clip(4.6 / max(grid.shape), 0.02, 0.46)
    left, top = 0.55 + grid.label_width(0), 0.45 + 0.3 * bool(title) + grid.label_width(1)
    wide, high = cell * grid.shape[1], cell * grid.shape[0]
    tall = max(grid.tall(left, high, axes or True), 0.8)
    picture = Picture(left + wide + 1.75, top + tall + 0.25, title=title)
    grid.draw(picture, left, top, cell, sums=sums, axes=axes or True)
    colour_bar(picture, left + wide + (0.8 if sums else 0.3), top, tall, grid)
    named = ("queries", "keys") if axes is None else tuple(f"{name}s" for name in axes)
    picture.alt = f"{title or 'Heat map'}: {grid.describe(axes=named)}"
    return picture


@on_paper
def heads(
    weights,
    tokens=None,
    *,
    key_tokens=None,
    titles=None,
    mask=None,
    show_mask=False,
    title="",
    vmax=None,
    batch=None,
) -> Picture:
    """All heads side by side, in one picture and one scale of colour, and the mask behind them if
    `show_mask`.

    weights (h, n_q, n_k); titles: h names; mask: boolean (n_q, n_k), the same for all heads
    batch   the text that is meant, where weights are those of several, (b, h, n_q, n_k)
    """
    given = brought(weights, tokens, key_tokens, mask, batch=batch, most=3)
    grids, titles = _head_grids(*given, titles, show_mask, vmax)
    n_q, n_k = grids[0].shape
    rows = -(-len(grids) // 5)  # at most five to a row
    columns = -(-len(grids) // rows)
    names = grids[0].label_width(0, size=7.5), grids[0].label_width(1, size=7.5)
    left, top = 0.42 + names[0], 0.5 + 0.3 * bool(title) + names[1]
    cell = min(min(2.05, (WIDTH - left - 0.5) / columns - 0.2) / max(n_q, n_k), 0.34)
    step_x, step_y = max(cell * n_k + 0.2, 1.35), cell * n_q + 0.45
    picture = Picture(
        left + columns * step_x + 0.5, max(top + rows * step_y - 0.2, top + 1.45), title=title
    )
    for h, (grid, name) in enumerate(zip(grids, titles)):
        row, column = divmod(h, columns)
        x, y = left + column * step_x, top + row * step_y
        named = row == 0 and (column == 0 or n_k <= CELL_NUMBERS)
        picture.write(x, y - (names[1] + 0.24 if row == 0 else 0.08), name, weight="bold", size=8.5)
        grid.draw(
            picture,
            x,
            y,
            cell,
            size=7.5,
            numbers=False,
            rows=column == 0,
            columns=named,
            axes=h == 0,
        )
    colour_bar(
        picture, left + columns * step_x, top, min(cell * n_q, 1.3) if n_q > 3 else 1.1, grids[0]
    )
    described = " ".join(
        f"{name}: {grid.describe(top=2)}"
        for name, grid in zip(titles, grids[:-1] if show_mask else grids)
    )
    picture.alt = f"{title or 'Heads side by side'}. {described}"
    return picture


def _head_grids(weights, tokens, key_tokens, mask, titles, show_mask, vmax):
    """The grids of `heads` and their names; the mask is the last of them, if it is shown."""
    weights = matrix("weights", weights, 3)
    titles = [f"head {h}" for h in range(len(weights))] if titles is None else list(titles)
    if len(titles) != len(weights):
        raise ValueError(f"titles has {len(titles)} names, but weights has {len(weights)} heads")
    grids = [Grid("weights", w, tokens, key_tokens, mask, False, vmax) for w in weights]
    if show_mask:
        mask = np.ones(grids[0].shape, bool) if mask is None else mask
        grids.append(mask_grid(mask, tokens, key_tokens))
        titles.append(f"the mask: {np.mean(mask):.0%} allowed")
    return grids, titles


@on_paper
def mask_figure(mask, tokens=None, *, key_tokens=None, title="") -> Picture:
    """One mask, or several in a dict name -> mask: green may be looked at, hatched may not; at the
    right, how many keys.

    mask   boolean (n_q, n_k)
    """
    named = _named_masks(mask)
    grids = [mask_grid(m, tokens, key_tokens) for m in named.values()]
    rows = -(-len(grids) // 4)
    columns = -(-len(grids) // rows)
    size = 9 if columns < 3 else 7
    labels = [max(grid.label_width(axis, size) for grid in grids) for axis in (0, 1)]
    left, top = 0.42 + labels[0], 0.25 + 0.3 * bool(title) + labels[1] + 0.22 * (len(grids) > 1)
    cell = min(
        min(4.2, (WIDTH - left) / columns - 0.45) / max(max(grid.shape) for grid in grids), 0.36
    )
    step = [
        max(cell * max(grid.shape[1] for grid in grids), 1.5) + 0.45,
        cell * max(grid.shape[0] for grid in grids) + 0.75,
    ]
    picture = Picture(
        left + columns * step[0] - 0.05, max(top + rows * step[1] - 0.3, top + 1.45), title=title
    )
    shares = []
    for i, (name, grid) in enumerate(zip(named, grids)):
        x, y = left + i % columns * step[0], top + i // columns * step[1]
        grid.draw(
            picture,
            x,
            y,
            cell,
            size=size,
            numbers=False,
            counts=True,
            rows=i % columns == 0,
            columns=i < columns,
            axes=i == 0,
        )
        picture.write(
            x, y - (labels[1] + 0.24 if i < columns else 0.08), name, weight="bold", size=8.5
        )
        allowed = ~grid.blocked
        shares.append(f"{allowed.sum():,} of {allowed.size:,} pairs allowed ({allowed.mean():.0%})")
        short = shares[-1] if columns == 1 else f"{allowed.mean():.0%} of {allowed.size} pairs"
        picture.write(
            x, y + cell * grid.shape[0] + 0.06, short, va="top", size=size, color=colour("faint")
        )
    picture.alt = (
        f"{title or 'Mask'}. "
        + "; ".join(f"{name or 'mask'}: {share}" for name, share in zip(named, shares))
        + "."
    )
    return picture


def _named_masks(mask):
    """Name -> boolean (n_q, n_k), from a dict of masks or from one without a name."""
    named = mask if isinstance(mask, dict) else {"": mask}
    named = {name: _check.allowed("mask", m) for name, m in named.items()}
    if not named:
        raise ValueError(
            "mask must be a boolean array or a dict with at least one, got an empty dict"
        )
    for m in named.values():
        matrix("mask", m, 2)
    return named


@on_paper(titles=_check.pair)
def compare(
    a, b, tokens=None, *, titles=("a", "b"), key_tokens=None, mask=None, title="", vmax=None
) -> Picture:
    """Two matrices of weights and their signed difference b - a. a, b (n_q, n_k); mask: one, or a
    pair of masks.
    """
    a, b = (matrix(n, brought(x, most=2, name=n).weights, 2) for n, x in (("a", a), ("b", b)))
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    masks = mask if isinstance(mask, tuple) else (mask, mask)
    masks = [None if one is None else _check.allowed("mask", one) for one in masks]
    both = None if masks[0] is None or masks[1] is None else masks[0] | masks[1]
    grids = [
        Grid("a", a, tokens, key_tokens, masks[0], False, vmax),
        Grid("b", b, tokens, key_tokens, masks[1], False, vmax),
    ]
    grids.append(Grid("b - a", b - a, tokens, key_tokens, both, True, grids[0].vmax))
    return row_of_grids(grids, [*titles, f"{titles[1]} − {titles[0]}"], title)


@on_paper
def steps(q, k, *, tokens=None, mask=None, scale=None, title="") -> Picture:
    """From queries and keys to weights, one matrix per step: q·k, times 1/√d, mask, softmax. q
    (n_q, d), k (n_k, d).

    All scores are drawn on one scale of colour, so that what the division does can be seen.
    """
    mask = None if mask is None else _check.allowed("mask", mask)
    raw = attention_scores(q, k, scale=1)
    scaled = attention_scores(q, k, scale=scale)
    weights = softmax(attention_scores(q, k, scale=scale, mask=mask))
    stages = [("q · k", raw, None, True), ("× 1/√d", scaled, None, True)]
    if mask is not None:
        stages.append(("mask", scaled, mask, True))
    stages.append(("softmax", weights, mask, False))
    most = max(np.abs(raw).max(), np.abs(scaled).max(), 1e-12)
    grids = [
        Grid(name, x, tokens, None, m, signed, most if signed else None)
        for name, x, m, signed in stages
    ]
    return row_of_grids(grids, [name for name, *_ in stages], title)
