"""Exercises that answer: `check` tries the learner's function, `hint` helps a little more each time, `solution` shows one.

One module per notebook: `from attnlib.exercises import ex03`, then `ex03.attention.check(my_attention)`.
"""

import inspect
import os

import numpy as np

from attnlib.show.source import show_source


class Exercise:
    """One exercise: a real function that solves it, inputs to try, and the mistakes it knows by name.

    solve      the solution, an ordinary function
    inputs     inputs(rng) -> a list of argument tuples, fresh ones for every check
    names      names of the results, for the report: ("output", "weights")
    mistakes   what is wrong, in words -> a function that makes this mistake
    hints      from gentle to nearly there
    """

    def __init__(self, solve, *, inputs, names=("result",), mistakes=None, hints=()):
        self.solve, self.inputs, self.names = solve, inputs, names
        self.mistakes, self.hints = mistakes or {}, hints
        self._hints_given = 0

    def check(self, function):
        """Try a function on several inputs, and print what is right or the first thing that is wrong."""
        print(self.judge(function)[1])

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
        trials = [(arguments, self.solve(*map(_copy, arguments))) for arguments in self.inputs(rng)]
        for number, (arguments, wanted) in enumerate(trials):
            given = [_copy(argument) for argument in arguments]
            try:
                with np.errstate(all="ignore"):
                    got = function(*given)
            except Exception as error:  # a learner's function may raise anything
                return False, f"Your function raised {type(error).__name__}: {error}\n{self._on(arguments)}"
            if got is None or got is ...:
                return False, "Not yet: the function returns nothing so far. Write its body, then run this cell again."
            wrong = self._difference(got, wanted) or self._changed(arguments, given)
            if wrong:
                passed = f"{number} of {len(trials)} inputs right. " if number else ""
                return False, f"{passed}{wrong}\n{self._on(arguments)}{self._mistake(function, trials)}"
        return True, f"Right, on {len(trials)} inputs" + (" of different shapes." if len(trials) > 1 else ".")

    def _difference(self, got, wanted):
        """The first thing that is wrong with a result, in words; empty if nothing is."""
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
            if not np.allclose(mine, right, atol=1e-6, equal_nan=True):
                return f"{name} is not right yet.\nyours:\n{_small(mine)}\nexpected:\n{_small(right)}"
        return ""

    def _changed(self, before, after):
        """Which input the function has changed, in words; empty if none."""
        for name, one, other in zip(inspect.signature(self.solve).parameters, before, after):
            if isinstance(one, np.ndarray) and not np.array_equal(one, other, equal_nan=True):
                return f"The result is right, but your function changes its input {name}: work on a copy, {name}.copy()."
        return ""

    def _mistake(self, function, trials):
        """Which known mistake gives the learner's results on every input, if one does."""
        try:
            with np.errstate(all="ignore"):
                results = [function(*map(_copy, arguments)) for arguments, _ in trials]
                for words, wrong in self.mistakes.items():
                    if not any(self._difference(got, wrong(*map(_copy, a))) for got, (a, _) in zip(results, trials)):
                        return f"\nIt looks as if {words}."
        except Exception:  # it already failed on one input; that report is enough
            pass
        return ""

    def _on(self, arguments):
        names = inspect.signature(self.solve).parameters
        said = [f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n}={getattr(a, '__name__', a)}" for n, a in zip(names, arguments)]
        return f"(tried with {', '.join(said)})" if said else ""


def _copy(argument):
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def _small(array):
    """A corner of an array, rounded."""
    corner = array[tuple(slice(0, 5) for _ in range(array.ndim))]
    more = "" if corner.shape == array.shape else "  (a corner)"
    return np.array2string(corner, precision=3, suppress_small=True) + more
