"""Pictures of attention: pure functions from arrays and tokens to a matplotlib Figure.

One language for all of them: rows are queries (who looks), columns are keys (who is looked at); a weight is blue,
a signed number purple to orange with 0 in the middle; a cell that is not allowed is grey and hatched; NaN is red.
"""

import base64
import io

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from attnlib import _check
from attnlib.attention import attention_scores, scaled_dot_product_attention, softmax
from attnlib.show.labels import drawable, fonts, printable

QUERY, KEY, VALUE = "#D55E00", "#009E73", "#CC79A7"        # one colour each, in every picture of the course
THEMES = {
    "light": {
        "paper": "#ffffff", "ink": "#1b1f24", "faint": "#6b7280", "blocked": "#e9eaec", "hatch": "#b4b8bf", "nan": "#d4002a",
        "allowed": "#7fc4ae",
        "weights": ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
        "signed": ["#7f3b08", "#e08214", "#fee0b6", "#f7f7f7", "#d8daeb", "#8073ac", "#2d004b"],
    },
    "dark": {
        "paper": "#181a1f", "ink": "#e8eaed", "faint": "#9aa0aa", "blocked": "#2b2e35", "hatch": "#565b66", "nan": "#ff5c77",
        "allowed": "#2f7d68",
        "weights": ["#1d2733", "#1f4468", "#2b73b3", "#6fb1e4", "#e3f1fd"],
        "signed": ["#fdb863", "#c76b12", "#6b3a0c", "#23252b", "#453a66", "#8274bd", "#cfc6f2"],
    },
}
_theme = THEMES["light"]

CELL_NUMBERS = 12                                          # up to so many columns, each cell shows its number
DPI = 88                                                   # dots per inch: sharp enough, and notebooks stay small
AREAS = 16                                                 # colours of a saved picture that are kept exactly
WIDTH = 9.5                                                # inches; wider pictures are shrunk by JupyterLab on a small screen
CELL_LABELS = 60                                           # up to so many tokens, each token is named


def theme(name):
    """Choose "light" or "dark" for every picture that is drawn from now on."""
    global _theme
    _theme = THEMES[_check.choice("name", name, list(THEMES))]


class Picture(Figure):
    """A matplotlib Figure that knows its own description and shows itself in a notebook, without pyplot."""

    def __init__(self, width, height, dpi=DPI):
        width, height = ((np.ceil(inches * dpi - 1e-6) + 0.01) / dpi for inches in (width, height))        # whole dots
        super().__init__(figsize=(width, height), dpi=dpi, facecolor=_theme["paper"])
        FigureCanvasAgg(self)
        self.alt = ""
        self.sheet = self.add_axes((0, 0, 1, 1))           # one sheet of paper, measured in inches from the top left
        self.sheet.set(xlim=(0, width), ylim=(height, 0))
        self.sheet.axis("off")

    def write(self, x, y, text, *, size=9, color=None, **how):
        """Put text on the sheet; dollar signs and angle brackets are just characters."""
        return self.sheet.text(x, y, drawable(text), size=size, color=color or _theme["ink"], family=fonts(), parse_math=False, **how)

    def place(self, image, x, y, width, height):
        """Put an image (rows, columns, colours) on the sheet with its top left corner at (x, y)."""
        self.sheet.imshow(image, extent=(x, x + width, y + height, y), aspect="auto", interpolation="nearest")
        self.sheet.set(xlim=(0, self.get_figwidth()), ylim=(self.get_figheight(), 0))

    def png(self, *, fast=False):
        """The picture as bytes, in at most 256 colours to keep notebooks small; `fast` for a slider: all colours, larger."""
        self.canvas.draw()
        image = Image.frombuffer("RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()).convert("RGB")
        out = io.BytesIO()
        if fast:
            image.save(out, "png", compress_level=1)
        else:
            _few_colours(image).save(out, "png", optimize=True)
        return out.getvalue()

    def svg(self):
        """The picture as SVG bytes, the same every time."""
        out = io.BytesIO()
        with rc_context({"svg.hashsalt": "attnlib"}):
            self.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


def _palette():
    """The colours of a saved picture: both scales in fine steps, and each ink fading into the paper. (n, 3)"""

    def fade(*colours, steps):
        return LinearSegmentedColormap.from_list("fade", colours, N=256)(np.linspace(0, 1, steps))[:, :3]

    inks = [fade(_theme["paper"], _theme[name], steps=steps) for name, steps in [("ink", 6), ("faint", 4), ("nan", 4)]]
    inks += [fade(_theme["paper"], colour, steps=3) for colour in (QUERY, KEY, VALUE)]
    areas = [fade(_theme["blocked"], _theme["hatch"], steps=3), fade(_theme["paper"], _theme["allowed"], steps=3)]
    scales = [fade(*_theme["weights"], steps=33), fade(*_theme["signed"], steps=33)]
    return np.rint(np.concatenate([*inks, *areas, *scales]) * 255).astype(np.int32)


def _few_colours(image):
    """The picture in at most 256 colours: those of its largest areas exactly, the rest from the palette."""
    counted = sorted(image.getcolors(image.width * image.height), reverse=True)
    palette = np.concatenate([np.array([colour for _, colour in counted[:AREAS]]), _palette()])
    codes = np.asarray(image).astype(np.int32) @ [65536, 256, 1]       # each pixel's colour as one number
    found, place = np.unique(codes, return_inverse=True)
    found = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1)
    nearest = ((found[:, None] - palette) ** 2).sum(axis=-1).argmin(axis=-1)
    few = Image.fromarray(nearest[place].reshape(codes.shape).astype(np.uint8), "P")
    few.putpalette(palette.astype(np.uint8).tobytes())
    return few


