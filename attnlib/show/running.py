"""Flash attention at one tile: the scores seen so far, and its running maximum and sums before and
after it.
"""

import numpy as np
from matplotlib.patches import Rectangle

from attnlib import _check
from attnlib.efficient import FlashStep
from attnlib.show.arrows import bars, short
from attnlib.show.labels import axis_names, printable
from attnlib.show.sheet import KEY, VALUE, Picture, colour, on_paper, text_width

SCORES, HIGH = 4.3, 1.75  # inches: the row of scores, from left to right and top to bottom
ROW, COLUMN = 0.27, 0.98  # one running number; the stages side by side
NUMBERED, NAMED = 14, 40  # more keys than this have no numbers, or no names: they would touch


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
    label = 0.35 + _widest([f"o, {name}" for name in value_names])
    right = 0.5 + SCORES + label
    foot = 0.2 + (_widest(names) if len(scores) <= NAMED else 0.2)
    top = 0.62 + 0.3 * bool(title)
    high = top + max(HIGH + foot, ROW * (1 + len(value_names)) + 0.35)
    picture = Picture(right + 4 * COLUMN + 0.1, high, title=title)
    _row_of_scores(picture, 0.4, top, scores, names, steps, at)
    _numbers(picture, right, top, stages, value_names, factor, _span(steps))
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


def _span(steps):
    """The smallest and the largest of l and o in all steps."""
    every = np.array([[*step.l[0], *step.o[0]] for step in steps], dtype=float)
    return min(every.min(), 0.0), max(every.max(), 1e-9)


def _row_of_scores(picture, x, y, scores, names, steps, at):
    """Bars for the scores: seen before, in this tile, still to come; m as a line, and the m before
    it dashed.
    """
    now, cell = steps[at], SCORES / len(scores)
    finite = scores[np.isfinite(scores)]
    low, high = finite.min(initial=0), max(finite.max(initial=0), finite.min(initial=0) + 1e-9)
    unit = HIGH / (high - low)
    zero = y + high * unit
    picture.write(
        x, y - 0.32, f"scores, tile {at + 1} of {len(steps)}", size=8.5, color=colour("faint")
    )
    left, of_tile, wide = x + now.start * cell, (now.stop - now.start) * cell, min(0.7 * cell, 0.4)
    picture.sheet.add_patch(
        Rectangle(
            (left, y - 0.2), of_tile, HIGH + 0.28, facecolor=colour("blocked"), edgecolor="none"
        )
    )
    picture.sheet.plot([x, x + SCORES], [zero, zero], color=colour("hatch"), linewidth=0.8)
    for j, (score, name) in enumerate(zip(scores, names)):
        color = (
            KEY
            if now.start <= j < now.stop
            else colour("lines")[0]
            if j < now.start
            else colour("hatch")
        )
        middle = x + (j + 0.5) * cell
        if np.isfinite(score):
            bar = Rectangle(
                (middle - wide / 2, zero - score * unit),
                wide,
                score * unit,
                facecolor=color,
                edgecolor="none",
            )
            picture.sheet.add_patch(bar)
            if len(scores) <= NUMBERED:
                place = zero - score * unit
                picture.write(
                    middle,
                    place + (0.03 if score < 0 else -0.03),
                    short(float(score)),
                    size=7,
                    ha="center",
                    va="top" if score < 0 else "bottom",
                    color=colour("faint"),
                )
        elif cell > 0.15:
            picture.write(
                middle, zero - 0.03, "−∞", size=7, ha="center", va="bottom", color=colour("faint")
            )
        if len(scores) <= NAMED:
            ink = colour("ink") if j < now.stop else colour("faint")
            picture.write(
                middle,
                y + HIGH + 0.14,
                name,
                size=8.5,
                ha="center",
                va="top",
                rotation=90,
                color=ink,
            )
    before = steps[at - 1].m[0, 0] if at else -np.inf
    for m, until, style in ((before, now.start, (0, (3, 2))), (now.m[0, 0], now.stop, "-")):
        if np.isfinite(m):
            picture.sheet.plot(
                [x, x + until * cell],
                [zero - m * unit] * 2,
                color=colour("ink"),
                linewidth=1.4,
                linestyle=style,
            )
    picture.write(
        x + SCORES, y - 0.32, f"m = {_plain(now.m[0, 0])}", size=9, weight="bold", ha="right"
    )


def _numbers(picture, x, y, stages, value_names, factor, span):
    """l and the columns of o as bars, in three stages, and the output so far."""
    for row, name in enumerate(["l", *(f"o, {name}" for name in value_names)]):
        picture.write(
            x - 0.08, y + (row + 0.5) * ROW, name, size=8.5, ha="right", va="center_baseline"
        )
    for stage, head in enumerate(("before", f"× {factor:.3g}", "+ this tile", "o / l")):
        picture.write(x + stage * COLUMN, y - 0.08, head, size=9, weight="bold")
    for stage, values in enumerate(stages[:3]):
        left = x + stage * COLUMN
        bars(picture, left, y, ROW, COLUMN - 0.08, values[:1], "", colour("lines")[0], span=span)
        bars(picture, left, y + ROW, ROW, COLUMN - 0.08, values[1:], "", VALUE, span=span)
    output = stages[3][1:]
    edges = min(output.min(), 0.0), max(output.max(), 1.0)
    bars(
        picture, x + 3 * COLUMN, y + ROW, ROW, COLUMN - 0.08, output, "", colour("ink"), span=edges
    )
    picture.write(
        x, y - 0.32, "the running sums, and the output so far", size=8.5, color=colour("faint")
    )


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


def _widest(texts, size=8.5):
    return max(text_width(text, size, "normal") for text in texts)
