"""One head of attention as a matrix product, a still picture: queries at the left, keys above,
scores or weights where they cross, values below, outputs at the right.
"""

from types import SimpleNamespace

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from attnlib.attention import attention_scores, scaled_dot_product_attention
from attnlib.show.labels import printable
from attnlib.show.sheet import (
    KEY,
    MARGIN,
    PAGE,
    QUERY,
    TEXT,
    VALUE,
    Picture,
    colour,
    on_paper,
    text_width,
)

STAGES = ("words", "qkv", "scores", "scaled", "masked", "weights", "mixture", "output")
WORDS, QKV, SCORES, SCALED, MASKED, WEIGHTS, MIXTURE, OUTPUT = range(8)
KEPT = 5  # with more columns than one above, so many are shown, and the others as one
TOP = 0.9  # inches to the names of the keys
PITCH, MARK, ROW, BAR = 0.17, 0.14, 0.22, 0.45  # a column of numbers, a number, a row, a bar
RECEIPT = 2.25  # the chosen pair, at the right
LEVEL = {"va": "center_baseline"}
PART = {"va": "center_baseline", "size": TEXT, "weight": "bold"}  # the name of a part


def fold(shares):
    """The columns of the largest shares, in their order, and all others."""
    columns = np.arange(len(shares))
    if len(shares) <= KEPT + 1:
        return columns, columns[:0]
    kept = np.sort(np.argsort(-shares, kind="stable")[:KEPT])
    return kept, np.setdiff1d(columns, kept)


def number(x, top, exact=False):
    """A number beside numbers as large as `top`: 12.6, −.39, 0; exact: with up to three decimals,
    where they say more.
    """
    digits = int(np.clip(2 - np.floor(np.log10(max(top, 1e-9)) + 0.7), 2, 4))
    if top >= 2:
        digits = 0 if top >= 100 else 1
    text = f"{abs(x):.{digits}f}"
    if exact:
        text = max(text, f"{abs(x):.3f}".rstrip("0").rstrip("."), key=len)
    if not text.strip("0."):
        return "0"
    return ("−" if x < 0 else "") + (text[1:] if text.startswith("0.") else text)


@on_paper
def product(
    q,
    k,
    v,
    word,
    key,
    *,
    tokens,
    key_tokens,
    columns,
    values,
    about,
    mask,
    masking,
    scale,
    softcap,
    bias,
    stage,
    title,
) -> Picture:
    """The chosen pair of one head, as far as `stage`.

    q (n_q, d), k (n_k, d), v (n_k, d_v)
    tokens, key_tokens, columns, values   names of their rows and columns; about: n_q texts or none
    mask (n_q, n_k), scale, softcap, bias   as in `attention_scores`; masking: the mask's name
    """
    options = {"mask": mask, "scale": scale, "softcap": softcap, "bias": bias}
    head = _computed(q, k, v, word, key, columns, values, options)
    head.tokens, head.keys, head.step, head.masking = (
        printable(tokens),
        printable(key_tokens),
        STAGES.index(stage),
        masking,
    )
    at = _places(head)
    picture = Picture(PAGE, at.high, title=title)
    _words(picture, head, at, about)
    if head.step >= QKV:
        _strips(picture, head, at)
    if head.step >= SCORES:
        _grid(picture, head, at)
        _scores(picture, head, at)
        _receipt(picture, head, at)
    if head.step >= WEIGHTS:
        _weights(picture, head, at)
    if head.step >= OUTPUT:
        _outputs(picture, head, at)
    picture.alt = f"{title or 'One attention head as a matrix product'}: {_said(head)}"
    return picture


