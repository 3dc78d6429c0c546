"""Patches of an image: what some of the tokens look at, on the grid that the patches were cut
from, over the image or on plain paper.
"""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba
from matplotlib.patches import Rectangle
from PIL import Image

from attnlib import _check
from attnlib.show.brought import brought, of_one_text
from attnlib.show.labels import printable
from attnlib.show.parts import matrix
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    PART,
    QUERY,
    SMALL,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

SIDE = 96  # pixels that are kept of the longer side of an image
GAP, LARGEST, ACROSS, MOST = 0.25, 3.0, 4, 16  # inches; panels to a row, and in all


def grid_size(name, value):
    """Rows and columns of patches."""
    rows, columns = _check.place(name, value)
    return [_check.integer(f"{name}[{i}]", n) for i, n in enumerate((rows, columns))]


def pixels(name, value):
    """An image as bytes (H, W, 3), at most SIDE pixels a side."""
    found = _check.array(name, value)
    found = found[..., 0] if found.ndim == 3 and found.shape[-1] == 1 else found
    fits = found.ndim == 2 or (found.ndim == 3 and found.shape[-1] == 3)
    if found.dtype.kind not in "fiub" or not fits or 0 in found.shape:
        fix = ""
        if found.ndim == 3 and found.shape[0] in (1, 3):
            fix = f": give {name}.transpose(1, 2, 0)"
        elif found.ndim == 3 and found.shape[-1] == 4:
            fix = f": give {name}[..., :3]"
        what = f"got {found.dtype} {found.shape}"
        raise ValueError(f"{name} must be numbers (H, W) or (H, W, 3), {what}{fix}")
    most = 255 if found.dtype.kind in "iu" else 1
    if not ((found >= 0) & (found <= most)).all():
        raise ValueError(
            f"{name} must hold whole numbers from 0 to 255, or others from 0 to 1; got"
            f" {found.min():.3g} to {found.max():.3g}. An image that was normalised for a model:"
            f" give {name} * std + mean"
        )
    found = np.rint(found.astype(float) * (255 / most)).astype(np.uint8)
    found = np.repeat(found[..., None], 3, axis=-1) if found.ndim == 2 else found
    high, wide = (max(1, round(n * min(1, SIDE / max(found.shape[:2])))) for n in found.shape[:2])
    return np.asarray(Image.fromarray(found).resize((wide, high), Image.Resampling.BOX))


def in_front(name, grid, n):
    """How many of n tokens stand in front of the patches."""
    rows, columns = grid
    if rows * columns > n:
        raise ValueError(
            f"{name} {(rows, columns)} has {rows * columns} patches, but the weights have {n} keys"
        )
    return n - rows * columns


def patch_names(name, tokens, grid, n):
    """Names of n tokens of which the last are patches: all as they were given, or only those in
    front; a patch is called after its row and column, "3,5", and what has no name is a number.
    """
    rows, columns = grid
    front = in_front("grid", grid, n)
    tokens = [] if tokens is None else of_one_text(name, tokens, n)
    if len(tokens) == n:
        return tokens
    if len(tokens) not in (0, front):
        raise ValueError(
            f"{name} has {len(tokens)} names, but there are {n} tokens: give all, or those of the"
            f" {front} in front of the {rows} × {columns} patches"
        )
    places = [f"{a},{b}" for a in range(rows) for b in range(columns)]
    return [*(tokens or map(str, range(front))), *places]


