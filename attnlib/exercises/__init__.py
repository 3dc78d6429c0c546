"""Exercises that answer: `check` tries the learner's function, `hint` helps a little more each
time, `solution` shows one. And the questions that a notebook asks before it shows: `ask`.

One module per notebook, named after its subject: `from attnlib.exercises import masks as ex`, then
`ex.past.check(my_function)`. `progress()` draws what has been passed across the course.
"""

import contextlib
import inspect
import io
import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from attnlib import _check, _moved
from attnlib.exercises._limit import TooSlow, call
from attnlib.exercises._progress import progress, record
from attnlib.show.live.predict import predict
from attnlib.show.source import show_source

__all__ = ["Exercise", "Question", "progress"]

if not TYPE_CHECKING:  # an editor would take it for a promise of every name
    __getattr__ = _moved.told_by(__name__)

CARDS = ("cells", "choice", "split", "curve")  # the kinds of a question
SECONDS = 5  # a function that takes longer, on one input, is stopped


def _mistakes(name, value):
    """A dict of words -> a function or several."""
    _check.made(dict)(name, value)
    for words, wrong in value.items():
        _check.text(f"the words of {name}", words)
        for one in wrong if isinstance(wrong, list) else [wrong]:
            _check.function(f"{name}[{words!r}]", one)
    return value


def _said(name, value):
    if not _check.text(name, value).strip():
        raise ValueError(f"{name} must not be empty")
    return value


def _strings(name, value):
    return [_check.text(f"{name}[{i}]", one) for i, one in enumerate(_check.row(name, value))]


KINDS = {
    **dict.fromkeys(["solve", "inputs", "fault"], _check.function),
    **dict.fromkeys(["names", "hints"], _strings),
    "title": _check.text,
    "level": partial(_check.integer, maximum=3),
    "minutes": _check.integer,
    "mistakes": _mistakes,
}