def _computed(q, k, v, word, key, columns, values, options):
    """All numbers of the picture; of many columns, those that count for the pair."""
    output, weights = scaled_dot_product_attention(q, k, v, **options)
    scaled, mask = attention_scores(q, k, **options | {"mask": None}), options["mask"]
    kept, rest = fold(np.abs(q[word] * k[key]))
    out, others = fold(np.abs(output[word]))

    def short(rows, kept, rest):
        more = [np.linalg.norm(rows[:, rest], axis=1, keepdims=True)] if len(rest) else []
        return np.hstack([rows[:, kept], *more])

    def named(names, kept, rest):
        return [*(names[f] for f in kept), *([f"{len(rest)} others"] if len(rest) else [])]

    pairs, raw = q[word] * k[key], q @ k.T
    return SimpleNamespace(
        word=word,
        key=key,
        d=q.shape[1],
        scale=options["scale"],
        softcap=options["softcap"],
        bias=options["bias"],
        open=np.broadcast_to(np.True_ if mask is None else mask, raw.shape),
        raw=raw,
        scaled=scaled,
        top=max(np.abs(raw).max(), np.abs(scaled).max(), 1e-9),
        weights=weights,
        q=short(q, kept, rest),
        k=short(k, kept, rest),
        v=short(v, out, others),
        output=short(output, out, others),
        columns=named(columns, kept, rest),
        values=named(values, out, others),
        rest=(len(rest) > 0, len(others) > 0),
        parts=[*pairs[kept], *([pairs[rest].sum()] if len(rest) else [])],
    )


def _places(head):
    """Where everything stands, in inches from the top left."""
    n_q, n_k = head.raw.shape
    left = MARGIN + max(0.65, *(text_width(name) for name in head.tokens))
    x = max(left + PITCH * len(head.columns) + 0.3, 1.85)
    y = TOP + PITCH * len(head.columns) + 0.08
    if head.step == WORDS:
        y = 0.45 if head.keys == head.tokens else TOP + 0.1
    out = max(0.8, PITCH * len(head.values))
    cell, row = min(0.5, (PAGE - RECEIPT - x - out - 0.75) / n_k), ROW if n_q <= 14 else 3.2 / n_q
    low = y + row * n_q
    zero = low + 0.25 + BAR  # where a score is 0
    foot = zero + 0.25 + BAR  # and a weight
    return SimpleNamespace(
        left=left,
        x=x,
        y=y,
        cell=cell,
        row=row,
        right=x + cell * n_k,
        low=low,
        zero=zero,
        foot=foot,
        values=foot + 0.1,
        out=out,
        far=x + cell * n_k + 0.2,
        high=low + MARGIN
        if head.step == WORDS
        else max(foot + 0.1 + PITCH * len(head.values) + MARGIN, 3.9),
        rows=y + (np.arange(n_q) + 0.5) * row,
        keys=x + (np.arange(n_k) + 0.5) * cell,
    )


def _boxes(picture, boxes, face, edge="none"):
    """Rectangles (x, y, width, height) of one look, or of as many as there are rectangles."""
    patches = [Rectangle(box[:2], *box[2:]) for box in boxes]
    picture.sheet.add_collection(
        PatchCollection(patches, facecolor=face, edgecolor=edge, linewidth=0.8), autolim=False
    )


def _marks(picture, numbers, x, y, size, tone, rest):
    """Numbers as areas: filled above 0, hollow below, grey for the length of all other columns.
    x and y say where, and broadcast to the numbers.
    """
    (w, h), last = size, np.arange(numbers.shape[1]) == numbers.shape[1] - 1
    x, y, others = np.broadcast_arrays(x, y, last & rest)
    side = np.sqrt(np.abs(numbers) / max(np.abs(numbers).max(), 1e-9))
    shown = side * w > 0.012
    boxes = np.stack([x - w * side / 2, y - h * side / 2, w * side, h * side], axis=-1)
    beds = np.stack(np.broadcast_arrays(x - w / 2, y - h / 2, w, h), axis=-1)
    _boxes(picture, beds.reshape(-1, 4), colour("band"))
    _boxes(picture, boxes[shown & ~others & (numbers > 0)], tone)
    _boxes(picture, boxes[shown & ~others & (numbers < 0)], "none", tone)
    _boxes(picture, boxes[shown & others], colour("hatch"), tone)


