"""Commit, then see: a question that takes the reader's guess before it draws the answer over it."""

import json
import re

import numpy as np
import traitlets
from matplotlib.patches import Circle, Rectangle

from attnlib import _brought, _check
from attnlib.show.labels import printable, unmarked, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.sheet import SMALL, Picture, colour, text_width

MOST = 18  # rows and columns of a table of cells: each stays large enough for a finger
WIDE, EDGE = 7.6, 0.14  # inches: the still picture, and its margin
LINE = 0.21  # inches from one line of text to the next


class Predict(Live):
    """One question as a card; `predict.cells`, `.choice`, `.split` and `.curve` make it.

    Nothing of the answer is drawn before the reader presses *commit*; then it is drawn over the
    guess, and the card says how near it was. *show me* scores nothing, and only the first guess
    counts. Works without a kernel. The still picture, its words, and a page without scripts hold
    the question alone.

    ask         the question; **bold**, *slanted* and `code` are set so
    guess       None, and once committed what the reader said last: [row, column], or a list of
                such pairs; the text of the option; the shares; the heights of the line
    committed   whether the reader has committed to a guess
    shown       whether *show me* was pressed
    points      of the first guess, from 0 to 1; None before it, and if *show me* came first
                cells    the weight of the chosen cell, relative to the largest; of many cells,
                         those both chosen and not empty, relative to those that are either
                choice   1 or 0
                split    how much of the bar lies where it belongs: the sum, over the parts, of
                         the smaller of guess and truth
                curve    1 less the mean square of the distances to the truth, relative to that of
                         a flat line through the given point (at half the height without one),
                         which thus gets 0; never relative to less than a quarter of the height
    name        what the points are kept by: see `predict.record`

    Whoever sets ask, guess, committed, shown or points in Python changes the card.
    """

    _esm = joined("predict")
    _css = style() + (HERE / "predict.css").read_text(encoding="utf-8")

    kind = traitlets.Enum(["cells", "choice", "split", "curve"], "choice").tag(sync=True)
    ask = traitlets.Unicode("").tag(sync=True)
    guess = traitlets.Any(None, allow_none=True).tag(sync=True)
    committed = traitlets.Bool(False).tag(sync=True)
    shown = traitlets.Bool(False).tag(sync=True)
    points = traitlets.Float(None, allow_none=True).tag(sync=True)
    _question = traitlets.Dict().tag(sync=True)
    _truth = traitlets.Bytes(b"").tag(sync=True)  # bytes: nobody reads them in passing
    _words = traitlets.Bytes(b"").tag(sync=True)

    def __init__(self, kind, ask, truth, why, name, whynot=(), **question):
        self.name = None if name is None else _text("name", name)
        self.truth = np.asarray(truth, float)
        words = json.dumps({"why": _text("why", why, empty=True), "whynot": list(whynot)})
        super().__init__(
            kind=kind,
            ask=_text("ask", ask),
            _question=question,
            _truth=self.truth.astype("<f4").tobytes(),
            _words=words.encode(),
        )

    @property
    def title(self):
        return unmarked(self.ask)

    @traitlets.validate("guess")
    def _fits(self, proposal):
        guess = proposal["value"]
        return guess if guess is None else _GUESSES[self.kind](guess, self._question)

    @traitlets.observe("points")
    def _scored(self, change):
        if self.name is not None and change["new"] is not None:
            predict._heard(self.name, change["new"])

    def _still(self):
        """The question, and an empty picture of its kind."""
        lines = _wrapped(unmarked(self.ask), 11, "bold")
        top = EDGE + LINE * 1.1 * len(lines) + 0.12
        draw, high, seen = _STILLS[self.kind](self._question)
        picture = Picture(WIDE, top + high + EDGE)
        for k, line in enumerate(lines):
            picture.write(EDGE, EDGE + LINE * 1.1 * k, line, size=11, weight="bold", va="top")
        draw(picture, top)
        picture.alt = f"A question: {unmarked(self.ask)} {seen}"
        return picture, "Make up your mind before you read on."