class Exercise:
    """One exercise: a real function that solves it, inputs to try, and the mistakes it knows by
    name.

    solve      the solution, an ordinary function
    title      as in the notebook; level: 1 easy to 3 hard; minutes: how long it may take
    inputs     inputs(rng) -> a list of argument tuples, fresh ones for every check
    names      names of the results, for the report: ("output", "weights")
    fault      for exercises with many right answers: fault(result, *arguments) -> what is wrong in
               words, or ""
    mistakes   what is wrong, in words -> a function that makes this mistake, or several
    hints      from gentle to nearly there
    """

    @_check.door(**KINDS)
    def __init__(
        self,
        solve,
        *,
        title,
        level,
        minutes,
        inputs,
        names=("result",),
        fault=None,
        mistakes=None,
        hints=(),
    ):
        self.solve, self.inputs, self.names, self.fault = solve, inputs, names, fault
        self.title, self.level, self.minutes = title, level, minutes
        self.mistakes, self.hints = mistakes or {}, hints
        self._hints_given = 0

    def check(self, function):
        """Try a function on several inputs, and print what is right or the first thing that is
        wrong.
        """
        passed, report = self.judge(function)
        print(report)
        if passed:
            print(record(self))

    def hint(self):
        """Print the next hint; after the last one, start again."""
        if not self.hints:
            return print("This exercise has no hints.")
        number = self._hints_given % len(self.hints)
        self._hints_given += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self):
        """The source of a function that passes."""
        return show_source(self.solve)

    def judge(self, function, seed=None):
        """(passed, report). The inputs are drawn anew each time, so that remembered numbers do not
        pass.
        """
        if not callable(function):
            return (
                False,
                (
                    "Give the function itself, without calling it: check(my_function). Got"
                    f" {type(function).__name__}."
                ),
            )
        rng = np.random.default_rng(int.from_bytes(os.urandom(4), "big") if seed is None else seed)
        trials = self.inputs(rng)
        for number in range(len(trials)):
            report = self._try(function, trials, number)
            if report:
                return False, report
        return True, f"Right, on {len(trials)} different inputs." if len(trials) > 1 else "Right."

    def _try(self, function, trials, number):
        """The report on one input, if something is wrong there; empty if not."""
        arguments = trials[number]
        given = [_copy(argument) for argument in arguments]
        try:
            with np.errstate(all="ignore"):
                got = call(function, *given, seconds=SECONDS)
        except TooSlow:
            return (
                f"Stopped: your function took more than {SECONDS} seconds. A loop that never"
                f" ends?\n{self._on(arguments)}"
            )
        except NotImplementedError:
            return NOT_YET
        except (Exception, SystemExit) as error:  # a learner's function may raise anything
            said = (
                "Your function raised"
                f" {': '.join(filter(None, [type(error).__name__, str(error)]))}"
            )
            cause = self._mistake(function, trials) or _shapes(error)
            return f"{said}\n{self._on(arguments)}{cause}"
        passed = f"{number} of {len(trials)} inputs right. " if number else ""
        if got is None or got is ...:
            return (
                f"{passed}Your function returns nothing for this input.\n{self._on(arguments)}"
                if number
                else NOT_YET
            )
        wrong, changed = self._wrong(got, arguments), self._changed(arguments, given)
        if wrong:
            cause = self._mistake(function, trials) or (
                changed and f"\nAlso, your function {changed}"
            )
            return f"{passed}{wrong}\n{self._on(arguments)}{cause}"
        return (
            f"The result is right, but your function {changed}\n{self._on(arguments)}"
            if changed
            else ""
        )

    def _wrong(self, got, arguments):
        """What is wrong with a result, in words; empty if nothing is."""
        if self.fault:
            return self.fault(got, *map(_copy, arguments))
        return self._difference(got, self.solve(*map(_copy, arguments)), _tolerance(arguments))

    def _difference(self, got, wanted, tolerance, show=True):
        """The first thing in which a result differs from the wanted one, in words; empty if it does
        not.
        """
        if len(self.names) == 1:
            got, wanted = (got,), (wanted,)
        if not isinstance(got, tuple) or len(got) != len(self.names):
            returned = f"{len(got)}" if isinstance(got, tuple) else type(got).__name__
            return (
                f"It should return {len(self.names)} things, ({', '.join(self.names)}), but"
                f" returned {returned}."
                + (" Put commas between them, and no brackets around." if type(got) is list else "")
            )
        for name, mine, right in zip(self.names, got, wanted):
            if isinstance(right, tuple):
                same = isinstance(mine, (tuple, list)) and _equal(tuple(mine), right)
                different = "" if same else f"{name}: you said {mine}, right is {right}."
            else:
                different = _array_difference(name, mine, right, tolerance, show)
            if different:
                return different
        return ""

    def _changed(self, before, after):
        """Which input the function has changed, in words; empty if none."""
        for name, one, other in zip(inspect.signature(self.solve).parameters, before, after):
            if isinstance(one, (np.ndarray, list)) and not np.array_equal(one, other):
                return f"changes its input {name}: work on a copy, {name}.copy()."
        return ""

    def _mistake(self, function, trials):
        """Which known mistake does what the learner's function does on every input, if one does."""
        outcomes = (
            [_outcome(function, arguments, seconds=SECONDS) for arguments in trials]
            if self.mistakes
            else []
        )
        if all(outcome is _RAISED for outcome in outcomes):
            return ""
        for words, wrong in self.mistakes.items():
            for one in wrong if isinstance(wrong, list) else [wrong]:
                if all(
                    self._same(mine, _outcome(one, a), _tolerance(a))
                    for mine, a in zip(outcomes, trials)
                ):
                    return f"\nIt looks as if {words}."
        return ""

    def _same(self, mine, other, tolerance):
        if mine is _RAISED or other is _RAISED:
            return mine is other
        try:
            return not self._difference(mine, other, tolerance, show=False)
        except Exception:  # what a learner returns may be anything
            return False

    def _on(self, arguments):
        names = inspect.signature(self.solve).parameters
        said = [
            f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n}={_named(a)}"
            for n, a in zip(names, arguments)
        ]
        return f"(tried with {', '.join(said)})" if said else ""


