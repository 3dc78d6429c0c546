"""Flash attention at one tile: the scores seen so far, and its running maximum and sums before and
after it.
"""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.efficient import FlashStep
from attnlib.show.arrows import bars, short
from attnlib.show.labels import axis_names, printable
from attnlib.show.sheet import (
    MARGIN,
    PAGE,
    PART,
    VALUE,
    Picture,
    colour,
    line,
    on_paper,
    text_width,
    under,
)

SCORES, HIGH, LEFT = 3.8, 1.8, 0.3  # inches: the row of scores, and where it begins
ROW, MOST = 0.34, 0.75  # inches: one running number; what is said of m
GAP = 0.3  # inches before the output, which has a scale of its own
NAMED = 40  # more keys than this have no names: they would touch


@on_paper
def running(steps, at, *, names=None, value_names=None, title="") -> Picture:
    """One tile of `flash_steps` for one query: what m, l and o were, how they are corrected, what
    the tile adds.

    steps         all FlashSteps of one query, list(flash_steps(q, k, v, block)) with q (1, d)
    at            which of them is shown, from 0
    names         n_k names of the keys; value_names: d_v names of the columns of v (numbers unless
                  given)
    All steps are drawn on the same scales, so that a slider over `at` can be followed with the eye.
    """
    steps = _checked(steps)
    at = _check.integer("at", at, minimum=0, maximum=len(steps) - 1)
    scores = np.concatenate([step.scores[0] for step in steps])  # (n_k,)
    names = axis_names("names", names, len(scores), printable, "keys")
    value_names = axis_names(
        "value_names", value_names, steps[0].o.shape[-1], printable, "columns of v"
    )
    factor, stages = _stages(steps, at)
    rows = ["l", *(f"o, {name}" for name in value_names)]
    right = LEFT + SCORES + MOST + 0.1 + _widest(rows)
    top = under(title) + 0.45
    foot = 0.15 + (0.75 * _widest(names) + line() if len(scores) <= NAMED else 0)
    width = max(PAGE, right + 4 * 0.9 + GAP + MARGIN)
    high = max(HIGH + foot, ROW * len(rows))
    picture = Picture(width, top + high + MARGIN, title=title)
    _row_of_scores(picture, LEFT, top, scores, names, steps, at)
    column = (width - MARGIN - GAP - right) / 4
    _numbers(picture, right, top, column, stages, rows, factor, _spans(steps))
    picture.alt = _words(steps, at, stages, factor, title)
    return picture


def _checked(steps):
    if (
        not isinstance(steps, (list, tuple))
        or not steps
        or not all(isinstance(step, FlashStep) for step in steps)
    ):
        raise TypeError("steps must be a list of FlashSteps, list(flash_steps(q, k, v, block))")
    if len(steps[0].m) != 1:
        raise ValueError(
            f"steps must be those of one query, q (1, d), got {len(steps[0].m)} queries"
        )
    return steps


def _stages(steps, at):
    """The factor of correction; (1 + d_v,) numbers l, o: before, corrected, after, and o / l."""
    now = steps[at]
    after = np.array([*now.l[0], *now.o[0]], dtype=float)
    before, factor = np.zeros_like(after), 0.0
    if at:
        before = np.array([*steps[at - 1].l[0], *steps[at - 1].o[0]], dtype=float)
        top = float(now.m[0, 0]) if np.isfinite(now.m[0, 0]) else 0.0
        factor = float(np.exp(max(float(steps[at - 1].m[0, 0]) - top, -1e300)))
    output = now.o[0] / (float(now.l[0, 0]) or 1)
    return factor, (before, before * factor, after, np.array([0.0, *output]))


def _spans(steps):
    """The ends of two scales that hold for all steps: of l and o, and of o / l in whole numbers."""
    sums = np.array([[*step.l[0], *step.o[0]] for step in steps], dtype=float)
    output = np.array([step.o[0] / (float(step.l[0, 0]) or 1) for step in steps], dtype=float)
    low, high = np.floor(output.min(initial=0)), np.ceil(output.max(initial=1))
    return (min(sums.min(), 0.0), max(sums.max(), 1e-9)), (low, high)