def _words(picture, head, at, about):
    """The names: at the left who looks, above who is looked at."""
    alone = head.step == WORDS
    for i, name in enumerate(head.tokens):
        weight = "bold" if i == head.word else "normal"
        if alone or at.row > 0.15 or i == head.word:
            picture.write(at.left, at.rows[i], name, ha="right", weight=weight, **LEVEL)
        if alone and about:
            picture.write(at.left + 0.15, at.rows[i], about[i], color=colour("faint"), **LEVEL)
    for j, name in enumerate([] if alone and head.keys == head.tokens else head.keys):
        weight = "bold" if j == head.key else "normal"
        slant = {"rotation": 45 if at.cell > 0.2 else 65, "rotation_mode": "anchor"}
        picture.write(at.keys[j] - 0.03, TOP - 0.03, name, weight=weight, **slant)


def _strips(picture, head, at):
    """Queries beside the words, keys above, values below; a small weight lets a value vanish."""
    d, g = (np.arange(len(names)) + 0.5 for names in (head.columns, head.values))
    across, upright = (MARK, min(MARK, at.row - 0.02)), (min(MARK, at.cell - 0.02), MARK)
    taken = head.weights[head.word][:, None] if head.step >= MIXTURE else 1
    left, keys, rows = at.left + 0.1 + d * PITCH, at.keys[:, None], at.rows[:, None]
    _marks(picture, head.q, left, rows, across, QUERY, head.rest[0])
    _marks(picture, head.k, keys, TOP + d * PITCH, upright, KEY, head.rest[0])
    _marks(picture, head.v * taken, keys, at.values + g * PITCH, upright, VALUE, head.rest[1])
    for x, y, name, part in zip(left, TOP + d * PITCH, head.columns, head.parts):
        ink = colour("ink" if abs(part) > 1e-3 * head.top else "hatch")
        picture.sheet.plot([x, x, at.x - 0.04], [at.y - 0.06, y, y], color=ink, linewidth=0.9)
        picture.write(at.right + 0.08, y, name, **LEVEL)
    for y, name in zip(at.values + g * PITCH, head.values):
        picture.write(at.x - 0.08, y, name, ha="right", color=colour("faint"), **LEVEL)
    middle = at.values + g.mean() * PITCH
    picture.write(at.left, at.y - 0.1, "queries", ha="right", color=colour("query_text"), **PART)
    picture.write(at.x - 0.08, TOP - 0.12, "keys", ha="right", color=colour("key_text"), **PART)
    picture.write(MARGIN, middle, "values", color=colour("value_text"), **PART)


def _colours(numbers, scale):
    """Numbers of 0 to 1 (weights) or -1 to 1 (signed) as colours."""
    made = LinearSegmentedColormap.from_list("course", colour(scale))
    return made(numbers if scale == "weights" else (numbers + 1) / 2)


def _grid(picture, head, at):
    """Where queries and keys cross: scores, small squares; from the softmax on shares, whose areas
    fill one cell in each row. An even row is a row of thin marks.
    """
    x, y = np.meshgrid(at.keys, at.rows)
    cells = np.stack(np.broadcast_arrays(x - at.cell / 2, y - at.row / 2, at.cell, at.row), -1)
    shut = ~head.open & (head.step >= MASKED)
    _boxes(picture, cells[shut], colour("blocked"), colour("hatch"))
    _boxes(picture, cells.reshape(-1, 4), "none", colour("line"))
    if head.step >= WEIGHTS:
        side, (w, h) = np.sqrt(head.weights), (at.cell - 0.03, at.row - 0.03)
        tones = _colours(0.25 + 0.75 * head.weights, "weights")
        seen = np.where(head.open, head.weights, np.nan)
        spread = np.nanmax(seen, 1, initial=0) - np.nanmin(seen, 1, initial=1)
        even = (spread < 0.012) & (head.open.sum(1) > 1) & (np.arange(len(x)) != head.word)
    else:
        scores = head.raw if head.step == SCORES else head.scaled
        side, w, h = np.sqrt(np.abs(scores) / head.top), *[min(at.cell, at.row) - 0.03] * 2
        tones = _colours(np.sign(scores) * (0.4 + 0.6 * np.abs(scores) / head.top), "signed")
        even = np.zeros(len(x), bool)
    thin = even[:, None] & head.open
    shown = (side > 0.06) & ~shut & ~thin
    below = (head.step < WEIGHTS) & (head.raw < 0)
    boxes = np.stack([x - w * side / 2, y - h * side / 2, w * side, h * side], axis=-1)
    _boxes(picture, boxes[shown & ~below], tones[shown & ~below])
    _boxes(picture, boxes[shown & below], "none", tones[shown & below])
    dashes = np.broadcast_arrays(x - 0.15 * at.cell, y - 0.008, 0.3 * at.cell, 0.016)
    _boxes(picture, np.stack(dashes, -1)[thin], colour("hatch"))
    _boxes(picture, [cells[head.word, head.key]], "none", colour("ink"))