class Questions:
    """What `predict` is: `predict.cells(…)`, `predict.choice(…)`, `predict.split(…)` and
    `predict.curve(…)` each ask one question, as a `Predict`.

    `recorded` holds name -> points of all named questions that were answered since Python started;
    `record(keep)` has `keep(name, points)` called for them, and for each that follows.
    """

    def __init__(self):
        self.recorded, self._keepers = {}, []

    def __call__(self, *given, **named):
        raise TypeError(
            "predict asks in four ways: predict.cells(ask, weights, rows), predict.choice(ask,"
            " options, right), predict.split(ask, parts, truth), predict.curve(ask, xs, truth)"
        )

    def cells(self, ask, weights, rows, columns=None, *, many=False, why="", name=None):
        """Which cell will be darkest? Or with many=True: which cells will not be empty?

        weights   (n_q, n_k), 0 or above, or boolean; a cell below .005 counts as empty
        rows      n_q names, columns: n_k names, the same unless given
        why       what the card says behind the verdict, whatever the guess
        """
        weights = _brought.weights("weights", weights)
        truth = _check.finite("weights", _check.floats("weights", weights, "n_q n_k")) + 0.0
        rows = visible(_names("rows", rows, 1, MOST))
        columns = rows if columns is None else visible(_names("columns", columns, 1, MOST))
        if truth.shape != (len(rows), len(columns)):
            raise ValueError(
                f"weights must have a row for each of the {len(rows)} rows and a column for each of"
                f" the {len(columns)} columns, got the shape {weights.shape}; one row of a table is"
                " weights[i:i + 1]"
            )
        if truth.min() < 0:
            raise ValueError(f"weights must be 0 or above, and the smallest is {truth.min():.4g}")
        many = bool(_check.flag("many", many))
        if truth.max() < 0.005:
            raise ValueError(
                "weights must have a cell that is not empty: what has none to find is not asked"
            )
        return Predict("cells", ask, truth, why, name, rows=rows, columns=columns, many=many)

    def choice(self, ask, options, right, *, why="", name=None):
        """Which one is it?

        options   strings, or pairs (string, what to say to who chose it)
        right     the right one, as it stands in options
        """
        if isinstance(options, (str, dict)):
            raise TypeError(f"options must be a list of strings or pairs, got {options!r}")
        options = _check.row("options", options)
        if not all(isinstance(one, (str, tuple, list)) for one in options):
            raise TypeError(f"options must be strings or pairs, got {_check.short(options)}")
        pairs = [(one, "") if isinstance(one, str) else tuple(one) for one in options]
        if not all(len(pair) == 2 for pair in pairs):
            raise ValueError("options must be strings, or pairs (string, what to say to it)")
        names = _names("options", [one for one, _ in pairs], 2, 8)
        if len(set(names)) < len(names):
            raise ValueError(f"options must differ, got {names}")
        _check.choice("right", right, names)
        whynot = [_text("options", words, empty=True) for _, words in pairs]
        truth = [one == right for one in names]
        return Predict("choice", ask, truth, why, name, whynot, options=names)

    def split(self, ask, parts, truth, *, start=None, why="", name=None):
        """How is 1 shared out?

        parts    names, from left to right
        truth    their shares, which add up to 1
        start    the shares that the reader begins with, even ones unless given
        """
        parts = visible(_names("parts", parts, 2, 6))
        truth = _shares("truth", truth, len(parts))
        start = [1 / len(parts)] * len(parts) if start is None else start
        start = _shares("start", start, len(parts)).tolist()
        return Predict("split", ask, truth, why, name, parts=parts, start=start)

    def curve(
        self, ask, xs, truth, *, given=0, xlabel="", ylabel="", limits=None, why="", name=None
    ):
        """Where will the line run?

        xs       the places from left to right, numbers or strings, drawn at even distances
        truth    the height at each; given: the place of the one that the reader is told, or None
        limits   (low, high) of the vertical axis. The reader sees them: (0, 1) unless given where
                 that holds the truth, and else from 0 or below to a round number
        """
        xs = _check.row("xs", xs, "numbers or strings")
        xs = [one if isinstance(one, str) else _short(_check.number("xs", one)) for one in xs]
        xs = _names("xs", xs, 2, 40)
        truth = _check.finite("truth", _check.floats("truth", truth, "n")) + 0.0
        if truth.shape != (len(xs),):
            raise ValueError(f"truth must have the shape ({len(xs)},), as xs, got {truth.shape}")
        if given is not None:
            given = _check.integer("given", given, 0, len(xs) - 1)
        limits = _limits(limits, truth)
        labels = {
            "xlabel": _text("xlabel", xlabel, empty=True),
            "ylabel": _text("ylabel", ylabel, empty=True),
        }
        level = None if given is None else float(truth[given])
        return Predict(
            "curve", ask, truth, why, name, xs=xs, given=given, level=level, limits=limits, **labels
        )

    # ---- points ----

    def record(self, keep):
        """Call keep(name, points) for each named question, those answered before included."""
        self._keepers.append(keep)
        for name, points in self.recorded.items():
            keep(name, points)

    def _heard(self, name, points):
        if name in self.recorded:  # its cell was run again: the first guess counts
            return
        self.recorded[name] = points
        for keep in self._keepers:
            keep(name, points)