# ---- figures --------------------------------------------------------------------------------------------------


def heatmap(weights, tokens=None, *, key_tokens=None, mask=None, title="", signed=False, vmax=None, sums=None, axes=None):
    """One matrix of weights, or of signed numbers, with its numbers, its row sums and a colour bar.

    weights      (n_q, n_k)
    tokens       n_q names (numbers unless given); key_tokens: n_k names, the same unless given
    mask         boolean (n_q, n_k): cells that are not allowed are hatched
    signed       use the two-sided colours, 0 in the middle
    vmax         the number of the darkest colour: 1 for weights, the largest for signed numbers
    sums         write the sum of each row at its right (True for weights)
    axes         names of rows and columns, if they are not queries and keys: ("token", "feature")
    """
    grid = _Grid("weights", weights, tokens, key_tokens, mask, signed, vmax)
    sums = not signed and axes is None if sums is None else sums
    cell = np.clip(4.6 / max(grid.shape), 0.02, 0.46)
    left, top = 0.55 + grid.label_width(0), 0.45 + 0.3 * bool(title) + grid.label_width(1)
    wide, high = cell * grid.shape[1], cell * grid.shape[0]
    picture = Picture(max(left + wide + 1.75, 0.1 * len(title)), top + max(high, 1.3) + 0.25)
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    grid.draw(picture, left, top, cell, sums=sums, axes=axes or True)
    _colour_bar(picture, left + wide + (0.8 if sums else 0.3), top, max(high, 1.3), grid)
    named = ("queries", "keys") if axes is None else tuple(f"{name}s" for name in axes)
    picture.alt = f"{title or 'Heat map'}: {grid.describe(axes=named)}"
    return picture


