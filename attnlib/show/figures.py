"""Pictures of attention: pure functions from arrays and tokens to a matplotlib Figure.

One language for all of them, and for the live pictures: rows are queries (they look), columns are
keys (they are looked at); a weight is blue, a signed number brown to violet with 0 in the middle; a
row that is even stays white, with thin marks; a cell that is not allowed is grey and hatched; NaN
is red.
"""

import numpy as np

from attnlib import _check
from attnlib.attention import attention_scores, softmax
from attnlib.show.brought import brought
from attnlib.show.parts import (
    FOOT,
    GAP,
    Grid,
    alone,
    foot,
    mask_grid,
    matrix,
    number,
    said_once,
    side_by_side,
)
from attnlib.show.sheet import PAGE, SMALL, Picture, colour, line, on_paper, text_width

FEW = 16  # pairs: fewer are counted, and no share of them is said


def _kind(name, value):
    return _check.choice(name, value, ["weight", "value", "count"])


@on_paper(kind=_kind)
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
    numbers=None,
    axes=None,
    kind=None,
    width=PAGE,
) -> Picture:
    """One matrix of weights, or of signed numbers, with the numbers that say something.

    weights      (n_q, n_k)
    tokens       n_q names (numbers unless given); key_tokens: n_k names, the same unless given
    mask         boolean (n_q, n_k), or 1 and 0: cells that are not allowed are hatched
    signed       use the two-sided colours, 0 in the middle
    vmax         the number of the darkest colour: 1 for weights, the largest for other kinds
    sums         write the sum of each row at its right; unless given, of weights that do not add up
                 to 1
    numbers      write the number of every cell; unless given, of weights those that differ from the
                 even share of their row, and from 0
    axes         names of rows and columns, if they are not queries and keys: ("token", "feature")
    kind         "weight": blue, each row shares out 1, as where no axes are given; "value": pink,
                 features and values; "count": grey; unless given, numbers of any kind, in blue
    width        inches, at most: half of a page where two go together, and where that is enough
    """
    width = _check.positive("width", width)
    given = brought(weights, tokens, key_tokens, mask, most=2, signed=signed)
    if kind is not None and signed:
        raise ValueError(f"signed numbers have colours of their own: leave out kind={kind!r}")
    grid = Grid("weights", *given, signed, vmax, kind)
    shares = grid.shares(axes, sums)
    sums = (None if shares else False) if sums is None else sums
    alike = _alike(grid) if shares and not sums else {}
    right = max([text_width(words, SMALL, "normal") for words in alike.values()], default=0.0)
    right = max(right, 0.0 if sums is False else text_width("-00.00", SMALL, "normal"))
    left, top, cell, width = alone(grid, title, axes or True, right + GAP, width)
    bottom = top + cell[1] * grid.shape[0]
    found = None if numbers is False else grid.numbers(cell, shares=shares, every=bool(numbers))
    places, ramps = [(grid, left, top)], found is None
    picture = Picture(width, bottom + foot(places, cell, ramps=ramps), title=title)
    grid.draw(picture, left, top, cell, sums=sums, numbers=found, axes=axes or True)
    for i, words in alike.items():
        place = left + cell[0] * grid.shape[1] + GAP, top + (i + 0.5) * cell[1]
        picture.write(*place, words, va="center_baseline", color=colour("faint"))
    said_once(picture, places, cell, bottom + FOOT / 2, ramps=ramps)
    named = ("queries", "keys") if axes is None else tuple(f"{name}s" for name in axes)
    picture.alt = f"{title or 'Heat map'}: {grid.describe(axes=named)}"
    return picture


