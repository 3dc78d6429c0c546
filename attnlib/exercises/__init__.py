"""Exercises that answer: `check` tries the learner's function, `hint` helps a little more each time, `solution` shows one.

One module per notebook: `from attnlib.exercises import ex03`, then `ex03.attention.check(my_attention)`.
`progress()` draws what has been passed across the course.
"""

import contextlib
import inspect
import io
import os

import numpy as np

from attnlib.exercises._limit import call
from attnlib.exercises._progress import progress, record
from attnlib.show.source import show_source

__all__ = ["Exercise", "progress"]

SECONDS = 5                                                # a function that takes longer, on one input, is stopped


class Exercise:
    """One exercise: a real function that solves it, inputs to try, and the mistakes it knows by name.

    solve      the solution, an ordinary function
    title      as in the notebook; level: 1 easy to 3 hard; minutes: how long it may take
    inputs     inputs(rng) -> a list of argument tuples, fresh ones for every check
    names      names of the results, for the report: ("output", "weights")
    fault      for exercises with many right answers: fault(result, *arguments) -> what is wrong in words, or ""
    mistakes   what is wrong, in words -> a function that makes this mistake
    hints      from gentle to nearly there
    """

    def __init__(self, solve, *, title, level, minutes, inputs, names=("result",), fault=None, mistakes=None, hints=()):
        self.solve, self.inputs, self.names, self.fault = solve, inputs, names, fault
        self.title, self.level, self.minutes = title, level, minutes
        self.mistakes, self.hints = mistakes or {}, hints
        self._hints_given = 0

    def check(self, function):
        """Try a function on several inputs, and print what is right or the first thing that is wrong."""
        passed, report = self.judge(function)
        print(report)
        if passed:
            print(record(self))

    def hint(self):
        """Print the next hint; after the last one, start again."""
        number = self._hints_given % len(self.hints)
        self._hints_given += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self):
        """The source of a function that passes."""
        return show_source(self.solve)

    def judge(self, function, seed=None):
        """(passed, report). The inputs are drawn anew each time, so that remembered numbers do not pass."""
        if not callable(function):
            return False, f"Give the function itself, without calling it: check(my_function). Got {type(function).__name__}."
        rng = np.random.default_rng(int.from_bytes(os.urandom(4), "big") if seed is None else seed)
        trials = self.inputs(rng)
        for number, arguments in enumerate(trials):
            given = [_copy(argument) for argument in arguments]
            try:
                with np.errstate(all="ignore"):
                    got = call(function, *given, seconds=SECONDS)
            except TimeoutError:
                return False, f"Stopped: your function took more than {SECONDS} seconds. A loop that never ends?\n{self._on(arguments)}"
            except (Exception, SystemExit) as error:                   # a learner's function may raise anything
                said = f"Your function raised {type(error).__name__}: {error}\n{self._on(arguments)}"
                return False, said + self._mistake(function, trials)
            if got is None or got is ...:
                return False, "Not yet: the function returns nothing so far. Write its body, then run this cell again."
            wrong = self._wrong(got, arguments) or self._changed(arguments, given)
            if wrong:
                passed = f"{number} of {len(trials)} inputs right. " if number else ""
                return False, f"{passed}{wrong}\n{self._on(arguments)}{self._mistake(function, trials)}"
        return True, f"Right, on {len(trials)} inputs" + (" of different shapes." if len(trials) > 1 else ".")

    def _wrong(self, got, arguments):
        """What is wrong with a result, in words; empty if nothing is."""
        if self.fault:
            return self.fault(got, *map(_copy, arguments))
        return self._difference(got, self.solve(*map(_copy, arguments)), _tolerance(arguments))

    def _difference(self, got, wanted, tolerance):
        """The first thing in which a result differs from the wanted one, in words; empty if it does not."""
        if len(self.names) == 1:
            got, wanted = (got,), (wanted,)
        if not isinstance(got, tuple) or len(got) != len(self.names):
            return f"It should return {len(self.names)} things, ({', '.join(self.names)}), but returned {type(got).__name__}."
        for name, mine, right in zip(self.names, got, wanted):
            if isinstance(right, tuple):
                if not isinstance(mine, (tuple, list)) or tuple(mine) != right:
                    return f"{name}: you said {mine}, right is {right}."
                continue
            try:
                mine, right = np.asarray(mine), np.asarray(right)
            except ValueError:
                return f"{name} is not an array."
            if mine.shape != right.shape:
                return f"{name} has the shape {mine.shape}, expected {right.shape}."
            if mine.dtype.kind not in "biuf":
                return f"{name} should hold numbers, got {mine.dtype}."
            if right.dtype.kind == "b" and mine.dtype.kind != "b":
                return f"{name} should be True and False, got {mine.dtype}."
            if not np.allclose(mine, right, atol=tolerance, equal_nan=True):
                return f"{name} is not right yet.\nyours:\n{_small(mine)}\nexpected:\n{_small(right)}"
        return ""

    def _changed(self, before, after):
        """Which input the function has changed, in words; empty if none."""
        for name, one, other in zip(inspect.signature(self.solve).parameters, before, after):
            if isinstance(one, np.ndarray) and not np.array_equal(one, other, equal_nan=True):
                return f"The result is right, but your function changes its input {name}: work on a copy, {name}.copy()."
        return ""

    def _mistake(self, function, trials):
        """Which known mistake does what the learner's function does on every input, if one does."""
        outcomes = [_outcome(function, arguments) for arguments in trials] if self.mistakes else []
        for words, wrong in self.mistakes.items():
            if all(self._same(mine, _outcome(wrong, a), _tolerance(a)) for mine, a in zip(outcomes, trials)):
                return f"\nIt looks as if {words}."
        return ""

    def _same(self, mine, other, tolerance):
        if mine is _RAISED or other is _RAISED:
            return mine is other
        try:
            return not self._difference(mine, other, tolerance)
        except Exception:                                  # what a learner returns may be anything
            return False

    def _on(self, arguments):
        names = inspect.signature(self.solve).parameters
        said = [f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n}={_named(a)}" for n, a in zip(names, arguments)]
        return f"(tried with {', '.join(said)})" if said else ""


_RAISED = object()


def _outcome(function, arguments):
    """What a function returns, quietly; _RAISED if it raises or takes too long."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            return call(function, *map(_copy, arguments), seconds=SECONDS)
    except (Exception, SystemExit):
        return _RAISED


def _tolerance(arguments):
    """Half-precision inputs cannot give more than three digits."""
    half = any(isinstance(argument, np.ndarray) and argument.dtype == np.float16 for argument in arguments)
    return 2e-3 if half else 1e-6


def _copy(argument):
    if isinstance(argument, np.random.Generator):          # the same stream for everyone who draws from it
        return np.random.default_rng(argument.bit_generator.seed_seq)
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _named(argument):
    return "rng" if isinstance(argument, np.random.Generator) else getattr(argument, "__name__", argument)


def _small(array):
    """A corner of an array, rounded."""
    corner = array[tuple(slice(0, 5) for _ in range(array.ndim))]
    more = "" if corner.shape == array.shape else "  (a corner)"
    return np.array2string(corner, precision=3, suppress_small=True) + more