predict = Questions()


# ---- what is given -------------------------------------------------------------------------------


def _text(name, value, empty=False):
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if not value.strip() and not empty:
        raise ValueError(f"{name} must not be empty")
    return value


def _names(name, value, fewest, most):
    value = _check.row(name, value)
    names = [str(one) for one in value]
    if not fewest <= len(names) <= most:
        raise ValueError(f"{name} must have {fewest} to {most} names, got {len(names)}")
    return names


def _short(value):
    """A number as the card writes it: .25, 1, −2.5, 1024"""
    digits = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return re.sub(r"^(-?)0\.", r"\1.", digits).replace("-", "−")


def _shares(name, value, n):
    shares = _check.finite(name, _check.floats(name, value, "n")) + 0.0
    if shares.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},), as parts, got {shares.shape}")
    if shares.min() < 0 or abs(shares.sum() - 1) > 1e-3:
        raise ValueError(
            f"{name} must be shares of 1, 0 or above, got {shares.tolist()}; divide by their sum"
        )
    return shares


def _limits(limits, truth):
    low, high = float(truth.min()), float(truth.max())
    if limits is None:
        if low >= 0 and high <= 1:
            return [0.0, 1.0]
        unit = 10.0 ** np.floor(np.log10(max(abs(low), abs(high))))
        ends = unit * np.floor(min(low, 0) / unit), unit * np.ceil(max(high, 0) / unit)
        return [float(f"{end:.6g}") for end in ends]
    given = _check.finite("limits", _check.floats("limits", limits, "2"))
    if given.shape != (2,) or not given[0] < given[1]:
        raise ValueError(f"limits must be two numbers, low < high, got {limits!r}")
    if low < given[0] or high > given[1]:
        raise ValueError(f"limits must hold the truth, which goes from {low:.4g} to {high:.4g}")
    return given.tolist()


def _cells_guess(guess, question):
    """[row, column], or a list of pairs of them."""
    shape = len(question["rows"]), len(question["columns"])
    pairs = guess if question["many"] else [guess]
    wanted = "a list of [row, column]" if question["many"] else "[row, column]"
    try:
        pairs = [
            [_check.integer("guess", int(at), 0, n - 1) for at, n in zip(pair, shape, strict=True)]
            for pair in pairs
        ]
    except (TypeError, ValueError):
        raise ValueError(f"guess must be {wanted} in a table of {shape}, got {guess!r}") from None
    return pairs if question["many"] else pairs[0]


def _numbers_guess(n, shares=False):
    def checked(guess, question):
        wanted = len(question[n])
        if shares:
            return _shares("guess", guess, wanted).tolist()
        heights = _check.finite("guess", _check.floats("guess", guess, "n"))
        if heights.shape != (wanted,):
            raise ValueError(f"guess must have the shape ({wanted},), as xs, got {heights.shape}")
        return heights.tolist()

    return checked


_GUESSES = {
    "cells": _cells_guess,
    "choice": lambda guess, question: _check.choice("guess", guess, question["options"]),
    "split": _numbers_guess("parts", shares=True),
    "curve": _numbers_guess("xs"),
}


# ---- the still pictures: the question alone ------------------------------------------------------


def _wrapped(text, size, weight="normal", room=WIDE - 2 * EDGE):
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size, weight) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cells_still(question):
    rows, columns = (printable(question[name]) for name in ("rows", "columns"))
    left = EDGE + max(text_width(one, 9, "normal") for one in rows) + 0.1
    longest = max(text_width(one, 9, "normal") for one in columns)
    cell = min(0.3 if len(rows) > 1 else 0.5, (WIDE - left - 0.5 * longest) / len(columns))
    level = longest < cell
    above = 0.24 if level else 0.72 * longest + 0.16

    def draw(picture, top):
        low = top + above
        for j, one in enumerate(columns):
            how = {"ha": "center"} if level else {"rotation": 45, "rotation_mode": "anchor"}
            picture.write(left + (j + 0.5) * cell, low - 0.06, one, va="bottom", **how)
        for i, one in enumerate(rows):
            y = low + (i + 0.5) * cell
            picture.write(left - 0.08, y, one, ha="right", va="center_baseline")
            for j in range(len(columns)):
                _box(picture, left + j * cell, low + i * cell, cell - 0.02, cell - 0.02)

    who, whom = (", ".join(question[name]) for name in ("rows", "columns"))
    many = "row" if len(rows) == 1 else "rows"
    words = f"An empty table: {len(rows)} {many} ({who}), {len(columns)} columns ({whom})."
    if question["rows"] == question["columns"]:
        words = f"An empty table with a row and a column for each of: {who}."
    return draw, above + cell * len(rows), words