def _bars(picture, at, heights, foot, face, edge="none"):
    """Bars at the keys that stand on `foot`, or hang from it where they are negative."""
    wide = min(0.22, at.cell - 0.04)
    boxes = [(x - wide / 2, foot - max(0, h), wide, abs(h)) for x, h in zip(at.keys, heights) if h]
    _boxes(picture, boxes, face, edge)
    picture.sheet.plot([at.x, at.right], [foot, foot], color=colour("hatch"), linewidth=0.8)


def _told(head):
    """The keys whose bars have numbers: the chosen one, and up to two that get more than others."""
    row = head.weights[head.word]
    first = np.argsort(-row, kind="stable")[:2]
    return {head.key, *first[row[first] > 1 / max(1, head.open[head.word].sum()) + 0.02].tolist()}


def _scores(picture, head, at):
    """The scores of the chosen row on one scale; framed, what they were before the division."""
    shut = ~head.open[head.word] & (head.step >= MASKED)
    old, new = (
        np.where(shut, 0, one[head.word]) * BAR / head.top for one in (head.raw, head.scaled)
    )
    now = old if head.step == SCORES else new
    _bars(picture, at, old, at.zero, "none", colour("hatch"))
    _bars(picture, at, np.maximum(now, 0), at.zero, colour("signed")[5])
    _bars(picture, at, np.minimum(now, 0), at.zero, "none", colour("signed")[1])
    for j in _told(head):
        text = "−∞" if shut[j] else number(now[j] * head.top / BAR, head.top)
        picture.write(at.keys[j], at.zero - max(0, now[j]) - 0.07, text, ha="center", **LEVEL)
    title = {"ha": "right", "color": colour("signed")[6], **PART}
    picture.write(at.x - 0.08, at.zero - 0.08, "score", **title)


def _weights(picture, head, at):
    """The shares of the chosen row."""
    weights = head.weights[head.word]
    _bars(picture, at, weights * BAR, at.foot, colour("weights")[3])
    for j in _told(head):
        y = at.foot - weights[j] * BAR - 0.07
        picture.write(at.keys[j], y, _share(weights[j]), ha="center", **LEVEL)
    title = {"ha": "right", "color": colour("weights")[3], **PART}
    picture.write(at.x - 0.08, at.foot - 0.08, "weight", **title)


def _share(weight):
    return f"{weight:.2f}".removeprefix("0")


def _lines(head):
    """What becomes of the chosen pair, as far as the stage: [(name, number), …]"""
    pair = head.word, head.key
    usual = abs(head.scale * np.sqrt(head.d) - 1) < 1e-6
    by = f"÷ √{head.d}" if usual else f"× {number(head.scale, head.scale)}"
    score, named = head.raw[pair] * head.scale, head.masking not in ("", "masked", "not masked")
    scores = [(SCORES, "sum: query · key", head.raw[pair]), (SCALED, by, score)]
    if head.softcap is not None:
        score = head.softcap * np.tanh(score / head.softcap)
        scores.append((SCALED, f"softcap {number(head.softcap, head.softcap)}", score))
    if head.bias is not None:
        bias = number(head.bias[pair], head.top, exact=True)
        scores.append((SCALED, f"+ bias, {bias}", head.scaled[pair]))
    lines = [
        *((stage, name, number(one, head.top, exact=True)) for stage, name, one in scores),
        (MASKED, f"mask, {head.masking}" if named else "mask", "open" if head.open[pair] else "−∞"),
        (WEIGHTS, "weight, after softmax", _share(head.weights[pair])),
    ]
    return [(name, text) for stage, name, text in lines if head.step >= stage]