class Question:
    """A question of a notebook, which is answered with a guess: `ask` makes its card.

    What is right, and why, stands here and not in the notebook, where it could be read first.

    name     "masks.leak": subject and name of the question; its points are kept by it
    kind     "cells", "choice", "split" or "curve": see `attnlib.show.predict`
    words    the question
    why      what the card says behind the verdict
    given    what else `predict` takes that does not come from arrays of the notebook
    """

    @_check.door(name=_said, words=_said, why=_check.text)
    def __init__(self, name, kind, words, *, why, **given):
        card = getattr(predict, _check.choice("kind", kind, CARDS))
        inspect.signature(card).bind_partial(**given)  # says what it does not know
        self.name, self.kind, self.words, self.why, self.given = name, kind, words, why, given

    def ask(self, *arrays):
        """The question, about these arrays: what `predict` takes behind the words. -> Predict"""
        card = getattr(predict, self.kind)
        return card(self.words, *arrays, why=self.why, name=self.name, **self.given)


def overheard(function):
    """A function that does the same, and a list that fills with what it returned and what it was
    given: (result, *arguments) for each call. What is no function is left as it is.
    """
    calls = []

    def watched(*arguments):
        calls.append((function(*arguments), *arguments))
        return calls[-1][0]

    return watched if callable(function) else function, calls


NOT_YET = "Not yet: the function returns nothing so far. Write its body, then run this cell again."
_RAISED = object()


def _shapes(error):
    """What often lies behind an error of NumPy about shapes, in words; empty for another."""
    said = str(error)
    if "broadcast" in said:
        return (
            "\nDid a sum, a mean or a maximum take its axis away, so that the rest does not fit?"
            " keepdims=True keeps it."
        )
    if "matmul" in said:
        return (
            "\na @ b needs as many columns in a as there are rows in b: queries (n_q, d) meet keys"
            " as (d, n_k), q @ k.T."
        )
    return ""


def _array_difference(name, mine, right, tolerance, show):
    """What is different in one array of a result, in words; empty if nothing is."""
    try:
        mine, right = np.asarray(mine), np.asarray(right)
    except Exception:  # what a learner returns may be anything
        return f"{name} is not an array."
    if mine.shape != right.shape:
        if not right.shape:
            return f"{name} should be one number, but has the shape {mine.shape}."
        return (
            f"{name} should have the shape {right.shape}, but has the shape"
            f" {mine.shape}{'' if mine.shape else ', one number'}."
        )
    if mine.dtype.kind not in "biuf":
        return f"{name} should hold numbers, got {mine.dtype}."
    if right.dtype.kind == "b" and mine.dtype.kind != "b":
        return f"{name} should be True and False, got {mine.dtype}."
    if np.allclose(mine, right, atol=tolerance, equal_nan=True):
        return ""
    if not show:  # nobody will read it: printing arrays takes longest
        return "different"
    with np.errstate(all="ignore"):
        off = np.abs(np.subtract(mine, right, dtype=float)).max()
    if off < 1e-3:  # printed, they would look alike
        return f"{name} is close, but off by up to {off:.1g}: more than rounding does."
    return f"{name} is not right yet.\nyours:\n{_small(mine)}\nexpected:\n{_small(right)}"


def _outcome(function, arguments, seconds=None):
    """What a function returns, quietly; _RAISED if it raises or takes too long."""
    given = map(_copy, arguments)
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            return call(function, *given, seconds=seconds) if seconds else function(*given)
    except (Exception, SystemExit):
        return _RAISED


def _tolerance(arguments):
    """Half-precision inputs cannot give more than three digits."""
    half = any(
        isinstance(argument, np.ndarray) and argument.dtype == np.float16 for argument in arguments
    )
    return 2e-3 if half else 1e-6


def _copy(argument):
    if isinstance(argument, np.random.Generator):  # the same stream for everyone who draws from it
        return np.random.default_rng(argument.bit_generator.seed_seq)
    return argument.copy() if isinstance(argument, (np.ndarray, list)) else argument


def _equal(shape, other):
    try:
        return bool(shape == other)
    except ValueError:  # an array among the lengths
        return False


def _named(argument):
    return (
        "rng"
        if isinstance(argument, np.random.Generator)
        else getattr(argument, "__name__", argument)
    )


def _small(array):
    """An array, rounded: all of it, so that the wrong number can be seen (the inputs are small)."""
    return np.array2string(array, precision=3, suppress_small=True, max_line_width=140)