def _alike(grid):
    """What stands beside even rows, the first alone where all have one share, and beside those
    that may look at nothing: {row: words}
    """
    empty = grid.blocked.all(axis=1) & ~grid.wrong().any(axis=1)
    words = {i: "no key" for i in np.flatnonzero(empty)}
    even = {i: number(1 / (~grid.blocked[i]).sum()) for i in np.flatnonzero(grid.even())}
    if len(set(even.values())) == 1:
        first = min(even)
        return words | {first: f"all alike, {even[first]}"}
    return words | {i: f"each {share}" for i, share in even.items()}


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
    width=PAGE,
) -> Picture:
    """All heads side by side, in one picture and one scale of colour, and the mask behind them if
    `show_mask`.

    weights (h, n_q, n_k); titles: h names
    mask    boolean (n_q, n_k), the same for all heads, or (h, n_q, n_k)
    batch   the text that is meant, where weights are those of several, (b, h, n_q, n_k)
    width   inches, at most: half of a page where two go together, and where that is enough
    """
    width = _check.positive("width", width)
    given = brought(weights, tokens, key_tokens, mask, batch=batch, most=3)
    grids, titles = _head_grids(*given, titles, show_mask, vmax)
    if len(grids) == 1 and not title:
        title, titles = titles[0], [""]
    shown = zip(titles, grids[:-1] if show_mask else grids)
    alt = " ".join(f"{name}: {grid.describe(top=2)}".removeprefix(": ") for name, grid in shown)
    return side_by_side(grids, titles, title, alt=alt, most=width)


def _head_grids(weights, tokens, key_tokens, mask, titles, show_mask, vmax):
    """The grids of `heads` and their names; the mask is the last of them, if it is shown."""
    weights = matrix("weights", weights, 3)
    titles = [f"head {h}" for h in range(len(weights))] if titles is None else list(titles)
    if len(titles) != len(weights):
        raise ValueError(f"titles has {len(titles)} names, but weights has {len(weights)} heads")
    masks = [mask] * len(weights)
    if np.ndim(mask) == 3 and len(mask) == len(weights):
        if show_mask:
            raise ValueError(
                f"show_mask draws one mask, (n_q, n_k), but mask is {mask.shape}: one for each head"
            )
        masks = mask
    grids = [Grid("weights", w, tokens, key_tokens, m, False, vmax) for w, m in zip(weights, masks)]
    if show_mask:
        mask = np.ones(grids[0].shape, bool) if mask is None else mask
        grids.append(mask_grid(mask, tokens, key_tokens))
        titles.append(f"the mask: {np.mean(mask):.0%} allowed")
    return grids, titles


@on_paper(words=_check.pair)
def mask_figure(
    mask, tokens=None, *, key_tokens=None, words=Grid.words, axes=None, title=""
) -> Picture:
    """One mask, or several in a dict name -> mask: a full cell may be looked at, a hatched one may
    not. One alone says at its right how many keys each row has.

    mask    boolean (n_q, n_k)
    words   what a full and a hatched cell mean, if something else: ("read", "not read")
    axes    names of rows and columns, if they are not queries and keys
    """
    named = _named_masks(mask)
    grids = [mask_grid(m, tokens, key_tokens, words) for m in named.values()]
    full = [(int((~grid.blocked).sum()), grid.blocked.size) for grid in grids]
    shares = [f"{some:,} of {size:,} pairs {words[0]} ({some / size:.0%})" for some, size in full]
    alt = "; ".join(f"{name or 'mask'}: {share}" for name, share in zip(named, shares)) + "."
    if len(grids) == 1:
        return _one_mask(grids[0], title, *named, *shares, alt, axes or True)
    notes = [
        f"{some} of {size} pairs" if size < FEW else f"{some / size:.0%} of {size:,} pairs"
        for some, size in full
    ]
    return side_by_side(grids, list(named), title, notes=notes, alt=alt, axes=axes)


def _one_mask(grid, title, name, share, alt, axes):
    right = text_width("all 99" if axes is True else "") + GAP
    left, top, cell, width = alone(grid, title or name, axes, right=right)
    bottom = top + cell[1] * grid.shape[0]
    places = [(grid, left, top)]
    picture = Picture(width, bottom + line() + foot(places, cell), title=title or name)
    grid.draw(picture, left, top, cell, numbers=False, counts=axes is True, axes=axes)
    picture.write(left, bottom + GAP, share, va="top", color=colour("faint"))
    said_once(picture, places, cell, bottom + FOOT / 2 + line())
    picture.alt = f"{title or 'Mask'}. {alt}"
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
    return side_by_side(grids, [*titles, f"{titles[1]} − {titles[0]}"], title)


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
    return side_by_side(grids, [name for name, *_ in stages], title)