def _receipt(picture, head, at):
    """The chosen pair: its products as a waterfall, and what becomes of their sum."""
    left, right, row, bars = PAGE - RECEIPT + 0.1, PAGE - MARGIN, 0.2, 0.65
    ends = np.cumsum([0, *head.parts])
    low, span = ends.min(), max(np.ptp(ends), 1e-9)
    picture.write(left, TOP - 0.1, f"{head.tokens[head.word]} → {head.keys[head.key]}", **PART)
    lines = [(name, number(part, head.top)) for name, part in zip(head.columns, head.parts)]
    for n, (name, text) in enumerate([*lines, *_lines(head)]):
        y = TOP + 0.12 + row * n
        picture.write(left, y, name, color=colour("faint"), **LEVEL)
        picture.write(right, y, text, ha="right", **LEVEL)
    for f, part in enumerate(head.parts):
        x = left + 1.0 + bars * (min(ends[f : f + 2]) - low) / span
        box = (x, TOP + 0.07 + row * f, max(0.01, bars * abs(part) / span), 0.1)
        if head.rest[0] and f == len(head.parts) - 1:
            _boxes(picture, [box], colour("hatch"))
        elif part > 0:
            _boxes(picture, [box], colour("signed")[5])
        elif part < 0:
            _boxes(picture, [box], "none", colour("signed")[1])


def _outputs(picture, head, at):
    """The outputs of all words, and for the chosen one its sum, column by column."""
    n, total = head.output.shape[1], head.output[head.word]
    across = MARK, min(MARK, at.row - 0.02)
    columns = at.far + (np.arange(n) + 0.5) * PITCH
    _marks(picture, head.output, columns, at.rows[:, None], across, VALUE, head.rest[1])
    low, span, top = min(0, total.min()), max(np.ptp([0, *total]), 1e-9), np.abs(total).max()
    zero, unit = at.far - low * at.out / span, at.out / span
    for f, x in enumerate(total):
        y, others = at.values + (f + 0.5) * PITCH, head.rest[1] and f == n - 1
        box = (zero + min(0, x) * unit, y - 0.05, abs(x) * unit, 0.1)
        _boxes(picture, [box], colour("hatch") if others else VALUE if x > 0 else "none", VALUE)
        if abs(x) > 0.01 * top:
            picture.write(zero + max(0, x) * unit + 0.06, y, number(x, top), **LEVEL)
    slant = {"rotation": -65, "rotation_mode": "anchor", "color": colour("faint")}
    for x, name in zip(columns, head.values):
        text = name if len(name) < 15 else f"{name[:13]}…"
        picture.write(x, at.low + 0.1, text, **LEVEL | slant)
    picture.write(at.far, at.foot, "outputs", color=colour("value_text"), **PART)


def _said(head):
    """What the picture shows, in words."""
    a, b, n_q, n_k = head.tokens[head.word], head.keys[head.key], *head.raw.shape
    if head.step == WORDS:
        return f"{n_q} words before any attention: {' '.join(head.tokens)}."
    if head.step == QKV:
        return f"queries of {n_q} words at the left, keys of {n_k} above, and their values below."
    lines = ", ".join(f"{name} {text}" for name, text in _lines(head))
    if head.step < OUTPUT:
        return f"{a} looks at {b}: {lines}."
    total = head.output[head.word]
    top = np.abs(total).max()
    gives = [f"{name} {number(x, top)}" for name, x in zip(head.values, total)]
    return f"{a} looks at {b}: {lines}. {a} goes out as {', '.join(gives)}."