def _choice_still(question):
    options = [
        _wrapped(unmarked(one), 10, room=WIDE - 2 * EDGE - 0.4) for one in question["options"]
    ]
    tops = np.cumsum([0, *(LINE * len(lines) + 0.12 for lines in options)])

    def draw(picture, top):
        for lines, down in zip(options, tops):
            dot = (EDGE + 0.1, top + down + 0.1)
            picture.sheet.add_patch(
                Circle(dot, 0.07, fill=False, edgecolor=colour("faint"), linewidth=1)
            )
            for k, line in enumerate(lines):
                picture.write(EDGE + 0.3, top + down + LINE * k, line, size=10, va="top")

    said = "; ".join(unmarked(one) for one in question["options"])
    return draw, tops[-1], f"To choose from: {said}."


def _split_still(question):
    parts, wide = question["parts"], WIDE - 2 * EDGE

    def draw(picture, top):
        start, names = np.array(question["start"]), printable(parts)
        ends = EDGE + wide * np.cumsum(start)
        half = [text_width(one, 9, "normal") / 2 for one in names]
        places = _apart(ends - wide * start / 2, half, EDGE, EDGE + wide)
        for one, x, end, s in zip(names, places, ends, start):
            picture.write(x, top + 0.2, one, ha="center")
            _box(picture, end - s * wide, top + 0.3, max(s * wide - 0.02, 0.005), 0.5)

    return draw, 0.85, f"A bar of 1, to be split among: {', '.join(parts)}."


def _curve_still(question):
    xs, (low, high) = question["xs"], question["limits"]
    left, wide, tall = EDGE + 0.5, 5.4, 1.9
    across = lambda k: left + wide * k / (len(xs) - 1)  # noqa: E731
    every = int(
        np.ceil((max(text_width(x, SMALL, "normal") for x in xs) + 0.15) * (len(xs) - 1) / wide)
    )

    def draw(picture, top):
        low_y = top + 0.25 + tall
        up = lambda y: low_y - tall * (y - low) / (high - low)  # noqa: E731
        picture.sheet.add_patch(
            Rectangle((left, low_y - tall), wide, tall, color=colour("band"), lw=0)
        )
        faint = {"size": SMALL, "color": colour("faint")}
        picture.write(left, top + 0.18, question["ylabel"], size=9, color=colour("faint"))
        for y in (low, (low + high) / 2, high):
            picture.write(left - 0.08, up(y), _short(y), ha="right", va="center", **faint)
        for k in range(0, len(xs), every):
            picture.write(across(k), low_y + 0.06, xs[k], ha="center", va="top", **faint)
        picture.write(
            left + wide / 2,
            low_y + 0.26,
            question["xlabel"],
            ha="center",
            va="top",
            color=colour("faint"),
        )
        if question["given"] is not None:
            at, level = across(question["given"]), question["level"]
            picture.sheet.add_patch(Circle((at, up(level)), 0.05, color=colour("ink")))
            side = -1 if question["given"] > len(xs) / 2 else 1
            picture.write(
                at + 0.1 * side,
                up(level) + 0.02,
                f"given: {_short(level)}",
                size=SMALL,
                va="center",
                ha="left" if side > 0 else "right",
            )

    told = ""
    if question["given"] is not None:
        told = f" Given: {_short(question['level'])} at {xs[question['given']]}."
    named = f"{question['ylabel'] or 'height'} over {question['xlabel'] or 'places'}"
    return draw, tall + 0.75, f"Empty axes: {named}, from {xs[0]} to {xs[-1]}.{told}"


def _apart(middles, half, low, high, gap=0.1):
    """Middles of names that stand as near to `middles` as they can without touching."""
    x = list(middles)
    for k in range(len(x)):
        x[k] = max(x[k], x[k - 1] + half[k - 1] + gap + half[k] if k else low + half[k])
    for k in reversed(range(len(x))):
        last = k == len(x) - 1
        x[k] = min(x[k], high - half[k] if last else x[k + 1] - half[k + 1] - gap - half[k])
    return x


def _box(picture, x, y, wide, high):
    picture.sheet.add_patch(
        Rectangle((x, y), wide, high, facecolor="none", edgecolor=colour("hatch"), linewidth=0.8)
    )


_STILLS = {
    "cells": _cells_still,
    "choice": _choice_still,
    "split": _split_still,
    "curve": _curve_still,
}