@on_paper(grid=grid_size, image=pixels, pins=_check.row)
def patches(
    weights,
    grid,
    tokens=None,
    *,
    image=None,
    key_tokens=None,
    pins=(0,),
    who="looks at",
    titles=None,
    title="",
    batch=None,
) -> Picture:
    """What one token looks at among the patches of an image: the bluer, the more.

    weights   (n_q, n_k), or (heads, n_q, n_k): a panel for each of up to 16 heads, in one scale
    grid      (rows, columns) of the patches, which are the last keys; what stands in front of them,
              as CLS or registers, is named below
    tokens    names of the queries: all n_q, or of those in front of the patches; key_tokens: of
              the keys
    image     (H, W) or (H, W, 3), 0 to 255 or 0 to 1: shown first, and grey below the blue
    pins      the queries that look, by their places; several are added up, and without any all
    who       what they do, in words
    titles    names of the heads
    batch     the image that is meant, where weights are those of several
    """
    given = brought(weights, batch=batch, most=3).weights
    given = matrix("weights", given[None] if given.ndim == 2 else given, 3)
    heads, n_q, n_k = given.shape
    if heads > MOST:
        raise ValueError(f"weights must have at most {MOST} heads here, got {given.shape}")
    front = in_front("grid", grid, n_k)
    queries, keys = names_of(tokens, key_tokens, grid, (n_q, n_k), printable)
    pins = [_check.integer("pins", pin, minimum=0, maximum=n_q - 1) for pin in pins]
    if titles is not None and len(titles) != heads:
        raise ValueError(f"titles has {len(titles)} names, but weights has {heads} heads")
    titles = titles or ([f"head {h}" for h in range(heads)] if heads > 1 else [""])
    got = given[:, pins].sum(axis=1) if pins else given.sum(axis=1)  # (heads, n_k)
    vmax = float(np.nanmax(got, initial=0)) or 1.0
    chosen = " + ".join(queries[pin] for pin in pins[:4]) + (" + …" if len(pins) > 4 else "")
    who = f"{chosen or 'every token'} {who}"
    panels = heads + (image is not None)
    across = min(ACROSS, panels)
    wide = min(LARGEST, (PAGE - 2 * MARGIN - GAP * (across - 1)) / across)
    high = wide * (grid[0] / grid[1] if image is None else image.shape[0] / image.shape[1])
    step = high + 2 * line() + GAP
    top = under(title) + line() + line(PART)
    picture = Picture(
        2 * MARGIN + across * (wide + GAP) - GAP,
        top + -(-panels // across) * step + 0.1,
        title=title,
    )
    picture.many_colours = image is not None
    picture.write(MARGIN, top - line(PART), who, size=PART, color=colour("query_text"))
    marks = [pin - front for pin in pins if n_q == n_k and pin >= front]
    for at, row in enumerate([None, *got] if image is not None else got):
        x, y = MARGIN + at % across * (wide + GAP), top + at // across * step + line()
        _panel(picture, (x, y, wide, high), row, grid, image, marks, vmax)
        name = "the image" if row is None else titles[at - (image is not None)]
        picture.write(x, y - 0.04, name, size=SMALL, va="bottom")
        if row is not None:
            beside = ", ".join(f"{keys[j]} {row[j]:.2f}" for j in range(min(front, 3)))
            picture.write(x, y + high + 0.06, beside, size=SMALL, va="top", color=colour("faint"))
    _scale(picture, vmax, image is not None)
    best = [np.argsort(-np.nan_to_num(row), kind="stable")[:3] for row in got]
    said = ". ".join(
        f"{name or 'Most'}: {', '.join(f'{keys[j]} {row[j]:.2f}' for j in three)}"
        for name, row, three in zip(titles, got, best)
    )
    picture.alt = f"{title or 'Patches'}: {grid[0]} × {grid[1]}, what {who}. {said}."
    return picture


def names_of(tokens, key_tokens, grid, shape, spell):
    """The names of queries and keys; where there are as many, queries are patches, too."""
    n_q, n_k = shape
    if n_q == n_k and key_tokens is None:
        both = spell(patch_names("tokens", tokens, grid, n_k))
        return both, both
    keys = spell(patch_names("key_tokens", key_tokens, grid, n_k))
    if n_q == n_k:
        return spell(patch_names("tokens", tokens, grid, n_q)), keys
    tokens = [str(i) for i in range(n_q)] if tokens is None else of_one_text("tokens", tokens, n_q)
    if len(tokens) != n_q:
        raise ValueError(f"tokens has {len(tokens)} names, but the weights have {n_q} queries")
    return spell(tokens), keys


def _panel(picture, box, row, grid, image, marks, vmax):
    """The image in colours, or where there is a row, in grey under the blue of its weights."""
    x, y, wide, high = box
    if image is not None:
        grey = image @ np.array([0.3, 0.59, 0.11])
        paper = np.array([int(colour("paper")[i : i + 2], 16) for i in (1, 3, 5)])
        faded = 0.5 * (grey[..., None] + paper)
        picture.place(np.rint(image if row is None else faded).astype(np.uint8), *box)
    if row is not None:
        t = row[-grid[0] * grid[1] :].reshape(grid) / vmax
        tones = _tones(t, image is not None)
        tones[np.isnan(t)] = to_rgba(colour("nan"))
        picture.place(tones, *box)
    frame = {"fill": False, "linewidth": 0.8, "edgecolor": colour("hatch")}
    picture.sheet.add_patch(Rectangle((x, y), wide, high, **frame))
    for mark in marks:
        a, b = divmod(mark, grid[1])
        cell = wide / grid[1], high / grid[0]
        for ink, thick in [(colour("paper"), 4), (QUERY, 2)]:
            where = (x + b * cell[0], y + a * cell[1])
            frame = {"fill": False, "linewidth": thick, "edgecolor": ink}
            picture.sheet.add_patch(Rectangle(where, *cell, **frame))


def _tones(t, over):
    """Shares of the largest -> colours (…, 4): of the scale, or over an image, more and more of one
    blue.
    """
    t = np.clip(np.nan_to_num(t), 0, 1)
    if not over:
        return LinearSegmentedColormap.from_list("weights", colour("weights"))(t)
    return np.concatenate(
        [np.broadcast_to(to_rgb(colour("weights")[3]), (*t.shape, 3)), 0.9 * t[..., None]], -1
    )


def _scale(picture, vmax, over):
    """What the colours mean, in the corner."""
    wide, most = 0.9, f"{vmax:.2g}"
    x, y = picture.get_figwidth() - MARGIN - wide - text_width(most, SMALL) - 0.08, 0.14
    picture.place(_tones(np.linspace(0, 1, 21), over)[None], x, y, wide, 0.12)
    for text, at, ha in [("0", x - 0.06, "right"), (most, x + wide + 0.06, "left")]:
        picture.write(at, y + 0.06, text, size=SMALL, va="center", ha=ha, color=colour("faint"))