def _row_of_scores(picture, x, y, scores, names, steps, at):
    """Bars for the scores: this tile on a band, and hollow what is still to come; m as a line, and
    the m before it dashed.
    """
    now, cell = steps[at], SCORES / len(scores)
    finite = scores[np.isfinite(scores)]
    low, high = finite.min(initial=0), max(finite.max(initial=0), finite.min(initial=0) + 1e-9)
    unit = HIGH / (high - low)
    zero, wide, signs = y + high * unit, min(0.7 * cell, 0.4), colour("signed")
    left, of_tile = x + now.start * cell, (now.stop - now.start) * cell
    band = Rectangle((left, y - 0.2), of_tile, HIGH + 0.28, facecolor=colour("blocked"))
    picture.sheet.add_patch(band)
    head = {"size": PART, "weight": "bold"}
    picture.write(x, y - 0.28, "scores", color=signs[-1], **head)
    tile = f"tile {at + 1} of {len(steps)}"
    start = max(left, x + text_width("scores", PART) + 0.15)
    picture.write(min(start, x + SCORES + MOST - text_width(tile)), y - 0.28, tile)
    picture.sheet.plot([x, x + SCORES], [zero, zero], color=colour("hatch"), linewidth=0.8)
    for j, (score, name) in enumerate(zip(scores, names)):
        middle, below, seen = x + (j + 0.5) * cell, score < 0, j < now.stop
        if np.isfinite(score):
            tone = signs[1] if below else signs[-2]
            bar = Rectangle((middle - wide / 2, zero - score * unit), wide, score * unit)
            bar.set(facecolor=tone if seen else "none", edgecolor=tone, linewidth=0.9)
            picture.sheet.add_patch(bar)
        text = short(float(score)) if np.isfinite(score) else "−∞"
        told = abs(score) >= 0.005 and text_width("0.00", weight="normal") < cell
        if told or (text == "−∞" and cell > 0.15):
            place = zero - (score * unit if np.isfinite(score) else 0)
            hang = {"ha": "center", "va": "top" if below and text != "−∞" else "bottom"}
            picture.write(middle, place + (0.03 if hang["va"] == "top" else -0.03), text, **hang)
        if len(scores) <= NAMED:
            ink = colour("key_text" if seen else "faint")
            slant = {"rotation": 45, "rotation_mode": "anchor", "ha": "right", "va": "top"}
            picture.write(middle + 0.05, y + HIGH + 0.12, name, color=ink, **slant)
    _largest(picture, x, zero, unit, cell, steps, at)


def _largest(picture, x, zero, unit, cell, steps, at):
    """m as a line over the keys of which it is the largest score, and dashed the m before it."""
    now, before = steps[at], steps[at - 1].m[0, 0] if at else -np.inf
    m = now.m[0, 0]
    for value, until, style in ((before, now.start, (0, (3, 2))), (m, now.stop, "-")):
        if np.isfinite(value):
            ends, high = [x, x + until * cell], [zero - value * unit] * 2
            picture.sheet.plot(ends, high, color=colour("ink"), linewidth=1.4, linestyle=style)
            rest = [ends[1], x + SCORES]
            picture.sheet.plot(rest, high, color=colour("hatch"), linewidth=0.8, linestyle=":")
    height = zero - (m * unit if np.isfinite(m) else 0)
    look = {"va": "center_baseline", "weight": "bold"}
    picture.write(x + SCORES + 0.05, height, f"m {_plain(m)}", **look)
    if np.isfinite(before) and (m - before) * unit > line():
        faint = {"va": "center_baseline", "color": colour("faint")}
        picture.write(x + SCORES + 0.05, zero - before * unit, f"was {_plain(before)}", **faint)


def _numbers(picture, x, y, column, stages, rows, factor, spans):
    """l and the columns of o as bars, in three stages on one scale; the output so far apart, in
    ink, on its own. Each says its scale.
    """
    for row, name in enumerate(rows):
        middle = y + (row + 0.5) * ROW
        picture.write(x - 0.08, middle, name, ha="right", va="center_baseline")
    output, width = stages[3][1:], column - 0.08
    tones = [colour("weights")[3], *[VALUE] * len(output)]
    heads = ("before", f"× {factor:.3g}", "+ tile", "o ÷ l")
    for stage, head in enumerate(heads):
        left, span = x + stage * column + GAP * (stage == 3), spans[stage == 3]
        if stage < 3:
            told = np.abs(stages[stage]) >= 0.005
            zero, _ = bars(picture, left, y, ROW, width, stages[stage], tones, told, span=span)
        else:
            look = {"tones": [colour("ink")] * len(output), "told": [True] * len(output)}
            zero, _ = bars(picture, left, y + ROW, ROW, width, output, span=span, **look)
        start = left if span[0] < 0 else zero
        picture.write(start, y - 0.08, head, size=PART, weight="bold")
        if stage in (0, 3):
            words = f"{'output' if stage else 'running sums'}, {_scale(*span)}"
            picture.write(start, y - 0.32, words, color=colour("faint"))


def _scale(low, high):
    """The ends of a scale in words."""
    return " to ".join(f"{end:.3g}".replace("-", "−") for end in (low, high))


def _plain(m):
    return short(float(m)) if np.isfinite(m) else "−∞"


def _words(steps, at, stages, factor, title):
    now, before = steps[at], steps[at - 1].m[0, 0] if at else -np.inf
    moved = (
        f"rises from {_plain(before)} to {_plain(now.m[0, 0])}"
        if now.m[0, 0] > before
        else f"stays {_plain(before)}"
    )
    sums = " to ".join(short(stage[0]) for stage in stages[:3])
    output = ", ".join(short(number) for number in stages[3][1:])
    return (
        f"{title or 'The running numbers'}. Tile {at + 1} of {len(steps)}, keys {now.start} to"
        f" {now.stop - 1}: m {moved}, the sums are multiplied by {factor:.3g}; l goes from {sums};"
        f" o / l is {output}."
    )


def _widest(texts):
    return max(text_width(text, weight="normal") for text in texts)