def heads(weights, tokens=None, *, key_tokens=None, titles=None, mask=None, show_mask=False, title="", vmax=None):
    """All heads side by side, in one picture and one scale of colour, and the mask behind them if `show_mask`.

    weights (h, n_q, n_k); titles: h names; mask: boolean (n_q, n_k), the same for all heads
    """
    weights = _matrix("weights", weights, 3)
    mask = None if mask is None else _check.boolean("mask", mask)
    titles = [f"head {h}" for h in range(len(weights))] if titles is None else list(titles)
    if len(titles) != len(weights):
        raise ValueError(f"titles has {len(titles)} names, but weights has {len(weights)} heads")
    grids = [_Grid("weights", w, tokens, key_tokens, mask, False, vmax) for w in weights]
    n_q, n_k = grids[0].shape
    if show_mask:
        mask = np.ones((n_q, n_k), bool) if mask is None else mask
        grids.append(_mask_grid(mask, tokens, key_tokens))
        titles.append(f"the mask: {np.mean(mask):.0%} allowed")
    rows = -(-len(grids) // 5)                                         # at most five to a row
    columns = -(-len(grids) // rows)
    names = grids[0].label_width(0, size=7.5), grids[0].label_width(1, size=7.5)
    left, top = 0.42 + names[0], 0.5 + 0.3 * bool(title) + names[1]
    cell = min(min(2.05, (WIDTH - left - 0.5) / columns - 0.2) / max(n_q, n_k), 0.34)
    step_x, step_y = max(cell * n_k + 0.2, 1.35), cell * n_q + 0.45
    picture = Picture(max(left + columns * step_x + 0.5, 0.1 * len(title)), max(top + rows * step_y - 0.2, top + 1.45))
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    for h, (grid, name) in enumerate(zip(grids, titles)):
        row, column = divmod(h, columns)
        x, y = left + column * step_x, top + row * step_y
        named = row == 0 and (column == 0 or n_k <= CELL_NUMBERS)
        picture.write(x, y - (names[1] + 0.24 if row == 0 else 0.08), name, weight="bold", size=8.5)
        grid.draw(picture, x, y, cell, size=7.5, numbers=False, rows=column == 0, columns=named, axes=h == 0)
    _colour_bar(picture, left + columns * step_x, top, min(cell * n_q, 1.3) if n_q > 3 else 1.1, grids[0])
    described = " ".join(f"{name}: {grid.describe(top=2)}" for name, grid in zip(titles, grids[: len(weights)]))
    picture.alt = f"{title or 'Heads side by side'}. {described}"
    return picture


def mask_figure(mask, tokens=None, *, key_tokens=None, title=""):
    """One mask, or several in a dict name -> mask: green may be looked at, hatched may not; at the right, how many keys.

    mask   boolean (n_q, n_k)
    """
    named = mask if isinstance(mask, dict) else {"": mask}
    named = {name: _check.boolean("mask", m) for name, m in named.items()}
    if not named:
        raise ValueError("mask must be a boolean array or a dict with at least one, got an empty dict")
    for m in named.values():
        _matrix("mask", m, 2)
    grids = [_mask_grid(m, tokens, key_tokens) for m in named.values()]
    rows = -(-len(grids) // 4)
    columns = -(-len(grids) // rows)
    size = 9 if columns < 3 else 7
    labels = [max(grid.label_width(axis, size) for grid in grids) for axis in (0, 1)]
    left, top = 0.42 + labels[0], 0.25 + 0.3 * bool(title) + labels[1] + 0.22 * (len(grids) > 1)
    cell = min(min(4.2, (WIDTH - left) / columns - 0.45) / max(max(grid.shape) for grid in grids), 0.36)
    step = [max(cell * max(grid.shape[1] for grid in grids), 1.5) + 0.45, cell * max(grid.shape[0] for grid in grids) + 0.75]
    picture = Picture(max(left + columns * step[0] - 0.05, 0.1 * len(title)), max(top + rows * step[1] - 0.3, top + 1.45))
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    shares = []
    for i, (name, grid) in enumerate(zip(named, grids)):
        x, y = left + i % columns * step[0], top + i // columns * step[1]
        grid.draw(picture, x, y, cell, size=size, numbers=False, counts=True, rows=i % columns == 0, columns=i < columns, axes=i == 0)
        picture.write(x, y - (labels[1] + 0.24 if i < columns else 0.08), name, weight="bold", size=8.5)
        allowed = ~grid.blocked
        shares.append(f"{allowed.sum():,} of {allowed.size:,} pairs allowed ({allowed.mean():.0%})")
        short = shares[-1] if columns == 1 else f"{allowed.mean():.0%} of {allowed.size} pairs"
        picture.write(x, y + cell * grid.shape[0] + 0.06, short, va="top", size=size, color=_theme["faint"])
    picture.alt = f"{title or 'Mask'}. " + "; ".join(f"{name or 'mask'}: {share}" for name, share in zip(named, shares)) + "."
    return picture


def compare(a, b, tokens=None, *, titles=("a", "b"), key_tokens=None, mask=None, title="", vmax=None):
    """Two matrices of weights and their signed difference b - a. a, b (n_q, n_k); mask: one, or a pair of masks."""
    a, b = _matrix("a", a, 2), _matrix("b", b, 2)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    if len(titles) != 2:
        raise ValueError(f"titles must be two names, got {len(titles)}")
    masks = mask if isinstance(mask, tuple) else (mask, mask)
    both = None if masks[0] is None or masks[1] is None else np.asarray(masks[0]) | np.asarray(masks[1])
    grids = [_Grid("a", a, tokens, key_tokens, masks[0], False, vmax), _Grid("b", b, tokens, key_tokens, masks[1], False, vmax)]
    grids.append(_Grid("b - a", b - a, tokens, key_tokens, both, True, grids[0].vmax))
    return _row_of_grids(grids, [*titles, f"{titles[1]} − {titles[0]}"], title)


def steps(q, k, *, tokens=None, mask=None, scale=None, title=""):
    """From queries and keys to weights, one matrix per step: q·k, times 1/√d, mask, softmax. q (n_q, d), k (n_k, d)."""
    raw = attention_scores(q, k, scale=1)
    scaled = attention_scores(q, k, scale=scale)
    weights = softmax(attention_scores(q, k, scale=scale, mask=mask))
    stages = [("q · k", raw, None, True), ("× 1/√d", scaled, None, True)]
    if mask is not None:
        stages.append(("mask", scaled, mask, True))
    stages.append(("softmax", weights, mask, False))
    grids = [_Grid(name, x, tokens, None, m, signed, None) for name, x, m, signed in stages]
    return _row_of_grids(grids, [name for name, *_ in stages], title)


def ladder(q, k, v, query, key, *, tokens=None, dims=None, mask=None, title=""):
    """One row of attention, step by step: products of q and k bar by bar, q·k, /√d, mask, softmax, × v.

    q (n_q, d), k (n_k, d), v (n_k, d_v); query, key: the row and the cell to look at; tokens: n_k names
    dims   d names for the columns of q and k
    """
    q, k, v = _matrix("q", q, 2), _matrix("k", k, 2), _matrix("v", v, 2)
    i, j = _check.integer("query", query, 0, len(q) - 1), _check.integer("key", key, 0, len(k) - 1)
    output, weights = scaled_dot_product_attention(q, k, v, mask=mask)
    scores = {"q · k": attention_scores(q, k, scale=1)[i], "/ √d": attention_scores(q, k)[i]}
    scores["mask"] = attention_scores(q, k, mask=mask)[i]
    names = _names("tokens", tokens, len(k))
    dims = [str(c) for c in range(q.shape[1])] if dims is None else list(dims)
    if len(dims) != q.shape[1]:
        raise ValueError(f"dims has {len(dims)} names, but q has {q.shape[1]} columns")
    row, top = 0.21, 0.75 + 0.3 * bool(title)
    picture = Picture(9.4, top + row * max(len(k) + 1, min(q.shape[1], 16)) + 0.5)
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    picture.write(0.3, top - 0.42, f"query {names[i] if len(q) == len(k) else i}", color=QUERY, size=9, weight="bold")
    picture.write(0.3, top - 0.24, f"key {names[j]}", color=KEY, size=9, weight="bold")
    x = _products(picture, top, row, q[i], k[j], dims) + 0.1 + 0.068 * max(map(len, names))
    for n, name in enumerate(names):
        weight = "bold" if n == j else "normal"
        picture.write(x - 0.06, top + (n + 0.5) * row, name, size=8, ha="right", va="center_baseline", weight=weight)
    start, step = x, min(0.98, (9.2 - x - 1.3) / 4)
    for label, values in [*scores.items(), ("softmax", weights[i])]:
        color = _theme["weights"][3] if label == "softmax" else None
        _bars(picture, x, top, row, step - 0.16, values, label, color, chosen=j)
        x += step
    width = min(0.24, 1.15 / v.shape[1])
    parts = np.vstack([weights[i][:, None] * v, output[i]])
    grid = _Grid("parts", parts, None, None, None, True, np.abs(v).max() or 1)
    grid.draw(picture, x, top, (width, row), numbers=False, rows=False, columns=False, axes=False)
    picture.write(x, top - 0.08, "× v", color=VALUE, weight="bold", size=9)
    picture.write(x - 0.06, top + row * (len(k) + 0.5), "sum: output", size=8, va="center_baseline", ha="right", weight="bold")
    end = x + width * v.shape[1]
    picture.sheet.plot([x, end], [top + row * len(k)] * 2, color=_theme["ink"], linewidth=1)
    picture.sheet.add_patch(Rectangle((start - 0.03, top + j * row), end - start + 0.06, row, fill=False, edgecolor=_theme["ink"]))
    allowed = "allowed" if np.isfinite(scores["mask"][j]) else "not allowed"
    said = f"q·k = {scores['q · k'][j]:.2f}, divided by √d = {scores['/ √d'][j]:.2f}, {allowed}, weight {weights[i, j]:.2f}"
    picture.alt = f"{title or 'Step by step'}: query {i} and key {names[j]}. {said}."
    return picture


def encoding_figure(encoding, *, title=""):
    """A positional encoding and what it makes of distance. encoding (n, d): its numbers, and every row times every row."""
    encoding = _matrix("encoding", encoding, 2)
    n, d = encoding.shape
    picture = Picture(9.2, 3.9)
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    for x, data, name, across in [(0.75, encoding, "the encoding", "column"), (5.1, encoding @ encoding.T, "row · row", "position")]:
        grid = _Grid("encoding", data, None, None, None, True, None)
        cells = (2.7 / data.shape[1], 2.5 / n)
        picture.write(x, 0.62, name, weight="bold")
        grid.draw(picture, x, 0.75, cells, numbers=False, rows=False, columns=False, axes=False)
        picture.write(x + 1.35, 3.32, across, ha="center", va="top", color=_theme["faint"])
        picture.write(x - 0.12, 2.0, "position", rotation=90, ha="right", va="center", color=_theme["faint"])
        for share in (0, 1):
            picture.write(x - 0.06, 0.75 + 2.5 * share, str(share * (n - 1)), ha="right", va="bottom" if share else "top", size=7.5)
            picture.write(x + 2.7 * share, 3.3, str(share * (data.shape[1] - 1)), ha="right" if share else "left", va="top", size=7.5)
        _colour_bar(picture, x + 2.9, 0.75, 2.5, grid)
    picture.alt = f"{title or 'Positional encoding'}: {n} positions, {d} columns; at the right the product of every two rows."
    return picture


def aim(q, k, v, tokens, *, value_names=None, mask=None, title=""):
    """Queries and keys as arrows in the plane, beside the weights that they make, the values, and the output.

    q k (n, 2), v (n, d_v): where an orange arrow points along a green one, the weight is large.
    value_names   d_v names for the columns of values and output
    """
    q, k, v = _matrix("q", q, 2), _matrix("k", k, 2), _matrix("v", v, 2)
    if q.shape[1] != 2:
        raise ValueError(f"q and k must have two columns to be drawn in the plane, got q {q.shape}")
    output, weights = scaled_dot_product_attention(q, k, v, mask=mask)
    grid = _Grid("weights", weights, tokens, None, mask, False, None)
    side = _Grid("v", v, tokens, value_names, None, True, np.abs(v).max() or 1)
    result = _Grid("output", output, tokens, value_names, None, True, np.abs(v).max() or 1)
    cell = min(2.6 / max(grid.shape), 0.4)
    x, y = 3.45 + grid.label_width(0, 8), 0.45 + 0.3 * bool(title) + grid.label_width(1, 8)
    width = x + cell * len(k) + 0.75 + 2 * (0.25 * v.shape[1] + 0.35)
    picture = Picture(width, max(y + max(cell * len(q), 1.3) + 0.2, 3.5))
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    _plane(picture, 1.55, 1.85, 1.05, q, k, grid.tokens)
    grid.draw(picture, x, y, cell, size=8, sums=True)
    x += cell * len(k) + 0.75
    for values, name, color in [(side, "value", VALUE), (result, "output", _theme["ink"])]:
        values.draw(picture, x, y, (0.25, cell), size=8, numbers=False, rows=False, columns=value_names is not None, axes=False)
        picture.write(x, y - (0.1 if value_names is None else values.label_width(1, 8) + 0.06), name, color=color, weight="bold", size=8.5)
        x += 0.25 * v.shape[1] + 0.35
    picture.alt = f"{title or 'Queries and keys as arrows'}. Weights: {grid.describe()}"
    return picture


def film_strip(frames):
    """Several pictures in one, two to a row where they are narrow. frames: (caption, PIL image) each."""
    columns = 2 if len(frames) > 1 and max(image.width for _, image in frames) < 460 else 1
    width = max(image.width for _, image in frames) / DPI
    rows = [max(image.height for _, image in frames[i : i + columns]) / DPI + 32 / DPI for i in range(0, len(frames), columns)]
    picture = Picture(width * columns, sum(rows))
    for i, (caption, image) in enumerate(frames):
        x, y = i % columns * width, sum(rows[: i // columns])
        picture.write(x + 0.12, y + 0.1, caption, size=10, weight="bold", va="top")
        picture.place(np.asarray(image.convert("RGB")), x, y + 26 / DPI, image.width / DPI, image.height / DPI)
    picture.alt = "; ".join(caption for caption, _ in frames)
    return picture


# ---- the parts they are made of -------------------------------------------------------------------------------


class _Grid:
    """A matrix with names for its rows and columns, ready to be put on a sheet."""

    def __init__(self, name, data, tokens, key_tokens, mask, signed, vmax):
        self.data = _matrix(name, data, 2)
        self.shape, self.signed = self.data.shape, signed
        self.tokens = _names("tokens", tokens, self.shape[0])
        if key_tokens is None and self.shape[0] == self.shape[1]:
            key_tokens = tokens
        self.key_tokens = _names("key_tokens", key_tokens, self.shape[1])
        self.blocked = np.zeros(self.shape, bool)
        if mask is not None:
            self.blocked = ~np.broadcast_to(_check.broadcasts("mask", _check.boolean("mask", mask), self.shape), self.shape)
        if vmax is None:
            shown = self.data[np.isfinite(self.data)]
            vmax = max(float(np.abs(shown).max(initial=0)), 1e-12) if signed else 1.0
        self.vmax = _check.positive("vmax", vmax)
        self.colours = LinearSegmentedColormap.from_list("course", _theme["signed" if signed else "weights"])
        self.scale = Normalize(-self.vmax if signed else 0, self.vmax)

    def label_width(self, axis, size=9):
        """Inches that the names need at the left (0), or above, slanted (1)."""
        names = (self.tokens, self.key_tokens)[axis]
        if len(names) > CELL_LABELS:
            return 0.35
        longest = max(map(len, names)) * size * 0.0092
        return longest + 0.12 if axis == 0 else longest * 0.78 + 0.12

    def draw(self, picture, x, y, cell, *, size=9, sums=False, counts=False, numbers=True, rows=True, columns=True, axes=True):
        """The cells with their top left corner at (x, y) inches, and whatever is asked for around them."""
        self.cell = cell if isinstance(cell, tuple) else (cell, cell)
        width, height = self.cell[0] * self.shape[1], self.cell[1] * self.shape[0]
        data, blocked = self._pooled()
        image = self.colours(self.scale(data))
        image[blocked & ((data == 0) | self.signed)] = to_rgba(_theme["blocked"])     # a weight there keeps its colour
        image[np.isnan(data)] = to_rgba(_theme["nan"])
        picture.place(image, x, y, width, height)
        picture.sheet.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=_theme["hatch"], linewidth=0.8))
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
            who, whom = ("query (who looks)", "key (who is looked at)") if axes is True else axes
            bold = {"size": size, "weight": "bold", "va": "bottom"}
            picture.write(x, y - self.label_width(1, size) - 0.06, f"{whom} →", color=KEY if axes is True else None, **bold)
            left, low = x - self.label_width(0, size) - 0.08, y + max(height, 1.3)
            picture.write(left, low, f"← {who}", color=QUERY if axes is True else None, rotation=90, ha="right", **bold)
        if (sums or counts) and self.shape[0] <= CELL_LABELS:
            self._right_edge(picture, x + width + 0.08, y, size, counts)

    def _pooled(self):
        """The cells, or where they are smaller than a dot on the screen, the largest of each few: none gets lost."""
        tall, wide = (int(np.ceil(0.016 / size)) for size in self.cell[::-1])
        if tall == wide == 1:
            return self.data, self.blocked
        pad = [(0, -self.shape[0] % tall), (0, -self.shape[1] % wide)]
        rows, columns = -(-self.shape[0] // tall), -(-self.shape[1] // wide)
        data = np.pad(np.where(self.blocked & self.signed, 0, self.data), pad).reshape(rows, tall, columns, wide)
        low, high = data.min((1, 3)), data.max((1, 3))
        blocked = np.pad(self.blocked, pad, constant_values=True).reshape(rows, tall, columns, wide)
        return np.where(-low > high, low, high), blocked.all((1, 3))

    def _hatch(self, picture, x, y):
        if self.blocked.sum() > 40_000 or min(self.cell) < 0.02:       # too fine to be seen: plain grey
            return
        i, j = np.nonzero(self.blocked)
        low, high = (x + j * self.cell[0], y + (i + 1) * self.cell[1]), (x + (j + 1) * self.cell[0], y + i * self.cell[1])
        lines = np.stack([np.stack(low, -1), np.stack(high, -1)], axis=1)
        picture.sheet.add_collection(LineCollection(lines, colors=_theme["hatch"], linewidths=0.6), autolim=False)
        wrong = self.blocked & (self.data != 0) & (not self.signed)        # a weight where none is allowed
        boxes = [Rectangle((x + c * self.cell[0], y + r * self.cell[1]), *self.cell) for r, c in np.argwhere(wrong)]
        picture.sheet.add_collection(PatchCollection(boxes, facecolor="none", edgecolor=_theme["nan"], linewidth=1.6), autolim=False)

    def _numbers(self, picture, x, y, size):
        for (i, j), value in np.ndenumerate(self.data):
            if self.blocked[i, j] and (value == 0 or self.signed):
                continue
            red, green, blue, _ = self.colours(self.scale(value))
            ink = "#ffffff" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else "#1b1f24"
            text = "NaN" if np.isnan(value) else f"{value:.1f}" if abs(value) >= 9.95 else f"{value:.2f}"
            text = text.replace("0.", ".", 1) if abs(value) < 0.995 else text
            middle = x + (j + 0.5) * self.cell[0], y + (i + 0.5) * self.cell[1]
            picture.write(*middle, text, size=size - 1.5, color=ink, ha="center", va="center_baseline")

    def _labels(self, picture, names, places, size, ha, angle):
        """As many names as fit without touching; beyond CELL_LABELS, positions."""
        room = self.cell[1] if angle == 0 else 0.85 * self.cell[0]     # slanted names stand closer
        every = int(np.ceil(size * 1.05 / 72 / room))
        if len(names) > CELL_LABELS:
            names, every = range(len(names)), len(names) - 1
        for i in range(0, len(names), every):
            va = "center" if angle == 0 else "bottom"
            picture.write(*places[i], str(names[i]), size=size, ha=ha, va=va, rotation=angle, rotation_mode="anchor")

    def _right_edge(self, picture, x, y, size, counts):
        picture.write(x, y - 0.07, "keys" if counts else "sum", size=size - 1, color=_theme["faint"], va="bottom")
        for i, row in enumerate(self.data):
            total = row.sum()
            text = f"{int((~self.blocked[i]).sum())}" if counts else f"{total:.2f}"
            right = counts or abs(total - 1) < 1e-3 or (total == 0 and self.blocked[i].all())
            place = y + (i + 0.5) * self.cell[1]
            size_here = min(size - 1, 72 * self.cell[1])
            picture.write(x, place, text, size=size_here, va="center_baseline", color=_theme["faint"] if right else _theme["nan"])

    def describe(self, top=3, axes=("queries", "keys")):
        """The strongest cells in words, for readers who do not see the picture."""
        shown = np.where(np.isnan(self.data), -1, np.abs(self.data))
        best = np.argsort(-shown, axis=None, kind="stable")[: min(top, np.isfinite(self.data).sum())]
        pairs = [np.unravel_index(b, self.shape) for b in best]
        strongest = ", ".join(f"{self.tokens[i]} → {self.key_tokens[j]} {self.data[i, j]:.2f}" for i, j in pairs)
        more = f"; {int(np.isnan(self.data).sum())} cells are NaN" if np.isnan(self.data).any() else ""
        strongest = f"strongest {strongest}" if strongest else "no numbers"
        return f"{self.shape[0]} {axes[0]} × {self.shape[1]} {axes[1]}, {strongest}{more}."


def _mask_grid(mask, tokens, key_tokens):
    """A mask as a grid: what may be looked at in one colour, off the scale of the weights."""
    grid = _Grid("mask", np.asarray(mask, float), tokens, key_tokens, mask, False, 1)
    grid.colours = LinearSegmentedColormap.from_list("mask", [_theme["blocked"], _theme["allowed"]])
    return grid


def _row_of_grids(grids, names, title):
    """Several matrices of the same size in one row, each with a colour bar of its own."""
    n_q, n_k = grids[0].shape
    cell = min((8.9 / len(grids) - 0.75) / n_k, 2.1 / n_q, 0.4)
    left, top = 0.5 + grids[0].label_width(0, 8), 0.55 + 0.3 * bool(title) + grids[0].label_width(1, 8)
    step = max(cell * n_k, 0.7) + 0.7
    picture = Picture(left + step * len(grids) + 0.1, top + max(cell * n_q, 1.3) + 0.2)
    picture.write(0.12, 0.12, title, size=11, weight="bold", va="top")
    for i, (grid, name) in enumerate(zip(grids, names)):
        x = left + i * step
        grid.draw(picture, x, top, cell, size=8, numbers=False, rows=i == 0, axes=i == 0)
        picture.write(x, top - grid.label_width(1, 8) - 0.26, name, weight="bold", size=9.5)
        _colour_bar(picture, x + cell * n_k + 0.12, top, max(cell * n_q, 0.9), grid)
    picture.alt = f"{title or 'Side by side'}. " + " ".join(f"{name}: {grid.describe()}" for name, grid in zip(names, grids))
    return picture


def _products(picture, y, row, q, k, dims):
    """q, k and q × k of one pair, bar by bar: the 16 columns with the largest products. Returns the right edge."""
    shown = np.sort(np.argsort(-np.abs(q * k), kind="stable")[:16])
    x = 0.4 + 0.062 * max(len(dims[c]) for c in shown)
    for n, c in enumerate(shown):
        picture.write(x, y + (n + 0.5) * row, dims[c], size=7.5, ha="right", va="center_baseline")
    for c, (label, values, color) in enumerate([("q", q, QUERY), ("k", k, KEY), ("q × k", q * k, None)]):
        _bars(picture, x + 0.1 + c * 0.8, y, row, 0.66, values[shown], label, color)
    part = f" (the {len(shown)} largest of {len(q)} shown)" if len(shown) < len(q) else ""
    picture.write(0.3, y + row * len(shown) + 0.1, f"sum of q × k = {q @ k:.2f}{part}", size=9, weight="bold", va="top")
    return x + 0.1 + 3 * 0.8


def _bars(picture, x, y, row, width, values, title, color=None, chosen=None):
    """Horizontal bars, one per row, from a common zero; -inf is drawn as "not allowed". Without a colour, by sign."""
    picture.write(x, y - 0.08, title, size=9, weight="bold", color=color)
    finite = values[np.isfinite(values)]
    low, high = finite.min(initial=0), finite.max(initial=0)
    unit = (width - 0.3) / max(high - low, 1e-9)
    zero = x - low * unit
    signs = _theme["signed"]
    picture.sheet.plot([zero, zero], [y, y + row * len(values)], color=_theme["hatch"], linewidth=0.8)
    for n, value in enumerate(values):
        top, middle = y + n * row + 0.04, y + (n + 0.5) * row
        if not np.isfinite(value):
            picture.sheet.add_patch(Rectangle((zero, top), width - 0.3, row - 0.08, facecolor=_theme["blocked"], edgecolor="none"))
            picture.write(zero + 0.03, middle, "−∞", size=7, va="center_baseline", color=_theme["faint"])
            continue
        fill = color or (signs[-2] if value > 0 else signs[1])
        picture.sheet.add_patch(Rectangle((zero, top), value * unit, row - 0.08, facecolor=fill, edgecolor="none"))
        bold = "bold" if n == chosen else "normal"
        place = zero + max(value, 0) * unit + 0.03
        picture.write(place, middle, f"{value:.2f}", size=7, va="center_baseline", color=_theme["faint"], weight=bold)


def _colour_bar(picture, x, y, height, grid):
    """What the colours mean, as a strip with its two ends (and the middle) in numbers."""
    low = -grid.vmax if grid.signed else 0
    ramp = grid.colours(np.linspace(1, 0, 21))[:, None]
    picture.place(ramp, x, y, 0.12, height)
    for share, va in [(0, "bottom"), (0.5, "center"), (1, "top")]:
        value = low + share * (grid.vmax - low)
        picture.write(x + 0.17, y + height * (1 - share), f"{value:.2g}", size=7.5, va=va, color=_theme["faint"])


def _plane(picture, x, y, radius, q, k, names):
    """Arrows from one origin, with the names of those that share one: keys in green, queries in orange.

    The longer an arrow, the more it is shortened (to less than the radius), so that short and long ones fit the circle.
    """
    ring = np.linspace(0, 2 * np.pi, 100)
    picture.sheet.plot(x + radius * np.cos(ring), y + radius * np.sin(ring), color=_theme["hatch"], linewidth=0.8)
    for rows, color, width, aside in [(k, KEY, 0.055, 0.16), (q, QUERY, 0.025, 0)]:
        groups = {}
        for row, name in zip(rows, names):
            length = np.linalg.norm(row)
            if length > 0.05:                                          # shorter ones have no direction to see
                groups.setdefault(tuple(np.round(row * radius / (length + 0.5), 2)), []).append(name)
        if groups:
            ends = np.array(list(groups)) * (1, -1)
            starts = np.full(ends.shape, (x, y))
            picture.sheet.quiver(*starts.T, *ends.T, color=color, width=width, units="inches", angles="xy", scale_units="xy", scale=1)
        for (dx, dy), group in groups.items():
            step = np.array([dx, dy]) / np.hypot(dx, dy)
            place = (np.array([dx, dy]) / 2 + aside * step[::-1] * (1, -1)) if aside else np.array([dx, dy]) + 0.08 * step
            ha = "left" if place[0] > 0.05 else "right" if place[0] < -0.05 else "center"
            va = "bottom" if place[1] > 0.05 else "top" if place[1] < -0.05 else "center"
            picture.write(x + place[0], y - place[1], ", ".join(group), color=color, size=8.5, ha=ha, va=va)
    picture.write(x, y + radius + 0.42, "keys", size=8.5, color=KEY, weight="bold", ha="right")
    picture.write(x, y + radius + 0.42, "   queries", size=8.5, color=QUERY, weight="bold", ha="left")


def _matrix(name, value, ndim):
    array = _check.floats(name, value, " ".join("n" * ndim))
    if array.ndim != ndim or 0 in array.shape:
        axes = {2: "(n_q, n_k)", 3: "(heads, n_q, n_k)"}[ndim]
        raise ValueError(f"{name} must have the shape {axes}, got {array.shape}")
    return array


def _names(name, tokens, n):
    if tokens is None:
        return [str(i) for i in range(n)]
    if isinstance(tokens, str):
        raise TypeError(f"{name} must be a list of strings, one per token; cut the text first, for example with tokenize(text)")
    tokens = printable(tokens)
    if len(tokens) != n:
        raise ValueError(f"{name} has {len(tokens)} names, but that axis of the weights has {n} entries")
    return tokens
